"""MFCC with deltas and two log-mels of the same clip, librosa against ours, side by side: `python
-m benchmarks.audio_features`."""

import time
from collections.abc import Callable, Hashable
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.clips import KINDS, voice
from benchmarks.naive import librosa_features
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from manifests.clips import Clip
from manifests.tracks import Track

T = TypeVar("T")
CLIP = Clip("folder/a", "folder", None, None, "folder/a", None, "a.wav", "0" * 64, 1)
EXTRACTORS = {"mfcc": Mfcc(), "logmel64": LogMel(n_mels=64), "logmel128": LogMel(n_mels=128)}
ROUNDS = 60


class Inputs:
    """The sound of one clip, and what was computed from it."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self._track = Track(samples, np.arange(len(samples)) / 16000, np.ones(len(samples), bool))
        self._shared: dict[Hashable, Any] = {}

    def __getitem__(self, role: str) -> Track:
        return self._track

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self._shared:
            self._shared[key] = compute()
        value: T = self._shared[key]
        return value


def our_features(samples: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    inputs = Inputs(samples)
    return {name: extractor.extract(CLIP, inputs).values for name, extractor in EXTRACTORS.items()}


def main() -> None:
    samples = voice(KINDS["ravdess"], 0)[
        ::3
    ].copy()  # 48 kHz -> 16 kHz: what it sounds like does not matter here
    ways = {"librosa": librosa_features, "affectstore": our_features}
    wanted, got = (way(samples) for way in ways.values())
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with threadpool_limits(1):  # idle BLAS threads spin, and would be counted
        for _ in range(ROUNDS):
            for name, way in ways.items():
                begun = time.process_time()
                way(samples)
                seconds[name].append(time.process_time() - begun)
    middle = {name: median(taken) for name, taken in seconds.items()}
    print("MFCC with deltas and log-mels of 64 and 128 bands")
    print(
        f"of {len(samples) / 16000:.1f} s of sound, CPU time on one core, median of {ROUNDS} rounds"
    )
    for name, taken in middle.items():
        print(
            f"{name:12} {1e3 * taken:6.2f} ms   {1 / taken:6.0f} clips/s   "
            f"{middle['librosa'] / taken:4.1f}x"
        )
    floors = {
        "mfcc": got["mfcc"],
        **{n: np.maximum(got[n], got[n].max() - 80) for n in ("logmel64", "logmel128")},
    }
    print(
        "largest difference:",
        ", ".join(f"{name} {np.abs(floors[name] - wanted[name]).max():.1e}" for name in wanted),
    )


if __name__ == "__main__":
    main()
