"""Changes clips while a build reads them: python -m tests.changes --rounds 500.

Each round runs one build of a small corpus. At one of the calls by which the build opens or reads a
file, that file becomes another one; some become what they were again at a later call. Every row of
the store must then be of the bytes that its sha256 names. The files are restored and the build is
run once more: the store must have the bytes of one that was built from them alone. Ends with 1
where anything was found.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.changes.changes import KINDS, Files
from tests.changes.moments import MOMENTS, Moments
from tests.kill.calls import compiled

_INSIDE = "AFFECTSTORE_CHANGES_FOLDER"
"""Set in the process that `moments.c` is loaded into: where it works."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.changes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="builds")
    parser.add_argument("--seed", type=int, default=0, help="another seed changes at other moments")
    parser.add_argument("--kind", choices=KINDS, action="append", help="this kind of change alone")
    parser.add_argument(
        "--workers", type=int, default=0, help="worker processes; without any if not given"
    )
    options = parser.parse_args()
    if folder := os.environ.get(_INSIDE):
        sys.exit(_play(Path(folder), options))
    with tempfile.TemporaryDirectory(prefix="affectstore-changes-") as made:
        sys.exit(_start_again(Path(made)))


def _start_again(folder: Path) -> int:
    """Starts this command once more, with the library loaded before all others."""
    library = compiled(folder, Path(__file__).with_name("moments.c"))
    Moments.make(folder / "moments")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        MOMENTS: str(folder / "moments"),
        _INSIDE: str(folder),
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, "-m", "tests.changes", *sys.argv[1:]]
    return subprocess.run(words, env=environment, check=False).returncode


def _play(folder: Path, options: argparse.Namespace) -> int:
    from tests.changes.rounds import Corpus

    files = Files(folder / "clips", folder / "kept")
    corpus = Corpus(files, folder, Moments(folder / "moments"), options.workers)
    corpus.prepare()
    chance, kinds = random.Random(options.seed), options.kind or list(KINDS)
    faulty: Counter[str] = Counter()
    for number in range(options.rounds):
        kind = kinds[number % len(kinds)]
        # Evenly over the whole build, however many rounds there are.
        at = 1 + int((number + chance.random()) * corpus.calls / options.rounds)
        for fault in corpus.play(number, kind, at, chance):
            faulty[kind] += 1
            print(f"{kind}, at call {at}: {fault}", flush=True)
    print(f"{corpus.calls} calls of a build, {options.rounds} rounds, {faulty.total()} faults")
    return int(bool(faulty))


if __name__ == "__main__":
    main()
