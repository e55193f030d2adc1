"""What fits that train a network share. Imports torch only inside its functions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def one_thread() -> Iterator[None]:
    """Puts torch on one CPU thread and deterministic algorithms, and back afterwards.

    So bits depend on no number of cores.
    """
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def first_weights(
    shapes: Mapping[str, tuple[int, ...]], seed: int
) -> dict[str, NDArray[np.float32]]:
    """Draws weights to begin with, by seed and without torch's random numbers.

    They are uniform within 1 / sqrt(fan-in), and zeros for biases. That is the size which torch's
    own layers begin with. Wider ones, which He et al. (2015) derive for rectifiers, took three
    times as many steps to the same error of the autoencoder.

    Args:
        shapes: Name -> shape of each parameter.
        seed: Seed of the draw.

    Returns:
        Name -> float32 array.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    for index, (name, shape) in enumerate(shapes.items()):
        bound = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.0
        weights[name] = (
            np.random.default_rng([seed, index]).uniform(-bound, bound, shape).astype(np.float32)
        )
    return weights


@dataclass(frozen=True, eq=False)
class Same:
    """A key that equals only the very same object.

    A cache keeps a network under it, whose weights no one wants to hash.
    """

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
