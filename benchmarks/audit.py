"""The audit of a million rows, as the command runs it: `python -m benchmarks.audit`.

Three tables: a lab's own corpus with every column that a rule can use; every file of RAVDESS in
each of 136 folds; and windows of RAVDESS clips, each with its own name.
"""

import csv
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path

from benchmarks.watched import CommandFailed, run
from manifests.corpora.ravdess import NotARavdessName, parse

ROWS = 1_000_000
LIMIT_S, LIMIT_MB = 60.0, 4096.0
Row = tuple[object, ...]


def of_a_lab() -> Iterator[Row]:
    """Distinct clips of 5,000 subjects, one in a thousand with the bytes of another; spans of 2 to
    6 s in 2,000 recordings."""
    columns = (
        "clip split speaker sex emotion sha256 text episode start end duration_s channels rate_hz"
    )
    yield tuple(columns.split())
    draw = random.Random(0)
    for number in range(ROWS):
        speaker, start = draw.randrange(5000), draw.uniform(0, 3000)
        split = "test" if draw.random() < 1e-5 else ("test", "valid", "train")[min(speaker % 10, 2)]
        digest = f"{draw.randrange(ROWS) if draw.random() < 1e-3 else number:064x}"
        length = draw.uniform(2, 6)
        yield (
            f"site{number % 7}/{number:07d}.wav",
            split,
            speaker,
            ("female", "male")[speaker % 2],
            f"emotion{draw.randrange(8)}",
            digest,
            f"sentence {draw.randrange(300000)}",
            number // 500,
            f"{start:.3f}",
            f"{start + length:.3f}",
            f"{length:.3f}",
            draw.choice((1, 2)),
            draw.choice((16000, 44100)),
        )


def stems() -> list[str]:
    found = []
    for codes in product(
        range(1, 4), range(1, 3), range(1, 9), range(1, 3), range(1, 3), range(1, 3), range(1, 25)
    ):
        stem = "-".join(f"{code:02d}" for code in codes)
        try:
            parse(stem)
        except NotARavdessName:
            continue
        found.append(stem)
    return found


def of_many_folds() -> Iterator[Row]:
    """Fold f tests four actors."""
    yield "filename", "fold", "split"
    names = stems()
    for fold in range(ROWS // len(names) + 1):
        for stem in names:
            yield f"{stem}.mp4", fold, "test" if (int(stem[-2:]) + fold) % 24 < 4 else "train"


def of_windows() -> Iterator[Row]:
    """Windows of one clip dealt at random."""
    yield "filename", "split"
    draw = random.Random(0)
    for window, stem in islice(product(range(200), stems()), ROWS):
        yield f"{stem}_win{window:03d}.npy", "test" if draw.random() < 0.2 else "train"


TABLES: dict[str, tuple[Callable[[], Iterator[Row]], tuple[str, ...]]] = {
    "a lab's own corpus, all columns": (of_a_lab, ("--corpus", "folder")),
    "RAVDESS in 136 folds": (of_many_folds, ()),
    "windows of RAVDESS": (of_windows, ()),
}


def main() -> None:
    print(
        f"affectstore audit TABLE.csv of {ROWS:,} rows; the limit is {LIMIT_S:.0f} s and "
        f"{LIMIT_MB:.0f} MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, (rows, options)) in enumerate(TABLES.items()):
            path, log = Path(folder, f"{number}.csv"), Path(folder, "log")
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows())
            # The audit of a leaking table ends with exit code 1, which is no failure here.
            audit = (
                "import sys; sys.argv = ['affectstore', 'audit', "
                f"*{[str(path), *options]!r}]\nfrom flows.__main__ import main\n"
            )
            done = run(
                [
                    sys.executable,
                    "-c",
                    f"{audit}try: main()\nexcept SystemExit as end: sys.exit(end.code == 2)",
                ],
                log,
            )
            peak = done.peak_mb["main"]
            kept = "within" if done.seconds <= LIMIT_S and peak <= LIMIT_MB else "OVER"
            errors = log.read_text(encoding="utf-8").strip().splitlines()[-1]
            size = path.stat().st_size / 1e6
            print(
                f"{title:34} {size:4.0f} MB  {done.seconds:5.1f} s  cpu {done.cpu_s:5.1f} s  peak "
                f"{peak:5.0f} MB  {kept}; {errors}",
                flush=True,
            )


if __name__ == "__main__":
    try:
        main()
    except CommandFailed as error:
        sys.exit(str(error))
