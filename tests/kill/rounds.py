"""One round: a command is killed at one of its calls, and run once more."""

import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kill.calls import Kind, Moment, Role, Victim
from tests.kill.cases import Case
from tests.kill.disk import CUTS, Disk, read_calls
from tests.kill.places import Place
from tests.kill.runner import OUT, Runner
from tests.kill.whole import Files, Judge, content, difference, read_files


@dataclass
class Reference:
    """What an undisturbed run made, and the calls by which it did."""

    old: Files | None
    new: Files
    counts: Mapping[tuple[Role, Kind], int]
    out: Files
    """What it made outside the store."""

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
    counts, out = runner.control.counted(), read_files(disk / OUT)
    shutil.rmtree(disk)
    return Reference(old, new, counts, out)


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
    game = _Game(runner, place, case, store, disk, judge, reference)
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
        reference: Reference,
    ) -> None:
        self._runner, self._place, self._case, self._store = runner, place, case, store
        self._disk, self._judge = disk, judge
        self._expected, self._out = reference.new, reference.out
        self._model = Disk(disk)
        self._is_new_from: int | None = None
        """Bytes of the log after which a command had said that it was done."""
        self._going: list[int] = []
        """Sessions whose workers may still be there."""
        self._hasty_from: int | None = None
        """Bytes of the log after which some were not waited for: they may finish a shard beside the
        next command, and what they do is not written down."""

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
        if is_hasty and self._hasty_from is None:
            self._hasty_from = self._written()
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
        elif not (code == 2 and self._case.is_reader):
            done.differing.append(f"the last run ended with {code}: {runner.said()}")
        done.lost += self._problems(must_be_new=code == 0)
        done.differing += difference(content(place.files(self._store)), self._expected)
        done.differing += difference(read_files(self._disk / OUT), self._out)
        if not self._case.is_reader:
            done.differing += _hidden(place.here(read_files(self._disk)))
        if self._hasty_from is None:
            after = _finished(self._disk)
            again = [path for path, stat in before.items() if after.get(path, stat) != stat]
            done.differing += [f"{path} was made again" for path in again]

    def _has_said_so(self) -> None:
        if self._is_new_from is None:
            self._is_new_from = self._written()

    def _written(self) -> int:
        return self._runner.log.stat().st_size if self._runner.log.exists() else 0

    def _left(self) -> int:
        return sum(self._runner.left(session) for session in self._going)

    def _problems(self, must_be_new: bool) -> list[str]:
        return [
            *self._judge.problems(self._place.files(self._store), must_be_new),
            *self._place.local_problems(read_files(self._disk)),
        ]

    def cut(self, done: Round, chance: random.Random, cuts: int) -> None:
        """Cuts the power at some moments of all runs, and once at the end."""
        calls, model = list(read_calls(self._runner.log, self._hasty_from)), self._model
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
        if self._hasty_from is None and model.now() != read_files(self._disk):
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
        hidden = [] if self._case.is_reader else _hidden(found)
        wrong = [*difference(content(found), self._expected), *hidden]
        is_right = code == 0 or (code == 2 and self._case.is_reader)
        wrong += [] if is_right else [f"it ended with {code}: {self._runner.said()}"]
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
