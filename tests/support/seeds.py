"""Seeds of tests on random data."""

from typing import Any

import pytest


def seeds(count: int, more: int = 10) -> list[Any]:
    """The first seeds, and those of the long lane."""
    return [
        *range(count),
        *(pytest.param(seed, marks=pytest.mark.long) for seed in range(count, count + more)),
    ]
