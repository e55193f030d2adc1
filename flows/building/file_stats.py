"""Which files need not be read again: those whose stats are those of when they were last hashed.

    <store>/.seen.parquet      one row a file: size, times, inode and sha256; true of one machine,
                               and so no part of a snapshot

A file that is written to, replaced or restored gets another time of change, which no program can
set. A hash is recorded for the stats that the file had, open, before and after it was read, where
these are those of the listing. A file that was changed within the last two seconds before its stats
were taken is not recorded, since a second change might leave the same time; nor is one whose file
system gives no such time. A build with `rehash` reads every file.
"""

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flows.building.committed import Committed
from flows.building.file_copies import Stat, stat_of
from flows.building.probing import Probed, with_known_facts
from manifests.clips import Clip
from manifests.columns import Positions, positions
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason
from manifests.table import Table, WrongTable
from stores.atomic import write_bytes
from stores.location import Location
from stores.paths import open_plain

_FILE = ".seen.parquet"
_SETTLED_NS = 2_000_000_000
_CLIPS_AT_ONCE = 4096


@dataclass(frozen=True)
class FileStat:
    """A file whose bytes were hashed."""

    file: str
    """`corpus/path`"""
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    """Without its highest bit."""
    sha256: str


FILE_STATS = Table("seen", FileStat, key=("file",))
_COLUMNS = ["bytes", "mtime_ns", "ctime_ns", "inode"]
_ABSENT: Stat = (-1, -1, -1, -1)


class FileStats:
    """The stats of the files of a listing, and which of them are as recorded."""

    def __init__(
        self,
        location: Location,
        corpora: Mapping[str, Path],
        listed: Sequence[Found],
        rehash: bool,
    ) -> None:
        """Takes the stats of all files.

        Args:
            location: Where the store lies, with the record of the last build.
            corpora: Corpus -> its folder.
            listed: All clips.
            rehash: Take every file for changed.
        """
        self._location, self._listed = location, listed
        self._now_ns = time.time_ns()
        files = [_file(found) for found in listed]
        self._files = pa.chunked_array([files], pa.string())
        stats = [
            _ABSENT if found.bad else _stat(f"{corpora[found.clip.corpus]}/{found.clip.path}")
            for found in listed
        ]
        self._stats: NDArray[np.int64] = np.array(stats, np.int64).reshape(-1, len(_COLUMNS))
        self._recorded = _read(location)
        self._sha256 = pa.nulls(len(listed), pa.string()) if rehash else self._known_hashes()
        self._read: list[tuple[pa.Array, NDArray[np.int64]]] = []

    def split(
        self, committed: Committed, standing: Collection[Reason] = ()
    ) -> Iterator[tuple[list[Found], list[Found]]]:
        """Tells the clips that need not be read from the others.

        Args:
            committed: What the store holds.
            standing: A clip that was refused for its header, for one of these reasons, would be
                refused again.

        Yields:
            Of some clips at a time: those that are refused by their names, or committed with an
            unchanged file, with all that is known of them; and those whose file is to be read.
        """
        for start in range(0, len(self._listed), _CLIPS_AT_ONCE):
            part = self._listed[start : start + _CLIPS_AT_ONCE]
            hashes = self._sha256[start : start + _CLIPS_AT_ONCE].to_pylist()
            pairs = list(zip(part, hashes, strict=True))
            known = committed.clips(found.clip.clip_id for found, sha256 in pairs if sha256)
            unchanged: list[Found] = []
            changed: list[Found] = []
            for found, sha256 in pairs:
                clip = known.get(found.clip.clip_id)
                complete = found if found.bad else None
                if clip:
                    refused = _standing(committed, clip, standing)
                    complete = with_known_facts(found, clip, sha256, refused)
                (changed if complete is None else unchanged).append(complete or found)
            yield unchanged, changed

    def add(self, probed: Iterable[Probed]) -> None:
        """Takes in what files were when they were read.

        Args:
            probed: Clips whose files were read.
        """
        some = list(probed)
        stats = [_ABSENT if one.stat is None else one.stat for one in some]
        files = pa.array([_file(one) for one in some], pa.string())
        self._read.append((files, np.array(stats, np.int64).reshape(-1, len(_COLUMNS))))

    def record(self, clips: pa.Table) -> None:
        """Records the stats of the files whose hashes are known now.

        Args:
            clips: The table of all clips, all of which were unchanged or added.
        """
        files = pc.binary_join_element_wise(clips.column("corpus"), clips.column("path"), "/")
        row = positions(self._files, files)
        sha256 = clips.column("sha256").take(pa.array(np.maximum(row, 0)))
        changed_ns = self._stats[:, 2]
        settled = (changed_ns > 0) & (changed_ns < self._now_ns - _SETTLED_NS)
        known = (row >= 0) & pc.not_equal(sha256, "").to_numpy()
        first = positions(self._files, self._files)  # clips may share a file
        good = np.flatnonzero(settled & known & ~np.isin(first, self._changed_while_read()))
        rows = good[np.unique(first[good], return_index=True)[1]]
        columns = [
            self._files.take(pa.array(rows)),
            *(pa.array(column) for column in self._stats[rows].T),
            sha256.take(pa.array(rows)),
        ]
        table = FILE_STATS.arrange(pa.table(columns, schema=FILE_STATS.schema))
        if not table.equals(self._recorded):
            write_bytes(self._location.path(_FILE), FILE_STATS.to_bytes(table))

    def _changed_while_read(self) -> Positions:
        """The first clip of each file that had other stats when it was read."""
        if not self._read:
            return np.empty(0, np.int32)
        files, stats = zip(*self._read, strict=True)
        first = positions(pa.chunked_array(files), self._files)
        has_changed = (np.concatenate(stats) != self._stats[first]).any(axis=1)
        return np.asarray(first[has_changed], np.int32)

    def _known_hashes(self) -> pa.Array:
        """For each clip the sha256 of its file, or none where the file has other stats."""
        row = positions(self._files, self._recorded.column("file"))
        if self._recorded.num_rows == 0:
            return pa.nulls(len(row), pa.string())
        columns = [self._recorded.column(name).to_numpy() for name in _COLUMNS]
        recorded = np.stack(columns, axis=1)[row]
        differs = (row < 0) | (recorded != self._stats).any(axis=1)
        hashes = self._recorded.column("sha256")
        return hashes.take(pa.array(row, mask=differs)).combine_chunks()


def _standing(committed: Committed, clip: Clip, reasons: Collection[Reason]) -> BadClip | None:
    """Why a clip of the store was refused for its header, if that is one of some reasons."""
    if clip.duration_s is not None:
        return None
    refused = committed.refused(clip.clip_id)
    return refused if refused and refused.reason in reasons else None


def _file(found: Found | Probed) -> str:
    return f"{found.clip.corpus}/{found.clip.path}"


def _stat(path: str) -> Stat:
    try:
        return stat_of(os.stat(path))  # noqa: PTH116  (a Path for each of a million files is slow)
    except OSError:
        return _ABSENT


def _read(location: Location) -> pa.Table:
    """The record; empty where there is none, or none that can be read: then every file is read."""
    path = location.path(_FILE)
    try:
        open_plain(path).close()
        return FILE_STATS.read(path)
    except (FileNotFoundError, WrongTable):
        return FILE_STATS.build([])
