"""The tables of a store as a listing to audit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.audit.errors import NothingToAudit
from manifests.audit.foreign_subjects import Evidence, people_of
from manifests.audit.listing import CLIP_FIELDS, NUMBERS, ROLES, Fit, FoldRows, Listing, NearPairs
from manifests.audit.name_columns import NameColumn
from manifests.corpora.base import Corpus
from manifests.features import State
from manifests.suggestions import did_you_mean

_COLUMNS = {**CLIP_FIELDS, "sha256": "sha256"}
_ROLE = {str(role): number for number, role in enumerate(ROLES)}


@dataclass(frozen=True)
class CopyEvidence:
    """What a store's own features say of copies, by clip id."""

    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`pcm`, `frames` -> clip id -> hash."""
    near: Mapping[str, Sequence[tuple[str, str, float]]] = field(default_factory=dict)
    """`sound`, `face` -> (clip id, clip id, similarity) of each pair of near-duplicates."""
    compared: Mapping[str, Collection[str]] = field(default_factory=dict)
    """`sound`, `face` -> ids of the clips that have a fingerprint."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Of these four, those that the store does not hold -> what to do about it."""


def list_store(
    source: str,
    clips: pa.Table,
    labels: pa.Table,
    folds: pa.Table,
    index: pa.Table,
    corpora: Sequence[Corpus],
    scheme: str | None,
    copies: CopyEvidence,
    fits: Mapping[tuple[str, int], tuple[Fit, ...]],
) -> Listing:
    """Lists the clips of a store, one row for each, with what is known of them.

    Args:
        source: What the store is called in messages.
        clips: The table CLIPS.
        labels: The table LABELS.
        folds: The table FOLDS.
        index: The table INDEX.
        corpora: Those of the clips, for their main label schemes.
        scheme: The only scheme whose folds are wanted; None for all.
        copies: What the store's features say of copies.
        fits: Scheme and fold -> what is fitted for it.

    Returns:
        The listing.

    Raises:
        NothingToAudit: There are no folds, or none of the scheme.
    """
    folds = _wanted(source, folds, scheme)
    ids = clips.column("clip_id").to_pylist()
    names = {
        unit: NameColumn.of(value or None for value in clips.column(column).to_pylist())
        for unit, column in _COLUMNS.items()
    }
    names |= {unit: _people(names[unit], corpora) for unit in ("subject", "group")}
    mains = [corpus.label_schemes[0] for corpus in corpora if corpus.label_schemes]
    label_of = _labels(labels, mains)
    for unit, name_of in {**copies.digests, "label": label_of}.items():
        names[unit] = NameColumn.of(name_of.get(clip_id) for clip_id in ids)
    names["folder"] = NameColumn.of(
        str(path).rpartition("/")[0] or None for path in clips.column("path").to_pylist()
    )
    return Listing(
        source,
        tuple(sorted(clips.column("corpus").unique().to_pylist())),
        {unit: column for unit, column in names.items() if column.known},
        {name: _number(clips, name) for name in NUMBERS},
        tuple(_fold_rows(folds, clips)),
        _stored(clips, index),
        fits=fits,
        near={
            kind: _near_pairs(ids, pairs, copies.compared[kind])
            for kind, pairs in copies.near.items()
        },
        text_shared=corpora[0].text_shared if len(corpora) == 1 else Listing.text_shared,
        unmeasured=copies.unmeasured,
    )


def _people(subject: NameColumn, corpora: Sequence[Corpus]) -> NameColumn:
    """Names in a script as the people that they stand for: none, as `All`, or two."""
    for corpus in corpora:
        if corpus.population is None or corpus.population.subjects_are_people:
            continue
        prefix = f"{corpus.name}/"
        values = [str(value) for value in subject.values]
        mine = np.asarray([*(value.startswith(prefix) for value in values), False])[subject.codes]
        local = np.asarray([value.removeprefix(prefix) for value in values], dtype=object)
        codes = np.where(mine, subject.codes, -1).astype(np.int32)
        people, _ = people_of(NameColumn(codes, local), Evidence(None))
        named = np.asarray([f"{prefix}{value}" for value in people.values], dtype=object)
        others = replace(subject, codes=np.where(mine, -1, subject.codes).astype(np.int32))
        subject = replace(people, values=named).or_else(others)
    return subject


def check_folds(source: str, schemes: Collection[str], scheme: str | None) -> None:
    """Refuses an audit of folds that are not there.

    Args:
        source: What is to be audited, for the message.
        schemes: The split schemes that it has folds of.
        scheme: The one to audit; None: all.

    Raises:
        NothingToAudit: There are no folds, or none of the scheme.
    """
    if scheme is not None and scheme not in schemes:
        raise NothingToAudit(
            f"{source} has no folds of the scheme {scheme!r}; {did_you_mean(scheme, schemes)}it "
            f"has {', '.join(sorted(schemes)) or 'none'}"
        )
    if not schemes:
        raise NothingToAudit(
            f"{source} has no folds to audit; make some with: affectstore split {source} "
            "subject_kfold"
        )


def _wanted(source: str, folds: pa.Table, scheme: str | None) -> pa.Table:
    check_folds(source, folds.column("scheme").unique().to_pylist(), scheme)
    return folds if scheme is None else folds.filter(pc.equal(folds.column("scheme"), scheme))


def _near_pairs(
    ids: Sequence[str], pairs: Sequence[tuple[str, str, float]], compared: Collection[str]
) -> NearPairs:
    row_of = {clip_id: row for row, clip_id in enumerate(ids)}
    rows = [(row_of[first], row_of[second]) for first, second, _ in pairs]
    similarity = np.array([pair[2] for pair in pairs], np.float64)
    known = np.array([clip_id in compared for clip_id in ids], np.bool_)
    return NearPairs(np.array(rows, np.int64).reshape(-1, 2), similarity, known)


def _number(clips: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers.

    Times count in the episode, where the corpus gives them; a position in a longer file counts in
    the dialogue.
    """
    values: NDArray[np.float64] = clips.column(name).cast(pa.float64()).to_numpy()
    if name not in ("start_s", "end_s"):
        return values
    of_episode = _number(clips, f"episode_{name}")
    return np.where(np.isnan(of_episode), values, of_episode)


def _labels(labels: pa.Table, schemes: Sequence[str]) -> dict[str, str]:
    """Clip id -> its label in its corpus's main scheme.

    Of several votes it is the one with the greatest weight, then the first by name.
    """
    main = labels.filter(pc.is_in(labels.column("scheme"), pa.array(schemes, pa.string())))
    ordered = main.sort_by(
        [("clip_id", "ascending"), ("weight", "ascending"), ("value", "descending")]
    )
    columns = (ordered.column(name).to_pylist() for name in ("clip_id", "value"))
    return dict(zip(*columns, strict=True))


def _fold_rows(folds: pa.Table, clips: pa.Table) -> Iterator[FoldRows]:
    ids = clips.column("clip_id").combine_chunks()
    rows = pc.index_in(folds.column("clip_id").cast(pa.string()), ids).to_numpy().astype(np.int64)
    schemes, numbers, words = (
        folds.column(name).to_pylist() for name in ("scheme", "fold", "role")
    )
    role = np.asarray([_ROLE[word] for word in words], np.int8)
    keys = list(zip(schemes, numbers, strict=True))
    codes = NameColumn.of(f"{scheme}\n{fold}" for scheme, fold in keys).codes
    for code, (scheme, fold) in enumerate(dict.fromkeys(keys)):
        here = codes == code
        yield FoldRows(scheme, fold, rows[here], role[here])


def _stored(clips: pa.Table, index: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """`stored NAME` -> for each clip, whether the feature is there.

    What a trainer gets of a class is less than what the folds list.
    """
    ids = clips.column("clip_id")
    there = index.filter(pc.equal(index.column("state"), State.STORED.value))
    flags = {}
    for feature in sorted(index.column("feature").unique().to_pylist()):
        rows = there.filter(pc.equal(there.column("feature"), feature))
        stored = rows.column("clip_id").cast(pa.string()).combine_chunks()
        flags[f"stored {feature}"] = pc.is_in(ids, stored).to_numpy().astype(np.bool_)
    return flags
