"""A trainer for the stores that tests make: one layer on the mean of a feature."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from examples.parts import Net, Stages, Tensors, adam, mean_over_time, real
from examples.plan import Fitting, Paper, Plateau, Trial
from examples.printed import Printed
from examples.run_folder import ModelFolder
from examples.train import Choice


def found_in(out: Path) -> dict[str, Any]:
    """What a run found: of each file but for the times in histories and the device."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".parquet":
            table = pd.read_parquet(path).drop(columns="seconds", errors="ignore")
            found[name] = table.to_json(orient="split", double_precision=15)
        elif path.suffix == ".pt":
            found[name] = {
                key: value.tolist() for key, value in torch.load(path, weights_only=True).items()
            }
        elif path.suffix == ".npz":
            with np.load(path) as file:
                found[name] = {key: file[key].tolist() for key in file.files}
        elif path.is_file():
            found[name] = json.loads(path.read_text())
            found[name].pop("device", None)
    return found


class Small(Net):
    """One layer, with dropout, so that chance takes part in each step."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.2)
        self.layer = nn.Linear(width, classes)

    def stages(self, batch: Tensors) -> Stages:
        mean = mean_over_time(real(batch, "mfcc"), batch["mask"]["mfcc"])
        return {"logits": self.layer(self.dropout(mean))}


def build_small(batch: Tensors, classes: int) -> Small:
    return Small(batch["values"]["mfcc"].shape[-1], classes)


@dataclass(frozen=True)
class SmallSettings:
    epochs: int = 3
    rate: float = 0.1
    patience: int | None = None
    widths: tuple[int, ...] = (1, 2)


def small_trials(settings: SmallSettings) -> list[Trial]:
    fitting = Fitting(
        settings.epochs, 2, adam(settings.rate), settings.patience, Plateau(0.5, 2, 1e-4)
    )
    return [Trial(name, ("mfcc",), build_small, fitting) for name in ("small", "Small, again")]


(TRIAL, _) = small_trials(SmallSettings())
PAPER = Paper(
    "made", ("made3",), ("thirds",), SmallSettings(), SmallSettings(), small_trials, Printed((), ())
)
CHOICE = Choice(SmallSettings(), models=("small",))
LONGER = Choice(SmallSettings(epochs=6), folds=(0,), models=("small",))
"""Of one fold, long enough to be ended in its middle."""


def waiting_after(epochs: int) -> None:
    """Lets a training of this process say `kept` after so many epochs, and wait to be killed."""
    keep, kept = ModelFolder.keep, 0

    def keep_and_wait(folder: ModelFolder, state: Mapping[str, Any]) -> None:
        nonlocal kept
        keep(folder, state)
        kept += 1
        if kept == epochs:
            print("kept", flush=True)
            time.sleep(600)

    ModelFolder.keep = keep_and_wait  # type: ignore[method-assign]
