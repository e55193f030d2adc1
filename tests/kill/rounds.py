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
from tests.kill.cases import Case
from tests.kill.disk import CUTS, Disk, read_calls
from tests.kill.places import Place
from tests.kill.whole import Files, Judge, content, difference, read_files
from tests.support.commands import living_in_session

SERVER = "AFFECTSTORE_KILL_PREFECT"
"""The variable that names the Prefect server, for those commands that are to find it."""
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

    def __init__(self, folder: Path, inputs: Path, tamper: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._inputs, self._tamper = folder, inputs, tamper
        self.control = Control(folder / "control")
        self.log = folder / "calls"

    def watch(self, disk: Path, log: bool = True) -> None:
        """Counts from zero, and writes down what is done."""
        self.control.watch(disk, self._inputs, self.log if log else None)

    def start(self, case: Case, store: str) -> int:
        """Starts the command of a case: its process, which leads a session."""
        words = [
            word.replace("STORE", store)
            .replace("CORPUS", str(self._inputs / case.corpus))
            .replace("RECIPE", str(self._inputs / f"{case.recipe}.toml"))
            for word in case.words
        ]
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._become(words, case.is_recorded)
        return pid

    def _become(self, words: list[str], is_recorded: bool) -> None:
        code = 70
        try:
            if is_recorded:
                os.environ["PREFECT_API_URL"] = os.environ[SERVER]
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


@dataclass(frozen=True)
class Aim:
    """The call at which somebody is killed."""

    role: Role
    kind: Kind
    when: int
    victim: Victim
    moment: Moment

    @classmethod
    def draw(cls, counts: Mapping[tuple[Role, Kind], int], chance: random.Random) -> "Aim":
        """One of the calls of an undisturbed run: every kind is as likely as any other."""
        role, kind = chance.choice(sorted(counts))
        victims = [Victim.CALLER, Victim.ALL] if role == Role.COMMAND else [*Victim]
        moments = [*Moment] if kind == Kind.WRITE else [Moment.BEFORE, Moment.AFTER]
        when = chance.randrange(counts[role, kind]) + 1
        return cls(role, kind, when, chance.choice(victims), chance.choice(moments))

    @property
    def call(self) -> str:
        return f"{self.role.name} {self.kind.name}".lower()

    def __str__(self) -> str:
        return (
            f"{self.role.name}'s {self.kind.name} {self.when}, {self.moment.name}, kills "
            f"{self.victim.name}"
        ).lower()


def play(
    runner: Runner, place: Place, case: Case, reference: Reference, chance: random.Random, cuts: int
) -> Round:
    """One kill, sometimes a second one, a last run, and power cuts at some moments of all."""
    begun = time.monotonic()
    disk = runner.folder / "disk"
    shutil.rmtree(disk, ignore_errors=True)
    store = place.begin(disk, case.begins_with)
    runner.log.unlink(missing_ok=True)
    judge = Judge(reference.old, reference.new, runner.folder)
    game = _Game(runner, place, case, store, disk, judge, reference.new)
    aims = [Aim.draw(reference.counts, chance) for _ in range(chance.choice([1, 1, 1, 2]))]
    done = Round(case.name, place.name, aims[0].call, "; ".join(map(str, aims)))
    for aim in aims:
        game.kill(aim, done, is_hasty=aim.victim == Victim.COMMAND and chance.random() < 0.3)
        if chance.random() < 0.5:
            place.elsewhere(disk)
    game.finish(done)
    if cuts:
        game.cut(done, chance, cuts)
    shutil.rmtree(disk)
    done.seconds = time.monotonic() - begun
    return done


class _Game:
    """The runs of a round, all on one store."""

    def __init__(
        self,
        runner: Runner,
        place: Place,
        case: Case,
        store: str,
        disk: Path,
        judge: Judge,
        expected: Files,
    ) -> None:
        self._runner, self._place, self._case, self._store = runner, place, case, store
        self._disk, self._judge, self._expected = disk, judge, expected
        self._model = Disk(disk)
        self._is_new_from: int | None = None
        """Bytes of the log after which a command had said that it was done."""
        self._going: list[int] = []
        """Sessions whose workers may still be there."""
        self._is_hasty = False
        """Some were not waited for: they may finish a shard beside the next command."""

    def kill(self, aim: Aim, done: Round, is_hasty: bool) -> None:
        """Runs the command, which is killed; with haste, its workers are not waited for."""
        runner = self._runner
        runner.watch(self._disk)
        runner.control.kill_at(aim.role, aim.kind, aim.when, aim.victim, aim.moment)
        session = runner.start(self._case, self._store)
        code = runner.wait(session)
        done.kills += runner.control.page.killed
        self._going.append(session)
        if code == 0:
            self._has_said_so()
        self._is_hasty |= is_hasty
        if not is_hasty:
            done.left += self._left()
            done.lost += self._problems(must_be_new=code == 0)
        is_worker = aim.role == Role.WORKER and aim.victim == Victim.CALLER
        if is_worker and code not in {0, 2}:
            done.lost.append(f"the command ended with {code}: {runner.said()}")

    def finish(self, done: Round) -> None:
        """Runs the command undisturbed; what was finished before is not made again."""
        runner, place = self._runner, self._place
        before = _finished(self._disk)
        runner.watch(self._disk)
        session = runner.start(self._case, self._store)
        code = runner.wait(session)
        self._going.append(session)
        done.left += self._left()
        if code == 0:
            self._has_said_so()
        else:
            done.differing.append(f"the last run ended with {code}: {runner.said()}")
        done.lost += self._problems(must_be_new=code == 0)
        done.differing += difference(content(place.files(self._store)), self._expected)
        done.differing += _hidden(place.here(read_files(self._disk)))
        if not self._is_hasty:
            after = _finished(self._disk)
            again = [path for path, stat in before.items() if after.get(path) != stat]
            done.differing += [f"{path} was made again" for path in again]

    def _has_said_so(self) -> None:
        if self._is_new_from is None:
            self._is_new_from = self._runner.log.stat().st_size

    def _left(self) -> int:
        return sum(self._runner.left(session) for session in self._going)

    def _problems(self, must_be_new: bool) -> list[str]:
        return [
            *self._judge.problems(self._place.files(self._store), must_be_new),
            *self._place.local_problems(read_files(self._disk)),
        ]

    def cut(self, done: Round, chance: random.Random, cuts: int) -> None:
        """Cuts the power at some moments of all runs, and once at the end."""
        calls, model = list(read_calls(self._runner.log)), self._model
        moments = sorted(chance.randrange(len(calls) + 1) for _ in range(cuts - 1))
        whole: dict[str, set[bytes]] = {}
        at = passed = 0
        recovered_at = chance.randrange(4 * cuts)
        for number, moment in enumerate([*moments, len(calls)]):
            for call in calls[at:moment]:
                model.do(call)
                passed += call.size
                if call.what == "r":
                    whole.setdefault(call.other, set()).add(model.read(call.other))
            at = moment
            how = CUTS[number % len(CUTS)] if moment < len(calls) else "least"
            files = model.after_a_cut(how, chance.randrange(1 << 30))
            is_new = self._is_new_from is not None and passed >= self._is_new_from
            done.cuts += 1
            done.torn += [
                f"cut after call {at} of {len(calls)}, {how}: {problem}"
                for problem in self._torn(files, whole, is_new)
            ]
            if number == recovered_at and self._place.name == "folder":
                done.torn += self._recover(files, f"the run after a cut after call {at}, {how}")
        if model.now() != read_files(self._disk):
            done.torn.append("what was written down is not what is there: a call was missed")

    def _torn(self, files: Files, whole: Mapping[str, set[bytes]], must_be_new: bool) -> list[str]:
        if self._place.name != "folder":
            return self._place.local_problems(files)
        store = {
            path.removeprefix("store/"): data
            for path, data in files.items()
            if path.startswith("store/")
        }
        wrong = _wrong_pieces(store, whole, self._store)
        return [*self._judge.problems(store, must_be_new), *wrong]

    def _recover(self, files: Files, which: str) -> list[str]:
        """Runs the command on what a cut has left."""
        disk = self._runner.folder / "recovered"
        for path, data in files.items():
            (disk / path).parent.mkdir(parents=True, exist_ok=True)
            (disk / path).write_bytes(data)
        self._runner.watch(disk, log=False)
        session = self._runner.start(self._case, str(disk / "store"))
        code = self._runner.wait(session)
        found = read_files(disk / "store")
        shutil.rmtree(disk)
        wrong = [*difference(content(found), self._expected), *_hidden(found)]
        wrong += [f"it ended with {code}: {self._runner.said()}"] if code else []
        return [f"{which}: {one}" for one in wrong]


def _finished(disk: Path) -> dict[str, tuple[int, int]]:
    """Finished shards and states of a folder, by what shows whether they were written again."""
    found = (
        path for name in ("shards", "fitted") for path in (disk / "store" / name).rglob("*.h5")
    )
    stats = ((str(path), path.stat()) for path in found if not path.name.startswith("."))
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats}


def _hidden(files: Files) -> list[str]:
    """Pieces and hidden files that a run which has ended should have swept."""
    left = (path for path in files if path.endswith(".tmp") or "/.pieces/" in f"/{path}")
    return [f"{path} was left behind" for path in left]


def _wrong_pieces(store: Files, whole: Mapping[str, set[bytes]], root: str) -> list[str]:
    return [
        f"{path} has bytes that no build has made"
        for path, data in store.items()
        if path.startswith(".pieces/")
        and not path.endswith(".tmp")
        and data not in whole.get(f"{root}/{path}", set())
    ]
