"""Finished shards handed to the store."""

from stores.location import Location
from stores.records import ShardRecord
from stores.shard import Shard


def finished_record(
    location: Location, file: str, written: ShardRecord | None = None
) -> ShardRecord:
    """Has the store hold a finished shard.

    Args:
        location: Where the store lies.
        file: Path of the shard below its root; the file lies on this machine.
        written: Its record, where this process has written it just now; else it is read for it.

    Returns:
        Its record; that of another machine's shard where that one was uploaded first.
    """
    record = written or Shard(location, file).record()
    return record if location.upload(record) else Shard(location, file).record()
