"""Names of files that are made of clip ids, which a corpus may have taken from anywhere."""

from urllib.parse import quote

_SAFE = "-_.~/ "


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


def _no_dots(part: str) -> str:
    return part.replace(".", "%2E") or "%"
