"""How a ResNet is tuned: the pictures of each epoch, and the steps over them. Imports torch; import
it only where a network is trained."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau

from extractors.architecture import embedding_dim
from extractors.augment_pictures import AugmentPictures, changed, table_of_levels
from extractors.augmentation import Draws
from extractors.fitted.base import TrackSequence
from extractors.fitted.learning import first_weights, one_thread
from extractors.network import ResNetModule, build
from extractors.resnet import ResNet
from extractors.weights import Weights, random_state

if TYPE_CHECKING:
    from extractors.fitted.finetune import Finetuned

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (n, size, size, 3), and their classes (n,)."""


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """Clips that a network is tuned on, or judged by."""

    clip_ids: tuple[str, ...]
    tracks: TrackSequence
    """Of all examples; `numbers` says which of them these clips are."""
    numbers: NDArray[np.int64]
    """(clips,)"""
    classes: NDArray[np.int64]
    """(clips,)"""
    rows: tuple[NDArray[np.int64], ...]
    """(clips,) the valid images of each."""

    def part(self, chosen: NDArray[np.bool_]) -> "LabelledClips":
        """Takes some of the clips.

        Args:
            chosen: (clips,) which.

        Returns:
            These alone.
        """
        at = np.flatnonzero(chosen)
        return LabelledClips(
            tuple(self.clip_ids[i] for i in at),
            self.tracks,
            self.numbers[at],
            self.classes[at],
            tuple(self.rows[i] for i in at),
        )


class Epochs:
    """The batches of each epoch: its rows are drawn and put in order by the seed and its number."""

    def __init__(
        self,
        clips: LabelledClips,
        start: ResNet,
        batch: int,
        seed: int,
        rows: int | None = None,
        augmentation: AugmentPictures | None = None,
    ) -> None:
        """Draws nothing yet.

        Args:
            clips: Whose images they are.
            start: What makes images of a clip's track.
            batch: Images in a batch.
            seed: Of the draws.
            rows: Images of one clip in an epoch; None for all.
            augmentation: How images are changed, drawn anew for each clip and epoch; None for not
                at all.
        """
        self._clips, self._start, self._batch = clips, start, batch
        self._seed, self._rows, self._augmentation = seed, rows, augmentation

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Draws the images of an epoch.

        Args:
            epoch: Its number, from 0.

        Returns:
            (images, 2) place of the clip, and number of the image in it.
        """
        rng = np.random.default_rng([self._seed, epoch])
        some = [rng.permutation(rows)[: self._rows] for rows in self._clips.rows]
        pairs = [(place, row) for place, rows in enumerate(some) for row in rows]
        return rng.permutation(np.array(pairs, np.int64).reshape(-1, 2))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Reads the images of an epoch, a batch at a time.

        Args:
            epoch: Its number, from 0.

        Yields:
            Batches; the last one may be smaller.
        """
        order = self.order(epoch)
        for at in range(0, len(order), self._batch):
            pairs = order[at : at + self._batch]
            images = np.concatenate([self._image(epoch, place, row) for place, row in pairs])
            yield images, self._clips.classes[pairs[:, 0]]

    def _image(self, epoch: int, place: int, row: int) -> NDArray[np.uint8]:
        """(1, size, size, 3)"""
        track = self._clips.tracks[int(self._clips.numbers[place])]
        images = self._start.some_images(track, [row])
        if self._augmentation is None:
            return images
        draws = Draws(self._seed, self._clips.clip_ids[place], epoch)
        change = self._augmentation.change_of(draws)
        return changed(images[0], change, table_of_levels(change.brightness, change.contrast))[None]


class Tuning:
    """A network on its way."""

    def __init__(self, fitter: "Finetuned", begin: Weights, device: str) -> None:
        """Builds the network.

        Args:
            fitter: How it is tuned.
            begin: Its first weights, the head's among them.
            device: `cpu` or `cuda`.
        """
        self._fitter, self._device = fitter, device
        network = build(fitter.depth, begin).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: ResNetModule = network
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(fitter.is_tuned(name) or name.startswith("fc."))
        self._norms = [
            module
            for name, module in network.named_modules()
            if isinstance(module, nn.BatchNorm2d) and fitter.is_tuned(name)
        ]
        trained = [one for one in network.parameters() if one.requires_grad]
        decayed = [one for one in trained if one.ndim > 1]
        others = [one for one in trained if one.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": fitter.weight_decay},
            {"params": others},
        ]
        self._optimizer = torch.optim.Adam(groups, fitter.learning_rate)
        self._trained = trained
        self._plateau = self._falling()

    def _falling(self) -> ReduceLROnPlateau | None:
        fitter = self._fitter
        if not fitter.plateau_epochs:
            return None
        return ReduceLROnPlateau(
            self._optimizer,
            factor=fitter.plateau_factor,
            # torch's patience is the number of such epochs that it lets pass, one less.
            patience=fitter.plateau_epochs - 1,
            threshold=0.0,
            min_lr=fitter.lowest_rate,
        )

    @property
    def rate(self) -> float:
        """The learning rate as it is now."""
        return float(self._optimizer.param_groups[0]["lr"])

    def run(self, epochs: Epochs, judged: Epochs | None) -> dict[str, NDArray[Any]]:
        """Trains.

        Args:
            epochs: Of the clips that it is trained on.
            judged: Of the clips that are held out, in one and the same order; None where none are.

        Returns:
            What was tuned, by torchvision's names.
        """
        least, waited, best = float("inf"), 0, None
        for epoch in range(self._fitter.epochs):
            for images, classes in epochs.batches(epoch):
                self.step(images, classes)
            if judged is None:
                continue
            loss = self._loss_of(judged)
            self.watch(loss)
            waited = 0 if loss < least else waited + 1
            if loss < least:
                least, best = loss, self._tuned()
            if self._fitter.patience and waited >= self._fitter.patience:
                break
        return self._tuned() if best is None or not self._fitter.patience else best

    def watch(self, loss: float) -> None:
        """Lowers the rate where it is due.

        Args:
            loss: On the clips that are held out, after an epoch.
        """
        if self._plateau is not None:
            self._plateau.step(loss)

    def step(self, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> None:
        """Takes one step of the optimiser.

        Args:
            images: (n, size, size, 3).
            classes: (n,) theirs.
        """
        if self._fitter.batch_norm == "batch":
            # Its statistics need two images; the odd one out comes in another place of the next
            # epoch.
            if len(images) < 2:
                return
            for norm in self._norms:
                norm.train()
        loss = functional.cross_entropy(self._logits(images), self._put(classes))
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._fitter.clip_norm is not None:
            clip_grad_norm_(self._trained, self._fitter.clip_norm)
        self._optimizer.step()
        self._network.eval()
        if self._device == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def _loss_of(self, judged: Epochs) -> float:
        total, count = 0.0, 0
        for images, classes in judged.batches(0):
            logits = self._logits(images)
            total += float(functional.cross_entropy(logits, self._put(classes), reduction="sum"))
            count += len(classes)
        return total / count

    def _logits(self, images: NDArray[np.uint8]) -> Tensor:
        found: Tensor = self._network.fc(self._network(self._put(images)))
        return found

    def _put(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _tuned(self) -> dict[str, NDArray[Any]]:
        fitter = self._fitter
        kept = {name for name, _ in self._network.named_parameters()}
        if fitter.batch_norm == "batch":
            kept |= {name for name, _ in self._network.named_buffers() if "running" in name}
        return {
            # Copied: training goes on in the same memory.
            name: np.ascontiguousarray(value.detach().cpu().numpy()).copy()
            for name, value in self._network.state_dict().items()
            if name in kept and fitter.is_tuned(name)
        }


def found_device() -> str:
    """Chooses the device that networks are tuned on.

    Returns:
        `cuda` where this process sees such a device, else `cpu`.
    """
    return "cuda" if torch.cuda.is_available() else "cpu"


def seconds_an_image(fitter: "Finetuned", device: str) -> float:
    """Measures a step of training, of a network that is thrown away.

    Args:
        fitter: How it is tuned.
        device: `cpu` or `cuda`.

    Returns:
        Seconds for each image of a step.
    """
    head = {"fc.weight": (2, embedding_dim(fitter.depth)), "fc.bias": (2,)}
    begin = {**random_state(fitter.depth, 0), **first_weights(head, 0)}
    tuning = Tuning(fitter, begin, device)
    # A processor takes as long for each image of a large batch as for each of four.
    count = fitter.batch if device == "cuda" else min(fitter.batch, 4)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, fitter.size, fitter.size, 3), np.uint8)
    classes = np.arange(count, dtype=np.int64) % 2
    for _ in range(2):  # the first step prepares what later ones use
        began = time.perf_counter()
        tuning.step(images, classes)
    return (time.perf_counter() - began) / count


def exact(device: str) -> AbstractContextManager[Any]:
    """Lets a device compute as deterministically as it can.

    On CUDA that is without TF32, which would keep ten bits of float32's 23.

    Args:
        device: `cpu` or `cuda`.

    Returns:
        A context.
    """
    if device == "cpu":
        return one_thread()
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
