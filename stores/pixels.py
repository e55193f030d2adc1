"""What a network sees of stored pixels, made when they are read.

Pictures are kept as uint8, a quarter of the size of floats.

    imagenet(batch["values"]["crops"])    (batch, time, height, width, 3) uint8 -> float32

Pictures stay channels last; torch wants `np.moveaxis(values, -1, -3)`. Rows that are not valid are
0 in a batch and so are black pictures here, which `imagenet` takes to about -2: look at the mask.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue in [0, 1] over ImageNet's training pictures, as torchvision's weights
were trained with."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Their standard deviation."""


def unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Divides each value by 255.

    Args:
        values: uint8 of any shape.

    Returns:
        float32 in [0, 1], of the same shape.

    Raises:
        ValueError: The values are of another type.
    """
    if values.dtype != np.uint8:
        raise ValueError(
            f"pixels are stored as uint8, got {values.dtype}; this view was applied already, or "
            "the feature holds no pictures"
        )
    divided: NDArray[np.float32] = np.divide(values, np.float32(255), dtype=np.float32)
    return divided


def imagenet(values: NDArray[Any]) -> NDArray[np.float32]:
    """Computes (value / 255 - mean) / std of ImageNet, by channel.

    Args:
        values: (..., 3) uint8, red first.

    Returns:
        float32 of the same shape.

    Raises:
        ValueError: The values are of another form.
    """
    if values.shape[-1:] != (3,):
        raise ValueError(
            "imagenet needs red, green and blue in the last dimension, got values of shape "
            f"{values.shape}; move the channels last"
        )
    scaled = unit(values)
    scaled -= np.array(IMAGENET_MEAN, np.float32)
    scaled /= np.array(IMAGENET_STD, np.float32)
    return scaled
