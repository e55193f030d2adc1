"""What was made of a store and lies elsewhere, removed where it can be reached.

Only what is still the thing that was made is touched, which its mark says: of an export the files
that it lists, of a report its page, of drawings those of the clips that go, of a training run the
files that a run writes.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from flows.forgetting.target import ForgetTarget
from flows.forgetting.trees import remove_folder, remove_paths
from flows.reporting.place import PAGE
from flows.view.marks import mark_in_page, mark_in_png
from stores.atomic import leftovers
from stores.exports.target import DONE, UNFINISHED
from stores.made import DRAWINGS, EXPORT, REPORT, TRAINING, Made
from stores.object_store import RemoteError, connect
from stores.parsing import WrongRecord
from stores.paths import check_names, key_of

REMOVED = "removed"
_HEAD = 1 << 16
"""Bytes of a picture or a page among which its mark is."""
_RUN = "run.json"
_OF_A_MODEL = (
    "predictions.parquet", "look.npz", "live.npz", "history.parquet", "best.pt", "last.pt",
    "checkpoint.pt", "metrics.json",
)  # fmt: skip
_OF_A_RUN = (
    *(f"*/*/*/*/{name}" for name in _OF_A_MODEL),
    *(f"tables/*/{name}" for name in ("tables.md", "*.png", "*.svg")),
    "metrics.json",
    "timing.json",
    _RUN,
)
"""What examples.train, .tables, .stream and .timing write below a run's folder."""


class Presence(StrEnum):
    """What lies at the place of a thing."""

    HERE = "here"
    """The thing."""
    GONE = "gone"
    """Nothing, or what was made since of a snapshot without who is forgotten."""
    OF_OTHERS = "of others"
    """Drawings, none of a clip that goes."""
    UNMARKED = "unmarked"
    """A folder in which nothing says what it is."""
    OTHER = "other"
    """Another thing."""


@dataclass(frozen=True)
class Thing:
    """All that the list of a store has of one kind at one place: it may be made several times."""

    kind: str
    place: str
    host: str
    is_here: bool
    marks: frozenset[str]
    """Of those that may hold who is forgotten; an empty one is known by its place alone."""
    later: frozenset[str]
    """Of those that were made of a snapshot without."""

    @property
    def key(self) -> str:
        """What tells it from others, in a journal."""
        return f"{self.kind} {self.place} {self.host}"

    def state_of(self, mark: str | None) -> Presence:
        """What a file is.

        Args:
            mark: What it says of itself: empty where it says nothing, None where it is not there.

        Returns:
            HERE, GONE or OTHER.
        """
        if mark is None or mark in self.later - self.marks:
            return Presence.GONE
        return Presence.HERE if mark in self.marks else Presence.OTHER


def things_of(made: Iterable[Made], later: Iterable[Made] = ()) -> list[Thing]:
    """Brings together what lies at one place.

    Args:
        made: What the store's list has that may hold who is forgotten.
        later: What it has that cannot.

    Returns:
        The things that are in `made`, by kind and place.
    """
    every, after = list(made), list(later)
    first = {one.key: one for one in every}
    return [
        Thing(
            *key,
            first[key].is_here,
            frozenset(one.mark for one in every if one.key == key),
            frozenset(one.mark for one in after if one.key == key),
        )
        for key in sorted(first)
    ]


def found_things(things: Iterable[Thing], target: ForgetTarget) -> set[str]:
    """Finds which things lie where they were made.

    Args:
        things: What the store's list has.
        target: Who is to be forgotten.

    Returns:
        The keys of those.
    """
    found = set()
    for one in things:
        with suppress(OSError, RemoteError):  # removing it says so
            if one.is_here and _look(one, target) == Presence.HERE:
                found.add(one.key)
    return found


def outlook(
    things: Iterable[Thing], found: Collection[str], target: ForgetTarget
) -> dict[Thing, str]:
    """Says what would become of things.

    Args:
        things: What the store's list has.
        found: The keys of those that lay there, now or before an interrupted run removed them.
        target: Who is to be forgotten.

    Returns:
        Thing -> what would become of it.
    """
    return {one: _attempt(one, target, one.key in found, dry_run=True)[0] for one in things}


def remove_things(
    things: Iterable[Thing], found: Collection[str], target: ForgetTarget
) -> tuple[dict[Thing, str], list[Thing]]:
    """Removes what can be reached.

    Args:
        things: What the store's list has.
        found: The keys of those that lay there, now or before an interrupted run removed them.
        target: Who is to be forgotten.

    Returns:
        Thing -> what became of it; and those of which nothing is left, so that the store need not
        list them any more.
    """
    outcomes, over = {}, []
    for one in things:
        outcomes[one], is_over = _attempt(one, target, one.key in found)
        over += [one] if is_over else []
    return outcomes, over


def _attempt(
    thing: Thing, target: ForgetTarget, was_here: bool, dry_run: bool = False
) -> tuple[str, bool]:
    """What becomes of a thing, and whether nothing of it is left."""
    if not thing.is_here:
        return f"not reached: made on another machine, {thing.host}; remove it there", False
    try:
        state = _look(thing, target)
        if state == Presence.HERE and dry_run:
            return "would be removed", False
        if state == Presence.HERE:
            _remove(thing, target)
            state, was_here = _look(thing, target), True
        elif was_here and not dry_run and "://" not in thing.place:
            remove_paths(Path(thing.place), ())  # the folder, which a killed run had emptied
            state = _look(thing, target)
    except (OSError, RemoteError) as error:
        why = getattr(error, "strerror", None) or error
        return f"not removed ({why}); remove it yourself", False
    return _words(thing, state, was_here), was_here and state in {Presence.GONE, Presence.UNMARKED}


def _words(thing: Thing, state: Presence, was_here: bool) -> str:
    place = thing.place
    match state, was_here:
        case ((Presence.GONE | Presence.OF_OTHERS), True):
            return REMOVED
        case Presence.GONE, False:
            return "not found: it was moved or removed since; look for it yourself"
        case Presence.OF_OTHERS, False:
            return "left: none of the drawings is of a clip that was forgotten"
        case Presence.UNMARKED, True:
            return f"its files were removed; others are left in {place}"
    return f"left: something else lies at {place} now; look whether it names who was forgotten"


def _look(thing: Thing, target: ForgetTarget) -> Presence:
    if "://" in thing.place:
        return thing.state_of(_mark_of_export(_said_by_url(thing.place)))
    path = Path(thing.place)
    if thing.kind == EXPORT:
        return _state_of_export(thing, path)
    if thing.kind == DRAWINGS:
        return _state_of_drawings(thing, path, target)
    if thing.kind == TRAINING:
        return _state_of_run(thing, path)
    states = {thing.state_of(_mark_in(page, mark_in_page)) for page in _pages(path)}
    return _first(states, Presence.GONE)


def _first(states: Collection[Presence], default: Presence) -> Presence:
    """Of several files, what they are together."""
    return next((one for one in (Presence.HERE, Presence.OTHER) if one in states), default)


def _remove(thing: Thing, target: ForgetTarget) -> None:
    path = Path(thing.place)
    if "://" in thing.place:
        _remove_url(thing.place)
    elif thing.kind == EXPORT:
        _remove_export(thing, path)
    elif thing.kind == DRAWINGS:
        mine = [one for one in _drawings(path, target) if _is_of(thing, _mark_in(one, mark_in_png))]
        remove_paths(path, mine)
    elif thing.kind == REPORT:
        remove_paths(
            path, [one for one in _pages(path) if _is_of(thing, _mark_in(one, mark_in_page))]
        )
    else:
        remove_paths(path, _files_of_run(path))
        remove_paths(path, [path / _RUN])  # last, since by it the run is known


def _is_of(thing: Thing, mark: str | None) -> bool:
    return thing.state_of(mark) == Presence.HERE


# Reports and drawings


def _mark_in(path: Path, find: Callable[[bytes], str]) -> str | None:
    """What a file says of itself; None where there is none."""
    try:
        with path.open("rb") as file:
            return find(file.read(_HEAD))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _pages(folder: Path) -> list[Path]:
    """The page, and those of killed writers."""
    hidden = [one for one in leftovers(folder) if one.parent == folder]
    return [folder / PAGE, *(one for one in hidden if one.name.startswith(f".{PAGE}."))]


def _drawings(folder: Path, target: ForgetTarget) -> list[Path]:
    from flows.view.draw import file_name  # with the libraries that draw

    return [folder / file_name(clip_id) for clip_id in sorted(target.clip_ids)]


def _state_of_drawings(thing: Thing, folder: Path, target: ForgetTarget) -> Presence:
    states = {thing.state_of(_mark_in(one, mark_in_png)) for one in _drawings(folder, target)}
    rest = Presence.OF_OTHERS if any(folder.rglob("*.png")) else Presence.GONE
    return _first(states, rest)


# Training runs


def _state_of_run(thing: Thing, folder: Path) -> Presence:
    said = _json(folder / _RUN)
    if said is None:
        return Presence.UNMARKED if folder.exists() else Presence.GONE
    mark = said.get("made_of", "")
    return thing.state_of(mark if said.get("recipe") and isinstance(mark, str) else "?")


def _files_of_run(folder: Path) -> Iterator[Path]:
    """What a run writes, and what its killed writers left, but for the file that it is known by."""
    for pattern in _OF_A_RUN[:-1]:
        yield from folder.glob(pattern)
    for left in leftovers(folder):
        name = left.name[1:].removesuffix(".tmp").rpartition(".")[0]
        file = left.relative_to(folder).with_name(name).as_posix()
        if any(_matches(file, pattern) for pattern in _OF_A_RUN):
            yield left


def _matches(file: str, pattern: str) -> bool:
    parts, wanted = PurePosixPath(file).parts, PurePosixPath(pattern).parts
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))


# Exports


def _mark_of_export(said: Mapping[str, Any] | None) -> str | None:
    return None if said is None else key_of(said.get("export"))


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unfinished")


def _state_of_export(thing: Thing, folder: Path) -> Presence:
    if _is_of(thing, _mark_of_export(_json(_unfinished(folder) / UNFINISHED))):
        return Presence.HERE
    said = _json(folder / DONE)
    if said is None:
        return Presence.UNMARKED if folder.exists() else Presence.GONE
    return thing.state_of(_mark_of_export(said))


def _remove_export(thing: Thing, folder: Path) -> None:
    unfinished = _unfinished(folder)
    if _is_of(thing, _mark_of_export(_json(unfinished / UNFINISHED))):
        remove_folder(unfinished, UNFINISHED)
    said = _json(folder / DONE)
    if said is not None and _is_of(thing, _mark_of_export(said)):
        remove_paths(folder, [folder / file for file in _listed(said)])
        remove_paths(folder, [folder / DONE])


def _said_by_url(url: str) -> dict[str, Any] | None:
    objects = connect(url)
    data = objects.read(DONE) or objects.read(UNFINISHED)
    return _parsed(data) if data else None


def _remove_url(url: str) -> None:
    objects = connect(url)
    said = _said_by_url(url) or {}
    # An upload that was killed may have sent files that it had not noted yet.
    sent = objects.sizes().keys() if objects.read(DONE) is None else set[str]()
    for file in [*sorted({*_listed(said), *sent} - {UNFINISHED, DONE}), UNFINISHED, DONE]:
        objects.remove(file)


def _listed(said: Mapping[str, Any]) -> list[str]:
    files = sorted(said.get("files", {}))
    with suppress(WrongRecord):
        check_names(files)
        return files
    return []


def _json(path: Path) -> dict[str, Any] | None:
    """What a file says; empty for a damaged one, None where there is none."""
    try:
        return _parsed(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parsed(data: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(found := json.loads(data), dict):
            return found
    return {}
