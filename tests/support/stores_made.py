"""Shards and stores made for the tests: small, seeded, in a folder or behind a URL."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec, IndexRow, State, fingerprint
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from manifests.tracks import Track
from stores.atomic import leftovers
from stores.location import Place, locate
from stores.pointer import newest
from stores.publish import publish
from stores.records import ShardRecord, StoredFeature
from stores.shard import Shard, shard_key
from stores.shard_writer import ShardWriter
from stores.snapshot import Snapshot, load_snapshot, read_tables

ROOT = Path(__file__).parents[2]


def spec_of(
    name: str = "mfcc", dtype: str = "float32", shape: tuple[int, ...] = (4,), **others: Any
) -> FeatureSpec:
    dims = ("time", *(f"d{i}" for i in range(len(shape))))
    key = fingerprint(name, 1, {"n": list(shape)}, {})
    return FeatureSpec(
        name,
        dtype,
        dims,
        shape,
        "made up, ünits",
        others.pop("hop_s", 0.01),
        key,
        name,
        1,
        "{}",
        **others,
    )


CROPS = spec_of("crops", "uint8", (16, 24, 3), codec="jpeg", hop_s=None, needs=("ab" * 16,))


def track_of(
    rows: int,
    spec: FeatureSpec,
    seed: int = 0,
    invalid: tuple[int, ...] = (),
    notes: tuple[str, ...] = (),
) -> Track:
    """Seeded values; JPEG images where the spec says so."""
    rng = np.random.default_rng(seed)
    valid = ~np.isin(np.arange(rows), invalid)
    if spec.codec == "jpeg":
        values: Any = np.empty(rows, dtype=object)
        for i in range(rows):
            values[i] = (
                cv2.imencode(".jpg", rng.integers(0, 256, spec.shape, np.uint8))[1].tobytes()
                if valid[i]
                else b""
            )
    else:
        values = (rng.normal(size=(rows, *spec.shape)) * 50).astype(spec.dtype)
        if values.dtype.kind == "f":
            values[~valid] = np.nan
    return Track(values, np.arange(rows) * 0.01 + 0.003, valid, notes)


def same(left: Track, right: Track) -> bool:
    equal_nan = left.values.dtype.kind == "f"
    values = left.values.dtype == right.values.dtype and np.array_equal(
        left.values, right.values, equal_nan=equal_nan
    )
    return (
        values
        and np.array_equal(left.seconds, right.seconds)
        and np.array_equal(left.valid, right.valid)
        and left.notes == right.notes
    )


def write(
    place: Place,
    file: str,
    spec: FeatureSpec,
    tracks: dict[str, Track],
    refused: tuple[BadClip, ...] = (),
) -> ShardWriter:
    """A shard that is written and not uploaded."""
    with ShardWriter(locate(place), file, spec) as shard:
        for clip_id, track in tracks.items():
            shard.add(clip_id, track)
        for bad in refused:
            shard.refuse(bad)
    return shard


SPEC = spec_of()
LOGMEL = spec_of("logmel", shape=(6,), hop_s=0.02)
EMOTIONS = ("angry", "calm", "happy")


def clip_ids(count: int) -> list[str]:
    return [f"made/{i:02d}" for i in range(count)]


def tracks_for(spec: FeatureSpec, count: int) -> dict[str, Track | BadClip]:
    """A track a clip, of its own length; clip 1 has no face and so no crops."""
    return {
        clip_id: BadClip(clip_id, Reason.NO_FACE, "no face lasted, expected one for 0.5 s")
        if spec.codec == "jpeg" and i == 1
        else track_of(3 + i, spec, i, invalid=(2,), notes=("silent",) * (i % 2))
        for i, clip_id in enumerate(clip_ids(count))
    }


def shard_at(place: Place, file: str) -> Shard:
    return Shard(locate(place), file)


def write_shards(
    place: Place, spec: FeatureSpec, tracks: Mapping[str, Track | BadClip], per_shard: int = 3
) -> list[ShardRecord]:
    """Shards of so many clips each, in their order, which the store holds then."""
    location, records, ids = locate(place), [], list(tracks)
    for at in range(0, len(ids), per_shard):
        part = {clip_id: tracks[clip_id] for clip_id in ids[at : at + per_shard]}
        key = shard_key(spec.fingerprint, [(clip_id, "0") for clip_id in part])
        file = f"shards/{spec.name}/{spec.fingerprint}/{key}.h5"
        good = {clip_id: track for clip_id, track in part.items() if isinstance(track, Track)}
        bad = tuple(track for track in part.values() if isinstance(track, BadClip))
        records.append(write(location, file, spec, good, bad).record)
        assert location.upload(records[-1])
    return records


def index_of(
    place: Place, features: Iterable[StoredFeature]
) -> tuple[list[IndexRow], list[Quarantined]]:
    """The index and the quarantine of shards, by what each shard says itself."""
    index, quarantine = [], []
    for feature in features:
        name, key = feature.spec.name, feature.spec.fingerprint
        for record in feature.shards:
            shard = shard_at(place, record.file)
            for clip_id, start, rows, valid, notes in shard.entries:
                span = (record.file, start, rows, valid, ",".join(notes))
                index.append(IndexRow(clip_id, name, key, State.STORED, *span))
            for clip_id, reason, detail in shard.refused:
                nowhere = (None, None, None, None, "")
                index.append(IndexRow(clip_id, name, key, State.QUARANTINED, *nowhere))
                quarantine.append(Quarantined(clip_id, name, reason, detail))
    return index, quarantine


def tables_of(
    count: int, index: Iterable[IndexRow], quarantine: Iterable[Quarantined]
) -> dict[str, pa.Table]:
    """The tables of a store of `count` clips: three subjects, three emotions, three folds."""
    ids = clip_ids(count)
    subjects = {clip_id: f"made/s{i % 3}" for i, clip_id in enumerate(ids)}
    clips = [
        Clip(c, "made", group, group, c, None, f"{c}.wav", "0" * 64, 1, has_audio=True)
        for c, group in subjects.items()
    ]
    labels = [Label(c, "made3", "intended", EMOTIONS[i % 3]) for i, c in enumerate(ids)]
    folds = [
        Fold("thirds", k, c, subjects[c], Role.TEST if i % 3 == k else Role.TRAIN)
        for k in range(3)
        for i, c in enumerate(ids)
    ]
    return {
        "clips": CLIPS.build(clips),
        "labels": LABELS.build(labels),
        "folds": FOLDS.build(folds),
        "index": INDEX.build(index),
        "quarantine": QUARANTINE.build(quarantine),
        "audits": AUDITS.build([]),
    }


def make_store(
    place: Place,
    count: int = 7,
    specs: tuple[FeatureSpec, ...] = (SPEC, LOGMEL, CROPS),
    per_shard: int = 3,
    tracks: Mapping[str, Track | BadClip] | None = None,
    **changed: pa.Table,
) -> Snapshot:
    """A store of `count` clips. `changed` tables replace the made ones."""
    features = {
        spec.name: StoredFeature(
            spec,
            tuple(write_shards(place, spec, tracks or tracks_for(spec, count), per_shard)),
        )
        for spec in specs
    }
    tables = tables_of(count, *index_of(place, features.values()))
    return commit(place, features, {**tables, **changed})


def commit(
    place: Place, features: Mapping[str, StoredFeature], tables: Mapping[str, pa.Table], **how: Any
) -> Snapshot:
    """Publishes on top of the newest snapshot, if there is one."""
    location = locate(place)
    parent = None if newest(location) is None else load_snapshot(location)
    plain: dict[str, Any] = {
        "recipe": {"name": "made", "mfcc": {"n": 4}},
        "fitted": {},
        "versions": {"numpy": "2"},
        "schemes": {"thirds": {"seed": 0}},
    }
    how = {**plain, **how}
    return publish(location, parent=parent, tables=tables, features=features, **how)


def tables_in(place: Place, snapshot: Snapshot) -> dict[str, pa.Table]:
    return read_tables(locate(place), snapshot)


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


WRITE_BIG = textwrap.dedent("""
    import resource, signal, sys
    from pathlib import Path
    import numpy as np
    import stores.shard_writer
    from manifests.tracks import Track
    from stores.shard_writer import ShardWriter
    from stores.location import locate
    from tests.support.stores_made import SPEC
    stores.shard_writer._MOST_HELD = 0
    root, limit = Path(sys.argv[1]), int(sys.argv[2])
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    rows = 20000
    track = Track(np.ones((rows, 4), np.float32), np.arange(rows) / 100, np.ones(rows, bool))
    try:
        with ShardWriter(locate(root), "shards/a.h5", SPEC) as shard:
            for i in range(int(sys.argv[3])):
                shard.add(f"made/{i:06d}", track)
                print(i, flush=True)
    except OSError as error:
        print("OSError", error.errno, flush=True)
""")


def run_big(root: Path, limit: int, clips: int) -> "subprocess.Popen[str]":
    """A process that writes a shard clip by clip, where no file may grow beyond the limit."""
    command = [sys.executable, "-c", WRITE_BIG, str(root), str(limit), str(clips)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop_while_publishing(root: Path) -> "subprocess.Popen[str]":
    """A writer that is stopped while its hidden file is there."""
    process = run_big(root, 0, 200)
    while process.poll() is None and not leftovers(root):
        time.sleep(0.0005)
    process.send_signal(signal.SIGSTOP)
    assert len(leftovers(root)) == 1, (
        "the writer was done before it could be stopped; give it more clips"
    )
    return process
