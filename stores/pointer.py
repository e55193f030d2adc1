"""The pointer `dataset.json`: which snapshot of a store is the newest. The one file of a store that
ever changes, replaced whole.

{"format_version": 1, "snapshot": 12}
"""

import io
import json
from pathlib import Path

from manifests.features import Json
from stores.mirror import Mirror, mirror_of
from stores.remote import Version

FORMAT_VERSION = 1
POINTER = "dataset.json"


class NotCommitted(FileNotFoundError):
    """There is no store here, or not this snapshot of it."""


class NewerFormat(ValueError):
    """The store was written by a newer version than can be read here."""


class WrongSnapshot(ValueError):
    """A pointer or a snapshot cannot be read as one, or does not fit what is published; the message
    says what is wrong."""


def newest(root: Path) -> int | None:
    """Number of the newest snapshot; None where there is none. NewerFormat or WrongSnapshot."""
    path = root / POINTER
    if not path.is_file():
        return None
    pointer = read_json(path)
    match pointer:
        case {"format_version": int(version)} if version > FORMAT_VERSION:
            raise NewerFormat(
                f"{root} has format version {version}, this affectstore reads up to "
                f"{FORMAT_VERSION}; install a newer affectstore"
            )
        case {"format_version": 1, "snapshot": int(number)} if number >= 1 and type(number) is int:
            return number
    raise WrongSnapshot(
        f'{path} is {str(pointer)[:80]!r}, expected {{"format_version": 1, "snapshot": N}}; '
        "restore it from a copy"
    )


def pointer_to(number: int) -> bytes:
    return json_text({"format_version": FORMAT_VERSION, "snapshot": number})


def reach(root: Path) -> None:
    """RemoteError, within some seconds, where `root` stands for a URL that cannot be reached, or
    for a bucket that is not there."""
    if mirror := mirror_of(root):
        mirror.pull(POINTER)


def pointer_version(mirror: Mirror) -> Version:
    """The version first, then what is believed of it: a rival in between makes the commit fail, and
    never pass unseen."""
    version = mirror.version(POINTER)
    mirror.pull(POINTER)
    return version


def read_json(path: Path) -> Json:
    """WrongSnapshot for what is not JSON."""
    try:
        value: Json = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WrongSnapshot(
            f"{path} is not JSON ({error}); restore it from a copy, or build the store again"
        ) from error
    return value


def json_text(value: Json) -> bytes:
    """The same value, the same bytes: sorted keys, no time stamps."""
    sink = io.StringIO()
    json.dump(value, sink, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (sink.getvalue() + "\n").encode()
