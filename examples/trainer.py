"""Trains and tests in one fold, by one seed, and keeps what it finds in the run's folder."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from examples import loop
from examples.device import Device
from examples.parts import Net
from examples.plan import Clips, Predictions, Trial
from examples.run_folder import RunFolder

_WORTH_A_GPU_S = 4 * 3600.0


@dataclass
class Costs:
    """What is said of the cost of a model before it is trained for the first time."""

    runs: int
    """Folds times seeds in which each model is trained."""
    said: set[str] = field(default_factory=set)

    def line(
        self, trial: Trial, clips: Clips, watched: Clips | None, examples: Any, device: Device
    ) -> str:
        """Measures one step and a look at the watched clips, and reckons the rest from them; empty
        where it was said already."""
        if trial.name in self.said:
            return ""
        self.said.add(trial.name)
        fitting = trial.fitting
        model = loop.begun(trial, clips, examples, device)
        parameters = sum(one.numel() for one in model.parameters())
        steps = -(-len(examples) // fitting.batch)
        step = loop.seconds_a_step(trial, clips, examples, device)
        look = 0.0 if watched is None else loop.seconds_to_watch(trial, clips, watched, device)
        seconds = (step * steps + look) * fitting.epochs * self.runs
        advice = ""
        if device.at.type == "cpu" and seconds > _WORTH_A_GPU_S:
            hours = seconds * torch.get_num_threads() / 3600
            advice = f", {hours:,.0f} core-hours; a GPU takes less of it: --device cuda"
        validation = "" if watched is None else f" and {1000 * look:.0f} ms of validation"
        return (
            f"{trial.name}: {parameters:,} parameters, {steps:,} steps an epoch of "
            f"{1000 * step:.0f} ms{validation}, {fitting.epochs} epochs unless it stops early; "
            f"{self.runs} times that is about {loop.span(seconds)}{advice}"
        )


@dataclass(frozen=True)
class FoldTrainer:
    """Of one fold and one seed; see `plan.Trainer`."""

    folder: RunFolder
    scheme: str
    fold: int
    seed: int
    device: Device
    costs: Costs
    say: Callable[[str], None]

    def train(
        self,
        trial: Trial,
        clips: Clips,
        watched: Clips | None = None,
        examples: Any = None,
    ) -> Net:
        """A trained model; where it was trained before, its weights."""
        if examples is None:
            examples = loop.Rows(clips) if trial.rows else clips
        kept = self.folder.model(self.scheme, self.fold, trial.name, self.seed)
        if not kept.is_trained:
            if line := self.costs.line(trial, clips, watched, examples, self.device):
                self.say(line)
            self.say(f"{trial.name}, fold {self.fold} of {self.scheme}, seed {self.seed}")
        return loop.train(trial, clips, watched, self.seed, examples, self.device, kept, self.say)

    def predict(self, model: Net, trial: Trial, clips: Clips, examples: Any = None) -> Predictions:
        return loop.predict(model, trial, clips, examples, self.device)
