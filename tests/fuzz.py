"""A fuzzer of media files: `python -m tests.fuzz --minutes M` prints what became of changed copies.

Files of every container that can be made here are changed at random: two of three copies in some
bytes, the third in the order of its packets, of which one is lost, doubled, moved or exchanged.
What is read of each copy is compared with what the unchanged file holds. Each ends as one of:

    refused          a row of the quarantine
    same             the same times, samples and pixels
    noted            others, and a note says so
    other values     the same packets at the same times, and other samples or pixels: values in them
                     have changed, which no checksum covers
    untold           packets are missing at an end of a file that is noted as one that may be cut,
                     or whole frames of raw AAC, in which nothing counts them
    SILENTLY WRONG   packets that are lost, moved or doubled, other times, another length, or a
                     stream that is gone, without a note
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
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import imageio_ffmpeg

from extractors.media import decode, probe
from extractors.opening import OPTIONS
from extractors.timegrid import EveryNth
from extractors.unforeseen import guarded
from flows.workers.pool import ProcessPool, WorkerDied
from manifests.quarantine import UNFORESEEN, BadClip
from tests.support.media_made import a_clip, write
from tests.support.mutated import LIMITS, mutate, rearranged

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
ENDS = (
    "refused", "same", "noted", "other values", "untold", "SILENTLY WRONG", "of these",
)  # fmt: skip
FAULTS = ("crash", "hang", "memory")
"""What no file may do."""
UNNUMBERED = {"a.aac"}
"""Files in which nothing numbers or counts the frames, and nothing tells their times."""
_SLACK_S = 0.01
"""Seconds by which times may differ unnoticed: a quarter of a frame, see docs/media.md."""
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


class Found(NamedTuple):
    """A packet, as libavformat finds it."""

    stream: int
    seconds: float | None
    size: int
    digest: bytes
    place: int | None
    """Where it begins in the file."""


def packets(path: Path) -> list[Found]:
    """The packets of a file, up to where reading breaks off."""
    found: list[Found] = []
    with (
        suppress(av.error.FFmpegError, IndexError),
        av.open(str(path), options=OPTIONS, metadata_errors="replace") as file,
    ):
        for packet in file.demux():
            ticks = packet.dts if packet.pts is None else packet.pts
            seconds = None if ticks is None else float(ticks * packet.time_base)
            if packet.size and packet.stream.type in {"audio", "video"}:
                digest = hashlib.md5(bytes(packet), usedforsecurity=False).digest()
                found.append(Found(packet.stream_index, seconds, packet.size, digest, packet.pos))
    return found


def are_same(before: Sequence[Found], after: Sequence[Found]) -> bool:
    """Whether two files have packets of the same sizes, in the same order, at the same times."""
    if [(one.stream, one.size) for one in before] != [(one.stream, one.size) for one in after]:
        return False
    return all(
        abs((one.seconds or 0) - (other.seconds or 0)) <= _SLACK_S
        for one, other in zip(before, after, strict=True)
    )


def is_untold(name: str, may_be_cut: bool, before: Sequence[Found], after: Sequence[Found]) -> bool:
    """Whether nothing in a file can tell what was done to it."""
    streams = {one.stream for one in before}
    old = {stream: [one.size for one in before if one.stream == stream] for stream in streams}
    new = {stream: [one.size for one in after if one.stream == stream] for stream in streams}
    are_known = {one.digest for one in after} <= {one.digest for one in before}
    if name in UNNUMBERED and are_known:
        return True
    return may_be_cut and all(is_part(old[stream], new[stream]) for stream in streams)


def is_part(whole: Sequence[int], part: Sequence[int]) -> bool:
    """Whether one list is within another, without a gap."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) + 1))


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


def end_of(before: Content, whole: Sequence[Found], path: Path) -> str:
    """Sorts one changed copy of a file, of which `whole` are the packets."""
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
    found, name = packets(path), path.name.replace("_changed", "")
    if are_same(whole, found) and are_close(before.shape, after.shape):
        return "other values"
    is_cut = "may_be_cut" in before.notes
    return "untold" if is_untold(name, is_cut, whole, found) else "SILENTLY WRONG"


def are_close(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether frames and samples are as many, and at the same times."""
    (times, sound), (others, other_sound) = before, after
    if len(times) != len(others) or sound[:2] != other_sound[:2]:
        return False
    pairs = [*zip(times, others, strict=True), *zip(sound[2:], other_sound[2:], strict=True)]
    return all(abs(one - other) <= _SLACK_S for one, other in pairs)


def ends(path: Path, seeds: range) -> list[tuple[int, str]]:
    """Sorts changed copies of a file, in a worker."""
    data, copy, found = path.read_bytes(), path.with_stem(f"{path.stem}_changed"), []
    before, whole = content(path), packets(path)
    starts = [one.place for one in whole if one.place is not None]
    if isinstance(before, BadClip):
        raise ValueError(f"the unchanged file is refused ({before}), expected its content")
    for seed in seeds:
        changed = mutate(data, seed) if seed % 3 else rearranged(data, starts, seed)
        copy.write_bytes(changed)
        found.append((seed, end_of(before, whole, copy)))
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
    rows = [f"{'':14}" + "".join(f"{head:>19}" for head in heads)]
    total: Counter[str] = sum(counts.values(), Counter())
    for name, count in [*counts.items(), ("all", total)]:
        rows.append(f"{name:14}" + "".join(f"{count[head]:>19}" for head in heads))
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
