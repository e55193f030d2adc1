"""Kills commands that write a store, and cuts the power: python -m tests.kill --rounds 1000.

Each round starts one command on a copy of a small store, kills it, one of its workers or all of its
processes at one system call, looks at what is left, runs the command once more and compares the
bytes with those of an undisturbed run. Whatever both runs did to the disk is written down, and the
power is cut at some moments of it. Ends with 1 where anything was found.
"""

import argparse
import importlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.kill.calls import CONTROL, Kind, compiled
from tests.kill.cases import CASES, Case, write_inputs
from tests.kill.places import S3, Folder, Place, s3
from tests.kill.rounds import Reference, Round, play, undisturbed
from tests.kill.runner import SERVER, Runner

_INSIDE = "AFFECTSTORE_KILL_FOLDER"
"""Set in the process that `calls.c` is loaded into: where it works."""
_TRIES = 4
"""Of a round whose call does not come."""
_LINE = "{:16} {:7} {:18}" + " {:>9}" * 6
_IMPORTED = (
    "flows.__main__", "flows.building.preparing", "flows.building.run",
    "flows.fitting.run", "flows.splitting.run",
    "flows.forgetting.run", "flows.forgetting.collect", "flows.view.forgetting",
    "flows.exporting.run", "flows.recording", "flows.view.fit", "flows.view.split",
    "flows.view.store", "filelock",
    "manifests.corpora.catalog", "stores.verify", "multiprocessing.popen_spawn_posix",
    "multiprocessing.popen_forkserver",
    "multiprocessing.resource_tracker", "concurrent.futures.process", "rich.table", "boto3",
    "botocore.session", "extractors.catalog", "extractors.fitted.catalog",
)  # fmt: skip


def main() -> None:
    options = _options()
    if folder := os.environ.get(_INSIDE):
        sys.exit(_inside(Path(folder), options))
    with tempfile.TemporaryDirectory(prefix="affectstore-kill-", dir=_fast_folder()) as made:
        sys.exit(_outside(Path(made), sys.argv[1:]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="kills")
    parser.add_argument("--cuts", type=int, default=10, help="power cuts in each round")
    parser.add_argument("--seed", type=int, default=0, help="another seed kills elsewhere")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at once")
    parser.add_argument("--place", choices=("folder", "S3", "both"), default="both")
    parser.add_argument("--case", choices=CASES, action="append", help="this command alone")
    parser.add_argument("--call", choices=[kind.name for kind in Kind], help="kill at these alone")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no round after that")
    parser.add_argument("--tamper", help="put this fault in: it must be found; see tamper.py")
    parser.add_argument("--all", action="store_true", help="also what takes long, such as Dask")
    return parser.parse_args()


def _fast_folder() -> str | None:
    """Memory, where that may be had: what is forced to disk there costs nothing."""
    memory = Path("/dev/shm")
    is_there = memory.is_dir() and os.access(memory, os.W_OK)
    return str(memory) if is_there and shutil.disk_usage(memory).free > 1 << 30 else None


def _outside(folder: Path, words: Sequence[str]) -> int:
    """Starts this command once more, with the library loaded before all others."""
    (folder / "control").write_bytes(bytes(1 << 16))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "LD_PRELOAD": str(compiled(folder)),
        CONTROL: str(folder / "control"),
        _INSIDE: str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "OMP_NUM_THREADS": "1",
    }
    signal.signal(signal.SIGINT, lambda *_: None)  # an interrupt is for those that work
    return subprocess.run(
        [sys.executable, "-m", "tests.kill", *words], env=environment, check=False
    ).returncode


def _inside(folder: Path, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    write_inputs(folder / "inputs")
    _import_all()
    cases = _cases(options)
    with ExitStack() as stack:
        places: list[Place] = []
        if options.place != "S3":
            places.append(Folder(folder / "kept"))
        if options.place != "folder":
            stack.enter_context(s3(folder))
            places.append(S3())
        if any(case.is_recorded for case in cases):
            from flows.local_server import local_server

            os.environ[SERVER] = stack.enter_context(local_server())
        preparing = [partial(_prepare, folder, options, cases, place) for place in places]
        playing = [
            partial(_job, folder, options, cases, places, number, begun)
            for number in range(options.jobs)
        ]
        with suppress(KeyboardInterrupt):  # what was done until then is reported
            if code := _forked(preparing) or _forked(playing):
                return code
    results = [
        Round(**json.loads(line))
        for number in range(options.jobs)
        if (done := folder / f"{number}.jsonl").exists()
        for line in done.read_text(encoding="utf-8").splitlines()
    ]
    return _report(results, time.monotonic() - begun)


def _forked(parts: Sequence[Callable[[], None]]) -> int:
    """Runs parts beside each other, each in a fork: 1 where one has failed."""
    forks = []
    for part in parts:
        if (pid := os.fork()) == 0:
            code = 1
            try:
                part()
                code = 0
            except KeyboardInterrupt:
                pass
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        forks.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in forks]
    return int(any(codes))


def _import_all() -> None:
    """What the commands need, so that each fork has it."""
    for name in _IMPORTED:
        importlib.import_module(name)


def _cases(options: argparse.Namespace) -> list[Case]:
    return [
        case
        for case in CASES.values()
        if (case.name in options.case if options.case else case.is_quick or options.all)
    ]


def _prepare(
    folder: Path, options: argparse.Namespace, cases: Sequence[Case], place: Place
) -> None:
    """Runs each case undisturbed, those that another one begins with among them."""
    runner = Runner(folder / f"prepare-{place.name}", folder / "inputs")
    needed = {case.name for case in cases if not (case.local_only and place.name == "S3")}
    for name in reversed(CASES):
        if name in needed and (before := CASES[name].begins_with):
            needed.add(before)
    found: dict[str, Reference] = {}
    for case in (case for case in CASES.values() if case.name in needed):
        old = found[case.begins_with].new if case.begins_with else None
        found[case.name] = undisturbed(runner, place, case, old)
    (folder / f"{place.name}.pickle").write_bytes(pickle.dumps(found))


def _job(
    folder: Path,
    options: argparse.Namespace,
    cases: Sequence[Case],
    places: Sequence[Place],
    number: int,
    begun: float,
) -> None:
    """Every so-manieth round."""
    runner = Runner(folder / f"job-{number}", folder / "inputs", options.tamper)
    references = {
        place.name: pickle.loads((folder / f"{place.name}.pickle").read_bytes()) for place in places
    }
    if options.call:
        for reference in (one for found in references.values() for one in found.values()):
            reference.only(Kind[options.call])
    pairs = [
        (case, place)
        for case in cases
        for place in places
        if not (case.local_only and place.name == "S3") and references[place.name][case.name].counts
    ]
    with (folder / f"{number}.jsonl").open("w", encoding="utf-8") as out:
        for one in range(number, options.rounds, options.jobs):
            case, place = pairs[one % len(pairs)]
            chance = random.Random(f"{options.seed} {one}")
            for _ in range(_TRIES):
                if time.monotonic() - begun > 60 * options.minutes:
                    return
                reference = references[place.name][case.name]
                done = play(runner, place, case, reference, chance, options.cuts)
                out.write(json.dumps(asdict(done)) + "\n")
                out.flush()
                if done.kills or done.faults:
                    break


def _report(results: Sequence[Round], seconds: float) -> int:
    """Prints a table, then what was found."""
    columns = ("command", "place", "call", "kills", "lost", "differing", "left", "cuts", "torn")
    print(_LINE.format(*columns))
    rows: dict[tuple[str, str, str], Counter[str]] = {}
    for one in results:
        rows.setdefault((one.case, one.place, one.call), Counter()).update(one.numbers)
    total: Counter[str] = Counter()
    for key in sorted(rows):
        print(_LINE.format(*key, *(rows[key][name] for name in columns[3:])))
        total.update(rows[key])
    print(_LINE.format("all", "", "", *(total[name] for name in columns[3:])))
    print(f"{seconds:.0f} s; {len(results)} rounds, of which {total['missed']} without a kill")
    for one in results:
        for fault in one.faults[:5]:
            print(f"{one.case}, {one.place}, {one.at}: {fault}")
    return int(any(one.faults for one in results) or not total["kills"])


if __name__ == "__main__":
    main()
