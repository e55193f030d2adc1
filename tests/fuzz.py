"""A fuzzer of media files: `python -m tests.fuzz --minutes M` prints what became of changed copies.

Files of every container that can be made here are changed at random, and what is read of each copy
is compared with what the unchanged file holds. Each ends as one of:

    refused          a row of the quarantine
    same             the same times, samples and pixels
    noted            others, and a note says so
    other values     other samples or pixels at the same times: nothing in the file says otherwise
    SILENTLY WRONG   other times, another length, or a stream that is gone, without a note
    of these         ... that the ffmpeg program refuses where it is told to be strict
    crash, hang, memory   none of which may be: an error that nobody foresaw or a process that died,
                          more than the time limit and ten seconds, more than 2 GB
"""

import argparse
import hashlib
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from extractors.media import decode, probe
from extractors.timegrid import EveryNth
from extractors.unforeseen import guarded
from flows.workers.pool import ProcessPool, WorkerDied
from manifests.quarantine import UNFORESEEN, BadClip
from tests.support.media_made import a_clip, write
from tests.support.mutated import LIMITS, mutate

WITH_PICTURE: Mapping[str, dict[str, Any]] = {
    "a.mp4": {},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mov": {"video_codec": "libx264", "audio_codec": "pcm_s16le"},
    "a.3gp": {"video_codec": "h263", "audio_codec": "aac", "size": (176, 144)},
    "a.mkv": {},
    "a.webm": {},
    "a.avi": {},
    "a.flv": {},
    "a.ts": {},
    "a.mpg": {"video_codec": "mpeg1video", "audio_codec": "mp2"},
    "a.asf": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "a.wmv": {"video_codec": "wmv2", "audio_codec": "libmp3lame"},
}
OF_SOUND: Mapping[str, dict[str, Any]] = {
    "a.wav": {},
    "a.w64": {"audio_codec": "pcm_s16le"},
    "a.aiff": {"audio_codec": "pcm_s16be"},
    "a.mp3": {},
    "a.aac": {"audio_codec": "aac", "container": "adts"},
    "a.flac": {},
    "a.ogg": {},
    "a.m4a": {},
}
FILES: Mapping[str, dict[str, Any]] = {
    **{name: {"frames": 12, **how} for name, how in WITH_PICTURE.items()},
    **{name: {"frames": 0, **how} for name, how in OF_SOUND.items()},
}
"""Name of a file -> how it is made."""
ENDS = ("refused", "same", "noted", "other values", "SILENTLY WRONG", "of these")
FAULTS = ("crash", "hang", "memory")
"""What no file may do."""
_MEMORY_KB = 2_000_000
_AT_ONCE = 10
"""Changed copies that a worker reads before it is asked again."""


@dataclass(frozen=True)
class Content:
    """What is read of a file."""

    shape: tuple[object, ...]
    """Times of the frames; rate, channels, number and beginning of the samples."""
    values: str
    """A digest of pixels and samples."""
    notes: tuple[str, ...]


def content(path: Path) -> Content | BadClip:
    """Reads all of a file, or says why not."""
    digest, times = hashlib.sha256(), list[float]()

    def push(seconds: float, rgb: Any) -> None:
        times.append(seconds)
        digest.update(rgb.tobytes())

    try:
        with guarded(a_clip(path)):
            clip = probe(a_clip(path), path, LIMITS)
            found = decode(clip, path, audio=True, grids={EveryNth(1): push}, limits=LIMITS)
    except BadClip as bad:
        return bad
    sound: tuple[object, ...] = ()
    if found.pcm is not None:
        digest.update(found.pcm.samples.tobytes())
        sound = (found.pcm.rate_hz, found.pcm.samples.shape, round(found.pcm.start_s, 3))
    return Content((tuple(times), sound), digest.hexdigest(), found.notes)


def end_of(before: Content, path: Path) -> str:
    """Sorts one changed copy."""
    started = time.monotonic()
    after = content(path)
    if time.monotonic() - started > LIMITS.timeout_s + 10:
        return "hang"
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _MEMORY_KB:
        return "memory"
    if isinstance(after, BadClip):
        return "crash" if UNFORESEEN in after.detail else "refused"
    if (after.shape, after.values) == (before.shape, before.values):
        return "same"
    if set(after.notes) - set(before.notes):
        return "noted"
    return "other values" if after.shape == before.shape else "SILENTLY WRONG"


def ends(path: Path, seeds: range) -> list[tuple[int, str]]:
    """Sorts changed copies of a file, in a worker."""
    data, copy, found = path.read_bytes(), path.with_stem(f"{path.stem}_changed"), []
    before = content(path)
    if isinstance(before, BadClip):
        raise ValueError(f"the unchanged file is refused ({before}), expected its content")
    for seed in seeds:
        copy.write_bytes(mutate(data, seed))
        found.append((seed, end_of(before, copy)))
        if found[-1][1] == "SILENTLY WRONG" and is_refused_by_ffmpeg(copy):
            found.append((seed, "of these"))
    return found


def is_refused_by_ffmpeg(path: Path) -> bool:
    """Says whether the ffmpeg program stops, told to be strict."""
    words = ["-v", "error", "-nostdin", "-xerror", "-err_detect", "explode", "-i", str(path)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *words, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0


def fuzz(folder: Path, minutes: float, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Changes files for a time.

    Args:
        folder: Where files are made.
        minutes: How long.
        seed: The first seed.

    Returns:
        Name of a file -> how many of its copies ended how; and the copies that went wrong.
    """
    paths = {
        name: write(folder / name, audio_s=0.5, channels=2, **how) for name, how in FILES.items()
    }
    counts = {name: Counter[str]() for name in paths}
    wrong, stop = list[str](), time.monotonic() + 60 * minutes
    with closing(ProcessPool(1, lambda _: None)) as pool:
        while time.monotonic() < stop:
            for name, path in paths.items():
                some = range(seed, seed + _AT_ONCE)
                try:
                    found = pool.call(ends, path, some)
                except WorkerDied:
                    found = [(seed, "crash")]
                counts[name].update(end for _, end in found)
                bad = {"SILENTLY WRONG", *FAULTS}
                wrong += [f"{name} seed {one}: {end}" for one, end in found if end in bad]
                if time.monotonic() > stop:
                    break
            seed += _AT_ONCE
    return counts, wrong


def table(counts: Mapping[str, Counter[str]]) -> str:
    """What became of the copies, by file."""
    heads = (*ENDS, *FAULTS)
    rows = [f"{'':14}" + "".join(f"{head:>16}" for head in heads)]
    for name, count in counts.items():
        rows.append(f"{name:14}" + "".join(f"{count[head]:>16}" for head in heads))
    return "\n".join(rows)


def main() -> int:
    """Runs the fuzzer; the exit code is 1 where a file crashed it, hung or filled the memory."""
    parser = argparse.ArgumentParser(description="reads media files with bytes changed at random")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = fuzz(Path(folder), given.minutes, given.seed)
    print(table(counts))
    print("\n".join(wrong))
    return int(any(count[fault] for count in counts.values() for fault in FAULTS))


if __name__ == "__main__":
    raise SystemExit(main())
