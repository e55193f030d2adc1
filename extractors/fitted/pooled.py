"""Several features of one clip as one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.base import Layout, form_of
from extractors.fitted.base import Examples, Model, State
from extractors.fitted.inner import mean_row
from manifests.features import FeatureSpec
from manifests.tracks import Track


@dataclass(frozen=True)
class Pooled(Model):
    """The mean over time of each input, joined in the order of `inputs`.

    values: (1, sum of the inputs' widths) float32. The row is at the middle of the span that the
        inputs' valid rows cover, and is not valid (NaN) where one of the inputs has no valid row.

    This is the joint feature vector of Kirar et al., section 3.2.2. It learns nothing of the clips
    but each input's width; it is fitted because its inputs may be.
    """

    name: ClassVar[str] = "pooled"
    version: ClassVar[int] = 1

    inputs: tuple[str, ...]
    """Names of features whose rows are vectors, fitted or not."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ValueError("inputs is empty; name at least one feature whose rows are vectors")
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError(
                f"inputs names a feature twice: {', '.join(self.inputs)}; name each once"
            )

    @property
    def needs(self) -> Mapping[str, str]:
        return {f"input{number}": name for number, name in enumerate(self.inputs)}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        specs = [needs[role] for role in self.needs]
        for spec in specs:
            if len(spec.shape) != 1 or not spec.dtype.startswith("float"):
                raise ValueError(f"{form_of(spec)}, but a join takes vectors of float numbers")
        units = "means over time: " + ", then ".join(
            f"{spec.shape[0]} of {spec.name}" for spec in specs
        )
        return Layout(
            "float32", ("time", "feature"), (sum(spec.shape[0] for spec in specs),), units, None
        )

    def fit(self, examples: Examples) -> State:
        """Reads the widths of the inputs.

        Args:
            examples: The training clips of one fold.

        Returns:
            `starts` (inputs + 1,) int64: the first column of each input, and the number of all
            columns.

        Raises:
            ValueError: There is no clip that has every input.
        """
        if not len(examples):
            raise ValueError(
                "there is no training clip that has every input; look at the index for what "
                "became of them"
            )
        widths = [examples.tracks[role][0].values.shape[1] for role in self.needs]
        return {"starts": np.cumsum([0, *widths], dtype=np.int64)}

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        """Joins the means of one clip.

        Args:
            state: What `fit` gave.
            tracks: The clip's tracks by role.

        Returns:
            One row.

        Raises:
            ValueError: An input has another width than it had in the fit.
        """
        parts = [tracks[role] for role in self.needs]
        starts = np.cumsum([0, *(part.values.shape[1] for part in parts)])
        if not np.array_equal(starts, state["starts"]):
            raise ValueError(
                f"the inputs' columns begin at {starts.tolist()}, but at "
                f"{state['starts'].tolist()} in the fit; fit again"
            )
        means = [mean_row(part) for part in parts]
        valid = all(mean is not None for mean in means)
        values = np.full((1, starts[-1]), np.nan, np.float32)
        if valid:
            values[0] = np.concatenate([mean for mean in means if mean is not None])
        return Track(values, np.array([_middle_s(parts)]), np.array([valid]))


def _middle_s(tracks: list[Track]) -> float:
    """Middle of the span that the valid rows cover; of all rows where none is valid."""
    seconds = np.concatenate([track.seconds[track.valid] for track in tracks])
    if not len(seconds):
        seconds = np.concatenate([track.seconds for track in tracks])
    return float(seconds.min() + seconds.max()) / 2 if len(seconds) else 0.0
