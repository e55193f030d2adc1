"""The journal and the receipt of forgetting somebody.

    <store>/.forgetting-HASH.json      the journal: from before the first change until the end; with
                                       it, a run after a kill gives the same receipt
    STORE-forgotten-HASH.json          the receipt, outside the store

Neither has an id: HASH is the beginning of the salted hash of it.
"""

import json
import os
import platform
import secrets
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.forgetting.clean import JOURNAL, foreign
from flows.forgetting.target import ForgetError, ForgetTarget
from flows.forgetting.things import Thing
from manifests.features import Json
from stores.atomic import write_bytes
from stores.location import Location, is_inside
from stores.made import Made
from stores.parsing import from_json
from stores.paths import open_plain, sha256_of
from stores.pointer import json_text, read_json, snapshot_file
from stores.snapshot import Snapshot

_DIGITS = 12
_BYTES, _BYTES_A_FILE = 1 << 16, 400
"""What a receipt takes at the most: each file of the store is named in it twice, with its hash."""
NOT_REACHED = (
    "backups and copies of the store that others made, or that were made of its folder",
    "what a file system or a disk keeps of removed files: journals, snapshots, unused blocks",
    "older versions and logs of an object store, where it keeps them",
    "caches of the store on other machines, and what a process has open or has read",
    "exports, reports, drawings and training runs that lie elsewhere, were moved or were copied",
    "the event log of a Prefect server, which keeps the text of pages for as long as it is set to",
    "models that learned from the clips, outside the folders that were removed",
    "the files of the corpus themselves, which are not part of the store",
)
"""What no command can reach, in words."""


@dataclass(frozen=True)
class ForgetFacts:
    """What forgetting somebody takes out; without ids."""

    kind: str
    salt: str
    sha256: str
    """Salted, of the id."""
    begun: str
    """When, in UTC."""
    store: str
    clips: int
    rows: dict[str, int]
    """Table -> rows."""
    shards: int
    """Written anew."""
    schemes: dict[str, str]
    """Split schemes whose folds were dropped -> how to deal them again."""
    states: tuple[str, ...]
    """Fitted states that were dropped."""
    snapshots: tuple[int, ...]
    """Older ones, which were removed."""
    made: tuple[Made, ...]
    """What was made of the store and lies elsewhere."""
    runs: int
    """Runs and pages on the Prefect server that named one of the ids."""
    shared: int
    """Clips of others that lie in one file with one that is forgotten."""
    before: dict[str, str]
    """File -> sha256."""
    found: tuple[str, ...] | None = None
    """Keys of the things that lay where they were made; None: an older version wrote the journal.
    """


def now() -> str:
    """The time, as journal and receipt have it.

    Returns:
        Such as 2026-03-01T12:00:00+00:00.
    """
    return datetime.now(UTC).isoformat(timespec="seconds")


def journal_file(target: ForgetTarget) -> str:
    """Where the journal lies.

    Args:
        target: Who is to be forgotten.

    Returns:
        Path below the root of the store.
    """
    return f"{JOURNAL}{target.sha256[:_DIGITS]}.json"


def read_journal(location: Location, target: ForgetTarget) -> ForgetFacts | None:
    """Reads what a run that was interrupted has begun.

    Args:
        location: Where the store lies.
        target: Who is to be forgotten.

    Returns:
        What it had found; None where there was no such run.

    Raises:
        WrongSnapshot: The journal is damaged.
        WrongRecord: It has another form.
    """
    file = journal_file(target)
    try:
        value = read_json(location.refresh(file), location.display(file))
    except FileNotFoundError:
        return None
    return from_json(ForgetFacts, value, file)


def write_journal(location: Location, target: ForgetTarget, facts: ForgetFacts) -> None:
    """Writes the journal.

    Args:
        location: Where the store lies.
        target: Who is to be forgotten.
        facts: What was found.
    """
    file = journal_file(target)
    location.replace(file, json_text(facts), location.version(file))


def place_of_receipt(location: Location, target: ForgetTarget, given: Path | None) -> Path:
    """Finds where the receipt is to lie.

    Args:
        location: Where the store lies.
        target: Who is to be forgotten.
        given: As the user says; None: beside the store, or in this folder where it is behind a URL.

    Returns:
        An absolute path outside the store.

    Raises:
        ForgetError: It is in the store.
    """
    name = f"{location.name.rstrip('/').rpartition('/')[2] or 'store'}"
    folder = location.folder.parent if location.is_local else Path.cwd()
    if location.is_local:
        name = location.folder.name
    path = given or folder / f"{name}-forgotten-{target.sha256[:_DIGITS]}.json"
    path = path.absolute()
    if is_inside(location, path):
        raise ForgetError(
            f"the receipt {path} would lie in the store; give a path outside it with --receipt"
        )
    # With os.path: a name that is too long is an OSError of pathlib.
    if os.path.isdir(path) or not os.path.isdir(path.parent):  # noqa: PTH112
        raise ForgetError(
            f"the receipt cannot be written to {path}, which is a folder or lies in none; give the "
            "path of a new file with --receipt"
        )
    if os.path.lexists(path) and not _is_receipt_of(path, target):
        raise ForgetError(
            f"{path} is there and is no receipt of this; give the path of a new file with --receipt"
        )
    return path


def check_stays(path: Path, made: Iterable[Made]) -> None:
    """Checks that the receipt does not lie in what is removed.

    Args:
        path: Where it is to lie.
        made: What was made of the store.

    Raises:
        ForgetError: It would lie in one of these.
    """
    for one in made:
        if one.is_here and "://" not in one.place and path.is_relative_to(one.place):
            raise ForgetError(
                f"the receipt {path} would lie in the {one.kind} {one.place}, which may be removed;"
                " give the path of a new file elsewhere with --receipt"
            )


def try_receipt(path: Path, files: int) -> None:
    """Writes what takes as much room as the receipt will, and removes it again: what hinders it is
    found before anything is done.

    Args:
        path: Where the receipt is to lie.
        files: How many files the store has.

    Raises:
        ForgetError: It cannot be written there.
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with hidden.open("xb") as file:
            file.write(bytes(_BYTES + _BYTES_A_FILE * files))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ForgetError(
            f"the receipt cannot be written to {path} ({error.strerror}), so nothing was done; "
            "give the path of a new file elsewhere with --receipt"
        ) from error
    finally:
        with suppress(OSError):
            hidden.unlink()


def _is_receipt_of(path: Path, target: ForgetTarget) -> bool:
    try:
        with open_plain(path) as file:
            said = json.loads(file.read())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("sha256") == target.sha256


def hashes(
    location: Location, files: Collection[str], snapshots: Sequence[Snapshot]
) -> dict[str, str]:
    """The sha256 of files of a store; of those that a snapshot lists, as it recorded them.

    Args:
        location: Where the store lies.
        files: Paths below its root.
        snapshots: All that lie there.

    Returns:
        File -> sha256.
    """
    recorded = {record.file: record.sha256 for one in snapshots for record in one.files}
    found = {}
    for file in sorted(files):
        path = location.path(file) if file in recorded else location.refresh(file)
        if file in recorded:
            found[file] = recorded[file]
        elif path.is_file():
            found[file] = sha256_of(path)
    return found


def write_receipt(
    path: Path,
    facts: ForgetFacts,
    outcomes: Mapping[Thing, str],
    after: Mapping[str, str],
    target: ForgetTarget,
) -> None:
    """Writes the receipt.

    Args:
        path: Where.
        facts: What was taken out.
        outcomes: What became of each thing that was made of the store.
        after: The files of the store now -> sha256.
        target: Who was forgotten.

    Raises:
        ForgetError: It cannot be written there any more.
    """
    said = {name: one for name, one in vars(facts).items() if name not in {"made", "found"}}
    made: list[dict[str, str]] = [
        {"kind": one.kind, "place": one.place, "host": one.host, "outcome": outcome}
        for one, outcome in outcomes.items()
    ]
    content: dict[str, object] = {
        "receipt": "affectstore forget",
        "format_version": 1,
        "machine": platform.node(),
        "ended": now(),
        **said,
        "made": [{name: target.cut(value) for name, value in one.items()} for one in made],
        **_without_names(facts, after, target),
        "not_reached": list(NOT_REACHED),
    }
    try:
        for left in path.parent.iterdir():  # of a run that was killed while it wrote the receipt
            if left.name.startswith(f".{path.name}.") and left.suffix == ".tmp":
                left.unlink(missing_ok=True)
        write_bytes(path, json_text(content))
    except OSError as error:
        raise ForgetError(
            f"all was taken out of {facts.store}, and the receipt cannot be written to {path} "
            f"({error.strerror}); run the same command again, with another path for --receipt"
        ) from error


def _without_names(
    facts: ForgetFacts, after: Mapping[str, str], target: ForgetTarget
) -> dict[str, Json]:
    """What of a receipt has paths that somebody has chosen, who may have put an id into them."""
    store = target.cut(facts.store)
    schemes: dict[str, Json] = {
        name: command.replace(shlex.quote(facts.store), shlex.quote(store))
        for name, command in facts.schemes.items()
    }
    files = {"before": facts.before, "after": after}
    return {
        "store": store,
        "schemes": schemes,
        **{name: _cut_foreign(some, target) for name, some in files.items()},
    }


def _cut_foreign(files: Mapping[str, str], target: ForgetTarget) -> dict[str, Json]:
    others = frozenset(foreign(files))
    return {target.cut(file) if file in others else file: one for file, one in files.items()}


def stays(snapshot: Snapshot) -> set[str]:
    """The files of a store that are not removed.

    Args:
        snapshot: The newest snapshot.

    Returns:
        What it lists, and its own file.
    """
    return {snapshot_file(snapshot.number), *(record.file for record in snapshot.files)}
