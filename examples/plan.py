"""What a paper's module tells the shared loop: which features, which model, how it is trained, and
on which splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from examples.parts import Net, Tensors
from stores import FeatureDataset, RoleName, Target, Track
from stores.align import Alignment

if TYPE_CHECKING:
    from examples.printed import Printed


Example = tuple[str, dict[str, Track], Target]


class Clips(Protocol):
    """What a loader reads: a FeatureDataset, or what gives the same."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def dropped(self) -> dict[str, str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Example: ...

    def collate(self, batch: Sequence[Example]) -> Any: ...


@runtime_checkable
class Redrawn(Protocol):
    """Clips that are other ones in each epoch."""

    def begin_epoch(self, number: int) -> None: ...


@dataclass(frozen=True)
class Plateau:
    """When the learning rate falls."""

    factor: float
    """On the rate, each time."""
    epochs: int
    """It falls after exactly so many epochs in a row without a lower validation loss."""
    lowest: float
    """The rate falls no lower."""


@dataclass(frozen=True)
class Fitting:
    """How one model is trained."""

    epochs: int
    batch: int
    """Examples in a batch: clips, or rows where the trial takes rows."""
    optimizer: Callable[[nn.Module], Optimizer]
    patience: int | None = None
    """Epochs without a lower loss on the validation clips before training ends; None: all epochs,
    and the last weights stay."""
    plateau: Plateau | None = None
    clip_norm: float | None = None
    """Greatest norm of the gradient."""


@dataclass(frozen=True)
class Look:
    """What else is measured on the tested clips."""

    notes: tuple[str, ...] = ()
    """A sentence each."""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """To be drawn, by name; of a few clips, or of all together."""
    decisions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """(clip, class) other answers of the same model, by what they are called."""


@dataclass(frozen=True)
class Predictions:
    """Of the tested clips, in the order of their ids; or of frames, where frames are tested."""

    clip_ids: tuple[str, ...]
    targets: NDArray[np.int64]
    """(clip,)"""
    probabilities: NDArray[np.float64]
    """(clip, class)"""
    look: Look = field(default_factory=Look)


@dataclass(frozen=True)
class Trial:
    """One model of a paper and its inputs."""

    name: str
    features: tuple[str, ...]
    build: Callable[[Tensors, int], Net]
    """(a batch, number of classes) -> the model; the batch says how wide the inputs are."""
    fitting: Fitting
    align: Alignment | None = None
    variants: tuple[int, ...] = (0,)
    """Variants of the training clips: 0 as they are, others augmented."""
    rows: bool = False
    """Each valid row is an example of its own in training; a clip is tested as a whole."""
    look: Callable[[Net, list[Tensors]], Look] | None = None
    one_network: bool = False
    """Its embeddings are of one network: end to end, that is trained for all of them."""


class Opener(Protocol):
    """Opens the clips of one fold for a trial; without a role, all clips of the store."""

    def __call__(self, trial: Trial, role: RoleName | None) -> FeatureDataset: ...


class Trainer(Protocol):
    """Trains and tests in one fold, by one seed, and keeps what it finds."""

    @property
    def seed(self) -> int: ...

    def train(
        self,
        trial: Trial,
        clips: Clips,
        watched: Clips | None = None,
        examples: Any = None,
    ) -> Net: ...

    def predict(
        self, model: Net, trial: Trial, clips: Clips, examples: Any = None
    ) -> Predictions: ...


Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Paper(Generic[Settings]):
    """A recipe's trainer."""

    recipe: str
    labels: tuple[str, ...]
    """Label schemes or spaces; the first whose labels the store has is used."""
    own: tuple[str, ...]
    """Split schemes that are the paper's own; the first that the store has is used."""
    settings: Settings
    """As the paper says: a dataclass whose fields `--set` changes."""
    small: Settings
    """Few epochs and narrow models: minutes on two cores."""
    trials: Callable[[Settings], list[Trial]]
    printed: "Printed"
    """The paper's tables and figures, each number beside the one of ours that is the same."""
    combine: Callable[[Mapping[str, Predictions]], dict[str, Predictions]] = field(
        default=lambda _: {}
    )
    """Predictions that come of those of several models; of those that it finds."""
    published: Callable[[Opener, Trainer, Settings], dict[str, Predictions]] | None = None
    """Predictions under the paper's own protocol, where that is more than a split of clips."""
