"""Files and texts that a user hands over: whatever they hold, reading them ends, and soon.

A pipe would be waited for and a device read for ever; nested brackets run out of stack, and a
number of thousands of digits is an error of its own wherever it is met first.
"""

import errno
import json
import math
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from manifests.features import Json

_MOST_BYTES = 1 << 30
MOST_TOML_BYTES = 1 << 22
"""Of a recipe or a paper's numbers, which a person has written."""
_DEEPEST = 64
_LARGEST = 1 << 63


class WrongText(ValueError):
    """A text is no TOML or no JSON that is taken; the message says why."""


def check_file(path: Path, most_bytes: int = _MOST_BYTES) -> None:
    """Checks that a path leads to a plain file of a size that can be read.

    Args:
        path: As the user gave it.
        most_bytes: How large the file may be.

    Raises:
        OSError: It is missing, a folder, a pipe, a socket or a device, or too large; `strerror`
            says so in words.
    """
    _check(path, path.stat(), most_bytes)


def _check(path: Path, found: os.stat_result, most_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {
            stat.S_IFDIR: "a folder",
            stat.S_IFIFO: "a pipe",
            stat.S_IFSOCK: "a socket",
            stat.S_IFCHR: "a device",
            stat.S_IFBLK: "a device",
        }
        kind = kinds.get(stat.S_IFMT(found.st_mode), "of another kind")
        raise OSError(errno.EINVAL, f"it is {kind}, not a plain file", str(path))
    if found.st_size > most_bytes:
        words = f"it has {found.st_size:,} bytes, at most {most_bytes:,} are read"
        raise OSError(errno.EFBIG, words, str(path))


def read_file(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    """Reads a plain file.

    Args:
        path: As the user gave it.
        most_bytes: How large the file may be.

    Returns:
        Its bytes.

    Raises:
        OSError: As `check_file`, or the disk fails.
    """
    # A pipe without a writer is opened at once, and refused.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123  (no path, but what it led to)
        _check(path, os.fstat(descriptor), most_bytes)
        return file.read()


def parse_toml(text: str) -> dict[str, Any]:
    """Reads TOML of a sensible depth, with numbers that a computer has.

    Args:
        text: The text.

    Returns:
        The table.

    Raises:
        WrongText: It is no such TOML.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongText(str(error)) from error
    except (RecursionError, ValueError) as error:
        raise WrongText(_why(error)) from error
    _check_values(table)
    return table


def parse_json(text: str | bytes) -> Json:
    """Reads JSON of a sensible depth, with numbers that a computer has, and no key twice.

    Args:
        text: The text; bytes are UTF-8.

    Returns:
        What it says.

    Raises:
        WrongText: It is no such JSON.
    """
    try:
        value: Json = json.loads(text, object_pairs_hook=_object)
    except WrongText:
        raise
    except json.JSONDecodeError as error:
        raise WrongText(f"{error.msg} at line {error.lineno}, character {error.colno}") from error
    except UnicodeDecodeError as error:
        raise WrongText(f"it is not UTF-8 (byte 0x{error.object[error.start]:02x})") from error
    except (RecursionError, ValueError) as error:
        raise WrongText(_why(error)) from error
    _check_values(value)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise WrongText(f"the key {twice[:60]!r} stands twice in one object; name each once")
    return found


def _why(error: RecursionError | ValueError) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested more than {_DEEPEST} levels deep"
    return f"a number in it is too long ({str(error).partition(';')[0]})"


def _check_values(value: object) -> None:
    """Looks at each value; level by level, since deep ones would run out of stack."""
    level = [value]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, int) and not -_LARGEST <= one < _LARGEST:
                raise WrongText(f"the number {str(one)[:20]}... is too large; use one of 64 bits")
            elif isinstance(one, float) and not math.isfinite(one):
                raise WrongText(f"the number {one} is not finite; leave the key out for no limit")
        if not below:
            return
        level = below
    raise WrongText(f"it is nested more than {_DEEPEST} levels deep")
