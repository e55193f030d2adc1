"""The five papers from clips to their tables and figures, on the sample corpus, at the small
setting.

    python -m examples.reproduce OUT                        all five, as `make papers` does
    python -m examples.reproduce OUT tcs2026 satvik2025     some

Of each it makes OUT/RECIPE/store, trains OUT/RECIPE/run, times its models, plays clips live where
the paper decides live, and writes every table and figure. The clips are drawn once; papers are
worked on side by side, each in a process with a log. Ended at any moment, the same command goes on.
It ends with 1, and says what, where anything is empty. Nothing about emotions can be learnt from
the sample corpus: this shows that every number and picture of a paper comes out.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from examples import stream, tables
from examples.command import ending
from examples.complete import whats_empty
from examples.device import choose
from examples.kept import open_run
from examples.plan import Paper
from examples.prepare import clips_of, prepare_sample, size_of
from examples.timing import time_run
from examples.train import RECIPES, Choice, paper_of, run
from flows.sample.pictures import write_sample
from flows.workers.pool import cores
from manifests.corpora.sample import sample_clips

_TIMED = 20
"""Clips by which a model is timed."""
_SLOW_FIRST = ("tucker2025", "tcs2026", "kirar2024", "satvik2025", "donatus2026")
"""So that none is left alone at the end for long."""


def reproduce(
    paper: Paper[Any], folder: Path, workers: int | None = None, choice: Choice | None = None
) -> list[str]:
    """Makes everything of one paper below a folder.

    Returns:
        What is empty, a sentence each.
    """
    store, out = folder / "store", folder / "run"
    device = choose("cpu", threads=1)  # of networks this small
    prepare_sample(paper, store, workers)
    run(paper, store, choice or Choice(paper.small, device=device), out)
    time_run(paper, store, out, device, _TIMED)
    if paper.recipe == "tcs2026":
        _play(store, out)
    kept = open_run(out)
    return [*tables.write_all(paper, kept), *whats_empty(paper, kept)]


def _play(store: Path, out: Path) -> None:
    """Plays one clip live by the model of each scheme."""
    clip = next(clips_of(store).rglob("01-*.mp4"))
    for scheme in open_run(out).schemes:
        options = ("--store", store, "--run", out, "--scheme", scheme, "--threads", 1)
        stream.main([str(one) for one in (clip, *options)])


def draw_clips(out: Path, recipes: Sequence[str]) -> None:
    """Draws the largest sample that is needed, once, and links what each paper takes of it: the
    same names are the same clips."""
    sizes = {recipe: size_of(recipe) for recipe in recipes}
    actors, emotions, takes = (max(numbers) for numbers in zip(*sizes.values(), strict=True))
    write_missing(out / "clips", actors, emotions, takes)
    for recipe, size in sizes.items():
        for clip in sample_clips(*size):
            link = clips_of(out / recipe / "store") / clip.path
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                os.link(out / "clips" / clip.path, link)


def write_missing(folder: Path, actors: int, emotions: int, takes: int) -> None:
    """Draws a sample, but for one that is there."""
    if len(list(folder.rglob("*.mp4"))) != len(sample_clips(actors, emotions, takes)):
        write_sample(folder, actors=actors, emotions=emotions, takes=takes)


def reproduce_all(out: Path, recipes: Sequence[str], say: Callable[[str], None]) -> bool:
    """Makes several papers, as many at a time as there are cores; False where one has ended badly
    or left something empty."""
    began = time.monotonic()
    draw_clips(out, recipes)
    say(f"clips drawn in {time.monotonic() - began:.0f} s")
    lanes = min(cores(), len(recipes))
    workers = max(1, cores() // lanes)

    def one(recipe: str) -> bool:
        begun = time.monotonic()
        code, said = _in_a_process(out, recipe, workers)
        say(f"{recipe}: {said}, {time.monotonic() - begun:.0f} s; {out / recipe / 'log.txt'}")
        return code == 0

    with ThreadPoolExecutor(lanes) as pool:
        done = list(pool.map(one, sorted(recipes, key=_SLOW_FIRST.index)))
    say(f"{sum(done)} of {len(done)} papers complete, {time.monotonic() - began:.0f} s")
    return all(done)


def _in_a_process(out: Path, recipe: str, workers: int) -> tuple[int, str]:
    """Its exit code, and what it said of it."""
    log = out / recipe / "log.txt"
    command = [sys.executable, "-m", "examples.reproduce", str(out), recipe]
    with log.open("w", encoding="utf-8") as file:
        # More threads than cores would wait for each other.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        code = subprocess.run(
            [*command, "--workers", str(workers)],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        ).returncode
    lines = log.read_text(encoding="utf-8").splitlines() or ["it said nothing"]
    empty = [line for line in lines if line.startswith("EMPTY: ")]
    return code, "complete" if code == 0 else "\n  ".join(empty or lines[-1:])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.reproduce",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("out", type=Path, help="a folder, new or one that goes on")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--workers", type=int, help="that build; else one for each core")
    given = parser.parse_args(arguments)
    recipes = list(dict.fromkeys(given.recipes)) or list(RECIPES)
    if unknown := [recipe for recipe in recipes if recipe not in RECIPES]:
        parser.error(f"there is no recipe {unknown[0]!r}; expected some of {', '.join(RECIPES)}")
    with ending("examples.reproduce"):
        if len(recipes) > 1:
            sys.exit(0 if reproduce_all(given.out, recipes, _say) else 1)
        (recipe,) = recipes
        empty = reproduce(paper_of(recipe), given.out / recipe, given.workers)
    for sentence in empty:
        print(f"EMPTY: {sentence}")
    sys.exit(1 if empty else 0)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
