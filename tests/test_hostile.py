"""Bad input becomes rows with reasons, all in one build, and what is sound is stored beside it."""

from pathlib import Path

import av
import numpy as np
import pytest

from flows.building.run import run_build
from manifests.quarantine import Reason
from stores import FeatureStore
from stores.verify import verify
from tests.support.commands import QUICK
from tests.support.media_made import write

FACES = {"faces", "crops", "resnet18", "faceprint"}
PICTURES = FACES | {"frames_digest"}
SOUNDS = {"mfcc", "logmel64", "logmel128", "mfcc_resnet18", "soundprint", "sound_digest"}
ALL = PICTURES | SOUNDS


def halve(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.fixture(scope="module")
def store(processes: None, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A store built from one folder of bad and odd files."""
    folder = tmp_path_factory.mktemp("hostile") / "clips"
    folder.mkdir()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no film")
    (folder / "pointer.wav").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    )
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:5,\nhttp://affectstore.invalid/1.ts\n")
    (folder / "renamed.mp4").write_text("#EXTM3U\n#EXTINF:5,\nhttp://affectstore.invalid/1.ts\n")
    for name in ("cut.wav", "cut.flv", "cut.mp4"):
        write(folder / name, frames=0 if name.endswith("wav") else 60, audio_s=2.0)
        halve(folder / name)
    write(folder / "cut_faststart.mp4", frames=60, audio_s=2.0, options={"movflags": "faststart"})
    halve(folder / "cut_faststart.mp4")
    write(folder / "picture_alone.mp4", frames=30)
    write(folder / "sound_alone.wav", frames=0, audio_s=1.0)
    write(folder / "a_tenth.mp4", frames=3, audio_s=0.1)
    write(folder / "a_tenth_of_sound.wav", frames=0, audio_s=0.1, rate_hz=16000)
    write(folder / "silence.wav", frames=0, samples=np.zeros((16000, 1), np.float32), rate_hz=16000)
    write(folder / "short_sound.mp4", frames=60, audio_s=0.5)
    root = tmp_path_factory.mktemp("hostile") / "store"
    run_build(root, {"folder": folder}, "demo", QUICK, workers=1)
    return FeatureStore(root)


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ("empty", Reason.EMPTY_FILE),
        ("text", Reason.UNREADABLE),
        ("pointer", Reason.UNREADABLE),
        ("list", Reason.FORBIDDEN),
        ("renamed", Reason.FORBIDDEN),
        ("cut.wav", Reason.TRUNCATED),
        ("cut.flv", Reason.TRUNCATED),
        ("cut.mp4", Reason.TRUNCATED),
        ("cut_faststart", Reason.TRUNCATED),
    ],
)
def test_a_damaged_or_hostile_file_is_in_quarantine_for_every_feature(
    store: FeatureStore, clip: str, reason: Reason
) -> None:
    quarantined = store.quarantine()
    rows = quarantined[quarantined["clip_id"] == f"folder/{clip}"]
    assert set(rows["reason"]) == {reason}
    assert set(rows["feature"]) == ALL
    assert rows["detail"].str.len().min() > 20


@pytest.mark.parametrize(
    ("clip", "missing"),
    [
        ("picture_alone", ALL - {"frames_digest"}),
        *((clip, FACES) for clip in ("a_tenth", "short_sound")),
        *((clip, PICTURES) for clip in ("sound_alone", "a_tenth_of_sound", "silence")),
    ],
)
def test_a_sound_file_keeps_all_that_it_has(
    store: FeatureStore, clip: str, missing: set[str]
) -> None:
    index = store.index().query("state != 'stored'")
    assert set(index.loc[index["clip_id"] == f"folder/{clip}", "feature"]) == missing
    for feature in ALL - missing:
        assert len(store[feature][f"folder/{clip}"]) > 0


def test_what_is_missing_has_its_own_reason(store: FeatureStore) -> None:
    reasons = store.quarantine().set_index(["clip_id", "feature"])["reason"]
    states = store.index().set_index(["clip_id", "feature"])["state"]
    assert states["folder/sound_alone", "faces"] == "absent"
    assert reasons["folder/picture_alone", "mfcc"] == Reason.NO_AUDIO
    assert reasons["folder/picture_alone", "faces"] == Reason.NO_FACE


def test_silence_and_short_sound_are_noted_in_the_index(store: FeatureStore) -> None:
    notes = store.index().set_index(["clip_id", "feature"])["notes"]
    assert "silent" in notes["folder/silence", "mfcc"].split(",")
    assert "audio_short" in notes["folder/short_sound", "mfcc"].split(",")
    assert notes["folder/sound_alone", "mfcc"] == ""


def test_nothing_is_missing_beside_the_bad_files(store: FeatureStore) -> None:
    assert len(store.clips()) == 15
    assert verify(store.location).problems == []


@pytest.fixture(scope="module")
def real(
    processes: None, real_clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> FeatureStore:
    """A store of the five real clips."""
    root = tmp_path_factory.mktemp("real") / "store"
    run_build(root, {"folder": real_clips}, "demo", QUICK, workers=2)
    return FeatureStore(root)


def test_real_clips_build_and_the_one_without_a_face_lacks_its_face_features_alone(
    real: FeatureStore,
) -> None:
    quarantined = real.quarantine()
    assert len(real.clips()) == 5
    assert set(quarantined["clip_id"]) == {"folder/pyfeat_no_face"}
    assert set(quarantined["feature"]) == FACES
    assert verify(real.location).problems == []
    for clip_id in real["crops"]:
        track = real["crops"][clip_id]
        assert track.values.shape == (len(track), 224, 224, 3)
        assert track.valid.mean() > 0.5


def test_time_stamps_of_a_real_clip_are_the_decoders(real: FeatureStore, real_clips: Path) -> None:
    with av.open(str(real_clips / "short_hamilton_clip.mp4")) as container:
        frames = container.decode(video=0)
        shown = np.array([float(frame.pts * frame.time_base) for frame in frames])
    grid = shown[0] + np.arange(1000) / 10
    last = shown[-1] + np.median(np.diff(shown))
    expected = shown[np.searchsorted(shown, grid[grid < last - 1e-6] + 1e-9, side="right") - 1]
    found = real["faces"]["folder/short_hamilton_clip"].seconds
    np.testing.assert_array_equal(found, expected)
