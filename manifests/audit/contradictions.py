"""Rule L17: a column of speakers that says other people than the names of the clips do."""

from collections.abc import Iterator

import numpy as np

from manifests.audit.fold_view import FoldView, Ints
from manifests.audit.name_columns import NameColumn
from manifests.audit.observations import Judgement, NotJudged, Observation
from manifests.corpora.spellings import plain

_SHOWN = 3


def stated_subjects(view: FoldView) -> Iterator[Judgement]:
    """L17: the speaker that a table states is the one that the naming rule of the corpus tells.

    The names decide who speaks. What a table states may be another name for the same people: then
    each of its names stands for one person, and each person has one of its names.

    Args:
        view: One fold.

    Yields:
        One observation; its count is the number of rows whose stated speaker is another.
    """
    ruled, stated = view.names("subject"), view.names("stated subject")
    if ruled is None or stated is None:
        yield NotJudged("no column states a speaker whom the naming rule of the corpus tells too")
        return
    known = (ruled.codes >= 0) & (stated.codes >= 0) & ~np.isin(stated.codes, list(stated.members))
    rows = np.flatnonzero(known)
    wrong = rows[_other_people(ruled.take(rows), stated.take(rows))]
    pairs = np.unique(np.stack([stated.codes[wrong], ruled.codes[wrong]]), axis=1).T
    shown = ", ".join(
        f"{str(stated.values[said])[:40]!r} for {_person(ruled, told)!r}"
        for said, told in pairs[:_SHOWN].tolist()
    )
    yield Observation(
        "stated speakers",
        len(wrong),
        f"{len(wrong):,} of {len(rows):,} rows state another speaker than their names tell ({shown}"
        f"{', ...' if len(pairs) > _SHOWN else ''}); the names decide",
        view.clips(np.isin(np.arange(len(known)), wrong)),
        known=known,
        needs="a stated speaker and one by its name",
    )


def _other_people(ruled: NameColumn, stated: NameColumn) -> Ints:
    """The rows whose stated speaker does not stand for the one by the name.

    A name that both have means that person; any other the person whom most of its rows are of.
    """
    width = max(1, len(ruled.values))
    pairs, counts = np.unique(
        stated.codes.astype(np.int64) * width + ruled.codes, return_counts=True
    )
    order = np.argsort(counts, kind="stable")  # so that the most frequent is written last
    said, told = np.divmod(pairs[order], width)
    means = np.full(len(stated.values), -1, np.int64)
    usual = np.full(width, -1, np.int64)
    means[said], usual[told] = told, said
    same_name = {plain(_person(ruled, code)): code for code in range(len(ruled.values))}
    for code in np.unique(said).tolist():
        means[code] = same_name.get(plain(str(stated.values[code])), means[code])
    is_other = (means[stated.codes] != ruled.codes) | (usual[ruled.codes] != stated.codes)
    # A person of whom no row states the own name is told by the names alone.
    literal = np.asarray([plain(str(value)) in same_name for value in stated.values])
    if literal.size and literal[np.unique(said)].all():
        is_other = means[stated.codes] != ruled.codes
    return np.flatnonzero(is_other)


def _person(ruled: NameColumn, code: int) -> str:
    return str(ruled.values[code]).partition("/")[2]
