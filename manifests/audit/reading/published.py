"""A published split list as tables, whatever its form."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_table import ForeignTable
from manifests.audit.listing import ROLES
from manifests.audit.reading.columns import refuse_unknown
from manifests.audit.reading.counting import without_counts
from manifests.audit.reading.doubles import without_doubles
from manifests.audit.reading.lists import read_lists
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.places import look_around
from manifests.audit.reading.raw import constant, distinct
from manifests.audit.reading.saying import in_words, meaning_in_words, short, some
from manifests.audit.reading.settling import Piece, pieces_of, settle_folds, settle_sides
from manifests.audit.reading.sides import says_clips
from manifests.audit.reading.subjects import subjects
from manifests.audit.reading.trees import PICTURES, SOUND_OR_VIDEO
from manifests.audit.reading.unused import without_unused

_SHOWN = 3
"""Files of a list that its title names."""
_NO_LISTS = {".py", ".ipynb", ".sh", ".m", ".r", ".md", ".rst", ".html", ".pdf", ".log"}
_NO_LISTS |= SOUND_OR_VIDEO | PICTURES


def read_published(
    paths: Sequence[Path], options: ReadingOptions | None = None
) -> Sequence[ForeignTable]:
    """Reads the lists of one split.

    Args:
        paths: A file, several files, a folder or a zip file.
        options: What the user says of the lists; None for nothing.

    Returns:
        The tables, whose columns are known by their meaning. Side, fold and scheme may be constants
        that the name of a file, folder, sheet or key says.

    Raises:
        WrongForeignTable: One sentence for what cannot be read or understood.
    """
    options = options or ReadingOptions()
    tables, left_out = read_lists(paths, options)
    tables = without_unused(tables, options)
    refuse_unknown(tables, options)
    arounds = look_around([raw.places for raw in tables], options)
    with_sides, without = settle_sides(pieces_of(tables, arounds, options))
    in_folds, spare = settle_folds(with_sides)
    in_folds = without_counts(without_doubles(in_folds))
    left_out += [piece.raw.path.name for piece in (*without, *spare)]
    left_out += [name for raw in tables for name in raw.left_out]
    title = _title(paths, in_folds)
    found = [_table(piece, title, options) for piece in in_folds]
    _refuse_no_subject(found, options)
    understood = _understood(in_folds, left_out, options)
    source = _source(paths)
    unread = tuple(name for name in sorted({*left_out}) if _may_list(name))
    return [replace(table, understood=understood, source=source, unread=unread) for table in found]


def _may_list(name: str) -> bool:
    """What was left out names a side, and is no program, page or recording."""
    return says_clips(name) and PurePath(name).suffix.lower() not in _NO_LISTS


def _source(paths: Sequence[Path]) -> str:
    shown = " + ".join(map(str, paths[:_SHOWN]))
    return f"{shown} + {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown


def read_foreign(path: Path) -> ForeignTable:
    """Reads a list that is one table.

    Args:
        path: Its file.

    Returns:
        The table; the first where there are several.

    Raises:
        WrongForeignTable: As `read_published`.
    """
    return read_published([path])[0]


def _title(paths: Sequence[Path], pieces: Sequence[Piece]) -> str:
    """What the split of several tables is called; "" where one table has a name."""
    if len({piece.raw.path for piece in pieces}) < 2:
        return ""
    if len(paths) == 1:
        return paths[0].stem
    letters = zip(*(piece.raw.path.stem for piece in pieces), strict=False)
    begins = "".join(one[0] for one in takewhile(lambda some: len({*some}) == 1, letters))
    begins = begins.rstrip(" _-.0123456789")
    return begins or "+".join(dict.fromkeys(piece.raw.path.stem for piece in pieces))


def _table(piece: Piece, title: str, options: ReadingOptions) -> ForeignTable:
    raw, around, meanings = piece.raw, piece.around, piece.meanings
    numbers = dict(meanings.numbers)
    numbers.pop("role", None)
    if around.fold_from == "column":
        numbers.pop("fold", None)
    columns = {meaning: raw.columns[number] for meaning, number in numbers.items()}
    header = {meaning: raw.called(number) for meaning, number in numbers.items()}
    if meanings.is_pair:
        columns["name"] = _joined(columns["video"], columns["name"])
    given = {*meanings.given}
    if options.subject is not None and "name" in columns:
        columns["subject"] = subjects(columns["name"], options.subject)
        given.add("subject")
        header.pop("subject", None)
    if piece.column is not None:
        columns["role"] = piece.column.cells
        header["role"] = raw.called(piece.column.used[0])
    elif around.side is not None:
        columns["role"] = constant(ROLES[around.side].value, raw.size)
    if around.fold is not None and "fold" not in columns:
        columns["fold"] = constant(str(around.fold), raw.size)
    if (scheme := around.scheme or title) and "scheme" not in columns:
        columns["scheme"] = constant(scheme, raw.size)
    return ForeignTable(raw.path, columns, header, raw.lines, frozenset(given), locate=raw.locate)


def _joined(first: pa.DictionaryArray, second: pa.DictionaryArray) -> pa.DictionaryArray:
    """Names that begin anew in each video stand behind it, as behind a folder."""
    texts = [column.cast(pa.string()) for column in (first, second)]
    return pc.binary_join_element_wise(*texts, "/").dictionary_encode()


def _refuse_no_subject(tables: Sequence[ForeignTable], options: ReadingOptions) -> None:
    if options.subject is None:
        return
    named = [table for table in tables if "subject" in table.columns]
    if not any(distinct(table.columns["subject"]) for table in named):
        such = next((distinct(table.columns["name"])[:1] for table in named), [])
        raise WrongForeignTable(
            f"--subject {options.subject.pattern} is found in no name of a clip"
            f"{f', such as {short(such[0])!r}' if such else ''}; expected a regular expression for "
            "a part of them"
        )


def _understood(pieces: Sequence[Piece], left_out: Sequence[str], options: ReadingOptions) -> str:
    said = [(piece.raw.path.name, _in_words(piece, options)) for piece in pieces]
    notes: dict[str, list[str]] = {}
    for piece in pieces:
        for note in (*piece.raw.notes, *piece.notes):
            notes.setdefault(note, []).append(piece.raw.path.name)
        if unread := _unread(piece):
            notes.setdefault(f"not read: {some(unread)}", []).append(piece.raw.path.name)
    if doubles := [name for piece in pieces for name in piece.doubles]:
        notes[f"read once, since others list the same: {some(sorted({*doubles}))}"] = []
    if left_out:
        notes[f"left out: {some(sorted({*left_out}))}"] = []
    return in_words(said, notes)


def _in_words(piece: Piece, options: ReadingOptions) -> str:
    """Such as `column 1 is the clip, column 2 the label, the file's name the side`."""
    raw, around = piece.raw, piece.around
    numbers = {
        meaning: number
        for meaning, number in piece.meanings.numbers.items()
        if meaning != "role" and not (meaning == "fold" and around.fold_from == "column")
    }
    parts = [
        f"{short(raw.called(number))} {meaning_in_words(meaning)}"
        for meaning, number in sorted(numbers.items(), key=_order)
    ]
    if options.subject is not None:
        parts.append(f"the speaker what {short(options.subject.pattern)} finds in the clip's name")
    parts += [f"{raw.called(one)} another file of the clip" for one in piece.meanings.second]
    if piece.column is not None:
        parts.append(piece.column.words)
    elif around.side is not None and around.side_from == around.fold_from:
        parts.append(f"{_name_of(around.side_from)} the side and the fold")
    elif around.side is not None:
        parts.append(f"{_name_of(around.side_from)} the side")
    is_said = piece.column is None and around.side_from == around.fold_from
    if around.fold is not None and around.fold_from not in {"column", ""} and not is_said:
        meant = "the fold" if piece.has_side else "a part: fold i tests part i"
        parts.append(f"{_name_of(around.fold_from)} {meant}")
    first, *more = parts
    head, _, tail = first.rpartition(" the ")
    sentence = ", ".join([f"{head} is the {tail}" if head else first, *more])
    return sentence if raw.names else f"without a header, {sentence}"


def _order(item: tuple[str, int]) -> tuple[int, int]:
    first = ("name", "subject", "label")
    meaning, number = item
    return (first.index(meaning) if meaning in first else len(first), number)


def _name_of(kind: str) -> str:
    return "--side" if kind == "option" else f"the name of the {kind}"


def _unread(piece: Piece) -> list[str]:
    raw = piece.raw
    used = {*piece.meanings.used, *(piece.column.used if piece.column else ())}
    if piece.column is None and "role" in piece.meanings.numbers:
        used.discard(piece.meanings.numbers["role"])
    return [raw.called(one) for one in range(len(raw.columns)) if one not in used]
