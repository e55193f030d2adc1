"""Clips of a store that are chosen by conditions on their columns; see `manifests.choice`."""

from collections.abc import Mapping
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from manifests.choice import Choice, ClipColumns, Where, WrongChoice
from manifests.clips import CLIPS
from manifests.labels import LABELS
from stores.location import Location
from stores.snapshot import Snapshot, read_table

Fact = TypeVar("Fact")


def split_choice(snapshot: Snapshot, scheme: str) -> Choice:
    """Finds which clips the folds of a split scheme were made of.

    Args:
        snapshot: The snapshot that has the folds.
        scheme: Name of the scheme.

    Returns:
        The choice that was recorded; the empty one for folds of all clips.
    """
    made_with = snapshot.schemes.get(scheme)
    where = made_with.get("where", []) if isinstance(made_with, Mapping) else []
    return Choice.of([str(text) for text in where] if isinstance(where, list) else [])


def chosen_ids(clips: pa.Table, labels: pa.Table, choice: Choice, strict: bool = True) -> set[str]:
    """Chooses clips of a store.

    Args:
        clips: The table CLIPS.
        labels: The table LABELS.
        choice: The conditions.
        strict: Refuse conditions that name what no clip has; else these choose no clip.

    Returns:
        The ids of the clips for which all conditions hold.

    Raises:
        WrongChoice: A column or a value is unknown, or no clip is left.
    """
    taken = ClipColumns(clips, lambda: labels).chosen(choice, strict)
    return set(clips.column("clip_id").filter(pa.array(taken)).to_pylist())


def keep_chosen(
    location: Location, snapshot: Snapshot, facts: Mapping[str, Fact], where: Where | None
) -> dict[str, Fact]:
    """Keeps what is said of chosen clips.

    Args:
        location: Where the store lies.
        snapshot: Whose clips they are.
        facts: Clip id -> what is said of it.
        where: The conditions; None: every clip is kept.

    Returns:
        Those of the chosen clips, in their order.

    Raises:
        WrongChoice: A condition has another form, names what no clip of the store has, or chooses
            none of these clips.
    """
    choice = Choice.of(where if where is not None else ())
    if not choice:
        return dict(facts)
    clips, labels = (read_table(location, snapshot, table) for table in (CLIPS, LABELS))
    ids = chosen_ids(clips, labels, choice)
    kept = {clip_id: fact for clip_id, fact in facts.items() if clip_id in ids}
    if facts and not kept:
        raise WrongChoice(
            f"none of these {len(facts)} clips is chosen by {choice.words}, which holds for "
            f"{len(ids)} others of the store; change the choice, or the fold or role"
        )
    return kept


def chosen_folds(tables: Mapping[str, pa.Table], choice: Choice) -> pa.Table:
    """Keeps the rows of folds whose clips are chosen.

    Args:
        tables: Tables of a store by name.
        choice: The conditions.

    Returns:
        Rows of FOLDS.

    Raises:
        WrongChoice: A column or a value is unknown, or no clip is left.
    """
    folds = tables["folds"]
    if not choice:
        return folds
    ids = pa.array(sorted(chosen_ids(tables["clips"], tables["labels"], choice)), pa.string())
    return folds.filter(pc.is_in(folds.column("clip_id").cast(pa.string()), ids))
