"""Alignment is planned once for clips of equal times, and gives the bits that plain loops give."""

import copy
import pickle
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from manifests.tracks import Track
from stores import Clock, Like, Steps, align_plans, collate
from stores.align import Alignment
from stores.resampling import TOLERANCE_S

HOPS = (0.01, 0.02, 1 / 30, 0.04, 0.1, 0.2)
SHAPES = ((), (1,), (3,), (17,), (120,), (4, 5), (0,))


def drawn(rng: np.random.Generator, types: Sequence[str] = ("f2", "f4", "f8")) -> Track:
    """Rows at even or uneven times; numbers of very different sizes, -0.0 among them."""
    rows, hop = int(rng.integers(1, 90)), rng.choice(HOPS)
    even = hop * np.arange(rows) + rng.choice([0, 0.025])
    seconds = even if rng.random() < 0.6 else np.sort(rng.random(rows) * 2)
    shape = (rows, *SHAPES[rng.integers(len(SHAPES))])
    values = (rng.normal(size=shape) * 2.0 ** rng.integers(-9, 9, shape)).astype(rng.choice(types))
    values[rng.random(shape) < 0.05] = -0.0
    valid = rng.random(rows) >= rng.choice([0, 0, 0.2])
    values[~valid] = np.nan
    return Track(values, seconds, valid)


def plain_linear(at: NDArray[np.float64], track: Track) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """All rows at once, through two copies of them."""
    before = np.searchsorted(track.seconds, at + TOLERANCE_S, "right") - 1
    after = np.searchsorted(track.seconds, at - TOLERANCE_S, "left")
    inside = (before >= 0) & (after < len(track))
    before, after = np.where(inside, before, 0), np.where(inside, after, 0)
    gap = track.seconds[after] - track.seconds[before]
    share = np.divide(at - track.seconds[before], gap, out=np.zeros(len(at)), where=gap > 0)
    exact = np.result_type(track.values, np.float32)
    left, right = track.values[before].astype(exact), track.values[after].astype(exact)
    shares = share.astype(exact).reshape(-1, *[1] * (left.ndim - 1))
    values = (left + (right - left) * shares).astype(track.values.dtype)
    valid = inside & track.valid[before] & track.valid[after]
    values[~valid] = np.nan
    return values, valid


def plain_means(edges: NDArray[np.float64], track: Track) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """One sum a window."""
    middles = np.minimum((edges[:-1] + edges[1:]) / 2, track.seconds[-1])
    values, valid = plain_linear(middles, track)
    good = np.ascontiguousarray(track.values[track.valid])
    bounds = np.searchsorted(track.seconds[track.valid], edges - TOLERANCE_S)
    for window, (first, end) in enumerate(pairwise(bounds)):
        if end > first:
            total = np.zeros(good.shape[1:])
            np.add.reduce(good[first:end], axis=0, dtype=np.float64, out=total[...])
            values[window], valid[window] = total / (end - first), True
    return values, valid


def assert_same_bits(track: Track, expected: tuple[NDArray[Any], NDArray[np.bool_]]) -> None:
    values, valid = expected
    assert track.values.dtype == values.dtype
    assert track.valid.tolist() == valid.tolist()
    assert track.values.tobytes() == values.tobytes()


def span(tracks: Sequence[Track]) -> tuple[float, float]:
    return max(one.seconds[0] for one in tracks), min(one.seconds[-1] for one in tracks)


@pytest.mark.parametrize("hop_s", [0.04, 0.1])
def test_windows_have_the_means_of_one_sum_a_window(hop_s: float) -> None:
    clock = Clock(hop_s)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        tracks = {"a": drawn(rng), "b": drawn(rng)}
        start, end = span([*tracks.values()])
        if start > end:
            continue
        edges = start + hop_s * np.arange((end - start + TOLERANCE_S) // hop_s + 2)
        for _ in "planned", "known":
            for name, track in clock(tracks).items():
                assert_same_bits(track, plain_means(edges, tracks[name]))


@pytest.mark.parametrize("n", [7, 60])
def test_steps_have_the_rows_that_are_interpolated_at_once(n: int) -> None:
    steps = Steps(n)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        tracks = {"a": drawn(rng), "b": drawn(rng)}
        start, end = span([*tracks.values()])
        if start > end:
            continue
        for _ in "planned", "known":
            for name, track in steps(tracks).items():
                assert_same_bits(track, plain_linear(np.linspace(start, end, n), tracks[name]))


def test_wide_rows_are_interpolated_in_blocks_that_join() -> None:
    rng = np.random.default_rng(1)
    rows = rng.random((30, 2048), np.float32)
    tracks = {"a": Track(rows, 0.1 * np.arange(30), np.ones(30, np.bool_))}
    at = np.linspace(0, tracks["a"].seconds[-1], 60)
    assert_same_bits(Steps(60)(tracks)["a"], plain_linear(at, tracks["a"]))


def at_times(seconds: Any, valid: Any = True) -> Track:
    at = np.array(seconds, np.float64)
    good = np.broadcast_to(np.array(valid), at.shape).copy()
    return Track(np.arange(len(at), dtype=np.float32)[:, None], at, good)


ALIGNMENTS = (Clock(0.1), Steps(5), Like("b"))


@pytest.mark.parametrize("align", ALIGNMENTS, ids=str)
def test_clips_of_equal_times_share_a_plan_and_nothing_else(align: Alignment) -> None:
    first = {"a": at_times([0, 0.1, 0.2, 0.3]), "b": at_times([0, 0.15, 0.3])}
    other = {"a": at_times([0, 0.1, 0.2, 0.3], [True, True, False, True]), "b": first["b"]}
    moved = {"a": at_times([0, 0.11, 0.2, 0.3]), "b": first["b"]}
    fresh = [pickle.loads(pickle.dumps(align))(tracks)["a"] for tracks in (first, other, moved)]
    for _ in range(2):
        for tracks, expected in zip((first, other, moved), fresh, strict=True):
            found = align(tracks)["a"]
            assert_same_bits(found, (expected.values, expected.valid))
            assert found.seconds.tolist() == expected.seconds.tolist()
            if not isinstance(align, Like):  # whose times are those of its own feature
                found.seconds[:] = -1
            found.values[:], found.valid[:] = -1, False
    assert len(align._plans._known) == 1, "moved has the ends of first, and takes its place"  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(align)) == align


@pytest.mark.parametrize("align", [*ALIGNMENTS, Clock(0.1, how={"a": 2})], ids=str)
def test_a_batch_has_aligned_tracks_written_into_it(align: Alignment) -> None:
    """As if they were computed first, and copied then."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        clips = [
            {"a": at_times(0.04 * np.arange(rng.integers(9, 30)), True), "b": drawn(rng)}
            for _ in range(3)
        ]
        shaped = [
            one for one in clips if one["b"].values.shape[1:] == clips[0]["b"].values.shape[1:]
        ]
        same = [one for one in shaped if one["b"].values.dtype == clips[0]["b"].values.dtype]
        try:
            lazy, ready = ([align(one) for one in same] for _ in range(2))
        except ValueError:  # slices of too many rows
            continue
        for one in ready:
            assert all(len(track.values) == len(track.valid) for track in one.values())
        got, expected = (
            collate([(str(i), one, None) for i, one in enumerate(tracks)])
            for tracks in (lazy, ready)
        )
        for kind in ("values", "seconds", "mask", "lengths"):
            for name in ("a", "b"):
                found, wanted = got[kind][name], expected[kind][name]  # type: ignore[literal-required]
                assert found.dtype == wanted.dtype
                assert found.tobytes() == wanted.tobytes()


def test_an_aligned_track_is_computed_once_and_stays_as_it_was_changed() -> None:
    track = Steps(3)({"a": at_times([0, 1, 2, 3])})["a"]
    assert len(track) == 3
    track.values[0] = 9
    assert track.values.ravel().tolist() == [9, 1.5, 3]
    batch = collate([("one", {"a": track}, None)])
    assert batch["values"]["a"].ravel().tolist() == [9, 1.5, 3]
    for other in (pickle.loads(pickle.dumps(track)), copy.copy(track), track[:]):
        assert type(other) is Track
        assert other.values.ravel().tolist() == [9, 1.5, 3]
    assert replace(track, values=track.values[:, :0]).values.shape == (3, 0)
    assert not hasattr(track, "nothing")
    assert "3 of 3 rows valid" in repr(Steps(3)({"a": at_times([0, 1, 2, 3])})["a"])


def test_plans_are_forgotten_before_they_take_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(align_plans, "_MOST_BYTES", 4000)
    steps = Steps(3)
    for rows in range(2, 60):
        steps({"a": at_times(np.arange(rows))})
        assert sum(len(*stamps) for stamps, _ in steps._plans._known.values()) <= 4000
    assert steps._plans._known


def test_features_whose_type_changed_are_planned_anew() -> None:
    clock, floats = Clock(0.1), at_times([0, 0.01, 0.02, 0.09])
    pixels = Track(floats.values.astype(np.uint8), floats.seconds, floats.valid)
    assert clock({"a": floats})["a"].values.ravel().tolist() == [1.5]
    assert clock({"a": pixels})["a"].values.ravel().tolist() == [2], "the nearest row"


def in_place(rows: NDArray[Any], kind: str) -> NDArray[Any]:
    """The same numbers, lying otherwise in memory."""
    if kind == "every other":
        spread = np.repeat(rows, 2, axis=0)
        return spread[::2]
    return np.asfortranarray(rows) if kind == "by column" else rows


@pytest.mark.parametrize("kind", ["plain", "every other", "by column"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (7,), (3, 4, 2), (0,), (2048,)])
@pytest.mark.parametrize("hops", [(0.01, 0.1), (0.1, 0.1), (0.04, 0.1), (0.1, 0.04)])
def test_odd_rows_are_aligned_bit_for_bit_as_by_a_loop(
    kind: str, dtype: str, shape: tuple[int, ...], hops: tuple[float, float]
) -> None:
    rng = np.random.default_rng(len(shape))
    for count, invalid in (1, 0), (31, 0), (31, 0.3), (90, 0), (90, 1):
        rows = rng.normal(size=(count, *shape)).astype(dtype)
        rows[rng.random(rows.shape) < 0.1] = -0.0
        valid = rng.random(count) >= invalid
        rows[~valid] = np.nan
        track = Track(in_place(rows, kind), hops[0] * np.arange(count), valid)
        other = Track(np.zeros((40, 1)), hops[1] * np.arange(40), np.ones(40, np.bool_))
        tracks = {"a": track, "b": other}
        start, end = span([*tracks.values()])
        edges = start + 0.1 * np.arange((end - start + TOLERANCE_S) // 0.1 + 2)
        assert_same_bits(Like("b")(tracks)["a"], plain_linear(other.seconds, track))
        assert_same_bits(Clock(0.1)(tracks)["a"], plain_means(edges, track))
        assert_same_bits(Steps(9)(tracks)["a"], plain_linear(np.linspace(start, end, 9), track))


@pytest.mark.parametrize("dtype", ["u1", "i2", "?"])
def test_pictures_at_every_other_time_are_the_nearest_rows(dtype: str) -> None:
    rows = np.random.default_rng(1).integers(0, 2, (30, 4, 5, 3)).astype(dtype)
    track = Track(rows, 0.05 * np.arange(30), np.arange(30) % 4 != 2)
    like = Track(np.zeros((15, 1)), 0.1 * np.arange(15), np.ones(15, np.bool_))
    for align in Like("like"), Clock(0.1), Steps(9):
        found = align({"a": track, "like": like})["a"]
        at = np.minimum(found.seconds, track.seconds[-1])
        nearest = [int(np.argmin(np.abs(track.seconds - one).round(9))) for one in at]
        assert found.valid.tolist() == track.valid[nearest].tolist()
        assert (found.values[found.valid] == rows[nearest][found.valid]).all()
        assert not found.values[~found.valid].any()


def test_a_track_without_a_row_has_none_that_is_valid() -> None:
    none = Track(np.empty((0, 3), np.float32), np.empty(0), np.empty(0, np.bool_))
    tracks = {"a": none, "b": at_times([0, 0.1, 0.2])}
    for align in Like("b"), Clock(0.1), Steps(3):
        found = align(tracks)["a"]
        assert not found.valid.any()
        assert np.isnan(found.values).all()


def test_what_is_taken_as_it_is_may_be_written_to_and_leaves_the_stored_rows() -> None:
    tracks = {
        "a": at_times(0.1 * np.arange(9), np.arange(9) != 4),
        "b": at_times(0.2 * np.arange(4)),
    }
    found = Like("b")(tracks)["a"]
    assert found.valid.tolist() == [True, True, False, True]
    found.values[:], found.valid[:] = -1, False
    assert tracks["a"].values.ravel().tolist() == list(range(9))
    assert tracks["a"].valid.sum() == 8
