"""The ResNet as a torch module. Imports torch: import it only where a network is built."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from extractors import architecture
from extractors.architecture import CLASSES, EPSILON, MEAN, STD, STEM, Block, Conv
from extractors.weights import Weights


class ResidualBlock(nn.Module):
    """(n, inputs, height, width) -> (n, outputs, height / stride, width / stride)."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.last = len(block.branch)
        for i, conv in enumerate(block.branch, start=1):
            self.add_module(f"conv{i}", _conv(conv))
            self.add_module(f"bn{i}", _norm(conv))
        self.downsample = (
            nn.Sequential(_conv(block.shortcut), _norm(block.shortcut)) if block.shortcut else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Adds the branch to the shortcut.

        Args:
            x: (n, inputs, height, width).

        Returns:
            (n, outputs, height / stride, width / stride).
        """
        shortcut = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.last + 1):
            x = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x))
            if i < self.last:
                x = torch.relu(x)
        return torch.relu(x + shortcut)


class ResNetModule(nn.Module):
    """(n, height, width, 3) uint8 RGB -> (n, dim): output of the global average pool.

    ImageNet's normalisation is part of the network. The classifier `fc` is not run; it is there so
    that a state dict of torchvision's loads as it is.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, depth: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1 = _conv(STEM)
        self.bn1 = _norm(STEM)
        blocks = architecture.blocks(depth)
        for stage in range(1, 5):
            layers = [
                ResidualBlock(block) for block in blocks if block.name.startswith(f"layer{stage}.")
            ]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(architecture.embedding_dim(depth), classes)
        # On the CPU by name, so that they hold numbers also where the module is built on the meta
        # device.
        self.register_buffer("mean", 255 * torch.tensor(MEAN, device="cpu"), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD, device="cpu"), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Embeds images.

        Args:
            images: (n, height, width, 3) uint8.

        Returns:
            (n, dim) float32.
        """
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: Tensor) -> Tensor:
        """Gives the output of the last block, before the average pool.

        Args:
            images: (n, height, width, 3) uint8.

        Returns:
            (n, dim, height / 32, width / 32) float32.
        """
        # NHWC read as NCHW: channels_last without a copy.
        x = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        x = torch.relu(self.bn1(self.conv1(x.to(self.conv1.weight.dtype))))
        x = nn.functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return x.float()  # so that the mean is taken in float32, whatever the network computes in


def build(depth: int, state: Weights) -> ResNetModule:
    """Builds the network for inference, without touching torch's random numbers.

    Args:
        depth: Layers of the ResNet.
        state: Its weights.

    Returns:
        The network on the CPU, without gradients.
    """
    with torch.device("meta"):
        network = ResNetModule(depth, classes=len(state["fc.bias"]))
    network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in state.items()}, assign=True
    )
    return network.eval().requires_grad_(False)


def fold(network: ResNetModule, depth: int) -> ResNetModule:
    """Takes batch normalisations into the convolutions before them.

    It is the same function in fewer passes over memory.

    Args:
        network: What `build` gave; it is changed.
        depth: Its layers.

    Returns:
        The same network.
    """
    for conv in architecture.convs(depth):
        kernel, norm = network.get_submodule(conv.name), network.get_submodule(conv.norm)
        network.set_submodule(conv.name, fuse_conv_bn_eval(kernel, norm))  # type: ignore[arg-type, type-var]
        network.set_submodule(conv.norm, nn.Identity())
    return network


def computing_in(precision: str, network: ResNetModule, depth: int) -> ResNetModule:
    """Lets the convolutions compute in another type; normalisation and mean stay in float32.

    Args:
        precision: Name of the type, such as `bfloat16`.
        network: What `fold` gave; it is changed.
        depth: Its layers.

    Returns:
        The same network.
    """
    for conv in architecture.convs(depth):
        network.get_submodule(conv.name).to(getattr(torch, precision))
    return network


def _conv(conv: Conv) -> nn.Conv2d:
    return nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.padding, bias=False)


def _norm(conv: Conv) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(conv.outputs, eps=EPSILON)
