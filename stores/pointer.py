"""The pointer `dataset.json`: which snapshot of a store is the newest.

It is the one file of a store that ever changes, and is replaced as one:

    {"format_version": 1, "snapshot": 12}
"""

import io
import json
from pathlib import Path

from manifests.features import Json
from stores.location import Location

FORMAT_VERSION = 1
POINTER = "dataset.json"


class NotCommitted(FileNotFoundError):
    """There is no store here, or not this snapshot of it."""


class NewerFormat(ValueError):
    """The store was written by a newer version than can be read here."""


class WrongSnapshot(ValueError):
    """A pointer or a snapshot is damaged, or does not fit what is published."""


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
    path = location.refresh(POINTER)
    if not path.is_file():
        return None
    pointer = read_json(path, location.display(POINTER))
    match pointer:
        case {"format_version": int(version)} if version > FORMAT_VERSION:
            raise NewerFormat(
                f"{location} has format version {version}, this affectstore reads up to "
                f"{FORMAT_VERSION}; install a newer affectstore"
            )
        case {"format_version": 1, "snapshot": int(number)} if number >= 1 and type(number) is int:
            return number
    expected = '{"format_version": 1, "snapshot": N}'
    raise WrongSnapshot(
        f"{location.display(POINTER)} is {str(pointer)[:80]!r}, expected {expected}; "
        "restore it from a copy"
    )


def pointer_to(number: int) -> bytes:
    """The content of the pointer.

    Args:
        number: Of the snapshot that it points to.

    Returns:
        UTF-8 JSON.
    """
    return json_text({"format_version": FORMAT_VERSION, "snapshot": number})


def read_json(path: Path, name: str) -> Json:
    """Reads a JSON file.

    Args:
        path: The file.
        name: The file as messages name it.

    Returns:
        Its value.

    Raises:
        WrongSnapshot: It is not JSON.
    """
    try:
        value: Json = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WrongSnapshot(
            f"{name} is not JSON ({error}); restore it from a copy, or build the store again"
        ) from error
    return value


def json_text(value: Json) -> bytes:
    """Writes JSON so that the same value gives the same bytes: sorted keys, no time stamps.

    Args:
        value: Without infinite numbers.

    Returns:
        UTF-8, indented by one blank, with a line feed at the end.
    """
    sink = io.StringIO()
    json.dump(value, sink, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (sink.getvalue() + "\n").encode()
