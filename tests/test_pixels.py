"""Views of stored pixels: the formulas, to the last digit of float32, and nothing but pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stores.pixels import IMAGENET_MEAN, IMAGENET_STD, imagenet, unit

ALL = np.arange(256, dtype=np.uint8)
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 10, 3), np.uint8)


def test_unit_is_every_pixel_over_255_rounded_once() -> None:
    found = unit(ALL)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (np.arange(256) / 255).astype(np.float32))
    assert (found.min(), found.max()) == (0, 1)


def test_imagenet_is_the_formula_that_torchvision_states_for_its_weights() -> None:
    found = imagenet(PICTURES)
    assert (found.dtype, found.shape) == (np.float32, PICTURES.shape)
    exact = (PICTURES / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)


def test_imagenet_agrees_with_torchvisions_own_numbers() -> None:
    weights = pytest.importorskip(
        "torchvision.models", reason="torchvision is not installed"
    ).ResNet18_Weights.IMAGENET1K_V1
    preset = weights.transforms()
    assert (tuple(preset.mean), tuple(preset.std)) == (IMAGENET_MEAN, IMAGENET_STD)


def test_a_view_leaves_what_is_stored_as_it_is() -> None:
    stored = PICTURES.copy()
    stored.flags.writeable = False
    unit(stored)
    imagenet(stored)
    np.testing.assert_array_equal(stored, PICTURES)


@pytest.mark.parametrize("view", [unit, imagenet])
def test_a_view_of_a_view_is_refused(view: Callable[[NDArray[Any]], NDArray[np.float32]]) -> None:
    with pytest.raises(
        ValueError, match="stored as uint8, got float32; this view was applied already"
    ):
        view(unit(PICTURES))


def test_channels_first_is_refused_by_imagenet() -> None:
    with pytest.raises(ValueError, match=r"last dimension, got values of shape \(2, 3, 3, 8, 10\)"):
        imagenet(np.moveaxis(PICTURES, -1, 2))
