"""Training end to end: pictures go through the network that made the embeddings, and it learns."""

import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from examples import donatus2026, joint, kirar2024, loop
from examples.donatus2026 import ONE_NETWORK, WHOLE
from examples.joint import EndToEnd, EndToEndClips, JointSettings, backbones_of, end_to_end
from examples.not_ready import NotReady
from examples.plan import Trial
from examples.train import main, run
from extractors.base import Runtime
from extractors.batching import encode_stream
from flows.recipe import load
from stores import FeatureDataset, FeatureStore
from tests.support.commands import ROOT
from tests.support.pixels_made import AUGMENTED, JOINT, PAPER, SETTINGS, SHORT, make
from tests.support.stores_made import commit, tables_of

pytestmark = pytest.mark.usefixtures("networks_of_real_size")


PLAIN = JointSettings()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("pixels") / "store")


def trial_of(name: str) -> Trial:
    return next(one for one in donatus2026.trials(SETTINGS) if one.name == name)


def clips_of(store: Path, trial: Trial, role: str = "train", seed: int = 0) -> EndToEndClips:
    def opened(features: Any, variants: Any) -> FeatureDataset:
        return FeatureDataset(
            store, features=features, labels="made3", scheme="thirds", fold=0, role=role,
            missing="drop", variants=variants,
        )  # fmt: skip

    return joint.open_clips(
        opened, trial, backbones_of(FeatureStore(store), trial.features), role, seed
    )


def begun(store: Path, trial: Trial, settings: JointSettings = PLAIN) -> EndToEnd:
    """An untrained model."""
    torch.manual_seed(0)
    whole = end_to_end(trial, backbones_of(FeatureStore(store), trial.features), settings)
    clips = clips_of(store, trial)
    model = loop.begun(whole, clips, clips, loop.CPU)
    assert isinstance(model, EndToEnd)
    return model


def batch_of(clips: EndToEndClips, count: int = 4) -> dict[str, Any]:
    return next(loop.tensors(clips, [clips[i] for i in range(count)], count))


# What the network is given


def test_pictures_and_segments_are_embedded_as_the_store_s_extractor_embeds_them(
    store: Path,
) -> None:
    trial = replace(trial_of(ONE_NETWORK), align=None)
    clips, model = clips_of(store, trial, "test"), begun(store, trial, JointSettings(at_once=5))
    found = model.eval().embedded(batch_of(clips))
    for feature, backbone in backbones_of(FeatureStore(store), trial.features).items():
        source = FeatureStore(store)[backbone.encoder.input]
        pairs = [(clip_id, source[clip_id]) for clip_id in found["clip_ids"]]
        expected = dict(encode_stream(backbone.encoder, pairs, Runtime("torch")))
        for i, clip_id in enumerate(found["clip_ids"]):
            rows = np.nan_to_num(expected[clip_id].values)
            values = found["values"][feature][i].detach().numpy()
            assert np.allclose(values, rows, rtol=1e-4, atol=1e-5), feature
    missing = ~found["mask"]["face_embedding"]
    assert missing.sum() == 4
    assert not found["values"]["face_embedding"][missing].any()


def test_training_pictures_are_drawn_anew_in_each_epoch_and_the_same_again(store: Path) -> None:
    trial = Trial(
        "faces", ("tuned_faces", "logmel"), trial_of("video").build, trial_of("video").fitting,
        variants=(0, 1),
    )  # fmt: skip
    clips, again = clips_of(store, trial), clips_of(store, trial)
    seen: list[tuple[bytes, bytes]] = []
    for epoch in range(6):
        clips.begin_epoch(epoch)
        tracks = clips[0][1]
        assert list(tracks) == ["tuned_faces", "logmel"]
        seen.append((tracks["tuned_faces"].values.tobytes(), tracks["logmel"].values.tobytes()))
    again.begin_epoch(3)
    assert again[0][1]["tuned_faces"].values.tobytes() == seen[3][0]
    assert len({pictures for pictures, _ in seen}) == 6
    assert len({sound for _, sound in seen}) == 2, "the clip's own sound and its variant"
    assert clips_of(store, trial, seed=1)[0][1]["tuned_faces"].values.tobytes() != seen[0][0]
    assert len(clips) == 8, "a clip is one example, whatever variants of it there are"
    # Nothing of other roles is drawn.
    tested = clips_of(store, trial, "test")
    plain = FeatureStore(store)["crops"][tested[0][0]]
    assert np.array_equal(tested[0][1]["tuned_faces"].values, plain.values)
    assert np.array_equal(
        tested[0][1]["logmel"].values, FeatureStore(store)["logmel"][tested[0][0]].values
    )


# The network


def gradient_of(model: EndToEnd, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    model.train()
    model.loss(model.stages(batch), batch).backward()  # type: ignore[no-untyped-call]
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


def test_parts_that_are_computed_once_more_give_the_gradient_and_the_means_of_parts_that_are_kept(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of("video")
    batch = batch_of(clips_of(store, trial))
    models = [begun(store, trial, JointSettings(at_once=6)) for _ in range(2)]
    found = gradient_of(models[0], batch)
    part = EndToEnd._part
    monkeypatch.setattr(
        EndToEnd, "_part", staticmethod(lambda net, of, rows, _: part(net, of, rows, False))
    )
    kept = gradient_of(models[1], batch)
    assert found.keys() == kept.keys()
    assert {name for name in found if name.startswith("networks")} == {
        f"networks.face_embedding.{name}"
        for name, _ in models[0].networks["face_embedding"].named_parameters()
    }
    assert all(torch.allclose(found[name], kept[name], rtol=1e-4, atol=1e-7) for name in found)
    means = [dict(model.named_buffers()) for model in models]
    names = [name for name in means[0] if "running" in name]
    assert names
    assert all(torch.equal(means[0][name], means[1][name]) for name in names)
    assert all(
        norm.momentum == 0.1 for norm in models[0].modules() if isinstance(norm, nn.BatchNorm2d)
    )


def test_one_network_serves_both_streams_or_each_has_its_own(store: Path) -> None:
    one, two = begun(store, trial_of(ONE_NETWORK)), begun(store, trial_of(WHOLE))
    assert (len(one.networks), len(two.networks)) == (1, 2)
    sizes = [sum(p.numel() for p in model.networks.parameters()) for model in (one, two)]
    assert sizes[1] == 2 * sizes[0] > 2 * 11_000_000
    batch = batch_of(clips_of(store, trial_of(ONE_NETWORK)))
    assert one.of == {"mfcc_embedding": "shared", "face_embedding": "shared"}
    both = gradient_of(one, batch)["networks.shared.conv1.weight"]
    # The gradient is that of both streams: without pictures there is another.
    faces = begun(store, trial_of(ONE_NETWORK))
    batch["values"]["mfcc_embedding"] = torch.zeros_like(batch["values"]["mfcc_embedding"])
    assert not torch.allclose(gradient_of(faces, batch)["networks.shared.conv1.weight"], both)


def test_networks_have_their_own_rate_and_decay_and_the_model_keeps_its_own(store: Path) -> None:
    trial = replace(trial_of("video"), features=("tuned_faces",))
    backbones = backbones_of(FeatureStore(store), ("tuned_faces", "face_embedding", "logmel"))
    assert backbones.keys() == {"tuned_faces", "face_embedding"}
    assert backbones["face_embedding"].rate is None, "frozen in the recipe: the model's rate"
    network, head = joint._network(backbones["tuned_faces"].encoder), nn.Linear(3, 2)
    model = EndToEnd({"tuned_faces": network}, {"tuned_faces": "tuned_faces"}, head, 4)  # type: ignore[arg-type]
    groups = joint._optimizer(trial, backbones, JointSettings(), model).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (2e-4, 0.0), (2e-4, 1e-3), (SETTINGS.rate, 0.0)
    ]  # fmt: skip
    assert all(one.ndim > 1 for one in groups[1]["params"])
    assert len(groups[2]["params"]) == 2
    faster = joint._optimizer(trial, backbones, JointSettings(rate=0.5), model).param_groups
    assert [group["lr"] for group in faster] == [0.5, 0.5, SETTINGS.rate]


# Runs


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    run(PAPER, store, JOINT, out)
    return out


def found_in(out: Path) -> dict[str, Any]:
    folder = out / "thirds" / "0" / "video" / "0"
    weights = {
        name: torch.load(folder / name, weights_only=True) for name in ("best.pt", "last.pt")
    }
    tables = {
        name: pd.read_parquet(folder / name).drop(columns="seconds", errors="ignore").to_json()
        for name in ("history.parquet", "predictions.parquet")
    }
    plain = {
        name: {key: sha256(value.numpy().tobytes()).hexdigest() for key, value in one.items()}
        for name, one in weights.items()
    }
    return {**plain, **tables}


def test_what_lies_in_pixels_is_learnt_through_the_network(store: Path, undisturbed: Path) -> None:
    predictions = pd.read_parquet(undisturbed / "thirds/0/video/0/predictions.parquet")
    assert len(predictions) == 4, "of the subject that was not trained on"
    assert (predictions["target"] == predictions["predicted"]).all()
    history = pd.read_parquet(undisturbed / "thirds/0/video/0/history.parquet")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2
    last = torch.load(undisturbed / "thirds/0/video/0/last.pt", weights_only=True)
    start = begun(store, trial_of("video")).state_dict()
    moved = [n for n in start if n.startswith("networks") and not torch.equal(start[n], last[n])]
    assert len(moved) == len([n for n in start if n.startswith("networks")])


def test_a_run_that_is_killed_ends_with_the_same_files_and_draws(
    tmp_path: Path, processes: None
) -> None:
    store = make(tmp_path / "store", AUGMENTED)
    run(PAPER, store, SHORT, tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; from examples.train import run; import torch; "
        "torch.set_num_threads(int(sys.argv[4])); "
        "from tests.support.pixels_made import PAPER, SHORT; "
        "from tests.support.trainers_made import waiting_after; "
        "waiting_after(int(sys.argv[3])); "
        "run(PAPER, Path(sys.argv[1]), SHORT, Path(sys.argv[2]))"
    )

    def command(epochs: str) -> list[str]:
        places = [str(store), str(tmp_path / "run")]
        threads = str(torch.get_num_threads())
        return [sys.executable, "-u", "-c", code, *places, epochs, threads]

    with subprocess.Popen(command("2"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "kept\n":
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run/thirds/0/video/0/metrics.json").exists()
    subprocess.run(command("99"), cwd=ROOT, check=True, stdout=subprocess.PIPE)
    assert found_in(tmp_path / "run") == found_in(tmp_path / "whole")


def test_a_run_on_embeddings_is_no_run_end_to_end(store: Path, undisturbed: Path) -> None:
    with pytest.raises(NotReady, match=r"another settings .joint was .*'at_once': 16.* is None"):
        run(PAPER, store, replace(JOINT, joint=None), undisturbed)


def test_a_processor_is_warned_of_and_the_cost_is_said_first(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(PAPER, store, replace(JOINT, settings=replace(SETTINGS, epochs=1)), tmp_path)
    said = capsys.readouterr().out
    assert "donatus2026 end to end on cpu" in said
    assert "WARNING: each step sends every picture through its network" in said
    cost, epoch = said.index("video: 11,"), said.index("epoch 1 of 1")
    assert cost < epoch, "parameters of the network are counted too"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--joint", "--set", "joint.at_one=3"], "did you mean at_once"),
        (["--set", "joint.at_once=3"], "--set joint.at_once=3: there is no setting joint.at_once"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    changes: list[str], sentence: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["donatus2026", str(store), *changes])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_model_that_reads_no_embedding_is_refused(store: Path) -> None:
    sound = Trial("sound", ("logmel",), trial_of("video").build, trial_of("video").fitting)
    paper = replace(PAPER, trials=lambda _: [sound])
    with pytest.raises(NotReady, match="'sound' reads logmel, none of which is the embedding"):
        run(paper, store, replace(JOINT, models=()))


def test_a_map_of_a_network_is_no_embedding(tmp_path: Path) -> None:
    commit(tmp_path, {}, tables_of(1, [], []), recipe=load("kirar2024").resolved())
    store = FeatureStore(tmp_path)
    for trial in kirar2024.trials(kirar2024.PAPER.small):
        with pytest.raises(NotReady, match="none of which is the embedding of a network"):
            end_to_end(trial, backbones_of(store, trial.features), PLAIN)
