"""Words of hand-made tables: those that stand for nothing, and those that are one in two spellings.

A `nan` that a script wrote is no class, an `NA` no person, and `S1` and `s1` are hardly two people:
a split that took them for two would put one person on both sides.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import TypeVar

Place = TypeVar("Place", int, str)

_READ_AS_MISSING = "nan -nan na n/a #n/a #na <na> null -1.#ind 1.#ind -1.#qnan 1.#qnan"
_OF_SPREADSHEETS = "#value! #ref! #name? #div/0! #null! #num!"
MISSING = frozenset(f"{_READ_AS_MISSING} {_OF_SPREADSHEETS} n.a. nat nil - . ?".split()) | {""}
"""What tables hold for nothing, in lower case: what pandas reads as missing by default
(`pandas.read_csv`, na_values), what a spreadsheet shows for an error, and marks, however often they
are repeated. Not `none`, which may be a class."""
NOBODY = MISSING | {"none", "unknown"}
"""What stands for nothing where a person, a group or a take is to be named."""

_UNSEEN = {"Cf"}
"""Categories of characters that nobody sees: joiners, spaces of no width, byte order marks."""
_DASH = re.compile("[\u2010-\u2015\u2212]")
_MARKS = re.compile(r"([-.?])\1*")
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
"""A whole number as it is written where a column of numbers has a gap."""
_SHOWN = 5
"""Lines, or pairs of spellings, that a sentence names."""


def plain(word: str) -> str:
    """Reduces a word to what its spellings have in common.

    Args:
        word: A cell or the name of a folder.

    Returns:
        The word without case, blanks around it, repeated blanks, characters that nobody sees, and
        zeros before a number or in its decimals; in Unicode form NFKC, with one dash for all; one
        mark for several.
    """
    seen = "".join(letter for letter in word if unicodedata.category(letter) not in _UNSEEN)
    text = _DASH.sub("-", unicodedata.normalize("NFKC", seen)).casefold()
    if marks := _MARKS.fullmatch(text.strip()):
        return marks[1]
    text = " ".join(text.split())
    if whole := _WHOLE.fullmatch(text):
        text = whole[1]
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", text)


def two_spellings(words: Mapping[str, Collection[Place]], what: str) -> str | None:
    """Says which words are one word in several spellings.

    Args:
        words: Word -> where it stands.
        what: What these places are, such as `line`.

    Returns:
        Such as "'Happy' (line 2) and 'happy' (3 lines: 3, 4, 5)"; None where all differ in more
        than case, blanks and zeros.
    """
    spellings: dict[str, list[str]] = {}
    for word in words:
        spellings.setdefault(plain(word), []).append(word)
    pairs = [
        " and ".join(f"{word!r} ({places(words[word], what)})" for word in sorted(several))
        for several in spellings.values()
        if len(several) > 1
    ]
    if not pairs:
        return None
    more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return "; ".join(pairs[:_SHOWN]) + more


def places(found: Collection[Place], what: str) -> str:
    """Names some places.

    Args:
        found: Numbers of lines, or paths; at least one.
        what: What they are, such as `line`.

    Returns:
        Such as "line 3" or "7 lines: 3, 5, 6, 8, 9, ...".
    """
    ordered = [str(one) for one in sorted(found)]
    if len(ordered) == 1:
        return f"{what} {ordered[0]}"
    more = ", ..." if len(ordered) > _SHOWN else ""
    return f"{len(ordered)} {what}s: {', '.join(ordered[:_SHOWN])}{more}"
