"""What is learned of training clips: the numbers of each fitter, and what a reader makes of
them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.fitted.base import Examples, State
from extractors.fitted.catalog import FITTERS
from extractors.fitted.pad import Pad
from extractors.fitted.pca import Pca
from extractors.fitted.zscore import ZScore
from manifests.tracks import Track
from stores.transforms import TRANSFORMS
from tests.support.stores_made import spec_of

RNG = np.random.default_rng(0)


def track(values: NDArray[Any], invalid: Sequence[int] = (), start_s: float = 0.0) -> Track:
    valid = ~np.isin(np.arange(len(values)), invalid)
    if values.dtype.kind == "f":
        values = values.copy()
        values[~valid] = np.nan
    return Track(values, start_s + 0.01 * np.arange(len(values)), valid)


def examples(*tracks: Track) -> Examples:
    ids = tuple(f"made/{number:02d}" for number in range(len(tracks)))
    return Examples(ids, ids, (), {"input": tracks})


def rows_of(*tracks: Track) -> NDArray[np.float64]:
    return np.concatenate([one.values[one.valid] for one in tracks]).astype(np.float64)


CLIPS = tuple(
    track((RNG.normal(size=(rows, 5)) * [1, 2, 3, 40, 5] + 7).astype(np.float32), (1,))
    for rows in (4, 30, 1, 2, 17)
)


def test_zscore_is_mean_and_deviation_over_all_valid_rows() -> None:
    state = ZScore(input="x").fit(examples(*CLIPS))
    rows = rows_of(*CLIPS)
    np.testing.assert_allclose(state["mean"], rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state["scale"], rows.std(axis=0), rtol=1e-12)
    scaled = np.concatenate([TRANSFORMS["scale"](state, one).values[one.valid] for one in CLIPS])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-6)


def test_zscore_is_sound_where_the_mean_is_large_against_the_spread() -> None:
    clips = [track(1e9 + RNG.normal(size=(200, 3))) for _ in range(20)]
    state = ZScore(input="x").fit(examples(*clips))
    np.testing.assert_allclose(state["scale"], rows_of(*clips).std(axis=0), rtol=1e-6)


def test_a_band_that_does_not_vary_is_only_centred() -> None:
    values = RNG.normal(size=(50, 2)).astype(np.float32)
    values[:, 1] = 0.1
    clips = [track(values[:20]), track(values[20:])]
    state = ZScore(input="x").fit(examples(*clips))
    assert state["scale"][1] == 1
    np.testing.assert_allclose(TRANSFORMS["scale"](state, clips[0]).values[:, 1], 0, atol=1e-7)


def test_scaled_rows_that_were_not_valid_stay_so() -> None:
    scaled = TRANSFORMS["scale"](ZScore(input="x").fit(examples(*CLIPS)), CLIPS[1])
    assert scaled.values.dtype == np.float32
    assert scaled.valid.tolist() == CLIPS[1].valid.tolist()
    assert np.isnan(scaled.values[1]).all()
    assert np.isfinite(scaled.values[scaled.valid]).all()


def test_pictures_and_single_numbers_have_z_scores_too() -> None:
    for shape in ((), (4, 6, 3)):
        clips = [track(RNG.integers(0, 256, (9, *shape)).astype(np.uint8), (3,)) for _ in range(3)]
        state = ZScore(input="x").fit(examples(*clips))
        assert state["mean"].shape == shape
        np.testing.assert_allclose(state["mean"], rows_of(*clips).mean(axis=0), rtol=1e-12)
        assert np.isnan(TRANSFORMS["scale"](state, clips[0]).values[3]).all()


def test_pca_is_the_singular_value_decomposition_of_the_centred_rows() -> None:
    state = Pca(input="x", n_components=3).fit(examples(*CLIPS))
    rows = rows_of(*CLIPS)
    _, sizes, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(state["basis"]), np.abs(vectors[:3]), atol=1e-9)
    np.testing.assert_allclose(state["variance"], sizes[:3] ** 2 / len(rows), rtol=1e-9)
    np.testing.assert_allclose(state["basis"] @ state["basis"].T, np.eye(3), atol=1e-12)
    projected = np.concatenate(
        [TRANSFORMS["project"](state, one).values[one.valid] for one in CLIPS]
    )
    np.testing.assert_allclose(projected.var(axis=0), state["variance"], rtol=1e-5)


def test_the_largest_number_of_a_direction_is_positive() -> None:
    mirrored = [track(-one.values, (1,)) for one in CLIPS]
    for clips in (CLIPS, mirrored):
        basis = Pca(input="x", n_components=5).fit(examples(*clips))["basis"]
        assert (basis[np.arange(5), np.abs(basis).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize(("share", "width"), [(0.5, 1), (0.98, 2), (1.0, 5)])
def test_pca_takes_the_least_directions_that_hold_a_share_of_the_variance(
    share: float, width: int
) -> None:
    rows = RNG.normal(size=(4000, 5)) * [10, 4, 1, 0.5, 0.1]
    total = (rows - rows.mean(axis=0)).var(axis=0).sum()
    state = Pca(input="x", variance=share).fit(examples(track(rows)))
    assert len(state["basis"]) == width
    assert state["variance"].sum() >= share * total * (1 - 1e-9)
    assert state["variance"][:-1].sum() < share * total


@pytest.mark.parametrize(("percentile", "length"), [(100.0, 30), (80.0, 17), (60.0, 4), (1.0, 1)])
def test_pad_takes_the_longest_training_clip_or_a_percentile(
    percentile: float, length: int
) -> None:
    state = Pad(input="x", percentile=percentile).fit(examples(*CLIPS))
    assert int(state["length"]) == length
    padded = [TRANSFORMS["pad"](state, one) for one in CLIPS]
    assert {len(one) for one in padded} == {length}


def test_padded_rows_are_zeros_that_are_not_valid_and_the_clock_goes_on() -> None:
    state = {"length": np.array(6), "hop_s": np.array(0.5)}
    padded = TRANSFORMS["pad"](state, track(np.ones((3, 2), np.float32), start_s=1.0))
    assert padded.values.tolist() == [[1, 1]] * 3 + [[0, 0]] * 3
    assert padded.valid.tolist() == [True] * 3 + [False] * 3
    np.testing.assert_allclose(padded.seconds, 1.0 + 0.01 * np.arange(6))
    np.testing.assert_allclose(
        TRANSFORMS["pad"](state, track(np.ones((1, 2), np.float32))).seconds, 0.5 * np.arange(6)
    )
    np.testing.assert_allclose(
        TRANSFORMS["pad"](state, track(np.ones((0, 2), np.float32))).seconds, 0.5 * np.arange(6)
    )


def test_selected_columns_come_in_the_order_of_the_state() -> None:
    chosen = TRANSFORMS["select"]({"columns": np.array([3, 0])}, CLIPS[0])
    np.testing.assert_array_equal(chosen.values, CLIPS[0].values[:, [3, 0]])
    assert chosen.values.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pca(input="x"), "either n_components or variance"),
        (lambda: Pca(input="x", n_components=3, variance=0.5), "either n_components or variance"),
        (lambda: Pca(input="x", n_components=0), "at least 1"),
        (lambda: Pca(input="x", variance=1.5), "share above 0"),
        (lambda: Pad(input="x", percentile=0), "above 0"),
        (
            lambda: Pca(input="x", n_components=9).layout({"input": spec_of()}),
            "rows of x have 4 numbers",
        ),
        (
            lambda: Pca(input="x", n_components=2).layout({"input": spec_of(shape=(8, 8, 3))}),
            "rows of one dimension",
        ),
        (
            lambda: Pca(input="x", n_components=5).fit(examples(track(RNG.normal(size=(5, 6))))),
            "5 valid rows of training have no 5",
        ),
        (
            lambda: ZScore(input="x").fit(examples(track(np.zeros((2, 3)), (0, 1)))),
            "none of the 1 training clips has a valid row",
        ),
        (
            lambda: Pad(input="x").fit(examples(track(np.zeros((0, 3))))),
            "none of the 1 training clips has a row",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fitter",
    [ZScore(input="x"), Pca(input="x", variance=0.9), Pad(input="x")],
    ids=lambda fitter: fitter.name,
)
def test_a_fit_gives_plain_arrays_that_its_transform_reads(fitter: Any) -> None:
    state: State = fitter.fit(examples(*CLIPS))
    again = fitter.fit(examples(*CLIPS))
    assert all(array.tobytes() == again[name].tobytes() for name, array in state.items())
    made = TRANSFORMS[fitter.transform](state, CLIPS[1])
    assert len(made.values) == len(made.seconds) == len(made.valid)


def test_every_fitter_is_known_by_its_own_name() -> None:
    assert all(
        kind.name == name and isinstance(kind.version, int) for name, kind in FITTERS.items()
    )
    assert all(name.endswith("_leaking") == kind.sees_all for name, kind in FITTERS.items())
    assert {kind.transform for kind in FITTERS.values() if hasattr(kind, "transform")} <= set(
        TRANSFORMS
    )
