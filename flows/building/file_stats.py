"""Which files need not be read again: those that look as they did when their bytes were last
hashed.

    <store>/.seen.parquet      one row a file: size, times, inode and sha256; true of one machine, and so no part of a snapshot

A file that is written to, replaced or restored gets another time of change, which no program can
set. What was changed within the last two seconds before it was looked at is not recorded, since a
second change might leave the same time; nor is what the file system gives no such time for. A build
with `rehash` reads every file.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flows.building.pending import Held
from flows.building.probing import as_known
from manifests.columns import positions
from manifests.corpora.base import Found
from manifests.table import Table, WrongTable
from stores.atomic import write_bytes

_FILE = ".seen.parquet"
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class SeenFile:
    """A file whose bytes were hashed."""

    file: str
    """`corpus/path`"""
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    """Without its highest bit."""
    sha256: str


SEEN = Table("seen", SeenFile, key=("file",))
_LOOKS = ["bytes", "mtime_ns", "ctime_ns", "inode"]
_ABSENT = (-1, -1, -1, -1)


class Looks:
    """How the files of a listing look now, and which of them look as they did."""

    def __init__(
        self, store: Path, corpora: Mapping[str, Path], listed: Sequence[Found], rehash: bool
    ) -> None:
        self._store, self._listed = store, listed
        self._now_ns = time.time_ns()
        self._files = pa.chunked_array(
            [[f"{f.clip.corpus}/{f.clip.path}" for f in listed]], pa.string()
        )
        looks = [
            _ABSENT if f.bad else _look(f"{corpora[f.clip.corpus]}/{f.clip.path}") for f in listed
        ]
        self._looks: NDArray[np.int64] = np.array(looks, np.int64).reshape(-1, len(_LOOKS))
        self._seen = _read(store)
        self._sha256 = pa.nulls(len(listed), pa.string()) if rehash else self._recall()

    def settle(self, held: Held, start: int, stop: int) -> tuple[list[Found], list[Found]]:
        """The clips start:stop of the listing: those that are held and look as they did, with all
        that is known; and the others."""
        part, hashes = self._listed[start:stop], self._sha256[start:stop].to_pylist()
        known = held.known(f.clip.clip_id for f, sha256 in zip(part, hashes, strict=True) if sha256)
        settled: list[Found] = []
        rest: list[Found] = []
        for found, sha256 in zip(part, hashes, strict=True):
            whole = (
                as_known(found, known[found.clip.clip_id], sha256)
                if found.clip.clip_id in known
                else None
            )
            (rest if whole is None else settled).append(whole or found)
        return settled, rest

    def keep(self, clips: pa.Table) -> None:
        """Record how the files looked whose hashes are in a table of clips. How they looked was
        found out before they were read."""
        files = pc.binary_join_element_wise(clips.column("corpus"), clips.column("path"), "/")
        sha256 = clips.column("sha256").take(
            pa.array(np.maximum(row := positions(self._files, files), 0))
        )
        settled = (self._looks[:, 2] > 0) & (self._looks[:, 2] < self._now_ns - _SETTLED_NS)
        good = np.flatnonzero(settled & (row >= 0) & pc.not_equal(sha256, "").to_numpy())
        _, once = np.unique(
            positions(self._files.take(pa.array(good)), self._files), return_index=True
        )  # clips may share a file
        rows = good[once]
        columns = [
            self._files.take(pa.array(rows)),
            *(pa.array(column) for column in self._looks[rows].T),
            sha256.take(pa.array(rows)),
        ]
        table = SEEN.arrange(pa.table(columns, schema=SEEN.schema))
        if not table.equals(self._seen):
            write_bytes(self._store / _FILE, SEEN.to_bytes(table))

    def _recall(self) -> pa.Array:
        """For each clip the sha256 of its file, or none where the file looks otherwise."""
        row = positions(self._files, self._seen.column("file"))
        if self._seen.num_rows == 0:
            return pa.nulls(len(row), pa.string())
        then = np.stack([self._seen.column(name).to_numpy() for name in _LOOKS], axis=1)[row]
        other = (row < 0) | (then != self._looks).any(axis=1)
        return self._seen.column("sha256").take(pa.array(row, mask=other)).combine_chunks()


def _look(path: str) -> tuple[int, int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path for each of a million files takes longer than looking at them)
    except OSError:
        return _ABSENT
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & (2**63 - 1)


def _read(store: Path) -> pa.Table:
    """Nothing where there is no record, or one that cannot be read: then every file is."""
    try:
        return SEEN.read(store / _FILE)
    except (FileNotFoundError, WrongTable):
        return SEEN.build([])
