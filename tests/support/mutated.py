"""Media files with bytes changed at random, and what becomes of them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from extractors.audio import Audio
from extractors.frames import Frames
from extractors.logmel import LogMel
from extractors.media import Limits
from extractors.plan import Graph, Media, measure
from flows.building.probing import probe_clips
from manifests.clips import CLIPS
from manifests.corpora.base import Found
from manifests.quarantine import UNFORESEEN, BadClip
from tests.support.media_made import a_clip

_HEAD = 600
"""Bytes at the beginning of a file where half of all changes fall: headers are short."""
_GRAPH = Graph({"audio": Audio(), "logmel": LogMel(n_mels=20), "frames": Frames(size=8)})
LIMITS = Limits(max_pixels=640 * 480, max_duration_s=20.0, timeout_s=20.0)


def mutate(data: bytes, seed: int) -> bytes:
    """Flips bytes, writes over, puts in, takes out or cuts off."""
    chance = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(chance.integers(1, 4)):
        end = min(len(changed), _HEAD) if chance.random() < 0.5 else len(changed)
        at, count = int(chance.integers(end)), int(chance.choice([1, 1, 4, 30, 200]))
        noise = chance.bytes(count) if chance.random() < 0.7 else bytes(count)
        match chance.integers(5):
            case 0:
                changed[at] ^= 1 << int(chance.integers(8))
            case 1:
                changed[at : at + count] = noise[: len(changed) - at]
            case 2:
                changed[at:at] = noise
            case 3:
                del changed[at : at + count]
            case _:
                if len(changed) > _HEAD and chance.random() < 0.3:
                    del changed[at + 1 :]
    return bytes(changed)


def rearranged(data: bytes, starts: Sequence[int], seed: int) -> bytes:
    """Loses, doubles, exchanges or moves parts of a file.

    Args:
        data: The file.
        starts: Where its packets begin.
        seed: What is done, and with which.

    Returns:
        The changed file.
    """
    chance = np.random.default_rng([seed, 1])
    cuts = sorted({start for start in starts if 0 < start < len(data)})
    parts = [data[a:b] for a, b in pairwise([0, *cuts, len(data)])]
    one, other = (int(place) for place in chance.integers(1, len(parts), 2))
    match chance.integers(4):
        case 0:
            del parts[one]
        case 1:
            parts.insert(one, parts[one])
        case 2:
            parts[one], parts[other] = parts[other], parts[one]
        case _:
            parts.insert(other, parts.pop(one))
    return b"".join(parts)


def outcomes(path: Path, decoder: str) -> Iterator[str]:
    """What is said of each feature of a file: `ok`, or the sentence of its refusal."""
    [found] = probe_clips([Found(a_clip(path), ())], [path], {}, LIMITS)
    if found.bad:
        yield f"{found.bad.reason}: {found.bad.detail}"
        return
    CLIPS.build([found.clip])  # its facts fit into the table of clips
    measured = measure(_GRAPH, _GRAPH.order, found.clip, path, Media(decoder, LIMITS))
    for one in measured.values():
        yield f"{one.reason}: {one.detail}" if isinstance(one, BadClip) else "ok"


def unforeseen(path: Path, seeds: Sequence[int], decoder: str = "pyav") -> list[str]:
    """Reads changed copies of a file; what nobody foresaw in them, with the seed. Errors get out.

    Runs in a worker process too.
    """
    data, copy, found = path.read_bytes(), path.with_stem(f"{path.stem}_changed"), []
    for seed in seeds:
        copy.write_bytes(mutate(data, seed))
        found += [f"{seed}: {said}" for said in outcomes(copy, decoder) if UNFORESEEN in said]
    return sorted(set(found))
