"""The reference trainers: shapes at every stage as the papers state them, the loop, and one command
from clips to scores."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import flows.building.run
import flows.fitting.run
from examples import (
    donatus2026,
    figures,
    kirar2024,
    loop,
    papers,
    prepare,
    reproduce,
    satvik2025,
    tables,
    tcs2026,
    timing,
    train,
    tucker2025,
)
from examples.kept import open_run
from examples.metrics import Scores, measured
from examples.not_ready import NotReady
from examples.parts import (
    Attention,
    Net,
    Recurrent,
    Tensors,
    adam,
)
from examples.plan import Fitting, Predictions
from examples.printed import text_of
from examples.results import summary
from examples.run_folder import ModelFolder
from examples.shipped import differences_of
from examples.train import RECIPES, Choice, labels_of, main, paper_of, run
from flows.recipe import load
from manifests.clips import CLIPS
from manifests.labels import LABELS, Label
from stores import FeatureDataset, FeatureStore, Track, collate
from tests.support.commands import Python
from tests.support.store_files import linked
from tests.support.stores_made import commit, make_store, tables_of
from tests.support.trainers_made import CHOICE, PAPER, TRIAL

CLASSES = ("angry", "calm", "happy")


def track(rows: int, *shape: int, dtype: type = np.float32, seed: int = 0) -> Track:
    values = np.random.default_rng(seed + rows).normal(size=(rows, *shape)) * (
        255 if dtype is np.uint8 else 1
    )
    return Track(values.astype(dtype), np.arange(rows) / 10, np.ones(rows, np.bool_))


def batch_of(*clips: dict[str, Track]) -> Tensors:
    batch = collate([(f"made/{i}", clip, CLASSES[i % 3]) for i, clip in enumerate(clips)], CLASSES)
    return torch.utils.data.default_convert(batch)  # type: ignore[return-value]


def shapes(model: Net, batch: Tensors) -> dict[str, tuple[int, ...]]:
    with torch.no_grad():
        return {name: tuple(stage.shape) for name, stage in model.eval().stages(batch).items()}


@pytest.mark.usefixtures("networks_of_real_size")
def test_donatus_has_the_shapes_of_the_paper_at_every_stage() -> None:
    batch = batch_of(
        *({"audio_embedding": track(n, 2048), "face_embedding": track(n, 2048)} for n in (37, 30))
    )
    found = shapes(
        donatus2026.build(donatus2026.WHOLE, donatus2026.PAPER.settings, batch, 8), batch
    )
    assert found["audio"] == found["faces"] == (2, 37, 2048)  # 2.4: 2048-dimensional embeddings
    both = ("audio_lstm", "faces_lstm", "audio_self", "faces_self", "audio_cross", "faces_cross")
    assert {found[stage] for stage in both} == {
        (2, 37, 256)
    }  # 2.5: 128 units per direction, 256 per modality
    assert found["logits"] == (2, 8)


@pytest.mark.parametrize("name", donatus2026.MODELS)
def test_each_of_donatus_models_sees_what_its_name_says_and_nothing_else(name: str) -> None:
    clip = {
        "audio_embedding": track(9, 64),
        "mfcc_embedding": track(9, 64),
        "face_embedding": track(9, 32),
    }
    batch = batch_of(clip, clip)
    model = donatus2026.build(name, donatus2026.PAPER.small, batch, 3).eval()
    stages = model.stages(batch)
    seen = {feature: "face" in feature for feature in donatus2026.MODELS[name].features}
    assert ("audio" in stages, "faces" in stages) == (False in seen.values(), True in seen.values())
    crosses = name in {donatus2026.WHOLE, donatus2026.ONE_NETWORK}
    assert ("audio_cross" in stages) == crosses
    attends = crosses or name.endswith("with attention")
    assert (stages["audio_lstm" if "audio" in stages else "faces_lstm"] is not
            stages["audio_self" if "audio" in stages else "faces_self"]) == attends  # fmt: skip
    for values in batch["values"].values():
        values.requires_grad_()
    model(batch).sum().backward()
    looked_at = {one for one, values in batch["values"].items() if values.grad is not None}
    assert looked_at == set(donatus2026.MODELS[name].features)


@pytest.mark.usefixtures("networks_of_real_size")
def test_tucker_has_the_shapes_of_the_paper_at_every_stage() -> None:
    batch = batch_of(
        *(
            {"logmel128_z": track(256, 128, seed=i), "frame_embedding": track(90, 512, seed=i)}
            for i in range(2)
        )
    )
    model = tucker2025.build(tucker2025.MODEL, tucker2025.PAPER.settings, batch, 7)
    attended = torch.zeros(2, 60, 256)
    assert model.tucker(attended, attended).shape == (2, 30, 128, 128)
    assert shapes(model, batch) == {
        "mel": (2, 256, 128),  # A.4
        "frames": (2, 90, 512),
        "audio": (2, 60, 128),
        "gru": (2, 90, 512),
        "audio_latent": (2, 60, 256),
        "frames_latent": (2, 90, 256),
        "frames_aligned": (2, 60, 256),  # A.3
        "audio_attended": (2, 60, 256),
        "frames_attended": (2, 60, 256),
        "fused": (2, 512),
        "logits": (2, 7),
    }


def test_the_tucker_layer_is_the_papers_projection_of_the_whole_tensor() -> None:
    layer = tucker2025.Tucker(6, 5, (3, 2, 4))
    audio, picture = torch.randn(2, 6, 5), torch.randn(2, 6, 5)
    whole = torch.einsum("nta,ntv->ntav", audio, picture)  # algorithm A1
    core = torch.einsum(
        "ntav,tk,ap,vq->nkpq", whole, layer.time, layer.audio, layer.picture
    )  # algorithm A2
    torch.testing.assert_close(layer(audio, picture), core)


def test_pooling_is_a_bilinear_form_of_the_whole_core() -> None:
    sizes = (3, 2, 4)
    layer, pool = tucker2025.Tucker(6, 5, sizes), tucker2025.CorePooling(sizes, 7, 0.0)
    audio, picture = torch.randn(2, 6, 5), torch.randn(2, 6, 5)
    forms = torch.einsum(
        "nkpq,ok,op,oq->no",
        layer(audio, picture),
        pool.time.weight,
        pool.audio.weight,
        pool.picture.weight,
    )
    pooled = forms.reshape(2, 7, 2).sum(dim=2)
    rooted = pooled.sign() * pooled.abs().sqrt()
    expected = rooted / rooted.norm(dim=1, keepdim=True)
    torch.testing.assert_close(pool(layer, audio, picture), expected, rtol=1e-3, atol=1e-4)


def test_what_tucker_shows_is_attention_before_and_after_and_correlation_over_all_clips() -> None:
    torch.manual_seed(1)
    batches = [
        batch_of(
            *(
                {"logmel128_z": track(256, 128, seed=i), "frame_embedding": track(30, 8, seed=i)}
                for i in seeds
            )
        )
        for seeds in ((0, 1, 2), (3, 4))
    ]
    model = tucker2025.build(tucker2025.MODEL, tucker2025.PAPER.small, batches[0], 3).eval()
    state = torch.get_rng_state()
    with torch.no_grad():
        arrays = tucker2025.look(model, batches).arrays
        stages = [model.stages(batch) for batch in batches]
    assert torch.equal(torch.get_rng_state(), state)
    for key in ("audio_to_frames", *figures._PANELS):
        assert arrays[key].shape == (20, 20)
        np.testing.assert_allclose(arrays[key].sum(axis=1), 1, rtol=1e-5)
    trained, before = arrays["frames_to_audio"], arrays["frames_to_audio_untrained"]
    assert (trained != before).any()
    assert arrays["frames_to_audio_sharpest"].max(axis=1).mean() > trained.max(axis=1).mean()
    assert arrays["looked_at_audio"].shape == arrays["looked_at_frames"].shape == (3, 20)
    numbers = torch.cat(
        [
            torch.cat([one["audio_attended"], one["frames_attended"]], dim=2).mean(dim=1)
            for one in stages
        ]
    )
    np.testing.assert_allclose(arrays["correlation"], np.corrcoef(numbers.numpy().T), atol=1e-3)


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_tucker_model_of_other_lengths_still_ends_in_its_common_steps() -> None:
    batch = batch_of(
        *(
            {"logmel128_z": track(300, 128, seed=i), "frame_embedding": track(90, 512, seed=i)}
            for i in range(2)
        )
    )
    assert shapes(tucker2025.build(tucker2025.MODEL, tucker2025.PAPER.settings, batch, 7), batch)[
        "audio"
    ] == (
        2,
        60,
        128,
    )


@pytest.mark.usefixtures("networks_of_real_size")
def test_tcs_has_the_shapes_of_the_paper_at_every_stage() -> None:
    batch = batch_of(
        *({"logmel64_z": track(n, 5, 64), "face_embedding": track(n, 512)} for n in (30, 24))
    )
    assert shapes(tcs2026.build(tcs2026.PAPER.settings, batch, 7), batch) == {
        "slices": (2, 30, 5, 64),
        "faces": (2, 30, 512),
        "slice_cnn": (2, 30, 64),
        "lstm": (2, 30, 256),  # 3.2: 128 units in each direction
        "audio": (2, 30, 128),
        "face": (2, 30, 128),
        "gates": (2, 30, 2),
        "fused": (2, 30, 128),
        "steps": (2, 30, 7),
        "smoothed": (2, 30, 7),
        "clip": (2, 7),
        "logits": (2, 7),
    }


def tcs_batch(*rows: int) -> Tensors:
    return batch_of(*({"logmel64_z": track(n, 5, 64), "face_embedding": track(n, 512)}
                      for n in rows))  # fmt: skip


def test_tcs_decides_by_the_last_smoothed_output_and_learns_by_the_mean_of_the_steps() -> None:
    batch = tcs_batch(30, 24)
    model = tcs2026.build(tcs2026.PAPER.small, batch, 7).eval()
    stages = model.stages(batch)
    for row, last in enumerate((29, 23)):
        smoothed = tcs2026.smooth(stages["steps"][row : row + 1, : last + 1], 0.8)[0]
        torch.testing.assert_close(model(batch)[row].softmax(dim=0), smoothed[-1])
        torch.testing.assert_close(
            stages["clip"][row], stages["steps"][row, : last + 1].mean(dim=0)
        )
    model.consistency = 0.0
    by_mean = nn.functional.nll_loss(stages["clip"].log(), batch["targets"])
    torch.testing.assert_close(model.loss(stages, batch), by_mean)


def test_readings_of_tcs_hear_a_step_the_whole_clip_or_the_past() -> None:
    batch = tcs_batch(9)
    altered = tcs_batch(9)
    altered["values"]["logmel64_z"][0, 6:] += 1.0  # from the seventh step on
    for hears in ("step", "clip", "past"):
        torch.manual_seed(0)
        model = tcs2026.build(tcs2026.PAPER.small, batch, 7, hears=hears).eval()
        heard, again = (model.stages(one)["audio"][0] for one in (batch, altered))
        assert torch.allclose(heard[:6], again[:6]) == (hears == "past")
        assert torch.allclose(heard[0], heard[-1]) == (hears == "clip")
        assert not torch.allclose(heard[6:], again[6:])


def test_the_final_output_of_the_lstm_is_that_of_the_clip_and_not_of_its_padding() -> None:
    together, alone = tcs_batch(30, 24), tcs_batch(24)
    model = tcs2026.build(tcs2026.PAPER.small, together, 7, hears="clip").eval()
    expected = model.stages(alone)["audio"][0, 0]
    torch.testing.assert_close(model.stages(together)["audio"][1, 0], expected)
    state = model.lstm.rnn(model.stages(alone)["slice_cnn"])[1][0]  # (layer and direction, 1, d)
    torch.testing.assert_close(model.audio(torch.cat([state[-2], state[-1]], dim=1))[0], expected)


def test_a_step_of_tcs_has_the_last_face_that_was_seen_before_it_ended() -> None:
    seconds = np.array([0.0, 0.08, 0.2, 0.28, 0.4])  # 10 a second of a recording of 25
    valid = np.array([True, True, True, False, True])
    faces = Track(np.arange(5, dtype="f4")[:, None], seconds, valid)
    sound = Track(np.zeros((24, 64), "f4"), np.arange(24) * 0.02, np.ones(24, np.bool_))
    found = tcs2026.SliceClock(5)({"logmel64_z": sound, "face_embedding": faces})
    shown = found["face_embedding"]
    assert shown.values[:, 0].tolist() == [1, 1, 3, 3, 4]
    assert shown.valid.tolist() == [True, True, False, False, True]
    assert found["logmel64_z"].values.shape == (5, 5, 64)
    assert found["logmel64_z"].valid.tolist() == [True] * 4 + [False]


@torch.no_grad()
def test_what_is_looked_at_in_tcs_is_spread_over_the_test_and_pooled_right() -> None:
    batches = [tcs_batch(*[12] * 16), tcs_batch(*[9] * 5)]
    model = tcs2026.build(tcs2026.PAPER.small, batches[0], 7).eval()
    found = tcs2026.look(model, batches)
    numbers = {name for name in found.arrays if name.startswith("steps_")}
    assert numbers == {f"steps_{number}" for number in (0, 4, 8, 12, 16, 20)}
    assert [len(found.arrays[f"steps_{number}"]) for number in (0, 20)] == [12, 9]
    each = torch.cat([model.stages(one)["gates"].flatten(0, 1) for one in batches])
    np.testing.assert_allclose(
        found.arrays["gate"], torch.stack([each.mean(0), each.std(0)], 1).detach(), rtol=1e-5
    )
    rates = [tcs2026.jitter(model.stages(one)["steps"], one["mask"]["logmel64_z"])
             for one in batches]  # fmt: skip
    assert found.arrays["jitter"][0] == pytest.approx(
        (16 * 11 * rates[0] + 5 * 8 * rates[1]) / (16 * 11 + 5 * 8)
    ), "each pair of steps counts alike"
    assert found.arrays["gates_of_clips"].shape == (21, 2)
    assert found.decisions[tcs2026.MEAN].shape == (21, 7)


@pytest.mark.parametrize("windows", [4, 5, 9, 10])
def test_a_slice_of_any_number_of_windows_gives_64_numbers(windows: int) -> None:
    assert tcs2026.SliceCnn()(torch.randn(3, 64, windows)).shape == (3, 64)


def test_tcs_faces_have_unit_length_and_gates_lie_between_0_and_1() -> None:
    batch = batch_of({"logmel64_z": track(9, 5, 64), "face_embedding": track(9, 512)})
    stages = tcs2026.build(tcs2026.PAPER.settings, batch, 7).eval().stages(batch)
    torch.testing.assert_close(stages["face"].norm(dim=-1), torch.ones(1, 9))
    assert ((stages["gates"] >= 0) & (stages["gates"] <= 1)).all()


def two_classes(*highs: float) -> Tensor:
    return torch.tensor([[[high, 1 - high] for high in highs]])


def test_the_consistency_loss_is_equation_3() -> None:
    mask = torch.tensor([[True, True, True, False]])
    steps = two_classes(1.0, 1.0, 0.0, 0.5)
    assert tcs2026.change(two_classes(0.7, 0.7, 0.7, 0.1), mask).item() == 0
    assert tcs2026.change(steps, mask).item() == pytest.approx(
        (0 + 2) / 2
    )  # the padded step does not count


def test_the_consistency_loss_is_part_of_the_loss() -> None:
    batch = batch_of(
        {"logmel64_z": track(9, 5, 64), "face_embedding": track(9, 512)},
        {"logmel64_z": track(8, 5, 64), "face_embedding": track(8, 512)},
    )
    torch.manual_seed(0)
    settings = replace(tcs2026.PAPER.small, consistency=10.0)
    model = tcs2026.build(settings, batch, 3).eval()
    stages = model.stages(batch)
    with_it = model.loss(stages, batch)
    model.consistency = 0.0
    plain = model.loss(stages, batch)
    moved = tcs2026.change(stages["steps"], batch["mask"]["logmel64_z"])
    assert moved > 0
    torch.testing.assert_close(with_it - plain, 10 * moved)


def test_smoothing_is_equation_5_and_calms_jitter() -> None:
    steps = two_classes(1.0, 0.0, 1.0, 1.0)
    smoothed = tcs2026.smooth(steps, tcs2026.PAPER.settings.smoothing)
    assert smoothed[0, :, 0].tolist() == pytest.approx([1.0, 0.8, 0.84, 0.872])
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert tcs2026.jitter(steps, mask) == pytest.approx(
        2 / 0.3
    )  # two changes in the three tenths between four steps
    assert tcs2026.jitter(smoothed, mask) == 0


def of_kirar(side: int, channels: int, selected: int) -> Tensors:
    return batch_of(
        *(
            {
                "selected": track(1, selected, seed=i),
                "conv5_3": track(1, side, side, channels, seed=i),
            }
            for i in range(2)
        )
    )


@pytest.mark.usefixtures("networks_of_real_size")
def test_kirar_models_read_the_map_or_the_vector_in_pieces() -> None:
    batch = of_kirar(7, 2048, 100)
    found = {
        name: shapes(kirar2024.build(name, kirar2024.PAPER.settings, batch, 3), batch)
        for name in kirar2024.MODELS
    }
    attends, plain, cnn = (found[name] for name in kirar2024.OF_MAP)
    assert attends["places"] == plain["places"] == cnn["places"] == (2, 7, 7, 2148)
    assert attends["response"] == attends["attended"] == plain["response"] == (2, 49, 128)
    assert cnn["conv"] == (2, 128, 7, 7)
    attends, plain, cnn = (found[name] for name in kirar2024.OF_PIECES)
    assert attends["pieces"] == plain["pieces"] == cnn["pieces"] == (2, 4, 32)
    assert attends["lstm"] == attends["attended"] == plain["lstm"] == (2, 4, 256)
    assert {one["logits"] for one in found.values()} == {(2, 3)}


def test_kirars_two_directions_are_equations_1_to_3() -> None:
    torch.manual_seed(0)
    layer, x = kirar2024.TwoDirections(3, 4), torch.randn(1, 2, 3, 3)

    def walk(lstm: nn.LSTM, sequence: Tensor) -> list[Tensor]:
        h, c, found = torch.zeros(4), torch.zeros(4), []
        for one in sequence:
            sums = (
                lstm.weight_ih_l0 @ one + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
            )
            i, f, g, o = sums.split(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            found.append(o.sigmoid())  # equations (1) and (2)
        return found

    right = [walk(layer.right.lstm, x[0, row]) for row in range(2)]
    down = [walk(layer.down.lstm, x[0, :, column]) for column in range(3)]
    expected = torch.stack(
        [torch.stack([right[r][c] + down[c][r] for c in range(3)]) for r in range(2)]
    )
    torch.testing.assert_close(layer(x)[0], expected)  # equation (3)


@pytest.mark.parametrize("name", kirar2024.MODELS)
def test_each_of_kirars_models_hears_the_vector_and_those_of_the_map_see_it(name: str) -> None:
    batch = of_kirar(2, 5, 40)
    model = kirar2024.build(name, kirar2024.PAPER.small, batch, 3).eval()
    for values in batch["values"].values():
        values.requires_grad_()
    model(batch).sum().backward()
    looked_at = {one for one, values in batch["values"].items() if values.grad is not None}
    assert looked_at == ({"selected", "conv5_3"} if name in kirar2024.OF_MAP else {"selected"})


def test_kirars_self_attention_is_equations_4_to_9() -> None:
    attention, x = kirar2024.SelfAttention(8, heads=2), torch.randn(1, 5, 8)
    q, k, v = (
        x @ attention.queries.weight.T,
        x @ attention.keys.weight.T,
        x @ attention.values.weight.T,
    )
    heads = [
        torch.softmax(q[..., h] @ k[..., h].transpose(1, 2) / 2, -1) @ v[..., h]
        for h in (slice(0, 4), slice(4, 8))
    ]
    joined = torch.cat(heads, -1) @ attention.out.weight.T
    torch.testing.assert_close(attention(x), nn.functional.layer_norm(x + joined, (8,)))


@pytest.mark.usefixtures("networks_of_real_size")
def test_satvik_has_the_shapes_of_the_paper_at_every_stage() -> None:
    frames = batch_of(*({"frames64": track(n, 64, 64, 3, dtype=np.uint8)} for n in (4, 3)))
    seen = shapes(satvik2025.build_frames(satvik2025.PAPER.settings, frames, 8), frames)
    assert seen["pictures"] == (8, 3, 64, 64)
    assert [seen[f"conv{i}"] for i in range(1, 5)] == [
        (8, 32, 31, 31),
        (8, 64, 14, 14),
        (8, 128, 6, 6),
        (8, 256, 2, 2),
    ]
    assert (seen["flat"], seen["each"], seen["logits"]) == ((8, 1024), (2, 4, 8), (2, 8))
    audio = batch_of(*({"mfcc_padded": track(200, 20, seed=i)} for i in range(2)))
    heard = shapes(satvik2025.build_audio(satvik2025.PAPER.settings, audio, 8), audio)
    assert heard["mfcc"] == (2, 1, 200, 20)
    assert (heard["conv"], heard["sequence"]) == ((2, 256, 50, 5), (2, 50, 1280))
    assert [heard[f"lstm{i}"] for i in range(1, 4)] == [(2, 50, 256), (2, 50, 128), (2, 50, 64)]
    assert heard["logits"] == (2, 8)


def test_satviks_pictures_lie_between_0_and_1_and_padded_frames_do_not_count() -> None:
    long, short = track(6, 64, 64, 3, dtype=np.uint8), track(3, 64, 64, 3, dtype=np.uint8)
    both, alone = batch_of({"frames64": long}, {"frames64": short}), batch_of({"frames64": short})
    model = satvik2025.build_frames(satvik2025.PAPER.small, both, 3).eval()
    pictures = model.stages(both)["pictures"]
    assert 0 <= pictures.min() < 0.1
    assert 0.9 < pictures.max() <= 1
    torch.testing.assert_close(model(both)[1], model(alone)[0])


def test_the_more_confident_model_decides_and_clips_of_one_model_are_left_out() -> None:
    frames = Predictions(
        ("a", "b", "c"), np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
    )
    audio = Predictions(("b", "a"), np.array([1, 0]), np.array([[0.7, 0.3], [0.2, 0.8]]))
    fused = satvik2025.more_confident(frames, audio)
    assert fused.clip_ids == ("a", "b")
    assert fused.targets.tolist() == [0, 1]
    assert fused.probabilities.tolist() == [[0.9, 0.1], [0.7, 0.3]]


def test_satviks_tested_frames_are_looked_at_after_each_epoch(made: Path, tmp_path: Path) -> None:
    every = clips(made, "train")
    items = [every[i] for i in range(len(every))]
    chosen = {clip_id: np.arange(len(tracks["mfcc"])) == 1 for clip_id, tracks, _ in items}
    shown = satvik2025.WatchedRows(every, chosen)
    kept = ModelFolder(tmp_path)
    trial = replace(TRIAL, rows=True)
    model = loop.train(trial, every, shown, 0, loop.Rows(every), kept=kept)
    history = pd.read_parquet(tmp_path / "history.parquet")
    expected = loop.tallied(model, shown)
    assert 0 < len(shown) <= len(every)
    assert history["validation_loss"].notna().all()
    assert history["validation_loss"].iloc[-1] == pytest.approx(expected.loss)


BUILDS = {
    "donatus2026": (
        partial(donatus2026.build, donatus2026.WHOLE, donatus2026.PAPER.small),
        lambda n: {"audio_embedding": track(n, 64), "face_embedding": track(n, 64)},
    ),
    "tcs2026": (
        partial(tcs2026.build, tcs2026.PAPER.small),
        lambda n: {"logmel64_z": track(n, 5, 64), "face_embedding": track(n, 32)},
    ),
}


@pytest.mark.parametrize("name", BUILDS)
def test_padding_beside_a_longer_clip_changes_no_prediction(name: str) -> None:
    build, clip = BUILDS[name]
    together, alone = batch_of(clip(25), clip(12)), batch_of(clip(12))
    model = build(together, 3).eval()
    torch.testing.assert_close(model(together)[1], model(alone)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BUILDS)
def test_a_clip_without_any_valid_face_still_gets_finite_logits_and_gradients(name: str) -> None:
    build, clip = BUILDS[name]
    faceless = clip(12)
    faces = "face_embedding"
    faceless[faces] = Track(faceless[faces].values, faceless[faces].seconds, np.zeros(12, np.bool_))
    batch = batch_of(clip(25), faceless)
    model = build(batch, 3)
    model.loss(model.stages(batch), batch).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_recurrent_layer_ends_at_the_clips_own_last_row() -> None:
    torch.manual_seed(0)
    layer, values = Recurrent(nn.LSTM, 3, 4), torch.randn(1, 5, 3)
    mask = torch.tensor([[True, True, True, False, False]])
    torch.testing.assert_close(layer(values, mask)[:, :3], layer(values[:, :3], mask[:, :3]))
    assert not layer(values, mask)[:, 3:].any()


def test_attention_looks_at_no_masked_row() -> None:
    layer, keys = Attention(8, heads=2).eval(), torch.randn(1, 4, 8)
    mask, queries = torch.tensor([[True, True, False, False]]), torch.randn(1, 3, 8)
    torch.testing.assert_close(layer(queries, keys, mask), layer(queries, keys[:, :2], mask[:, :2]))


def test_scores_are_those_of_a_confusion_worked_by_hand() -> None:
    # Of class a 3 clips: 2 right; of b 1: right; class c is in no test and said once.
    scores = Scores(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1]), 3)
    assert scores.confusion.tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert scores.accuracy == 0.75
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.macro_f1 == pytest.approx((0.8 + 1) / 2)
    assert scores.weighted_f1 == pytest.approx(0.75 * 0.8 + 0.25)
    assert scores.by_class("abc")["a"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3}
    )
    assert scores.by_class("abc")["c"] == {"support": 0}


def test_areas_under_the_curve_are_of_one_class_against_the_rest() -> None:
    targets = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.6, 0.4, 0], [0.1, 0.9, 0]])
    found = measured(targets, probabilities, ("a", "b", "c"), {"sex": ["f", "f", "m", "m"]})
    # Of the four pairs of a clip of a and one of b, three are in order.
    assert found["roc_auc"] == pytest.approx({"a": 0.75, "b": 0.75, "macro": 0.75})
    assert {sex: one["accuracy"] for sex, one in found["by_sex"].items()} == {"f": 0.5, "m": 0.5}
    assert found["confusion_normalised"] == [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert found["by_sex"]["m"]["per_class"] == {
        "a": {"support": 0},
        "b": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        "c": {"support": 0},
    }


def test_chance_is_the_better_of_two_guessers() -> None:
    assert Scores(np.array([0, 0, 0, 1]), np.zeros(4, np.int64), 2).chance == 0.75
    assert Scores(np.array([0, 1, 2]), np.zeros(3, np.int64), 3).chance == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "store"
    make_store(root)
    return root


def clips(root: Path, role: str) -> FeatureDataset:
    return FeatureDataset(
        root, features=["mfcc"], labels="made3", scheme="thirds", fold=0, role=role, missing="drop"
    )


def test_a_run_reports_every_fold_beside_chance(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(PAPER, made, CHOICE)
    assert [(result.protocol.scheme, result.fold, result.model) for result in results] == [
        ("thirds", fold, "small") for fold in range(3)
    ]
    tested = [
        clip_id
        for fold in range(3)
        for clip_id in FeatureDataset(
            made,
            features=["mfcc"],
            labels="made3",
            scheme="thirds",
            fold=fold,
            role="test",
            missing="drop",
        ).clip_ids
    ]
    assert sum(int(result.scores.confusion.sum()) for result in results) == len(tested)
    printed = capsys.readouterr().out
    assert "the paper's own protocol; no subject on two sides" in printed
    assert printed.count("<- predicted") == 3
    assert printed.splitlines()[-1].split()[0] == "small"
    assert "chance" in printed


def test_schemes_and_models_of_equal_scores_have_a_line_each(made: Path) -> None:
    (one, *_) = run(PAPER, made, CHOICE)
    halves = replace(one.protocol, scheme="halves")
    results = [
        one,
        replace(one, model="other"),
        replace(one, protocol=halves),
        replace(one, protocol=halves, model="other"),
    ]
    first = [line.split()[0] for line in summary("made", results).splitlines()[2:]]
    assert first == ["thirds", "small", "other", "halves", "small", "other"]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(made: Path) -> None:
    trained = [loop.train(TRIAL, clips(made, "train"), None, seed) for seed in (0, 0, 1)]
    first, again, other = (
        loop.predict(model, TRIAL, clips(made, "test")).probabilities for model in trained
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_weights_of_the_epoch_that_suits_the_watched_clips_best_are_kept(made: Path) -> None:
    train, watched = clips(made, "train"), clips(made, "test")

    def loss(epochs: int, patience: int | None) -> float:
        trial = replace(TRIAL, fitting=Fitting(epochs, 2, adam(2.0), patience=patience))
        return loop.tallied(loop.train(trial, train, watched, 0), watched).loss

    each = [loss(epochs, None) for epochs in range(1, 9)]
    assert min(each) < each[-1]
    assert loss(8, 8) == min(each)
    stopped = next(i for i in range(1, 8) if each[i] >= min(each[:i]))
    assert loss(8, 1) == min(each[:stopped])


def test_without_watched_clips_all_epochs_are_run(made: Path) -> None:
    trial = replace(TRIAL, fitting=Fitting(8, 2, adam(0.1), patience=1))
    plain = replace(TRIAL, fitting=Fitting(8, 2, adam(0.1)))
    found = [
        loop.predict(loop.train(one, clips(made, "train"), None, 0), one, clips(made, "test"))
        for one in (trial, plain)
    ]
    assert (found[0].probabilities == found[1].probabilities).all()


def test_rows_are_examples_of_one_valid_row_each(made: Path) -> None:
    whole = clips(made, "train")
    rows = loop.Rows(whole)
    valid = [whole[i][1]["mfcc"].valid for i in range(len(whole))]
    assert len(rows) == sum(int(of_clip.sum()) for of_clip in valid)
    assert all(
        len(rows[i][1]["mfcc"]) == 1 and rows[i][1]["mfcc"].valid.all() for i in range(len(rows))
    )
    chosen = {
        clip_id: np.arange(len(of_clip)) == 0
        for clip_id, of_clip in zip(whole.clip_ids, valid, strict=True)
    }
    assert len(loop.Rows(whole, chosen)) == sum(int(of_clip[0]) for of_clip in valid)


def test_a_scheme_that_shares_subjects_says_so(made: Path, tmp_path: Path) -> None:
    one = [replace(clip, subject_id="made/one") for clip in FeatureStore(made).rows(CLIPS)]
    make_store(tmp_path / "store", clips=CLIPS.build(one))
    (protocol, *_) = {result.protocol for result in run(PAPER, tmp_path / "store", CHOICE)}
    assert protocol.shared == protocol.tested > 0
    assert "LEAKS: 7 of 7 tested clips are of subjects that are trained on" in protocol.title


def test_a_store_of_another_recipe_or_without_folds_or_labels_is_refused(made: Path) -> None:
    with pytest.raises(
        NotReady, match="was built with the recipe made; build one with --recipe tcs2026"
    ):
        run(tcs2026.PAPER, made, Choice(tcs2026.PAPER.small))
    with pytest.raises(
        NotReady, match=r"has no folds of halves; make them: affectstore split .* halves"
    ):
        run(PAPER, made, replace(CHOICE, schemes=("halves",)))
    with pytest.raises(NotReady, match=r"has the labels made3.*; made learns cremad6"):
        run(replace(PAPER, labels=("cremad6",)), made, CHOICE)
    with pytest.raises(NotReady, match=r"--labels common4: .* made learns cremad6 or made3"):
        run(replace(PAPER, labels=("cremad6", "made3")), made, replace(CHOICE, labels="common4"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_store_of_the_shipped_recipe_differs_from_it_in_nothing_and_else_by_name(
    recipe: str, tmp_path: Path
) -> None:
    as_shipped = load(recipe).resolved()
    commit(tmp_path / "store", {}, tables_of(1, [], []), recipe=as_shipped)
    assert differences_of(FeatureStore(tmp_path / "store"), recipe) == []
    commit(tmp_path / "store", {}, tables_of(1, [], []), recipe={**as_shipped, "about": "mine"})
    (difference,) = differences_of(FeatureStore(tmp_path / "store"), recipe)
    assert difference.startswith("about is 'mine' in this store, ")


@pytest.mark.parametrize(
    ("recipe", "feature", "labels"),
    [
        ("donatus2026", "audio_embedding", "cremad6"),
        ("tucker2025", "frame_embedding", "cremad6"),
        ("tucker2025", "frame_embedding", "iemocap8"),
    ],
)
def test_labels_of_the_store_s_corpus_are_no_difference_and_others_are(
    recipe: str, feature: str, labels: str, tmp_path: Path
) -> None:
    def differences(of: str, *there: str) -> list[str]:
        tables = tables_of(1, [], [])
        clip_id = tables["clips"]["clip_id"][0].as_py()
        tables["labels"] = LABELS.build(
            [Label(clip_id, one, "intended", "neutral") for one in sorted(there)]
        )
        resolved = load(recipe, (f"fitted.{feature}.labels={of}",)).resolved()
        commit(tmp_path / "store", {}, tables, recipe=resolved)
        return differences_of(FeatureStore(tmp_path / "store"), recipe, paper_of(recipe).labels)

    own = {"cremad6": "cremad6", "iemocap8": "iemocap"}[labels]
    assert differences(labels, own) == []
    for of, there in ((labels, ("ravdess8", own)), (labels, ("made3",)), ("meld7", ("meld7",))):
        (difference,) = differences(of, *there)
        assert difference.startswith(f"fitted.{feature}.labels is '{of}' in this store, ")


def test_of_iemocap_tucker_learns_the_classes_of_its_table_and_no_turn_that_has_none(
    made: Path, tmp_path: Path
) -> None:
    words = ("ang", "xxx", "fru", "oth", "dis", "sur", "exc")
    clip_ids = [clip.clip_id for clip in FeatureStore(made).rows(CLIPS)]
    labels = [
        Label(clip_id, "iemocap", "vote", word)
        for clip_id, word in zip(clip_ids, words, strict=True)
    ]
    make_store(tmp_path / "iemocap", labels=LABELS.build(labels))
    store = FeatureStore(tmp_path / "iemocap")
    paper = tucker2025.PAPER
    assert labels_of(paper, store) == "iemocap8"
    assert labels_of(paper, store, "iemocap9") == "iemocap9"
    for name, learnt in (("iemocap8", 4), ("iemocap9", 5)):
        opened = FeatureDataset(
            tmp_path / "iemocap", features=["mfcc"], labels=name, missing="drop"
        )
        assert (len(opened), len(opened.classes)) == (learnt, int(name[-1]))
        assert not {"xxx", "oth"} & set(opened.classes)


def test_the_commands_end_in_one_sentence_and_with_2(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    for command, arguments in (
        (train, ["tcs2026", str(made)]),
        (train, ["tcs2026", nowhere]),
        (tables, ["tcs2026", nowhere]),
        (timing, ["tcs2026", nowhere]),
        (timing, ["tcs2026", str(made)]),
        (timing, ["tcs2026", str(made), "--run", nowhere]),
        (papers, ["--runs", nowhere]),
        (reproduce, ["/proc/nowhere", "tcs2026"]),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        said = capsys.readouterr().err
        assert ended.value.code == 2, said
        assert said.startswith(f"{command.__name__}: ")
        assert said.count("\n") == 1


def test_any_trainer_scikit_learn(made: Path) -> None:
    from examples import any_trainer_sklearn

    scores = any_trainer_sklearn.run(made, ["mfcc", "logmel"], "made3", "thirds")
    assert [score.confusion.shape for score in scores] == [(3, 3)] * 3


def test_any_trainer_jax(made: Path, python: Python) -> None:
    # In a process of its own: JAX's threads outlive it, and tests that fork come after.
    printed = python("-m", "examples.any_trainer_jax", made, "mfcc", "made3", "thirds").stdout
    assert [line.split(":")[0] for line in printed.splitlines()] == ["fold 0", "fold 1", "fold 2"]


TINY = {"kirar2024": (6, 4, 1)}
"""Actors, emotions and takes of a sample; the autoencoder judges itself by a second training
subject."""
BRIEF = {
    "donatus2026": (
        "features.frames.fps=4.0",
        "fitted.audio_embedding.segment_hop_s=0.25",
        "features.mfcc_embedding.segment_hop_s=0.25",
    ),
    "tucker2025": ("features.frames.fps=3.0",),
    "tcs2026": ("features.frames.fps=4.0",),
    "kirar2024": (
        "features.frames.fps=3.0",
        "fitted.code.steps=20",
        "fitted.selected.population=4",
        "fitted.selected.iterations=2",
    ),
    "satvik2025": (),
}
"""Further changes to the small recipe: here the way counts, not the scores."""


SLOWEST = {"tucker2025", "tcs2026"}
"""A minute and more of two processors, for which `make long` and `make papers` have time."""


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[pytest.mark.long] * (name in SLOWEST)) for name in RECIPES],
)
def test_one_command_goes_from_clips_to_scores_under_both_protocols(
    recipe: str,
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(prepare, "SIZES", {recipe: TINY.get(recipe, (3, 2, 1))})
    if recipe not in TINY:
        linked(sample, tmp_path / "store-clips")  # which are found and not drawn
    # Of so few clips, the one that is cut off on purpose is a large part.
    monkeypatch.setitem(
        prepare.SMALL, recipe, (*prepare.SMALL[recipe], *BRIEF[recipe], "max_bad_fraction=0.2")
    )
    # A worker has torch to import: two would take longer than one.
    for module in (flows.building.run, flows.fitting.run):
        monkeypatch.setattr(module, "cores", lambda: 1)
    threads = torch.get_num_threads()
    try:
        out = tmp_path / "run"
        brief = ["--set", "epochs=4"] if recipe == "donatus2026" else []
        store = str(tmp_path / "store")
        main([recipe, store, "--sample", "--small", "--folds", "0", "--out", str(out), *brief])
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    summary = printed.rpartition(f"\n{recipe} ")[2].splitlines()[1:]
    schemes = [line.strip() for line in summary if line.startswith("  ") and len(line.split()) == 1]
    assert schemes[-1] == "subject_kfold"
    assert [scheme.endswith("random_80_20_leaking") for scheme in schemes] == (
        [False] if recipe == "donatus2026" else [True, False]
    )
    assert ("LEAKS" in printed) == (recipe != "donatus2026")
    scores = [line.replace("±", " ").split()[-8:-1] for line in summary if line[:4] == "    "]
    assert len(scores) >= len(schemes)
    assert all(0 <= float(value) <= 1 for line in scores for value in line)
    assert "NOT AS SHIPPED: " in printed
    paper, kept = paper_of(recipe), open_run(out)
    missing = tables.write_all(paper, kept)
    played = [sentence for sentence in missing if "python -m examples.stream CLIP" in sentence]
    assert missing == played
    assert len(played) == (len(kept.schemes) if recipe == "tcs2026" else 0)
    for table in paper.printed.tables:
        texts = [text_of(table, models, kept.facts["labels"]) for models in kept.schemes.values()]
        assert any("(not run)" not in text for text in texts), table.title
