"""One build whose files change while it runs, and what is asked of its store."""

import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import flows.building.file_stats
from flows.building.run import run_build
from manifests.quarantine import Reason
from stores import FeatureStore
from stores.location import locate
from stores.snapshot import Snapshot, load_snapshot
from stores.verify import verify
from tests.changes.changes import KINDS, Files
from tests.changes.moments import Moments
from tests.support.in_process import build_here
from tests.support.media_made import tone, write

CONTENTS = ("first", "other", "cut", "longer")
_APART = "clips_per_shard=1"
"""So that the files of a store do not depend on the order in which clips came."""
_LONGEST_S = 120.0
Known = Mapping[tuple[str, str], Mapping[str, Any]]
"""(clip, sha256) -> feature -> its bytes, or why there are none."""


@dataclass
class Corpus:
    """A folder of clips, and what its stores must hold."""

    files: Files
    folder: Path
    """For stores."""
    moments: Moments
    workers: int
    """0: the build runs without worker processes."""

    def prepare(self) -> None:
        """Makes the files, and from each content of them a store."""
        _write_files(self.files)
        shutil.copytree(self.files.kept / "first", self.files.clips)
        _build(self.folder / "imports", self.files.clips, 0)  # so that no fork has to
        shutil.rmtree(self.files.clips)
        self.known: dict[tuple[str, str], Mapping[str, Any]] = {}
        for content in CONTENTS:
            shutil.copytree(self.files.kept / content, self.files.clips)
            code = self.build(self.folder / content, {})
            assert code == 0, "an undisturbed build has failed"
            self.known |= rows(self.folder / content)
            shutil.rmtree(self.files.clips)
        self.files.restore()
        self.moments.watch(self.files.clips)
        assert self.build(self.folder / "counted", {}) == 0
        self.calls = int(self.moments.page.seen)
        self.scratch = load_snapshot(locate(self.folder / "first"))

    def build(self, store: Path, changes: Mapping[int, Any]) -> int:
        """Builds in a fork; `changes` are what is done at each stop to the file that the first stop
        is about. The exit code."""
        path: Path | None = None
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            code = 1
            try:
                _build(store, self.files.clips, self.workers)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        end = time.monotonic() + _LONGEST_S
        while not (done := os.waitpid(pid, os.WNOHANG))[0]:
            assert time.monotonic() < end, "a build does not end"
            if stop := self.moments.page.waiting:
                path = path or Path(os.fsdecode(self.moments.page.path))
                changes[stop](self.files, path)
                self.moments.page.waiting = 0
            time.sleep(0.0005)
        return os.waitstatus_to_exitcode(done[1])

    def play(self, number: int, kind: str, at: int, chance: random.Random) -> list[str]:
        """One round: what is wrong."""
        store = self.folder / f"round-{number}"
        self.files.restore()
        shutil.rmtree(self.files.kept / "swapped", ignore_errors=True)
        shutil.copytree(self.files.kept / "other", self.files.kept / "swapped")
        self.moments.watch(self.files.clips, at, at + chance.randint(1, 24))
        first, second = KINDS[kind]
        code = self.build(store, {1: first, 2: second})
        self.moments.rest()
        faults = [f"the build ended with {code}"] if code else self._faults(store)
        self.files.restore()
        if code := self.build(store, {}):
            faults.append(f"the build of the restored files ended with {code}")
        elif load_snapshot(locate(store)) and not _is_same(
            load_snapshot(locate(store)), self.scratch
        ):
            faults.append("after the files were restored, the store is not that from scratch")
        shutil.rmtree(store)
        return faults

    def _faults(self, store: Path) -> list[str]:
        faults = list(verify(store).problems)
        for key, features in rows(store).items():
            if key[1] == "":
                states = {features[name] for name in features.keys() - {"facts"}}
                if states != {str(Reason.CHANGED_WHILE_READ)}:
                    faults.append(f"{key[0]} has no hash and is {states}")
            elif key not in self.known:
                faults.append(f"{key[0]} has a hash that none of its contents has")
            elif wrong := [name for name in features if features[name] != self.known[key][name]]:
                faults.append(f"{', '.join(wrong)} of {key[0]} are not of the bytes that it names")
        return faults


def _build(store: Path, clips: Path, workers: int) -> None:
    # Files that were just made count as long at rest: their stats are kept from build to build.
    flows.building.file_stats._SETTLED_NS = -(10**9)
    if workers == 0:
        build_here(store, clips, "clips_per_shard=1")
    else:
        recipe, changes = (
            str(store.parent / "small.toml"),
            ("max_bad_fraction=1.0", "clips_per_shard=1"),
        )
        run_build(store, {"folder": clips}, recipe, changes, workers)


def rows(store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """All that a store holds of each clip."""
    opened = FeatureStore(store)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    clips = {row.clip_id: row for row in opened.clips().itertuples()}
    for row in opened.quarantine().itertuples():
        key = (str(row.clip_id), str(clips[row.clip_id].sha256))
        found.setdefault(key, {})[str(row.feature)] = str(row.reason)
    for name in opened.features:
        for clip_id in opened[name]:
            track = opened[name][clip_id]
            held = [track.values, track.seconds, track.valid]
            key = (clip_id, str(clips[clip_id].sha256))
            found.setdefault(key, {})[name] = [np.asarray(part).tobytes() for part in held]
    for (clip_id, _), features in found.items():
        features["facts"] = str(clips[clip_id]._replace(Index=0))
    return found


def _is_same(now: Snapshot, scratch: Snapshot) -> bool:
    """Whether two snapshots list the same files, of the same bytes."""
    return (now.tables, now.features) == (scratch.tables, scratch.features)


def _write_files(files: Files) -> None:
    first, other = files.kept / "first", files.kept / "other"
    for folder, seconds in ((first, 0.3), (other, 0.4)):
        folder.mkdir(parents=True)
        frames, fps = round(10 * seconds), 10
        write(folder / "a.mp4", frames=frames, fps=fps, size=(128, 96), audio_s=seconds)
        write(folder / "b.flv", frames=frames, fps=fps, size=(128, 96), audio_s=seconds)
        write(folder / "c.wav", frames=0, audio_s=2 * seconds, rate_hz=16000)
        # More than is read at once, and of one length, so that parts of both make a whole file.
        samples = tone(40.0, 16000) * np.float32(seconds)
        write(folder / "d.wav", frames=0, samples=samples, rate_hz=16000)
    for content in ("cut", "longer"):
        (files.kept / content).mkdir()
        for path in first.iterdir():
            data = path.read_bytes()
            data = data[: len(data) // 2] if content == "cut" else data + data[-1000:]
            (files.kept / content / path.name).write_bytes(data)
