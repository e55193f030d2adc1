"""Golden numbers: what each version of each extractor gives on a small fixed input.

Stores are keyed by an extractor's version and parameters, so numbers that move without a new
version would mix silently with older ones. After raising a version:

    python -m tests.support.golden          writes the new numbers to tests/golden.json
    python -m tests.support.golden NAME     prints those of one extractor
"""

import json
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.augment_audio import AugmentAudio
from extractors.augment_pictures import AugmentPictures
from extractors.base import FromTracks, Pcm, Runtime, Sink
from extractors.catalog import EXTRACTORS
from extractors.crops import Crops
from extractors.denoise import Denoise
from extractors.digest import FramesDigest, SoundDigest
from extractors.faceprint import FacePrint
from extractors.faces import Faces
from extractors.frames import Frames, decode_jpeg
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from extractors.normalise import Normalise
from extractors.resnet import ResNet
from extractors.resnet_map import ResNetMap
from extractors.soundprint import SoundPrint
from extractors.summary import Summary
from manifests.clips import Clip
from manifests.tracks import Track
from tests.support.media_made import portrait_in_motion

T = TypeVar("T")
Numbers = dict[str, list[float]]
GOLDEN = Path(__file__).parents[1] / "golden.json"
CLIP = Clip("folder/a", "folder", None, None, "folder/a", None, "a.mp4", "0" * 64, 1)


def waveform(rate_hz: int, seconds: float = 1.0) -> NDArray[np.float32]:
    """(time,) a tone that glides from 200 Hz to 3 kHz over noise."""
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    tone = np.sin(2 * np.pi * (200 * time + 1400 * time**2 / seconds))
    return np.asarray(
        0.3 * tone + 0.02 * (np.random.default_rng(0).random(len(time)) - 0.5), np.float32
    )


@dataclass
class OneTrack:
    """The input of a feature that needs one, whatever it calls it."""

    track: Track

    def __getitem__(self, role: str) -> Track:
        return {"audio": self.track, "input": self.track}[role]

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        return compute()


def from_sound(kind: FromTracks) -> Track:
    samples = waveform(16000)
    return kind.extract(
        CLIP, OneTrack(Track(samples, np.arange(len(samples)) / 16000, np.ones(len(samples), bool)))
    )


def from_frames(sink: Sink, beside: Sink | None = None) -> Track:
    for seconds, frame in portrait_in_motion():
        for listener in (sink, beside):
            if listener is not None:
                listener.push(seconds, frame)
    return sink.finish()


def audio() -> Track:
    left = waveform(48000)
    return Audio().convert(CLIP, Pcm(np.stack([left, 0.5 * left[::-1]], axis=1), 48000, 0.025))


def from_pictures(kind: FromTracks) -> Track:
    return kind.extract(CLIP, OneTrack(from_frames(Frames(size=112).sink(CLIP, {}))))


def crops() -> Track:
    faces = Faces().sink(CLIP, {})
    return from_frames(
        Crops().sink(CLIP, {"frames": Frames().sink(CLIP, {}), "faces": faces}), beside=faces
    )


def faceprint() -> Track:
    faces = Faces().sink(CLIP, {})
    return from_frames(
        FacePrint().sink(CLIP, {"frames": Frames().sink(CLIP, {}), "faces": faces}), beside=faces
    )


def sound_digest() -> Track:
    """Of samples that are the same on every processor."""
    samples = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, 16000).astype(np.float32) / (
        1 << 15
    )
    return SoundDigest().extract(
        CLIP, OneTrack(Track(samples, np.arange(16000) / 16000, np.ones(16000, bool)))
    )


def frames_digest() -> Track:
    sink = FramesDigest().sink(CLIP, {})
    for number, frame in enumerate(
        np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    ):
        sink.push(number / 10, frame)
    return sink.finish()


def from_images(kind: ResNet) -> Track:
    images = np.stack(
        [cv2.resize(frame, (kind.size, kind.size)) for _, frame in portrait_in_motion()[::6]]
    )
    values = kind.encode(np.asarray(images, np.uint8), Runtime("openvino", threads=1))
    return Track(values, np.arange(len(values), dtype=np.float64), np.ones(len(values), bool))


@dataclass(frozen=True)
class Case:
    track: Callable[[], Track]
    tolerance: float = 1e-4
    """Difference allowed between processors, as a share of the root mean square."""


CASES = {
    "audio": Case(audio),
    "frames": Case(lambda: from_frames(Frames(size=112).sink(CLIP, {})), 1e-3),
    "mfcc": Case(lambda: from_sound(Mfcc())),
    "logmel": Case(lambda: from_sound(LogMel())),
    "faces": Case(
        lambda: from_frames(Faces().sink(CLIP, {})), 1e-2
    ),  # a detector rounds its boxes to whole pixels
    "crops": Case(crops, 1e-2),
    "resnet": Case(lambda: from_images(ResNet(depth=18, weights="random", seed=0))),
    "resnet_map": Case(lambda: from_images(ResNetMap(depth=18, weights="random", seed=0, size=96))),
    "denoise": Case(lambda: from_sound(Denoise())),
    "normalise": Case(lambda: from_sound(Normalise(measure="rms", level_db=-20.0))),
    "summary": Case(lambda: from_pictures(Summary()), 1e-3),
    "augment_audio": Case(
        lambda: from_sound(
            AugmentAudio(pitch_semitones=1, stretch=0.1, shift_s=0.05, noise_snr_db=20)
        ),
        1e-3,
    ),
    "augment_pictures": Case(
        lambda: from_pictures(
            AugmentPictures(flip=0.5, rotation_deg=5, crop=0.1, brightness=0.1, contrast=0.1)
        ),
        1e-2,
    ),
    "soundprint": Case(
        lambda: from_sound(SoundPrint()), 1e-2
    ),  # the sign of a difference of nearly nothing may turn
    "faceprint": Case(faceprint, 1e-2),
    "sound_digest": Case(sound_digest),
    "frames_digest": Case(frames_digest),
}


def numbers(track: Track) -> Numbers:
    """Mean and root mean square of the valid rows, in 8 stretches of time and in 8 of the other
    dimensions."""
    rows = track.values[track.valid]
    if rows.dtype == object:
        rows = np.stack([decode_jpeg(row) for row in rows])
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    spans = {
        "in_time": np.array_split(rows, min(8, len(rows))),
        "in_place": np.array_split(rows, min(8, rows.shape[1]), axis=1),
    }
    summary = {
        "shape": [*map(float, rows.shape), float(track.valid.sum())],
        "seconds": [float(track.seconds[0]), float(track.seconds[-1])],
    }
    for name, parts in spans.items():
        summary[f"mean_{name}"] = [float(part.mean()) for part in parts]
        summary[f"rms_{name}"] = [float(np.sqrt((part**2).mean())) for part in parts]
    return summary


def differences(found: Numbers, golden: Numbers, tolerance: float) -> list[str]:
    """What moved, in words; empty when nothing did. Each stretch is compared on its own scale, its
    root mean square."""
    moved = []
    for name, expected in golden.items():
        scale = (
            np.asarray(golden[name.replace("mean", "rms")])
            if "_in_" in name
            else np.zeros(len(expected))
        )
        allowed = tolerance * scale + 1e-9
        if (
            len(found[name]) != len(expected)
            or (np.abs(np.subtract(found[name], expected)) > allowed).any()
        ):
            moved.append(f"{name} is {_short(found[name])}, was {_short(expected)}")
    return moved


def _short(values: list[float]) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


def load() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return entries


def entry(name: str) -> dict[str, Any]:
    """What tests/golden.json holds of an extractor's present version."""
    found = numbers(CASES[name].track())
    rounded = {key: [float(f"{x:.9g}") for x in values] for key, values in found.items()}
    return {"version": EXTRACTORS[name].version, "numbers": rounded}


def write() -> None:
    """New entries, and new numbers for new versions; refuses new numbers for an old version."""
    entries = load() if GOLDEN.exists() else {}
    for name, case in CASES.items():
        new, old = entry(name), entries.get(name)
        if old and old["version"] == new["version"]:
            if moved := differences(new["numbers"], old["numbers"], case.tolerance):
                raise SystemExit(
                    f"{name} gives other numbers ({'; '.join(moved)}); raise "
                    f"{EXTRACTORS[name].__name__}.version first"
                )
            continue
        entries[name] = new
    GOLDEN.write_text(json.dumps(dict(sorted(entries.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(json.dumps({given: entry(given)}, indent=1))
    if len(sys.argv) == 1:
        write()
