"""Features from the bottleneck of an autoencoder of sound.

Torch is imported only where a network is built.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import Layout, form_of
from extractors.fitted.base import Examples, Model, State
from extractors.fitted.inner import held_out
from extractors.fitted.learning import Same, first_weights, one_thread
from extractors.fitted.segments import (
    PER_CLIP,
    Segments,
    SegmentSampler,
    moments,
    spans,
    standardised,
)
from extractors.resnet import segment_rows
from manifests.features import FeatureSpec
from manifests.tracks import Track

if TYPE_CHECKING:
    from extractors.fitted.conv_autoencoder import ConvAutoencoder

_HELD_OUT = 0.2
"""Least share of the training clips, in whole groups, that the training is judged by."""
_CHECK_STEPS = 100
"""Steps from one judgement to the next."""


@dataclass(frozen=True)
class Autoencoder(Model):
    """What a convolutional autoencoder keeps of each segment.

    values: (time, dim) float32; row i is the bottleneck of segment i.
    seconds: The segments' centres. Segments have `segment` rows of the input and follow one another
        without a gap; where rows are left, one more ends with the last row. A clip shorter than a
        segment is one segment, filled with the training mean.
    valid: True for a segment whose rows are all valid.

    Kirar et al. (2024), section 3.2.1: audio goes through an autoencoder, "deep features being
    extracted from the bottleneck layer"; section 2.2: an undercomplete one, trained by the mean
    squared error (equation 10). They leave open, and here it is: the input (log-mel or MFCC rows,
    in units of each band's standard deviation over the training clips), the segment, `dim`, the
    layers (see `conv_autoencoder`), Adam with `learning_rate`, and the end of training: every 100
    steps the error on held-out training groups (a fifth of the clips or more) is measured, and the
    weights with the least one are kept once `patience` measurements brought no better one. Trained
    on the CPU, on one thread, so that the same clips and seed give the same bytes on one machine.
    """

    name: ClassVar[str] = "autoencoder"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """Name of a feature whose rows are vectors at an even hop."""
    dim: int = 32
    """Numbers in one row: the width of the bottleneck."""
    segment: int = 32
    """Rows of one segment, a multiple of 8."""
    steps: int = 3000
    """Most batches that are trained on."""
    batch: int = 32
    """Segments of one batch, a multiple of 4."""
    learning_rate: float = 1e-3
    """Adam's."""
    patience: int = 5
    """Measurements without a better one, after which training ends."""
    seed: int = 0
    """Seed of the first weights, the held-out groups and the order of the batches."""

    def __post_init__(self) -> None:
        self.check_least(dim=1, segment=8, steps=1, batch=PER_CLIP, patience=1, seed=0)
        for name, step in (("segment", 8), ("batch", PER_CLIP)):
            if (value := getattr(self, name)) % step:
                raise ValueError(f"{name} = {value}, expected a multiple of {step}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}, expected more than 0")

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        if len(source.shape) != 1 or not source.dtype.startswith("float") or source.hop_s is None:
            raise ValueError(
                f"{form_of(source)}, hop {source.hop_s} s, but the autoencoder takes vectors of "
                "float numbers at an even hop; name a feature such as logmel or mfcc"
            )
        return Layout(
            "float32",
            ("time", "code"),
            (self.dim,),
            "bottleneck of an autoencoder",
            self.segment * source.hop_s,
        )

    def fit(self, examples: Examples) -> State:
        """Trains the network, reading a few tracks at a time.

        Args:
            examples: The training clips of one fold.

        Returns:
            `mean` and `scale` (bands,), and the network's weights by name.

        Raises:
            ValueError: The clips are of one group, or have no valid segment on one of the two
                sides.
        """
        tracks = examples.tracks["input"]
        mean, scale = moments(tracks, len(examples))
        aside = held_out(examples.groups, _HELD_OUT, self.seed)
        sampler = SegmentSampler(tracks, mean, scale, self.segment)
        judged = sampler.judged(np.flatnonzero(aside))
        batches = sampler.batches(
            np.flatnonzero(~aside), self.batch, np.random.default_rng(self.seed)
        )
        return {"mean": mean, "scale": scale, **self._train(batches, judged)}

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        import torch

        track = tracks["input"]
        found = spans(len(track), self.segment)
        seconds, valid = segment_rows(track, found)
        values = np.full((len(found), self.dim), np.nan, np.float32)
        if valid.any():
            segments = torch.from_numpy(self.segments(state, track)[valid])
            with one_thread(), torch.inference_mode():
                values[valid] = self._network(state).encode(segments).numpy()
        return Track(values, seconds, valid, track.notes)

    def segments(self, state: State, track: Track) -> Segments:
        """Cuts a clip as `encode` does before the network.

        Args:
            state: What `fit` gave.
            track: The clip's input.

        Returns:
            (time, rows, bands): its segments in units of the training clips' deviation.
        """
        cuts = [track.values[first:end] for first, end in spans(len(track), self.segment)]
        parts = [
            standardised(values, self.segment, state["mean"], state["scale"]) for values in cuts
        ]
        return np.array(parts, np.float32).reshape(len(parts), self.segment, len(state["mean"]))

    def decode(self, state: State, codes: NDArray[np.float32]) -> Segments:
        """Runs the second half of the network.

        Args:
            state: What `fit` gave.
            codes: (n, dim).

        Returns:
            The segments that the network makes of the codes, in the units of `segments`.
        """
        import torch

        with one_thread(), torch.inference_mode():
            found: Segments = (
                self._network(state).decode(torch.from_numpy(np.ascontiguousarray(codes))).numpy()
            )
        return found

    def _network(self, state: State) -> "ConvAutoencoder":
        return _filled(Same(state), self.segment, len(state["mean"]), self.dim)

    def _train(self, batches: Iterator[Segments], judged: Segments) -> dict[str, NDArray[Any]]:
        """The weights that reconstruct `judged` best."""
        import torch

        from extractors.fitted import conv_autoencoder

        network = conv_autoencoder.build(judged.shape[1], judged.shape[2], self.dim)
        shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
        conv_autoencoder.fill(network, first_weights(shapes, self.seed))
        with one_thread():
            optimizer = torch.optim.Adam(network.parameters(), self.learning_rate)
            best = _Best(self.patience)
            for step, batch in enumerate(itertools.islice(batches, self.steps), start=1):
                segments = torch.from_numpy(batch)
                loss = torch.nn.functional.mse_loss(network(segments), segments)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                if (step % _CHECK_STEPS == 0 or step == self.steps) and best.is_enough(
                    network, judged
                ):
                    break
        return best.weights


class _Best:
    """The weights with the least error so far, and how many measurements ago that was."""

    def __init__(self, patience: int) -> None:
        self._patience, self._waited, self._error = patience, 0, np.inf
        self.weights: dict[str, NDArray[Any]] = {}

    def is_enough(self, network: "ConvAutoencoder", judged: Segments) -> bool:
        """Measures; True when `patience` measurements in a row were no better.

        The first measurement is always kept.
        """
        import torch

        with torch.inference_mode():
            parts = [
                torch.from_numpy(part) for part in np.array_split(judged, -(-len(judged) // 64))
            ]
            error = sum(float(((network(part) - part) ** 2).sum()) for part in parts) / judged.size
        if error < self._error or not self.weights:
            self._error, self._waited = error, 0
            self.weights = {
                name: weight.numpy().copy() for name, weight in network.state_dict().items()
            }
        else:
            self._waited += 1
        return self._waited >= self._patience


@functools.lru_cache(maxsize=1)
def _filled(state: Same, rows: int, bands: int, dim: int) -> "ConvAutoencoder":
    """The network of a state, kept until another one is asked for."""
    from extractors.fitted import conv_autoencoder

    return conv_autoencoder.fill(conv_autoencoder.build(rows, bands, dim), state.value)
