"""Text as a person may be shown it: a name from outside may hold anything but an end.

A file name may move the cursor, turn the direction of writing, or break the line that names it.
Stored tables keep the true text; whatever shows it to somebody calls `visible` first.
"""

import hashlib
import json


def visible(text: str) -> str:
    """Writes what cannot be seen as an escape, such as `\\x1b` or `\\u202e`.

    Args:
        text: Any text.

    Returns:
        The text in one line: what moves the cursor, turns or breaks the line, has no width, is no
        blank but the common one, or is half of a character stands as Python would write it.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def visible_json(text: str) -> str:
    """Does the same for JSON, whose values stay what they are.

    Args:
        text: JSON, as `json.dumps(..., ensure_ascii=False)` writes it.

    Returns:
        JSON of the same value and the same lines.
    """
    return "".join(
        one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text
    )


def shortened(text: str, most: int = 200) -> str:
    """Cuts a text that is too long to be shown: a cell of a table may hold megabytes.

    Args:
        text: Any text.
        most: Characters that are shown at most.

    Returns:
        The text; of a longer one its beginning, its length and the first digits of its sha256, so
        that two long texts stay two.
    """
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{text[:most]}... ({len(text)} characters, sha256 {digest}...)"


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()
