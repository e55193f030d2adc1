"""Following faces and cropping them: the rules with a detector that reads boxes off a plan, and
all of it with real detectors."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from matplotlib.cbook import get_sample_data

from extractors.base import Rgb
from extractors.crops import Crops, CropSink, cut_square, square
from extractors.detectors import DETECTORS, Box, iou
from extractors.faces import Faces, FaceSink
from extractors.follow import linked
from extractors.frames import Frames, decode_jpeg
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from tests.support.media_made import scenery

CLIP = Clip("made/one", "made", None, None, "one", None, "one.mp4", "", 1)
GREY: Rgb = np.full((90, 160, 3), 90, np.uint8)
Plan = Callable[[int], Sequence[Box]]


def box(x: float, y: float = 20, side: float = 20, score: float = 0.9) -> Box:
    return Box(float(x), float(y), float(x + side), float(y + side), score)


class Planned:
    """A detector: frame k carries k in its first pixel, and shows the faces that the plan has for
    k."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.asked = plan, list[int]()

    def __call__(self, rgb: Rgb, min_score: float) -> list[Box]:
        self.asked.append(int(rgb[0, 0, 0]))
        return [b for b in self.plan(self.asked[-1]) if b.score >= min_score]


def frame(k: int, scene: int = 0) -> Rgb:
    rgb = scenery(scene, 160, 90)
    rgb[0, 0] = k
    return rgb


def follow(
    plan: Plan,
    frames: int,
    fps: float = 10,
    faces: Faces | None = None,
    scenes: Mapping[int, int] | None = None,
) -> tuple[FaceSink, Planned]:
    """Push made frames; `scenes` gives the number of the scene from a frame on."""
    detector, scene = Planned(plan), 0
    sink = FaceSink(CLIP, faces or Faces(), detector)
    for k in range(frames):
        scene = (scenes or {}).get(k, scene)
        sink.push(k / fps, frame(k, scene))
    return sink, detector


def boxes(track: Track) -> list[tuple[float, ...]]:
    return [tuple(map(float, row[:4])) for row in track.values]


# --- the rules


def test_a_face_that_stays_is_looked_at_every_third_of_a_second_and_lies_on_a_line_between() -> (
    None
):
    sink, detector = follow(lambda k: [box(2 * k)], 31)
    track = sink.finish()
    assert detector.asked == list(range(0, 31, 3))
    np.testing.assert_allclose(track.values[:, 0], 2.0 * np.arange(31), atol=1e-4)
    np.testing.assert_allclose(track.values[:, 2] - track.values[:, 0], 20, atol=1e-4)
    assert track.valid.all()
    assert track.values.dtype == np.float32
    np.testing.assert_array_equal(track.seconds, np.arange(31) / 10)
    assert (track.values[:, 5] == 1).all()
    assert track.notes == ()


def test_boxes_between_follow_the_time_stamps_and_not_the_row_numbers() -> None:
    sink = FaceSink(CLIP, Faces(), Planned(lambda k: [box(5 * k)]))
    for k, seconds in enumerate([0.0, 0.25, 0.3, 0.6]):
        sink.push(seconds, frame(k))
    assert sink.finish().values[1, 0] == pytest.approx(10 * 0.25 / 0.3, abs=1e-4)


def test_the_last_frames_are_looked_at_though_no_look_is_due() -> None:
    sink, detector = follow(lambda k: [box(2 * k)], 30)
    assert sink.finish().valid.all()
    assert detector.asked[-1] == 29


def test_while_a_face_is_missing_every_frame_is_looked_at_and_none_is_filled() -> None:
    gone = {10, 11, 12, 13}
    sink, detector = follow(lambda k: [] if k in gone else [box(30)], 31)
    track = sink.finish()
    assert {k for k in range(31) if not track.valid[k]} == gone
    assert np.isnan(track.values[sorted(gone), :5]).all()
    assert (track.values[sorted(gone), 5] == 0).all()
    assert gone <= set(detector.asked)
    assert track.notes == ("face_gaps",)


def test_where_two_looks_do_not_pair_up_the_frames_between_are_looked_at() -> None:
    sink, detector = follow(lambda k: [box(30)] if k < 7 else [box(90)], 20)
    track = sink.finish()
    assert {7, 8} <= set(detector.asked)
    assert boxes(track)[6:8] == [box(30)[:4], box(90)[:4]]


def test_a_face_that_flashes_does_not_count() -> None:
    sink, _ = follow(lambda k: [box(30), box(100)] if k in {9, 10, 18} else [box(30)], 31)
    track = sink.finish()
    assert (track.values[:, 5] == 1).all()
    sink, _ = follow(lambda k: [box(100)] if k in {9, 10, 18} else [], 31)
    with pytest.raises(
        BadClip,
        match=r"looked at \d+ of 31 frames and had hits in 2 \(best score 0.90\), "
        r"none of which lasted 0.5 s",
    ) as bad:
        sink.finish()
    assert bad.value.reason is Reason.NO_FACE


def test_no_hit_at_all_says_how_many_frames_were_looked_at() -> None:
    sink, _ = follow(lambda k: [box(30, score=0.5)], 10)
    with pytest.raises(
        BadClip, match=r"looked at 4 of 10 frames and found nothing with a score of 0.6 or more"
    ):
        sink.finish()


def test_no_frame_is_no_video() -> None:
    sink = Faces().sink(CLIP, {})
    with pytest.raises(BadClip) as bad:
        sink.finish()
    assert bad.value.reason is Reason.NO_VIDEO


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_in_a_clip_of_a_few_frames_a_face_counts(frames: int) -> None:
    sink, _ = follow(lambda k: [box(30)], frames)
    assert sink.finish().valid.all()


def test_nothing_is_interpolated_across_a_cut() -> None:
    sink, detector = follow(lambda k: [box(30)] if k < 8 else [box(40)], 20, scenes={8: 1})
    track = sink.finish()
    assert {7, 8} <= set(detector.asked)
    assert boxes(track) == [box(30)[:4]] * 8 + [box(40)[:4]] * 12
    assert track.notes == ("face_changes",)


def test_a_face_counts_in_half_of_a_short_shot() -> None:
    def plan(k: int) -> list[Box]:
        return [] if k == 10 else [box(90)] if 10 < k < 13 else [box(20)]

    sink, _ = follow(plan, 31, scenes={10: 1, 13: 0})
    track = sink.finish()
    assert np.flatnonzero(~track.valid).tolist() == [10]
    assert (track.values[11:13, 0] == 90).all()


def test_a_face_that_a_fade_shows_for_a_row_beyond_the_cut_keeps_that_row() -> None:
    def plan(k: int) -> list[Box]:
        return [box(20)] if k < 9 else [box(90)]

    sink, _ = follow(plan, 31, scenes={8: 1})
    assert sink.finish().valid.all()
    sink, _ = follow(lambda k: plan(k - 2), 31, scenes={12: 1})
    assert sink.finish().valid.all()


def test_a_hit_beyond_a_cut_at_another_place_is_still_a_flash() -> None:
    sink, _ = follow(
        lambda k: [box(20)] if k < 8 else [box(90)] if k == 8 else [], 31, scenes={8: 1}
    )
    assert (sink.finish().values[8:, 5] == 0).all()


def test_without_a_cut_the_same_boxes_are_one_face_and_are_interpolated() -> None:
    sink, detector = follow(lambda k: [box(30)] if k < 8 else [box(40)], 20)
    track = sink.finish()
    assert 8 not in detector.asked
    assert track.values[8, 0] == pytest.approx(30 + 10 * 2 / 3, abs=1e-4)
    assert track.notes == ()


def test_of_two_faces_the_larger_is_followed_and_many_faces_is_noted() -> None:
    sink, _ = follow(lambda k: [box(10, score=0.99), box(100, side=30, score=0.7)], 20)
    track = sink.finish()
    assert (track.values[:, 0] == 100).all()
    assert (track.values[:, 5] == 2).all()
    assert track.notes == ("many_faces",)


def test_a_second_face_in_a_tenth_of_the_frames_is_not_yet_many() -> None:
    faces = Faces(many_faces_share=0.3)

    def plan(k: int) -> list[Box]:
        return [box(30), box(100, side=10)] if k < 30 else [box(30)]

    # The second face is last looked at in frame 27, so it is found in 28 rows.
    assert follow(plan, 94, faces=faces)[0].finish().notes == ()
    assert follow(plan, 93, faces=faces)[0].finish().notes == ("many_faces",)


def test_while_the_main_face_is_missing_for_a_moment_nobody_takes_its_place() -> None:
    sink, _ = follow(
        lambda k: [box(10, side=10)] if 12 <= k < 16 else [box(10, side=10), box(100, side=30)], 31
    )
    track = sink.finish()
    assert not track.valid[12:16].any()
    assert (track.values[12:16, 5] == 1).all()
    assert np.nanmin(track.values[:, 0]) == 100


def test_after_a_long_absence_the_next_face_has_the_rows() -> None:
    sink, _ = follow(lambda k: [box(100, side=30)] if k < 20 else [box(10)], 40)
    track = sink.finish()
    assert (track.values[:20, 0] == 100).all()
    assert (track.values[20:, 0] == 10).all()
    assert "face_changes" in track.notes


def test_faces_that_cross_the_scene_keep_their_numbers() -> None:
    shown: list[set[int]] = []
    detector = Planned(
        lambda k: [box(10 + k), box(120 - k)] if k % 2 else [box(120 - k), box(10 + k)]
    )
    sink = FaceSink(CLIP, Faces(), detector)
    sink.listen(
        lambda rgb, seconds, found: shown.append({n for n, b in found.items() if b.left < 65})
    )
    for k in range(30):
        sink.push(k / 10, frame(k))
    sink.finish()
    assert len({frozenset(numbers) for numbers in shown}) == 1


def test_boxes_are_linked_to_the_nearest_and_each_once() -> None:
    before = [box(0), box(11)]
    assert sorted(linked([box(12), box(1)], before)) == [(0, 1), (1, 0)]
    assert linked([box(12), box(11)], before) == [(1, 1), (0, 0)]
    assert linked([box(40), box(0, side=40)], before) == []


def test_a_frame_that_stays_on_screen_is_looked_at_once() -> None:
    detector = Planned(lambda k: [box(30)])
    sink = FaceSink(CLIP, Faces(), detector)
    for seconds in [0.0, 0.1, 0.2, *[0.3] * 20, 2.4]:
        sink.push(seconds, GREY)
        assert len(sink._buffered) <= 2
    track = sink.finish()
    assert len(detector.asked) == 3
    assert track.valid.all()


def test_no_more_frames_wait_than_one_interval_has() -> None:
    sink = FaceSink(CLIP, Faces(), Planned(lambda k: [box(30)] if k % 40 < 25 else []))
    most = 0
    for k in range(240):
        sink.push(k / 30, frame(k, scene=k // 50 % 2))
        most = max(most, len(sink._buffered))
    assert most == 8


def test_listeners_get_every_frame_once_in_order_with_its_own_pixels() -> None:
    received: list[tuple[int, float]] = []
    sink = FaceSink(CLIP, Faces(), Planned(lambda k: [box(30)] if k % 7 else []))
    sink.listen(lambda rgb, seconds, found: received.append((int(rgb[0, 0, 0]), seconds)))
    for k in range(29):
        sink.push(k / 10, frame(k, scene=k // 10 % 2))
    sink.finish()
    assert received == [(k, k / 10) for k in range(29)]


# --- parameters


@pytest.mark.parametrize(
    "make",
    [
        lambda: Faces(detector="mtcnn"),
        lambda: Faces(every_s=-0.1),
        lambda: Faces(min_score=float("nan")),
        lambda: Faces(cut_difference=20.0),
        lambda: Crops(size=0),
        lambda: Crops(margin=-0.5),
        lambda: Crops(pixels="png"),
        lambda: Crops(quality=101),
    ],
)
def test_a_wrong_parameter_is_one_sentence(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"of (faces|crops) is .*, expected"):
        make()


def test_every_parameter_and_the_model_are_in_the_fingerprint() -> None:
    frames = Frames().spec("frames", {})
    specs = [
        faces.spec("faces", {"frames": frames})
        for faces in (Faces(), Faces(every_s=0.2), Faces(detector="haar"))
    ]
    assert len({spec.fingerprint for spec in specs}) == 3
    assert Faces().weights_sha256 == DETECTORS["blazeface_short"].model.sha256
    assert json.loads(specs[0].params)["min_lasting_s"] == 0.5
    crops = Crops().spec("crops", {"frames": frames, "faces": specs[0]})
    assert (crops.shape, crops.codec, crops.hop_s) == ((224, 224, 3), "jpeg", frames.hop_s)
    assert len(crops.needs) == 2


# --- crops

RAMP: Rgb = np.stack(
    np.broadcast_arrays(np.arange(160)[None], np.arange(90)[:, None], 7), axis=-1
).astype(np.uint8)


def test_the_square_has_the_box_in_its_middle_and_a_margin_on_every_side() -> None:
    assert square(Box(40, 30, 60, 50, 1), 0.25) == (35, 25, 30)
    assert square(Box(40, 30, 50, 50, 1), 0.25) == (30, 25, 30)
    assert square(Box(40, 30, 40.2, 30.2, 1), 0.0) == (40, 30, 1)


def test_a_crop_holds_exactly_the_pixels_of_its_square() -> None:
    np.testing.assert_array_equal(
        cut_square(RAMP, Box(40, 30, 60, 50, 1), 0.25, 30), RAMP[25:55, 35:65]
    )


@pytest.mark.parametrize(
    ("left", "top"), [(-8, -12), (150, 80), (-8, 80), (150, -12), (-60, 20), (200, 120)]
)
def test_beyond_the_frame_the_edge_is_repeated(left: int, top: int) -> None:
    rows, columns = (
        np.clip(np.arange(top, top + 20), 0, 89),
        np.clip(np.arange(left, left + 20), 0, 159),
    )
    found = cut_square(RAMP, Box(left, top, left + 20, top + 20, 1), 0.0, 20)
    np.testing.assert_array_equal(found, RAMP[rows][:, columns])


def test_a_crop_shrinks_by_area_and_grows_by_lines() -> None:
    checked = RAMP.copy()
    checked[::2] = 0
    square_of_40 = checked[10:50, 20:60]
    at = Box(20, 10, 60, 50, 1)
    np.testing.assert_array_equal(
        cut_square(checked, at, 0, 8),
        cv2.resize(square_of_40, (8, 8), interpolation=cv2.INTER_AREA),
    )
    np.testing.assert_array_equal(
        cut_square(checked, at, 0, 90),
        cv2.resize(square_of_40, (90, 90), interpolation=cv2.INTER_LINEAR),
    )


def crops_of(plan: Plan, frames: int, crops: Crops) -> tuple[FaceSink, CropSink]:
    faces = FaceSink(CLIP, Faces(), Planned(plan))
    sink = crops.sink(CLIP, {"faces": faces})
    for k in range(frames):
        picture = RAMP.copy()
        picture[0, 0] = k
        faces.push(k / 10, picture)
        sink.push(k / 10, picture)
    return faces, sink


@pytest.mark.parametrize("pixels", ["raw", "jpeg"])
@pytest.mark.parametrize("crops_first", [True, False])
def test_crops_show_the_followed_face_where_it_is_valid(pixels: str, crops_first: bool) -> None:

    def plan(k: int) -> list[Box]:
        return [box(60, side=10)] if 8 <= k < 11 else [box(60, side=10), box(100, 30, 30)]

    faces, sink = crops_of(plan, 21, Crops(size=30, margin=0.0, pixels=pixels))
    track, boxed = (
        (sink.finish(), faces.finish()) if crops_first else (faces.finish(), sink.finish())[::-1]
    )
    np.testing.assert_array_equal(track.valid, boxed.valid)
    np.testing.assert_array_equal(track.seconds, boxed.seconds)
    assert track.notes == boxed.notes == ("many_faces", "face_gaps")
    assert not track.valid[8:11].any()
    if pixels == "raw":
        assert track.values.shape == (21, 30, 30, 3)
        np.testing.assert_array_equal(
            track.values[track.valid], np.broadcast_to(RAMP[30:60, 100:130], (18, 30, 30, 3))
        )
    else:
        assert [len(image) > 0 for image in track.values] == track.valid.tolist()
        assert np.abs(decode_jpeg(track.values[0]).astype(int) - RAMP[30:60, 100:130]).mean() < 3


def test_crops_of_a_clip_without_a_face_fail_as_its_faces_do() -> None:
    faces, sink = crops_of(lambda k: [], 10, Crops())
    for finish in (sink.finish, faces.finish, sink.finish):
        with pytest.raises(BadClip) as bad:
            finish()
        assert bad.value.reason is Reason.NO_FACE


def test_no_more_than_four_faces_of_a_frame_are_cut() -> None:
    _, sink = crops_of(lambda k: [box(22 * i, side=10 + i) for i in range(7)], 7, Crops(size=8))
    assert [sorted(cut) for cut in sink._cut] == [[3, 4, 5, 6]] * 7
    assert sink.finish().valid.all()


def test_crops_refuse_faces_that_are_none() -> None:
    with pytest.raises(
        ValueError, match="crops of 'faces' need a feature made by `faces`, got a FramesSink"
    ):
        Crops().sink(CLIP, {"faces": Frames().sink(CLIP, {})})


# --- real detectors

PORTRAIT: Rgb = cv2.imread(get_sample_data("grace_hopper.jpg", asfileobj=False))[:, :, ::-1].copy()


def portrait_frame(k: int) -> Rgb:
    """The portrait on its way over a 640 x 480 frame, coming nearer."""
    scale = 0.65 + 0.003 * k
    small = cv2.resize(PORTRAIT, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rgb = np.full((480, 640, 3), (70, 90, 80), np.uint8)
    rgb[20 : 20 + small.shape[0], 10 + 5 * k : 10 + 5 * k + small.shape[1]] = small
    return rgb


@pytest.mark.parametrize("name", DETECTORS)
def test_interpolated_boxes_are_as_good_as_a_look_at_every_frame(name: str) -> None:
    sparse, dense = (
        Faces(detector=name).sink(CLIP, {}),
        Faces(detector=name, every_s=0.0).sink(CLIP, {}),
    )
    for k in range(25):
        for sink in (sparse, dense):
            sink.push(k / 10, portrait_frame(k))
    found = sparse.finish(), dense.finish()
    both = found[0].valid & found[1].valid
    assert both.mean() > 0.9
    assert (
        np.mean(
            [
                iou(Box(*a[:5]), Box(*b[:5]))
                for a, b in zip(*(track.values[both] for track in found), strict=True)
            ]
        )
        > 0.9
    )
    assert sparse._detections < dense._detections / 2


def real_frames(path: Path) -> list[tuple[float, Rgb]]:
    """About ten frames a second of a real clip."""
    with av.open(str(path)) as file:
        frames = itertools.islice(file.decode(video=0), 0, 120, 3)
        return [(float(f.time or 0), f.to_ndarray(format="rgb24")) for f in frames]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_cartoon_has_no_face(real_clips: Path, name: str) -> None:
    sink = Faces(detector=name).sink(CLIP, {})
    for seconds, rgb in real_frames(real_clips / "pyfeat_no_face.mp4"):
        sink.push(seconds, rgb)
    with pytest.raises(BadClip) as bad:
        sink.finish()
    assert bad.value.reason is Reason.NO_FACE


@pytest.mark.parametrize(
    "name",
    ["pyfeat_single_face.mp4", "sadtalker_WDA_AOC_000.mp4", "pyfeat_WolfgangLanger_Pexels.mp4"],
)
def test_the_detectors_agree_on_real_faces(real_clips: Path, name: str) -> None:
    frames = real_frames(real_clips / name)
    sinks = [
        Faces(detector=detector).sink(CLIP, {})
        for detector in ("blazeface_short", "blazeface_full")
    ]
    for sink, (seconds, rgb) in itertools.product(sinks, frames):
        sink.push(seconds, rgb)
    short, full = (sink.finish() for sink in sinks)
    assert short.valid.all()
    assert full.valid.all()
    assert (
        np.median(
            [iou(Box(*a[:5]), Box(*b[:5])) for a, b in zip(short.values, full.values, strict=True)]
        )
        > 0.75
    )


def test_a_smaller_face_that_comes_and_goes_costs_no_further_look() -> None:
    sink, detector = follow(lambda k: [box(30), box(100, side=10)] if k % 6 < 3 else [box(30)], 31)
    assert sink.finish().valid.all()
    assert detector.asked == list(range(0, 31, 3))
