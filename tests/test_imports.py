"""What a command that measures nothing must not import: whatever decodes, computes or draws."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "av",
    "cv2",
    "ffmpeg",
    "imageio_ffmpeg",
    "librosa",
    "matplotlib",
    "mediapipe",
    "numba",
    "openvino",
    "scipy",
    "sklearn",
    "soxr",
    "torch",
)
"""Libraries that measuring needs; together they take seconds to import."""

RECIPES = """
from flows.recipe import load

for name in ("default", "demo"):
    recipe = load(name)
    assert all(spec.fingerprint for spec in recipe.graph.specs.values())
"""


def imported_by(code: str) -> list[str]:
    """The heavy libraries that a new process has imported after running some code."""
    asked = f"{code}\nimport sys; print(*sorted({{*sys.modules}} & {{*{HEAVY}}}))"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    return done.stdout.split()


@pytest.mark.usefixtures("processes")
def test_specs_and_fingerprints_of_a_recipe_need_no_heavy_library() -> None:
    assert imported_by(RECIPES) == []


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "module",
    ["catalog", "fitted.catalog", "plan", "media", "batching", "engines", "frames", "augmentation"],
)
def test_no_module_that_other_rooms_import_brings_a_heavy_library(module: str) -> None:
    assert imported_by(f"import extractors.{module}") == []
