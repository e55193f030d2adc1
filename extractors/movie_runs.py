"""The runs of samples in the fragments of an mp4 (ISO/IEC 14496-12, 8.8).

    moof    mfhd: its number; traf for each track
    traf    tfhd: the track, and what its samples have in common; tfdt: when the first is decoded;
            trun: how many there are, how long each lasts, how many bytes it has
    mvex    trex: what the samples of a track have in common in all fragments

The sizes of these boxes follow from their flags and counts, and the bytes of all samples lie in the
`mdat` behind.
"""

from itertools import pairwise
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import Contradiction, Notes
from extractors.movie_boxes import check_name, children, read_tracks, uint

_MOST_BYTES = 1 << 24
"""Bytes of a fragment's head that are looked at."""
_DURATION, _SIZE = 0x100, 0x200
_OF_A_SAMPLE = (_DURATION, _SIZE, 0x400, 0x800)
"""Flags of `trun`: what each sample has four bytes of."""
_OF_A_RUN = ((0x1, 4), (0x4, 4))
_OF_A_HEAD = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4))
"""Flags of `trun` and `tfhd`, and the bytes of what they add."""
_IS_EMPTY, _FROM_MOOF = 0x10000, 0x20000
"""Flags of `tfhd`: there are no samples; places count from the `moof`, and not from where the
samples of the track before end."""

Span = tuple[int, int]
Defaults = tuple[int, int]
"""How long a sample lasts, in ticks, and its bytes."""


class FragmentRuns:
    """What the fragments of a file hold, one after the other."""

    def __init__(self, movie: bytes) -> None:
        """Reads what samples have in common.

        Args:
            movie: The box `moov` behind its head.
        """
        self._defaults: dict[int, Defaults] = {}
        self._forms = {
            uint(head, 20 if head[:1] == b"\1" else 12): uint(track.boxes.get(b"stsd", b""), 4)
            for track in read_tracks(movie)
            if (head := track.boxes.get(b"tkhd", b""))
        }
        """Track -> how many forms its samples may have."""
        self._ends: dict[int, tuple[int, int]] = {}
        """Track -> when its last sample ends, and how long it lasts, in ticks."""
        self._is_odd = False
        for kind, start, end in children(movie, 0, len(movie), "moov"):
            for inner, at, _ in children(movie, start, end, "mvex") if kind == b"mvex" else ():
                if inner == b"trex":
                    track = uint(movie, at + 4)
                    self._check_form(track, uint(movie, at + 8))
                    self._defaults[track] = uint(movie, at + 12), uint(movie, at + 16)

    def _check_form(self, track: int, form: int) -> None:
        if not 1 <= form <= self._forms.get(track, 1):
            raise Contradiction(
                f"fragments of track {track} have samples of form {form}, which `stsd` has not"
            )

    def check(self, file: BinaryIO, fragments: list[Span], media: list[Span]) -> Notes:
        """Compares the boxes of each fragment with each other.

        Args:
            file: The file.
            fragments: Where the contents of each box `moof` begin and end.
            media: Those of each box `mdat`.

        Returns:
            UNEVEN_TIMES where a fragment does not begin where the one before it ends, or a sample
            is not shown behind another.

        Raises:
            Contradiction: They cannot be so.
        """
        for start, end in fragments:
            if end - start > _MOST_BYTES:
                continue
            file.seek(start)
            places = sorted(self._fragment(file.read(end - start), start - 8))
            held = sum(stop - begin for begin, stop in places)
            first, last = next((one for one in media if one[0] >= end), (0, 0))
            are_inside = not places or (first <= places[0][0] and places[-1][1] <= last)
            over = any(stop > begin for (_, stop), (begin, _) in pairwise(places))
            if held > last - first or not are_inside or over:
                raise Contradiction(
                    f"the samples of a fragment have {held:,} bytes, which do not lie one after "
                    f"the other in the {last - first:,} of its `mdat`"
                )
            self._is_odd |= held < last - first
        return (UNEVEN_TIMES,) if self._is_odd else ()

    def _fragment(self, box: bytes, head: int) -> list[Span]:
        """Checks the boxes of one, which begins at `head`; returns where its samples lie."""
        held, kinds = list[Span](), set[bytes]()
        for kind, start, end in children(box, 0, len(box), "moof"):
            check_name(kind, "moof")
            kinds.add(kind)
            if kind == b"traf":
                held += self._track(box, start, end, head, held[-1][1] if held else 0)
        if b"mfhd" not in kinds or b"traf" not in kinds:
            raise Contradiction("a fragment of the film lacks its box `mfhd` or `traf`")
        return held

    def _track(self, box: bytes, start: int, end: int, place: int, before: int) -> list[Span]:
        parts: dict[bytes, list[bytes]] = {}
        for kind, at, stop in children(box, start, end, "traf"):
            check_name(kind, "traf")
            parts.setdefault(kind, []).append(box[at:stop])
        head = parts.get(b"tfhd", [b""])[0]
        if uint(head, 4) not in self._defaults:
            raise Contradiction(
                f"a fragment is of track {uint(head, 4)}, which the film does not announce"
            )
        flags = uint(head, 0) & 0xFFFFFF
        _check_size("tfhd", head, 8 + _bytes(flags, _OF_A_HEAD))
        if b"trun" not in parts and not flags & _IS_EMPTY:
            raise Contradiction("a fragment of a track lacks its box `trun`")
        if flags & 0x2:
            self._check_form(uint(head, 4), uint(head, 8 + _bytes(flags & 0x1, _OF_A_HEAD)))
        known = _given(head, flags, self._defaults[uint(head, 4)])
        runs = [_samples(run, known) for run in parts.get(b"trun", [])]
        self._follow(uint(head, 4), parts.get(b"tfdt", [b""])[0], [run.lasts for run in runs])
        base = place if flags & _FROM_MOOF or not before else before
        base = int.from_bytes(head[8:16]) if flags & 0x1 else base
        spans = list[Span]()
        for run in runs:
            self._is_odd |= not run.is_even
            begin = before if run.offset is None else base + run.offset
            before = begin + int(run.sizes.sum())
            spans.append((begin, before))
        return spans

    def _follow(self, track: int, time: bytes, runs: list[NDArray[np.int64]]) -> None:
        """Compares when the first sample is decoded with where the one before it ends."""
        if not time or not runs:
            return
        begin = int.from_bytes(time[4:12] if time[:1] == b"\1" else time[4:8])
        end, last = self._ends.get(track, (begin, 0))
        self._is_odd |= abs(begin - end) > last
        lasts = np.concatenate(runs)
        self._ends[track] = begin + int(lasts.sum()), int(lasts[-1]) if len(lasts) else 0


def _bytes(flags: int, fields: tuple[tuple[int, int], ...]) -> int:
    return sum(size for flag, size in fields if flags & flag)


def _check_size(name: str, box: bytes, needed: int) -> None:
    if len(box) != needed:
        raise Contradiction(
            f"the box `{name}` of a fragment has {len(box):,} bytes, and {needed:,} by its flags"
        )


def _given(head: bytes, flags: int, common: Defaults) -> Defaults:
    """What the samples of a fragment have in common."""
    lasts, size = common
    if flags & 0x8:
        lasts = uint(head, 8 + _bytes(flags & 0x3, _OF_A_HEAD))
    if flags & 0x10:
        size = uint(head, 8 + _bytes(flags & 0xB, _OF_A_HEAD))
    return lasts, size


class _Run(NamedTuple):
    """The samples of a run."""

    lasts: NDArray[np.int64]
    """How long each lasts, in ticks."""
    sizes: NDArray[np.int64]
    """Their bytes."""
    offset: int | None
    """Bytes from the base of the fragment to the first; None: behind the run before."""
    is_even: bool
    """Whether they are shown one after the other."""


def _samples(run: bytes, common: Defaults) -> _Run:
    flags, count = uint(run, 0) & 0xFFFFFF, uint(run, 4)
    fields = [flag for flag in _OF_A_SAMPLE if flags & flag]
    begin = 8 + _bytes(flags, _OF_A_RUN)
    _check_size("trun", run, begin + 4 * len(fields) * count)
    rows = np.frombuffer(run, ">u4", len(fields) * count, begin).reshape(-1, max(len(fields), 1))
    count = len(rows) if fields else min(count, _MOST_BYTES)
    lasts, sizes = (
        rows[:, fields.index(flag)].astype(np.int64) if flag in fields
        else np.full(count, known, np.int64)
        for flag, known in ((_DURATION, common[0]), (_SIZE, common[1]))
    )  # fmt: skip
    is_even = 0x800 not in fields or _is_even(lasts, rows[:, fields.index(0x800)].astype(np.int64))
    offset = int.from_bytes(run[8:12], signed=True) if flags & 0x1 else None
    return _Run(lasts, sizes, offset, is_even)


def _is_even(lasts: NDArray[np.int64], late: NDArray[np.int64]) -> bool:
    """Refuses samples that are shown at the time of another one; says whether those that last as
    long as each other follow each other."""
    late = (late + (1 << 31)) % (1 << 32) - (1 << 31)
    shown = np.sort(np.concatenate([[0], np.cumsum(lasts)[:-1]]) + late)
    if lasts.size and lasts.min() > 0 and (np.diff(shown) == 0).any():
        raise Contradiction("samples of a fragment are shown at the time of another one")
    return bool(len(set(lasts.tolist())) != 1 or (np.diff(shown) == lasts[0]).all())
