"""The commands that write a store, each with the store that it begins with."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.media_made import write

RECIPE = """
about = "every kind of feature that needs no network, as small as they come"
source = "tests"
clips_per_shard = 3
max_bad_fraction = 1.0

[features.audio]
extractor = "audio"

[features.mfcc]
extractor = "mfcc"

[features.sound_digest]
extractor = "sound_digest"

[features.frames]
extractor = "frames"
fps = 5.0
size = 16
pixels = "jpeg"
store = true

[fitted.scaled]
fitter = "zscore"
input = "mfcc"

[fitted.basis]
fitter = "pca"
input = "scaled"
n_components = 2
"""

NETWORK = """
[features.mfcc_resnet18]
extractor = "resnet"
input = "mfcc"
depth = 18
weights = "random"
seed = 0
size = 32
segment_s = 0.2
segment_hop_s = 0.2
"""


@dataclass(frozen=True)
class Case:
    """A command, the case whose store it begins with, and the state of the corpus."""

    name: str
    begins_with: str | None
    corpus: str
    words: tuple[str, ...]
    local_only: bool = False
    is_quick: bool = True
    """Whether it is for every run of the tests."""
    recipe: str = "plain"
    is_recorded: bool = False
    """On a Prefect server."""
    is_reader: bool = False
    """It has no lock and sweeps nothing; and killed at its very end it refuses to run once more,
    since what it makes is there."""


_BUILD = ("build", "STORE", "--corpus", "folder=CORPUS", "--recipe", "RECIPE")
_LOCAL = ("--workers", "1")
_FORGET = ("forget", "STORE", "--subject", "anna")
_EXPORT = ("export", "STORE", "OUT", "--to", "numpy", "--features", "mfcc,scaled")
_PART = ("--scheme", "subject_kfold", "--fold", "0", "--licence", "ours")
_OTHER_MFCC = ("--set", "features.mfcc.n_mfcc=20")

CASES = {
    case.name: case
    for case in (
        Case("build", None, "first", (*_BUILD, *_LOCAL)),
        Case(
            "build by two",
            None,
            "first",
            (*_BUILD, "--workers", "2"),
            local_only=True,
            is_quick=False,
        ),
        Case("build again", "build", "second", (*_BUILD, *_LOCAL)),
        Case("other feature", "build", "first", (*_BUILD, *_LOCAL, *_OTHER_MFCC), is_quick=False),
        Case("split", "build", "first", ("split", "STORE", "subject_kfold", "--folds", "3")),
        Case("fit", "split", "first", ("fit", "STORE", "subject_kfold", *_LOCAL)),
        Case(
            "split anew",
            "fit",
            "first",
            ("split", "STORE", "subject_kfold", "--folds", "3", "--seed", "1"),
            is_quick=False,
        ),
        Case("build on a fit", "fit", "second", (*_BUILD, *_LOCAL), is_quick=False),
        Case("gc", "build again", "first", ("gc", "STORE", "--keep", "1")),
        Case("forget", "fit", "first", (*_FORGET, "--receipt", "OUT.json")),
        Case("export", "fit", "first", (*_EXPORT, *_PART), is_reader=True),
        Case("build by Dask", None, "first", (*_BUILD, "--dask", "local:2"), is_quick=False),
        Case("build, network", None, "first", (*_BUILD, *_LOCAL), is_quick=False, recipe="network"),
        Case(
            "build, recorded", None, "first", (*_BUILD, *_LOCAL), is_quick=False, is_recorded=True
        ),
    )
}
"""By name; a case comes after the one that it begins with."""


def write_inputs(folder: Path) -> None:
    """The recipes; and of the corpus `first`, and `second`, in which clips were added, changed and
    removed."""
    folder.mkdir()
    (folder / "plain.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "network.toml").write_text(RECIPE + NETWORK, encoding="utf-8")
    first, second = folder / "first", folder / "second"
    for number, subject in enumerate(("anna", "bert", "carl")):
        for label in ("happy", "sad"):
            _clip(first / subject / label, 0.3 + 0.05 * number, frames=3)
    bad = first / "carl" / "sad" / "bad.mp4"
    whole = (first / "anna" / "sad" / "anna-sad.mp4").read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    shutil.copytree(first, second)
    for subject in ("anna", "bert"):
        _clip(second / subject / "happy", 0.5, frames=4)
    _clip(second / "dora" / "sad", 0.4, frames=2)
    shutil.rmtree(second / "carl" / "happy")


def _clip(folder: Path, audio_s: float, frames: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{folder.parent.name}-{folder.name}.mp4"
    write(path, frames=frames, fps=10, size=(128, 96), audio_s=audio_s, rate_hz=16000)
