"""Which of the clips that lie in the corpora's folders a build takes, and how many it leaves out.

What a name and the corpus's tables say decides before any file is opened; what only a header says,
such as the duration, after probing. A chosen clip that cannot be measured stays, as a row in
quarantine. A refused file is chosen by what its name says that it would be; one whose name breaks
the rule has no value in any column, and so is left out.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flows.building.clip_table import ClipTable
from flows.errors import BuildError
from flows.recipe import Recipe
from manifests.choice import EVERY_CLIP, Choice, ClipColumns, WrongChoice, reads
from manifests.clips import CLIPS
from manifests.conditions import CLIP_COLUMNS
from manifests.corpora.base import Found
from manifests.labels import LABELS, Label
from manifests.quarantine import Reason


@dataclass(frozen=True)
class ListedClips:
    """What lies in the folders, where clips are chosen."""

    choice: Choice
    clips: Mapping[str, int]
    """Corpus -> clips that are listed there, refused files among them; empty without a choice."""
    unknown_names: int
    """Files left out since their names break the rule of their corpus."""


NOTHING_CHOSEN = ListedClips(EVERY_CLIP, {}, 0)
"""There is no choice: every clip is taken."""


def narrowed(recipe: Recipe, where: Sequence[str]) -> Recipe:
    """Adds conditions to those of a recipe's table [clips].

    Args:
        recipe: The recipe.
        where: Conditions on the clips, all of which must hold beside the recipe's.

    Returns:
        The recipe with both.

    Raises:
        WrongChoice: A condition has another form.
    """
    clips = recipe.clips.narrowed(tuple(where))
    return recipe.model_copy(update={"clips": clips})


def choose_by_name(listed: list[Found], choice: Choice) -> tuple[list[Found], ListedClips]:
    """Chooses clips before any file is opened.

    Args:
        listed: All clips of all corpora.
        choice: The conditions of the recipe.

    Returns:
        Those that are chosen as far as names tell, in their order; and what lies there.

    Raises:
        WrongChoice: A column or a value is unknown, or no clip is left.
        BuildError: No clip of a corpus is left.
    """
    if not choice:
        return listed, NOTHING_CHOSEN
    taken = _columns(listed, choice).chosen(choice.by_name)
    for row, one in enumerate(listed):
        if one.bad and _is_nameless(one):
            taken[row] = one.bad.reason != Reason.UNKNOWN_NAME
    chosen = [one for one, is_taken in zip(listed, taken.tolist(), strict=True) if is_taken]
    clips = Counter(one.clip.corpus for one in listed)
    _refuse_lost(clips, {one.clip.corpus for one in chosen}, choice)
    unknown = sum(
        one.bad is not None and one.bad.reason == Reason.UNKNOWN_NAME and not is_taken
        for one, is_taken in zip(listed, taken.tolist(), strict=True)
    )
    return chosen, ListedClips(choice, dict(sorted(clips.items())), unknown)


def choose_by_header(table: ClipTable, choice: Choice) -> ClipTable:
    """Chooses clips by what their headers say.

    Args:
        table: The clips that are chosen by name, after probing.
        choice: The conditions of the recipe.

    Returns:
        Those for which all conditions hold, and those that could not be read.

    Raises:
        WrongChoice: A value is unknown, or no clip is left.
        BuildError: No clip of a corpus is left.
    """
    if not choice.by_header:
        return table
    try:
        taken = ClipColumns(table.clips, lambda: table.labels).chosen(choice.by_header)
    except WrongChoice as wrong:
        if not choice.by_name:
            raise
        raise WrongChoice(f"among the clips with {choice.by_name.words}, {wrong}") from wrong
    ids = table.clips.column("clip_id")
    taken |= np.array([clip_id in table.bad for clip_id in ids.to_pylist()], np.bool_)
    chosen = table.only(taken)
    before, after = (each.clips.column("corpus").unique().to_pylist() for each in (table, chosen))
    _refuse_lost(before, after, choice)
    return chosen


def _is_nameless(one: Found) -> bool:
    """Whether a refused file has no column but its path: nobody knows what it would be."""
    is_path = one.clip.clip_id == f"{one.clip.corpus}/{one.clip.path}"
    return one.named is None and is_path and not one.labels


def _columns(listed: Sequence[Found], choice: Choice) -> ClipColumns:
    """The columns that a choice asks for, of clips that are no table yet."""
    like = [one.named or one for one in listed]
    ids = pa.array([one.clip.clip_id for one in listed], pa.string())
    asked = {one.column for one in choice.conditions}
    columns = {
        name: pa.array([getattr(one.clip, name) for one in like], CLIPS.schema.field(name).type)
        for name in CLIP_COLUMNS
        if name in asked | {"corpus"}
    }
    return ClipColumns(pa.table({**columns, "clip_id": ids}), lambda: _labels(listed, like, asked))


def _labels(listed: Iterable[Found], like: Iterable[Found], asked: Collection[str]) -> pa.Table:
    """The labels that a choice reads; of any other scheme one, so that messages can name it."""
    is_read: dict[str, bool] = {}
    ids: list[str] = []
    labels: list[Label] = []
    for one, named in zip(listed, like, strict=True):
        for label in named.labels:
            if is_read.get(label.scheme, True):
                ids.append(one.clip.clip_id)
                labels.append(label)
                if label.scheme not in is_read:
                    is_read[label.scheme] = any(reads(name, label.scheme) for name in asked)
    columns = {
        name: pa.array([getattr(label, name) for label in labels], LABELS.schema.field(name).type)
        for name in ("scheme", "value", "weight")
    }
    return pa.table({**columns, "clip_id": pa.array(ids, pa.string())})


def _refuse_lost(listed: Iterable[str], taken: Collection[str], choice: Choice) -> None:
    """Refuses to lose a corpus by accident, as where one has no such column."""
    lost = sorted(set(listed) - set(taken))
    if lost and not any(one.column == "corpus" for one in choice.conditions):
        kept = ",".join(sorted(taken))
        raise BuildError(
            f"no clip of {', '.join(lost)} is chosen by {choice.words}; change the choice, leave "
            f"out --corpus {lost[0]}, or say so with --where corpus={kept}"
        )
