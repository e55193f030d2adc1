"""Fingerprints and digests as extractors: what their rows say, and what they do where there is
nothing to compare."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.digest import FramesDigest, SoundDigest
from extractors.faceprint import FacePrint
from extractors.faces import Faces
from extractors.frames import Frames
from extractors.plan import Graph, Media, measure
from extractors.soundprint import SoundPrint
from flows.sample.speech import speak
from manifests.corpora.sample import SampleClip
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.near_duplicates import near_faces
from tests.support.media_made import Writer, a_clip, picture, portrait_in_motion

T = TypeVar("T")
Samples = NDArray[np.float32]
GRAPH = Graph(
    {
        "audio": Audio(),
        "frames": Frames(),
        "faces": Faces(),
        "sound": SoundDigest(),
        "pixels": FramesDigest(),
        "print": FacePrint(),
    }
)


@dataclass
class Sound:
    samples: Samples
    rate_hz: int = 16000

    def __getitem__(self, role: str) -> Track:
        count = len(self.samples)
        return Track(
            self.samples,
            0.5 + np.arange(count) / self.rate_hz,
            np.ones(count, np.bool_),
            ("noted",),
        )

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        return compute()


def soundprint(samples: Samples, rate_hz: int = 16000) -> Track:
    return SoundPrint(rate_hz=rate_hz).extract(a_clip(Path("a.wav")), Sound(samples, rate_hz))


def speech() -> Samples:
    return np.asarray(speak(SampleClip(1, "neutral", 1, 1, 1), 0)[::3], np.float32)


def test_each_bit_is_the_sign_of_the_formula() -> None:
    samples = speech()
    track = soundprint(samples)
    found = np.unpackbits(track.values, axis=1)
    for row in (40, 90):
        assert _energy_signs(samples, row).tolist() == found[row].astype(bool).tolist()


def _energy_signs(samples: Samples, row: int) -> NDArray[np.bool_]:
    """By the words of the docstring, one bin at a time."""
    energies = np.zeros((2, 33))
    edges = [round(300 * (2000 / 300) ** (band / 33) * 6000 / 16000) for band in range(34)]
    for which in (0, 1):
        start = (row + which) * 200
        spectrum = np.fft.rfft(
            samples[start : start + 5920].astype(np.float64) * np.hanning(5920), 6000
        )
        for band in range(33):
            energies[which, band] = sum(
                abs(spectrum[number]) ** 2 for number in range(edges[band], edges[band + 1])
            )
    steps = energies[:, :-1] - energies[:, 1:]
    return np.asarray(steps[1] - steps[0] > 0)


def test_rows_lie_at_the_centres_of_their_windows_and_notes_travel() -> None:
    track = soundprint(speech())
    assert track.values.dtype == np.uint8
    assert track.seconds[0] == pytest.approx(0.5 + 0.0125 + 0.185)
    assert np.diff(track.seconds) == pytest.approx(0.0125)
    assert len(track) == (len(speech()) - 5920) // 200
    assert track.notes == ("noted",)


def test_loudness_turns_no_bit_and_sampling_at_another_rate_few() -> None:
    import soxr

    samples = speech()
    plain, quiet = soundprint(samples), soundprint(samples * np.float32(0.25))
    assert (plain.values == quiet.values).all()
    other = soundprint(soxr.resample(samples, 16000, 22050, quality="HQ"), 22050)
    rows = min(len(plain), len(other))
    unlike = np.unpackbits(plain.values[:rows] ^ other.values[:rows], axis=1)[
        plain.valid[:rows] & other.valid[:rows]
    ]
    assert unlike.mean() < 0.06


def test_pauses_and_silence_are_not_valid() -> None:
    quiet = np.zeros(16000, np.float32)
    assert not soundprint(quiet).valid.any()
    track = soundprint(np.concatenate([speech(), quiet, quiet]))
    assert track.valid[60:80].all()
    assert not track.valid[-80:].any()


def test_a_clip_too_short_for_two_windows_has_one_row_that_is_not_valid() -> None:
    track = soundprint(speech()[:6119])
    assert (len(track), track.valid.any()) == (1, False)
    assert len(soundprint(speech()[:6120])) == 1


def test_another_rate_than_the_sounds_is_refused() -> None:
    with pytest.raises(ValueError, match="22050 Hz; give both the same rate"):
        Graph({"audio": Audio(rate_hz=22050), "soundprint": SoundPrint()}).specs  # noqa: B018
    with pytest.raises(ValueError, match="expected at least 4000"):
        SoundPrint(rate_hz=2000)


def faceprint(frames: list[tuple[float, NDArray[np.uint8]]]) -> Track:
    faces = Faces().sink(a_clip(Path("a.mp4")), {})
    sink = FacePrint().sink(a_clip(Path("a.mp4")), {"faces": faces})
    for seconds, frame in frames:
        sink.push(seconds, frame)
        faces.push(seconds, frame)
    return sink.finish()


def changed(change: Callable[[NDArray[np.uint8]], Any]) -> list[tuple[float, NDArray[np.uint8]]]:
    return [
        (seconds, np.asarray(change(frame), np.uint8)) for seconds, frame in portrait_in_motion()
    ]


def test_a_face_is_nearly_the_same_in_other_sizes_and_light() -> None:
    tracks = {
        "as it is": faceprint(portrait_in_motion()),
        "small": faceprint(
            changed(lambda frame: cv2.resize(frame, (200, 150), interpolation=cv2.INTER_AREA))
        ),
        "dark": faceprint(changed(lambda frame: frame * 0.6)),
        "backwards": faceprint(
            [
                (seconds, frame)
                for (seconds, _), (_, frame) in zip(
                    portrait_in_motion(), portrait_in_motion()[::-1], strict=True
                )
            ]
        ),
    }
    assert {(pair.first, pair.second) for pair in near_faces(tracks)} == {
        ("as it is", "dark"),
        ("as it is", "small"),
        ("dark", "small"),
    }


def test_rows_of_a_face_have_length_one_and_the_times_of_the_frames() -> None:
    track = faceprint(portrait_in_motion())
    assert track.values.shape == (12, 32)
    assert np.linalg.norm(track.values, axis=1) == pytest.approx(1, abs=1e-5)
    assert track.seconds.tolist() == [number / 10 for number in range(12)]


def test_frames_in_which_the_face_is_gone_are_not_valid_and_no_face_is_refused() -> None:
    frames = portrait_in_motion()
    blank = np.full_like(frames[0][1], 90)
    track = faceprint(
        [
            (seconds, blank if number == 7 else frame)
            for number, (seconds, frame) in enumerate(frames)
        ]
    )
    assert (track.valid[6], track.valid[7]) == (True, False)
    assert (np.isnan(track.values).all(axis=1) == ~track.valid).all()
    with pytest.raises(BadClip) as refused:
        faceprint([(seconds, blank) for seconds, _ in frames])
    assert refused.value.reason is Reason.NO_FACE


def digest(path: Path, feature: str) -> Track:
    found = measure(GRAPH, [feature], a_clip(path), path, Media())[feature]
    assert isinstance(found, Track)
    return found


def test_the_same_samples_in_another_container_have_the_same_digest(write_media: Writer) -> None:
    noise = (np.random.default_rng(0).integers(-9999, 9999, (16000, 1)) / 32768).astype(np.float32)
    wav, flac = (
        write_media(name, frames=0, samples=noise, rate_hz=16000) for name in ("a.wav", "b.flac")
    )
    noise[777] += 1 / 32768
    other = write_media("c.wav", frames=0, samples=noise, rate_hz=16000)
    assert wav.read_bytes() != flac.read_bytes()
    assert (
        digest(wav, "sound").values.tolist()
        == digest(flac, "sound").values.tolist()
        != digest(other, "sound").values.tolist()
    )
    assert digest(wav, "sound").values.shape == (1, 32)


def test_the_same_pictures_in_another_container_have_the_same_digest(
    write_media: Writer, tmp_path: Path
) -> None:
    one, other = (
        write_media("one.mp4", frames=20, fps=20),
        write_media("other.mp4", frames=19, fps=20, video_options={"crf": "30"}),
    )
    copy = tmp_path / "copy.mkv"
    with av.open(str(one)) as old, av.open(str(copy), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    assert (
        digest(one, "pixels").values.tolist()
        == digest(copy, "pixels").values.tolist()
        != digest(other, "pixels").values.tolist()
    )


def test_what_all_empty_clips_share_is_no_digest(write_media: Writer) -> None:
    silent = write_media(
        "silent.wav", frames=0, samples=np.zeros((16000, 1), np.float32), rate_hz=16000
    )
    assert digest(silent, "sound").valid.tolist() == [False]
    sink = FramesDigest().sink(a_clip(Path("a.mp4")), {})
    for number in range(3):
        sink.push(number / 10, np.zeros((8, 8, 3), np.uint8))
    assert sink.finish().valid.tolist() == [False]
    sink.push(0.3, picture(1))
    assert sink.finish().valid.tolist() == [True]


def test_a_clip_without_frames_has_no_digest_of_them() -> None:
    with pytest.raises(BadClip) as refused:
        FramesDigest().sink(a_clip(Path("a.mp4")), {}).finish()
    assert refused.value.reason is Reason.NO_VIDEO
