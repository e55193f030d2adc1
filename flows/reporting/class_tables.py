"""The clips of a store by class and by subject, sex and fold."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from flows.reporting.facts import ClassTables, CountRow, CountTable, subject_of
from manifests.clips import Clip
from manifests.corpora.catalog import CORPORA
from manifests.folds import Role
from manifests.labels import Label
from stores.training_clips import one_label_each

_MOST_TABLES = 6
_MOST_CLASSES = 30
_MOST_ROWS, _MOST_CELLS = 400, 60_000
"""Of one table, and of all together: 60,000 cells are 2 MB of the page."""
_ROLES = [role.value for role in Role]
_SEXES = ("female", "male", "unknown")
_FOLDS_NAMED = 6


class _Room:
    """How many cells the page still has room for."""

    def __init__(self) -> None:
        self._cells = _MOST_CELLS

    def table(self, rows: Sequence[CountRow]) -> CountTable:
        width = max((len(row.heads) + len(row.counts) + len(row.tested) for row in rows), default=1)
        kept = rows[: min(_MOST_ROWS, self._cells // width)]
        self._cells -= len(kept) * width
        return CountTable(tuple(kept), len(rows) - len(kept))


def class_tables(
    clips: Sequence[Clip], labels: Sequence[Label], folds: pd.DataFrame
) -> tuple[tuple[ClassTables, ...], tuple[str, ...]]:
    """Counts the clips of each label scheme.

    A clip counts under the one label that a trainer reads: the value with most weight.

    Args:
        clips: All clips.
        labels: All labels.
        folds: Columns scheme, fold, clip_id and role of the table FOLDS.

    Returns:
        A set of tables for each label scheme that has few values, and the names of those left out.
    """
    by_scheme: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_scheme[label.scheme].append(label)
    tables: list[ClassTables] = []
    left_out: list[str] = []
    room = _Room()
    mains = [CORPORA[name].label_schemes[:1] for name in sorted(_corpora(clips)) if name in CORPORA]
    first = [scheme for some in mains for scheme in some if scheme in by_scheme]
    for scheme in dict.fromkeys([*first, *by_scheme]):
        its_labels = by_scheme[scheme]
        label_of = one_label_each(its_labels, scheme)
        classes = tuple(sorted({label.value for label in its_labels}))
        if len(tables) == _MOST_TABLES or len(classes) > _MOST_CLASSES:
            left_out.append(f"{scheme} ({len(classes)} values)")
        else:
            is_main = scheme in first or not first
            tables.append(_tables(scheme, is_main, classes, clips, label_of, folds, room))
    return tuple(tables), tuple(left_out)


def _tables(
    scheme: str,
    is_main: bool,
    classes: tuple[str, ...],
    clips: Sequence[Clip],
    label_of: Mapping[str, str],
    folds: pd.DataFrame,
    room: _Room,
) -> ClassTables:
    labelled = [clip for clip in clips if clip.clip_id in label_of]
    corpora = _corpora(labelled)
    subject = {clip.clip_id: subject_of(clip) for clip in labelled}
    sex = {clip.clip_id: clip.sex or "unknown" for clip in labelled}
    tested = _tested(folds, subject)
    subjects = [
        CountRow(row.heads, row.counts, tuple(of.get(row.heads[0], "") for of in tested.values()))
        for row in _rows(subject, label_of, classes, sorted(set(subject.values())))
    ]
    return ClassTables(
        scheme,
        is_main,
        classes,
        unlabelled=sum(clip.corpus in corpora for clip in clips) - len(labelled),
        sexes=room.table(_rows(sex, label_of, classes, _SEXES)),
        subjects=room.table(subjects),
        folds={
            str(split): room.table(_fold_rows(rows, label_of, classes))
            for split, rows in folds.groupby("scheme", observed=True)
        },
    )


def _corpora(clips: Iterable[Clip]) -> set[str]:
    return {clip.corpus for clip in clips}


def _rows(
    unit_of: Mapping[str, str],
    label_of: Mapping[str, str],
    classes: Sequence[str],
    units: Iterable[str],
) -> list[CountRow]:
    counts = Counter((unit, label_of[clip_id]) for clip_id, unit in unit_of.items())
    rows = [CountRow((unit,), tuple(counts[unit, name] for name in classes)) for unit in units]
    return [row for row in rows if row.total]


def _tested(folds: pd.DataFrame, subject: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Split scheme -> subject -> the folds that test it."""
    tests = folds[folds["role"] == Role.TEST.value]
    found: dict[str, dict[str, str]] = {}
    for split, rows in tests.groupby("scheme", observed=True):
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for clip_id, fold in zip(rows["clip_id"], rows["fold"], strict=True):
            numbers[subject.get(clip_id, "")].add(int(fold))
        found[str(split)] = {name: _listed(sorted(some)) for name, some in numbers.items()}
    return found


def _listed(numbers: Sequence[int]) -> str:
    more = " ..." if len(numbers) > _FOLDS_NAMED else ""
    return ", ".join(map(str, numbers[:_FOLDS_NAMED])) + more


def _fold_rows(
    rows: pd.DataFrame, label_of: Mapping[str, str], classes: Sequence[str]
) -> list[CountRow]:
    values = rows["clip_id"].astype(object).map(label_of)
    counts = Counter(zip(rows["fold"], rows["role"], values, strict=True))
    places = sorted({(int(fold), str(role)) for fold, role, _ in counts}, key=_place)
    return [
        CountRow((str(fold), role), tuple(counts[fold, role, name] for name in classes))
        for fold, role in places
    ]


def _place(row: tuple[int, str]) -> tuple[int, int]:
    return row[0], _ROLES.index(row[1])
