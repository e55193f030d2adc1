"""What a part of a large corpus costs: `python -m benchmarks.chosen FOLDER`.

Makes stand-ins of RAVDESS (7,356 files) and of CREMA-D in three renderings (22,386 files, all that
the naming rule allows; 22,326 are published), whole and with their names and formats, and builds of
each what papers use: spoken clips with sound and picture, and the videos. Then the same build
again, `show`, `split`, `audit`, `report`, a narrower build and the first one once more; time,
processor time and disk of each.

A stand-in's clip lasts a second, where the corpora's last two to five, and is 320 or 240 pixels
high. There are eight of each kind, with a face that moves; all files differ in their bytes, by a
comment, so that each is hashed and decoded for itself. Two of the files that are left out are no
media at all: a build that opened them would have them in quarantine.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import av

from benchmarks.clips import Kind, write_clip
from benchmarks.report import stems
from benchmarks.watched import run
from manifests.corpora.cremad import ACTORS, LEVELS, SENTENCES, NotACremadName, parse
from manifests.corpora.cremad_tables import EMOTIONS
from stores import FeatureStore

RECIPE = """\
about = "Sound and faces of short clips: what choosing costs, without embeddings"
max_bad_fraction = 0.0

[features.audio]
extractor = "audio"

[features.mfcc]
extractor = "mfcc"

[features.logmel64]
extractor = "logmel"
n_mels = 64

[features.frames]
extractor = "frames"
fps = 5.0

[features.faces]
extractor = "faces"

[features.crops]
extractor = "crops"
pixels = "jpeg"
size = 112
"""
DISTINCT = 8
FORMS = {
    "ravdess": Kind("mp4", 568, 320, 25, 1.0, "libx264", "aac", 48000, 1, 1, bits_per_s=400_000),
    "cremad": Kind("flv", 320, 240, 25, 1.0, "flv", "libmp3lame", 44100, 1, 1, bits_per_s=300_000),
}


@dataclass(frozen=True)
class StandIn:
    """A corpus to be made up, and what is chosen of it."""

    corpus: str
    where: tuple[str, ...]
    narrower: str
    """A further condition, for a build of fewer clips."""
    left_out: str
    """Suffix of the files that are left out, one of which is made no media."""


STAND_INS = (
    StandIn("ravdess", ("modality=full-AV", "channel=speech"), "label!=calm", "wav"),
    StandIn("cremad", ("modality=full-AV",), "sentence=IEO", "mp3"),
)


def ravdess_files() -> Iterator[str]:
    """Paths below the root: modality 03 is sound alone."""
    for stem in stems():
        yield f"Actor_{stem[-2:]}/{stem}.{'wav' if stem.startswith('03') else 'mp4'}"


def cremad_files() -> Iterator[str]:
    """Paths below the root: each take in three renderings."""
    for actor, sentence, emotion, level in product(ACTORS, SENTENCES, EMOTIONS, LEVELS):
        stem = f"{actor}_{sentence}_{emotion}_{level}"
        try:
            parse(stem)
        except NotACremadName:
            continue
        yield f"VideoFlash/{stem}.flv"
        yield f"AudioMP3/{stem}.mp3"
        yield f"AudioWAV/{stem}.wav"


def made_up(stand_in: StandIn, folder: Path, every: int) -> Path:
    """The folder of a stand-in; files that are there already are kept."""
    root, originals = folder / stand_in.corpus, folder / f"{stand_in.corpus}-originals"
    originals.mkdir(parents=True, exist_ok=True)
    kind = FORMS[stand_in.corpus]
    for seed in range(DISTINCT):
        path = originals / f"{seed}.{kind.suffix}"
        if not path.exists():
            write_clip(path, kind, seed)
    files = ravdess_files() if stand_in.corpus == "ravdess" else cremad_files()
    for number, name in enumerate(files):
        target = root / name
        if number % every or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        kinds = ("audio",) if target.suffix in (".wav", ".mp3") else ("video", "audio")
        kinds = ("video",) if target.name.startswith("02-") else kinds
        write_copy(originals / f"{number % DISTINCT}.{kind.suffix}", target, kinds, name)
    broken = min(root.rglob(f"*.{stand_in.left_out}"))
    broken.write_bytes(b"no media")
    return root


def write_copy(source: Path, target: Path, kinds: Iterable[str], comment: str) -> None:
    """The same sound or picture, or both, in a file that bears a comment."""
    with av.open(source) as old, av.open(target, "w") as new:
        new.metadata["comment"] = comment
        if target.suffix == ".wav":
            sound: Any = new.add_stream("pcm_s16le", rate=16000, layout="mono")
            resampler = av.AudioResampler("s16", "mono", 16000)
            for frame in old.decode(audio=0):
                for one in resampler.resample(frame):
                    new.mux(sound.encode(one))
            new.mux(sound.encode(None))
            return
        streams: dict[int, Any] = {
            stream.index: new.add_stream_from_template(stream)
            for stream in old.streams
            if stream.type in kinds
        }
        for packet in old.demux():
            if packet.dts is not None and packet.stream.index in streams:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def disk_mb(folder: Path) -> float:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measure(stand_in: StandIn, folder: Path, workers: int, every: int) -> None:
    """Makes a stand-in, takes every step on it, and prints what each costs."""
    root, store = made_up(stand_in, folder, every), folder / f"{stand_in.corpus}-store"
    recipe, log = folder / "chosen.toml", folder / f"{stand_in.corpus}.log"
    recipe.write_text(RECIPE)
    files = sum(1 for path in root.rglob("*") if path.is_file())
    size, chosen = disk_mb(root), " ".join(stand_in.where)
    print(f"{stand_in.corpus}: {files:,} files, {size:,.0f} MB; --where {chosen}", flush=True)
    where = [word for one in stand_in.where for word in ("--where", one)]
    build = ["build", store, "--corpus", f"{stand_in.corpus}={root}", "--recipe", recipe]
    build += ["--workers", str(workers), *where]
    folds = "3" if every > 1 else "5"
    for name, command in {
        "build": build,
        "build again": build,
        "show": ["show", store],
        "split": ["split", store, "subject_kfold", "--folds", folds],
        "audit": ["audit", store, "--accept-unjudged"],
        "report": ["report", store, "--out", folder / f"{stand_in.corpus}-report"],
        "narrower build": [*build, "--where", stand_in.narrower],
        "wider build": build,
    }.items():
        took = run([sys.executable, "-m", "flows", *command], log)
        said = [line for line in log.read_text().splitlines() if line.startswith(SAID)]
        print(
            f"  {name:15} {took.seconds:7.1f} s, processors {took.cpu_s:7.1f} s, "
            f"main {took.peak_mb['main']:5.0f} MB, store {disk_mb(store):7.1f} MB  "
            + "; ".join(said)[:160],
            flush=True,
        )
    rows = FeatureStore(store).quarantine()
    print(
        f"  in quarantine: {dict(Counter(rows.drop_duplicates('clip_id')['reason'])) or 'nothing'}"
    )


SAID = ("left out by choice", "chosen:", "nothing new", "HOLDS", "LEAKS", "PARTLY", "CANNOT")


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=[one.corpus for one in STAND_INS])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="of so many files make one")
    given = parser.parse_args()
    for stand_in in STAND_INS:
        if given.only in (None, stand_in.corpus):
            measure(stand_in, given.folder, given.workers, given.every)


if __name__ == "__main__":
    main()
