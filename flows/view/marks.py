"""The mark of a picture or a page: of which store and snapshot it was made.

A PNG file has it in a text chunk right after its header, an HTML page in a meta element. It tells
them from what another store has written to the same place.
"""

import re
import struct
import zlib

_HEADER = 33
"""Bytes of a PNG file before its second chunk: the signature, and IHDR."""
_KEYWORD = b"affectstore\0"
_META = re.compile(rb'<meta name="affectstore" content="([0-9a-f]+)">')


def png_with_mark(png: bytes, mark: str) -> bytes:
    """Puts a mark into a picture.

    Args:
        png: A PNG file.
        mark: Hex digits.

    Returns:
        The file with one more chunk.
    """
    chunk = b"tEXt" + _KEYWORD + mark.encode()
    length, check = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
    return png[:_HEADER] + length + chunk + check + png[_HEADER:]


def mark_in_png(data: bytes) -> str:
    """Finds the mark of a picture.

    Args:
        data: A file, or its beginning.

    Returns:
        The mark; empty for a file without one.
    """
    length = int.from_bytes(data[_HEADER : _HEADER + 4], "big")
    chunk = data[_HEADER + 4 : _HEADER + 8 + length]
    head = b"tEXt" + _KEYWORD
    return chunk.removeprefix(head).decode("ascii", "replace") if chunk.startswith(head) else ""


def mark_in_page(data: bytes) -> str:
    """Finds the mark of a page.

    Args:
        data: A file, or its beginning.

    Returns:
        The mark; empty for a file without one.
    """
    found = _META.search(data)
    return found[1].decode() if found else ""
