"""Bytes of a text file as text: UTF-8, UTF-16, or what charset-normalizer takes them for."""

import codecs
import re
from pathlib import Path

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.sides import ROLE_OF

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark -> encoding; a longer one before one that it begins with."""
_OTHERS = ["cp1252", "gb18030", "big5", "shift_jis", "euc_kr", "cp1251"]
"""What text is in that is not Unicode; others are rarely meant, and guessed of a few letters."""
_SAMPLE = 1 << 16


def decode(path: Path, data: bytes) -> tuple[str, tuple[str, ...]]:
    """Reads bytes as text.

    Args:
        path: The file, for messages.
        data: Its bytes.

    Returns:
        The text without a byte order mark, and what is to be said of how it was read.

    Raises:
        WrongForeignTable: They are no text.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    encoding = encoding or _wide(data)
    if encoding is None:
        if b"\0" in data[:_SAMPLE]:
            raise _no_text(path)
        encoding = "utf-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise WrongForeignTable(
                f"{path}: the file begins as {encoding} and is broken at byte {error.start}; save "
                "it as UTF-8"
            ) from error
        return _of_old(path, data, error)
    if "\0" in text[:_SAMPLE]:
        raise _no_text(path)
    return text, () if encoding == "utf-8" else (f"the text is {encoding.upper()}",)


def _no_text(path: Path) -> WrongForeignTable:
    return WrongForeignTable(
        f"{path}: the file is no text (it has zero bytes); give a table or a list of names"
    )


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of common text is zero."""
    sample = data[: _SAMPLE & ~1]
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(zeros) > 3 and zeros.count(0) > 0.7 * len(zeros):
            return name
    return None


def _names_side(sample: bytes, encoding: str) -> bool:
    """A word for a side is in it, which tells more than how often its few letters are used."""
    words = re.findall(r"\w+", sample.decode(encoding, "replace"))
    return any(not word.isascii() and word.casefold() in ROLE_OF for word in words)


def _of_old(path: Path, data: bytes, error: UnicodeDecodeError) -> tuple[str, tuple[str, ...]]:
    from charset_normalizer import from_bytes

    begin = data.rfind(b"\n", 0, error.start) + 1
    lines = data[begin : begin + _SAMPLE].splitlines(keepends=True)
    sample = b"".join(line for line in lines if not line.isascii())
    name = next((one for one in _OTHERS if _names_side(sample, one)), None)
    if name is None:
        found = from_bytes(sample, cp_isolation=_OTHERS).best()
        name = found.encoding if found else "cp1252"
    line = data.count(b"\n", 0, error.start) + 1
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        name, text = "latin_1", data.decode("latin_1")
    if "\0" in text[:_SAMPLE]:
        raise _no_text(path)
    called = {"cp1252": "Latin-1 (Windows-1252)", "latin_1": "Latin-1"}.get(name, name.upper())
    return text, (f"the text is not UTF-8 (line {line}), read as {called}",)
