"""Features of sound alone, clips a second of `affectstore build` against scripts and libraries:
`python -m benchmarks.sound WORK [--corpus FOLDER]`.

MFCC with deltas and a log-mel of 64 bands, of 48 kHz mono recordings of 3.7 s under the names of
RAVDESS, or of the files of a folder. All ways run as commands with as many processes, in turn. The
rate without start-up is the clips that a larger run has more than a smaller one, over the time that
it takes longer. Libraries that cannot be imported are left out, with the reason; `--python` names
another environment for them.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from statistics import median

import av
import numpy as np

from benchmarks.clips import KINDS, voice
from benchmarks.sound_scripts import NEEDS
from benchmarks.watched import CommandFailed, Run, run

OURS = "affectstore"
RECIPE = """
about = "What the scripts make."

[features.audio]
extractor = "audio"
store = false

[features.mfcc]
extractor = "mfcc"

[features.logmel]
extractor = "logmel"
n_mels = 64
"""
CODINGS = {
    "wav": ("wav", "pcm_s16le", "s16"),
    "flac": ("flac", "flac", "s16"),
    "mp3": ("mp3", "libmp3lame", "fltp"),
    "m4a": ("ipod", "aac", "fltp"),
}
"""Suffix -> container, codec and its sample format."""
_DISTINCT = 24
"""Recordings that differ; the others are parts of these, so that no two files are one."""


@dataclass(frozen=True)
class Row:
    """One way."""

    name: str
    clips_per_s: tuple[float, ...]
    """Without start-up, in each round."""
    all_in_all: tuple[float, ...]
    """Of the larger run, start-up included."""
    start_s: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    """Processor time of a clip, without start-up."""
    note: str = ""


def names() -> Iterator[str]:
    """RAVDESS's, of speech without pictures: 1,440 of them."""
    for actor, emotion, intensity, statement, repetition in product(
        range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2)
    ):
        if (emotion, intensity) != (1, 2):
            yield (
                f"Actor_{actor:02d}/03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-"
                f"{repetition:02d}-{actor:02d}"
            )


def make_sounds(folder: Path, suffix: str, count: int) -> Path:
    """A folder with `count` recordings; those that are there already are kept."""
    kind = KINDS["ravdess"]
    voices = [voice(kind, seed) for seed in range(min(count, _DISTINCT))]
    for number, name in enumerate(islice(names(), count)):
        path = folder / f"{name}.{suffix}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            cut = number // _DISTINCT * 160  # a few samples fewer at both ends
            samples = voices[number % _DISTINCT][cut : kind.rate_hz * 4 - cut or None]
            part = path.with_name(f".{path.name}")
            write_sound(part, suffix, samples[: len(samples) - cut], kind.rate_hz)
            part.rename(path)
    return folder


def write_sound(path: Path, suffix: str, samples: np.ndarray, rate_hz: int) -> None:
    container, codec, form = CODINGS[suffix]
    with av.open(path, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for part in av.AudioResampler(form, "mono", rate_hz).resample(frame):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


@dataclass(frozen=True)
class SoundBench:
    work: Path
    source: Path
    """The files that are measured."""
    processes: int
    python: str = sys.executable
    """The environment of the libraries."""

    def measure(self, way: str, clips: int) -> Run:
        """Runs a way once on the first files."""
        out = self.work / "out" / way
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            return run(self._command(way, self._first(clips), out), self.work / f"{way}.log")
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _command(self, way: str, some: Path, out: Path) -> list[str | Path]:
        if way != OURS:
            script = Path(__file__).with_name("sound_scripts.py")
            return [self.python, script, way, some, out, str(self.processes)]
        recipe = self.work / "sound.toml"
        recipe.write_text(RECIPE, "utf-8")
        words = ["--corpus", f"folder={some}", "--recipe", recipe, "--workers", self.processes]
        return [sys.executable, "-m", "flows", "build", out, *map(str, words)]

    def _first(self, clips: int) -> Path:
        some = self.work / "first" / f"{self.source.name}-{clips}"
        if not some.exists():
            for path in islice(files_of(self.source), clips):
                place = some / path.relative_to(self.source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
        return some

    def lacks(self, way: str) -> str:
        """Why the library of a way cannot be used; nothing where it can."""
        if way == OURS:
            return ""
        words = [self.python, "-c", _WHY_NOT, NEEDS[way]]
        said = subprocess.run(words, check=False, capture_output=True, text=True).stdout
        return (said.splitlines() or ["its import ends the process"])[-1].removeprefix(_IMPORTED)


_IMPORTED = "imported"
_WHY_NOT = f"""
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except Exception as error:
    is_absent = isinstance(error, ModuleNotFoundError) and error.name == sys.argv[1]
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    print("not installed" if is_absent else f"does not import: {{error}}")
else:
    print("{_IMPORTED}")
"""
"""Of an error it says the first cause: of a library that was built for another torch, that is the
file that is not there."""


def files_of(folder: Path) -> list[Path]:
    return sorted(path.absolute() for path in folder.rglob("[!.]*.*") if path.is_file())


def measure(
    bench: SoundBench, rounds: int, ways: Sequence[str] = (OURS, *NEEDS), few: int = 0
) -> list[Row]:
    """Runs all ways in turn, each on few and on all files, and gives a row of each."""
    many = len(files_of(bench.source))
    few = few or min(many // 2, 64 * bench.processes)
    notes = {way: lack for way in ways if (lack := bench.lacks(way))}
    done: dict[str, list[tuple[Run, Run]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, runs in done.items():
            if way not in notes:
                try:
                    runs.append((bench.measure(way, few), bench.measure(way, many)))
                except CommandFailed as failed:
                    notes[way] = str(failed).strip().splitlines()[-1]
    return [_row(way, runs, few, many, notes.get(way, "")) for way, runs in done.items()]


def _row(way: str, runs: Sequence[tuple[Run, Run]], few: int, many: int, note: str) -> Row:
    rates = [(many - few) / (long.seconds - short.seconds) for short, long in runs]
    return Row(
        way,
        tuple(rates),
        tuple(many / long.seconds for _, long in runs),
        tuple(short.seconds - few / rate for (short, _), rate in zip(runs, rates, strict=True)),
        tuple(1e3 * (long.cpu_s - short.cpu_s) / (many - few) for short, long in runs),
        note,
    )


def show(rows: Sequence[Row]) -> None:
    print(
        f"{'':14} {'clips/s':>8} {'spread':>7} {'with start':>10} {'start-up s':>10} {'CPU ms':>7}"
    )
    for row in rows:
        if not row.clips_per_s:
            print(f"{row.name:14} {row.note}")
            continue
        spread = (max(row.clips_per_s) - min(row.clips_per_s)) / median(row.clips_per_s)
        print(
            f"{row.name:14} {median(row.clips_per_s):8.0f} {spread:7.0%} "
            f"{median(row.all_in_all):10.1f} {median(row.start_s):10.1f} {median(row.cpu_ms):7.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--corpus", type=Path, help="recordings; default: some are made")
    parser.add_argument("--suffix", choices=CODINGS, action="append", help="default: wav")
    parser.add_argument("--clips", type=int, default=1440)
    parser.add_argument("--way", choices=(OURS, *NEEDS), action="append", help="default: all")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=0, help="clips of the smaller run")
    parser.add_argument("--python", default=sys.executable, help="of the libraries")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for suffix in [None] if args.corpus else args.suffix or ["wav"]:
        made = args.work / "clips" / f"{suffix}"
        source = args.corpus or make_sounds(made, suffix or "wav", args.clips)
        print(f"{source.name}: {len(files_of(source))} clips, {args.processes} processes")
        bench = SoundBench(args.work, source.absolute(), args.processes, args.python)
        show(measure(bench, args.rounds, args.way or (OURS, *NEEDS), args.few))


if __name__ == "__main__":
    main()
