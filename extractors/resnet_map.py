"""Feature maps by a ResNet: what it sees at each place of a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from extractors import engines
from extractors.base import Layout
from extractors.resnet import ResNet
from manifests.features import FeatureSpec


@dataclass(frozen=True)
class ResNetMap(ResNet):
    """The output of the last block of a ResNet (conv5_x, `layer4`), before the average pool.

    values: (time, row, column, channel) float32, with size / 32 rows and columns, rounded up, and
        512 channels at depth 18 and 34, 2048 at depth 50; NaN where the input's row is not valid.

    The mean over rows and columns is what `ResNet` gives for the same picture. Parameters and rows
    are its own.
    """

    name: ClassVar[str] = "resnet_map"
    version: ClassVar[int] = 1

    @property
    def side(self) -> int:
        """Rows and columns of the map."""
        return -(-self.size // 32)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (self.side, self.side, self.dim)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return replace(
            super().layout(needs),
            dims=("time", "row", "column", "channel"),
            units="activation of each channel of the last block",
        )

    def _network(self) -> engines.NetworkSpec:
        return replace(super()._network(), side=self.side)
