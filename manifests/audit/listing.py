"""What an audit looks at: clips with what is known of them, and on which side of which fold each
lies.

A listing holds one row for each line of a table, or for each clip of a store. Columns are
factorised once, so that every rule is a few counts over whole numbers, whatever the length of the
table. pandas is imported where that is done: whoever needs no more than the rules' names, such as
the workers of a build, does without.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from manifests.overlaps import Span, overlapping
from manifests.schemes.dealing import Role

ROLES = (Role.TRAIN, Role.VALID, Role.TEST)
TRAIN, VALID, TEST = range(3)
"""How a role is written in `Dealt.role`."""

NUMBERS = (
    "start_s",
    "end_s",
    "duration_s",
    "channels",
    "rate_hz",
    "fps",
    "width_px",
    "height_px",
    "bytes",
)
"""Columns that measure; not a number where unknown."""

_LONGEST_S = 120.0
"""A span longer than this is no turn: MELD's tables have two of 235 and 305 s, wrong ends that
would cover whole scenes."""

Codes32 = NDArray[np.int32]


@dataclass(frozen=True)
class Names:
    """A column of names: `codes[row]` counts into `values`, -1 where the row has none."""

    codes: Codes32
    values: NDArray[np.object_]

    @staticmethod
    def of(values: Iterable[str | None]) -> "Names":
        import pandas as pd

        codes, uniques = pd.factorize(np.asarray(list(values), dtype=object), use_na_sentinel=True)
        return Names(codes.astype(np.int32), np.asarray(uniques, dtype=object))

    def take(self, rows: NDArray[np.integer]) -> "Names":
        return Names(self.codes[rows], self.values)

    @cached_property
    def known(self) -> bool:
        """At least one row has a name."""
        return bool((self.codes >= 0).any())

    def or_else(self, other: "Names | None") -> "Names":
        """This column, its gaps filled from another of the same rows."""
        if other is None or not (self.codes < 0).any():
            return self
        whole = Names.of([*self.values, *other.values, None])
        mine, theirs = (
            np.append(whole.codes[: len(self.values)], -1),
            np.append(whole.codes[len(self.values) : -1], -1),
        )
        return Names(
            np.where(self.codes >= 0, mine[self.codes], theirs[other.codes]).astype(np.int32),
            whole.values,
        )


@dataclass(frozen=True)
class Dealt:
    """One fold: which rows take part, and on which side."""

    scheme: str
    fold: int
    rows: NDArray[np.int64]
    role: NDArray[np.int8]
    """TRAIN, VALID or TEST, for each of `rows`."""


@dataclass(frozen=True)
class Alike:
    """Pairs of rows that hold the same recording, as their fingerprints tell."""

    pairs: NDArray[np.int64]
    """(pair, 2)"""
    similarity: NDArray[np.float64]
    """(pair,) at most 1."""
    compared: int
    """Clips that have a fingerprint."""


@dataclass(frozen=True)
class Listing:
    """A table, or a store, in the one form that every rule reads."""

    source: str
    """Where it was read from, for messages."""
    corpora: tuple[str, ...]
    names: Mapping[str, Names]
    """Columns that name things, those that are known of: clip, subject, group, take, session,
    dialogue, episode, text, label, sex, folder; sha256, pcm, frames (hashes); window, copy (which
    part of its clip, or which change of it, a row is)."""
    numbers: Mapping[str, NDArray[np.float64]]
    folds: tuple[Dealt, ...]
    flags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """`fitted`: something was fitted on this row; `selected`: a model was chosen by it; `stored
    NAME`: the feature NAME is stored."""
    fits: "Mapping[tuple[str, int], tuple[Fit, ...]] | None" = None
    """Scheme and fold -> what a store has fitted for it; None where the source does not say."""
    read_as: tuple[tuple[str, str], ...] = ()
    """(column of the source, what it was read as)."""
    near: Mapping[str, Alike] = field(default_factory=dict)
    """`sound`, `face`: near-duplicates by it, where the source has fingerprints of it."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Of `sound`, `face`, `pcm` and `frames`, those that a store could hold and does not -> what to
    do about it."""

    @cached_property
    def overlaps(self) -> "Overlaps | None":
        """Found once for all folds; None where nothing tells the recording, the start or the end of
        a clip."""
        units = [unit for unit in ("episode", "dialogue") if unit in self.names]
        start, end = self.numbers.get("start_s"), self.numbers.get("end_s")
        if not units or start is None or end is None:
            return None
        recording = self.names[units[0]].or_else(self.names.get(units[-1]))
        return _overlaps(" or ".join(units), recording, self.names["clip"], start, end)

    def sides(self) -> Iterator["Sides"]:
        for dealt in self.folds:
            yield Sides(self, dealt)


@dataclass(frozen=True)
class Overlaps:
    """Pairs of spans that are the same stretch of one recording."""

    unit: str
    """What the seconds count in: the episode, or the dialogue of clips that have none."""
    span_of_row: NDArray[np.int64]
    """Rows with equal clip and times have one span; -1 for a row without."""
    too_long: NDArray[np.int64]
    """Rows whose span is longer than any turn of speech, a wrong time rather than a clip; they are
    in no span."""
    pairs: NDArray[np.int64]
    """(pair, 2) spans of unlike clips that share more than half of the shorter one."""
    spans: int


def _overlaps(
    unit: str, recording: Names, clip: Names, start: NDArray[np.float64], end: NDArray[np.float64]
) -> Overlaps:
    import pandas as pd

    timed = (recording.codes >= 0) & np.isfinite(start) & np.isfinite(end) & (end > start)
    rows = np.flatnonzero(timed & (end - start <= _LONGEST_S))
    keys = pd.DataFrame(
        {
            "clip": clip.codes[rows],
            "recording": recording.codes[rows],
            "start": start[rows],
            "end": end[rows],
        }
    )
    numbers = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
    span_of_row = np.full(len(clip.codes), -1, np.int64)
    span_of_row[rows] = numbers
    kept = rows[np.unique(numbers, return_index=True)[1]]
    spans = (
        Span(str(number), str(recording.codes[row]), float(start[row]), float(end[row]))
        for number, row in enumerate(kept.tolist())
    )
    found = [(int(pair.first), int(pair.second)) for pair in overlapping(spans)]
    pairs = np.asarray(found, np.int64).reshape(-1, 2)
    unlike = (
        clip.codes[kept[pairs[:, 0]]] != clip.codes[kept[pairs[:, 1]]]
        if len(pairs)
        else np.zeros(0, np.bool_)
    )
    return Overlaps(
        unit,
        span_of_row,
        np.flatnonzero(timed & (end - start > _LONGEST_S)),
        pairs[unlike],
        len(kept),
    )


@dataclass(frozen=True)
class Fit:
    """One fitted state, and the clips that it was fitted on."""

    feature: str
    saw: frozenset[str]
    """Clip ids, as the state itself lists them."""
    meant: frozenset[str]
    """Training clips of the fold that have what the fit needs."""
    changed: frozenset[str] = frozenset()
    """Those that it saw and whose files have other bytes now."""


class Sides:
    """One fold of a listing, as the rules see it."""

    def __init__(self, listing: Listing, dealt: Dealt) -> None:
        self.listing, self.dealt = listing, dealt
        self._columns: dict[str, Names] = {}
        self._counts: dict[tuple[str, int], NDArray[np.int64]] = {}

    @property
    def role(self) -> NDArray[np.int8]:
        return self.dealt.role

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """Rows in train, valid and test."""
        counts = np.bincount(self.role, minlength=3)
        return int(counts[0]), int(counts[1]), int(counts[2])

    @cached_property
    def judged(self) -> int:
        """The side that results are reported on: the test, or the validation where there is no
        test."""
        return TEST if self.sizes[TEST] else VALID

    @property
    def corpora(self) -> tuple[str, ...]:
        return self.listing.corpora

    def names(self, unit: str) -> Names | None:
        """The column as far as this fold has it; None where nothing is known."""
        if unit not in self._columns:
            whole = self.listing.names.get(unit)
            if whole is None or not whole.known:
                return None
            self._columns[unit] = whole.take(self.dealt.rows)
        return self._columns[unit]

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        whole = self.listing.numbers.get(name)
        return None if whole is None or np.isnan(whole).all() else whole[self.dealt.rows]

    def flag(self, name: str) -> NDArray[np.bool_] | None:
        whole = self.listing.flags.get(name)
        return None if whole is None else whole[self.dealt.rows]

    def counts(self, unit: str, role: int) -> NDArray[np.int64]:
        """(value,) rows of each value of a known unit on one side."""
        if (unit, role) not in self._counts:
            column = self.names(unit)
            if column is None:
                raise KeyError(unit)
            codes = column.codes[self.role == role]
            self._counts[unit, role] = np.bincount(codes[codes >= 0], minlength=len(column.values))
        return self._counts[unit, role]

    def shown(
        self, unit: str, codes: Iterable[int] | NDArray[np.integer], most: int = 5
    ) -> tuple[str, ...]:
        """The first values by name."""
        column = self.names(unit)
        return (
            ()
            if column is None
            else tuple(sorted(str(column.values[code]) for code in list(codes))[:most])
        )

    def clips(self, mask: NDArray[np.bool_], most: int = 5) -> tuple[str, ...]:
        """The first clip ids, in the order of the source, of the rows in `mask`; each once."""
        import pandas as pd

        column = self.names("clip")
        if column is None:
            return ()
        return tuple(
            str(column.values[code])
            for code in pd.unique(column.codes[np.flatnonzero(mask)])[:most]
        )
