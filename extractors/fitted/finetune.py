"""Embeddings by a ResNet that was fine-tuned on the fold's own training clips."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors import engines
from extractors.architecture import embedding_dim
from extractors.base import Layout, Runtime
from extractors.fitted.base import Examples, Model, State
from extractors.fitted.inner import class_numbers
from extractors.fitted.learning import Same, first_weights, one_thread
from extractors.resnet import ResNet
from extractors.weights import RANDOM, Weights, load_state, public_name
from manifests.features import FeatureSpec, Json
from manifests.tracks import Track

STAGES = ("conv1", "layer1", "layer2", "layer3", "layer4")
"""Parts of a ResNet from the picture to the embedding; a convolution's batch normalisation belongs
to the part of the convolution."""


@dataclass(frozen=True)
class Finetuned(Model):
    """Embeddings of a ResNet that was trained further, on the labels of the fold's training clips.

    values: As `extractors.resnet.ResNet` gives them for the same input, depth, size and segments,
        the output of the global average pool: (time, 512) float32 at depth 18 and 34, (time, 2048)
        at depth 50; NaN where the input's row is not valid.

    Donatus et al. (2026) fine-tune a ResNet-50 with ImageNet's weights so (Adam, 1e-4, batches of
    32, 200 epochs), and print neither what is trained of it nor with what head. Here: one linear
    layer over the embedding, begun from seeded numbers, cross-entropy, Adam without decay, and the
    parts of the network from `train_from` on. Batch normalisations keep the means and variances
    that they came with, so that the bits of a row do not depend on its batch. An epoch passes over
    every training clip once, in random order, with `rows` of its valid rows drawn at random, so
    that a long clip weighs no more than a short one. The head is thrown away.

    Trained on a CUDA device where there is one. On a CPU it is one thread, and the same clips and
    seed give the same bytes on one machine; on CUDA the algorithms are cuDNN's deterministic ones,
    as far as there are such.
    """

    name: ClassVar[str] = "finetuned"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """Name of a feature of pictures, or of MFCC with derivatives."""
    labels: str
    """Name of the labels that it is tuned to."""
    depth: int = 50
    """18, 34 or 50."""
    weights: str = "IMAGENET1K_V1"
    """Where training begins; see `extractors.resnet.ResNet`."""
    size: int = 224
    """Height and width of what the network takes, in pixels."""
    segment_s: float | None = None
    """Length of one image of MFCC; None for an input of pictures."""
    segment_hop_s: float | None = None
    """From one segment to the next."""
    train_from: str = "layer4"
    """The first part that is trained; `conv1`: all of them."""
    epochs: int = 10
    """Passes over the training clips."""
    rows: int = 4
    """Pictures or segments of one clip in one epoch, or all of them where the clip has fewer."""
    batch: int = 32
    """Pictures or segments of one step."""
    learning_rate: float = 1e-4
    """Adam's."""
    seed: int = 0
    """Seed of the order of training, of the head, and of `random` weights."""

    def __post_init__(self) -> None:
        self.check_least(epochs=1, rows=1, batch=1, seed=0)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}, expected more than 0")
        if self.train_from not in STAGES:
            raise ValueError(
                f'train_from = "{self.train_from}" is no part of a ResNet; expected one of '
                f"{', '.join(STAGES)}"
            )
        _ = self.start

    @property
    def start(self) -> ResNet:
        """The encoder as it is before tuning.

        Raises:
            ValueError: The parameters do not go together.
        """
        seed = self.seed if self.weights == RANDOM else None
        return ResNet(
            self.input,
            self.depth,
            self.weights,
            seed,
            self.size,
            segment_s=self.segment_s,
            segment_hop_s=self.segment_hop_s,
        )

    @property
    def weights_sha256(self) -> str | None:
        return self.start.weights_sha256

    def params(self) -> dict[str, Json]:
        return {**super().params(), "weights": public_name(self.depth, self.weights)}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        layout = self.start.layout(needs)
        about = f"tuning began from untrained weights (seed {self.seed})" if layout.about else ""
        return replace(layout, about=about)

    def fit(self, examples: Examples) -> State:
        """Trains the network, reading one clip at a time.

        Args:
            examples: The training clips of one fold.

        Returns:
            The weights that training changed, in torchvision's names.

        Raises:
            ValueError: No clip has a valid row, or all that have one bear the same label.
            WeightsError: The weights that training begins from cannot be had, as in `ResNet`.
        """
        tracks = examples.tracks["input"]
        numbers = range(len(examples))
        found = [number for number in numbers if self._candidates(tracks[number]).valid.any()]
        usable = np.array(found, np.int64)
        if not found:
            raise ValueError(
                f"none of the {len(examples)} training clips has a valid row or segment of "
                f"{self.input}; look at the index"
            )
        classes = class_numbers([examples.labels[number] for number in usable])
        count = int(classes.max()) + 1
        shapes = {"fc.weight": (count, embedding_dim(self.depth)), "fc.bias": (count,)}
        head = first_weights(shapes, self.seed)
        begin = {**load_state(self.depth, self.weights, self.start.seed), **head}
        return self._train(begin, examples, usable, classes)

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        images = self.start.images(tracks["input"])
        values = np.full((len(images), embedding_dim(self.depth)), np.nan, np.float32)
        values[images.valid] = _engine(self, Same(state))(images.values[images.valid])
        return Track(values, images.seconds, images.valid, images.notes)

    def _train(
        self,
        begin: Weights,
        examples: Examples,
        usable: NDArray[np.int64],
        classes: NDArray[np.int64],
    ) -> State:
        import torch

        from extractors.network import build

        device = "cuda" if torch.cuda.is_available() else "cpu"
        network = build(self.depth, begin).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        tuned = [name for name, _ in network.named_parameters() if self._is_tuned(name)]
        for name in [*tuned, "fc.weight", "fc.bias"]:
            network.get_parameter(name).requires_grad_(True)
        optimizer = torch.optim.Adam(
            [p for p in network.parameters() if p.requires_grad], self.learning_rate
        )
        with _exact(device):
            for images, labels in self._batches(examples, usable, classes):
                logits = network.fc(network(torch.from_numpy(images).to(device)))
                loss = torch.nn.functional.cross_entropy(
                    logits, torch.from_numpy(labels).to(device)
                )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return {
            name: network.get_parameter(name).detach().cpu().contiguous().numpy() for name in tuned
        }

    def _is_tuned(self, name: str) -> bool:
        part = name.partition(".")[0].replace("bn1", "conv1")
        return part in STAGES[STAGES.index(self.train_from) :]

    def _batches(
        self, examples: Examples, usable: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Images (n, size, size, 3) and their classes (n,), epoch after epoch.

        n is `batch`, but for the last batch of an epoch.
        """
        rng = np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            waiting: list[tuple[NDArray[np.uint8], np.int64]] = []
            for place in rng.permutation(len(usable)):
                images = self._drawn(examples.tracks["input"][int(usable[place])], rng)
                waiting += [(image, classes[place]) for image in images]
                while len(waiting) >= self.batch:
                    yield _stacked(waiting[: self.batch])
                    waiting = waiting[self.batch :]
            if waiting:
                yield _stacked(waiting)

    def _drawn(self, track: Track, rng: np.random.Generator) -> NDArray[np.uint8]:
        """At most `rows` images of one clip, drawn at random.

        Of pictures, only those drawn are decoded; segments are made before they are drawn.
        """
        candidates = self._candidates(track)
        rows = np.sort(rng.permutation(np.flatnonzero(candidates.valid))[: self.rows])
        drawn = Track(candidates.values[rows], candidates.seconds[rows], candidates.valid[rows])
        images = self.start.images(drawn) if self.segment_s is None else drawn
        return np.asarray(images.values, np.uint8)

    def _candidates(self, track: Track) -> Track:
        """A row for each picture or segment that can be drawn.

        Pictures are as they are stored; of segments, these are the images.
        """
        return track if self.segment_s is None else self.start.images(track)


def _stacked(
    pairs: list[tuple[NDArray[np.uint8], np.int64]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = zip(*pairs, strict=True)
    return np.stack(images), np.array(labels, np.int64)


def _exact(device: str) -> AbstractContextManager[Any]:
    """A context in which the device computes as deterministically as it can.

    On CUDA that is without TF32, which would keep ten bits of float32's 23.
    """
    import torch

    if device == "cpu":
        return one_thread()
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


@functools.lru_cache(maxsize=1)
def _engine(model: Finetuned, state: Same) -> engines.Engine:
    """The tuned network, kept until another one is asked for.

    Its weights are those it began with, and what training made of them.
    """

    def all_weights() -> Weights:
        tuned = {name: np.array(array) for name, array in state.value.items()}
        return {**load_state(model.depth, model.weights, model.start.seed), **tuned}

    return engines.torch_engine(model.depth, all_weights, Runtime("torch"))
