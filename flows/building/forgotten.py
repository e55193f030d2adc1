"""Files of those that the store has forgotten: no build takes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.errors import BuildError
from flows.recipe import Recipe
from manifests.choice import Choice
from manifests.corpora.base import Found
from manifests.corpora.catalog import CORPORA
from stores.forgotten import Forgotten, without_names


@dataclass(frozen=True)
class ForgottenFiles:
    """What lies in the corpora's folders of those that the store has forgotten."""

    files: tuple[str, ...]
    """`corpus/path` of each, sorted; they are printed and not kept."""


NOBODY_FORGOTTEN = ForgottenFiles(())
"""Nothing was left out."""


def leave_forgotten(
    listed: Sequence[Found], forgotten: Forgotten
) -> tuple[list[Found], ForgottenFiles]:
    """Leaves out whom the store has forgotten.

    Args:
        listed: All clips of all corpora.
        forgotten: Those that the store has forgotten.

    Returns:
        The others in their order, and what was left out.
    """
    gone = [_is_of(one, forgotten) for one in listed]
    files = {
        f"{one.clip.corpus}/{one.clip.path}"
        for one, is_gone in zip(listed, gone, strict=True)
        if is_gone
    }
    kept = [one for one, is_gone in zip(listed, gone, strict=True) if not is_gone]
    return kept, ForgottenFiles(tuple(sorted(files)))


def _is_of(one: Found, forgotten: Forgotten) -> bool:
    """Whether a clip, or the clip that a refused file would be, is of somebody forgotten."""
    subjects = {one.clip.subject_id, one.named.clip.subject_id if one.named else None}
    if one.clip.subject_id is None and one.bad is not None:
        identity = CORPORA[one.clip.corpus].identify(one.clip.path)
        subjects.add(identity.subject_id if identity else None)
    return forgotten.has_clip(one.clip.clip_id) or any(map(forgotten.has_subject, subjects))


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
