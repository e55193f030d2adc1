"""Whether those that a store has forgotten are back in it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from manifests.clips import Clip
from stores.forgotten import Forgotten

_TABLES = ("clips", "labels", "folds", "index", "quarantine")


def forgotten_problems(
    forgotten: Forgotten | None, rows: Mapping[str, Iterable[Any]], held: Collection[str]
) -> Iterator[str]:
    """Looks for clips that no build would have taken, such as those of a copy put back by hand.

    Args:
        forgotten: Whom the store has forgotten; None: nobody.
        rows: Table -> its rows.
        held: The ids of all clips that its shards say they hold, or have refused.

    Yields:
        One sentence, where there are any.
    """
    if forgotten is None:
        return
    every: list[Clip] = list(rows["clips"])
    theirs = {clip.clip_id for clip in every if forgotten.has_subject(clip.subject_id)}
    places = {name: {row.clip_id for row in rows[name]} for name in _TABLES}
    known = {one for one in set(held).union(*places.values()) if forgotten.has_clip(one)} | theirs
    if not known:
        return
    where = [f"the table of {name}" for name, ids in places.items() if ids & known]
    where += ["shards"] * (not known.isdisjoint(held))
    first = min(known)
    more = f" and {len(known) - 1} more" if len(known) > 1 else ""
    again = f"run `affectstore forget STORE --clip {first}` again"
    restore = "restore the store from a copy made since, or build it anew in an empty folder"
    yield (
        f"the store has forgotten {first}{more}, and yet {', '.join(where)} of it have it; "
        f"{again if first in places['clips'] else restore}"
    )
