"""The pointer `dataset.json`: which snapshot of a store is the newest.

It is the one file of a store that ever changes, and is replaced as one:

    {"format_version": 2, "snapshot": 12, "sha256": {"snapshots/000001.json": "0a1b...", ...}}

The snapshots hold the sha256 of every other file, so that nothing of a store can change unnoticed.
A store whose last commit was made by a version before this has no "sha256". Where older snapshots
were removed, "oldest" is the number of the first that was kept.

Format 2 tells what a file never had (`absent`) from what is in quarantine. A store of format 1 is
read as it is, and stays of that format until a build has looked at every row of it.
"""

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.features import Json
from stores.location import Location
from stores.paths import WrongPlace, open_plain

FORMAT_VERSION = 2
POINTER = "dataset.json"
LEFT_OUT = "left out where None"
"""In the metadata of a field: an older version reads the JSON as long as it has no value."""
_MOST_BYTES = 1 << 30
"""Of a JSON file; a larger one is refused unread. That of a million shards has a third of it."""


class NotCommitted(FileNotFoundError):
    """There is no store here, or not this snapshot of it."""


class NewerFormat(ValueError):
    """The store was written by a newer version than can be read here."""


class WrongSnapshot(ValueError):
    """A pointer or a snapshot is damaged, or does not fit what is published."""


@dataclasses.dataclass(frozen=True)
class Pointer:
    """What `dataset.json` says."""

    snapshot: int
    """Number of the newest snapshot."""
    sha256: Mapping[str, str]
    """Path of a snapshot's file below the root -> its sha256, for all that were committed since
    hashes are kept."""
    format_version: int = FORMAT_VERSION
    oldest: int = 1
    """Number of the oldest snapshot that was kept: those before it were removed."""

    def to_bytes(self) -> bytes:
        """The content of the file: UTF-8 JSON."""
        hashes = {"sha256": dict(self.sha256)} if self.sha256 else {}
        facts = {"format_version": self.format_version, "snapshot": self.snapshot}
        oldest = {"oldest": self.oldest} if self.oldest > 1 else {}
        return json_text({**facts, **hashes, **oldest})


def snapshot_file(number: int) -> str:
    """Where a snapshot lies.

    Args:
        number: Of the snapshot.

    Returns:
        Path below the root of the store.
    """
    return f"snapshots/{number:06d}.json"


def newest(location: Location) -> int | None:
    """Reads which snapshot is the newest.

    Args:
        location: Where the store lies; behind a URL, the pointer is fetched.

    Returns:
        Its number; None where nothing was ever published.

    Raises:
        NewerFormat: A newer version of affectstore wrote the store.
        WrongSnapshot: The file is no pointer.
        RemoteError: The URL, or its bucket, cannot be reached.
    """
    pointer = read_pointer(location)
    return pointer.snapshot if pointer else None


def read_pointer(location: Location) -> Pointer | None:
    """Reads the pointer.

    Args:
        location: Where the store lies; behind a URL, the pointer is fetched.

    Returns:
        The pointer; None where nothing was ever published.

    Raises:
        NewerFormat: A newer version of affectstore wrote the store.
        WrongSnapshot: The file is no pointer.
        RemoteError: The URL, or its bucket, cannot be reached.
    """
    try:
        content = read_json(location.refresh(POINTER), location.display(POINTER))
    except FileNotFoundError:
        return None
    match content:
        case {"format_version": int(version)} if version > FORMAT_VERSION:
            raise NewerFormat(
                f"{location} has format version {version}, this affectstore reads up to "
                f"{FORMAT_VERSION}; install a newer affectstore"
            )
        case {"format_version": 1 | 2 as version, "snapshot": int(number)} if (
            type(version) is int and type(number) is int and number >= 1
        ):
            hashes, oldest = _hashes(content), _oldest(content, number)
            if hashes is not None and _belong(hashes, number) and oldest:
                return Pointer(number, hashes, version, oldest)
    expected = (
        f'{{"format_version": {FORMAT_VERSION}, "snapshot": N}} and the hashes of the snapshots '
        "up to N"
    )
    raise WrongSnapshot(
        f"{location.display(POINTER)} is {str(content)[:80]!r}, expected {expected}; "
        "restore it from a copy"
    )


def _hashes(content: Json) -> dict[str, str] | None:
    """The hashes beside a number: none in an older store, None where they are something else."""
    found = content.get("sha256", {}) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        return None
    texts = {file: sha256 for file, sha256 in found.items() if isinstance(sha256, str)}
    return texts if len(texts) == len(found) else None


def _oldest(content: Json, number: int) -> int:
    """The oldest snapshot that was kept; 0 where something else stands there."""
    found = content.get("oldest", 1) if isinstance(content, dict) else 0
    return found if type(found) is int and 1 <= found <= number else 0


def _belong(hashes: Mapping[str, str], number: int) -> bool:
    """Whether these may be said together: the last hash is that of the snapshot."""
    return not hashes or max(hashes) == snapshot_file(number)


def read_json(path: Path, name: str) -> Json:
    """Reads a JSON file.

    Args:
        path: The file.
        name: The file as messages name it.

    Returns:
        Its value.

    Raises:
        WrongSnapshot: It is not JSON, or far too large, or no plain file.
        FileNotFoundError: It is not there.
    """
    try:
        with open_plain(path) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            data = file.read() if size <= _MOST_BYTES else b""
    except WrongPlace as error:
        raise WrongSnapshot(str(error)) from error
    if size > _MOST_BYTES:
        raise WrongSnapshot(
            f"{name} has {size:,} bytes, expected at most {_MOST_BYTES:,}; restore it from a copy, "
            "or build the store again"
        )
    try:
        value: Json = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WrongSnapshot(
            f"{name} is not JSON ({error}); restore it from a copy, or build the store again"
        ) from error
    return value


def json_text(value: object) -> bytes:
    """Writes JSON so that the same value gives the same bytes: sorted keys, no time stamps.

    Args:
        value: JSON without infinite numbers, and dataclasses, which become objects.

    Returns:
        UTF-8, indented by one blank, with a line feed at the end.
    """
    sink = io.StringIO()
    json.dump(
        value, sink, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=_fields
    )
    return (sink.getvalue() + "\n").encode()


def _fields(record: Any) -> dict[str, Any]:
    fields = ((field, getattr(record, field.name)) for field in dataclasses.fields(record))
    return {
        field.name: value
        for field, value in fields
        if value is not None or not field.metadata.get(LEFT_OUT)
    }
