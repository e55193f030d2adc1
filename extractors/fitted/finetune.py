"""Embeddings by a ResNet that was fine-tuned on the fold's own training clips."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from extractors import engines
from extractors.architecture import embedding_dim
from extractors.augment_pictures import AugmentPictures
from extractors.base import Layout, Runtime
from extractors.fitted.base import Cost, Examples, Model, State
from extractors.fitted.inner import class_numbers, held_out
from extractors.fitted.learning import Same, first_weights
from extractors.resnet import ResNet
from extractors.weights import RANDOM, Weights, ensure, load_state, public_name
from manifests.features import FeatureSpec, Json
from manifests.tracks import Track

if TYPE_CHECKING:
    from extractors.fitted.tuning import LabelledClips

STAGES = ("conv1", "layer1", "layer2", "layer3", "layer4")
"""Parts of a ResNet from the picture to the embedding; a convolution's batch normalisation belongs
to the part of the convolution."""
NORMS = ("batch", "frozen")
"""What batch normalisations do while the network is tuned."""
_WORTH_AN_ESTIMATE = 2000
"""Images; fewer take less than a quarter of an hour on one core."""


@dataclass(frozen=True)
class Finetuned(Model):
    """Embeddings of a ResNet that was trained further, on the labels of the fold's training clips.

    values: As `extractors.resnet.ResNet` gives them for the same input, depth, size and segments,
        the output of the global average pool: (time, 512) float32 at depth 18 and 34, (time, 2048)
        at depth 50; NaN where the input's row is not valid.

    The papers tune such a network and print neither with what head nor, of a network that is tuned
    apart from the model behind it, for how long. Here: one linear layer over the embedding, begun
    from seeded numbers and thrown away afterwards, cross-entropy, Adam, and the parts of the
    network from `train_from` on.

    An epoch passes over every valid row of every training clip once, in random order over all
    clips, and over `rows` of each clip where that is given, so that a long clip weighs no more than
    a short one. Pictures are augmented as by `augment_pictures`, with other draws for each clip in
    each epoch. Batch normalisations of the parts that are tuned normalise by the batch, and their
    running means and variances go on; those before `train_from` keep what they came with. A clip is
    encoded by the running ones, so that the bits of a row never depend on other rows.

    Weight decay acts on convolutions and on the head. With `held_out`, some of the training clips'
    groups are not trained on: the loss on them lowers the rate (`plateau_epochs`), and chooses the
    epoch whose weights stay (`patience`).

    Trained on a CUDA device where there is one that the process may see. On a CPU it is one thread,
    and the same clips and seed give the same bytes on one machine; on CUDA the algorithms are
    cuDNN's deterministic ones, as far as there are such.
    """

    name: ClassVar[str] = "finetuned"
    version: ClassVar[int] = 2
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
    rows: int | None = None
    """At most so many pictures or segments of one clip in one epoch; None for all of them."""
    batch: int = 32
    """Pictures or segments of one step."""
    learning_rate: float = 1e-4
    """Adam's."""
    weight_decay: float = 0.0
    """Of the weights of convolutions and of the head, as Adam's L2 penalty."""
    clip_norm: float | None = None
    """Greatest norm of the gradient of a step."""
    batch_norm: str = "batch"
    """`batch`: see above. `frozen`: none of them changes, and training sees what encoding does."""
    held_out: float = 0.0
    """At least this share of the training clips, in whole groups, is not trained on but watched."""
    plateau_epochs: int = 0
    """The rate falls after so many epochs in a row without a lower loss on them; 0: never."""
    plateau_factor: float = 0.5
    """On the rate, each time."""
    lowest_rate: float = 0.0
    """The rate falls no lower."""
    patience: int = 0
    """Training ends after so many epochs without a lower loss on them, and the weights of the
    lowest stay; 0: all epochs, and the last weights stay."""
    flip: float = 0.0
    """Of this and of the strengths that follow see `extractors.augment_pictures`."""
    rotation_deg: float = 0.0
    crop: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    seed: int = 0
    """Seed of the order of training, of augmentation, of the groups that are held out, of the head,
    and of `random` weights."""

    def __post_init__(self) -> None:
        self.check_least(epochs=1, batch=1, seed=0)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}, expected more than 0")
        self._check_course()
        if self.train_from not in STAGES:
            raise ValueError(
                f'train_from = "{self.train_from}" is no part of a ResNet; expected one of '
                f"{', '.join(STAGES)}"
            )
        if self.augmentation is not None and self.segment_s is not None:
            raise ValueError(
                f"the strengths of augmentation are for pictures, and segment_s = {self.segment_s} "
                "asks for MFCC; leave them out"
            )
        _ = self.start

    def ensure_weights(self) -> None:
        if self.weights != RANDOM:
            ensure(self.depth, self.weights)

    def _check_course(self) -> None:
        self.check_least(weight_decay=0, lowest_rate=0, plateau_epochs=0, patience=0)
        if self.rows is not None:
            self.check_least(rows=1)
        if self.batch_norm not in NORMS:
            raise ValueError(
                f'batch_norm = "{self.batch_norm}" is unknown; expected {" or ".join(NORMS)}'
            )
        if self.batch_norm == "batch" and self.batch < 2:
            raise ValueError(
                "batch = 1 has no statistics to normalise by; expected at least 2, or "
                'batch_norm = "frozen"'
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm = {self.clip_norm}, expected more than 0")
        if not 0 < self.plateau_factor < 1:
            raise ValueError(f"plateau_factor = {self.plateau_factor}, expected between 0 and 1")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out = {self.held_out}, expected 0 or more and less than 1")
        watched = {name: getattr(self, name) for name in ("plateau_epochs", "patience")}
        if any(watched.values()) and not self.held_out:
            name = next(name for name, value in watched.items() if value)
            raise ValueError(
                f"{name} = {watched[name]} needs clips that are watched; give held_out "
                "the share of them, such as 0.2"
            )

    @property
    def augmentation(self) -> AugmentPictures | None:
        """What changes the pictures of each clip in each epoch; None where nothing does.

        Raises:
            ValueError: A strength is out of its range.
        """
        strengths = {name: getattr(self, name) for name in AugmentPictures.strengths}
        if not any(strengths.values()):
            return None
        return AugmentPictures(input=self.input, seed=self.seed, **strengths)

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
        clips = self.labelled(examples)
        shapes = {
            "fc.weight": (int(clips.classes.max()) + 1, embedding_dim(self.depth)),
            "fc.bias": (int(clips.classes.max()) + 1,),
        }
        head = first_weights(shapes, self.seed)
        begin = {**load_state(self.depth, self.weights, self.start.seed), **head}
        return self._train(begin, examples, clips)

    def cost(self, examples: Examples) -> Cost | None:
        from extractors.fitted.tuning import exact, found_device, seconds_an_image

        rows = sum(min(len(one), self.rows or len(one)) for one in self.labelled(examples).rows)
        if rows * self.epochs < _WORTH_AN_ESTIMATE:
            return None
        work = f"{rows:,} images an epoch in steps of {self.batch}, at most {self.epochs} epochs"
        device = found_device()
        with exact(device):
            seconds = seconds_an_image(self, device)
        return Cost(work, seconds * rows * self.epochs, device)

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        images = self.start.images(tracks["input"])
        values = np.full((len(images), embedding_dim(self.depth)), np.nan, np.float32)
        values[images.valid] = _engine(self, Same(state))(images.values[images.valid])
        return Track(values, images.seconds, images.valid, images.notes)

    def labelled(self, examples: Examples) -> "LabelledClips":
        """Finds what there is to train on; reads each track once and draws no image.

        Args:
            examples: The training clips of one fold.

        Returns:
            Those that have a valid row or segment.

        Raises:
            ValueError: No clip has one, or all that have one bear the same label.
        """
        from extractors.fitted.tuning import LabelledClips

        tracks = examples.tracks["input"]
        valid = [self.start.image_rows(tracks[number])[1] for number in range(len(examples))]
        numbers = [number for number, rows in enumerate(valid) if rows.any()]
        if not numbers:
            raise ValueError(
                f"none of the {len(examples)} training clips has a valid row or segment of "
                f"{self.input}; look at the index"
            )
        return LabelledClips(
            tuple(examples.clip_ids[number] for number in numbers),
            tracks,
            np.array(numbers, np.int64),
            class_numbers([examples.labels[number] for number in numbers]),
            tuple(np.flatnonzero(valid[number]) for number in numbers),
        )

    def is_tuned(self, name: str) -> bool:
        """Whether a part of the network is trained.

        Args:
            name: Of a parameter, a buffer or a module, as torchvision has it.

        Returns:
            True from `train_from` on, but for the classifier.
        """
        part = name.partition(".")[0].replace("bn1", "conv1")
        return part in STAGES[STAGES.index(self.train_from) :]

    def _train(self, begin: Weights, examples: Examples, clips: "LabelledClips") -> State:
        from extractors.fitted.tuning import Epochs, Tuning, exact, found_device

        trained, judged = clips, None
        if self.held_out:
            groups = [examples.groups[number] for number in clips.numbers]
            aside = held_out(groups, self.held_out, self.seed)
            trained = clips.part(~aside)
            judged = Epochs(clips.part(aside), self.start, self.batch, self.seed)
        epochs = Epochs(trained, self.start, self.batch, self.seed, self.rows, self.augmentation)
        device = found_device()
        with exact(device):
            return Tuning(self, begin, device).run(epochs, judged)


@functools.lru_cache(maxsize=1)
def _engine(model: Finetuned, state: Same) -> engines.Engine:
    """The tuned network, kept until another one is asked for.

    Its weights are those it began with, and what training made of them.
    """

    def all_weights() -> Weights:
        tuned = {name: np.array(array) for name, array in state.value.items()}
        return {**load_state(model.depth, model.weights, model.start.seed), **tuned}

    return engines.torch_engine(model.depth, all_weights, Runtime("torch"), size=model.size)
