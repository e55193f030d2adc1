"""A ResNet fine-tuned on the training clips of a fold: what is trained, what is kept, and what it
gives."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from extractors.base import Runtime
from extractors.batching import encode_stream
from extractors.fitted.base import Examples
from extractors.fitted.finetune import STAGES, Finetuned
from extractors.fitted.learning import first_weights
from extractors.fitted.tuning import Epochs, Tuning
from extractors.frames import encode_jpeg
from extractors.weights import WeightsError, random_state
from manifests.features import FeatureSpec
from manifests.tracks import Track

SMALL = Finetuned(
    input="crops",
    labels="emotion",
    depth=18,
    weights="random",
    size=32,
    epochs=2,
    rows=2,
    batch=8,
    learning_rate=1e-3,
    train_from="layer4",
)
pytestmark = pytest.mark.usefixtures("networks_of_real_size")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def pictures(label: int, rows: int, rng: np.random.Generator, side: int = 32) -> np.ndarray:
    """Stripes, upright or lying, under noise and a brightness of their own."""
    wave = 40 * np.sin(np.arange(side) / 2 + rng.uniform(0, 6, (rows, 1)))
    stripes = wave[:, :, None] if label else wave[:, None, :]
    values = (
        rng.uniform(80, 170, (rows, 1, 1, 1))
        + stripes[..., None]
        + rng.normal(0, 25, (rows, side, side, 3))
    )
    return values.clip(0, 255).astype(np.uint8)


def track_of(images: np.ndarray, valid: Sequence[bool] | None = None) -> Track:
    mask = np.ones(len(images), np.bool_) if valid is None else np.array(valid, np.bool_)
    return Track(images, 1.0 + 0.1 * np.arange(len(images)), mask, ("many_faces",))


def examples_of(tracks: Sequence[Track], labels: Sequence[int]) -> Examples:
    ids = tuple(f"c/{i}" for i in range(len(tracks)))
    return Examples(
        ids,
        tuple(f"g{i % 3}" for i in range(len(tracks))),
        tuple(f"l{label}" for label in labels),
        {"input": tracks},
    )


def striped(clips: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    return examples_of(
        [track_of(pictures(i % 2, 3, rng)) for i in range(clips)], [i % 2 for i in range(clips)]
    )


def means(fitter: Finetuned, state: dict[str, np.ndarray], examples: Examples) -> np.ndarray:
    return np.stack(
        [
            fitter.encode(state, {"input": examples.tracks["input"][i]}).values.mean(axis=0)
            for i in range(len(examples))
        ]
    )


def separation(rows: np.ndarray) -> float:
    """Distance of the two classes' means over the deviation around them."""
    one, other = rows[::2], rows[1::2]
    spread = np.sqrt((one.std(axis=0) ** 2 + other.std(axis=0) ** 2).sum() / 2)
    return float(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) / spread)


# Training


def test_tuning_parts_the_labels_of_clips_outside_the_training() -> None:
    fitter = replace(SMALL, epochs=10, train_from="conv1")
    state, unseen = fitter.fit(striped(12)), striped(6, seed=9)
    assert separation(means(fitter, state, unseen)) > 2 * separation(means(fitter, {}, unseen))


def test_the_same_clips_give_the_same_bytes_whatever_torch_did_before() -> None:
    examples = striped(6)
    first = SMALL.fit(examples)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    torch.set_num_threads(2)
    before = torch.random.get_rng_state()
    try:
        second = SMALL.fit(examples)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(before, torch.random.get_rng_state())
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }


@pytest.mark.parametrize("train_from", STAGES)
def test_only_what_is_trained_is_kept_and_all_of_it_has_changed(train_from: str) -> None:
    fitter = replace(SMALL, train_from=train_from, epochs=1, batch=64)  # a single step
    state, begun = fitter.fit(striped(6)), random_state(18, 0)
    parts = {name.partition(".")[0].replace("bn1", "conv1") for name in state}
    assert parts == set(STAGES[STAGES.index(train_from) :])
    assert not [name for name in state if name.startswith("fc.")]
    assert all(not np.array_equal(array, begun[name]) for name, array in state.items())
    assert all(
        array.shape == begun[name].shape and array.dtype == np.float32
        for name, array in state.items()
    )


def numbered(clips: int, rows: int) -> list[Track]:
    """Row r of clip c is a picture of the level 10 c + r."""
    levels = [10 * i + np.arange(rows)[:, None, None, None] for i in range(clips)]
    return [track_of(np.broadcast_to(one, (rows, 32, 32, 3)).astype(np.uint8)) for one in levels]


def epochs_of(fitter: Finetuned, examples: Examples) -> Epochs:
    """What the fitter trains on where it holds nothing out."""
    clips = fitter.labelled(examples)
    augmentation = fitter.augmentation
    return Epochs(clips, fitter.start, fitter.batch, fitter.seed, fitter.rows, augmentation)


def levels_of(images: np.ndarray) -> list[int]:
    return [int(image[0, 0, 0]) for image in images]


def test_the_seed_orders_the_clips_and_the_labels_matter() -> None:
    examples = striped(6)
    other = replace(examples, labels=("l0", "l0", "l1", "l1", "l0", "l1"))
    name = "layer4.1.conv2.weight"
    assert not np.array_equal(SMALL.fit(examples)[name], SMALL.fit(other)[name])
    # Weights of a file do not come from the seed; here the seed must move the order alone.
    one, again = (epochs_of(f, examples).order(0).tolist() for f in (SMALL, replace(SMALL, seed=3)))
    assert one != again


def test_every_epoch_takes_every_valid_row_of_every_clip_once_in_another_order() -> None:
    tracks = numbered(5, 4)
    tracks[2] = track_of(tracks[2].values, [False, True, False, False])
    fitter = replace(SMALL, rows=None, batch=6)
    epochs = epochs_of(fitter, examples_of(tracks, [0, 1, 0, 1, 0]))
    batches = [[levels_of(images) for images, _ in epochs.batches(epoch)] for epoch in (0, 1)]
    every = sorted({10 * clip + row for clip in (0, 1, 3, 4) for row in range(4)} | {21})
    assert [sorted(chain(*one)) for one in batches] == [every, every]
    assert batches[0] != batches[1]
    assert [len(batch) for batch in batches[0]] == [6, 6, 5]
    assert len({level // 10 for level in batches[0][0]}) > 2, "a batch holds rows of many clips"
    labels = {level // 10: number for images, numbers in epochs.batches(0)
              for level, number in zip(levels_of(images), numbers, strict=True)}  # fmt: skip
    assert labels == {0: 0, 1: 1, 2: 0, 3: 1, 4: 0}


def test_an_epoch_takes_some_rows_of_every_clip_where_they_are_counted() -> None:
    tracks = numbered(5, 4)
    tracks[2] = track_of(tracks[2].values, [False, True, False, False])
    epochs = epochs_of(replace(SMALL, rows=2), examples_of(tracks, [0, 1, 0, 1, 0]))
    used = [sorted(levels_of(np.concatenate([i for i, _ in epochs.batches(n)]))) for n in (0, 1)]
    assert [value // 10 for value in used[0]] == [0, 0, 1, 1, 2, 3, 3, 4, 4]
    assert 21 in used[0]
    assert used[0] != used[1], "other rows in another epoch"


def test_jpegs_are_decoded_and_only_those_that_are_drawn() -> None:
    raw = pictures(0, 4, np.random.default_rng(0), side=48)
    values = np.empty(4, object)
    values[:] = [encode_jpeg(image) for image in raw]
    values[1], values[3] = b"", b"no picture at all"
    tracks = [track_of(values, [True, False, False, False])] * 2
    ((images, _),) = epochs_of(SMALL, examples_of(tracks, [0, 1])).batches(0)
    assert images.shape == (2, 32, 32, 3)


def test_augmentation_is_drawn_anew_for_each_clip_and_epoch_and_is_the_same_again() -> None:
    image = pictures(0, 1, np.random.default_rng(0))
    examples = examples_of([track_of(image) for _ in range(4)], [0, 1, 0, 1])
    fitter = replace(SMALL, flip=0.5, rotation_deg=5.0, brightness=0.1, contrast=0.1)
    epochs, plain = epochs_of(fitter, examples), epochs_of(SMALL, examples)
    drawn = [np.concatenate([i for i, _ in epochs.batches(epoch)]) for epoch in (0, 1, 0)]
    assert len({one.tobytes() for some in drawn[:2] for one in some}) == 8
    assert np.array_equal(drawn[0], drawn[2])
    assert all(np.array_equal(one, image[0]) for i, _ in plain.batches(0) for one in i)
    # The network learns from these pictures, and clips are embedded as they are.
    name = "layer4.1.conv2.weight"
    assert not np.array_equal(fitter.fit(examples)[name], SMALL.fit(examples)[name])


def tuning(fitter: Finetuned) -> Tuning:
    head = first_weights({"fc.weight": (2, 512), "fc.bias": (2,)}, 0)
    return Tuning(fitter, {**random_state(18, 0), **head}, "cpu")


def test_the_rate_falls_after_exactly_so_many_epochs_without_a_lower_loss() -> None:
    course = tuning(
        replace(SMALL, held_out=0.2, plateau_epochs=3, plateau_factor=0.5, lowest_rate=4e-4)
    )
    rates = []
    for loss in (1.0, 0.9, 0.9, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9):
        course.watch(loss)
        rates.append(course.rate)
    assert rates == [1e-3] * 4 + [5e-4] * 3 + [4e-4] * 2


def test_groups_are_held_out_and_the_weights_of_the_lowest_loss_on_them_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained, watched = set(), set()
    losses = iter([1.0, 0.5, 0.7, 0.6, 0.4])
    kept: list[np.ndarray] = []
    name = "layer4.1.conv2.weight"

    def loss_of(course: Tuning, judged: Epochs) -> float:
        kept.append(course._tuned()[name])
        watched.update(judged._clips.clip_ids)
        return next(losses)

    step = Epochs.batches
    monkeypatch.setattr(Tuning, "_loss_of", loss_of)
    monkeypatch.setattr(
        Epochs, "batches", lambda self, n: trained.update(self._clips.clip_ids) or step(self, n)
    )
    examples = striped(9)  # three groups
    state = replace(SMALL, epochs=9, held_out=0.3, patience=2).fit(examples)
    assert len(kept) == 4, "two epochs in a row brought no lower loss than the second"
    assert np.array_equal(state[name], kept[1])
    groups = dict(zip(examples.clip_ids, examples.groups, strict=True))
    assert len({groups[clip_id] for clip_id in trained}) == 2
    assert len({groups[clip_id] for clip_id in watched}) == 1
    assert not trained & watched
    assert trained | watched == set(examples.clip_ids)


def test_decay_acts_on_convolutions_and_a_small_norm_of_the_gradient_on_all() -> None:
    one_step = replace(SMALL, epochs=1, batch=64)
    examples, begun = striped(6), random_state(18, 0)
    plain, decayed = one_step.fit(examples), replace(one_step, weight_decay=10.0).fit(examples)
    conv, norm = "layer4.1.conv2.weight", "layer4.1.bn2.weight"
    assert np.abs(decayed[conv]).sum() < np.abs(plain[conv]).sum()
    assert np.array_equal(decayed[norm], plain[norm])
    # Adam's first step is as long as the rate, whatever the gradient's size, unless it is near 0.
    clipped = replace(one_step, clip_norm=1e-12).fit(examples)
    moved = [np.abs(state[conv] - begun[conv]).max() for state in (plain, clipped)]
    assert moved[0] == pytest.approx(1e-3, rel=0.01)
    assert moved[1] < 1e-6


def test_batch_normalisation_follows_the_clips_or_is_frozen() -> None:
    examples, begun = striped(6), random_state(18, 0)
    name = "layer4.1.bn2.running_mean"
    state = SMALL.fit(examples)
    assert not np.array_equal(state[name], begun[name])
    frozen = replace(SMALL, batch_norm="frozen").fit(examples)
    assert not [one for one in frozen if "running" in one]
    # The part before `train_from` keeps what it came with, and no row depends on other rows.
    assert not [one for one in state if one.startswith(("layer3", "bn1"))]
    track = examples.tracks["input"][0]
    alone = [SMALL.encode(state, {"input": track_of(track.values[i : i + 1])}) for i in range(3)]
    together = SMALL.encode(state, {"input": track}).values
    assert np.array_equal(np.concatenate([one.values for one in alone]), together)


def test_clips_without_a_valid_row_are_passed_over_and_too_few_are_one_sentence() -> None:
    examples = striped(4)
    tracks = [examples.tracks["input"][i] for i in range(4)]
    nothing = track_of(tracks[0].values, [False] * 3)
    state = SMALL.fit(examples_of([*tracks, nothing], [0, 1, 0, 1, 7]))
    assert np.array_equal(
        state["layer4.1.conv2.weight"], SMALL.fit(examples)["layer4.1.conv2.weight"]
    )
    with pytest.raises(
        ValueError, match="none of the 1 training clips has a valid row or segment of crops"
    ):
        SMALL.fit(examples_of([nothing], [0]))
    with pytest.raises(
        ValueError, match=r"the training clips have 1 different labels \(l0\), expected at least 2"
    ):
        SMALL.fit(examples_of([*tracks, nothing], [0, 0, 0, 0, 1]))


# Embeddings


def test_an_untuned_state_gives_what_the_encoder_gives() -> None:
    images = pictures(0, 5, np.random.default_rng(1))
    track = track_of(images, [True, True, False, True, True])
    expected = dict(encode_stream(SMALL.start, [("c", track)], Runtime("torch")))["c"]
    found = SMALL.encode({}, {"input": track})
    assert np.allclose(found.values, expected.values, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert np.isfinite(found.values).all(axis=1).tolist() == track.valid.tolist()
    assert np.array_equal(found.seconds, track.seconds)
    assert found.notes == track.notes


def test_the_embedding_is_that_of_the_tuned_network_and_does_not_change_the_state() -> None:
    examples = striped(6)
    state = SMALL.fit(examples)
    kept = {name: array.copy() for name, array in state.items()}
    for array in state.values():
        array.flags.writeable = False
    track = examples.tracks["input"][0]
    first = SMALL.encode(state, {"input": track}).values
    assert not np.allclose(first, SMALL.encode({}, {"input": track}).values, rtol=1e-3)
    assert np.array_equal(first, SMALL.encode(kept, {"input": track}).values)
    assert all(np.array_equal(state[name], kept[name]) for name in state)
    assert len(SMALL.encode(state, {"input": track_of(track.values[:0])})) == 0


def test_mfcc_segments_are_tuned_on_and_embedded() -> None:
    fitter = replace(SMALL, input="mfcc", segment_s=0.2, segment_hop_s=0.1)
    rng = np.random.default_rng(0)

    def mfcc(label: int) -> Track:
        values = rng.standard_normal((60, 60)) + 3 * label * np.sin(np.arange(60) / 3)[:, None]
        return Track(values.astype(np.float32), 0.01 * np.arange(60), np.ones(60, np.bool_))

    examples = examples_of([mfcc(i % 2) for i in range(6)], [i % 2 for i in range(6)])
    state = fitter.fit(examples)
    found = fitter.encode(state, {"input": examples.tracks["input"][0]})
    assert found.values.shape == (5, 512)
    assert found.seconds.tolist() == pytest.approx([0.095, 0.195, 0.295, 0.395, 0.495])


# Parameters


def spec_of(shape: tuple[int, ...]) -> FeatureSpec:
    dims = ("time", *(f"d{i}" for i in range(len(shape))))
    return FeatureSpec("crops", "uint8", dims, shape, "", 0.1, "0" * 32, "crops", 1, "{}")


def test_the_layout_is_the_encoder_s_and_says_what_training_began_with() -> None:
    layout = SMALL.layout({"input": spec_of((64, 64, 3))})
    assert (layout.shape, layout.dtype, layout.hop_s) == ((512,), "float32", 0.1)
    assert layout.about == "tuning began from untrained weights (seed 0)"
    assert (
        Finetuned(input="crops", labels="emotion").layout({"input": spec_of((224, 224, 3))}).about
        == ""
    )
    with pytest.raises(ValueError, match="takes square RGB pictures"):
        SMALL.layout({"input": spec_of((64, 3))})


def test_a_file_of_weights_is_known_by_its_hash_and_not_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save({name: torch.from_numpy(array) for name, array in random_state(18, 7).items()}, path)
    fitter = replace(SMALL, weights=str(path))
    assert fitter.weights_sha256 is not None
    assert fitter.params()["weights"] == f"file:{fitter.weights_sha256}"
    state = fitter.fit(striped(4))
    assert not np.array_equal(
        state["layer4.1.conv2.weight"], SMALL.fit(striped(4))["layer4.1.conv2.weight"]
    )
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError):
        fitter.fit(striped(4))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs = 0, expected at least 1"),
        (
            {"train_from": "fc"},
            'train_from = "fc" is no part of a ResNet; expected one of conv1, layer1, layer2, '
            "layer3, layer4",
        ),
        ({"learning_rate": -1.0}, "learning_rate = -1.0, expected more than 0"),
        ({"rows": 0}, "rows = 0, expected at least 1"),
        ({"batch": 1}, "batch = 1 has no statistics to normalise by"),
        ({"batch_norm": "group"}, 'batch_norm = "group" is unknown; expected batch or frozen'),
        ({"plateau_epochs": 3}, "plateau_epochs = 3 needs clips that are watched; give held_out"),
        ({"clip_norm": 0.0}, "clip_norm = 0.0, expected more than 0"),
        ({"flip": 2.0}, "flip"),
        (
            {"flip": 0.5, "segment_s": 1.0, "segment_hop_s": 0.1},
            "the strengths of augmentation are for pictures",
        ),
        ({"depth": 101}, "depth = 101 is no ResNet known here"),
        ({"segment_s": 1.0}, "they go together"),
    ],
)
def test_a_parameter_out_of_range_gets_one_sentence(change: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.gpu
@needs_gpu
def test_cuda_tunes_to_nearly_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = striped(6)
    fitter = replace(SMALL, epochs=1, batch=16)
    on_gpu = fitter.fit(examples)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = fitter.fit(examples)
    assert all(np.allclose(on_gpu[name], on_cpu[name], atol=3e-3) for name in on_cpu)


# Cost


def test_a_long_tuning_says_what_it_will_take_and_a_short_one_nothing() -> None:
    examples = striped(6)
    assert SMALL.cost(examples) is None
    long = replace(SMALL, epochs=1000, rows=None)
    cost = long.cost(examples)
    assert cost is not None
    assert cost.work == "18 images an epoch in steps of 8, at most 1000 epochs"
    assert cost.device == "cpu" or torch.cuda.is_available()
    an_image = cost.seconds / 18_000
    assert 1e-5 < an_image < 1, "measured, of pictures of 32 x 32"
    few = replace(long, rows=1).cost(examples)
    assert few is not None
    assert few.work.startswith("6 images an epoch")
