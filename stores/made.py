"""The list of what was made of a store and lies elsewhere: `affectstore forget` has to reach it.

    <store>/.made-KEY.json      {"host": ..., "kind": "export", "mark": ..., "place": ...,
                                 "snapshot": 3}

What was made holds the same mark, so that nothing else at its place is taken for it. A file each,
so that nobody waits for another. A store that cannot be written to has none, and says so; nothing
that was asked for fails for it.
"""

import hashlib
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from manifests.visible import visible
from stores.location import Location, Place, locate
from stores.parsing import WrongRecord, from_json
from stores.paths import key_of
from stores.pointer import WrongSnapshot, json_text, read_json
from stores.snapshot import Snapshot

MADE = ".made-"
"""How the name of each file of the list begins."""
EXPORT, REPORT, DRAWINGS, TRAINING = "export", "report", "drawings", "training run"


@dataclass(frozen=True)
class Made:
    """One thing that was made of a store."""

    kind: str
    """One of EXPORT, REPORT, DRAWINGS, TRAINING."""
    place: str
    """An absolute path, or a URL."""
    host: str
    """The machine that it was made on."""
    mark: str = ""
    """By which it is known again; empty where an older version made it, which gave marks to exports
    alone."""
    snapshot: int | None = None
    """Number of the snapshot that it was made of; None where an older version made it."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for all that were made of one kind at one place."""
        return self.kind, self.place, self.host

    @property
    def is_here(self) -> bool:
        """Whether this machine made it, or it lies behind a URL."""
        return "://" in self.place or self.host == platform.node()


def mark_of(location: Location, snapshot: Snapshot) -> str:
    """Makes the mark of what is made of a snapshot: the same however often it is made.

    Args:
        location: Where the store lies.
        snapshot: What is read of it.

    Returns:
        32 hex digits, which another store or another snapshot does not give.
    """
    return key_of([_where(location), hashlib.sha256(json_text(snapshot)).hexdigest()])


def note_made(
    store: Place, kind: str, place: Place, mark: str = "", snapshot: int | None = None
) -> None:
    """Puts what is about to be made on the list of a store.

    Args:
        store: Folder or URL of the store.
        kind: What is made.
        place: Where it will lie.
        mark: What it will hold, and nothing else at the same place.
        snapshot: Number of the snapshot that it is made of.
    """
    location = locate(store)
    where = str(place.absolute()) if isinstance(place, Path) else _where(locate(place))
    try:
        made = Made(kind, where, platform.node(), mark, snapshot)
        file = f"{MADE}{key_of([made.kind, made.place, made.host, made.mark, made.snapshot])}.json"
        if not (location.is_local and location.path(file).exists()):
            location.create(file, json_text(made))
    except OSError as error:
        _say_unlisted(f"{location} cannot be written to ({error.strerror or error})", kind)
    except UnicodeEncodeError:
        _say_unlisted(f"{where} is no Unicode", kind)


def _where(target: Location) -> str:
    return str(target.folder) if target.is_local else target.name


def _say_unlisted(why: str, kind: str) -> None:
    words = f"{why}, so the store does not list this {kind}: `affectstore forget` will not find it"
    print(visible(words), file=sys.stderr)


def made_things(location: Location, files: Iterable[str]) -> dict[str, Made]:
    """Reads the list.

    Args:
        location: Where the store lies.
        files: The files of the store.

    Returns:
        File of the list -> what it names; one that cannot be read is left out.
    """
    found = {}
    for file in sorted(files):
        if file.startswith(MADE):
            try:
                value = read_json(location.refresh(file), location.display(file))
                found[file] = from_json(Made, value, file)
            except (WrongSnapshot, WrongRecord, FileNotFoundError):
                continue
    return found
