"""Who could be the speaker in the names of a corpus that nobody knows: proposals, never a verdict.

A part of a name is proposed that repeats as speakers do: it has several values, each in several
clips, and is neither the label nor the side.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import FoldView, Ints
from manifests.audit.listing import ROLES, TRAIN, Listing
from manifests.audit.name_columns import NameColumn
from manifests.corpora.folder import FOLDER

_MOST = 3
"""Proposals that are made at most."""
_TRIED = 5000
"""Names that are looked at."""
_CLIPS = 3
"""Clips that a speaker has at least, on average."""
_LEVELS = 3
"""Folders above the clip that are tried."""
_DELIMITERS = "_-. "


@dataclass(frozen=True)
class _NamePart:
    """A part of names that could be the speaker."""

    where: str
    """Which part, in words."""
    pattern: str
    """Regular expression whose group is the part."""


def propose(listing: Listing, names: NameColumn) -> list[str]:
    """Proposes who could be the speaker, where the corpus is unknown and the table does not say.

    Args:
        listing: The lines.
        names: Their names as they are written.

    Returns:
        What is lacking, and a sentence for each proposal, with what would follow and the option
        that says so; nothing where the speakers or the corpus are known.
    """
    if listing.corpora != (FOLDER.name,) or "subject" in listing.names or not names.values.size:
        return []
    sample = _sampled(names)
    found: list[tuple[_NamePart, NameColumn]] = []
    for part in _parts(sample):
        if len(found) < _MOST and _may_repeat(sample, part):
            column = _column(names, part)
            if _repeats(column) and not _tells(column, listing):
                found.append((part, column))
    lacking = (
        f"no naming rule and no column tells who speaks in clips such as {sample[0][:80]!r}; "
        "--corpus NAME, --column subject=COLUMN or --subject 'REGEX' would"
    )
    return [lacking, *(_sentence(listing, part, column) for part, column in _unlike(found))]


def _sampled(names: NameColumn) -> list[str]:
    step = max(1, len(names.values) // _TRIED)
    return [str(value).replace("\\", "/") for value in names.values[::step]]


def _parts(sample: Sequence[str]) -> Iterator[_NamePart]:
    """Folders above the clip, then the parts of the file's name, then what it begins with."""
    depth = min(_LEVELS, *(name.count("/") for name in sample))
    for level in range(1, depth + 1):
        above = "the folder of the clip" if level == 1 else f"the folder {level} above the clip"
        yield _NamePart(above, r"([^/\\]+)" + r"[/\\][^/\\]+" * level + "$")
    files = [name.rpartition("/")[2] for name in sample]
    for delimiter in _DELIMITERS:
        stems = [file.rpartition(".")[0] or file for file in files]
        parts = min(stem.count(delimiter) for stem in stems) + 1
        other = re.escape(delimiter)
        for number in range(parts if parts > 1 else 0):
            words = f"part {number + 1} of the name between {delimiter!r}"
            before = rf"(?:[^{other}/\\]*{other}){{{number}}}" if number else ""
            yield _NamePart(words, rf"(?:^|[/\\]){before}([^{other}./\\]+)[^/\\]*$")
    for words, start in (
        ("the letters and the number that the name begins with", "[A-Za-z]+[0-9]+"),
        ("the number that the name begins with", "[0-9]+"),
        ("the letters that the name begins with", "[A-Za-z]+"),
    ):
        if all(re.match(rf"{start}(?=[A-Za-z0-9])", file) for file in files):
            yield _NamePart(words, rf"(?:^|[/\\])({start})[^/\\]*$")


def _may_repeat(sample: Sequence[str], part: _NamePart) -> bool:
    """Every name has the part, and some have the same; of a long list too few are tried to say
    more."""
    pattern = re.compile(part.pattern)
    values = [match[1] if (match := pattern.search(name)) else None for name in sample]
    return None not in values and 2 <= len(set(values)) < len(values)


def _column(names: NameColumn, part: _NamePart) -> NameColumn:
    pattern = re.compile(part.pattern)
    matches = (pattern.search(str(value)) for value in names.values)
    of_value = NameColumn.of(match[1] if match else None for match in matches)
    codes = np.append(of_value.codes, np.int32(-1))[names.codes]
    return NameColumn(codes.astype(np.int32), of_value.values)


def _repeats(column: NameColumn) -> bool:
    rows, values = int((column.codes >= 0).sum()), len(column.values)
    return rows == len(column.codes) and values >= 2 and values * _CLIPS <= rows


def _tells(column: NameColumn, listing: Listing) -> bool:
    """The part is the label or the side in other words."""
    fold = listing.folds[0] if listing.folds else None
    label = listing.names.get("label")
    pairs: list[tuple[NDArray[np.integer], NDArray[np.integer]]] = []
    if label is not None:
        pairs.append((column.codes, label.codes))
    if fold is not None:
        pairs.append((column.codes[fold.rows], fold.role))
    return any(
        _one_to_one(codes.astype(np.int64), others.astype(np.int64)) for codes, others in pairs
    )


def _one_to_one(codes: Ints, others: Ints) -> bool:
    pairs = len(np.unique(codes << 32 | (others + 1)))
    return pairs == len(np.unique(others)) or pairs == len(np.unique(codes)) == 2


def _unlike(found: Sequence[tuple[_NamePart, NameColumn]]) -> list[tuple[_NamePart, NameColumn]]:
    """Those that part the clips in different ways, the first of each."""
    by_parts: dict[bytes, tuple[_NamePart, NameColumn]] = {}
    for part, column in found:
        codes = NameColumn.of(map(str, column.codes)).codes
        by_parts.setdefault(codes.tobytes(), (part, column))
    return list(by_parts.values())


def _sentence(listing: Listing, part: _NamePart, column: NameColumn) -> str:
    counts = Counter(column.codes.tolist())
    usual = str(column.values[counts.most_common(1)[0][0]])
    what = (
        f"a proposal, no verdict: if {part.where} were the speaker ({len(column.values)} of them, "
        f"such as {usual[:40]!r})"
    )
    return f"{what}, {_follows(listing, column)}; say so with --subject '{part.pattern}'"


def _follows(listing: Listing, column: NameColumn) -> str:
    """What the first fold would be."""
    if not listing.folds:
        return "the folds could be judged"
    fold = listing.folds[0]
    view = FoldView(Listing(listing.source, listing.corpora, {"part": column}, {}, (fold,)), fold)
    teaches, measured = view.pairs[0]
    shared, there = len(view.shared("part", (TRAIN, measured))), view.there("part", measured).sum()
    return f"{shared} of {there} {ROLES[measured]} speakers would also be in {ROLES[teaches]}"
