"""What planning and publishing cost in a store of very many clips: time, and the greatest memory of
the process.

    python -m benchmarks.planning --clips 1000000 --clips-per-shard 256

Each stage runs in a process of its own, on made-up rows and without media, by the functions that a
build calls: `first` plans an empty store; `publish` commits an index that holds every clip and
feature, with shards that are files of the right size and without content; `second` reads that
store, finds that nothing is left to do and publishes nothing; `more` finds one clip in a hundred
changed, and plans these; `read` opens the store as a trainer does and looks up clips of one
feature. Making up the rows counts for memory, not for time.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from flows.building.clip_table import ClipTable, ClipTableBuilder
from flows.building.commit import Commit
from flows.building.committed import load_committed
from flows.building.index_builder import NewRows
from flows.building.plan import BuildPlan, make_plan
from flows.recipe import Recipe, load
from manifests.audits import AUDITS
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.features import INDEX, State
from manifests.folds import FOLDS
from manifests.labels import Label
from manifests.quarantine import QUARANTINE, Reason
from stores import FeatureStore
from stores.location import locate
from stores.publish import publish
from stores.records import ShardRecord, StoredFeature

ROWS = 120
"""Of a feature of one clip."""
FACELESS = 50
"""One clip in so many has no face."""
OF_FACES = ("crops", "faceprint", "faces", "resnet18")


def make_table(clips: int, changed: int = 0) -> ClipTable:
    """As many clips of one corpus, with the facts of a probed file and a label; one in `changed`
    has other bytes than it had."""
    builder = ClipTableBuilder()
    builder.add(_found(number, bool(changed) and number % changed == 0) for number in range(clips))
    return builder.build({"folder": Path("/nowhere")})


def _found(number: int, changed: bool) -> Found:
    clip_id, subject = (
        f"folder/s{number // 400:05d}/clip-{number:09d}",
        f"folder/s{number // 400:05d}",
    )
    clip = Clip(
        clip_id=clip_id,
        corpus="folder",
        subject_id=subject,
        group_id=subject,
        take_id=clip_id,
        sex=None,
        path=f"{clip_id[7:]}.mp4",
        sha256=hashlib.sha256(f"{number} {changed}".encode()).hexdigest(),
        bytes=300_000 + number,
        duration_s=3.0 + number % 1000 / 1000,
        has_audio=True,
        has_video=True,
        audio_s=3.0,
        video_s=3.0,
        rate_hz=48000,
        channels=2,
        width_px=1280,
        height_px=720,
        fps=29.97,
        frames=90,
        variable_rate=False,
        audio_start_s=0.0,
        video_start_s=0.0,
    )
    return Found(clip, (Label(clip_id, "mood", "intended", ("anger", "joy", "sad")[number % 3]),))


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(
        f"    {what:34} {time.perf_counter() - wall:8.2f} s  {time.process_time() - cpu:8.2f} s "
        "of processor time",
        flush=True,
    )


def first(root: Path, recipe: Recipe, clips: int) -> None:
    location, table = locate(root), make_table(clips)
    with timed("plan an empty store"):
        plan = make_plan(location, recipe, table, load_committed(location))
    with timed(f"make {len(plan.tasks)} tasks, one by one"):
        count = sum(len(task.clips) for task in plan.tasks)
    assert count == plan.tasks.chunks.clips == clips


def publish_all(root: Path, recipe: Recipe, clips: int) -> None:
    location, table = locate(root), make_table(clips)
    plan = make_plan(location, recipe, table, load_committed(location))
    index, quarantine, features = _plant(root, recipe, table, plan)
    tables = {
        "clips": table.clips,
        "labels": table.labels,
        "index": index,
        "quarantine": quarantine,
        "folds": FOLDS.build([]),
        "audits": AUDITS.build([]),
    }
    with timed(f"publish {index.num_rows} rows of index"):
        publish(
            location,
            parent=None,
            recipe=recipe.resolved(),
            tables=tables,
            features=features,
            fitted={},
            versions={"engine": "none"},
            schemes={},
        )
    sizes = {
        path.name.split("-")[0]: path.stat().st_size / 1e6 for path in (root / "tables").iterdir()
    }
    print(
        "    MB:", ", ".join(f"{name} {size:.1f}" for name, size in sorted(sizes.items())), end=", "
    )
    print(f"snapshot {(root / 'snapshots' / '000001.json').stat().st_size / 1e6:.1f}")


def second(root: Path, recipe: Recipe, clips: int) -> None:
    location, table = locate(root), make_table(clips)
    with timed("in all"):
        with timed("read the store"):
            committed = load_committed(location)
        with timed("plan"):
            table = table.sharing(committed.clip_table)
            plan = make_plan(location, recipe, table, committed)
        assert len(plan.tasks) == 0
        with timed("commit, nothing new"):
            rows = NewRows(recipe.graph.specs)
            commit = Commit(location, recipe, table, committed, plan, [], rows, "none")
            snapshot, _ = commit.publish()
    assert snapshot is committed.snapshot


def more(root: Path, recipe: Recipe, clips: int) -> None:
    location, table = locate(root), make_table(clips, changed=100)
    with timed("in all"):
        plan = make_plan(location, recipe, table, load_committed(location))
        tasks = sum(1 for _ in plan.tasks)
    print(f"    {plan.tasks.chunks.clips} clips in {tasks} tasks")


def read(root: Path, recipe: Recipe, clips: int) -> None:
    with timed("open a store and one feature"):
        tracks = FeatureStore(root)["mfcc"]
    with timed("find every clip of the feature"):
        assert sum(1 for clip_id in tracks if clip_id in tracks) == clips


def _plant(
    root: Path, recipe: Recipe, table: ClipTable, plan: BuildPlan
) -> tuple[pa.Table, pa.Table, dict[str, StoredFeature]]:
    """Index, quarantine and shards as a build of all tasks would leave them."""
    names, ids = plan.stored, table.clips.column("clip_id").combine_chunks()
    chunk, start = np.empty(len(ids), np.int64), np.empty(len(ids), np.int64)
    files: list[list[str]] = []
    for number, (task, (rows, _)) in enumerate(zip(plan.tasks, plan.tasks.chunks, strict=True)):
        chunk[rows], start[rows] = number, ROWS * np.arange(len(rows))
        files.append([task.file(name) for name in names])
    shards = [
        [_shard(root, file, int((chunk == number).sum())) for file in of_task]
        for number, of_task in enumerate(files)
    ]
    absent = np.zeros((len(ids), len(names)), np.bool_)
    absent[::FACELESS, [names.index(name) for name in OF_FACES]] = True
    place = chunk[:, np.newaxis] * len(names) + np.arange(len(names))
    specs = [recipe.graph.specs[name] for name in names]

    def coded(
        codes: "np.typing.NDArray[np.int64]",
        texts: list[str] | pa.Array,
        where: "np.typing.NDArray[np.bool_] | None" = None,
    ) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.ravel().astype(np.int32), mask=where), pa.array(texts)
        )

    def number_of(values: "np.typing.NDArray[np.int64]") -> pa.Array:
        return pa.array(np.broadcast_to(values, absent.shape).ravel(), mask=absent.ravel())

    clip_code, name_code = (
        np.broadcast_to(np.arange(len(ids))[:, np.newaxis], absent.shape),
        np.broadcast_to(np.arange(len(names)), absent.shape),
    )
    arrays = [
        coded(clip_code, ids),
        coded(name_code, list(names)),
        coded(name_code, [spec.fingerprint for spec in specs]),
        coded(absent.astype(np.int64), [State.STORED.value, State.QUARANTINED.value]),
        coded(place, [file for of_task in files for file in of_task], absent.ravel()),
        number_of(start[:, np.newaxis]),
        number_of(np.full((1, 1), ROWS)),
        number_of(np.full((1, 1), ROWS)),
        coded(np.zeros(absent.shape, np.int64), [""]),
    ]
    index = pa.table(
        arrays,
        schema=pa.schema(
            [field.with_type(each.type) for field, each in zip(INDEX.schema, arrays, strict=True)]
        ),
    )
    at = absent.ravel()
    words = [
        coded(np.zeros(int(at.sum()), np.int64), [text])
        for text in (Reason.NO_FACE.value, "no face lasted for half a second")
    ]
    columns = [arrays[0].filter(pa.array(at)), arrays[1].filter(pa.array(at)), *words]
    quarantine = pa.table(
        columns,
        schema=pa.schema(
            [
                field.with_type(each.type)
                for field, each in zip(QUARANTINE.schema, columns, strict=True)
            ]
        ),
    )
    features = {
        name: StoredFeature(spec, tuple(of[at] for of in shards))
        for at, (name, spec) in enumerate(zip(names, specs, strict=True))
    }
    return index, quarantine, features


def _shard(root: Path, file: str, clips: int) -> ShardRecord:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    record = ShardRecord(file, clips, clips * ROWS, 1_000_000, "0" * 64)
    with path.open("wb") as stream:
        stream.truncate(record.bytes)
    return record


STAGES: dict[str, Callable[[Path, Recipe, int], None]] = {
    "first": first,
    "publish": publish_all,
    "second": second,
    "more": more,
    "read": read,
}


def _peak_mb() -> float:
    """Of this process (Linux)."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--clips-per-shard", type=int, default=256)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--stage", choices=STAGES, help="one stage alone, on the store of --root")
    parser.add_argument("--root", type=Path)
    given = parser.parse_args()
    if given.stage:
        STAGES[given.stage](
            given.root,
            load(given.recipe, (f"clips_per_shard={given.clips_per_shard}",)),
            given.clips,
        )
        print(f"    peak memory of the process {_peak_mb():.0f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        root = given.root or Path(folder) / "store"
        for stage in STAGES:
            print(f"{stage}: {given.clips} clips, {given.clips_per_shard} a shard", flush=True)
            options = [
                "--clips",
                str(given.clips),
                "--clips-per-shard",
                str(given.clips_per_shard),
                "--recipe",
                given.recipe,
            ]
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.planning",
                    "--stage",
                    stage,
                    "--root",
                    str(root),
                    *options,
                ],
                check=True,
            )


if __name__ == "__main__":
    main()
