"""One round: a command is killed at one of its calls, and run once more."""

import atexit
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.kill.calls import Control, Kind, Moment, Role, Victim
from tests.kill.cases import CASES, Case
from tests.kill.disk import CUTS, Disk, read_calls
from tests.kill.places import Place
from tests.kill.whole import Files, Judge, content, difference, read_files
from tests.support.commands import living_in_session

_LONGEST_S = 120.0
_ENDING_S = 15.0
"""How long workers may take to end after their command was killed."""


@dataclass
class Reference:
    """What an undisturbed run made, and the calls by which it did."""

    old: Files | None
    new: Files
    counts: Mapping[tuple[Role, Kind], int]

    def only(self, kind: Kind) -> None:
        """Leaves the calls of one kind."""
        self.counts = {key: count for key, count in self.counts.items() if key[1] == kind}


@dataclass
class Round:
    """What came of a round."""

    case: str
    place: str
    call: str
    """Whose, and which."""
    at: str
    """More exactly, and who was killed."""
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    """Of what was committed; and whatever a reader would trust and must not."""
    differing: list[str] = field(default_factory=list)
    """From the bytes of an undisturbed run."""
    left: int = 0
    """Processes."""
    cuts: int = 0
    torn: list[str] = field(default_factory=list)
    """What a power cut would have made wrong."""
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """All that is wrong, in sentences."""
        left = [f"{self.left} processes were left"] if self.left else []
        return [*self.lost, *self.differing, *left, *self.torn]

    @property
    def numbers(self) -> dict[str, int]:
        """For a table."""
        return {
            "kills": self.kills,
            "lost": len(self.lost),
            "differing": len(self.differing),
            "left": self.left,
            "cuts": self.cuts,
            "torn": len(self.torn),
            "missed": not self.kills,
        }


class Runner:
    """Runs commands in forks of this process, which has imported what they need."""

    def __init__(self, folder: Path, corpora: Path, recipe: Path, tamper: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._corpora, self._recipe = folder, corpora, recipe
        self._tamper = tamper
        self.control = Control(folder / "control")
        self.log = folder / "calls"

    def watch(self, disk: Path) -> None:
        """Counts and writes down from zero."""
        self.control.watch(disk, self._corpora, self.log)

    def start(self, case: Case, store: str) -> int:
        """Starts the command of a case: its process, which leads a session."""
        words = [
            word.replace("STORE", store)
            .replace("CORPUS", str(self._corpora / case.corpus))
            .replace("RECIPE", str(self._recipe))
            for word in case.words
        ]
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._become(words)
        return pid

    def _become(self, words: list[str]) -> None:
        code = 70
        try:
            os.setsid()
            said = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            self.control.page.session = os.getpid()
            from flows.__main__ import run

            if self._tamper:
                from tests.kill.tamper import TAMPERS

                TAMPERS[self._tamper]()
            run(words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with suppress(BaseException):
                threading._shutdown()  # type: ignore[attr-defined]
                atexit._run_exitfuncs()  # multiprocessing's, which ends its processes
            os._exit(code)

    def wait(self, pid: int) -> int:
        """The exit code, negative for a signal."""
        end = time.monotonic() + _LONGEST_S
        while time.monotonic() < end:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        self.end(pid)
        os.waitpid(pid, 0)
        return 75

    def left(self, session: int) -> int:
        """Processes of a command that are there though it has ended, and time to end; they are
        ended now."""
        end = time.monotonic() + _ENDING_S
        while (living := living_in_session(session)) and time.monotonic() < end:
            time.sleep(0.02)
        self.end(session)
        return len(living)

    def end(self, session: int) -> None:
        """Kills what is there of a session."""
        for pid in living_in_session(session):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """The last line of what the command has printed."""
        lines = (self.folder / "said").read_text(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "nothing")


def undisturbed(runner: Runner, place: Place, case: Case, old: Files | None) -> Reference:
    """What a case makes when nobody is killed; kept for the cases that begin with it."""
    disk = runner.folder / "disk"
    store = place.begin(disk, case.begins_with)
    runner.watch(disk)
    pid = runner.start(case, store)
    code = runner.wait(pid)
    if code != 0 or runner.left(pid):
        raise SystemExit(f"kill: {case.name} on {place.name} ended with {code}: {runner.said()}")
    place.keep(store, case.name)
    new = content(place.files(store))
    counts = runner.control.counted()
    shutil.rmtree(disk)
    return Reference(old, new, counts)


def play(
    runner: Runner, place: Place, case: Case, reference: Reference, chance: random.Random, cuts: int
) -> Round:
    """One kill, a second run, and power cuts at some moments of both."""
    begun = time.monotonic()
    role, kind = chance.choice(sorted(reference.counts))
    when = chance.randrange(reference.counts[role, kind]) + 1
    victim = chance.choice([*Victim]) if role == Role.WORKER else chance.choice([Victim.CALLER, Victim.ALL])
    moment = chance.choice([*Moment] if kind == Kind.WRITE else [Moment.BEFORE, Moment.AFTER])
    done = Round(
        case.name,
        place.name,
        f"{role.name} {kind.name}".lower(),
        f"{role.name.lower()}'s {kind.name.lower()} {when}, {moment.name.lower()}, "
        f"kills {victim.name.lower()}",
    )
    disk = runner.folder / "disk"
    shutil.rmtree(disk, ignore_errors=True)
    store = place.begin(disk, case.begins_with)
    model = Disk(disk)
    runner.log.unlink(missing_ok=True)
    judge = Judge(reference.old, reference.new, runner.folder)

    runner.watch(disk)
    runner.control.kill_at(role, kind, when, victim, moment)
    first = runner.start(case, store)
    code = runner.wait(first)
    done.kills = runner.control.page.killed
    is_hasty = victim == Victim.COMMAND and chance.random() < 0.3
    if not is_hasty:
        done.left = runner.left(first)
        done.lost += _after(place, store, disk, judge, must_be_new=code == 0)
        if victim == Victim.CALLER and role == Role.WORKER and code not in {0, 2}:
            done.lost.append(f"the command ended with {code}: {runner.said()}")
    ended_at = runner.log.stat().st_size if runner.log.exists() else 0

    if chance.random() < 0.5:
        place.elsewhere(disk)
    runner.watch(disk)
    second = runner.start(case, store)
    again = runner.wait(second)
    if again != 0:
        done.differing.append(f"the second run ended with {again}: {runner.said()}")
    done.left += runner.left(second) + (runner.left(first) if is_hasty else 0)
    done.differing += difference(content(place.files(store)), reference.new)
    done.lost += _after(place, store, disk, judge, must_be_new=again == 0)
    done.differing += _hidden(place.here(read_files(disk)))
    _cut(runner, place, model, judge, done, chance, cuts, code == 0, ended_at, again == 0)
    shutil.rmtree(disk)
    done.seconds = time.monotonic() - begun
    return done


def _after(place: Place, store: str, disk: Path, judge: Judge, must_be_new: bool) -> list[str]:
    return [
        *judge.problems(place.files(store), must_be_new),
        *place.local_problems(read_files(disk)),
    ]


def _hidden(files: Files) -> list[str]:
    """Pieces and hidden files that the second run should have swept."""
    return [
        f"{path} was left behind"
        for path in files
        if path.endswith(".tmp") or "/.pieces/" in path
    ]


def _cut(
    runner: Runner,
    place: Place,
    model: Disk,
    judge: Judge,
    done: Round,
    chance: random.Random,
    cuts: int,
    first_done: bool,
    first_bytes: int,
    all_done: bool,
) -> None:
    """Cuts the power at some moments, and once both commands have ended."""
    if not cuts:
        return
    calls = list(read_calls(runner.log))
    moments = sorted(chance.randrange(len(calls) + 1) for _ in range(cuts - 1)) + [len(calls)]
    whole: dict[str, set[bytes]] = {}
    at = passed = 0
    for number, moment in enumerate(moments):
        while at < moment:
            call = calls[at]
            model.do(call)
            passed += call.size
            if call.what == "r":
                whole.setdefault(call.other, set()).add(model.read(call.other))
            at += 1
        how = CUTS[(number + len(moments)) % len(CUTS)] if moment < len(calls) else "least"
        files = model.after_a_cut(how, chance.randrange(1 << 30))
        must_be_new = (all_done and at == len(calls)) or (first_done and passed >= first_bytes)
        if place.name == "folder":
            store = {
                path.removeprefix("store/"): data
                for path, data in files.items()
                if path.startswith("store/")
            }
            problems = judge.problems(store, must_be_new)
            problems += _wrong_pieces(store, whole, str(model.root / "store"))
        else:
            problems = place.local_problems(files)
        done.cuts += 1
        done.torn += [f"cut after call {at} of {len(calls)}, {how}: {one}" for one in problems]
    if model.now() != read_files(model.root):
        done.torn.append("what was written down is not what is there: a call was missed")


def _wrong_pieces(store: Files, whole: Mapping[str, set[bytes]], root: str) -> list[str]:
    return [
        f"{path} has bytes that no build has made"
        for path, data in store.items()
        if path.startswith(".pieces/")
        and not path.endswith(".tmp")
        and data not in whole.get(f"{root}/{path}", set())
    ]
