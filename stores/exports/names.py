"""Names of files that are made of clip ids, which a corpus may have taken from anywhere."""

import hashlib
from urllib.parse import quote

_SAFE = "-_.~/ "
_LONGEST = 200
"""Characters of one name of a path; file systems take 255 bytes, with what is added to it."""


def file_name(clip_id: str, *, dots: bool = True) -> str:
    """Makes a path of a clip's id; two ids never give one path.

    Args:
        clip_id: The id, `corpus/...`.
        dots: False: the name has no dot, for formats that part names there.

    Returns:
        A relative path with forward slashes: letters, digits, `-_.~ ` and `%` with two hex digits.
    """
    parts = (quote(part, safe=_SAFE.replace("/", "")) for part in clip_id.split("/"))
    escaped = "/".join(
        _no_dots(part) if part.strip(".") == "" or not dots else part for part in parts
    )
    return escaped or "%"


def track_file(clip_id: str, suffix: str) -> str:
    """Names a NumPy file of a clip's track.

    Args:
        clip_id: The id.
        suffix: One of those of `arrays_of`.

    Returns:
        A relative path; no two of any clips are the same, also where one is called `a.seconds`. A
        name that is too long for a file ends in a hash.
    """
    name = "/".join(map(_short, file_name(clip_id).split("/")))
    for taken in (".seconds", ".valid"):
        if name.endswith(taken):
            name = f"{name.removesuffix(taken)}%2E{taken[1:]}"
    return f"{name}{suffix}.npy"


def _short(part: str) -> str:
    """A name that a file system takes: one of Cyrillic letters is three times as long here."""
    if len(part) <= _LONGEST:
        return part
    return f"{part[: _LONGEST // 2]}%~{hashlib.sha256(part.encode()).hexdigest()[:32]}"


def _no_dots(part: str) -> str:
    return part.replace(".", "%2E") or "%"
