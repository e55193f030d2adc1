"""Cuts: false and missed ones of the rule of `extractors.shots`, of the difference of thumbnails
that it replaced, and of the detectors of PySceneDetect: `python -m benchmarks.cuts [FOLDER ...]`.

Every video of the folders is taken for one shot, unless `cuts.csv` beside it (columns clip and
seconds) says when others begin. Without a folder the sample corpus is drawn. Each clip is looked at
at 5, 10 and 25 rows a second as it is, and disturbed: by a flash of one row, by a light that
flickers, by a zoom, by a pan. Random pairs of clips are spliced, and faded into each other in 0.2,
0.5 and 1 s.

The detectors of PySceneDetect (scenedetect.com/docs/latest/api/detectors.html) are written down
here with their default thresholds, without their least length of a scene, which would hide errors.
"""

import argparse
import csv
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.base import Rgb
from extractors.faces import Faces
from extractors.shots import Frame, ShotFinder
from flows.sample.pictures import write_sample

Rows = Sequence[Frame]
Rule = Callable[[Rows], list[int]]
"""rule(rows) -> rows that a shot begins with."""

RATES_HZ = 5, 10, 25
SUFFIXES = {".mp4", ".mkv", ".mov", ".avi", ".flv", ".webm"}
MOST_FRAMES = 1000


@dataclass(frozen=True)
class Footage:
    """Frames of a clip, thinned out to about 128 lines."""

    name: str
    frames: tuple[Frame, ...]
    cuts_s: tuple[float, ...]
    """Times of the frames that a shot begins with, after the first."""

    def rows(self, rate_hz: float, seconds: float = 1e9) -> list[Frame]:
        """The frame on screen at each time of a grid."""
        times = np.array([frame.seconds for frame in self.frames])
        end = min(times[-1] - times[0], seconds)
        grid = times[0] + np.arange(int(end * rate_hz + 1e-6) + 1) / rate_hz
        shown = np.searchsorted(times, grid + 1e-6, side="right") - 1
        return [Frame(float(at), self.frames[k].rgb) for at, k in zip(grid, shown, strict=True)]


# Rules


def ours(rows: Rows) -> list[int]:
    finder = ShotFinder(Faces().cut_difference)
    decided = [pair for frame in rows for pair in finder.push(frame)] + finder.finish()
    return [row for row, (_, begins_shot) in enumerate(decided) if begins_shot]


def thumbnails(rows: Rows) -> list[int]:
    small = [cv2.resize(frame.rgb, (32, 32), interpolation=cv2.INTER_AREA) for frame in rows]
    grey = np.stack([cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in small]).astype(np.int16)
    return _above(np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)), 20)


def content(rows: Rows) -> list[int]:
    return _above(_content(rows), 27)


def adaptive(rows: Rows, ratio: float = 3.0, width: int = 2, least: float = 15.0) -> list[int]:
    changes = _content(rows)
    found = []
    for row in range(width, len(changes) - width):
        around = np.delete(changes[row - width : row + width + 1], width).mean()
        if changes[row] >= least and changes[row] >= ratio * around:
            found.append(row + 1)
    return found


def histogram(rows: Rows) -> list[int]:
    counts = []
    for frame in rows:
        luma = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2YUV)[:, :, :1].copy()
        counts.append(cv2.calcHist([luma], [0], None, [256], [0, 256]))
    like = [cv2.compareHist(a, b, cv2.HISTCMP_CORREL) for a, b in _pairs(counts)]
    return _above(1 - np.array(like), 0.05)


def hashes(rows: Rows, size: int = 16) -> list[int]:
    bits = []
    for frame in rows:
        grey = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (2 * size, 2 * size), interpolation=cv2.INTER_AREA)
        waves = cv2.dct(small.astype(np.float32) / max(1, int(small.max())))[:size, :size]
        bits.append(waves > np.median(waves))
    return _above(np.array([(a != b).mean() for a, b in _pairs(bits)]), 0.395)


def _content(rows: Rows) -> NDArray[np.float64]:
    hsv = [cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2HSV).astype(np.int16) for frame in rows]
    return np.array([np.abs(a - b).mean() for a, b in _pairs(hsv)])


def _pairs(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return pairwise(items)


def _above(changes: NDArray[np.float64], limit: float) -> list[int]:
    return [int(k) + 1 for k in np.flatnonzero(changes > limit)]


RULES: dict[str, Rule] = {
    "ours": ours,
    "thumbs": thumbnails,
    "content": content,
    "adaptive": adaptive,
    "histogram": histogram,
    "hash": hashes,
}


# Trials: rows, and the spans of rows of which one begins a shot


@dataclass(frozen=True)
class Trial:
    name: str
    rows: list[Frame]
    spans: tuple[tuple[int, int], ...] = ()
    """(first, last) row that a shot may begin with."""


def as_it_is(clip: Footage, rate_hz: float) -> Trial:
    rows = clip.rows(rate_hz)
    begins = [sum(row.seconds < cut_s - 1e-6 for row in rows) for cut_s in clip.cuts_s]
    return Trial(clip.name, rows, tuple((row, row) for row in begins))


def flash(rows: list[Frame]) -> list[Frame]:
    row = len(rows) // 2
    white = cv2.addWeighted(rows[row].rgb, 0.1, np.full_like(rows[row].rgb, 255), 0.9, 0)
    return [*rows[:row], Frame(rows[row].seconds, np.asarray(white)), *rows[row + 1 :]]


def flicker(rows: list[Frame]) -> list[Frame]:
    gains = (0.7, 1.0, 1.4)
    return [_map(row, lambda rgb, k=k: rgb * gains[k % 3]) for k, row in enumerate(rows)]


def zoom(rows: list[Frame]) -> list[Frame]:
    """One and a half times nearer within a second, and back."""
    seconds = np.array([row.seconds - rows[0].seconds for row in rows])
    scales = 1 + 0.5 * np.abs((seconds + 1) % 2 - 1)
    return [_map(row, lambda rgb, s=s: _near(rgb, s)) for row, s in zip(rows, scales, strict=True)]


def pan(rows: list[Frame]) -> list[Frame]:
    """A window of 60 % of the width that crosses the picture in a third of a second, and back."""
    seconds = np.array([row.seconds - rows[0].seconds for row in rows])
    lefts = np.abs((3 * seconds + 1) % 2 - 1)
    return [_map(row, lambda rgb, x=x: _part(rgb, x)) for row, x in zip(rows, lefts, strict=True)]


def _map(row: Frame, change: Callable[[Rgb], Any]) -> Frame:
    return Frame(row.seconds, np.clip(change(row.rgb), 0, 255).astype(np.uint8))


def _near(rgb: Rgb, scale: float) -> Any:
    height, width = rgb.shape[:2]
    return cv2.warpAffine(
        rgb,
        cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale),
        (width, height),
        flags=cv2.INTER_AREA,
    )


def _part(rgb: Rgb, left: float) -> Rgb:
    width = int(0.6 * rgb.shape[1])
    first = int(left * (rgb.shape[1] - width))
    return rgb[:, first : first + width]


DISTURBED = {"flash": flash, "flicker": flicker, "zoom": zoom, "pan": pan}


def joined(a: Footage, b: Footage, rate_hz: float, fade_s: float) -> Trial:
    """A second and a half of one clip, then as much of another, faded in over so many seconds."""
    before, after = a.rows(rate_hz, 1.5 + fade_s), b.rows(rate_hz, 1.5 + fade_s)
    first = round(1.5 * rate_hz)
    whole = first + (round(fade_s * rate_hz) if fade_s else 0)
    rows = []
    for row in range(whole + len(after) - (whole - first)):
        share = 1.0 if row >= whole else max(0.0, (row - first) / max(whole - first, 1))
        old = before[min(row, len(before) - 1)].rgb
        new = after[min(max(row - first, 0), len(after) - 1)].rgb
        size = old.shape[1], old.shape[0]
        fitting = cv2.resize(new, size, interpolation=cv2.INTER_AREA)
        mixed = cv2.addWeighted(old, 1 - share, fitting, share, 0)
        rows.append(Frame(row / rate_hz, np.asarray(mixed, np.uint8)))
    return Trial(
        f"fade of {fade_s} s" if fade_s else "splice", rows, ((first, whole + bool(fade_s)),)
    )


def trials(footage: Sequence[Footage], pairs: int) -> Iterator[Trial]:
    draw = random.Random(0)
    for rate_hz in RATES_HZ:
        for clip in footage:
            plain = as_it_is(clip, rate_hz)
            yield plain
            if not clip.cuts_s:
                for name, disturb in DISTURBED.items():
                    yield Trial(name, disturb(plain.rows))
        for _ in range(pairs):
            one, other = draw.sample([clip for clip in footage if not clip.cuts_s], 2)
            for fade_s in (0.0, 0.2, 0.5, 1.0):
                yield joined(one, other, rate_hz, fade_s)


def errors(found: Sequence[int], trial: Trial) -> Counter[str]:
    """A span may be hit more than once."""
    inside = [row for row in found if any(a <= row <= b for a, b in trial.spans)]
    missed = [span for span in trial.spans if not any(span[0] <= row <= span[1] for row in found)]
    return Counter(false=len(found) - len(inside), missed=len(missed))


# Reading


def read(path: Path, cuts_s: Sequence[float] = ()) -> Footage:
    frames: list[Frame] = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            rgb = frame.to_ndarray(format="rgb24")
            step = max(1, min(rgb.shape[:2]) // 128)
            frames.append(Frame(float(frame.time or 0), np.ascontiguousarray(rgb[::step, ::step])))
            if len(frames) == MOST_FRAMES:
                break
    return Footage(path.stem, tuple(frames), tuple(cuts_s))


def read_all(folder: Path) -> list[Footage]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    known: dict[Path, list[float]] = {}
    for table in folder.rglob("cuts.csv"):
        with table.open(newline="", encoding="utf-8") as lines:
            for line in csv.DictReader(lines):
                known.setdefault(table.parent / line["clip"], []).append(float(line["seconds"]))
    found = []
    for path in paths:
        try:
            found.append(read(path, known.get(path, ())))
        except av.error.FFmpegError as error:
            print(f"{path.name} is left out: {error}")
    return [clip for clip in found if len(clip.frames) > 1]


def measure(footage: Sequence[Footage], pairs: int) -> None:
    counts: dict[str, dict[str, Counter[str]]] = {}
    cpu_s, rows, tried = Counter[str](), 0, Counter[str]()
    for trial in trials(footage, pairs):
        rows += len(trial.rows)
        tried[trial.name] += 1
        for name, rule in RULES.items():
            start = time.thread_time()
            found = rule(trial.rows)
            cpu_s[name] += time.thread_time() - start
            counts.setdefault(trial.name, {}).setdefault(name, Counter()).update(
                errors(found, trial)
            )
    print(f"false cuts and missed ones, summed over {', '.join(map(str, RATES_HZ))} rows a second")
    print(f"{'':30s}{'tried':>7s}" + "".join(f"{name:>13s}" for name in RULES))
    for name, by_rule in counts.items():
        cells = [f"{by_rule[rule]['false']} / {by_rule[rule]['missed']}" for rule in RULES]
        print(f"{name[:29]:30s}{tried[name]:7d}" + "".join(f"{cell:>13s}" for cell in cells))
    cells = [f"{1e6 * cpu_s[rule] / rows:.0f}" for rule in RULES]
    print(f"{'CPU us a row':37s}" + "".join(f"{cell:>13s}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="*")
    parser.add_argument("--pairs", type=int, default=60, help="of clips that are joined")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as made:
        folders = args.folder or [Path(made)]
        if not args.folder:
            write_sample(Path(made), actors=3, emotions=2, takes=1)
        footage = [clip for folder in folders for clip in read_all(folder)]

    measure(footage, args.pairs)


if __name__ == "__main__":
    main()
