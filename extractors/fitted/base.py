"""What is learned from the training clips of one fold, and holds for that fold alone.

A statistic of all clips (a mean, a basis, a choice of columns, a tuned network) carries test clips
into training. Here it is an extractor of its own kind: its parameters are fixed by the recipe, its
*state* is learned from the training clips of one fold of one scheme, and is stored under both with
the hash of these clips.

    Statistic    state + track -> track, by plain NumPy that readers apply: zscore, pca, pad, iza
    Model        state + tracks -> track, by a network; its tracks are stored for each fold:
                 autoencoder, finetuned, pooled

A fit always works on the clips as they are. Where an input has augmented variants, the same state
gives the fitted feature of each: what a model makes of a variant is stored of the fold's training
clips, and of no clip of another role.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from extractors.base import Extractor
from manifests.tracks import Track

State = Mapping[str, NDArray[Any]]
"""All that was learned, as named arrays of bool, integer or float numbers."""


class TrackSequence(Protocol):
    """Tracks of one input, read when they are asked for."""

    def __getitem__(self, number: int) -> Track:
        """Reads the track of the clip with this number."""


@dataclass(frozen=True)
class Examples:
    """The training clips of one fold that have every input, in the order of their ids.

    There is at least one, and nothing of any other clip.
    """

    clip_ids: tuple[str, ...]
    groups: tuple[str, ...]
    """Group of each clip: what an inner validation must keep on one side."""
    labels: tuple[str, ...]
    """Label of each clip, in the scheme that the fitter names; empty where it names none."""
    tracks: Mapping[str, TrackSequence]
    """Role of an input -> the clips' tracks, by number."""

    def __len__(self) -> int:
        return len(self.clip_ids)


@dataclass(frozen=True)
class Cost:
    """What a fit will take, as far as can be said before it begins."""

    work: str
    """What is done, for people."""
    seconds: float
    """At most, on the device."""
    device: str
    """`cuda`, or `cpu`, which is one core of it."""


class Fitter(Extractor):
    """What the two kinds of fitted feature share: a fit on the training clips of one fold.

    Subclasses are frozen dataclasses of JSON values; `needs` may name stored features and other
    fitted ones of the recipe.
    """

    sees_all: ClassVar[bool] = False
    """True for a fit that LEAKS, as a paper describes it: its examples are the fold's clips of
    every role. Its name ends in `_leaking`."""

    @property
    def label_scheme(self) -> str | None:
        """Name of the labels that the fit uses, its field `labels`; None for a fit without."""
        return getattr(self, "labels", None)

    def check_least(self, **least: int) -> None:
        """Refuses parameters that are too small.

        Args:
            **least: The least value of each parameter, by the name of its field.

        Raises:
            ValueError: A parameter is below its least value.
        """
        for name, limit in least.items():
            if (value := getattr(self, name)) < limit:
                raise ValueError(f"{name} = {value}, expected at least {limit}")

    def ensure_weights(self) -> None:
        """Fetches what the fit begins from, so that one without it ends before it begins."""

    @abstractmethod
    def fit(self, examples: Examples) -> State:
        """Learns from the training clips; the same clips give the same bytes.

        Args:
            examples: The training clips of one fold.

        Returns:
            What was learned, as named arrays.

        Raises:
            ValueError: The clips are too few; one sentence.
        """

    def cost(self, examples: Examples) -> Cost | None:
        """Estimates what `fit` will take, in moments.

        Args:
            examples: The training clips of one fold.

        Returns:
            The estimate, measured in this process; None where a fit is a matter of minutes.

        Raises:
            ValueError: As in `fit`.
        """
        return None


class Statistic(Fitter):
    """A fitted feature that a reader computes itself, by the transform that is named here.

    It needs one input, under the role `input`; stored images come decoded. Where the state decides
    the sizes of a row, `layout` gives the greatest that are possible.
    """

    transform: ClassVar[str]
    """Name in the table of transforms that readers have: `scale`, `project`, `select` or `pad`."""


class Model(Fitter):
    """A fitted feature that a network computes, and that is stored.

    Stored images come as they are stored, as `bytes`: see `Layout.codec`.
    """

    @abstractmethod
    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        """Computes the track of one clip; it does not depend on other clips.

        Args:
            state: What `fit` gave: one object for all clips of a fold, so that a network may be
                kept for it.
            tracks: The clip's tracks by role.

        Returns:
            The clip's track.

        Raises:
            BadClip: There is nothing to encode.
        """
