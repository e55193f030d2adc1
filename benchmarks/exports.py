"""What exports of a store as large as RAVDESS cost, in each format: `python -m benchmarks.exports
FOLDER`.

The store has RAVDESS's 7,356 names with made-up MFCC, log-mel and face crops of 112 pixels (2 GB);
`numpy`, `npy`, `webdataset` and `lhotse` hold the pictures decoded, so that 10 GB must be free for
each. Time, processor time, and the greatest memory of the process. Each is then made once more,
killed when half of it is there and gone on with, and must be the same.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.chosen import disk_mb
from benchmarks.report import make_clip, make_store, stems
from benchmarks.watched import run
from flows.splitting.run import run_split
from stores.exports.catalog import FORMATS

FEATURES = ("crops", "logmel64", "mfcc")
NUMBERS = "logmel64,mfcc"
"""What a table of audformat can hold."""


def made_up(folder: Path, every: int) -> Path:
    """The store; one that is there already is kept."""
    root = folder / "store"
    if not (root / "dataset.json").exists():
        clips = [make_clip(stem) for stem in stems()][::every]
        changes = ("features.crops.size=112",)
        make_store(root, sorted(clips, key=lambda clip: clip.clip_id), FEATURES, changes)
        run_split(root, "subject_kfold", 3, 0)
    return root


def measure(root: Path, folder: Path, name: str) -> None:
    """Exports, and does so again with a kill in its middle."""
    out, log = folder / f"out-{name}", folder / "log"
    few = ["--features", NUMBERS] if name == "audformat" else []
    command = [sys.executable, "-m", "flows", "export", str(root), str(out), "--to", name, *few]
    took = run(command, log)
    files = sum(1 for path in out.rglob("*") if path.is_file())
    size, undisturbed = disk_mb(out), _listed(out)
    shutil.rmtree(out)
    unfinished = out.with_name(f"{out.name}.unfinished")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        while killed.poll() is None and disk_mb(unfinished) < size / 2:
            time.sleep(took.seconds / 100)
        killed.kill()
    is_half = not out.exists()
    again = run(command, log) if is_half else None
    is_same = _listed(out) == undisturbed
    shutil.rmtree(out)
    went_on = f"{again.cpu_s:7.1f} s" if again else "  too quick"
    print(
        f"{name:12} {took.seconds:8.1f} s {took.cpu_s:8.1f} s {took.peak_mb['main']:7.0f} MB "
        f"{files:7,} files {size:9,.1f} MB   after a kill {went_on}, "
        f"{'the same' if is_same else 'ANOTHER'}",
        flush=True,
    )


def _listed(out: Path) -> object:
    """What an export says of itself, checked against the sizes of its files."""
    said = json.loads((out / "export.json").read_bytes())
    for file, one in said["files"].items():
        assert (out / file).stat().st_size == one["bytes"], file
    return said


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=list(FORMATS))
    parser.add_argument("--every", type=int, default=1, help="one clip of so many")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    root = made_up(given.folder, given.every)
    print(f"store of {disk_mb(root):,.0f} MB; each: time, processor time, memory, files, size")
    for name in FORMATS:
        if given.only in (None, name):
            measure(root, given.folder, name)


if __name__ == "__main__":
    main()
