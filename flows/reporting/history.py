"""What was built when, and by which versions."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from flows.reporting.facts import SnapshotLine
from stores.location import Location
from stores.pointer import NotCommitted, WrongSnapshot, snapshot_file
from stores.snapshot import Snapshot, read_snapshot

_MOST = 30
_FORMAT = "%Y-%m-%d %H:%M"


def now() -> str:
    """The time by this machine's clock, as a report writes it."""
    return f"{datetime.now().astimezone():{_FORMAT} %Z}"


def history(location: Location, newest: Snapshot) -> tuple[SnapshotLine, ...]:
    """Lists the newest snapshots of a store.

    Args:
        location: Where the store lies.
        newest: Its newest snapshot.

    Returns:
        The newest first; the list ends where an older one can no longer be read.
    """
    chain = [*_chain(location, newest)]
    older = [*chain[1:], None]
    lines = [
        SnapshotLine(
            one.number,
            _written(location, one.number),
            str(one.recipe["name"]),
            one.counts,
            tuple(_news(one, before)) if before or one.parent is None else (),
        )
        for one, before in zip(chain, older, strict=True)
    ]
    return tuple(lines[:_MOST])


def _chain(location: Location, newest: Snapshot) -> Iterator[Snapshot]:
    """One more than is shown: what is new in the last one is known by its parent."""
    one: Snapshot | None = newest
    for _ in range(_MOST + 1):
        if one is None:
            return
        yield one
        parent, one = one.parent, None
        if parent is not None:
            with suppress(NotCommitted, WrongSnapshot):  # the newest one is whole without it
                one = read_snapshot(location, parent)


def _written(location: Location, number: int) -> str:
    if not location.is_local:  # the file here is a copy, of the time at which it was fetched
        return ""
    written = location.path(snapshot_file(number)).stat().st_mtime
    return f"{datetime.fromtimestamp(written).astimezone():{_FORMAT}}"


def _news(one: Snapshot, before: Snapshot | None) -> Iterator[str]:
    if before is None:
        yield f"{one.counts['clips']} clips, {len(one.features)} features"
        return
    if change := one.counts["clips"] - before.counts["clips"]:
        yield f"{change:+} clips"
    yield from _differences("feature", _fingerprints(one), _fingerprints(before))
    if new := len(_shards(one) - _shards(before)):
        yield f"{new} new {'shard' if new == 1 else 'shards'}"
    yield from _differences("folds", _texts(one.schemes), _texts(before.schemes))
    if new := len(_states(one) - _states(before)):
        yield f"{new} fitted {'state' if new == 1 else 'states'}"
    yield from _differences("version", one.versions, before.versions)


def _fingerprints(one: Snapshot) -> dict[str, str]:
    return {name: feature.spec.fingerprint for name, feature in one.features.items()}


def _shards(one: Snapshot) -> set[str]:
    return {shard.file for feature in one.features.values() for shard in feature.shards}


def _states(one: Snapshot) -> set[str]:
    return {state.file for entry in one.fitted.values() for state in entry.states}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _differences(what: str, present: Mapping[str, str], then: Mapping[str, str]) -> Iterator[str]:
    words = {
        "new": [name for name in present if name not in then],
        "changed": [name for name in present if name in then and present[name] != then[name]],
        "gone": [name for name in then if name not in present],
    }
    for word, names in words.items():
        if names:
            yield f"{what} {word}: {', '.join(names)}"
