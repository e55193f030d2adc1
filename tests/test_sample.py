"""The sample corpus: what it promises, drawn and decoded for real."""

import hashlib
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scipy.signal import find_peaks

from extractors.base import Rgb
from flows.sample.pictures import FPS, NOTE, NotASampleFolder, write_clip, write_sample
from flows.sample.speech import MANNERS, RATE_HZ, Samples, speak
from manifests.corpora.ravdess import EMOTIONS, parse
from manifests.corpora.sample import MOST_TAKES, SAMPLE, Defect, SampleClip, sample_clips

CLIPS = sample_clips(actors=3, emotions=2, takes=1)
"""Of the sample that the tests share: of actors, enough for all three defects."""


@pytest.fixture
def root(sample: Path) -> Path:
    return sample


def with_defect(root: Path, defect: Defect) -> Path:
    (clip,) = [clip for clip in CLIPS if clip.defect is defect]
    return root / clip.path


def sound_ones(root: Path) -> list[Path]:
    return [root / clip.path for clip in CLIPS if not clip.defect]


def frames(path: Path) -> list[Rgb]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def sound(path: Path) -> Samples:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.mp4"))
    }


def pitch_hz(samples: Samples) -> float:
    """Median over windows of 40 ms of the highest peak of the autocorrelation, in the louder
    half."""
    size = RATE_HZ // 25
    windows = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    loud = windows[windows.std(axis=1) > np.median(windows.std(axis=1))]
    found = []
    for window in loud:
        echo = np.correlate(window, window, "full")[size - 1 :]
        peaks, _ = find_peaks(echo[RATE_HZ // 400 : RATE_HZ // 60])
        if len(peaks):
            found.append(
                RATE_HZ / (max(peaks, key=lambda at: echo[at + RATE_HZ // 400]) + RATE_HZ // 400)
            )
    return float(np.median(found))


def test_the_default_sample_has_51_names_and_every_one_is_a_ravdess_name() -> None:
    clips = sample_clips()
    assert len({clip.stem for clip in clips}) == 51
    names = [parse(clip.stem) for clip in clips if not clip.defect]
    assert Counter((name.actor, name.emotion) for name in names) == {
        (actor, emotion): 2
        for actor in range(1, 7)
        for emotion in ("neutral", "happy", "sad", "angry")
    }
    assert Counter(clip.defect for clip in clips if clip.defect) == dict.fromkeys(Defect, 1)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 8, 4), (24, 8, 4), (24, 5, 4)])
def test_names_are_unique_and_possible_at_every_size(size: tuple[int, int, int]) -> None:
    actors, emotions, takes = size
    clips = sample_clips(*size)
    assert (
        len({clip.stem for clip in clips}) == len(clips) == actors * emotions * takes + len(Defect)
    )
    for clip in clips:
        name = parse(clip.stem)
        assert (name.emotion, name.actor) == (clip.emotion, clip.actor)
        assert (name.modality == "video-only") == (clip.defect is Defect.NO_SOUND)


@pytest.mark.parametrize(
    "size", [(0, 4, 2), (25, 4, 2), (6, 0, 2), (6, 9, 2), (6, 4, 0), (6, 4, MOST_TAKES + 1)]
)
def test_a_size_without_names_is_refused(size: tuple[int, int, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"was asked for; RAVDESS names allow 1 to"):
        write_sample(tmp_path / "new", actors=size[0], emotions=size[1], takes=size[2])
    assert not (tmp_path / "new").exists()


def test_what_is_drawn_is_what_the_list_says_and_the_scan_finds_it(root: Path) -> None:
    found = SAMPLE.scan(root)
    assert {one.clip.path for one in found} == {clip.path for clip in CLIPS}
    assert not [one for one in found if one.bad]
    assert {one.clip.subject_id for one in found} == {f"sample/{actor:02d}" for actor in (1, 2, 3)}
    assert {label.value for one in found for label in one.labels if label.scheme == "ravdess8"} == {
        "neutral",
        "happy",
        "sad",
        "angry",
    }


def test_an_interrupted_sample_is_finished_by_the_same_call_with_the_same_bytes(
    root: Path, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(path: str) -> None:
        raise Stop

    again = tmp_path / "again"
    with pytest.raises(Stop):
        write_sample(again, actors=3, emotions=1, takes=1, on_clip=stop)
    assert set() < hashes(again).items() <= hashes(root).items()
    next(
        again.rglob("*.mp4")
    ).unlink()  # where there are processors for all clips, all have been drawn
    drawn: list[str] = []
    paths = write_sample(again, actors=3, emotions=1, takes=1, on_clip=drawn.append)
    assert drawn == [path.relative_to(again).as_posix() for path in paths]
    assert hashes(again).items() <= hashes(root).items()
    assert len(hashes(again)) == len(paths)
    assert len(set(hashes(root).values())) == len(CLIPS)


def test_clips_are_360p_h264_with_aac_of_the_stated_length(root: Path) -> None:
    for path in sound_ones(root):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.width, video.height, video.average_rate) == (
                "h264",
                640,
                360,
                FPS,
            )
            assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", RATE_HZ, 1)
            assert container.duration is not None
            assert 1.5 <= container.duration / 1e6 <= 2.55
        assert abs(len(frames(path)) / FPS - len(sound(path)) / RATE_HZ) < 0.06


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_voice_of_normal_intensity_lasts_1500_to_2500_ms_and_is_not_clipped(
    emotion: str,
) -> None:
    for actor in (1, 2, 23, 24):
        for repetition in (1, 2):
            samples = speak(
                SampleClip(actor, emotion, 1, repetition, repetition), seed=actor + repetition
            )
            assert 1.5 <= len(samples) / RATE_HZ <= 2.5
            assert 0.05 < np.abs(samples).max() < 0.98


def test_pitch_and_loudness_follow_the_emotion_and_the_speaker() -> None:
    voices = {
        (actor, emotion): speak(SampleClip(actor, emotion, 1, 1, 1), seed=1)
        for actor in (1, 2, 3, 4)
        for emotion in MANNERS
    }
    pitch = {key: pitch_hz(samples) for key, samples in voices.items()}
    level = {key: float(samples.std()) for key, samples in voices.items()}
    for actor in (1, 2, 3, 4):
        assert pitch[actor, "sad"] < pitch[actor, "neutral"] < pitch[actor, "happy"]
        assert (
            level[actor, "sad"]
            < level[actor, "neutral"]
            < level[actor, "happy"]
            < level[actor, "angry"]
        )
    for man, woman in ((1, 2), (3, 4)):
        assert 85 < pitch[man, "neutral"] < 150 < pitch[woman, "neutral"] < 245


def test_a_voice_begins_and_ends_with_the_rooms_noise_and_never_with_digital_silence() -> None:
    samples = speak(SampleClip(1, "angry", 1, 1, 1), seed=1)
    edge = RATE_HZ // 5
    for quiet in (samples[:edge], samples[-edge:]):
        assert 0 < quiet.std() < 0.01 * samples.std()


def test_a_sound_clip_has_a_face_in_every_frame_and_the_faceless_clip_in_none(root: Path) -> None:
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def faces(path: Path) -> list[int]:
        greys = [
            cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in islice(frames(path), 0, None, 10)
        ]
        return [len(detector.detectMultiScale(grey, 1.1, 5, minSize=(80, 80))) for grey in greys]

    for path in sound_ones(root):
        assert all(count == 1 for count in faces(path))
    assert not any(faces(with_defect(root, Defect.NO_FACE)))


def test_actors_look_different_and_the_picture_moves(root: Path) -> None:
    one_each = {clip.actor: clip.path for clip in CLIPS if not clip.defect}
    films = [frames(root / path) for path in one_each.values()]
    assert len(films) == 3
    means = [film[0].astype(float).mean(axis=(0, 1)) for film in films]
    assert all(np.abs(one - two).max() > 5 for at, one in enumerate(means) for two in means[:at])
    assert all(not np.array_equal(film[0], film[len(film) // 2]) for film in films)


def test_the_silent_clip_has_no_audio_stream(root: Path) -> None:
    path = with_defect(root, Defect.NO_SOUND)
    assert path.name.startswith("02-")
    with av.open(str(path)) as container:
        assert not container.streams.audio
    assert len(frames(path)) > FPS


def test_the_truncated_clip_opens_and_declares_more_than_it_holds(root: Path) -> None:
    path = with_defect(root, Defect.TRUNCATED)
    decoded = 0
    with av.open(str(path)) as container:
        declared = container.streams.video[0].frames
        try:
            for _ in container.decode(video=0):
                decoded += 1
        except av.InvalidDataError:
            pass
    assert 1.5 * FPS <= declared <= 2.5 * FPS
    assert 0 < decoded < 0.75 * declared


def test_no_half_written_file_is_left_and_the_note_tells_what_is_synthetic(root: Path) -> None:
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {NOTE, *(clip.path for clip in CLIPS)}
    assert re.search("speech is\\s+synthetic", (root / NOTE).read_text("utf-8"))


def test_a_folder_with_anything_else_in_it_is_not_touched(tmp_path: Path) -> None:
    real = tmp_path / "Actor_01" / "01-01-01-01-01-01-01.mp4"
    real.parent.mkdir()
    real.write_bytes(b"a real recording")
    with pytest.raises(
        NotASampleFolder, match="is not empty and holds no sample corpus; name an empty folder"
    ):
        write_sample(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [real]
    assert real.read_bytes() == b"a real recording"
    with pytest.raises(NotASampleFolder, match="is a file"):
        write_sample(real)


def test_a_sample_of_another_size_is_not_mixed_in(root: Path) -> None:
    before = hashes(root)
    with pytest.raises(NotASampleFolder, match="holds another sample corpus"):
        write_sample(root, actors=1, emotions=1, takes=1)
    assert hashes(root) == before


def test_a_clip_of_no_frames_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs at least one"):
        write_clip(tmp_path / "clip.mp4", [], 25, None, RATE_HZ)
    assert not list(tmp_path.iterdir())


def test_a_written_clip_gives_back_its_frames_and_its_sound(tmp_path: Path) -> None:
    greys = [np.full((64, 96, 3), level, dtype=np.uint8) for level in (40, 90, 140, 190, 240)]
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    write_clip(tmp_path / "clip.mp4", greys, 5, tone, 16_000)
    got = frames(tmp_path / "clip.mp4")
    assert [round(float(frame.mean())) for frame in got] == pytest.approx(
        [40, 90, 140, 190, 240], abs=3
    )
    heard = sound(tmp_path / "clip.mp4")
    assert len(heard) == pytest.approx(16_000, abs=1024)
    assert heard[4000:12_000].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
