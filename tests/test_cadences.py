"""Frames by number, and so many a clip: which ones, when, from one decode, and with the same pixels
as a plain decode."""

import hashlib
import random
from bisect import bisect_left
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from extractors.crops import Crops
from extractors.faces import Faces
from extractors.frames import Frames
from extractors.logmel import LogMel
from extractors.media import DECODERS, Limits, decode
from extractors.plan import Graph, Media, PlanError, measure
from extractors.pyav_decoder import PacketDecoder
from extractors.summary import Summary
from extractors.timegrid import Cadence, EveryNth, GridSpan, PerSecond, Spread, plan
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from tests.support.media_made import CLIPS, VIDEO_CODECS, Writer, a_clip, number_of

Shown = list[tuple[float, int]]
REAL = sorted(CLIPS.glob("*.mp4"))


def shown(path: Path, *cadences: Cadence, decoder: str = "pyav", **clip: Any) -> list[Shown]:
    """For each cadence, the time stamps and the numbers written into the made frames."""
    found: dict[Cadence, Shown] = {cadence: [] for cadence in cadences}

    def receiver(cadence: Cadence) -> Any:
        return lambda seconds, rgb: found[cadence].append((seconds, number_of(rgb)))

    grids = {cadence: receiver(cadence) for cadence in cadences}
    decode(a_clip(path, **clip), path, audio=False, grids=grids, limits=Limits(), decoder=decoder)
    return list(found.values())


def numbers(path: Path, cadence: Cadence, **how: Any) -> list[int]:
    return [number for _, number in shown(path, cadence, **how)[0]]


# Which frames


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("suffix", list(VIDEO_CODECS))
def test_every_fifth_frame_of_any_container_is_the_first_the_sixth_and_so_on(
    write_media: Writer, suffix: str, decoder: str
) -> None:
    path = write_media(f"clip{suffix}", frames=33, fps=25)
    assert numbers(path, EveryNth(5), decoder=decoder) == [0, 5, 10, 15, 20, 25, 30]
    assert numbers(path, EveryNth(1), decoder=decoder) == list(range(33))
    assert numbers(path, EveryNth(40), decoder=decoder) == [0]


@pytest.mark.parametrize("decoder", DECODERS)
def test_frames_are_counted_where_the_packets_do_not_tell_their_times(
    write_media: Writer, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AVI keeps decoding times only; frames that are decoded out of their order come out in it."""
    path = write_media("clip.avi", frames=23, fps=25, video_options={"bf": "2"})
    monkeypatch.setattr("extractors.grid_frames.can_plan", lambda pictures: False)
    assert numbers(path, EveryNth(5), decoder=decoder) == [0, 5, 10, 15, 20]
    both = shown(path, EveryNth(5), PerSecond(Fraction(5)), decoder=decoder)
    assert both[0] == both[1]
    assert numbers(path, EveryNth(2), decoder=decoder, start_s=0.2, end_s=0.5) == [5, 7, 9, 11]


def test_a_number_of_frames_is_spread_over_the_clip_each_in_the_middle_of_its_part(
    write_media: Writer,
) -> None:
    path = write_media(frames=60, fps=30)
    assert numbers(path, Spread(6)) == [5, 15, 25, 35, 45, 55]
    assert numbers(path, Spread(60)) == list(range(60))
    assert numbers(path, Spread(30)) == list(range(1, 60, 2))
    assert shown(path, Spread(1)) == [[(1.0, 30)]]


def test_a_clip_with_fewer_frames_than_asked_for_shows_some_of_them_longer(
    write_media: Writer,
) -> None:
    rows = shown(write_media(frames=5, fps=10), Spread(12))[0]
    assert len(rows) == 12
    assert sorted({number for _, number in rows}) == [0, 1, 2, 3, 4]
    assert all(seconds == number / 10 for seconds, number in rows)


def test_a_gap_counts_for_time_and_not_for_numbers(write_media: Writer) -> None:
    path = write_media(
        "gap.mkv",
        frames=6,
        stamps=[0, 100, 200, 1000, 1100, 1200],
        time_base=Fraction(1, 1000),
        fps=10,
    )
    assert numbers(path, EveryNth(2)) == [0, 2, 4]
    assert numbers(path, Spread(1)) == [2]


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_span_counts_its_own_frames(write_media: Writer, decoder: str) -> None:
    path = write_media("long.mkv", frames=60, fps=30)
    assert numbers(path, EveryNth(5), start_s=0.51, end_s=1.0, decoder=decoder) == [16, 21, 26]
    assert numbers(path, EveryNth(5), start_s=0.5, end_s=1.0, decoder=decoder) == [15, 20, 25]
    assert numbers(path, Spread(3), start_s=0.5, end_s=1.1, decoder=decoder) == [18, 24, 30]


def test_several_cadences_share_one_decode_and_do_not_change_each_other(
    write_media: Writer,
) -> None:
    path = write_media(frames=50, fps=25, audio_s=2.0)
    kinds = (PerSecond(Fraction(10)), EveryNth(5), Spread(1), Spread(9), EveryNth(7))
    assert shown(path, *kinds) == [shown(path, kind)[0] for kind in kinds]


@pytest.mark.skipif(not REAL, reason="the folder of real clips is not beside this checkout")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_clips_show_the_frames_that_a_plain_decode_numbers(path: Path) -> None:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        plainly = [
            (float(frame.pts * stream.time_base), frame.to_ndarray(format="rgb24"))
            for frame in file.decode(stream)
        ]
    wanted = [
        (seconds, hashlib.md5(np.ascontiguousarray(rgb)).hexdigest())
        for seconds, rgb in plainly[::5]
    ]
    for decoder in DECODERS:
        found: list[tuple[float, str]] = []
        push = {
            EveryNth(5): lambda seconds, rgb, found=found: found.append(
                (seconds, hashlib.md5(rgb).hexdigest())
            )
        }
        decode(a_clip(path), path, audio=False, grids=push, limits=Limits(), decoder=decoder)
        assert found == wanted


def test_frames_that_nobody_asked_for_are_not_decoded(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(
        frames=60, fps=30, video_options={"bf": "3", "b-pyramid": "none", "b-adapt": "0"}
    )
    decoded = []
    plainly = PacketDecoder._decode

    def counted(self: PacketDecoder, packet: Any) -> Any:
        for frame in plainly(self, packet):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(PacketDecoder, "_decode", counted)
    assert numbers(path, EveryNth(5)) == list(range(0, 60, 5))
    assert len(decoded) < 40
    decoded.clear()
    assert numbers(path, Spread(1)) == [30]
    assert len(decoded) < 10


def test_a_plan_of_no_length_has_no_row() -> None:
    for cadence in (PerSecond(Fraction(10)), Spread(3), EveryNth(1)):
        assert plan([0, 1, 2], (cadence,), Fraction(1), Fraction(1), Fraction(1, 10)) == {}


@pytest.mark.parametrize("seed", range(30))
def test_whole_numbers_count_what_exact_fractions_do(seed: int) -> None:
    draw = random.Random(seed)
    time_base = draw.choice([Fraction(1, 1000), Fraction(1, 15360), Fraction(1001, 30000)])
    origin = draw.choice([Fraction(0), Fraction(draw.random()), draw.randint(0, 999) * time_base])
    end = draw.choice([Fraction(draw.uniform(0, 4)), draw.randint(0, 4000) * time_base])
    stamps = sorted(draw.sample(range(8000), 60))
    span = GridSpan(origin, end, time_base, stamps)
    fps = draw.choice([Fraction(10), Fraction(2997, 100), Fraction(24000, 1001)])
    rows, step, length = draw.randint(1, 20), draw.randint(1, 7), max(end - origin, Fraction(0))
    times = [stamp * time_base for stamp in stamps]
    grids = {
        PerSecond(fps): [
            time for k in range(1 + int(fps * length)) if (time := origin + k / fps) < end
        ],
        Spread(rows): [origin + (2 * k + 1) * length / (2 * rows) for k in range(rows) if length],
        EveryNth(step): [time for time in times if origin <= time < end][::step],
    }
    for cadence, grid in grids.items():
        count = cadence.counter(span)
        for tick in (*stamps, *(span.first_tick(time) for time in (origin, end, *grid))):
            assert count(tick) == bisect_left(grid, tick * time_base)


# As features


def test_frames_say_how_they_are_spaced() -> None:
    assert (Frames().fps, Frames().spec("f", {}).hop_s) == (10.0, 0.1)
    assert (Frames(every=5).fps, Frames(every=5).spec("f", {}).hop_s) == (None, None)
    kinds = (
        Frames(size=8),
        Frames(size=8, every=5),
        Frames(size=8, count=5),
        Frames(size=8, count=1),
    )
    assert len({kind.spec("f", {}).fingerprint for kind in kinds}) == 4
    assert Frames(fps=10.0).spec("f", {}).fingerprint == Frames().spec("f", {}).fingerprint


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"fps": 10.0, "every": 5}, "fps and every of frames are both given"),
        ({"count": 3, "every": 5}, "count and every of frames are both given"),
        ({"every": 0}, "every of frames is 0"),
        ({"count": -1}, "count of frames is -1"),
    ],
)
def test_a_grid_is_said_once(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Frames(**wrong)


def outcome(graph: Graph, path: Path, *names: str) -> dict[str, Any]:
    return measure(graph, names, a_clip(path), path, Media())


def test_one_decode_serves_frames_of_every_kind_and_their_summaries(write_media: Writer) -> None:
    path = write_media(frames=45, fps=30, audio_s=1.5)
    graph = Graph(
        {
            "frames": Frames(),
            "every5": Frames(every=5, size=64),
            "ninety": Frames(count=90, size=64, pixels="jpeg"),
            "middle": Frames(count=1, size=224),
            "small": Frames(every=1, size=64),
            "large": Frames(every=1, size=224),
            "summary64": Summary(input="small"),
            "summary224": Summary(input="large"),
        }
    )
    tracks = outcome(graph, path, "every5", "ninety", "middle", "summary64", "summary224")
    assert {name: track.values.shape for name, track in tracks.items()} == {
        "every5": (9, 64, 64, 3),
        "ninety": (90,),
        "middle": (1, 224, 224, 3),
        "summary64": (1, 64, 64, 3),
        "summary224": (1, 224, 224, 3),
    }
    assert tracks["middle"].seconds == pytest.approx([22 / 30])
    assert tracks["summary64"].seconds == pytest.approx([22 / 30])


def test_a_summary_is_the_rounded_mean_of_the_pictures_that_are_valid() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    track = Track(
        values, np.arange(5.0), np.array([True, False, True, True, False]), ("face_gaps",)
    )
    one = Summary().extract(a_clip(Path("a.mp4")), {"input": track})  # type: ignore[arg-type]
    assert np.array_equal(one.values[0], np.rint(values[[0, 2, 3]].mean(axis=0)))
    assert (one.values.dtype, one.seconds.tolist(), one.valid.tolist(), one.notes) == (
        np.uint8,
        [5 / 3],
        [True],
        ("face_gaps",),
    )
    with pytest.raises(BadClip) as caught:
        Summary().extract(
            a_clip(Path("a.mp4")), {"input": Track(values, track.seconds, np.zeros(5, bool))}
        )  # type: ignore[arg-type]
    assert caught.value.reason == Reason.NO_FACE


def test_a_summary_needs_pictures() -> None:
    with pytest.raises(ValueError, match="summary averages pictures"):
        _ = Graph({"frames": Frames(), "summary": Summary()}).specs


def test_faces_are_followed_on_frames_by_number(real_clips: Path) -> None:
    path = real_clips / "sadtalker_WDA_AOC_000.mp4"
    graph = Graph(
        {
            "frames": Frames(every=5),
            "faces": Faces(),
            "crops": Crops(size=64),
            "face": Summary(input="crops"),
        }
    )
    tracks = outcome(graph, path, "faces", "crops", "face")
    assert len(tracks["faces"]) == len(tracks["crops"]) == 40
    assert np.diff(tracks["crops"].seconds) == pytest.approx(0.2)
    assert tracks["crops"].valid.all()
    assert tracks["face"].values.shape == (1, 64, 64, 3)
    assert tracks["face"].values.std() > 20


def test_needs_on_different_grids_are_refused_with_a_sentence() -> None:
    graph = Graph(
        {
            "frames": Frames(),
            "native": Frames(every=5),
            "faces": Faces(),
            "crops": Crops(frames="native"),
        }
    )
    with pytest.raises(PlanError, match="crops is measured on frames of 2 time grids"):
        graph.cadence("crops")


def test_what_is_made_from_tracks_cannot_stand_for_decoded_frames() -> None:
    graph = Graph(
        {"frames": Frames(size=64), "one": Summary(), "faces": Faces(frames="one"), "mel": LogMel()}
    )
    with pytest.raises(PlanError, match="its need one is made by summary"):
        Graph({name: kind for name, kind in graph.extractors.items() if name != "mel"}).cadence(
            "faces"
        )
