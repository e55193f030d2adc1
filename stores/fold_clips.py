"""Which clips lie in one role of one fold, and what the role may be called."""

from collections.abc import Collection
from typing import Any, Literal, get_args

from manifests.clips import CLIPS
from manifests.folds import FOLDS, Role
from manifests.suggestions import did_you_mean
from stores.clip_tracks import NotInStore
from stores.reader import FeatureStore

RoleName = Literal["train", "valid", "test", "val", "validation", "dev"]
"""`val`, `validation` and `dev` are other names of `valid`."""
_ROLES = dict.fromkeys(get_args(RoleName), Role.VALID) | {role.value: role for role in Role}


def role_of(name: str | None) -> str | None:
    """Finds the role that a name stands for.

    Args:
        name: As somebody gave it.

    Returns:
        `train`, `valid` or `test`; a name that stands for none of them, and None, stay.
    """
    return name if name is None else str(_ROLES.get(name, name))


def groups_of(
    store: FeatureStore, scheme: str | None, fold: int | None, role: str | None
) -> dict[str, str]:
    """Finds the clips of one role of one fold, or all clips of a store.

    Args:
        store: The store.
        scheme: A split scheme; None: all clips.
        fold: Number of the fold.
        role: As folds have it.

    Returns:
        Clip -> group, in the order of ids; a clip of no known group is one by itself.

    Raises:
        NotInStore: The scheme, the fold or the role is unknown.
        ValueError: One of the three is missing.
    """
    if scheme is None:
        if fold is not None or role is not None:
            raise ValueError(
                f"fold={fold!r} and role={role!r} need a scheme; name one of the store's split "
                "schemes, or leave all three out"
            )
        return {clip.clip_id: clip.group_id or clip.clip_id for clip in store.rows(CLIPS)}
    if fold is None or role is None:
        raise ValueError(
            f"scheme {scheme!r} needs a fold and a role, got fold={fold!r} and role={role!r}"
        )
    rows = store.rows(FOLDS)
    for column, value, what in (
        ("scheme", scheme, "split scheme"),
        ("fold", fold, f"fold of {scheme}"),
        ("role", role, f"role in fold {fold} of {scheme}"),
    ):
        known = {getattr(row, column) for row in rows}
        if value not in known:
            raise _absent(what, value, known)
        rows = [row for row in rows if getattr(row, column) == value]
    return {row.clip_id: row.group_id for row in rows}


def _absent(what: str, given: object, known: Collection[Any]) -> NotInStore:
    hint = did_you_mean(str(given), map(str, known))
    return NotInStore(
        f"the store has no {what} {given!r}; {hint}there are "
        f"{', '.join(map(str, sorted(known))) or 'none'}"
    )
