"""A clip that is decided while it runs is decided as it is from a store."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from examples import stream, tcs2026
from examples.joint import Backbone, JointSettings, end_to_end
from examples.live import Live, LiveEncoder, LiveFaces, LiveFrame, LiveFusion, LiveSound
from examples.not_ready import NotReady
from examples.stream import Parts, Played, Player, play
from extractors.architecture import embedding_dim
from extractors.detectors import Box
from extractors.faces import Faces
from extractors.fitted.finetune import Finetuned
from extractors.frames import as_rgb
from extractors.logmel import LogMel
from extractors.plan import Graph, Media, measure
from extractors.weights import RANDOM, load_state
from flows.recipe import Recipe, load
from manifests.clips import Clip
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores import align, collate
from stores.transforms import scale

CLASSES = ("neutral", "happy", "sad")
HZ = 16000
CLIP = Clip("made/1", "made", None, None, "1", None, "1.mp4", "", 0)
CLOCK = tcs2026.SliceClock(5)


def model_of(dim: int, hears: tcs2026.Hears = "past") -> tcs2026.GatedFusion:
    torch.manual_seed(3)
    batch = {"values": {tcs2026.FACES: np.zeros((1, 1, dim))}}
    return tcs2026.build(tcs2026.PAPER.small, batch, len(CLASSES), hears).eval()


def stages_of(model: tcs2026.GatedFusion, tracks: dict[str, Track]) -> dict[str, NDArray[Any]]:
    """What a batch of this one clip gives, at the steps that there are."""
    batch = collate([("made/1", CLOCK(tracks), None)], CLASSES)
    tensors = torch.utils.data.default_convert(batch)
    with torch.no_grad():
        stages = model.stages(tensors)
    shown = tensors["mask"][tcs2026.AUDIO][0]
    return {name: stages[name][0][shown].numpy() for name in ("steps", "smoothed", "gates")}


def assert_same(decisions: list[Any], stages: dict[str, NDArray[Any]]) -> None:
    assert len(decisions) == len(stages["steps"])
    for field, name in (("probabilities", "steps"), ("smoothed", "smoothed"), ("gates", "gates")):
        found = np.stack([getattr(one, field) for one in decisions])
        np.testing.assert_allclose(found, stages[name], rtol=2e-4, atol=2e-5)


def test_a_fusion_step_by_step_is_the_fusion_of_a_batch() -> None:
    chance = np.random.default_rng(0)
    faces = chance.normal(size=(20, 32)).astype("f4")
    rows = chance.normal(size=(20, 5, 64)).astype("f4")
    valid = np.ones(20, np.bool_)
    valid[[3, 4]] = False
    faces[~valid] = np.nan
    model = model_of(32)
    live = LiveFusion(model)
    found = [live.step(face if is_there else None, one)
             for face, is_there, one in zip(faces, valid, rows, strict=True)]  # fmt: skip
    sound = Track(rows.reshape(100, 64), np.arange(100) * 0.02, np.ones(100, np.bool_))
    seen = Track(faces, np.arange(20) * 0.1, valid)
    assert_same(found, stages_of(model, {tcs2026.AUDIO: sound, tcs2026.FACES: seen}))
    assert len({tuple(one.smoothed) for one in found}) == 20  # none is another's view


def test_a_model_that_hears_the_whole_clip_is_refused() -> None:
    for hears in ("step", "clip"):
        with pytest.raises(NotReady, match="cannot decide before its end; take the one with the"):
            LiveFusion(model_of(32, hears))


class Inputs(dict[str, Track]):
    def once(self, key: Any, compute: Any) -> Any:
        return compute()


@pytest.mark.parametrize(
    ("hop_s", "windows", "samples"),
    [(0.02, 5, 48_000), (0.02, 5, 47_999), (0.02, 5, 50_123), (0.02, 4, 8_000), (0.01, 10, 16_100)],
)
def test_slices_of_sound_are_the_rows_of_the_store(
    hop_s: float, windows: int, samples: int
) -> None:
    chance = np.random.default_rng(samples)
    sound = chance.normal(scale=0.1, size=samples).astype("f4")
    logmel = LogMel(window_s=0.04, hop_s=hop_s, window="hamming")
    state = {"mean": chance.normal(size=64), "scale": chance.uniform(1, 2, size=64)}
    track = Track(sound, np.arange(samples) / HZ, np.ones(samples, np.bool_))
    rows = scale(state, logmel.extract(CLIP, Inputs(audio=track)))
    on_clock = align.Clock(0.1, how={"rows": windows})({"rows": rows})["rows"]
    live = LiveSound(logmel, state, windows)
    found, late = [], 0
    for step, at in enumerate(range(0, samples, 1600), 1):
        found += live.push(sound[at : at + 1600])
        late = max(late, step - len(found))
    assert late == (hop_s == 0.01) + (samples % 1600 > 0)
    found += live.finish()
    np.testing.assert_array_equal(np.stack(found), on_clock.values[on_clock.valid])


def test_sound_before_the_first_slice_is_heard_in_its_first_window() -> None:
    sound = np.random.default_rng(1).normal(scale=0.1, size=4800).astype("f4")
    logmel, state = LogMel(window_s=0.04, hop_s=0.02), {"mean": np.zeros(1), "scale": np.ones(1)}
    whole = [*LiveSound(logmel, state, 5).push(sound)]
    rest = [*LiveSound(logmel, state, 5, sound[:1600]).push(sound[1600:])]
    np.testing.assert_array_equal(whole[1:], rest)
    with pytest.raises(NotReady, match="expected centred rows, a whole number of them"):
        LiveSound(LogMel(window_s=0.04, hop_s=0.03), state, 5)


def faces_of(*boxes: list[Box]) -> list[Box | None]:
    """Who is followed through frames of a tenth of a second."""
    live = LiveFaces(Faces(missing_s=0.25), load("tcs2026").features["crops"].extractor)  # type: ignore[arg-type]
    return [live._follow(row / 10, there) for row, there in enumerate(boxes)]


def test_one_face_is_followed_and_nobody_takes_its_place_for_a_moment() -> None:
    large, small = Box(0, 0, 20, 20, 1.0), Box(100, 0, 110, 10, 1.0)
    assert faces_of([small, large], [small, large]) == [large, large]
    assert faces_of([small, large], [small], [large]) == [large, None, large]
    assert faces_of([small, large], *[[small]] * 4) == [large, None, None, small, small]
    assert faces_of([], [small]) == [None, small]


@cache
def recipe() -> Recipe:
    """Small, and a face is looked for in each frame: live, no frame waits for the next."""
    return load("tcs2026", ("features.faces.every_s=0.0", "fitted.face_embedding.size=32",
                            f"fitted.face_embedding.weights={RANDOM}"))  # fmt: skip


@cache
def parts() -> Parts:
    chance = np.random.default_rng(2)
    tuned = recipe().fitted[tcs2026.FACES]
    assert isinstance(tuned, Finetuned)
    first = {"conv1.weight": 1.1 * load_state(18, RANDOM, tuned.seed)["conv1.weight"]}
    bands = {"mean": chance.normal(-40, 5, size=64), "scale": chance.uniform(5, 9, size=64)}
    return Parts(recipe(), model_of(512), 5, CLASSES, bands, first)


def tracks_of(path: Path) -> dict[str, Track]:
    """What a store would hold of a file."""
    graph: Graph = recipe().graph
    found = measure(graph, {"crops", "logmel64", "audio"}, CLIP, path, Media())
    tracks = {name: track for name, track in found.items() if not isinstance(track, BadClip)}
    tuned = recipe().fitted[tcs2026.FACES]
    assert isinstance(tuned, Finetuned)
    tracks[tcs2026.FACES] = tuned.encode(parts().tuned, {"input": tracks["crops"]})
    tracks[tcs2026.AUDIO] = scale(parts().scale, tracks["logmel64"])
    return tracks


def features(tracks: dict[str, Track]) -> dict[str, Track]:
    return {name: tracks[name] for name in (tcs2026.AUDIO, tcs2026.FACES)}


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_file_is_decided_live_as_it_is_from_a_store(sample: Path) -> None:
    path = next(sample.rglob("01-01-03-01-01-01-01.mp4"))
    tracks, played = tracks_of(path), play(path, parts())
    assert_same(played.decisions, stages_of(parts().model, features(tracks)))
    assert len(played.pictures) >= len(played.decisions) > 15
    kept = stream.kept_arrays(played, np.ones(3))
    assert kept["live_frames"].shape == (6, 96, 96, 3)
    assert all(one.latency_s["whole"] >= one.latency_s["resnet"] > 0 for one in played.decisions)


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("late_s", [0.0, 0.07, -0.13])
def test_crops_and_sound_are_decided_live_whichever_begins_first(
    late_s: float, sample: Path
) -> None:
    tracks = tracks_of(next(sample.rglob("01-01-03-01-01-01-01.mp4")))
    crops = tracks["crops"]
    valid = crops.valid.copy()
    valid[5:8] = False
    crops = replace(crops, seconds=crops.seconds + late_s, valid=valid)
    embedded = replace(tracks[tcs2026.FACES], seconds=crops.seconds, valid=valid)
    embedded.values[~valid] = np.nan
    player = Player(parts(), tracks["audio"], crops=True)
    for seconds, jpeg, is_there in zip(crops.seconds, crops.values, valid, strict=True):
        player.push(float(seconds), as_rgb(jpeg) if is_there else None)
    found = player.finish().decisions
    assert_same(found, stages_of(parts().model, {**features(tracks), tcs2026.FACES: embedded}))


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_network_of_one_crop_is_the_network_of_the_store() -> None:
    crops = np.random.default_rng(0).integers(0, 255, (3, 224, 224, 3), np.uint8)
    tuned = recipe().fitted[tcs2026.FACES]
    assert isinstance(tuned, Finetuned)
    track = Track(crops, np.arange(3.0), np.ones(3, np.bool_))
    stored = tuned.encode(parts().tuned, {"input": track}).values
    encoder = LiveEncoder(tuned, parts().tuned)
    np.testing.assert_allclose([encoder(crop) for crop in crops], stored, rtol=1e-4, atol=1e-5)
    assert not np.allclose(LiveEncoder(tuned, {})(crops[0]), stored[0], rtol=1e-3)


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_model_trained_end_to_end_is_played_with_its_own_network() -> None:
    tuned = recipe().fitted[tcs2026.FACES]
    assert isinstance(tuned, Finetuned)
    trial = next(
        one for one in tcs2026.PAPER.trials(tcs2026.PAPER.small) if one.name == stream.FORWARD
    )
    backbone = Backbone(replace(tuned.start, seed=5), None, 0.0, None)
    whole = end_to_end(trial, {tcs2026.FACES: backbone}, JointSettings())
    batch: dict[str, Any] = {
        "values": {tcs2026.FACES: torch.zeros(1, 1, tuned.size, tuned.size, 3)},
        "mask": {tcs2026.FACES: torch.ones(1, 1, dtype=torch.bool)},
    }
    trained = whole.build(batch, len(CLASSES)).eval()
    of_model, of_faces = stream.parted(trained.state_dict())
    model_of(embedding_dim(tuned.depth)).load_state_dict(of_model)
    crop = np.random.default_rng(0).integers(0, 255, (tuned.size, tuned.size, 3), np.uint8)
    found = LiveEncoder(tuned, of_faces)(crop)
    with torch.no_grad():
        expected = trained.networks[tcs2026.FACES](  # type: ignore[operator,index]
            torch.from_numpy(crop)[None]
        )[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, LiveEncoder(tuned, {})(crop), rtol=1e-3)
    with pytest.raises(NotReady, match="train it once more with --joint"):
        stream.parted(of_model)


def test_the_last_face_stays_where_no_picture_comes() -> None:
    class Counted:
        def __call__(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full(32, crop.mean(), np.float32)

    chance = np.random.default_rng(0)
    sound = chance.normal(scale=0.1, size=(3, 1600)).astype("f4")
    bands = {"mean": np.zeros(1), "scale": np.ones(1)}

    def decide(*steps: tuple[int | None] | None) -> list[NDArray[np.float32]]:
        live = Live(LiveSound(LogMel(window_s=0.04, hop_s=0.02), bands, 5), None,
                    Counted(), LiveFusion(model_of(32)))  # type: ignore[arg-type]  # fmt: skip
        frames = [step and LiveFrame(0.0, step[0] and np.full((2, 2, 3), step[0], np.uint8))
                  for step in steps]  # fmt: skip
        return [live.step(*each)[0].probabilities for each in zip(frames, sound, strict=True)]

    held = decide((200,), None, None)
    np.testing.assert_array_equal(held, decide((200,), (200,), (200,)))
    gone = decide((200,), (None,), None)
    assert not np.allclose(held[1], gone[1])
    assert not np.allclose(held[2], gone[2])


def test_changes_of_the_decision_are_told_with_their_times() -> None:
    decided = [np.array(q, "f4") for q in ([0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0])]
    played = Played(CLASSES, [stream.Decision(q, q, q[:2]) for q in decided])
    assert [(round(s, 1), name) for s, name, _ in played.changes()] == [
        (0.1, "neutral"), (0.3, "happy")
    ]  # fmt: skip


def test_what_cannot_be_played_is_one_sentence(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = next(sample.rglob("02-*.mp4"))
    with pytest.raises(NotReady, match="has no sound; give a clip with sound and pictures"):
        play(silent, parts())
    (tmp_path / "no.mp4").write_bytes(b"no clip")
    with pytest.raises(NotReady, match="cannot be played: "):
        play(tmp_path / "no.mp4", parts())
    for options in ([str(tmp_path / "none.mp4")],
                    [str(silent), "--store", str(tmp_path), "--run", str(tmp_path)]):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            stream.main(options)
        said = capsys.readouterr().err
        assert ended.value.code == 2
        assert said.startswith("examples.stream: ")
        assert said.count("\n") == 1
    with pytest.raises(SystemExit) as ended:
        stream.main([str(silent), "--run", str(tmp_path)])
    assert ended.value.code == 2
    assert "--store and --run go together" in capsys.readouterr().err
