"""Who speaks, as a foreign table says it: nobody, one person in several spellings, or several."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import Ints
from manifests.audit.name_columns import NameColumn
from manifests.corpora.spellings import NOBODY, plain

_UNKNOWN = {"unknown", "unk", "unidentified", "other", "others"}
"""Words after which even a number names nobody: who `unknown 2` is, nobody knows."""
_ENGLISH = (
    "all both everybody everyone several multiple mixed various misc crowd anonymous anon nobody "
    "missing unspecified undefined tbd tba n/d k.a. -1 blank empty"
)
_OTHERWISE = (
    "inconnu inconnue unbekannt desconocido desconocida desconhecido sconosciuto onbekend "
    "nieznany okänd bilinmiyor неизвестно неизвестный 未知 不明 不详 不詳 미상"
)
_NOT_ONE = NOBODY | _UNKNOWN | {*_ENGLISH.split(), *_OTHERWISE.split()}
"""What stands for nobody in particular, in lower case."""
_NO = {"no", "not", "non"}
_BESIDE = (
    "speaker speakers spk person people actor actors subject subjects participant participants "
    "talker voice name id known available applicable specified given identified defined "
    "male female man woman"
)
_ABOUT = set(_BESIDE.split())
"""Words that name nobody beside one of those: `unknown speaker`, `not available`."""
_AND = re.compile(r"(?<!\s)\s+(?:and|und|et)\s+|(?<!\s)\s*&\s*", re.IGNORECASE)
_PERHAPS = re.compile(
    r"(?<!\s)(?:\s+(?:y|e|i|и|to|with|vs\.?|versus)\s+|\s*\(with\s+|\s*[/;|+,~\uff0c\u3001]\s*)|\)$",
    re.IGNORECASE,
)
"""Between several people, or within the name of one: `Ross, Rachel` and `Geller, Ross`."""
_LIST = re.compile(r"\[.*\]|\(.*\)")
_SHOWN = 3


@dataclass(frozen=True)
class Evidence:
    """What tells two people with nearly the same name apart."""

    side: NDArray[np.int8] | None
    """(line,) the side; None where the lines are parts of a rotation."""
    marks: tuple[NameColumn, ...] = ()
    """Sex and age of each line, those that the table has."""


@dataclass
class _People:
    """The people of a column, as they are found."""

    names: dict[str, int] = field(default_factory=dict)
    """Name -> its code."""
    members: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def code(self, people: Sequence[str]) -> int:
        """The code of one person, or of several together; -1 of nobody."""
        if not people:
            return -1
        if len(people) == 1:
            return self.names.setdefault(people[0], len(self.names))
        each = tuple(self.names.setdefault(one, len(self.names)) for one in people)
        code = self.names.setdefault(" and ".join(people), len(self.names))
        self.members[code] = each
        return code


def people_of(column: NameColumn, evidence: Evidence) -> tuple[NameColumn, list[str]]:
    """Reads a column of speakers.

    Args:
        column: The cells.
        evidence: What tells two people apart.

    Returns:
        The people, without those that nobody knows; a cell that names several is a name with
        members. And what was taken for what, each in a sentence.
    """
    cells = [str(value) for value in column.values]
    people, whole = _apart([list(_people_in(cell)) for cell in cells])
    same, notes = _one_spelling(column, people, evidence)
    found = _People()
    codes = [found.code([same.get(one, one) for one in several]) for several in people]
    names = np.asarray([*found.names, None], dtype=object)[:-1]
    read = NameColumn(np.asarray([*codes, -1], np.int32)[column.codes], names, found.members)
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(cells))
    return read, [*_of_nobody(cells, people, counts), *_of_several(people), *whole, *notes]


def _people_in(cell: str) -> Iterator[str]:
    """Each person that a cell names."""
    for part in _listed(cell) or _AND.split(cell):
        if not _is_nobody(part):
            yield part.strip()


def _apart(people: Sequence[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Splits names that may be of several people, and says which are left whole.

    They are of several where one of their parts is a speaker elsewhere, or stands at several places
    in such names; a part that is always first may be a surname, a number anything.
    """
    parts = {
        one: [part for part in _PERHAPS.split(one) if part]
        for several in people
        for one in several
        if _PERHAPS.search(one)
    }
    if not parts:
        return list(people), []
    alone = {plain(one) for several in people for one in several if one not in parts}
    places: dict[str, set[int]] = {}
    for listed in parts.values():
        for place, part in enumerate(listed):
            places.setdefault(plain(part), set()).add(place)
    alone |= _NOT_ONE
    alone |= {part for part, at in places.items() if len(at) > 1 and not part.isdecimal()}
    split = {
        one: [part for part in listed if not _is_nobody(part)]
        for one, listed in parts.items()
        if any(plain(part) in alone for part in listed)
    }
    whole = [one for one in parts if one not in split and len(parts[one]) > 1 and "/" not in one]
    notes = [f"{_some(whole)} as a speaker is taken for one person"] if whole else []
    return [
        [part for one in several for part in split.get(one, [one])] for several in people
    ], notes


def _is_nobody(part: str) -> bool:
    """No word of a cell is a name."""
    text = plain(part.strip().strip("#*<>"))
    if text in _NOT_ONE or not any(letter.isalnum() for letter in text):
        return True
    words = re.findall(r"[^\W\d_]+|[0-9]+", text)
    named = [word for word in words if not word.isdecimal()]
    if not set(named) <= _NOT_ONE | _NO | _ABOUT:
        return False
    if len(named) < len(words):
        return not _UNKNOWN.isdisjoint(named)
    return not _NOT_ONE.isdisjoint(named) or (len(named) > 1 and not _NO.isdisjoint(named))


def _listed(cell: str) -> list[str]:
    """The people of a cell such as ['Ross Geller', 'Rachel Green']."""
    if not _LIST.fullmatch(cell):
        return []
    try:
        several = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [str(one) for one in several] if isinstance(several, list | tuple) else []


def _of_nobody(cells: Sequence[str], people: Sequence[list[str]], counts: Ints) -> list[str]:
    nobody = [number for number, several in enumerate(people) if not several]
    if not nobody:
        return []
    rows = int(counts[nobody].sum())
    return [
        f"{_some([cells[number] for number in nobody])} as a speaker stands for nobody that is "
        f"known ({rows} {'row' if rows == 1 else 'rows'})"
    ]


def _of_several(people: Sequence[list[str]]) -> list[str]:
    several = [" and ".join(one) for one in people if len(one) > 1]
    if not several:
        return []
    return [f"{_some(several)} as a speaker stands for each of them, in any row that has it"]


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(repr(word[:50]) for word in words[:_SHOWN]) + more


def _one_spelling(
    column: NameColumn, people: Sequence[list[str]], evidence: Evidence
) -> tuple[dict[str, str], list[str]]:
    """Spelling -> the one that is taken for it; and a sentence for each."""
    spellings: dict[str, dict[str, list[int]]] = {}
    for code, several in enumerate(people):
        for one in several:
            cells = spellings.setdefault(plain(one), {}).setdefault(one, [])
            cells += [code] if len(several) == 1 else []
    unlike = [written for written in spellings.values() if len(written) > 1]
    if not unlike:
        return {}, []
    apart = _Apart.of(column, evidence)
    same: dict[str, str] = {}
    taken, kept = [], []
    for written in unlike:
        listed = " and ".join(map(repr, written))
        if apart.are_two(list(written.values())):
            kept.append(listed)
        else:
            taken.append(listed)
            same |= dict.fromkeys(written, next(iter(written)))
    notes = [f"{_listed_some(taken)} as speakers are one in several spellings"] if taken else []
    if kept:
        notes.append(
            f"{_listed_some(kept)} as speakers are kept apart, as they stand on one side with "
            "another sex or age"
        )
    return same, notes


def _listed_some(pairs: Sequence[str]) -> str:
    more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return "; ".join(pairs[:_SHOWN]) + more


@dataclass(frozen=True)
class _Apart:
    """Of each cell of a column: the sides that it stands on, and the sexes and ages beside it."""

    sides: Ints
    """(cell,) a bit for each side."""
    marks: tuple[Mapping[int, int], ...]
    """Cell -> the first sex, or age, beside it."""

    @staticmethod
    def of(column: NameColumn, evidence: Evidence) -> "_Apart":
        known = column.codes >= 0
        sides = np.zeros(len(column.values), np.int64)
        bits = 1 << (np.zeros(len(known), int) if evidence.side is None else evidence.side)
        np.bitwise_or.at(sides, column.codes[known], bits[known])
        marks = []
        for mark in evidence.marks:
            both = known & (mark.codes >= 0)
            codes, first = np.unique(column.codes[both], return_index=True)
            marks.append(dict(zip(codes.tolist(), mark.codes[both][first].tolist(), strict=True)))
        return _Apart(sides, tuple(marks))

    def are_two(self, cells: Sequence[Sequence[int]]) -> bool:
        """Spellings stand on one side with unlike marks; `cells` has those of each spelling."""
        flat = [cell for of_one in cells for cell in of_one]
        return any(
            len({mark[cell] for cell in flat if cell in mark and self.sides[cell] >> side & 1}) > 1
            for mark in self.marks
            for side in range(3)
        )
