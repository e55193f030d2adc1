"""What is learned from the training clips of one fold, and holds for that fold alone.

A statistic of all clips (a mean, a basis, a choice of columns, a tuned network) carries test clips
into training. Here it is an extractor of its own kind: its parameters are fixed by the recipe, its
*state* is learned from the training clips of one fold of one scheme, and is stored under both with
the hash of these clips.

    Statistic   state + track -> track, by a transform of plain NumPy that readers apply       zscore, pca, pad, iza
    Model       state + tracks -> track, by a network; its tracks are stored, for each fold     autoencoder, finetuned

Learned is always from the clips as they are. Where an input has augmented variants, the same state
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

    def __getitem__(self, number: int) -> Track: ...


@dataclass(frozen=True)
class Examples:
    """The training clips of one fold that have every input, in the order of their ids; nothing of
    any other clip. At least one."""

    clip_ids: tuple[str, ...]
    groups: tuple[str, ...]
    """Of each clip: what an inner validation must keep on one side."""
    labels: tuple[str, ...]
    """Of each clip, in the scheme that the fitter names; empty where it names none."""
    tracks: Mapping[str, TrackSequence]
    """Role of an input -> the clips' tracks, by number."""

    def __len__(self) -> int:
        return len(self.clip_ids)


class Fitter(Extractor):
    """Common to both kinds. A frozen dataclass of JSON values; `needs` may name stored features and
    other fitted ones of the recipe."""

    sees_all: ClassVar[bool] = False
    """True for a fit that LEAKS, as a paper describes it: its examples are the fold's clips of
    every role. Its name ends in `_leaking`."""

    @property
    def label_scheme(self) -> str | None:
        """The labels that the fit looks at; None for a fit without labels."""
        return None

    def check_least(self, **least: int) -> None:
        for name, limit in least.items():
            if (value := getattr(self, name)) < limit:
                raise ValueError(f"{name} = {value}, expected at least {limit}")

    @abstractmethod
    def fit(self, examples: Examples) -> State:
        """Learn from the training clips. The same clips give the same bytes. ValueError, in one
        sentence, where they are too few."""


class Statistic(Fitter):
    """Needs one input, under the role `input`; what a reader does with the state is `transform`.
    Stored images come decoded.

    Where the state decides the sizes of a row, `layout` gives the greatest that are possible.
    """

    transform: ClassVar[str]
    """Name in the table of transforms that readers have: `scale`, `project`, `select` or `pad`."""


class Model(Fitter):
    """Stored images come as they are stored, as `bytes`: see `Layout.codec`."""

    @abstractmethod
    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        """One clip's tracks by role -> its track. Does not depend on other clips. BadClip where
        there is nothing to encode.

        `state` is one object for all clips of a fold, so that a network may be kept for it.
        """
