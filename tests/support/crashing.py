"""A feature whose measuring ends its process, and tasks that ask for it."""

import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from extractors.audio import Audio
from extractors.base import FromTracks, Inputs, Layout
from extractors.logmel import LogMel
from extractors.media import Limits
from extractors.plan import Graph, Media
from flows.building.probing import probe_clips
from flows.building.shard_task import ShardTask
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.features import FeatureSpec
from manifests.tracks import Track
from stores.location import Place, locate
from tests.support.media_made import a_clip, write


@dataclass(frozen=True)
class Fatal(FromTracks):
    """Ends its process for clips whose sound is longer than a limit, as a crash in native code
    would; or in another way."""

    name: ClassVar[str] = "fatal"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("audio",)

    audio: str = "audio"
    longest_s: float = 0.4
    how: str = "exit"
    """A function of `WAYS`."""
    ends: str = ""
    """A folder with a file for each time that it ended its process; empty: without limit."""
    times: int = 0
    """How often it does so, where `ends` is given."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time",), (), "full scale = 1", None)

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        audio = inputs["audio"]
        if len(audio) > self.longest_s * 16000:
            self._end()
        return Track(np.float32(audio.values[:5]), audio.seconds[:5], audio.valid[:5])

    def _end(self) -> None:
        if self.ends:
            if len(done := list(Path(self.ends).iterdir())) == self.times:
                return
            Path(self.ends, str(len(done))).touch()
        WAYS[self.how]()


def crash() -> None:
    """Ends this process with a line on stderr, as native code may."""
    os.write(2, b"native code: out of luck\n")
    os._exit(1)


def _be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _fail_in_native_code() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang() -> None:
    """With the lock of the interpreter, so that no other thread runs."""
    re.match(r"(?:<!--.*?-->\s*)*x", "<!---->" * 40 + "y", re.DOTALL)


def _grow() -> None:
    held = []
    while True:
        held.append(os.urandom(1 << 20) * 32)
        time.sleep(0.02)


WAYS: Mapping[str, Callable[[], None]] = {
    "exit": crash,
    "killed": _be_killed,
    "segv": _fail_in_native_code,
    "hang": _hang,
    "grow": _grow,
}


def crashing_task(
    folder: Path,
    store: Place,
    lengths_s: Sequence[float],
    *features: str,
    fatal: Fatal | None = None,
    limits: Limits | None = None,
) -> ShardTask:
    """A task of clips with sound of these lengths; `features` beside the fatal one."""
    paths = [
        write(folder / f"{number}.wav", frames=0, audio_s=length, rate_hz=16000)
        for number, length in enumerate(lengths_s)
    ]
    listed = [Found(a_clip(path), ()) for path in paths]
    clips = tuple(found.clip for found in probe_clips(listed, paths, {}, Limits()))
    graph = Graph({"audio": Audio(), "fatal": fatal or Fatal(), "logmel": LogMel(n_mels=20)})
    media = Media(limits=limits or Limits())
    return ShardTask(locate(store), graph, media, clips, tuple(paths), (*features, "fatal"))
