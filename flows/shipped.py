"""The recipes and the papers that come with affectstore, by name; light enough for a tab key."""

from importlib.resources import files
from pathlib import Path


def recipes() -> dict[str, Path]:
    """The shipped recipes: name -> file."""
    return _named("recipes")


def papers() -> dict[str, Path]:
    """The shipped numbers of papers: name -> file."""
    return _named("papers")


def _named(folder: str) -> dict[str, Path]:
    found = Path(str(files("flows"))) / folder
    return {path.stem: path for path in sorted(found.glob("*.toml"))}
