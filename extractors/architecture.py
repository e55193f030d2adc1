"""The ResNets as data: their convolutions in order, and the shapes of their parameters.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016), in the variant that
torchvision's weights are for: in a bottleneck the stride lies on the 3x3 convolution. The names are
torchvision's, so that its weight files load as they are. Needs neither torch nor OpenVINO.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

CLASSES = 1000
"""Classes of ImageNet: rows of the classifier, which an embedding does not use."""
EPSILON = 1e-5
"""Added to the variance in every batch normalisation."""
MEAN = (0.485, 0.456, 0.406)
"""ImageNet's mean of red, green and blue, on a scale where white is 1."""
STD = (0.229, 0.224, 0.225)
"""ImageNet's standard deviation of red, green and blue, on the same scale."""

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
DEPTHS = tuple(_BLOCKS)
"""Numbers of layers of the ResNets known here."""


@dataclass(frozen=True)
class Conv:
    """A square convolution without bias, and the batch normalisation after it.

    It is padded so that a stride of 1 keeps the size.
    """

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        """Pixels of zeros on every side."""
        return self.kernel // 2

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights: (outputs, inputs, height, width)."""
        return self.outputs, self.inputs, self.kernel, self.kernel


@dataclass(frozen=True)
class Block:
    """A residual block: its branch's convolutions in order, and its shortcut."""

    name: str
    branch: tuple[Conv, ...]
    shortcut: Conv | None
    """The projection of the shortcut; None where the block changes no size."""


STEM = Conv("conv1", "bn1", 3, 64, 7, 2)


def embedding_dim(depth: int) -> int:
    """Counts the numbers of one embedding: the channels after the last block.

    Args:
        depth: Layers of the ResNet, one of `DEPTHS`.

    Returns:
        512 at depth 18 and 34, 2048 at depth 50.
    """
    return blocks(depth)[-1].branch[-1].outputs


@functools.cache
def blocks(depth: int) -> tuple[Block, ...]:
    """Lists the residual blocks of a ResNet.

    Args:
        depth: Layers of the ResNet, one of `DEPTHS`.

    Returns:
        The blocks from the picture to the embedding, in order.
    """
    expansion = 4 if depth == 50 else 1
    found: list[Block] = []
    inputs = STEM.outputs
    for stage, count in enumerate(_BLOCKS[depth]):
        width = 64 << stage
        for index in range(count):
            stride = 2 if stage and not index else 1
            outputs = width * expansion
            found.append(_block(f"layer{stage + 1}.{index}", inputs, width, outputs, stride))
            inputs = outputs
    return tuple(found)


def _block(name: str, inputs: int, width: int, outputs: int, stride: int) -> Block:
    if outputs == width:
        sizes = [(inputs, width, 3, stride), (width, width, 3, 1)]
    else:
        sizes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
    branch = tuple(
        Conv(f"{name}.conv{i}", f"{name}.bn{i}", *size) for i, size in enumerate(sizes, start=1)
    )
    if stride == 1 and inputs == outputs:
        return Block(name, branch, None)
    projection = Conv(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, 1, stride)
    return Block(name, branch, projection)


def convs(depth: int) -> Iterator[Conv]:
    """Lists all convolutions of a ResNet.

    Args:
        depth: Layers of the ResNet, one of `DEPTHS`.

    Yields:
        The convolutions, in the order of torchvision's state dict.
    """
    yield STEM
    for block in blocks(depth):
        yield from block.branch
        if block.shortcut is not None:
            yield block.shortcut


def state_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Lists the parameters of a ResNet.

    Args:
        depth: Layers of the ResNet, one of `DEPTHS`.

    Returns:
        Name -> shape of every entry of torchvision's state dict, in its order.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for conv in convs(depth):
        shapes[f"{conv.name}.weight"] = conv.shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{conv.norm}.{part}"] = (conv.outputs,)
        shapes[f"{conv.norm}.num_batches_tracked"] = ()
    shapes["fc.weight"] = (CLASSES, embedding_dim(depth))
    shapes["fc.bias"] = (CLASSES,)
    return shapes
