"""Alignment: on media whose sound and pictures start apart, and against a plain reference."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.frames import Frames
from extractors.logmel import LogMel
from extractors.plan import Graph, Media, measure
from manifests.tracks import Track
from stores import Clock, Length, Like, Steps, Windows, collate
from stores.align import Alignment, How
from tests.support.media_made import a_clip


def made(
    seconds: Any,
    shape: tuple[int, ...] = (2,),
    dtype: str = "float32",
    invalid: tuple[int, ...] = (),
) -> Track:
    """A track whose row i holds i in every place, and NaN or 7 where it is not valid; read-only, as
    rows of a store are."""
    at = np.array(seconds, np.float64)
    values = np.zeros((len(at), *shape), dtype) + np.arange(len(at)).reshape(
        -1, *[1] * len(shape)
    ).astype(dtype)
    valid = ~np.isin(np.arange(len(at)), invalid)
    values[~valid] = np.nan if values.dtype.kind == "f" else 7
    for array in (values, at, valid):
        array.flags.writeable = False
    return Track(values, at, valid, ("silent",))


def firsts(track: Track) -> list[float]:
    """The first number of each row."""
    return [float(row.flat[0]) for row in track.values]


def shape(track: Track) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return track.values.shape, track.valid.shape


# Media whose sound and pictures start apart.


def write_film(
    path: Path, *, picture_s: Fraction, sound_s: Fraction, event_s: Fraction, codec: str
) -> Path:
    """2 s of black pictures at 25 a second from `picture_s` on, 2 s of silence from `sound_s` on; a
    white one and a click at `event_s`."""
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("libx264", rate=25), out.add_stream(codec, rate=16000)
        assert isinstance(video, av.VideoStream)
        assert isinstance(audio, av.AudioStream)
        video.width = video.height = 64
        video.pix_fmt, video.codec_context.time_base, audio.layout = (
            "yuv420p",
            Fraction(1, 1000),
            "mono",
        )
        for i in range(50):
            at = picture_s + Fraction(i, 25)
            frame = av.VideoFrame.from_ndarray(
                np.full((64, 64, 3), 255 * (at == event_s), np.uint8), "rgb24"
            ).reformat(format="yuv420p")
            frame.pts, frame.time_base = int(at * 1000), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        write_sound(out, audio, int(sound_s * 16000), int((event_s - sound_s) * 16000))
    return path


def write_sound(
    out: av.container.OutputContainer, audio: av.AudioStream, start: int, click: int
) -> None:
    samples = np.zeros(32000, np.float32)
    samples[click] = 0.9
    for at in range(0, len(samples), 1000):
        frame = av.AudioFrame.from_ndarray(
            samples[None, at : at + 1000], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 16000, start + at, Fraction(1, 16000)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


def measured(path: Path) -> dict[str, Track]:
    graph = Graph({"audio": Audio(), "frames": Frames(fps=25, size=32), "logmel": LogMel(n_mels=8)})
    outcomes = measure(graph, set(graph.extractors), a_clip(path), path, Media())
    tracks = {name: track for name, track in outcomes.items() if isinstance(track, Track)}
    assert set(tracks) == {"audio", "frames", "logmel"}
    frames = tracks["frames"]
    light = frames.values.mean(
        axis=(1, 2, 3), dtype=np.float32
    )  # as an embedding of each frame would be: floats
    return tracks | {"light": Track(light[:, None], frames.seconds, frames.valid)}


def loudest(track: Track) -> int:
    """The row with the greatest number: the click, or the white picture."""
    return int(np.nanargmax(track.values.astype(np.float64).reshape(len(track), -1).max(axis=1)))


APART = {
    "pictures later": (Fraction("0.36"), Fraction(0)),
    "sound later": (Fraction(0), Fraction("0.25")),
    "sound a little later": (Fraction(0), Fraction("0.113")),
}


OWN_S = {"audio": 0.001, "light": 0.001, "logmel": 0.006, "frames": 0.02}
"""How far from the event a row of its own may lie: AAC moves the greatest sample by less than 1 ms,
a row of log-mel is up to 5 ms from a click between two, and the white picture is the nearest one
for 20 ms on both sides."""


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "pcm_s16le"), (".mp4", "aac")], ids=["mkv", "mp4"]
)
@pytest.mark.parametrize("apart", APART.values(), ids=APART.keys())
@pytest.mark.parametrize("frame", [13, 22, 31])
def test_a_click_and_a_flash_at_one_time_meet_in_one_row(
    tmp_path: Path, apart: tuple[Fraction, Fraction], frame: int, suffix: str, codec: str
) -> None:
    picture_s, sound_s = apart
    event_s = picture_s + Fraction(frame, 25)
    tracks = measured(
        write_film(
            tmp_path / f"film{suffix}",
            picture_s=picture_s,
            sound_s=sound_s,
            event_s=event_s,
            codec=codec,
        )
    )
    assert tracks["audio"].seconds[0] != tracks["frames"].seconds[0]
    assert tracks["frames"].seconds[loudest(tracks["frames"])] == pytest.approx(
        float(event_s), abs=1e-6
    )  # the film is what it should be
    slices = Clock(0.12, how={"audio": 1920, "frames": 3})
    met = slices(tracks)
    assert len({loudest(met[name]) for name in ("audio", "frames", "light")}) == 1
    rows = {name: track for name, track in tracks.items() if name != "audio"}
    for align, hop_s, aligned in (
        (slices, 0.12, met),
        (Clock(0.04), 0.04, Clock(0.04)(rows)),
        (Like("frames"), 0.04, Like("frames")(rows)),
        (Like("logmel"), 0.01, Like("logmel")(rows)),
        (Steps(90), 0.03, Steps(90)(rows)),
    ):
        for name, track in aligned.items():
            error_s = abs(track.seconds[loudest(track)] - float(event_s))
            assert error_s < hop_s / 2 + OWN_S[name], f"{name} by {align} is {error_s:.4f} s off"


def test_a_real_clip_whose_pictures_start_late_is_on_one_clock(real_clips: Path) -> None:
    """Its sound starts at 8 ms, its first picture is at 852 ms: without the time stamps one would
    be 0.84 s off the other."""
    tracks = measured(real_clips / "short_hamilton_clip.mp4")
    sound, first = tracks["audio"], tracks["frames"].seconds[0]
    assert first - sound.seconds[0] > 0.8
    aligned = Clock(0.1, how={"audio": 1600})(tracks)
    assert [len(track) for track in aligned.values()] == [92] * 4
    assert all(
        track.valid[:-1].all() for track in aligned.values()
    )  # the last window may outlast the sound
    begun = int(np.searchsorted(sound.seconds, first - 1e-6))
    np.testing.assert_array_equal(
        aligned["audio"].values[:-1].ravel(), sound.values[begun : begun + 91 * 1600]
    )


# Against a plain reference, in milliseconds without fractions.


def random_track(rng: np.random.Generator) -> tuple[list[int], Track]:
    """Rows at uneven times in ms, some at the same time (and then alike: a frame that stayed on
    screen), some not valid."""
    stamps = np.sort(
        rng.integers(0, 1500, rng.integers(1, 60)) * int(rng.choice([1, 10, 50])) % 1500
    ) + int(rng.integers(0, 300))
    values, good = (
        rng.normal(size=(1800, 3)).astype(np.float32),
        rng.random(1800) < rng.choice([0.7, 1.0]),
    )
    valid = good[stamps]
    return stamps.tolist(), Track(
        np.where(valid[:, None], values[stamps], np.float32(np.nan)), stamps / 1000, valid
    )


def mean_of(stamps: list[int], track: Track, low: int, high: int) -> Any:
    """The row of the window [low, high) by the rule, or None: plain Python, exact times."""
    inside = [i for i, stamp in enumerate(stamps) if low <= stamp < high]
    if not inside:
        return linear_of(stamps, track, min(Fraction(low + high, 2), Fraction(stamps[-1])))
    good = [track.values[i].astype(np.float64) for i in inside if track.valid[i]]
    return np.mean(good, axis=0) if good else None


def linear_of(stamps: list[int], track: Track, at: Fraction) -> Any:
    if not stamps[0] <= at <= stamps[-1]:
        return None
    left = max(i for i, stamp in enumerate(stamps) if stamp <= at)
    right = left if stamps[left] == at else min(i for i, stamp in enumerate(stamps) if stamp > at)
    if not (track.valid[left] and track.valid[right]):
        return None
    share = float((at - stamps[left]) / (stamps[right] - stamps[left])) if right > left else 0.0
    return track.values[left] * (1 - share) + track.values[right] * share


def nearest_of(stamps: list[int], track: Track, at: Fraction) -> Any:
    if not stamps[0] <= at <= stamps[-1]:
        return None
    row = min(range(len(stamps)), key=lambda i: (abs(stamps[i] - at), stamps[i]))
    return track.values[row] if track.valid[row] else None


def assert_rows(track: Track, expected: list[Any]) -> None:
    assert track.valid.tolist() == [row is not None for row in expected]
    for found, row in zip(track.values, expected, strict=True):
        np.testing.assert_allclose(
            found, np.full(3, np.nan) if row is None else row, rtol=2e-6, atol=2e-6
        )


SEEDS = range(150)


@pytest.mark.parametrize("how", ["mean", "nearest"])
def test_a_clock_is_the_plain_rule_on_uneven_times(how: How) -> None:
    windows = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        hop = int(rng.choice([40, 100, 333]))
        (a_ms, a), (b_ms, b) = random_track(rng), random_track(rng)
        start, end = max(a_ms[0], b_ms[0]), min(a_ms[-1], b_ms[-1])
        lows = range(start, end + 1, hop)
        aligned = Clock(hop / 1000, how={"a": how, "b": how})({"a": a, "b": b})
        for name, stamps, track in (("a", a_ms, a), ("b", b_ms, b)):
            np.testing.assert_allclose(
                aligned[name].seconds, [(low + hop / 2) / 1000 for low in lows], atol=1e-9
            )
            middles = [min(Fraction(2 * low + hop, 2), Fraction(stamps[-1])) for low in lows]
            rows = [mean_of(stamps, track, low, low + hop) for low in lows]
            assert_rows(
                aligned[name],
                rows if how == "mean" else [nearest_of(stamps, track, at) for at in middles],
            )
        windows += len(lows)
    assert windows > 1000


def test_the_grid_of_another_feature_is_the_plain_rule_on_uneven_times() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        (a_ms, a), (b_ms, b) = random_track(rng), random_track(rng)
        aligned = Like("a")({"a": a, "b": b, "c": made(b.seconds, (), "uint8")})
        assert aligned["a"] is a
        assert_rows(aligned["b"], [linear_of(b_ms, b, Fraction(at)) for at in a_ms])
        assert all(aligned[name].seconds is a.seconds for name in aligned)
        assert aligned["c"].valid.tolist() == [b_ms[0] <= at <= b_ms[-1] for at in a_ms]


def test_steps_are_the_plain_rule_on_uneven_times() -> None:
    for seed in SEEDS:
        (a_ms, a), (b_ms, b) = (random_track(np.random.default_rng([seed, i])) for i in range(2))
        start, end = max(a_ms[0], b_ms[0]), min(a_ms[-1], b_ms[-1])
        aligned = Steps(7)({"a": a, "b": b})
        if start > end:
            assert all(
                np.isnan(track.seconds).all() and not track.valid.any() and len(track) == 7
                for track in aligned.values()
            )
            continue
        times = [start + Fraction((end - start) * i, 6) for i in range(7)]
        np.testing.assert_allclose(
            aligned["a"].seconds, [float(at) / 1000 for at in times], atol=1e-9
        )
        assert_rows(aligned["b"], [linear_of(b_ms, b, at) for at in times])


# Rule by rule.


@pytest.mark.parametrize("start", [0.0, 0.1, 1 / 3, 7.033])
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_rounding_moves_no_row_over_the_edge_of_a_window(rows: int, start: float) -> None:
    """0.3 / 0.1 is less than 3 in floating point, and so are many others."""
    stamps = start + np.arange(rows) * 0.1
    for how in ("mean", "nearest", 1):
        aligned = Clock(0.1, how={"x": how})({"x": made(stamps)})["x"]
        assert firsts(aligned) == list(range(rows))
        assert aligned.valid.all()
        np.testing.assert_allclose(aligned.seconds, stamps + 0.05)


def test_a_clock_runs_while_every_feature_does() -> None:
    aligned = Clock(0.1)(
        {"sound": made(np.arange(300) * 0.01), "faces": made(0.533 + np.arange(20) * 0.1)}
    )
    assert len(aligned["sound"]) == len(aligned["faces"]) == 20
    assert aligned["faces"].seconds[0] == pytest.approx(0.583)
    assert aligned["sound"].valid.all()
    assert firsts(aligned["sound"])[:2] == [
        pytest.approx(58.5),
        pytest.approx(68.5),
    ]  # rows 54 to 63: 0.54 to 0.63 s


def test_features_without_a_common_time_give_no_window() -> None:
    aligned = Clock(0.1)({"a": made([0.0, 0.5]), "b": made([1.0, 2.0], (2, 2), "uint8")})
    assert [shape(track) for track in aligned.values()] == [((0, 2), (0,)), ((0, 2, 2), (0,))]


def test_rows_that_are_not_valid_are_in_no_mean_and_a_window_of_them_is_not_valid() -> None:
    track = made(np.arange(9) * 0.04, invalid=(1, 3, 4, 5))
    aligned = Clock(0.12)({"x": track})["x"]
    assert aligned.valid.tolist() == [True, False, True]
    assert firsts(aligned)[::2] == [1.0, 7.0]
    assert np.isnan(aligned.values[1]).all()


def test_a_feature_slower_than_the_clock_is_interpolated_between_its_rows() -> None:
    """Pictures at 24 a second on a grid of 10 leave one window in ten without a picture of its
    own."""
    stamps = np.floor(np.arange(31) * 2.4) / 24
    aligned = Clock(0.1)(
        {"x": Track(stamps[:, None].astype(np.float32), stamps, np.ones(31, bool))}
    )["x"]
    assert aligned.valid.all()
    assert np.abs(aligned.values[:-1, 0] - aligned.seconds[:-1]).max() <= 0.05
    gap = Clock(0.1)({"x": made([0.0, 0.05, 1.0], invalid=(1,))})["x"]
    assert gap.valid.tolist() == [True] + [False] * 9 + [
        True
    ]  # nothing is known beside a row that is not valid


def test_pictures_are_never_mixed() -> None:
    pictures = made(np.arange(20) / 30, (4, 4, 3), "uint8", invalid=(8,))
    for align in (Clock(0.1), Steps(11), Like("grid")):
        found = align({"pictures": pictures, "grid": made(np.arange(60) / 100)})["pictures"]
        assert found.values.dtype == np.uint8
        assert len(found) == len(found.valid) > 5
        for row in found.values[found.valid]:
            assert (row == row.flat[0]).all()
            assert row.flat[0] in range(20)
        assert (found.values[~found.valid] == 0).all()
    assert firsts(Clock(0.1)({"x": made(np.arange(6) / 30, (), "uint8")})["x"]) == [1, 4]
    with pytest.raises(
        ValueError, match="takes the mean of pictures, which is uint8; take the nearest row"
    ):
        Clock(0.1, how={"pictures": "mean"})({"pictures": pictures})


def test_of_two_rows_equally_near_the_earlier_is_taken() -> None:
    frames = made(np.arange(30) * 0.1, (), "uint8")
    assert firsts(Clock(0.1)({"frames": frames})["frames"]) == list(range(30))


def test_slices_of_sound_are_the_sound() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=48000).astype(np.float32)
    for start in (0.0, 0.0213, 1 / 3):
        sound = Track(samples, start + np.arange(48000) / 16000, np.ones(48000, bool))
        slices = Clock(0.1, how={"audio": 1600})({"audio": sound})["audio"]
        assert shape(slices) == ((30, 1600), (30,))
        assert slices.valid.all()
        np.testing.assert_array_equal(slices.values.ravel(), samples)
    late = Clock(0.1, how={"audio": 1600})(
        {"audio": sound, "faces": made(sound.seconds[0] + 0.033 + np.arange(30) * 0.1)}
    )["audio"]
    assert late.valid.tolist() == [True] * 29 + [False]  # the last window outlasts the sound
    np.testing.assert_array_equal(late.values[:-1].ravel(), samples[528 : 528 + 29 * 1600])
    assert np.isnan(late.values[-1]).all()


def test_a_slice_is_valid_where_all_its_rows_are() -> None:
    aligned = Clock(0.1, how={"x": 5})({"x": made(np.arange(20) * 0.02, invalid=(7,))})["x"]
    assert shape(aligned) == ((4, 5, 2), (4,))
    assert aligned.valid.tolist() == [True, False, True, True]
    assert aligned.values[2, :, 0].tolist() == [10, 11, 12, 13, 14]
    with pytest.raises(
        ValueError,
        match="takes 10 rows of x from each window, but the windows hold 5 at most; ask for 5 or "
        "fewer",
    ):
        Clock(0.1, how={"x": 10})({"x": made(np.arange(20) * 0.02)})


def test_60_steps_of_90_frames_are_what_numpy_interpolates() -> None:
    rng = np.random.default_rng(0)
    frames = Track(
        rng.normal(size=(90, 5)).astype(np.float32), 0.033 + np.arange(90) / 30, np.ones(90, bool)
    )
    steps = Steps(60)({"frames": frames})["frames"]
    expected = np.stack(
        [np.interp(np.linspace(0, 89, 60), np.arange(90), column) for column in frames.values.T],
        axis=1,
    )
    np.testing.assert_allclose(steps.values, expected, atol=1e-6)
    assert (steps.seconds[0], steps.seconds[-1]) == (frames.seconds[0], frames.seconds[-1])
    assert steps.values.dtype == np.float32


def test_half_precision_is_interpolated_in_single() -> None:
    values = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float16)
    steps = Steps(97)({"x": Track(values, np.arange(40.0), np.ones(40, bool))})["x"]
    at = np.linspace(0, 39, 97)
    exact = np.stack(
        [np.interp(at, np.arange(40), column) for column in values.T.astype(np.float64)], axis=1
    )
    assert steps.values.dtype == np.float16
    np.testing.assert_allclose(
        steps.values, exact.astype(np.float16), rtol=1e-3, atol=1e-6
    )  # one unit in the last place at most


def test_rows_at_one_time_but_for_rounding_are_taken_as_they_are() -> None:
    """Each row is its own, and a row beside it that is not valid does not matter."""
    stamps = np.arange(50) * 0.1
    summed = np.cumsum(np.full(50, 0.1)) - 0.1
    assert (stamps < summed).any()
    assert (stamps > summed).any()
    for one, other in ((stamps, summed), (summed, stamps)):
        track = made(one, invalid=tuple(range(0, 50, 2)))
        aligned = Like("grid")({"grid": made(other), "x": track})["x"]
        assert aligned.valid.tolist() == track.valid.tolist()
        np.testing.assert_allclose(aligned.values, track.values, atol=1e-6)


def test_nothing_is_made_up_beyond_a_features_own_rows() -> None:
    aligned = Like("grid")(
        {
            "grid": made(np.arange(10) * 0.1),
            "x": made([0.25, 0.35, 0.65]),
            "y": made([0.3], (), "int64"),
        }
    )
    assert aligned["x"].valid.tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert aligned["y"].valid.tolist() == [i == 3 for i in range(10)]
    assert aligned["y"].values.tolist() == [0] * 10


@pytest.mark.parametrize(
    "align", [Clock(0.1, keep=["summary"]), Steps(5, keep=["summary"]), Like("x", keep=["summary"])]
)
def test_a_feature_that_is_kept_is_off_the_clock(align: Alignment) -> None:
    tracks = {"x": made(np.arange(5) * 0.1), "summary": made([40.0])}
    aligned = align(tracks)
    assert aligned["summary"] is tracks["summary"]
    assert firsts(aligned["x"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("align", [Clock(0.1, how={"s": 4}), Steps(12), Like("x")])
def test_a_feature_without_a_row_has_none_that_is_valid(align: Alignment) -> None:
    tracks = {
        "x": made(np.arange(12) * 0.1),
        "none": made([], (3, 3), "uint8"),
        "empty": made([]),
        "s": made([]),
    }
    aligned = align(tracks)
    assert [len(track) for track in aligned.values()] == [12] * 4
    assert aligned["x"].valid.all()
    assert not any(aligned[name].valid.any() for name in ("none", "empty", "s"))
    assert aligned["none"].values.shape == (12, 3, 3)
    assert aligned["s"].values.shape == ((12, 4, 2) if isinstance(align, Clock) else (12, 2))
    assert np.isnan(aligned["empty"].values).all()
    nothing = align({name: made([], shape=tracks[name].values.shape[1:]) for name in tracks})
    assert not any(track.valid.any() for track in nothing.values())


def test_a_length_crops_and_pads() -> None:
    tracks = {
        "mel": made(np.arange(300) * 0.01),
        "frames": made(np.arange(9) / 30, (2, 2, 3), "uint8"),
        "other": made([1.0]),
    }
    cut = Length({"mel": 256, "frames": 12})(tracks)
    assert [len(track) for track in cut.values()] == [256, 12, 1]
    assert np.shares_memory(cut["mel"].values, tracks["mel"].values)
    assert cut["frames"].valid.tolist() == [True] * 9 + [False] * 3
    assert np.isnan(cut["frames"].seconds[9:]).all()
    assert (cut["frames"].values[9:] == 0).all()
    assert [len(track) for track in Length(20)(tracks).values()] == [20, 20, 20]
    assert np.isnan(Length(20)(tracks)["other"].values[1:]).all()


@pytest.mark.parametrize(
    ("rows", "length", "stride", "starts"),
    [
        (10, 4, 2, [0, 2, 4, 6]),
        (11, 4, 2, [0, 2, 4, 6, 8]),
        (3, 4, 1, [0]),
        (4, 4, 4, [0]),
        (9, 4, 4, [0, 4, 8]),
        (0, 4, 2, []),
    ],
)
def test_windows_hold_every_row_and_are_padded_at_the_end(
    rows: int, length: int, stride: int, starts: list[int]
) -> None:
    track = made(0.5 + np.arange(rows) * 0.1, invalid=(1,))
    windows = Windows(length, stride)({"x": track})["x"]
    assert shape(windows) == ((len(starts), length, 2), (len(starts), length))
    assert windows.seconds.tolist() == track.seconds[starts].tolist()
    for window, start in enumerate(starts):
        expected = track.values[start : start + length]
        np.testing.assert_array_equal(windows.values[window, : len(expected)], expected)
        assert windows.valid[window].tolist() == [
            start + i < rows and start + i != 1 for i in range(length)
        ]
    assert {row for start in starts for row in range(start, start + length)} >= set(range(rows))


def test_windows_without_padding_copy_nothing() -> None:
    track = made(np.arange(100) * 0.1, (64, 64, 3), "uint8")
    assert np.shares_memory(Windows(20, 10)({"x": track})["x"].values, track.values)


def test_windows_need_one_grid() -> None:
    two = {"mel": made(np.arange(300) * 0.01), "frames": made(np.arange(30) * 0.1)}
    with pytest.raises(
        ValueError,
        match="Windows counts rows, and mel and frames lie on two grids; put a Clock, Steps or "
        "Like before it",
    ):
        Windows(10, 5)(two)
    shifted = {"mel": two["mel"], "mfcc": made(0.004 + np.arange(300) * 0.01)}
    with pytest.raises(ValueError, match="mel and mfcc lie on two grids"):
        Windows(10, 5)(shifted)
    one = Windows(10, 5)(Clock(0.1)({**two, "empty": made([])}))
    assert [track.values.shape for track in one.values()] == [(5, 10, 2)] * 3
    assert not one["empty"].valid.any()


def test_a_batch_takes_windows_and_masks_their_rows() -> None:
    items = [
        (name, Windows(4, 2)({"x": made(np.arange(rows) * 0.1, (3,), invalid=(2,))}), None)
        for name, rows in (("a", 9), ("b", 3))
    ]
    batch = collate(items)
    assert batch["values"]["x"].shape == (2, 4, 4, 3)
    assert batch["lengths"]["x"].tolist() == [4, 1]
    assert batch["mask"]["x"][1].tolist() == [[True, True, False, False]] + [[False] * 4] * 3
    assert np.isfinite(batch["values"]["x"]).all()
    assert (batch["values"]["x"][~batch["mask"]["x"]] == 0).all()
    found = batch["values"]["x"].reshape(-1, 4, 3)[batch["mask"]["x"].reshape(-1, 4).any(-1)]
    assert len(found) == 5


def test_what_is_stored_stays_as_it_is_and_what_is_made_may_be_written_to() -> None:
    tracks = {
        "x": made(np.arange(40) * 0.05, invalid=(3, 17)),
        "p": made(np.arange(20) * 0.1, (2, 2), "uint8", invalid=(5,)),
    }
    before = {name: (track.values.copy(), track.valid.copy()) for name, track in tracks.items()}
    for align in (
        Clock(0.1),
        Clock(0.1, how={"x": 2, "p": "nearest"}),
        Steps(9),
        Like("p"),
        Length(50),
        Length(3),
    ):
        aligned = align(tracks)
        assert all(track.notes == ("silent",) for track in aligned.values())
    for name, (values, valid) in before.items():
        np.testing.assert_array_equal(tracks[name].values, values)
        np.testing.assert_array_equal(tracks[name].valid, valid)


def wrong(make: Any, tracks: Mapping[str, Track] | None = None) -> str:
    with pytest.raises(ValueError, match=r"^\S") as caught:
        make()({} if tracks is None else tracks)
    return str(caught.value)


def test_what_cannot_be_is_said_in_a_sentence() -> None:
    tracks = {"x": made([0.0, 0.1])}
    assert "hop_s of Clock is 0, expected seconds above 0" in wrong(lambda: Clock(0))
    assert "takes x by 'middle', expected 'mean', 'nearest', or a number" in wrong(
        lambda: Clock(0.1, how={"x": "middle"})
    )  # type: ignore[dict-item]
    assert "takes x by 0, expected" in wrong(lambda: Clock(0.1, how={"x": 0}))
    assert "keep is the text 'x', expected a list of names" in wrong(lambda: Steps(5, keep="x"))
    assert "n of Steps is 1, expected at least 2" in wrong(lambda: Steps(1))
    assert "a Length of 0 rows" in wrong(lambda: Length({"x": 0}))
    assert "length 4 and stride 5, expected 1 <= stride <= length" in wrong(lambda: Windows(4, 5))
    for align in (Clock(0.1, how={"y": 3}), Clock(0.1, keep=["y"]), Like("y"), Length({"y": 3})):
        assert "the alignment names 'y', which is not among the features x" in wrong(
            lambda align=align: align, tracks
        )
    backwards: NDArray[np.float64] = np.array([0.1, 0.0])
    assert "the rows of x are not in the order of time" in wrong(
        lambda: Steps(5), {"x": made(backwards)}
    )
