"""Pictures of stored features, for a person to look at: one PNG file a clip."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.base import Rgb
from extractors.frames import decode_jpeg
from flows.view.marks import png_with_mark
from manifests.features import FeatureSpec
from manifests.tracks import Track
from manifests.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stores.clip_tracks import ClipTracks

_MOST_PICTURES = 60
"""On one sheet; of a longer clip, so many evenly spread."""
_MOST_LINES = 12
"""Columns with names of their own, in unlike units, are drawn as lines, up to so many."""
_CAPTION_PX = 16
_MARGIN_PX = 4
_HASHES = ("soundprint", "faceprint", "sound_digest", "frames_digest")
"""Extractors of numbers by which copies are found: nobody sees anything in them."""
_ORDERS = ("coefficients", "first derivative, per row", "second derivative, per row")


class DrawError(ValueError):
    """The feature cannot be drawn; the message says why."""


def draw(tracks: "ClipTracks", out: Path, mark: str, clip_ids: Sequence[str] = ()) -> list[Path]:
    """Draws a feature, one PNG file a clip: `out`/CLIP ID.png.

    Rows of numbers become a heat map over seconds (coefficients, or Hz for mel bands), with a panel
    for each order of derivative, or lines where the columns have names; pictures become a sheet of
    them, with their times. Rows that are not valid are left blank.

    Args:
        tracks: The tracks of the feature by clip id.
        out: Folder for the files, made if it is missing.
        mark: What each file holds, to be known again by.
        clip_ids: The clips to draw; none: all that have the feature.

    Returns:
        The files.

    Raises:
        NotInStore: The store does not hold one of the clips.
        DrawError: The feature has neither rows of numbers nor pictures, or no row at all.
    """
    refuse_undrawable(tracks.spec)
    feature = tracks.spec.name
    files = []
    for clip_id in clip_ids or tracks:
        track = tracks[clip_id]
        if not len(track):
            raise DrawError(f"{feature} of {clip_id} has no row to draw")
        path = out / file_name(clip_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_sheet = is_pictures(tracks.spec)
        png = _sheet(track) if is_sheet else _plot(figure(clip_id, tracks.spec, track))
        path.write_bytes(png_with_mark(png, mark))
        files.append(path)
    return files


def _sheet(track: Track) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(contact_sheet(track), cv2.COLOR_RGB2BGR))
    return data.tobytes()


def _plot(drawn: "Figure") -> bytes:
    png = io.BytesIO()
    # Without the library's version, so that the same numbers give the same file.
    drawn.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def refuse_undrawable(spec: FeatureSpec) -> None:
    """Refuses a feature of which no picture can be made.

    Args:
        spec: The feature.

    Raises:
        DrawError: It has neither rows of numbers nor pictures, or its numbers are a hash.
    """
    instead = "name a feature such as mfcc, logmel64 or crops"
    if spec.extractor in _HASHES:
        raise DrawError(
            f"{spec.name} is a hash or a fingerprint, by which copies of a clip are found, and "
            f"shows nothing to the eye; {instead}"
        )
    if len(spec.shape) != 1 and not is_pictures(spec):
        found = ", ".join(["time", *map(str, spec.shape)])
        raise DrawError(
            f"{spec.name} is ({found}), expected rows of numbers or of pictures; {instead}"
        )


def file_name(clip_id: str) -> Path:
    """The file of a clip, whatever characters its id has.

    Args:
        clip_id: `corpus/stem`.

    Returns:
        corpus/stem.png: no id leads out of a folder, and no two give one name.
    """
    parts = [re.sub(r"^\.", "%2E", quote(part, safe=" ")) or "%" for part in clip_id.split("/")]
    return Path(*parts[:-1], f"{parts[-1]}.png")


def is_pictures(spec: FeatureSpec) -> bool:
    """Whether the rows of a feature are RGB pictures.

    Args:
        spec: The feature.

    Returns:
        True for uint8 of shape (height, width, 3).
    """
    return spec.dtype == "uint8" and len(spec.shape) == 3 and spec.shape[2] == 3


# Pictures


def contact_sheet(track: Track) -> Rgb:
    """Lays the pictures of a track out on one sheet.

    Args:
        track: Its rows are RGB pictures, as arrays or as JPEG.

    Returns:
        (height, width, 3) uint8: the pictures from left to right, each above its time; grey where
        a row is not valid.
    """
    chosen = np.unique(
        np.linspace(0, len(track) - 1, min(len(track), _MOST_PICTURES)).round().astype(int)
    )
    pictures = [_picture(track, row) for row in chosen]
    height, width = next(
        (picture.shape[:2] for picture in pictures if picture is not None), (64, 64)
    )
    tiles = [
        _tile(picture, height, width, track.seconds[row])
        for picture, row in zip(pictures, chosen, strict=True)
    ]
    columns = max(1, round((len(tiles) * 1.5) ** 0.5))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.concatenate(
        [np.concatenate(tiles[at : at + columns], axis=1) for at in range(0, len(tiles), columns)]
    )


def _picture(track: Track, row: int) -> Rgb | None:
    if not track.valid[row]:
        return None
    found: Any = track.values[row]
    return decode_jpeg(found) if isinstance(found, bytes) else np.asarray(found, np.uint8)


def _tile(picture: Rgb | None, height: int, width: int, seconds: float) -> Rgb:
    tile = np.full(
        (height + _CAPTION_PX + _MARGIN_PX, max(width, 64) + _MARGIN_PX, 3), 255, np.uint8
    )
    tile[:height, :width] = 192 if picture is None else picture
    at = (2, height + _CAPTION_PX - 4)
    return np.asarray(
        cv2.putText(
            tile, f"{seconds:.2f} s", at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA
        ),
        np.uint8,
    )


# Numbers


def figure(clip_id: str, spec: FeatureSpec, track: Track) -> "Figure":
    """Draws the numbers of a track: one panel over another, all over the same seconds.

    Args:
        clip_id: For the title.
        spec: The feature.
        track: Its values are (time, d).

    Returns:
        A figure of matplotlib.
    """
    from matplotlib.figure import Figure

    values = np.where(track.valid[:, None], np.asarray(track.values, np.float64), np.nan)
    names = [name.strip() for name in spec.units.split(",")]
    as_lines = len(names) == values.shape[1] <= _MOST_LINES
    panels = np.split(values, values.shape[1] if as_lines else orders(spec), axis=1)
    whole = Figure(
        figsize=(10, 1.2 + (1.2 if as_lines else 2.6) * len(panels)), dpi=100, layout="constrained"
    )
    whole.suptitle(visible(f"{clip_id}   {spec.name}"), parse_math=False)
    axes = whole.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        if as_lines:
            axis.plot(track.seconds, panel[:, 0], marker=".")
            axis.set_ylabel(visible(names[number]), rotation=0, ha="right", parse_math=False)
        else:
            heat_map(axis, spec, track.seconds, panel)
            axis.set_title(_ORDERS[number] if len(panels) > 1 else "", fontsize="small")
    axes[-1].set_xlabel("seconds")
    return whole


def orders(spec: FeatureSpec) -> int:
    """How many blocks of equal width a row has: MFCC and each order of their derivatives.

    Args:
        spec: The feature.

    Returns:
        1 for every other feature.
    """
    deltas = _params(spec).get("deltas") if spec.extractor == "mfcc" else 0
    return (
        deltas + 1
        if isinstance(deltas, int)
        and 0 <= deltas < len(_ORDERS)
        and spec.shape[0] % (deltas + 1) == 0
        else 1
    )


def heat_map(
    axis: "Axes", spec: FeatureSpec, seconds: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Draws values as colours.

    The scale covers all but the outermost hundredths, so that one outlier does not hide the rest.
    Of MFCC each coefficient has a scale of its own: the first ones are tenfold the last, which
    would all have one colour.

    Args:
        axis: Where to draw.
        spec: The feature.
        seconds: (time,)
        values: (time, d), NaN where nothing was measured.
    """
    is_mfcc = spec.extractor == "mfcc"
    if is_mfcc:
        values = _each_in_its_range(values)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if len(known) and not is_mfcc else (0.0, 1.0)
    places = np.arange(values.shape[1] + 1) - 0.5
    mesh = axis.pcolormesh(edges(seconds, spec.hop_s), places, values.T, vmin=low, vmax=high)
    units = spec.units if len(spec.units) < 30 else spec.dims[1]
    label = "0 to 1: low to high, of each" if is_mfcc else units
    axis.figure.colorbar(mesh, ax=axis, label=label)
    centres_hz = band_centres_hz(spec)
    axis.set_ylabel(
        "coefficient" if spec.extractor == "mfcc" else spec.dims[1] if centres_hz is None else "Hz"
    )
    if centres_hz is not None:
        bands = np.unique(np.linspace(0, values.shape[1] - 1, 6).round().astype(int))
        axis.set_yticks(bands, [f"{hz:.0f}" for hz in centres_hz[bands]])


def _each_in_its_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every column from 0 to 1, its outermost hundredths lying beyond; 0.5 where it is constant."""
    if not np.isfinite(values).any():
        return values
    low, high = np.nanpercentile(values, [1, 99], axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1)
    return np.where(np.isfinite(values) & (high == low), 0.5, scaled)


def band_centres_hz(spec: FeatureSpec) -> NDArray[np.float64] | None:
    """Where the filters of a log-mel feature have their peaks.

    Args:
        spec: The feature.

    Returns:
        (n_mels,) in Hz; None for another feature, or one that does not say.
    """
    from librosa import mel_frequencies

    params = _params(spec)
    if (
        spec.extractor != "logmel"
        or params.get("n_mels") != spec.shape[0]
        or not {"fmin", "fmax", "rate_hz"} <= params.keys()
    ):
        return None
    highest = params["fmax"] or params["rate_hz"] / 2
    return np.asarray(mel_frequencies(spec.shape[0] + 2, fmin=params["fmin"], fmax=highest)[1:-1])


def _params(spec: FeatureSpec) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(spec.params)
    return params


def edges(seconds: NDArray[np.float64], hop_s: float | None) -> NDArray[np.float64]:
    """Where each row's colour begins and ends: half-way to its neighbours.

    Args:
        seconds: (time,) of the rows.
        hop_s: From one row to the next, for a track of a single row.

    Returns:
        (time + 1,) in seconds.
    """
    if len(seconds) < 2:
        half = (hop_s or 0.1) / 2
        return np.array([seconds[0] - half, seconds[0] + half])
    between = (seconds[1:] + seconds[:-1]) / 2
    return np.concatenate([[2 * seconds[0] - between[0]], between, [2 * seconds[-1] - between[-1]]])
