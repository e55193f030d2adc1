"""A build with ResNet-50 on the processor against what it cannot do without: decoding, and the bare
engine on ready crops. `python -m benchmarks.engine FOLDER`.

The floor of a clip is the time of a build without the network, start-up apart, and that of the bare
engine for as many pictures as the clip has crops, in a process for each worker with one thread.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.build import Bench, row
from benchmarks.clips import KINDS
from benchmarks.rows import OURS, Row, Setting, rounds_of, table
from benchmarks.watched import CommandFailed

KIND, FLOOR = "cremad", "decoding + bare engine"
WHAT = "with ResNet-50, FLV1"
PICTURES_A_CLIP = round(KINDS[KIND].seconds * 10)
"""Crops, at ten a second."""


def bare_engine(pictures: int) -> tuple[float, float]:
    """Seconds and processor seconds that one process takes for a picture."""
    from extractors.base import Runtime
    from extractors.engines import NetworkSpec, load

    spec = NetworkSpec(50, "random", None, 0, 224, "float32")
    network = load(spec, Runtime("openvino", threads=1))
    crops = np.random.default_rng(0).integers(0, 256, (pictures, 224, 224, 3), np.uint8)
    network(crops[:8])
    begun, used_s = time.perf_counter(), time.process_time()
    network(crops)
    return (time.perf_counter() - begun) / pictures, (time.process_time() - used_s) / pictures


def in_processes(workers: int, pictures: int) -> tuple[float, float]:
    """Seconds that all of them together take for a picture, and processor seconds."""
    command = [sys.executable, "-m", "benchmarks.engine", "--pictures", str(pictures)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
    said = [process.communicate()[0].split() for process in running]
    if any(process.returncode for process in running):
        raise CommandFailed(f"{' '.join(command)} ended with an error; its own words are above")
    each = [(float(wall_s), float(cpu_s)) for wall_s, cpu_s in said]
    return 1 / sum(1 / wall_s for wall_s, _ in each), median(cpu_s for _, cpu_s in each)


def measure(setting: Setting) -> list[Row]:
    """The part of the bench."""
    bench = Bench(setting.folder, setting.workers, False, share=0.0 if setting.dry else 0.3)
    whole = Bench(setting.folder, setting.workers, True, share=0.0 if setting.dry else 1.0)
    rates, shares, cpu_s, done = [], [], [], []
    for number in rounds_of(setting):
        setting.say(f"{WHAT}: round {number + 1}, with the network")
        done.append(whole.measure(OURS, KIND))
        setting.say(f"{WHAT}: round {number + 1}, without it, and the bare engine")
        without = row(WHAT, "", [bench.measure(OURS, KIND)], bench.sizes(KIND))
        engine_s, engine_cpu_s = in_processes(setting.workers, 8 if setting.dry else 64)
        if without.values:
            rates.append(1 / (1 / without.middle + PICTURES_A_CLIP * engine_s))
            shares.append(PICTURES_A_CLIP * engine_s * rates[-1])
            cpu_s.append(median(without.cpu_s) + PICTURES_A_CLIP * engine_cpu_s)
    ours = row(WHAT, OURS, done, whole.sizes(KIND))
    note = f"engine {median(shares):.0%}, the rest decoding" if rates else "too few clips to tell"
    return [ours, Row(WHAT, FLOOR, "clips/s", tuple(rates), cpu_s=tuple(cpu_s), note=note)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="a few clips, to see that it runs")
    parser.add_argument("--pictures", type=int, help="print the rate of the bare engine alone")
    args = parser.parse_args()
    if args.pictures:
        print(*bare_engine(args.pictures))
        return
    if args.folder is None:
        parser.error("give a folder for the clips and stores")
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = measure(Setting(args.folder, args.workers, args.rounds, dry=args.dry))
    print(*table(rows), sep="\n")


if __name__ == "__main__":
    main()
