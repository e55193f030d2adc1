"""Benchmarks that also run alone, as parts of the bench: each is run on little, and gives rows."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks import build
from benchmarks.clips import KINDS, REAL, TITLES, copy_clips
from benchmarks.rows import OURS, Row, Setting, in_turn

FLOOR = "the bare calls"


def in_process(kind: str) -> str:
    """The name of the table of one process and the floor."""
    return f"one process, {TITLES[kind]}"


def floor(setting: Setting) -> list[Row]:
    """Processor time in one process against the bare calls of the libraries. What they take is
    shown by stage: the profile of a build."""
    from benchmarks import floor as bare

    clips, rounds = (1, 1) if setting.dry else (4, min(3, setting.rounds))
    kinds = ["cremad"] if setting.dry else [kind for kind in build.SHOWN if kind in KINDS]
    if setting.clips:
        copy_clips(setting.folder / "clips" / REAL, setting.clips, clips)
        kinds.append(REAL)
    rows = []
    for one in bare.rows(setting.folder / "clips", kinds, clips, rounds):
        setting.say(in_process(one.kind))
        of_all = {name: taken / one.floor for name, taken in one.stages.items()}
        stages = ", ".join(f"{name} {part:.0%}" for name, part in of_all.items())
        table, lower = in_process(one.kind), {"less_is_better": True}
        rows.append(Row(table, OURS, "CPU ms", (one.product,), **lower))
        rows.append(Row(table, FLOOR, "CPU ms", (one.floor,), note=stages, **lower))
    return rows


SOUND = "sound, 48 kHz wav of 3.7 s"
SOUND_PEERS = f"peers, {SOUND}"
SOUND_IN = {suffix: f"sound, 48 kHz {suffix} of 3.7 s" for suffix in ("flac", "mp3", "m4a")}
SCRIPT = "librosa script"


def sound(setting: Setting) -> list[Row]:
    """Sound alone: the script with librosa in several rounds, other libraries and other codings in
    one."""
    from benchmarks import sound as alone

    clips = 16 if setting.dry else 360 if setting.quick else 720
    folder = alone.make_sounds(setting.folder / "sounds" / f"{clips}", "wav", clips)
    bench = alone.SoundBench(setting.folder / "sound", folder.absolute(), setting.workers)
    bench.work.mkdir(exist_ok=True)
    setting.say(f"{SOUND}, {SCRIPT}")
    ours = alone.measure(bench, min(3, setting.rounds), (OURS, "librosa"))
    rows = [*_of_sound(SOUND, clips, ours)]
    if setting.quick and not setting.dry:
        return rows
    setting.say(SOUND_PEERS)
    ways = [way for way in alone.NEEDS if way != "librosa"]
    rows += _of_sound(SOUND_PEERS, clips, alone.measure(bench, 1, (OURS, *ways)))
    for suffix in SOUND_IN:
        rows += _coded_sound(setting, suffix)
    return rows


def _coded_sound(setting: Setting, suffix: str) -> Iterator[Row]:
    """Sound alone in a coding, a round of few clips."""
    from benchmarks import sound as alone

    few, clips = (8, 16) if setting.dry else (48, 240)
    setting.say(f"{SOUND_IN[suffix]}, {SCRIPT}")
    folder = alone.make_sounds(setting.folder / "sounds" / f"{suffix}-{clips}", suffix, clips)
    bench = alone.SoundBench(setting.folder / "sound", folder.absolute(), setting.workers)
    yield from _of_sound(SOUND_IN[suffix], clips, alone.measure(bench, 1, (OURS, "librosa"), few))


def _of_sound(what: str, clips: int, found: Sequence[Any]) -> Iterator[Row]:
    for one in found:
        name = SCRIPT if one.name == "librosa" else one.name
        if not one.clips_per_s or min(one.clips_per_s) <= 0:
            yield Row(what, name, "clips/s", note=one.note[:80] or "too few clips to tell")
            continue
        yield Row(
            what,
            name,
            "clips/s",
            one.clips_per_s,
            clips,
            wall_s=tuple(clips / rate for rate in one.all_in_all),
            start_s=one.start_s,
            cpu_s=tuple(ms / 1e3 for ms in one.cpu_ms),
        )


IMPORT = "import pandas, pyarrow, h5py"
SHORT_COMMANDS = {"show": 1.5, "split": 2.5, "build, nothing new": 3.0}
"""Multiples of the import that each is to take at most."""


def command(name: str) -> str:
    """The name of the table of a short command."""
    return f"start-up, {name}"


def startup(setting: Setting) -> list[Row]:
    """Short commands against an import, and how soon and how busy a build is."""
    from benchmarks import startup as alone

    folder = setting.folder / "startup"
    rows = []
    for one in alone.measure(replace(setting, folder=folder, rounds=min(3, setting.rounds))):
        if one.name not in SHORT_COMMANDS:
            rows.append(replace(one, unit=one.unit.replace("share of the processors", "of 1")))
            continue
        table, lower = command(one.name), {"less_is_better": True}
        imports = tuple(s / times for s, times in zip(one.wall_s, one.values, strict=True))
        rows.append(Row(table, OURS, "s", one.wall_s, note=one.note, **lower))
        rows.append(Row(table, IMPORT, "s", imports, **lower))
    return rows


READING = "reading, random clips of 630 kB"
MEMMAP = "np.memmap"
BATCHES = "batches of 32, padded"
AS_STORED = "as stored"
ALIGNED = ("Clock(0.1)", "Steps(60)", "Like resnet50")


def aligned(name: str) -> str:
    """The name of the table of an alignment."""
    return f"FeatureDataset, {name}"


def reading(setting: Setting) -> list[Row]:
    """Clips a second of processor time, from a warm page cache."""
    from benchmarks import read, read_peers

    setting = replace(setting, rounds=4 * setting.rounds)  # an epoch takes milliseconds
    root, ids = setting.folder / "reading", read.clip_ids(8 if setting.dry else 96)
    setting.say(f"{READING}: written in every way")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    read.write_store(root / "store", ids)
    read.write_others(root, ids)
    ways = {
        OURS: read.from_store(root),
        "FeatureDataset": read.from_dataset(root),
        MEMMAP: read.from_memmap(root, ids),
        "h5py slices": read.from_h5py(root, ids),
    }
    left_out = []
    for name, peer in read_peers.PEERS.items():
        (root / name).mkdir()
        try:
            ways[name] = peer(root / name, ids, list(read.SHAPES), read.track)
        except ImportError as error:
            left_out.append(Row(READING, name, "", note=f"left out: {error}"[:70]))
    setting.say(READING)
    rows = _epochs(READING, {name: _by_clip(one, ids) for name, one in ways.items()}, setting)
    stored = _by_clip(read.from_dataset(root), ids)
    for name in ALIGNED:
        ours = _by_clip(read.from_dataset(root, read.ALIGNED[name]), ids)
        rows += _epochs(aligned(name), {OURS: ours, AS_STORED: stored}, setting)
    dataset = read.opened(root)
    batches = {
        OURS: _by_batch(lambda some: dataset.collate([dataset[i] for i in some]), len(ids)),
        "NumPy copies": _by_batch(read.copied(root), len(ids)),
    }
    return [*rows, *left_out, *_epochs(BATCHES, batches, setting)]


Epoch = Callable[[int], float]
"""epoch(seed) -> clips a second, all of them in an order that the seed gives."""


def _by_clip(read_one: Callable[[str], int], ids: Sequence[str]) -> Epoch:
    from benchmarks import read

    def epoch(seed: int) -> float:
        order = np.random.default_rng(seed).permutation(len(ids))
        return len(ids) / float(read.timed(read_one, [ids[at] for at in order]).sum())

    return epoch


def _by_batch(take: Callable[[Sequence[int]], object], clips: int) -> Epoch:
    def epoch(seed: int) -> float:
        order = np.random.default_rng(seed).permutation(clips).tolist()
        begun = time.process_time()
        for at in range(0, clips, 32):
            take(order[at : at + 32])
        return clips / (time.process_time() - begun)

    return epoch


def _epochs(what: str, ways: dict[str, Epoch], setting: Setting) -> list[Row]:
    """Rates of a few epochs, after one that warms up."""
    each = {name: map(epoch, count()) for name, epoch in ways.items()}
    for epochs in each.values():
        next(epochs)
    found = in_turn({name: partial(next, epochs) for name, epochs in each.items()}, setting)
    return [Row(what, name, "clips/s", tuple(values)) for name, values in found.items()]
