"""Damage in the picture leaves the sound, damage in the sound leaves the picture, and a recipe may
ask for the strict way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
from av import AudioFrame, VideoFrame

from extractors import clip_decoder, grid_frames
from extractors.audio import Audio
from extractors.base import FromTracks, Inputs, Layout
from extractors.ffmpeg_decoder import FfmpegDecoder, _plain
from extractors.frames import Frames
from extractors.limits import Limits
from extractors.logmel import LogMel
from extractors.media import DECODERS, decode, probe
from extractors.plan import Graph, Media, Outcome, measure
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores import FeatureStore
from tests.support.in_process import build_here
from tests.support.media_made import Writer, a_clip

SOUND, PICTURE, BOTH = {"audio", "logmel"}, {"frames"}, {"both"}


@dataclass(frozen=True)
class SoundAndPicture(FromTracks):
    """How many rows there are of both."""

    name: ClassVar[str] = "sound_and_picture"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("audio", "frames")

    audio: str = "audio"
    frames: str = "frames"

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time",), (), "rows", None)

    def extract(self, clip: object, inputs: Inputs) -> Track:
        rows = len(inputs["audio"]) + len(inputs["frames"])
        return Track(np.full(1, rows, np.float32), np.zeros(1), np.ones(1, np.bool_))


GRAPH = Graph(
    {
        "audio": Audio(),
        "logmel": LogMel(n_mels=20),
        "frames": Frames(size=8),
        "both": SoundAndPicture(),
    }
)


def measured(path: Path, decoder: str = "pyav", strict: bool = False) -> Mapping[str, Outcome]:
    return measure(GRAPH, GRAPH.order, a_clip(path), path, Media(decoder=decoder, strict=strict))


def reasons(outcomes: Mapping[str, Outcome]) -> dict[str, BadClip]:
    return {name: one for name, one in outcomes.items() if isinstance(one, BadClip)}


def damage(path: Path, kind: str, times: int = 1) -> Path:
    """Overwrites packets in the middle of one stream with noise."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0] if kind == "video" else file.streams.audio[0]
        is_mp3 = stream.codec_context.name.startswith("mp3")
        packets = [p for p in file.demux(stream) if p.size and (kind == "audio" or p.is_keyframe)]
        spans = [(p.pos, p.size) for p in packets[len(packets) // 2 :][:times]]
    data = bytearray(path.read_bytes())
    for at, size in spans:
        # A frame of MP3 is refused for its header alone; elsewhere the container's is before it.
        start, count = at + (0 if is_mp3 else size // 4), size // 2
        data[start : start + count] = np.random.default_rng(1).bytes(count)
    path.write_bytes(data)
    return path


@pytest.fixture(params=[".mp4"])
def clip(request: pytest.FixtureRequest, write_media: Writer) -> Path:
    return write_media(f"a{request.param}", frames=30, fps=30, size=(320, 240), audio_s=1.0)


@pytest.mark.parametrize("clip", [".mp4", ".mkv", ".avi", ".flv", ".webm"], indirect=True)
@pytest.mark.parametrize("decoder", DECODERS)
def test_damage_in_the_picture_leaves_the_sound(clip: Path, decoder: str) -> None:
    sound = measured(clip)["audio"]
    found = measured(damage(clip, "video"), decoder)
    assert set(reasons(found)) == PICTURE | BOTH
    assert {bad.reason for bad in reasons(found).values()} == {Reason.CORRUPT}
    assert isinstance(sound, Track)
    assert np.array_equal(found["audio"].values, sound.values)  # type: ignore[union-attr]


@pytest.mark.parametrize("clip", [".mp4", ".mkv", ".avi", ".flv"], indirect=True)
@pytest.mark.parametrize("decoder", DECODERS)
def test_damage_in_the_sound_leaves_the_picture(clip: Path, decoder: str) -> None:
    """Not of Opus in webm, whose decoder takes any bytes for sound."""
    frames = measured(clip)["frames"]
    found = measured(damage(clip, "audio", times=6), decoder)
    assert set(reasons(found)) == SOUND | BOTH
    assert {bad.reason for bad in reasons(found).values()} == {Reason.CORRUPT}
    assert isinstance(frames, Track)
    assert np.array_equal(found["frames"].values, frames.values)  # type: ignore[union-attr]


def test_words_of_ffmpeg_are_the_same_on_every_machine() -> None:
    line = "[aist#0:0/mp3 @ 0x55d1] [dec:mp3float @ 0x563c] Error submitting packet to decoder"
    assert _plain(line) == "Error submitting packet to decoder"


def test_each_feature_has_the_reason_of_its_own_stream(clip: Path) -> None:
    found = reasons(measured(damage(damage(clip, "video"), "audio", times=6)))
    assert set(found) == SOUND | PICTURE | BOTH
    assert all("the audio packet" in found[name].detail for name in SOUND | BOTH)
    assert "the video packet" in found["frames"].detail


@pytest.mark.parametrize("kind", ["audio", "video"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_the_first_look_at_a_file_leaves_damage_in_a_stream_to_the_decoding(
    write_media: Writer, kind: str, suffix: str
) -> None:
    path = write_media(f"a{suffix}", frames=30, fps=30, size=(320, 240), audio_s=1.0)
    facts = probe(a_clip(path), path, Limits())
    damaged = probe(a_clip(path), damage(path, kind, times=6), Limits())
    assert (damaged.has_audio, damaged.has_video) == (True, True)
    assert damaged.video_s == pytest.approx(facts.video_s, abs=0.05)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("kind", ["audio", "video"])
def test_the_strict_way_refuses_the_clip(clip: Path, decoder: str, kind: str) -> None:
    found = reasons(measured(damage(clip, kind, times=6), decoder, strict=True))
    assert set(found) == set(GRAPH.order)
    assert len({bad.detail for bad in found.values()}) == 1


def test_a_limit_is_the_whole_clips(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> None:
        raise BadClip("made/clip", Reason.TOO_LARGE, "a frame has more pixels than the limit")

    monkeypatch.setattr(grid_frames, "to_rgb", too_large)
    found = reasons(measured(clip))
    assert set(found) == set(GRAPH.order)
    assert {bad.reason for bad in found.values()} == {Reason.TOO_LARGE}


@pytest.mark.usefixtures("processes")
def test_frames_whose_times_contradict_their_packets_fill_no_grid(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that a decoder puts a million seconds before its packet would be shown so long."""

    class Early(FfmpegDecoder):
        def frames(self) -> Iterator[tuple[VideoFrame | AudioFrame, Fraction]]:
            frame, stamp = next(super().frames())
            yield frame, stamp - 1_000_000

    monkeypatch.setattr(clip_decoder, "FfmpegDecoder", Early)
    pushed: list[float] = []
    with pytest.raises(BadClip, match="the frames go on past") as caught:
        decode(
            a_clip(clip),
            clip,
            audio=False,
            grids={10.0: lambda seconds, _: pushed.append(seconds)},
            limits=Limits(),
            decoder="ffmpeg",
        )
    assert (caught.value.reason, pushed) == (Reason.TOO_LONG, [])


@pytest.mark.parametrize(("fps", "limit_s"), [(0.01, 3), (0.4, 1.0), (30.0, 1.0)])
def test_a_coarse_grid_is_no_longer_than_the_clip(clip: Path, fps: float, limit_s: float) -> None:
    pushed: list[float] = []
    decode(
        a_clip(clip),
        clip,
        audio=False,
        grids={fps: lambda seconds, _: pushed.append(seconds)},
        limits=Limits(max_duration_s=limit_s + 0.1),
    )
    assert len(pushed) == -(-fps // 1)


def states(store: Path) -> dict[str, str]:
    index = FeatureStore(store).index()
    return dict(zip(index["feature"], index["state"], strict=True))


def test_a_recipe_that_becomes_strict_or_lenient_judges_damaged_clips_again(
    tmp_path: Path, write_media: Writer
) -> None:
    store, folder = tmp_path / "store", tmp_path / "clips"
    folder.mkdir()
    damage(write_media("clips/a.mp4", frames=30, size=(320, 240), audio_s=1.0), "video")
    lenient = {"audio": "stored", "logmel": "stored", "frames": "quarantined"}
    for _ in range(2):
        assert build_here(store, folder).is_new
        assert states(store) == lenient
        assert not build_here(store, folder).is_new
        assert build_here(store, folder, "media.strict=true").is_new
        assert states(store) == dict.fromkeys(lenient, "quarantined")
        assert not build_here(store, folder, "media.strict=true").is_new
    assert build_here(store, folder).is_new
    assert states(store) == lenient
