"""The shared loop: one model, trained on the training clips of one fold, and its predictions for
the tested ones."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset, default_convert

from examples.parts import Net, Tensors
from examples.plan import Fitting, Predictions, Trial
from stores import FeatureDataset, Track

Example = tuple[str, dict[str, Track], str | None]
_TESTED_AT_ONCE = 16


class Rows(Dataset[Example]):
    """Each valid row of the one feature as an example of its own, so that a batch holds rows of
    many clips.

    chosen: clip -> (row,) which of its rows count; None: all.
    """

    def __init__(self, clips: FeatureDataset, chosen: dict[str, Any] | None = None) -> None:
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
    clips: FeatureDataset, examples: Any, size: int, shuffle: torch.Generator | None = None
) -> Iterator[Tensors]:
    """Batches of `size` examples as tensors; in the order of ids without a generator."""
    loader: DataLoader[Any] = DataLoader(
        examples, size, shuffle=shuffle is not None, generator=shuffle, collate_fn=clips.collate
    )
    return map(default_convert, loader)


def train(
    trial: Trial,
    clips: FeatureDataset,
    watched: FeatureDataset | None,
    seed: int,
    small: bool,
    examples: Any = None,
) -> Net:
    """A trained model; the same seed gives the same one on one machine.

    watched: the clips whose loss lowers the rate and ends training, where the trial asks for that;
        never those of the test.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    if examples is None:
        examples = Rows(clips) if trial.rows else clips
    first = next(tensors(clips, [examples[i] for i in range(min(2, len(examples)))], 2))
    model = trial.build(first, len(clips.classes), small)
    course = _Course(model, trial.fitting, watched)
    for _ in range(trial.fitting.epochs):
        model.train()
        for batch in tensors(clips, examples, trial.fitting.batch, generator):
            # Batch normalisation needs two examples; the odd one out comes in another place of the
            # next epoch.
            if len(batch["targets"]) > 1:
                course.step(batch)
        if course.is_over():
            break
    return course.best()


class _Course:
    """Optimiser, learning rate and the best weights so far."""

    def __init__(self, model: Net, fitting: Fitting, watched: FeatureDataset | None) -> None:
        self.model, self.fitting, self.watched = model, fitting, watched
        self.optimizer: torch.optim.Optimizer = fitting.optimizer(model)
        self.plateau = None
        if watched is not None and fitting.plateau is not None:
            factor, patience, lowest = fitting.plateau
            self.plateau = ReduceLROnPlateau(
                self.optimizer, factor=factor, patience=patience, min_lr=lowest
            )
        self.least, self.waited = float("inf"), 0
        self.weights: dict[str, Any] | None = None

    def step(self, batch: Tensors) -> None:
        self.optimizer.zero_grad()
        loss = self.model.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.fitting.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.fitting.clip_norm)
        self.optimizer.step()

    def is_over(self) -> bool:
        """After an epoch: look at the watched clips, and keep the weights that suit them best."""
        if self.watched is None or (self.fitting.patience is None and self.plateau is None):
            return False
        loss = mean_loss(self.model, self.watched)
        if self.plateau is not None:
            self.plateau.step(loss)
        if self.fitting.patience is None:
            return False
        if loss < self.least:
            self.least, self.waited, self.weights = loss, 0, copy.deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.fitting.patience

    def best(self) -> Net:
        if self.weights is not None:
            self.model.load_state_dict(self.weights)
        return self.model.eval()


@torch.no_grad()
def mean_loss(model: Net, clips: FeatureDataset) -> float:
    model.eval()
    losses = [
        (float(model.loss(batch)), len(batch["targets"]))
        for batch in tensors(clips, clips, _TESTED_AT_ONCE)
    ]
    return sum(loss * n for loss, n in losses) / sum(n for _, n in losses)


@torch.no_grad()
def predict(model: Net, trial: Trial, clips: FeatureDataset, examples: Any = None) -> Predictions:
    """Of each clip as a whole; of other examples, such as Rows, where they are given."""
    model.eval()
    batches = list(tensors(clips, clips if examples is None else examples, _TESTED_AT_ONCE))
    logits = torch.cat([model(batch) for batch in batches])
    targets = torch.cat([batch["targets"] for batch in batches])
    clip_ids = tuple(clip_id for batch in batches for clip_id in batch["clip_ids"])
    notes = trial.look(model, batches) if trial.look else ()
    return Predictions(clip_ids, targets.numpy(), logits.double().softmax(dim=1).numpy(), notes)
