"""The shared loop: one model, trained on the training clips of one fold, and its predictions for
the tested ones."""

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset, default_convert

from examples.device import CPU, Device
from examples.parts import Net, Stages, Tensors
from examples.plan import Clips, Example, Fitting, Look, Predictions, Redrawn, Trial
from examples.run_folder import ModelFolder
from stores import Track

_TESTED_AT_ONCE = 16


class Rows(Dataset[Example]):
    """Each valid row of the one feature as an example of its own, so that a batch holds rows of
    many clips.

    chosen: clip -> (row,) which of its rows count; None: all.
    """

    def __init__(self, clips: Clips, chosen: dict[str, Any] | None = None) -> None:
        self.clips = clips
        self.at: list[tuple[int, int]] = []
        for i in range(len(clips)):
            clip_id, tracks, _ = clips[i]
            (track,) = tracks.values()
            wanted = track.valid if chosen is None else track.valid & chosen[clip_id]
            self.at += [(i, int(row)) for row in np.flatnonzero(wanted)]

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, number: int) -> Example:
        i, row = self.at[number]
        clip_id, tracks, label = self.clips[i]
        one = slice(row, row + 1)
        return (
            clip_id,
            {
                name: Track(t.values[one], t.seconds[one], t.valid[one])
                for name, t in tracks.items()
            },
            label,
        )


def tensors(
    clips: Clips,
    examples: Any,
    size: int,
    shuffle: torch.Generator | None = None,
    device: Device = CPU,
) -> Iterator[Tensors]:
    """Batches of `size` examples as tensors; in the order of ids without a generator."""
    loader: DataLoader[Any] = DataLoader(
        examples,
        size,
        shuffle=shuffle is not None,
        generator=shuffle,
        collate_fn=_Collate(clips),
        **device.loading,
    )
    return map(device.put, loader)


class _Collate:
    """A batch of examples as tensors, in whichever process it is made."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __call__(self, items: Any) -> Tensors:
        found: Tensors = default_convert(self.clips.collate(items))  # type: ignore[no-untyped-call]
        return found


def train(
    trial: Trial,
    clips: Clips,
    watched: Clips | None,
    seed: int,
    examples: Any = None,
    device: Device = CPU,
    kept: ModelFolder | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Net:
    """A trained model; the same seed gives the same one on one machine, however often the training
    was ended and begun again.

    watched: the clips whose loss lowers the rate and ends training, where the trial asks for that;
        never those of the test.
    kept: where the state is kept after each epoch, and the weights at the end.
    say: takes a line for each epoch.
    """
    if examples is None:
        examples = Rows(clips) if trial.rows else clips
    course = _Course(trial, clips, examples, watched, seed, device)
    if kept is not None and (weights := kept.weights()) is not None:
        with kept.reading("best.pt"):
            course.model.load_state_dict(weights)
        return course.model.eval()
    if kept is not None and (state := kept.checkpoint()) is not None:
        with kept.reading("checkpoint.pt"):
            course.load_state_dict(state)
        say(f"  goes on after epoch {course.epoch} of {trial.fitting.epochs}")
    while not course.is_over:
        course.run_epoch()
        say(course.line())
        if kept is not None:
            kept.keep(course.state_dict())
    last = copy.deepcopy(course.model.state_dict())
    best = course.best()
    if kept is not None:
        kept.trained(best.state_dict(), last, course.history)
    return best


class Tally:
    """Loss and accuracy over batches; NaN before the first."""

    def __init__(self) -> None:
        self._loss, self._right, self._examples = 0.0, 0, 0

    def add(self, loss: torch.Tensor, stages: Stages, batch: Tensors) -> None:
        targets = batch["targets"]
        self._loss += len(targets) * float(loss.detach())
        self._right += int((stages["logits"].argmax(dim=1) == targets).sum())
        self._examples += len(targets)

    @property
    def loss(self) -> float:
        return self._loss / self._examples if self._examples else float("nan")

    @property
    def accuracy(self) -> float:
        return self._right / self._examples if self._examples else float("nan")


class _Course:
    """A model on its way: optimiser, learning rate, chance, history and the best weights so far."""

    def __init__(
        self,
        trial: Trial,
        clips: Clips,
        examples: Any,
        watched: Clips | None,
        seed: int,
        device: Device,
    ) -> None:
        torch.manual_seed(seed)
        self.shuffle = torch.Generator().manual_seed(seed)
        self.model = begun(trial, clips, examples, device)
        self.clips, self.examples, self.watched = clips, examples, watched
        self.fitting, self.device = trial.fitting, device
        self.optimizer: torch.optim.Optimizer = trial.fitting.optimizer(self.model)
        self.plateau = falling(self.optimizer, trial.fitting)
        self.epoch, self.waited, self.least = 0, 0, float("inf")
        self.weights: dict[str, Any] | None = None
        self.history: list[dict[str, Any]] = []

    @property
    def is_over(self) -> bool:
        patience = self.fitting.patience
        stopped = self.watched is not None and patience is not None and self.waited >= patience
        return stopped or self.epoch >= self.fitting.epochs

    def run_epoch(self) -> None:
        """Goes once through the examples, then looks at the watched clips and keeps the weights
        that suit them best."""
        began = time.monotonic()
        rate = self.optimizer.param_groups[-1]["lr"]
        self.model.train()
        tally = Tally()
        if isinstance(self.examples, Redrawn):
            self.examples.begin_epoch(self.epoch)
        batches = tensors(self.clips, self.examples, self.fitting.batch, self.shuffle, self.device)
        for batch in batches:
            # Batch normalisation needs two examples; the odd one out comes in another place of the
            # next epoch.
            if len(batch["targets"]) > 1:
                self.step(batch, tally)
        self.epoch += 1
        watched = Tally()
        if self.watched is not None:
            watched = tallied(self.model, self.watched, self.device)
            self._watch(watched.loss)
        self.history.append(
            {
                "epoch": self.epoch,
                "loss": tally.loss,
                "accuracy": tally.accuracy,
                "validation_loss": watched.loss,
                "validation_accuracy": watched.accuracy,
                "rate": rate,
                "seconds": time.monotonic() - began,
            }
        )

    def step(self, batch: Tensors, tally: "Tally") -> None:
        """One step of the optimiser."""
        self.optimizer.zero_grad()
        with self.device.autocast():
            stages = self.model.stages(batch)
            loss = self.model.loss(stages, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.fitting.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.fitting.clip_norm)
        self.optimizer.step()
        tally.add(loss, stages, batch)  # which waits for a GPU

    def _watch(self, loss: float) -> None:
        if self.plateau is not None:
            self.plateau.step(loss)
        if self.fitting.patience is None:
            return
        if loss < self.least:
            self.least, self.waited, self.weights = loss, 0, copy.deepcopy(self.model.state_dict())
        else:
            self.waited += 1

    def line(self) -> str:
        """What is said of the last epoch."""
        row, epochs = self.history[-1], self.fitting.epochs
        validation = row["validation_loss"]
        watched = "" if self.watched is None else f"validation {validation:.4f}, "
        seconds = sum(one["seconds"] for one in self.history) / len(self.history)
        left = "" if self.is_over else f", about {span((epochs - self.epoch) * seconds)} left"
        return (
            f"  epoch {row['epoch']} of {epochs}: loss {row['loss']:.4f}, {watched}rate "
            f"{row['rate']:.3g}, {row['seconds']:.1f} s{left}"
        )

    def state_dict(self) -> dict[str, Any]:
        cuda = torch.cuda.get_rng_state_all() if self.device.at.type == "cuda" else []
        return {
            "model": self.model.state_dict(),
            "weights": self.weights,
            "optimizer": self.optimizer.state_dict(),
            "plateau": None if self.plateau is None else self.plateau.state_dict(),
            "chance": [torch.get_rng_state(), self.shuffle.get_state(), *cuda],
            "epoch": self.epoch,
            "least": self.least,
            "waited": self.waited,
            "history": self.history,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])
        here, shuffle, *cuda = state["chance"]
        torch.set_rng_state(here)
        self.shuffle.set_state(shuffle)
        if self.device.at.type == "cuda" and cuda:
            torch.cuda.set_rng_state_all(cuda)
        self.weights, self.history = state["weights"], list(state["history"])
        self.epoch, self.least, self.waited = state["epoch"], state["least"], state["waited"]

    def best(self) -> Net:
        if self.weights is not None:
            self.model.load_state_dict(self.weights)
        return self.model.eval()


def begun(trial: Trial, clips: Clips, examples: Any, device: Device) -> Net:
    """An untrained model, as wide as the first examples say."""
    first = next(tensors(clips, [examples[i] for i in range(min(2, len(examples)))], 2))
    model: Net = trial.build(first, len(clips.classes)).to(device.at)
    return model


def falling(optimizer: torch.optim.Optimizer, fitting: Fitting) -> ReduceLROnPlateau | None:
    """What lowers the rate, after exactly `plateau.epochs` epochs without a lower loss: torch's
    patience is the number of such epochs that it lets pass, one less."""
    if fitting.plateau is None:
        return None
    factor, epochs, lowest = (
        fitting.plateau.factor, fitting.plateau.epochs, fitting.plateau.lowest
    )  # fmt: skip
    return ReduceLROnPlateau(
        optimizer, factor=factor, patience=epochs - 1, threshold=0.0, min_lr=lowest
    )


def seconds_a_step(trial: Trial, clips: Clips, examples: Any, device: Device) -> float:
    """What one step of training costs, of a model that is thrown away."""
    course = _Course(trial, clips, examples, None, 0, device)
    course.model.train()

    def step(batch: Tensors) -> None:
        course.step(batch, Tally())

    return _seconds(step, clips, examples, min(trial.fitting.batch, len(examples)), device)


def seconds_to_watch(trial: Trial, clips: Clips, watched: Clips, device: Device) -> float:
    """What one look at the watched clips costs, by a model that is thrown away."""
    if not len(watched):
        return 0.0
    model = begun(trial, clips, clips, device).eval()

    @torch.no_grad()
    def look(batch: Tensors) -> None:
        _tally(model, batch, Tally(), device)

    whole = min(_TESTED_AT_ONCE, len(watched))
    return _seconds(look, watched, watched, whole, device) * len(watched) / whole


_LONG_STEP_S = 10.0


def _seconds(
    work: Callable[[Tensors], None], clips: Clips, examples: Any, whole: int, device: Device
) -> float:
    """Of work on one batch of so many examples."""

    def once(size: int) -> float:
        (batch,) = tensors(clips, [examples[i] for i in range(size)], max(size, 1), device=device)
        began = _now(device)
        work(batch)
        return _now(device) - began

    some = min(whole, 2)
    for _ in range(2):  # the first one prepares what later ones use
        seconds = once(some)
    if seconds * whole / some > _LONG_STEP_S:
        return seconds * whole / some  # not waited for
    for _ in range(2):
        seconds = once(whole)
    return seconds


def _now(device: Device) -> float:
    """The time at which all work that was given to the device is done."""
    if device.at.type == "cuda":
        torch.cuda.synchronize(device.at)
    return time.monotonic()


def span(seconds: float) -> str:
    """A time for people."""
    for size, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"


@torch.no_grad()
def tallied(model: Net, clips: Clips, device: Device = CPU) -> Tally:
    """Loss and accuracy of a model on some clips."""
    model.eval()
    found = Tally()
    for batch in tensors(clips, clips, _TESTED_AT_ONCE, device=device):
        _tally(model, batch, found, device)
    return found


def _tally(model: Net, batch: Tensors, tally: Tally, device: Device) -> None:
    with device.autocast():
        stages = model.stages(batch)
        loss = model.loss(stages, batch)
    tally.add(loss, stages, batch)


@torch.no_grad()
def predict(
    model: Net, trial: Trial, clips: Clips, examples: Any = None, device: Device = CPU
) -> Predictions:
    """Of each clip as a whole; of other examples, such as Rows, where they are given."""
    model.eval()
    chosen = clips if examples is None else examples
    with device.autocast():
        # Embedded one by one: pictures of all clips would fit no memory.
        batches = [
            model.embedded(batch)
            for batch in tensors(clips, chosen, _TESTED_AT_ONCE, device=device)
        ]
        logits = torch.cat([model.behind(batch) for batch in batches])
        look = trial.look(model.behind, batches) if trial.look else Look()
    targets = torch.cat([batch["targets"] for batch in batches])
    clip_ids = tuple(clip_id for batch in batches for clip_id in batch["clip_ids"])
    probabilities = logits.double().softmax(dim=1).cpu().numpy()
    return Predictions(clip_ids, targets.cpu().numpy(), probabilities, look)
