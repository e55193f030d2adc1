"""Files of those that the store has forgotten: no build takes them, whatever their names are."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flows.building.clip_table import ClipTable
from flows.errors import BuildError
from flows.recipe import Recipe
from manifests.choice import Choice
from manifests.corpora.base import Found
from manifests.corpora.catalog import CORPORA
from stores.forgotten import Forgotten, clip_without, content_text, ids_in_name, without_names
from stores.paths import WrongPlace, sha256_of

_CONTENT = ["corpus", "path", "sha256", "start_s", "end_s", "region"]
"""Columns of the table of clips that say what a clip holds, and where it lies."""


@dataclass(frozen=True)
class ForgottenFiles:
    """What lies in the corpora's folders of those that the store has forgotten."""

    files: tuple[str, ...]
    """`corpus/path` of each, sorted; they are printed and not kept."""
    copies: tuple[str, ...] = ()
    """Those of `files` whose names say nothing of it: they are known by what they hold."""


NOBODY_FORGOTTEN = ForgottenFiles(())
"""Nothing was left out."""


def leave_forgotten(
    listed: Sequence[Found], forgotten: Forgotten, folders: Mapping[str, Path]
) -> tuple[list[Found], ForgottenFiles]:
    """Leaves out whom the store has forgotten, by names; of refused files, which nobody else reads,
    by what they hold as well.

    Args:
        listed: All clips of all corpora.
        forgotten: Those that the store has forgotten.
        folders: Corpus -> its folder.

    Returns:
        The others in their order, and what was left out.

    Raises:
        BuildError: There are no others.
    """
    kept: list[Found] = []
    named: set[str] = set()
    copies: set[str] = set()
    for one in listed:
        file = f"{one.clip.corpus}/{one.clip.path}"
        if _is_of(one, forgotten):
            named.add(file)
        elif one.bad and forgotten.contents and _holds(one, forgotten, folders):
            copies.add(file)
        else:
            clip = clip_without(one.clip, forgotten.has_subject)
            kept.append(one if clip is one.clip else replace(one, clip=clip))
    if not kept:
        raise BuildError(
            f"the store has forgotten everybody whose clips lie in {_folders(folders)}; name other "
            "folders, or build another store"
        )
    return kept, _files(named, copies)


def leave_copies(
    table: ClipTable, forgotten: Forgotten | None, left: ForgottenFiles
) -> tuple[ClipTable, ForgottenFiles]:
    """Leaves out clips that hold what the store has forgotten, under other names.

    Args:
        table: All clips, hashed.
        forgotten: Those that the store has forgotten; None: nobody.
        left: What was left out by names. Another clip that lies in one of these files is not of who
            was forgotten: its corpus says so.

    Returns:
        The table of the others, and all that was left out.

    Raises:
        BuildError: There are no others.
    """
    if forgotten is None or not forgotten.contents:
        return table, left
    by_name = frozenset(left.files)
    rows = zip(*(table.clips.column(name).to_pylist() for name in _CONTENT), strict=True)
    found = [(f"{row[0]}/{row[1]}", forgotten.has_content(content_text(*row[2:]))) for row in rows]
    gone = np.array([has and file not in by_name for file, has in found], np.bool_)
    if not gone.any():
        return table, left
    if gone.all():
        raise BuildError(
            "every clip holds what the store has forgotten, under another name; name other "
            "folders, or build another store"
        )
    copies = {file for (file, _), is_gone in zip(found, gone, strict=True) if is_gone}
    return table.only(~gone), _files(by_name, {*left.copies, *copies})


def _is_of(one: Found, forgotten: Forgotten) -> bool:
    """Whether a clip, or the clip that a refused file would be, is of somebody forgotten."""
    clip, corpus = one.clip, CORPORA[one.clip.corpus]
    clips = [clip.clip_id]
    subjects = {clip.subject_id}
    if one.named:
        clips.append(one.named.clip.clip_id)
        subjects.add(one.named.clip.subject_id)
    if one.bad and clip.subject_id is None:
        if identity := corpus.identify(clip.path):
            clips.append(identity.clip_id)
            subjects.add(identity.subject_id)
        elif corpus.has_own_names:
            clips += ids_in_name(clip)
    return any(map(forgotten.has_clip, clips)) or any(map(forgotten.has_subject, subjects))


def _holds(one: Found, forgotten: Forgotten, folders: Mapping[str, Path]) -> bool:
    """Whether a refused file holds what was forgotten; a link and the like are not opened."""
    with suppress(OSError, WrongPlace):
        path = folders[one.clip.corpus] / one.clip.path
        return forgotten.has_content(sha256_of(path))
    return False


def _files(named: Collection[str], copies: Collection[str]) -> ForgottenFiles:
    return ForgottenFiles(tuple(sorted({*named, *copies})), tuple(sorted(copies)))


def _folders(folders: Mapping[str, Path]) -> str:
    return ", ".join(str(folder) for _, folder in sorted(folders.items()))


def recipe_without_forgotten(recipe: Recipe, forgotten: Forgotten) -> Recipe:
    """Takes out of a recipe what names somebody forgotten: the snapshot is to hold it.

    Args:
        recipe: As the user gave it.
        forgotten: Those that the store has forgotten.

    Returns:
        The recipe with other clips chosen, where it named some of them.

    Raises:
        BuildError: It chooses nobody else.
    """

    def named(text: str) -> bool:
        return forgotten.names(text, CORPORA)

    for one in recipe.clips.conditions:
        if one.values and not one.is_not and all(map(named, one.values)):
            raise BuildError(
                f"the recipe {recipe.name} chooses clips by {one.column} of which the store has "
                "forgotten every one; take that out of its [clips], or out of --where"
            )
    choice = Choice.of(without_names(recipe.clips.texts, named))
    ignored = tuple(one for one in recipe.ignore_known_issues if not named(one))
    return recipe.model_copy(update={"clips": choice, "ignore_known_issues": ignored})
