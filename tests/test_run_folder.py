"""The folder of a run: what it keeps, and that a run goes on where it was ended."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from examples import kirar2024, loop, satvik2025, tables, tcs2026, train
from examples.command import ending
from examples.device import CPU, choose
from examples.kept import open_run
from examples.not_ready import NotReady
from examples.options import names_in
from examples.parts import Stages, Tensors, adam
from examples.plan import Fitting, Plateau
from examples.run_folder import ModelFolder
from examples.settings import changed
from examples.train import RECIPES, Choice, paper_of, run
from examples.trainer import Costs
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores import FeatureDataset
from tests.support.commands import ROOT
from tests.support.stores_made import SPEC, make_store, tracks_for
from tests.support.trainers_made import CHOICE, LONGER, PAPER, TRIAL, Small, SmallSettings, found_in

FUSED = ("gated_fusion_with_tcs", "forward_lstm")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "store"
    make_store(root)
    return root


@pytest.fixture(scope="module")
def undisturbed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    run(PAPER, made, LONGER, out)
    return out


def test_a_run_leaves_predictions_history_weights_and_metrics(undisturbed: Path) -> None:
    folder = undisturbed / "thirds" / "0" / "small" / "0"
    assert {path.name for path in folder.iterdir()} == {
        "predictions.parquet", "history.parquet", "best.pt", "last.pt", "metrics.json"
    }  # fmt: skip
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert list(predictions) == [
        "clip_id", "subject_id", "sex", "target", "predicted", "p_angry", "p_calm", "p_happy"
    ]  # fmt: skip
    columns = predictions[["p_angry", "p_calm", "p_happy"]]
    assert columns.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (columns.idxmax(axis=1).str.removeprefix("p_") == predictions["predicted"]).all()
    history = pd.read_parquet(folder / "history.parquet")
    assert list(history["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert list(history) == [
        "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "rate", "seconds"
    ]  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    right = (predictions["target"] == predictions["predicted"]).mean()
    assert metrics["accuracy"] == pytest.approx(right)
    assert metrics["clips"] == len(predictions)
    assert sum(map(sum, metrics["confusion"])) == len(predictions)
    assert metrics.keys() >= {
        "balanced_accuracy", "macro_f1", "weighted_f1", "macro_precision", "per_class", "roc_auc",
        "confusion_normalised", "by_sex", "by_corpus",
    }  # fmt: skip
    whole = json.loads((undisturbed / "run.json").read_text())
    assert whole["settings"] == {"epochs": 6, "rate": 0.1, "patience": None, "widths": [1, 2]}
    assert (whole["recipe"], whole["snapshot"], whole["labels"]) == ("made", 1, "made3")
    assert whole["device"].startswith("cpu")
    assert "torch" in whole["versions"]


def test_clips_that_are_left_out_are_listed_with_what_they_lack(tmp_path: Path) -> None:
    tracks: dict[str, Track | BadClip] = dict(tracks_for(SPEC, 7))
    tracks["made/05"] = BadClip("made/05", Reason.CORRUPT, "cut off")
    make_store(tmp_path / "store", specs=(SPEC,), tracks=tracks)
    run(PAPER, tmp_path / "store", LONGER, tmp_path / "run")
    dropped = json.loads((tmp_path / "run" / "run.json").read_text())["dropped"]
    assert dropped.keys() == {"made/05"}
    assert "mfcc" in dropped["made/05"]


def test_metrics_of_the_run_are_means_over_folds_and_seeds(made: Path, tmp_path: Path) -> None:
    results = run(PAPER, made, replace(CHOICE, seeds=(0, 1), folds=(0, 2)), tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["thirds"]["small"]
    each = [
        json.loads((tmp_path / f"run/thirds/{fold}/small/{seed}/metrics.json").read_text())
        for fold in (0, 2)
        for seed in (0, 1)
    ]
    assert metrics["runs"] == [{"fold": f, "seed": s} for f in (0, 2) for s in (0, 1)]
    accuracy = [one["accuracy"] for one in each]
    assert metrics["over_runs"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
    assert metrics["over_runs"]["accuracy"]["deviation"] == pytest.approx(np.std(accuracy, ddof=1))
    assert metrics["pooled"]["clips"] == sum(one["clips"] for one in each)
    assert len(results) == 4


def test_parts_of_a_run_by_several_commands_are_the_metrics_of_one(
    made: Path, tmp_path: Path
) -> None:
    whole = replace(CHOICE, folds=(0, 1), models=(), seeds=(0, 1))
    run(PAPER, made, whole, tmp_path / "whole")
    for part in (
        {"folds": (1,), "models": ("Small, again",)},
        {"folds": (0,), "seeds": (1,)},
        {"folds": (1,), "models": ("small",)},
        {"seeds": (0,), "models": ("Small, again",)},
        {"folds": (0,), "seeds": (0,), "models": ("small",)},
    ):
        run(PAPER, made, replace(whole, **part), tmp_path / "parts")
    metrics = [(tmp_path / name / "metrics.json").read_text() for name in ("whole", "parts")]
    assert metrics[0] == metrics[1]


class Ended(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, 4, 6])
def test_a_run_that_is_ended_goes_on_after_its_last_epoch(
    epochs: int, made: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, said = 0, list[str]()
    keep = ModelFolder.keep

    def end(folder: ModelFolder, state: dict[str, object]) -> None:
        nonlocal kept
        keep(folder, state)
        kept += 1
        if kept == epochs:
            raise Ended

    monkeypatch.setattr(ModelFolder, "keep", end)
    with pytest.raises(Ended):
        run(PAPER, made, LONGER, tmp_path / "run")
    monkeypatch.setattr(ModelFolder, "keep", keep)
    monkeypatch.setattr(train, "_say", said.append)
    run(PAPER, made, LONGER, tmp_path / "run")
    assert len([line for line in said if line.startswith("  epoch ")]) == 6 - epochs
    assert found_in(tmp_path / "run") == found_in(undisturbed)


def test_a_run_that_is_killed_ends_with_the_same_files(
    made: Path, undisturbed: Path, tmp_path: Path, processes: None
) -> None:
    code = (
        "import sys; from pathlib import Path; from examples.train import run; "
        "from tests.support.trainers_made import LONGER, PAPER, waiting_after; "
        "waiting_after(int(sys.argv[3])); "
        "run(PAPER, Path(sys.argv[1]), LONGER, Path(sys.argv[2]))"
    )
    command = [sys.executable, "-u", "-c", code, str(made), str(tmp_path / "run")]
    with subprocess.Popen([*command, "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "kept\n":
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run/thirds/0/small/0/metrics.json").exists()
    subprocess.run([*command, "99"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    assert found_in(tmp_path / "run") == found_in(undisturbed)


def test_a_fused_model_that_is_killed_at_random_moments_ends_with_the_same_files(
    tmp_path: Path, processes: None
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    command = [sys.executable, "-m", "tests.support.killed_training", str(tmp_path), str(seed)]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    kills, resumed, status = map(int, said.split()[1::2])
    assert status == 0
    assert kills >= 1
    assert resumed >= 1
    whole = found_in(tmp_path / "whole")
    assert found_in(tmp_path / "killed") == whole
    models = {tuple(name.split("/")[1:3]) for name in whole if name.endswith("history.parquet")}
    assert models == {(fold, model) for fold in "01" for model in FUSED}


def test_what_is_finished_is_never_trained_again(
    made: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(loop, "train", fail)
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("small/0/*")}
    run(PAPER, made, LONGER, undisturbed)
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("small/0/*")} == before


def test_what_does_not_belong_to_the_run_is_one_sentence(
    made: Path, undisturbed: Path, tmp_path: Path
) -> None:
    def refused(out: Path, choice: Choice = LONGER, root: Path = made) -> str:
        with pytest.raises(NotReady) as error:
            run(PAPER, root, choice, out)
        assert "\n" not in str(error.value)
        return str(error.value)

    other = replace(LONGER, settings=SmallSettings(epochs=7))
    assert "another settings (epochs was 6, is 7)" in refused(undisturbed, other)
    half = replace(LONGER, device=replace(CPU, bf16=True))
    assert "another bf16 (was False, is True)" in refused(undisturbed, half)
    make_store(tmp_path / "store", count=6)
    assert "another store" in refused(undisturbed, root=tmp_path / "store")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert "no run.json" in refused(tmp_path / "full")
    assert "--models again: made trains 'small'" in refused(
        tmp_path, replace(LONGER, models=("again",))
    )
    assert "--folds 9: thirds has the folds 0, 1, 2" in refused(
        tmp_path, replace(LONGER, folds=(9,))
    )


def test_models_whose_names_have_commas_are_chosen_by_name(made: Path, tmp_path: Path) -> None:
    for number, (text, names) in enumerate(
        {
            "Small, again": {"Small, again"},
            "small,Small, again": {"small", "Small, again"},
            "Small, again, small": {"small", "Small, again"},
        }.items()
    ):
        choice = replace(LONGER, settings=SmallSettings(epochs=1), models=(text,))
        assert {one.model for one in run(PAPER, made, choice, tmp_path / f"{number}")} == names
    trained = kirar2024.trials(kirar2024.PAPER.small)
    names_of_all = [trial.name for trial in trained]
    assert names_in(",".join(names_of_all), names_of_all) == names_of_all
    assert names_in("Tucker fusion, pooled by sums", names_of_all)[0] == "Tucker fusion"


def test_models_are_not_chosen_where_the_papers_own_protocol_trains_them_together(
    made: Path, tmp_path: Path
) -> None:
    paper = replace(PAPER, published=satvik2025.published)
    with pytest.raises(NotReady, match=r"of its own under thirds, .* leave --models"):
        run(paper, made, LONGER, tmp_path / "run")


def test_a_run_needs_a_folder(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for out in (file, link, Path("/dev/full")):
        with pytest.raises(NotReady, match=f"{out} is no folder; give a new or empty folder"):
            run(PAPER, made, LONGER, out)
    assert file.read_text() == "mine"
    run(PAPER, made, LONGER, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "thirds")
    (tmp_path / "run" / "thirds").write_text("mine")
    for out in (tmp_path / "run", Path("/proc/nowhere")):
        with pytest.raises(SystemExit) as ended, ending("examples.train"):
            run(PAPER, made, LONGER, out)
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(f"examples.train: {out}")
        assert said.count("\n") == 1


@pytest.mark.parametrize("text", ["[]", "{}", '"text"', "{"])
@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_json_of_another_form_is_one_sentence(
    name: str, text: str, undisturbed: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    (out / name).write_text(text)
    with pytest.raises(NotReady, match=r"run the training once more"):
        tables.write_all(PAPER, open_run(out))
    if name == "run.json":
        with pytest.raises(NotReady, match=r"run.json is damaged .* give another folder"):
            run(PAPER, made, LONGER, out)
    else:
        run(PAPER, made, LONGER, out)
        assert found_in(out) == found_in(undisturbed)


def test_a_torn_history_is_one_sentence(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    (tmp_path / "run/thirds/0/small/0/history.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(NotReady, match=r"history.parquet is damaged .* remove the folder"):
        _ = open_run(tmp_path / "run").schemes["thirds"]["small"].histories


def test_a_checkpoint_of_something_else_is_one_sentence(made: Path, tmp_path: Path) -> None:
    run(PAPER, made, LONGER, tmp_path)
    folder = tmp_path / "thirds" / "0" / "small" / "0"
    (folder / "metrics.json").unlink()
    for name in ("best.pt", "checkpoint.pt"):
        torch.save({"weights": torch.zeros(1)}, folder / name)
        with pytest.raises(NotReady, match=rf"{name} is damaged .* remove the folder"):
            run(PAPER, made, LONGER, tmp_path)
        (folder / "history.parquet").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.assign(target="bored"), "it has the target 'bored', expected one of"),
        (lambda table: table.drop(columns="p_calm"), "it has no column p_calm"),
        (lambda table: table.assign(clip_id="made/x"), "it has the clip 'made/x', which the store"),
        (lambda table: table.assign(clip_id="else/x"), "it has the clip 'else/x', which the store"),
        (lambda table: table.assign(target="calm"), "its confusion is not that of metrics.json"),
        (lambda table: table.assign(p_calm="0"), "its confusion is not that of metrics.json"),
    ],
)
def test_predictions_that_were_altered_are_one_sentence(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    sentence: str,
    undisturbed: Path,
    made: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    path = tmp_path / "run/thirds/0/small/0/predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(NotReady, match=rf"predictions.parquet is damaged \({sentence}") as error:
        run(PAPER, made, LONGER, tmp_path / "run")
    assert "\n" not in str(error.value)
    if "clip 'made" not in sentence:
        with pytest.raises(NotReady, match=r"predictions.parquet is damaged \(it"):
            _ = open_run(tmp_path / "run").schemes["thirds"]["small"].predictions


def test_what_killed_writers_left_goes_with_the_run_that_ends(made: Path, tmp_path: Path) -> None:
    (tmp_path / ".run.json.17-0123abcd.tmp").write_bytes(b"half")
    run(PAPER, made, LONGER, tmp_path)
    model = tmp_path / "thirds" / "0" / "small" / "0"
    (model / "metrics.json").unlink()
    for folder, name in ((model, "best.pt"), (model, "metrics.json"), (tmp_path, "metrics.json")):
        (folder / f".{name}.17-0123abcd.tmp").write_bytes(b"half")
    run(PAPER, made, LONGER, tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("torn", ["checkpoint.pt", "best.pt", "predictions.parquet"])
def test_a_torn_file_is_one_sentence_that_says_what_to_remove(
    torn: str, made: Path, tmp_path: Path
) -> None:
    run(PAPER, made, LONGER, tmp_path)
    folder = tmp_path / "thirds" / "0" / "small" / "0"
    if torn != "predictions.parquet":
        (folder / "metrics.json").unlink()
    if torn == "checkpoint.pt":
        (folder / "history.parquet").unlink()
    (folder / torn).write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(NotReady, match=rf"{torn} is damaged .* remove the folder .*/small/0"):
        run(PAPER, made, LONGER, tmp_path)


def test_a_checkpoint_of_pickled_code_is_not_run(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "thirds" / "0" / "small" / "0"
    folder.mkdir(parents=True)
    torch.save({"model": Path("/")}, folder / "checkpoint.pt")
    with pytest.raises(NotReady, match=r"no run\.json"):
        run(PAPER, made, LONGER, tmp_path)
    with pytest.raises(NotReady, match=r"checkpoint\.pt is damaged"):
        ModelFolder(folder).checkpoint()


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_the_rate_falls_after_exactly_so_many_epochs_without_a_lower_loss(epochs: int) -> None:
    optimizer = adam(1.0)(nn.Linear(1, 1))
    plateau = loop.falling(optimizer, Fitting(1, 1, adam(1.0), plateau=Plateau(0.5, epochs, 0.0)))
    assert plateau is not None
    rates = []
    for loss in (1.0, 0.9, *[0.9] * epochs, 0.8):
        plateau.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [1.0, 1.0, *[1.0] * (epochs - 1), 0.5, 0.5]


def test_settings_are_changed_by_name_and_nothing_else_is_taken() -> None:
    settings = SmallSettings()
    changes = ("epochs=9", "rate=1e-3", "widths=[3, 4]", "patience=none")
    assert changed(settings, changes) == SmallSettings(9, 1e-3, None, (3, 4))
    for change, sentence in {
        "epoch=3": "did you mean epochs",
        "epochs": "expected name=value",
        "epochs=many": "expected a number",
        "epochs=2.5": "--set epochs=2.5: ",
        "nosuch=1": "there is no setting nosuch; names here: epochs, rate, patience, widths",
        "epochs=0": "epochs=0: expected a positive number; the value here is 3",
        "rate=-1.0": "expected a positive number",
        "patience=0": "expected a positive number",
        "widths=[2, 0]": "expected a positive number",
        "widths=[]": "expected at least one number",
    }.items():
        with pytest.raises(NotReady, match=re.escape(sentence)) as error:
            changed(settings, [change])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("recipe", "change", "sentence"),
    [
        ("kirar2024", "batch=0", "at least 2"),
        ("kirar2024", "batch=1", "at least 2"),
        ("satvik2025", "audio_batch=1", "at least 2"),
        ("kirar2024", "units=0", "a positive number"),
        ("tucker2025", "heads=3", "a divisor of the width of 256"),
        ("satvik2025", "frames_tested=1.5", "a number below 1"),
        ("kirar2024", "heads=3", "a divisor of the width of 128"),
        ("kirar2024", "dropout=2.0", "a number below 1"),
        ("kirar2024", "dropout=-0.1", "no negative number"),
        ("tcs2026", "windows=0", "a positive number"),
        ("tcs2026", "smoothing=1.0", "a number below 1"),
        ("tcs2026", "variants=[0, -1]", "no negative number"),
        ("tucker2025", "channels=3", "at least 4"),
        ("satvik2025", "frames_filters=[8, 8, 0, 8]", "a positive number"),
    ],
)
def test_settings_have_bounds(recipe: str, change: str, sentence: str) -> None:
    with pytest.raises(NotReady, match=f"expected {sentence}; the value here is "):
        changed(paper_of(recipe).settings, [change])


def test_settings_may_be_0_where_that_leaves_something_out() -> None:
    for recipe in RECIPES:
        for settings in (paper_of(recipe).settings, paper_of(recipe).small):
            assert changed(settings, []) == settings
    found = changed(
        tcs2026.PAPER.settings,
        ["dropout=0.0", "smoothing=0.0", "weight_decay=0.0", "consistency=0.0", "clip_norm=none"],
    )
    assert (found.dropout, found.smoothing, found.clip_norm) == (0, 0, None)


def test_each_epoch_has_a_line_with_a_rate_and_the_time_left(made: Path) -> None:
    said: list[str] = []
    clips = {
        role: FeatureDataset(
            made,
            features=["mfcc"],
            labels="made3",
            scheme="thirds",
            fold=0,
            role=role,
            missing="drop",
        )
        for role in ("train", "test")
    }
    loop.train(TRIAL, clips["train"], clips["test"], 0, say=said.append)
    assert [line.split()[1] for line in said] == ["1", "2", "3"]
    assert all(" validation " in line and "rate 0.1" in line for line in said)
    assert ["left" in line for line in said] == [True, True, False]


def test_the_cost_that_is_said_counts_the_validation(made: Path) -> None:
    clips, watched = (
        FeatureDataset(
            made, features=["mfcc"], labels="made3", scheme="thirds", fold=0, role=role,
            missing="drop",
        )
        for role in ("train", "test")
    )  # fmt: skip

    class Slow(Small):
        def stages(self, batch: Tensors) -> Stages:
            time.sleep(0.02 if self.training else 0.2)
            return super().stages(batch)

    def build(batch: Tensors, classes: int) -> Slow:
        return Slow(batch["values"]["mfcc"].shape[-1], classes)

    trial = replace(TRIAL, build=build, fitting=replace(TRIAL.fitting, epochs=30))
    (alone, both) = (Costs(1).line(trial, clips, some, clips, CPU) for some in (None, watched))
    said = re.compile(r"ms, 30 epochs unless it stops early; 1 times that is about (\d+) s$")
    watching = re.compile(r" and \d{3} ms of validation, 30 epochs .* about (\d+) s$")
    without, among = said.search(alone), watching.search(both)
    assert without is not None
    assert among is not None
    # Each of 30 epochs looks for 0.2 s, and learns in two steps of 0.02 s.
    assert int(without[1]) < 6 <= int(among[1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a CUDA device")
def test_cuda_that_is_not_there_is_one_sentence_and_the_processor_is_the_other_choice() -> None:
    with pytest.raises(NotReady, match="--device cuda: this torch finds no CUDA device"):
        choose("cuda")
    threads = torch.get_num_threads()
    try:
        assert choose(None, threads=1).title == "cpu, 1 thread, float32"
    finally:
        torch.set_num_threads(threads)


def test_bfloat16_takes_part_where_it_is_asked_for(made: Path) -> None:
    clips = FeatureDataset(
        made, features=["mfcc"], labels="made3", scheme="thirds", fold=0, role="train",
        missing="drop",
    )  # fmt: skip
    model = loop.train(TRIAL, clips, None, 0)
    full, half = (
        loop.predict(model, TRIAL, clips, device=device).probabilities
        for device in (CPU, replace(CPU, bf16=True))
    )
    assert (full != half).any()
    assert half == pytest.approx(full, abs=0.05)


@pytest.mark.gpu
@needs_gpu
def test_a_model_is_trained_on_the_gpu_and_learns_what_it_learns_elsewhere(made: Path) -> None:
    device = choose("cuda")
    clips = FeatureDataset(
        made, features=["mfcc"], labels="made3", scheme="thirds", fold=0, role="train",
        missing="drop",
    )  # fmt: skip
    model = loop.train(TRIAL, clips, None, 0, device=device)
    assert next(model.parameters()).is_cuda
    there = loop.predict(model, TRIAL, clips, device=device)
    assert there.probabilities.sum(axis=1) == pytest.approx(1)
