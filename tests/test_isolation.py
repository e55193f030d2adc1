"""A clip that ends the process which reads it is a row in quarantine, and its neighbours are
measured all the same."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import FromTracks, Inputs, Layout, Runtime
from extractors.media import Limits, probe
from extractors.plan import Graph, Media
from flows.building.isolation import build_guarded
from flows.building.shard_task import ShardTask
from flows.workers.pool import Crew, WorkerDied
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import Reason
from manifests.tracks import Track
from stores.shard import open_shard
from tests.conftest import a_clip, write


@dataclass(frozen=True)
class Fatal(FromTracks):
    """Ends its process for clips whose sound is longer than a limit, as a crash in native code
    would."""

    name: ClassVar[str] = "fatal"
    version: ClassVar[int] = 1
    longest_s: float = 0.4

    @property
    def needs(self) -> Mapping[str, str]:
        return {"audio": "audio"}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time",), (), "full scale = 1", None)

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        audio = inputs["audio"]
        if len(audio) > self.longest_s * 16000:
            crash()
        return Track(np.float32(audio.values[:5]), audio.seconds[:5], audio.valid[:5])


def task(tmp_path: Path, lengths_s: list[float]) -> ShardTask:
    paths = [
        write(tmp_path / f"{number}.wav", frames=0, audio_s=length, rate_hz=16000)
        for number, length in enumerate(lengths_s)
    ]
    clips = tuple(probe(a_clip(path), path, Limits()) for path in paths)
    graph = Graph({"audio": Audio(), "fatal": Fatal()})
    return ShardTask(tmp_path / "store", graph, Media(), clips, tuple(paths), ("fatal",))


def test_the_clip_that_ends_the_process_is_refused_and_the_others_are_stored(
    tmp_path: Path,
) -> None:
    with Crew(1, lambda _: None) as crew:
        records = build_guarded(crew, task(tmp_path, [0.2, 0.6, 0.3]), Runtime())
    shard = open_shard(tmp_path / "store", records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0", "made/2"]
    assert [(refusal.clip_id, refusal.reason) for refusal in shard.refused] == [
        ("made/1", Reason.CRASHED)
    ]


def test_what_a_dying_worker_wrote_last_is_told(tmp_path: Path) -> None:
    with (
        Crew(1, lambda _: None) as crew,
        pytest.raises(WorkerDied, match="the last it wrote was: native code: out of luck"),
    ):
        crew.call(crash)


def crash() -> None:
    os.write(2, b"native code: out of luck\n")
    os._exit(1)
