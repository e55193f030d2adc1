"""A track in Python: what it shows, its slices, and what other libraries get of it."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from manifests.tracks import Track
from stores import FeatureStore
from tests.support.stores_made import CROPS, SPEC, make_store, spec_of, track_of

TRACK = track_of(5, SPEC, invalid=(2,), notes=("silent",))
BOX = replace(spec_of("box", shape=(2,)), units="left px, top px")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    root = tmp_path_factory.mktemp("tracks") / "store"
    make_store(root, specs=(SPEC, BOX, CROPS, spec_of("level", shape=())))
    return FeatureStore(root)


def test_a_slice_takes_rows_of_values_times_and_validity_together() -> None:
    part = TRACK[1:4]
    np.testing.assert_array_equal(part.values, TRACK.values[1:4])
    assert part.seconds.tolist() == TRACK.seconds[1:4].tolist()
    assert part.valid.tolist() == [True, False, True]
    assert part.notes == ("silent",)
    assert np.shares_memory(part.values, TRACK.values)


def test_a_mask_takes_the_rows_that_are_valid() -> None:
    good = TRACK[TRACK.valid]
    assert len(good) == 4
    assert good.valid.all()
    assert np.isfinite(good.values).all()


def test_one_number_is_no_slice_of_a_track() -> None:
    with pytest.raises(TypeError, match=r"asked for by 3, expected a slice such as \[:50\]"):
        TRACK[3]  # type: ignore[index]


def test_a_track_shows_its_shape_and_hop_and_no_array() -> None:
    long = track_of(100_000, SPEC)
    for text in (repr(long), long._repr_html_()):
        assert "(100000, 4) float32" in text
        assert "0.003 to 999.993 s, median hop 0.01 s" in text
        assert "100000 of 100000 rows" in text
        assert len(text) < 1000
    assert "4 of 5 rows" in repr(TRACK)
    assert "silent" in repr(TRACK)
    assert "(0, 4)" in repr(TRACK[:0])


def test_what_a_track_shows_is_escaped() -> None:
    track = Track(TRACK.values, TRACK.seconds, TRACK.valid, ("<b>\x1b[31m",))
    assert "\x1b" not in repr(track) + track._repr_html_()
    assert "<b>" not in track._repr_html_()
    assert "&lt;b&gt;" in track._repr_html_()


@pytest.mark.filterwarnings("error")
def test_torch_gets_tensors_of_their_own(store: FeatureStore) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    track = store["mfcc"]["made/03"]
    values, seconds, valid = track.to_torch()
    assert (values.dtype, seconds.dtype, valid.dtype) == (
        torch.float32,
        torch.float64,
        torch.bool,
    )
    np.testing.assert_array_equal(values.numpy(), track.values)
    values += 1  # the file's memory is read-only
    assert store["crops"]["made/03"].to_torch().values.shape == (6, 16, 24, 3)


def test_pandas_gets_a_row_a_row_by_its_time(store: FeatureStore) -> None:
    frame = TRACK.to_pandas()
    assert frame.index.name == "seconds"
    assert frame.index.tolist() == TRACK.seconds.tolist()
    assert frame.columns.tolist() == [0, 1, 2, 3, "valid"]
    np.testing.assert_array_equal(frame[[0, 1, 2, 3]].to_numpy(), TRACK.values)
    assert frame["valid"].tolist() == TRACK.valid.tolist()
    assert TRACK[:0].to_pandas().shape == (0, 5)
    named = store["box"].to_pandas("made/02")
    assert named.columns.tolist() == ["left px", "top px", "valid"]
    assert store["level"].to_pandas("made/02").columns.tolist() == ["level", "valid"]


def test_pandas_gets_no_pictures(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match=r"the values are \(5, 16, 24, 3\), .* use to_xarray"):
        store["crops"].to_pandas("made/02")


def test_xarray_gets_names_units_and_times(store: FeatureStore) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    array = store["box"].to_xarray("made/02")
    track = store["box"]["made/02"]
    assert (array.name, array.dims, array.attrs["units"]) == ("box", ("time", "d0"), BOX.units)
    np.testing.assert_array_equal(array.values, track.values)
    assert array.time.values.tolist() == track.seconds.tolist()
    assert array.valid.values.tolist() == track.valid.tolist()
    assert array.where(array.valid, drop=True).sizes["time"] == track.valid.sum()
    assert TRACK.to_xarray().dims == ("time", "dim_1")
    assert store["crops"].to_xarray("made/02").shape == (5, 16, 24, 3)


@pytest.mark.parametrize("library", ["torch", "pandas", "xarray"])
def test_a_library_that_is_not_there_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError) as caught:
        getattr(TRACK, f"to_{library}")()
    assert str(caught.value) == (
        f"to_{library} needs {library}, which is not installed: pip install {library}"
    )
