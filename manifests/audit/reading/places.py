"""What the names around a table say: its side, its fold, its scheme, and what its lines are.

Files of one fold have the same name but for their side; files of several folds the same but for
a number. So `split02_val.csv` is the validation side of fold 2, and `fold_3/test.txt` the test
side of fold 3.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePath

from manifests.audit.listing import TRAIN
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.raw import Place
from manifests.audit.reading.sides import sides_of_name, without_sides, words_of

_FOLD = re.compile(
    r"(?<![a-z])(?:folds?|kfold|split|set|cv|sessions?|sess?|loso|round)"
    r"[ _\-.]*0*(\d{1,4})(?!\d)(?!-?fold)",
    re.IGNORECASE,
)
_SHARD = re.compile(r"(?:part|shard)?[ _\-]*\d+[ _\-]+of[ _\-]+\d+", re.IGNORECASE)
"""Such as `00000-of-00002`: a piece of a list, and no fold."""
_BARE = re.compile(r"0*(\d{1,3})")
_UNIT_WORDS = {
    "subject": ("speaker", "subject", "actor", "participant", "person", "spk"),
    "episode": ("movie", "drama", "episode", "tv", "series"),
    "video": ("video", "youtube"),
}
_LISTED = {"list", "lists", "id", "ids", "name", "names", "split", "splits"}
_WHO = {("people", ""), ("spk", "")}
"""Last words that list people, though no plural and not followed by `list`."""
_OF_CLIPS = {"independent", "dependent", "disjoint", "wise", "level", "clip", "clips", "exclusive"}


@dataclass(frozen=True)
class Around:
    """What the names around one table say."""

    side: int | None = None
    side_from: str = ""
    """What kind of name said so: folder, file, sheet, key or array; `option` for the user."""
    fold: int | None = None
    fold_from: str = ""
    scheme: str = ""
    """Where several splits lie beside each other, the name of this one."""
    rest: str = ""
    """The names without side and fold; equal for the tables of one fold."""
    unit: str | None = None
    """What its lines are, where that is no clip: subject, episode or video."""


def look_around(tables: Sequence[tuple[Place, ...]], options: ReadingOptions) -> list[Around]:
    """Reads the names around all tables.

    Args:
        tables: The places of each table.
        options: What the user says of sides.

    Returns:
        What they say, in the same order.
    """
    found = [_look(places, options.sides) for places in tables]
    groups: dict[str, list[int]] = {}
    for number, around in enumerate(found):
        groups.setdefault(around.rest, []).append(number)
    are_splits = all(_is_split(found[one] for one in some) for some in groups.values())
    if len(groups) < 2 or not are_splits:
        return found
    numbers = dict(zip(groups, _differing_numbers([*groups]), strict=True))
    return [_in_group(around, numbers[around.rest]) for around in found]


def _in_group(around: Around, fold: int | None) -> Around:
    """One of several groups that are a split each: a fold, or a scheme where no number differs."""
    if fold is None:
        return replace(around, scheme=around.rest)
    return replace(around, fold=fold, fold_from="file") if around.fold is None else around


def _is_split(some: Iterable[Around]) -> bool:
    sides = {one.side for one in some}
    return TRAIN in sides and len(sides) > 1


def _look(places: Sequence[Place], named: Mapping[str, int]) -> Around:
    side, side_from = _side(places, named)
    places = [place._replace(name=_SHARD.sub(" ", place.name)) for place in places]
    fold, fold_from = _fold(places)
    rest = " ".join(without_sides(_FOLD.sub(" ", place.name)) for place in places)
    rest = " ".join(part for part in rest.split() if not part.isdigit() or fold is None)
    return Around(side, side_from, fold, fold_from, "", rest, _unit(places))


def _side(places: Sequence[Place], named: Mapping[str, int]) -> tuple[int | None, str]:
    named = {name: side for name, side in named.items() if not name.isdigit()}  # those are cells
    stems = {PurePath(name).stem: side for name, side in named.items()}
    for place in reversed(places):
        of_kind = stems if place.kind == "file" else named
        if place.name.casefold() in of_kind:
            return of_kind[place.name.casefold()], "option"
    for place in reversed(places):
        sides = sides_of_name(place.name)
        if len(sides) == 1:
            return sides.pop(), place.kind
    return None, ""


def _fold(places: Sequence[Place]) -> tuple[int | None, str]:
    for place in reversed(places):
        if found := _FOLD.search(place.name):
            return int(found[1]), place.kind
    for place in reversed(places):
        if bare := _BARE.fullmatch(place.name):
            return int(bare[1]), place.kind
    return None, ""


def _differing_numbers(names: Sequence[str]) -> list[int | None]:
    """The number in which names differ that are the same otherwise; None for all where none is."""
    if len({re.sub(r"\d+", "#", name) for name in names}) > 1:
        return [None] * len(names)
    columns = [*zip(*(re.findall(r"\d+", name) for name in names), strict=True)]
    differing = [column for column in columns if len({*column}) == len(names)]
    if not differing:
        return [None] * len(names)
    return [int(number[:9]) for number in differing[-1]]


def _unit(places: Sequence[Place]) -> str | None:
    """What is listed: only where the name says so in so many words.

    `speaker_list` and `speakers` list speakers; `speaker_independent` and `speaker_train` may list
    clips.
    """
    for place in reversed(places):
        words = words_of(place.name)
        if _OF_CLIPS & {*words}:
            return None
        for unit, ones in _UNIT_WORDS.items():
            for word, after in pairwise([*words, ""]):
                if (word, after) in _WHO and unit == "subject":
                    return unit
                if word.endswith("s") and word.removesuffix("s") in ones:
                    return unit
                if word in ones and after in _LISTED:
                    return unit
    return None


def are_clips(cells: Sequence[str]) -> bool:
    """Says whether names look like those of clips: several share a beginning with others.

    Args:
        cells: Distinct names.

    Returns:
        True for paths, and for such as `s1_a, s1_b, s2_a`; False for names of speakers.
    """
    if any("/" in cell or "\\" in cell for cell in cells):
        return True
    beginnings = [re.split(r"[_\-. ](?=[^_\-. ]*$)", cell)[0] for cell in cells]
    different = {*beginnings}
    return 1 < len(different) < 0.7 * len(cells)
