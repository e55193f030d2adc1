"""The autoencoder as a torch module. Imports torch: import it only where a network is built."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CHANNELS = (16, 32, 64)
"""Channels after each convolution; each halves time and bands."""
SHRINKS = 2 ** len(CHANNELS)
"""Factor by which all convolutions together shrink time and bands."""


class ConvAutoencoder(nn.Module):
    """(n, rows, bands) -> (n, dim) -> (n, rows, bands).

    Three convolutions of 3x3 with stride 2 and ELU between them, one linear layer to the
    bottleneck; back by one linear layer and three transposed convolutions of 4x4. Bands are filled
    with zeros to a multiple of 8, and cut again at the end.
    """

    def __init__(self, rows: int, bands: int, dim: int) -> None:
        super().__init__()
        self.bands = bands
        self.fill = -bands % SHRINKS
        self.inner = (CHANNELS[-1], rows // SHRINKS, (bands + self.fill) // SHRINKS)
        size = self.inner[0] * self.inner[1] * self.inner[2]
        sides = list(zip((1, *CHANNELS), CHANNELS, strict=False))
        self.encoder = nn.ModuleList(
            nn.Conv2d(a, b, kernel_size=3, stride=2, padding=1) for a, b in sides
        )
        self.down, self.up = nn.Linear(size, dim), nn.Linear(dim, size)
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(b, a, kernel_size=4, stride=2, padding=1) for a, b in reversed(sides)
        )

    def encode(self, segments: Tensor) -> Tensor:
        """Runs the encoder.

        Args:
            segments: (n, rows, bands).

        Returns:
            (n, dim) the codes.
        """
        x = nn.functional.pad(segments, (0, self.fill))[:, None]
        for layer in self.encoder:
            x = nn.functional.elu(layer(x))
        codes: Tensor = self.down(x.flatten(1))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Runs the decoder.

        Args:
            codes: (n, dim).

        Returns:
            (n, rows, bands).
        """
        x: Tensor = self.up(codes).unflatten(1, self.inner)
        for layer in self.decoder:
            x = layer(nn.functional.elu(x))
        return x[:, 0, :, : self.bands]

    def forward(self, segments: Tensor) -> Tensor:
        """Encodes and decodes.

        Args:
            segments: (n, rows, bands).

        Returns:
            (n, rows, bands) what the codes keep of them.
        """
        return self.decode(self.encode(segments))


def build(rows: int, bands: int, dim: int) -> ConvAutoencoder:
    """Builds the network without numbers, and without touching torch's random ones.

    Args:
        rows: Rows of a segment, a multiple of 8.
        bands: Bands of a row.
        dim: Width of the bottleneck.

    Returns:
        The network on torch's meta device.
    """
    with torch.device("meta"):
        return ConvAutoencoder(rows, bands, dim)


def fill(network: ConvAutoencoder, weights: Mapping[str, NDArray[Any]]) -> ConvAutoencoder:
    """Loads weights into the network, which makes copies of them.

    Args:
        network: What `build` gave.
        weights: Name in the network's state dict -> array.

    Returns:
        The same network.
    """
    network.load_state_dict(
        {name: torch.tensor(weights[name]) for name in network.state_dict()}, assign=True
    )
    return network
