"""Tasks whose networks run in one process: encoded together, with the bytes of each alone."""

import errno
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import Runtime
from extractors.mfcc import Mfcc
from extractors.plan import Graph, Media
from extractors.resnet import ResNet
from flows.building.encoding import encode_shards, encode_together
from flows.building.probing import probe_clips
from flows.building.shard_task import ShardTask, build_shards, decoding_part
from flows.building.together import TogetherPool, on_this_machine
from flows.workers.dask_pool import DaskPool
from flows.workers.executor import Pools
from flows.workers.pool import ProcessPool
from manifests.corpora.base import Found
from stores import shard_writer
from stores.location import locate
from tests.support.commands import options, refusal
from tests.support.media_made import a_clip, write
from tests.support.store_files import contents

NETWORK = ResNet(
    input="mfcc", depth=18, weights="random", seed=3, size=64, segment_s=0.5, segment_hop_s=0.25
)
LENGTHS_S = [0.7, 2.0, 0.3, 1.1, 0.9]
RUNTIME = Runtime("openvino", threads=1, batch=4)


def tasks(folder: Path, store: Path, *features: str) -> list[ShardTask]:
    """One for each two of the clips, the second of which has no sound."""
    paths = [folder / f"{number}.mkv" for number in range(len(LENGTHS_S))]
    for number, path in enumerate(paths):
        if not path.exists():
            write(path, frames=8, audio_s=None if number == 1 else LENGTHS_S[number])
    listed = [Found(a_clip(path), ()) for path in paths]
    media = Media()
    clips = [found.clip for found in probe_clips(listed, paths, {}, media.limits)]
    graph = Graph({"audio": Audio(), "mfcc": Mfcc(), "net": NETWORK})
    return [
        ShardTask(
            locate(store),
            graph,
            media,
            tuple(clips[at : at + 2]),
            tuple(paths[at : at + 2]),
            (*features, "net"),
        )
        for at in range(0, len(clips), 2)
    ]


@pytest.mark.usefixtures("networks_of_real_size")
def test_tasks_that_are_encoded_together_have_the_bytes_of_each_alone_and_full_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [build_shards(task, RUNTIME) for task in tasks(tmp_path, tmp_path / "alone", "mfcc")]
    sizes, encode_batches = list[int](), ResNet.encode_batches

    def counted(
        self: ResNet, batches: Iterable[np.ndarray], runtime: Runtime
    ) -> Iterator[np.ndarray]:
        def taken() -> Iterator[np.ndarray]:
            for images in batches:
                sizes.append(len(images))
                yield images

        yield from encode_batches(self, taken(), runtime)

    monkeypatch.setattr(ResNet, "encode_batches", counted)
    many = tasks(tmp_path, tmp_path / "together", "mfcc")
    for task in many:
        build_shards(decoding_part(task), RUNTIME)
    assert encode_together(many, RUNTIME) == alone
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert sizes[:-1] == [4] * (len(sizes) - 1)
    assert sum(its["net"].rows for its in alone) == sum(sizes) > 8


@pytest.mark.usefixtures("networks_of_real_size")
def test_inputs_that_the_store_does_not_keep_are_removed_and_finished_shards_kept(
    tmp_path: Path,
) -> None:
    many = tasks(tmp_path, tmp_path / "store")
    made = build_shards(many[1], RUNTIME)
    for task in many:
        build_shards(decoding_part(task), RUNTIME)
    assert encode_together(many, RUNTIME)[1] == made
    assert {file.split("/")[1] for file in contents(tmp_path / "store")} == {"net"}


@pytest.mark.usefixtures("networks_of_real_size")
def test_where_a_shard_cannot_be_written_nothing_is_published_and_the_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tasks(tmp_path, tmp_path / "store", "mfcc")
    for task in many:
        build_shards(decoding_part(task), RUNTIME)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(shard_writer, "write_layout", full)
    with pytest.raises(OSError, match="no space left"):
        encode_together(many, RUNTIME)
    assert {file.split("/")[1] for file in contents(tmp_path / "store")} == {"mfcc"}


# The pool


class OneProcess:
    """Stands for a pool whose process is at work for a moment; `fails_on`: a task it fails on."""

    def __init__(self, fails_on: str = "") -> None:
        self.calls: list[Sequence[str]] = []
        self.fails_on = fails_on
        self._busy = threading.Lock()

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        given = [args[0]] if work is encode_shards else args[0]
        with self._busy:
            self.calls.append(given)
            time.sleep(0.1)
            if self.fails_on in given:
                raise ZeroDivisionError(self.fails_on)
        made = [{task: "its shard"} for task in given]
        return made[0] if work is encode_shards else made


def encoded(pool: TogetherPool, names: Sequence[str]) -> list[object]:
    """What became of each task: records, or an error."""

    def one(name: str) -> object:
        try:
            return pool.call(encode_shards, name, RUNTIME)  # type: ignore[arg-type]
        except ZeroDivisionError as error:
            return str(error)

    with ThreadPoolExecutor(len(names)) as threads:
        first = threads.submit(one, names[0])
        time.sleep(0.05)
        return [first.result(), *threads.map(one, names[1:])]


def test_tasks_that_find_the_process_busy_are_encoded_in_one_call() -> None:
    process = OneProcess()
    names = [f"{number}" for number in range(21)]
    found = encoded(TogetherPool(process), names)  # type: ignore[arg-type]
    assert found == [{name: "its shard"} for name in names]
    assert len(process.calls) <= 4
    assert max(map(len, process.calls)) == 16
    assert sorted(name for call in process.calls for name in call) == sorted(names)


def test_a_task_that_fails_takes_no_other_with_it() -> None:
    process = OneProcess(fails_on="3")
    names = [f"{number}" for number in range(6)]
    found = encoded(TogetherPool(process), names)  # type: ignore[arg-type]
    assert found == ["3" if name == "3" else {name: "its shard"} for name in names]
    assert process.calls[-1] != names


def test_only_the_one_process_of_this_machine_takes_tasks_together(processes: None) -> None:
    local, cluster = ProcessPool(1, print), DaskPool(None, gpu=True)  # type: ignore[arg-type]
    of_cluster = Pools(cluster, cluster)
    assert on_this_machine(of_cluster, [NETWORK], RUNTIME) is of_cluster
    assert isinstance(on_this_machine(Pools(local, local), [NETWORK], RUNTIME).gpu, TogetherPool)
    assert on_this_machine(Pools(local, None), [NETWORK], RUNTIME).gpu is None
    with pytest.raises(ValueError, match='precision = "float16" needs'):
        on_this_machine(Pools(local, None), [replace(NETWORK, precision="float16")], RUNTIME)


def test_a_precision_that_is_not_to_be_had_ends_the_build_before_it_begins(
    sample: Path, tmp_path: Path
) -> None:
    said = refusal(
        "build",
        tmp_path / "store",
        "--corpus",
        f"sample={sample}",
        "--recipe",
        "demo",
        *options("features.resnet18.precision=float16", "encode.engine=openvino"),
    )
    assert said == (
        'affectstore: precision = "float16" needs the torch engine on a CUDA device, which is not '
        'to be had here; use "float32"'
    )
    assert not list((tmp_path / "store").rglob("*.h5"))
