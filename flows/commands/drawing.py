"""What `affectstore draw` draws: the tracks of a feature, stored or fitted, and how many."""

import sys

import typer

from manifests.variant_names import plain_name
from stores.clip_tracks import ClipTracks
from stores.reader import FeatureStore


def tracks_to_draw(
    opened: FeatureStore, feature: str, scheme: str | None, fold: int | None
) -> ClipTracks:
    """Opens the tracks of a feature.

    Args:
        opened: The store.
        feature: Its name.
        scheme: Of a fitted feature, the split scheme.
        fold: Of a fitted feature, the number of the fold.

    Returns:
        The tracks.

    Raises:
        BadParameter: A fitted feature is named without scheme and fold, or another one with them.
        NotInStore: The store has no such feature.
        NotFitted: It is not fitted for that fold.
    """
    entry = opened.snapshot.fitted.get(plain_name(feature))
    if entry is None:
        tracks = opened[feature]  # first, so that a misspelt name is told as such
        if scheme is not None or fold is not None:
            raise typer.BadParameter(
                f"{feature} is the same in every fold; leave out --scheme and --fold, which are "
                "for features that are fitted"
            )
        return tracks
    if scheme is None or fold is None:
        folds = [f"--scheme {one.scheme} --fold {one.fold}" for one in entry.states]
        advice = (
            f"add {folds[0]}"
            if folds
            else f"fit it first: affectstore fit {opened.location} SCHEME"
        )
        raise typer.BadParameter(
            f"{feature} is another one in every fold, and no scheme and fold is named; {advice}"
        )
    return opened.fitted(feature, scheme, fold)


def check_number(clips: int, feature: str) -> None:
    """Asks at a terminal whether all clips are to be drawn.

    Args:
        clips: How many there are.
        feature: What is to be drawn.

    Raises:
        BadParameter: There is no terminal to ask at.
        Abort: The answer is no.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"no clip is named, and {clips} clips have {feature}: name some with --clip, or draw "
            "all of them with --all"
        )
    typer.confirm(f"no clip is named; draw {feature} of all {clips} clips?", abort=True)
