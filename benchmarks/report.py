"""What the report of a store as large as RAVDESS costs: `python -m benchmarks.report`.

The store has RAVDESS's 7,356 names and what the report reads of the default features, made up:
sound as a log-mel, boxes of faces, and face crops as JPEG of some 20 kB; 5 GB in all. Sound is
missing where a rendering has none, and so are pictures. It is split twice, and the time and the
greatest memory are those of the command `affectstore report`.
"""

import argparse
import hashlib
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from flows.recipe import load
from flows.splitting.run import run_split
from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.corpora.ravdess import parse
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, Quarantined, Reason
from manifests.tracks import Track
from stores.location import locate
from stores.publish import publish
from stores.records import ShardRecord, StoredFeature
from stores.shard import Shard, shard_key
from stores.shard_writer import ShardWriter

FEATURES = ("logmel64", "faces", "crops")
OF_SOUND = ("logmel64", "mfcc")
CLIPS_A_SHARD = 64


def stems() -> Iterator[str]:
    """RAVDESS's names: speech of 24 actors, song of 23, three renderings of each."""
    for modality, actor in itertools.product(("01", "02", "03"), range(1, 25)):
        for channel, emotions in (("01", range(1, 9)), ("02", range(1, 7))):
            if channel == "02" and actor == 18:
                continue
            for emotion, strength, said, again in itertools.product(
                emotions, (1, 2), (1, 2), (1, 2)
            ):
                if (emotion, strength) != (1, 2):
                    take = f"{emotion:02}-0{strength}-0{said}-0{again}-{actor:02}"
                    yield f"{modality}-{channel}-{take}"


def make_clip(stem: str) -> Clip:
    digest = hashlib.sha256(stem.encode()).hexdigest()
    number, seconds = int(stem[-2:]), 3.0 + int(digest[:4], 16) % 200 / 100
    return Clip(
        clip_id=f"ravdess/{stem}",
        corpus="ravdess",
        subject_id=f"ravdess/{stem[-2:]}",
        group_id=f"ravdess/{stem[-2:]}",
        take_id=f"ravdess/{stem[3:]}",
        sex="female" if number % 2 == 0 else "male",
        path=f"Actor_{stem[-2:]}/{stem}.mp4",
        sha256=digest,
        bytes=1_000_000,
        duration_s=seconds,
        has_audio=stem[:2] != "02",
        has_video=stem[:2] != "03",
    )


def make_track(spec: FeatureSpec, clip: Clip, pictures: list[bytes]) -> Track | None:
    """Made-up values of one clip; None where its rendering has no such stream."""
    rng = np.random.default_rng(int(clip.sha256[-8:], 16))
    is_sound = spec.name in OF_SOUND
    if not (clip.has_audio if is_sound else clip.has_video):
        return None
    rows = int((clip.duration_s or 0) * (100 if is_sound else 10))
    seconds, valid = np.arange(rows) * (spec.hop_s or 0.1), np.ones(rows, np.bool_)
    if spec.name == "crops":
        values = np.empty(rows, object)
        values[:] = [pictures[int(clip.sha256, 16) % len(pictures)]] * rows
        return Track(values, seconds, valid)
    values = rng.normal(-40, 8, (rows, *spec.shape)).astype(np.float32)
    if spec.name == "faces":
        values = np.abs(values) + np.array([0, 0, 150, 200, 0, 0])
        valid = rng.random(rows) > 0.05
        values[~valid, :5], values[:, 5] = np.nan, rng.random(rows) > 0.95
    return Track(values.astype(np.float32), seconds, valid)


def make_shards(root: Path, spec: FeatureSpec, clips: list[Clip]) -> list[ShardRecord]:
    rng = np.random.default_rng(0)
    size = spec.shape if spec.codec == "jpeg" else (8, 8, 3)
    blurred = [cv2.blur(rng.integers(0, 256, size, np.uint8), (5, 5)) for _ in range(24)]
    pictures = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in blurred]
    records = []
    for at in range(0, len(clips), CLIPS_A_SHARD):
        some = clips[at : at + CLIPS_A_SHARD]
        key = shard_key(spec.fingerprint, [(clip.clip_id, clip.sha256) for clip in some])
        file = f"shards/{spec.name}/{spec.fingerprint}/{key}.h5"
        with ShardWriter(locate(root), file, spec) as shard:
            for clip in some:
                if (track := make_track(spec, clip, pictures)) is not None:
                    shard.add(clip.clip_id, track)
        records.append(shard)
    return [shard.record for shard in records]


def make_store(
    root: Path, clips: list[Clip], names: Sequence[str] = FEATURES, changes: Sequence[str] = ()
) -> None:
    """Publishes made-up features of some clips, in the form that the recipe `demo` gives them."""
    recipe = load("demo", tuple(changes))
    features, index, quarantine = {}, [], []
    for name in names:
        spec = recipe.graph.specs[name]
        features[name] = StoredFeature(spec, tuple(make_shards(root, spec, clips)))
        stored = dict(_places(root, features[name]))
        reason = Reason.NO_AUDIO if name in OF_SOUND else Reason.NO_VIDEO
        for clip in clips:
            if clip.clip_id in stored:
                index.append(stored[clip.clip_id])
            else:
                nowhere = (None, None, None, None, "")
                state = State.QUARANTINED
                index.append(IndexRow(clip.clip_id, name, spec.fingerprint, state, *nowhere))
                quarantine.append(Quarantined(clip.clip_id, name, reason, "made up"))
    publish(
        locate(root),
        parent=None,
        recipe=recipe.resolved(),
        tables={
            "clips": CLIPS.build(clips),
            "labels": LABELS.build(
                Label(c.clip_id, "ravdess8", "intended", parse(c.clip_id[8:]).emotion)
                for c in clips
            ),
            "folds": FOLDS.build([]),
            "index": INDEX.build(index),
            "quarantine": QUARANTINE.build(quarantine),
            "audits": AUDITS.build([]),
        },
        features=features,
        fitted={},
        versions={"engine": "none"},
        schemes={},
    )


def _places(root: Path, feature: StoredFeature) -> Iterator[tuple[str, IndexRow]]:
    for record in feature.shards:
        for entry in Shard(locate(root), record.file).entries:
            place = (record.file, entry.start, entry.rows, entry.valid_rows, "")
            name, key = feature.spec.name, feature.spec.fingerprint
            yield entry.clip_id, IndexRow(entry.clip_id, name, key, State.STORED, *place)


def measure(root: Path, out: Path) -> None:
    """Runs the command in a process of its own."""
    code = (
        "import resource, sys\n"
        "from flows.__main__ import run\n"
        "try:\n    run(sys.argv[1:])\n"
        "finally:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    begun = time.perf_counter()
    arguments = [sys.executable, "-c", code, "report", str(root), "--out", str(out)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    page, peak_mb = done.stdout.splitlines()
    size = Path(page).stat().st_size / 1e6
    print(f"{time.perf_counter() - begun:.1f} s, {peak_mb} MB of memory, page of {size:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="one clip of so many")
    parser.add_argument("--root", type=Path, help="a folder that is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (given.root or Path(folder)) / "store"
        if not root.exists():
            clips = [make_clip(stem) for stem in stems()][:: given.every]
            make_store(root, sorted(clips, key=lambda clip: clip.clip_id))
            for scheme in ("subject_kfold", "leave_one_subject_out"):
                run_split(root, scheme, None, 0)
        for _ in range(2):
            measure(root, root.parent / "report")


if __name__ == "__main__":
    main()
