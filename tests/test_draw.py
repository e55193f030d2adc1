"""Pictures of stored features: one file a clip, with the numbers where the axes say they are."""

import contextlib
import dataclasses
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.frames import encode_jpeg
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from flows.__main__ import run
from flows.view.draw import (
    DrawError,
    band_centres_hz,
    contact_sheet,
    draw,
    edges,
    figure,
    file_name,
    orders,
)
from manifests.features import FeatureSpec
from manifests.tracks import Track
from stores import FeatureStore, NotInStore
from tests.support import fitted_made
from tests.support.commands import ROOT, refusal
from tests.support.media_made import picture
from tests.support.stores_made import CROPS, make_store

AUDIO = FeatureSpec(
    "audio", "float32", ("time",), (), "full scale = 1", 1 / 16000, "0" * 32, "audio", 1, "{}"
)
MFCC = Mfcc().spec("mfcc", {"audio": AUDIO})
LOGMEL = LogMel().spec("logmel", {"audio": AUDIO})
BOXES = dataclasses.replace(
    MFCC, name="faces", extractor="faces", shape=(3,), units="left px, top px, score", params="{}"
)


def rows(width: int, n: int = 30) -> Track:
    values = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    return Track(values, 1.0 + np.arange(n) / 100, np.ones(n, bool))


def read(path: Path) -> NDArray[np.uint8]:
    rgb = cv2.imread(str(path))
    assert rgb is not None
    return np.asarray(rgb, np.uint8)


# A store's features


def draw_from(store: Path, feature: str, out: Path, clip_ids: Sequence[str] = ()) -> list[Path]:
    return draw(FeatureStore(store)[feature], out, "0a", clip_ids)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "store"
    make_store(root, specs=(MFCC, LOGMEL, BOXES, CROPS))
    return root


def test_every_kind_of_feature_is_drawn_one_file_a_clip(store: Path, tmp_path: Path) -> None:
    for feature in ("mfcc", "logmel", "faces", "crops"):
        files = draw_from(store, feature, tmp_path / feature, ["made/02", "made/00"])
        assert files == [tmp_path / feature / "made" / f"{number}.png" for number in ("02", "00")]
        assert all(read(file).std() > 5 for file in files)


def test_without_a_clip_all_that_have_the_feature_are_drawn(store: Path, tmp_path: Path) -> None:
    files = draw_from(store, "crops", tmp_path)
    assert [path.stem for path in files] == ["00", "02", "03", "04", "05", "06"]
    assert sorted(tmp_path.rglob("*.png")) == files


def test_the_same_numbers_give_the_same_file(store: Path, tmp_path: Path) -> None:
    (one,), (two,) = (draw_from(store, "mfcc", tmp_path / name, ["made/03"]) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_what_is_not_there_is_named_in_a_sentence(store: Path, tmp_path: Path) -> None:
    with pytest.raises(NotInStore, match="no feature named 'mfc'"):
        draw_from(store, "mfc", tmp_path)
    with pytest.raises(NotInStore, match="no clip of mfcc named"):
        draw_from(store, "mfcc", tmp_path, ["made/nobody"])
    with pytest.raises(NotInStore, match="quarantined: no_face"):
        draw_from(store, "crops", tmp_path, ["made/01"])
    assert not list(tmp_path.rglob("*.png"))


def test_the_command_says_what_it_drew(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["draw", str(store), "crops", str(tmp_path), "--clip", "made/03"])
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == str(tmp_path / "made" / "03.png")
    wrong = refusal("draw", store, "crops", tmp_path, "--clip", "nobody")
    assert wrong.startswith("affectstore: the store has no clip of crops named 'nobody'")


def test_a_fitted_feature_is_drawn_by_the_state_of_its_fold(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    fitted_made.make(store)
    arguments = ["draw", str(store), "z", str(out), "--clip", "made/00"]

    def said(*more: str, code: int = 2) -> str:
        with pytest.raises(SystemExit) as ended:
            run([*arguments, *more])
        assert (ended.value.code or 0) == code
        return capfd.readouterr().err

    assert "fit it first: affectstore fit" in said()
    fitted_made.fit(store)
    assert "no scheme and fold is named; add --scheme quarters --fold 0" in said()
    assert "is not fitted" in said("--scheme", "quarters", "--fold", "9")
    drawn = []
    for fold in ("0", "1"):
        said("--scheme", "quarters", "--fold", fold, code=0)
        drawn.append((out / "made" / "00.png").read_bytes())
    assert drawn[0] != drawn[1]
    arguments[2] = "logmel"
    assert "the same in every fold; leave out --scheme" in said("--fold", "0")


def answered(store: Path, out: Path, answer: str) -> tuple[int, str]:
    """The exit code of `draw` without a clip, at a terminal where somebody answers."""
    keyboard, screen = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "draw", str(store), "mfcc", str(out)],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        cwd=ROOT,
    )
    os.close(screen)
    os.write(keyboard, f"{answer}\n".encode())
    said = b""
    with contextlib.suppress(OSError):  # the terminal is closed at the other end
        while part := os.read(keyboard, 4096):
            said += part
    os.close(keyboard)
    return process.wait(60), said.decode()


def test_all_clips_are_drawn_where_somebody_agrees(
    processes: None, store: Path, tmp_path: Path
) -> None:
    code, said = answered(store, tmp_path, "n")
    assert (code, [*tmp_path.rglob("*.png")]) == (2, [])
    assert "draw mfcc of all 7 clips?" in said
    assert "affectstore: nothing was done" in said
    code, said = answered(store, tmp_path, "y")
    assert (code, len([*tmp_path.rglob("*.png")])) == (0, 7)


def test_without_a_terminal_all_clips_are_drawn_where_it_is_said(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for more, code in (([], 2), (["--all"], 0), (["--yes"], 0)):
        with pytest.raises(SystemExit) as ended:
            run(["draw", str(store), "mfcc", str(tmp_path), *more])
        assert (ended.value.code or 0) == code
    assert "7 clips have mfcc: name some with --clip" in capfd.readouterr().err


# Numbers


def test_the_axes_are_in_seconds_and_hertz_and_the_scale_in_decibels() -> None:
    drawn = figure("ravdess/a", LOGMEL, rows(64))
    axis, colours = drawn.axes
    assert (axis.get_xlabel(), axis.get_ylabel(), colours.get_ylabel()) == (
        "seconds",
        "Hz",
        "dB re 1.0 (power)",
    )
    low, high = axis.get_xlim()
    assert (low, high) == pytest.approx((0.995, 1.295))
    labels = [int(label.get_text()) for label in axis.get_yticklabels()]
    assert labels == sorted(labels)
    assert 0 < labels[0] < labels[-1] < 8000
    assert drawn.get_suptitle() == "ravdess/a   logmel"


def test_the_bands_are_where_the_filters_have_their_peaks() -> None:
    from librosa.filters import mel

    peaks = mel(sr=16000, n_fft=1 << 14, n_mels=64).argmax(axis=1) * 16000 / (1 << 14)
    assert band_centres_hz(LOGMEL) == pytest.approx(peaks, abs=2)


def test_mfcc_have_a_panel_for_each_order_of_derivative() -> None:
    assert orders(MFCC) == 3
    panels = [
        axis for axis in figure("a/b", MFCC, rows(120)).axes if axis.get_ylabel() == "coefficient"
    ]
    assert [axis.get_title() for axis in panels] == [
        "coefficients",
        "first derivative, per row",
        "second derivative, per row",
    ]
    values = rows(120).values
    low, high = np.percentile(values, [1, 99], axis=0)
    scaled = (values - low) / (high - low)
    for number, axis in enumerate(panels):
        mesh = axis.collections[0]
        assert np.allclose(mesh.get_array(), scaled[:, 40 * number : 40 * number + 40].T)
        assert mesh.get_clim() == (0, 1)


def test_every_mfcc_shows_all_colours_however_large_the_others_are() -> None:
    track = rows(120)
    track.values[:, 0] *= 1000
    track.values[:, 7] = 3.0
    mesh = figure("a/b", MFCC, track).axes[0].collections[0].get_array()
    spread = np.delete(np.ptp(np.clip(mesh, 0, 1), axis=1), 7)
    assert spread.min() == spread.max() == 1
    assert (mesh[7] == 0.5).all()


def test_columns_with_names_are_lines() -> None:
    axes = figure("a/b", BOXES, rows(3)).axes
    assert [axis.get_ylabel() for axis in axes] == ["left px", "top px", "score"]
    assert np.allclose(axes[1].lines[0].get_ydata(), rows(3).values[:, 1])


def test_rows_that_are_not_valid_are_blank_and_a_clip_without_a_valid_row_is_drawn() -> None:
    track = rows(64)
    track.valid[10:20] = False
    track.values[10:20] = np.nan
    mesh = figure("a/b", LOGMEL, track).axes[0].collections[0].get_array()
    assert np.ma.getmaskarray(mesh)[:, 10:20].all()
    assert not np.ma.getmaskarray(mesh)[:, :10].any()
    track.valid[:] = False
    assert figure("a/b", LOGMEL, track).axes[0].get_xlabel() == "seconds"


def test_each_row_reaches_half_way_to_its_neighbours() -> None:
    assert edges(np.array([0.0, 1.0, 3.0]), None).tolist() == [-0.5, 0.5, 2.0, 4.0]
    assert edges(np.array([2.0]), 0.5).tolist() == [1.75, 2.25]


# Pictures


def sheet_of(n: int, side: int = 96) -> Track:
    values = np.stack([picture(i, side, side) for i in range(n)])
    return Track(values, np.arange(n) / 10, np.ones(n, bool))


def test_a_sheet_holds_the_pictures_in_order_and_grey_where_there_is_none() -> None:
    track = sheet_of(6)
    track.valid[2] = False
    sheet = contact_sheet(track)
    assert sheet.shape == (2 * 116, 3 * 100, 3)
    for number in range(6):
        tile = sheet[number // 3 * 116 :, number % 3 * 100 :][:96, :96]
        assert np.array_equal(
            tile, np.full_like(tile, 192) if number == 2 else track.values[number]
        )
    assert (sheet[96:112] < 128).any(), "no time is written below the pictures"


def test_jpeg_pictures_are_decoded_and_a_long_clip_is_thinned_out() -> None:
    track = sheet_of(200)
    images = np.empty(200, object)
    images[:] = [encode_jpeg(row) for row in track.values]
    sheet = contact_sheet(Track(images, track.seconds, track.valid))
    assert sheet.shape[0] * sheet.shape[1] == 63 * 116 * 100
    assert np.abs(sheet[:96, :96].astype(int) - track.values[0]).mean() < 12


# Names


def test_no_id_leads_out_of_the_folder_and_no_two_give_one_file() -> None:
    ids = [
        "a/b",
        "a/b.c",
        "../x",
        "a/../b",
        "/etc/x",
        "a//b",
        ".",
        "..",
        "%2E",
        "%2E.",
        "a\\b",
        "C:x",
        "a b",
        "a/é",
        "",
    ]
    files = [file_name(clip_id) for clip_id in ids]
    assert len({str(file) for file in files}) == len(ids)
    assert all(not file.is_absolute() and not {".", ".."} & set(file.parts) for file in files)
    assert file_name("ravdess/03-01-05-01-01-01-12") == Path("ravdess/03-01-05-01-01-01-12.png")


def test_features_of_another_form_are_refused(tmp_path: Path) -> None:
    cube = dataclasses.replace(MFCC, name="cube", shape=(2, 3), dims=("time", "a", "b"))
    make_store(tmp_path / "store", specs=(cube,))
    with pytest.raises(
        DrawError, match=r"cube is \(time, 2, 3\), expected rows of numbers or of pictures"
    ):
        draw_from(tmp_path / "store", "cube", tmp_path)


@pytest.mark.parametrize("name", ["soundprint", "faceprint", "sound_digest", "frames_digest"])
def test_a_hash_is_not_drawn(name: str, tmp_path: Path) -> None:
    hashes = dataclasses.replace(MFCC, name="mine", extractor=name, shape=(4,))
    make_store(tmp_path / "store", specs=(hashes,))
    with pytest.raises(DrawError, match="mine is a hash or a fingerprint, by which copies"):
        draw_from(tmp_path / "store", "mine", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spec", [MFCC, LOGMEL], ids=["mfcc", "logmel"])
def test_a_feature_that_does_not_say_how_it_was_made_is_drawn_by_number(spec: FeatureSpec) -> None:
    drawn = figure("a/b", dataclasses.replace(spec, params="{}"), rows(spec.shape[0]))
    assert len(drawn.axes) == 2
    assert drawn.axes[0].get_ylabel() != "Hz"
