"""How the clips of a store were read, as far as its snapshots say.

Versions of affectstore that decoded a file after they had hashed it may have decoded other bytes,
where it changed in between. The features then lie under the hash of bytes that they are not of.
"""

from collections.abc import Iterator, Sequence

from stores.snapshot import Snapshot

READING = "reading"
"""Among the versions of a snapshot: how the clips of its new shards were read."""
HASHED_COPY = "hashed copy"
"""What was decoded is what was hashed."""


def doubted_shards(snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """Finds the shards that do not say that their clips were read from hashed copies.

    Args:
        snapshots: The newest and those before it.

    Yields:
        Files of the newest snapshot that were first listed by one of an older version.
    """
    first_in: dict[str, Snapshot] = {}
    for snapshot in snapshots:
        for feature in snapshot.features.values():
            for shard in feature.shards:
                first_in[shard.file] = snapshot
    for feature in snapshots[0].features.values():
        for shard in feature.shards:
            if first_in[shard.file].versions.get(READING) != HASHED_COPY:
                yield shard.file


def reading_remarks(snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """Says where a store may hold features of other bytes than it names.

    Args:
        snapshots: The newest and those before it.

    Yields:
        One sentence, if any.
    """
    if doubted := len([*doubted_shards(snapshots)]):
        yield (
            f"{doubted} shards were made by a version of affectstore that did not see whether a "
            "clip's file changed while it was read; if files may have, compare them with "
            "`affectstore verify STORE --media all --corpus NAME=FOLDER`"
        )
