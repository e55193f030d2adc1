"""The tables of a store as a listing to audit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.listing import NUMBERS, ROLES, Alike, Dealt, Fit, Listing, Names
from manifests.corpora.base import Corpus
from manifests.features import State

_COLUMNS = {
    "clip": "clip_id",
    "subject": "subject_id",
    "group": "group_id",
    "take": "take_id",
    "sex": "sex",
    "text": "text_id",
    "session": "session_id",
    "dialogue": "dialogue_id",
    "episode": "episode_id",
    "sha256": "sha256",
}
_ROLE = {str(role): number for number, role in enumerate(ROLES)}


class NothingToAudit(ValueError):
    """The store has no folds, or none of the scheme that was asked for."""


@dataclass(frozen=True)
class Measured:
    """What a store's own features tell of copies, by clip id."""

    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`pcm`, `frames` -> clip id -> hash."""
    near: Mapping[str, Sequence[tuple[str, str, float]]] = field(default_factory=dict)
    """`sound`, `face` -> (clip id, clip id, similarity) of each pair of near-duplicates."""
    compared: Mapping[str, int] = field(default_factory=dict)
    """`sound`, `face` -> clips that have a fingerprint."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Of these four, those that the store does not hold -> what to do about it."""


_NOTHING = Measured()


def listing(
    source: str,
    clips: pa.Table,
    labels: pa.Table,
    folds: pa.Table,
    index: pa.Table,
    corpora: Sequence[Corpus],
    scheme: str | None = None,
    measured: Measured = _NOTHING,
    *,
    fits: Mapping[tuple[str, int], tuple[Fit, ...]],
) -> Listing:
    """Tables CLIPS, LABELS, FOLDS and INDEX -> one row for each clip. `corpora`: of the clips, for
    their main label schemes.

    NothingToAudit without folds of the scheme.
    """
    if scheme is not None:
        there = sorted(folds.column("scheme").unique().to_pylist())
        folds = folds.filter(pc.equal(folds.column("scheme"), scheme))
        if not folds.num_rows:
            raise NothingToAudit(
                f"{source} has no folds of the scheme {scheme!r}; it has "
                f"{', '.join(there) or 'none'}"
            )
    if not folds.num_rows:
        raise NothingToAudit(
            f"{source} has no folds to audit; make some with: affectstore split {source} "
            "subject_kfold"
        )
    names = {unit: _names(clips.column(column)) for unit, column in _COLUMNS.items()}
    ids = clips.column("clip_id").to_pylist()
    names |= {
        unit: Names.of([of_clip.get(clip_id) for clip_id in ids])
        for unit, of_clip in measured.digests.items()
    }
    names["label"] = _labels(
        clips.column("clip_id"),
        labels,
        [corpus.label_schemes[0] for corpus in corpora if corpus.label_schemes],
    )
    names["folder"] = Names.of(
        [str(path).rpartition("/")[0] or None for path in clips.column("path").to_pylist()]
    )
    numbers = {
        name: _number(clips, column) for name in NUMBERS for column in [_number_column(name)]
    }
    return Listing(
        source,
        tuple(sorted(clips.column("corpus").unique().to_pylist())),
        {unit: column for unit, column in names.items() if column.known},
        numbers,
        tuple(_dealt(folds, clips)),
        _stored(clips, index),
        fits=fits,
        near={
            kind: _alike(ids, pairs, measured.compared[kind])
            for kind, pairs in measured.near.items()
        },
        unmeasured=measured.unmeasured,
    )


def _alike(ids: Sequence[str], pairs: Sequence[tuple[str, str, float]], compared: int) -> Alike:
    row_of = {clip_id: row for row, clip_id in enumerate(ids)}
    rows = np.array(
        [(row_of[first], row_of[second]) for first, second, _ in pairs], np.int64
    ).reshape(-1, 2)
    return Alike(rows, np.array([similarity for _, _, similarity in pairs], np.float64), compared)


def _names(column: pa.ChunkedArray) -> Names:
    return Names.of([value or None for value in column.to_pylist()])


def _number_column(name: str) -> str:
    """Times count in the episode, where the corpus gives them; a position in a longer file counts
    in the dialogue."""
    return {"start_s": "episode_start_s", "end_s": "episode_end_s"}.get(name, name)


def _number(clips: pa.Table, name: str) -> "np.typing.NDArray[np.float64]":
    values = clips.column(name).cast(pa.float64()).to_numpy()
    other = {"episode_start_s": "start_s", "episode_end_s": "end_s"}.get(name)
    return np.where(np.isnan(values), _number(clips, other), values) if other else values


def _labels(clip_ids: pa.ChunkedArray, labels: pa.Table, schemes: Sequence[str]) -> Names:
    """Each clip's label in its corpus's main scheme; of several votes the one with the greatest
    weight, then the first by name."""
    main = labels.filter(pc.is_in(labels.column("scheme"), pa.array(schemes, pa.string())))
    ordered = main.sort_by(
        [("clip_id", "ascending"), ("weight", "ascending"), ("value", "descending")]
    )
    of_clip = dict(
        zip(ordered.column("clip_id").to_pylist(), ordered.column("value").to_pylist(), strict=True)
    )
    return Names.of([of_clip.get(clip_id) for clip_id in clip_ids.to_pylist()])


def _dealt(folds: pa.Table, clips: pa.Table) -> Iterator[Dealt]:
    row_of = (
        pc.index_in(
            folds.column("clip_id").cast(pa.string()), clips.column("clip_id").combine_chunks()
        )
        .to_numpy()
        .astype(np.int64)
    )
    role = np.asarray([_ROLE[word] for word in folds.column("role").to_pylist()], np.int8)
    keys = list(
        zip(folds.column("scheme").to_pylist(), folds.column("fold").to_pylist(), strict=True)
    )
    codes = Names.of([f"{scheme}\n{fold}" for scheme, fold in keys]).codes
    for code, (scheme, fold) in enumerate(dict.fromkeys(keys)):
        here = codes == code
        yield Dealt(scheme, fold, row_of[here], role[here])


def _stored(clips: pa.Table, index: pa.Table) -> dict[str, "np.typing.NDArray[np.bool_]"]:
    """`stored NAME` -> for each clip, whether the feature is there: what a trainer sees of a class
    is less than what the folds list."""
    ids = clips.column("clip_id")
    there = index.filter(pc.equal(index.column("state"), State.STORED.value))
    flags = {}
    for feature in sorted(index.column("feature").unique().to_pylist()):
        held = (
            there.filter(pc.equal(there.column("feature"), feature))
            .column("clip_id")
            .cast(pa.string())
            .combine_chunks()
        )
        flags[f"stored {feature}"] = pc.is_in(ids, held).to_numpy().astype(np.bool_)
    return flags
