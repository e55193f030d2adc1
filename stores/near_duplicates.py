"""Near-duplicates: clips of one store that hold the same recording, found by their fingerprints.

NumPy alone. Sound (`soundprint`) is compared as Haitsma and Kalker do ("A highly robust audio
fingerprinting system", ISMIR 2002): rows that two clips have in common exactly, found in an index
of all rows, propose how the clips lie to each other; there, the share of bits that differ decides.
Pictures (`faceprint`) are compared in two steps as well: clips whose face looks alike on average
are proposed, and the correlation of the deviations from that average, which is the motion, decides.

Tracks are read when they are needed. Memory grows by 24 bytes a row of sound (7 MB an hour) and,
for faces, by some 600 bytes a clip.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track

SOUND_LEAST = 0.94
"""Two sounds are near-duplicates when at least so many of the bits are equal.

Chosen by `python -m benchmarks.near`, on 8 pieces of real recordings and 384 clips of synthetic
voices. Found: all of 40 with AAC or MP3 at 64 kbit/s, 16-bit FLAC, -12 and +6 dB, up to 307 ms cut
off, another sampling rate, or several of these together; 38 with Opus at 48 kbit/s, 37 with MP3 at
32; but 23 with Opus at 24, 17 with AAC at 32 and none with Opus at 12. False alarms: none in 76,636
unrelated pairs. Two takes of one synthetic voice, which repeats itself as no person does, have up
to 0.936 of the bits equal; two sentences of one real speaker have about 0.6. Two takes of one
sentence by a real person were not at hand.
"""
FACE_LEAST = 0.8
"""Two face tracks are near-duplicates when their motion correlates at least so much.

Chosen in the same way, on 15 pieces of real recordings and the sample corpus. Found: 183 of 198
copies (H.264 at crf 28 and 35, MPEG-4, half and 3/4 of the size, brighter, darker, 130 and 220 ms
cut off); missed are mostly those in which the detector chose another of two faces, or saw one for
less than a second. False alarms: none in 105 pairs of real pieces, 34 of them of one person in one
shot (whose motion correlates by 0.63 at most), and none between two speakers of the sample. But 17
of 24 pairs of takes of the sample are found: they show one photograph that is moved in one way.
What hardly moves has little that marks it.
"""

_SHARE = 0.6
"""Part of the shorter clip that must lie beside the other one."""
_SOUND_ROWS = 40
"""Valid rows of sound that are compared at least: half a second, which spans 0.9 s of sound."""
_VOTES = 3
"""Rows with equal bits at one offset that make two clips worth comparing."""
_EVERY = 4
"""One row of so many is looked up; neighbouring rows share 97 % of their window."""
_COMMON = 1000
"""Bits that so many rows have mark none of them, and are not looked up."""
_PAIRS = 1 << 22
"""Pairs of rows that are counted at a time."""

_STEP_S = 0.05
_FACE_S = 1.0
"""Seconds of face that are compared at least."""
_ALIKE = 0.02
"""Clips are worth comparing when the cosine of their average pictures is at least one minus this.
"""
_NEIGHBOURS = 50
"""Clips that each clip is compared with at most, the most alike first."""
_BLOCK = 512

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Near:
    """Two clips that hold the same recording, or a part of it."""

    first: str
    """Clip id."""
    second: str
    """The greater of the two ids."""
    similarity: float
    """Sound: share of equal bits. Face: correlation of the motion. At most 1."""


def near_sounds(tracks: Mapping[str, Track]) -> list[Near]:
    """Finds the pairs of clips whose sound is nearly the same.

    Clips with less than half a second of valid rows are in no pair, nor are clips that share less
    than 0.6 of the shorter one. A pair is proposed by three equal rows at one offset, so one whose
    bits all differ a little may be missed.

    Args:
        tracks: Those of one `soundprint` feature, by clip id.

    Returns:
        The pairs, sorted.
    """
    ids = sorted(tracks)
    index = _index(ids, tracks)

    @lru_cache(maxsize=4096)
    def read(number: int) -> Track:
        return tracks[ids[number]]

    pairs = (
        (a, b, max(_equal_bits(read(a), read(b), offset + shift) for shift in (-1, 0, 1)))
        for a, b, offset in _proposed(index)
    )
    return _alike(ids, pairs, SOUND_LEAST)


def _alike(ids: list[str], pairs: Iterable[tuple[int, int, float]], least: float) -> list[Near]:
    return sorted(Near(ids[a], ids[b], likeness) for a, b, likeness in pairs if likeness >= least)


@dataclass(frozen=True)
class _Index:
    """All valid rows of all clips."""

    bits: NDArray[np.uint32]
    """In the order of clips and time."""
    clip: NDArray[np.int32]
    """Number of the clip of each row."""
    row: NDArray[np.int32]
    """Number of each row in its clip."""
    order: Ints
    """The rows in the order of their bits."""
    sorted_bits: NDArray[np.uint32]
    """In that order."""


def _index(ids: list[str], tracks: Mapping[str, Track]) -> _Index:
    rows = [np.flatnonzero(tracks[clip_id].valid).astype(np.int32) for clip_id in ids]
    bits = [
        np.ascontiguousarray(tracks[clip_id].values[valid]).view("<u4")[:, 0]
        for clip_id, valid in zip(ids, rows, strict=True)
    ]
    clip = np.repeat(np.arange(len(ids), dtype=np.int32), [len(valid) for valid in rows])
    flat = np.concatenate([*bits, np.zeros(0, np.uint32)])
    order = np.argsort(flat, kind="stable")
    return _Index(flat, clip, np.concatenate([*rows, np.zeros(0, np.int32)]), order, flat[order])


def _proposed(index: _Index) -> Iterator[tuple[int, int, int]]:
    """(clip, later clip, offset) of the pairs with enough equal rows at one offset.

    Row r of the later clip lies beside row r + offset of the first; most equal rows lie so.
    """
    asked = np.arange(0, len(index.bits), _EVERY)
    low = np.searchsorted(index.sorted_bits, index.bits[asked], "left")
    counts = np.searchsorted(index.sorted_bits, index.bits[asked], "right") - low
    counts[counts > _COMMON] = 0
    ends = np.cumsum(counts)
    first = 0
    while first < len(asked):
        last = int(np.searchsorted(ends, ends[first] - counts[first] + _PAIRS, "right"))
        last = _end_of_clip(index.clip[asked], max(last, first + 1))
        yield from _voted(index, asked[first:last], low[first:last], counts[first:last])
        first = last


def _end_of_clip(clips: NDArray[np.int32], at: int) -> int:
    """The first place from `at` on where another clip begins: a clip's votes count together."""
    return at if at >= len(clips) else int(np.searchsorted(clips, clips[at - 1], "right"))


def _voted(index: _Index, asked: Ints, low: Ints, counts: Ints) -> Iterator[tuple[int, int, int]]:
    place = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
    theirs, mine = index.order[place], np.repeat(asked, counts)
    later = index.clip[theirs] > index.clip[mine]
    theirs, mine = theirs[later], mine[later]
    votes = np.stack(
        [index.clip[mine], index.clip[theirs], index.row[mine] - index.row[theirs]]
    ).astype(np.int64)
    clips, base = int(index.clip[-1]) + 1, int(np.abs(votes[2]).max(initial=0)) + 1
    codes, times = np.unique(
        (votes[0] * clips + votes[1]) * (2 * base) + votes[2] + base, return_counts=True
    )
    codes, times = codes[times >= _VOTES], times[times >= _VOTES]
    best = codes[np.lexsort((-times, codes // (2 * base)))]
    pairs, at = np.unique(best // (2 * base), return_index=True)
    for pair, code in zip(pairs.tolist(), best[at].tolist(), strict=True):
        yield *divmod(pair, clips), code % (2 * base) - base


def _equal_bits(one: Track, other: Track, offset: int) -> float:
    """Share of equal bits where row r of the other lies beside row r + offset of the one.

    It is 0 where too few rows lie so.
    """
    start, stop = max(0, offset), min(len(one), len(other) + offset)
    need = max(_SOUND_ROWS, _SHARE * min(int(one.valid.sum()), int(other.valid.sum())))
    if stop - start < need:
        return 0.0
    here, there = slice(start, stop), slice(start - offset, stop - offset)
    both = one.valid[here] & other.valid[there]
    rows = int(both.sum())
    if rows < need:
        return 0.0
    unlike = np.bitwise_count(one.values[here] ^ other.values[there])[both].sum()
    return 1.0 - float(unlike) / (32 * rows)


def near_faces(tracks: Mapping[str, Track]) -> list[Near]:
    """Finds the pairs of clips whose face moves in nearly the same way.

    Clips with less than a second of face are in no pair, nor are pairs that share less than 0.6 of
    the shorter clip, nor faces that do not move at all. Each clip is compared with the 50 that look
    most like it.

    Args:
        tracks: Those of one `faceprint` feature, by clip id.

    Returns:
        The pairs, sorted.
    """
    ids = [clip_id for clip_id in sorted(tracks) if _lasts(tracks[clip_id])]
    means = (
        np.stack([_average(tracks[clip_id]) for clip_id in ids])
        if ids
        else np.zeros((0, 1), np.float32)
    )

    @lru_cache(maxsize=4096)
    def read(number: int) -> Floats:
        return _steady(tracks[ids[number]])

    pairs = ((a, b, _motion_likeness(read(a), read(b))) for a, b in _look_alikes(means))
    return _alike(ids, pairs, FACE_LEAST)


def _lasts(track: Track) -> bool:
    times = track.seconds[track.valid]
    return len(times) > 1 and times[-1] - times[0] >= _FACE_S


def _average(track: Track) -> Floats:
    mean = track.values[track.valid].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _look_alikes(means: Floats) -> Iterator[tuple[int, int]]:
    """Pairs of which one is among the nearest of the other, each once."""
    most = min(_NEIGHBOURS, len(means) - 1)
    if most < 1:
        return
    found = [_nearest(means, start, most) for start in range(0, len(means), _BLOCK)]
    for pair in np.unique(np.concatenate(found)).tolist():
        yield divmod(pair, len(means))


def _nearest(means: Floats, start: int, most: int) -> Ints:
    """Pairs of a block of clips with the `most` nearest of all.

    Each is one number: the smaller of the two * clips + the greater.
    """
    cosines = means[start : start + _BLOCK] @ means.T
    here = np.arange(len(cosines))
    cosines[here, start + here] = -1  # a clip is no neighbour of itself
    nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
    alike = np.take_along_axis(cosines, nearest, axis=1) >= 1 - _ALIKE
    mine, theirs = np.repeat(start + here, most)[alike.ravel()], nearest[alike]
    return np.minimum(mine, theirs) * len(means) + np.maximum(mine, theirs)


def _steady(track: Track) -> Floats:
    """(step, number) the valid rows on a clock of 0.05 s, by linear interpolation."""
    times, rows = track.seconds[track.valid], track.values[track.valid]
    clock = np.arange(times[0], times[-1] + 1e-9, _STEP_S)
    after = np.clip(np.searchsorted(times, clock, "right"), 1, len(times) - 1)
    span = times[after] - times[after - 1]
    share = np.clip((clock - times[after - 1]) / np.where(span > 0, span, 1.0), 0, 1)
    weight = share[:, None].astype(np.float32)
    return np.asarray(rows[after - 1] * (1 - weight) + rows[after] * weight, np.float32)


def _motion_likeness(one: Floats, other: Floats) -> float:
    """Greatest correlation of the deviations from the mean, over offsets with enough overlap."""
    need = max(round(_FACE_S / _STEP_S), int(np.ceil(_SHARE * min(len(one), len(other)))))
    offsets = np.arange(need - len(other), len(one) - need + 1)
    if not len(offsets):
        return 0.0
    start, stop = np.maximum(0, offsets), np.minimum(len(one), len(other) + offsets)
    rows = (stop - start).astype(np.float64)
    x_sum, x_squares = _between(one, start, stop)
    y_sum, y_squares = _between(other, start - offsets, stop - offsets)
    products = _diagonals(one @ other.T)[offsets + len(other) - 1]
    shared = products - (x_sum * y_sum).sum(axis=1) / rows
    spread = (x_squares - (x_sum**2).sum(axis=1) / rows) * (
        y_squares - (y_sum**2).sum(axis=1) / rows
    )
    return float(np.max(np.where(spread > 1e-12, shared / np.sqrt(np.maximum(spread, 1e-12)), 0.0)))


def _between(
    rows: Floats, start: Ints, stop: Ints
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of rows[start:stop] by number, and of their squares over all, for many spans."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    squares = np.concatenate([[0.0], np.cumsum((rows.astype(np.float64) ** 2).sum(axis=1))])
    return sums[stop] - sums[start], squares[stop] - squares[start]


def _diagonals(products: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, m) -> (n + m - 1,): the sums of products[r + k, r] for offsets k from 1 - m to n - 1."""
    n, m = products.shape
    skewed = np.zeros((m, n + m), np.float64)
    skewed[:, :n] = products.T[::-1]
    return np.asarray(
        skewed.ravel()[: m * (n + m - 1)].reshape(m, n + m - 1).sum(axis=0), np.float64
    )


def digests(tracks: Mapping[str, Track]) -> dict[str, str]:
    """Lists the digests of clips.

    Args:
        tracks: Those of one digest feature, by clip id.

    Returns:
        Clip id -> hash as hex digits; a clip whose digest is not valid is left out.
    """
    return {
        clip_id: np.asarray(track.values[0]).tobytes().hex()
        for clip_id, track in tracks.items()
        if track.valid[0]
    }
