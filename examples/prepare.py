"""From nothing to a store that the trainers can read: sample clips, build, both splits, fits. What
is there already is kept.

The recipes are made small here: untrained weights, so that nothing is fetched, small pictures, and
one short round of tuning.
"""

from pathlib import Path
from typing import Any

from examples.plan import Paper
from examples.protocol import DISJOINT
from flows.building.run import run_build
from flows.fitting.run import run_fit
from flows.sample.pictures import write_sample
from flows.splitting.run import run_split
from manifests.corpora.sample import sample_clips
from manifests.schemes.catalog import SCHEMES, SplitError

FOLDS = 3
"""Of the six actors, two are tested, two validated and two trained on."""

SIZE = (6, 8, 1)
"""Actors, emotions and takes: every class of the papers' tables is there."""
SIZES = {"kirar2024": (12, 8, 1)}
"""Another size: Kirar et al. tell three emotions of the eight apart, and few clips have one of
them."""


def _untrained(feature: str) -> tuple[str, ...]:
    return (
        f"features.{feature}.weights=random",
        f"features.{feature}.seed=0",
        f"features.{feature}.size=64",
    )


def _short(feature: str) -> tuple[str, ...]:
    """A tuned network for a trial: 18 layers from random weights, pictures of 32, one epoch of four
    rows a clip."""
    return tuple(
        f"fitted.{feature}.{change}"
        for change in ("depth=18", "weights=random", "size=32", "epochs=1", "rows=4")
    )


SMALL: dict[str, tuple[str, ...]] = {
    "donatus2026": (
        *_untrained("face_embedding"),
        "features.face_embedding.depth=18",
        *_untrained("mfcc_embedding"),
        "features.mfcc_embedding.depth=18",
        *_short("audio_embedding"),
    ),
    "tucker2025": ("features.frames.fps=10.0", *_short("frame_embedding")),
    "tcs2026": (
        *_short("face_embedding"),
        # Of so few actors, none is to spare.
        *(f"fitted.face_embedding.{name}=0" for name in ("held_out", "plateau_epochs", "patience")),
    ),
    "kirar2024": (
        *_untrained("picture"),
        "features.picture.depth=18",
        *_untrained("conv5_3"),
        "features.conv5_3.depth=18",
        "fitted.code.steps=500",
        "fitted.selected.keep=64",
        "fitted.selected.inner_folds=2",
    ),
    "satvik2025": (),
}


def size_of(recipe: str) -> tuple[int, int, int]:
    """Actors, emotions and takes of the sample that a recipe is tried on."""
    return SIZES.get(recipe, SIZE)


def clips_of(store: Path) -> Path:
    """The folder of clips beside a store."""
    return store.with_name(f"{store.name}-clips")


def prepare_sample(paper: Paper[Any], store: Path, workers: int | None = None) -> None:
    """Fills `store`, and the folder of clips beside it.

    workers: Processes that build and fit; None: one for each core.
    """
    clips = clips_of(store)
    actors, emotions, takes = size_of(paper.recipe)
    if len(list(clips.rglob("*.mp4"))) != len(sample_clips(actors, emotions, takes)):
        write_sample(clips, actors=actors, emotions=emotions, takes=takes)
    run_build(store, {"sample": clips}, paper.recipe, SMALL[paper.recipe], workers=workers)
    for scheme in dict.fromkeys((split_own(paper, store), DISJOINT)):
        _split(store, scheme)
        run_fit(store, scheme, workers=workers)


def split_own(paper: Paper[Any], store: Path) -> str:
    """Split by the first of the paper's own schemes that these clips allow, and say why not by
    those before it."""
    for scheme in paper.own[:-1]:
        try:
            _split(store, scheme)
        except SplitError as refused:
            print(f"not {scheme}: {refused}")
        else:
            return scheme
    _split(store, paper.own[-1])
    return paper.own[-1]


def _split(store: Path, scheme: str) -> None:
    run_split(store, scheme, FOLDS if "folds" in SCHEMES[scheme].options else None)
