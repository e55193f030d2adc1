"""The options of the trainer's command."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path


def parser(about: str | None, recipes: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of `examples.train`; about: what the module says of itself."""
    found = argparse.ArgumentParser(
        prog="python -m examples.train",
        description=about,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = found.add_argument
    add("recipe", choices=recipes)
    add("store", type=Path)
    add(
        "--out",
        type=Path,
        help="the run's folder, new or one that goes on; without it nothing is kept",
    )
    add(
        "--scheme",
        action="append",
        default=[],
        help="a split scheme of the store; may be given again",
    )
    add("--folds", type=_numbers, help="numbers of the folds that are run, such as 0,1; else all")
    add(
        "--models",
        action="append",
        default=[],
        help="names of the models that are trained, with commas between; may be given again; else "
        "all",
    )
    add("--labels", help="classes that are learnt, one of the paper's; else the first it has")
    add(
        "--seeds",
        type=_numbers,
        default=(0,),
        help="each fold is trained once by each, such as 0,1,2",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, such as epochs=20; may be given again; a wrong name lists all",
    )
    add("--device", choices=("cuda", "cpu"), help="else CUDA where torch finds it")
    add(
        "--joint",
        action="store_true",
        help="end to end: the networks that make the embeddings are trained too, from pictures",
    )
    add("--bf16", action="store_true", help="matrix products in bfloat16, by autocast")
    add("--small", action="store_true", help="few epochs and narrow models: minutes on two cores")
    add(
        "--sample",
        action="store_true",
        help="first make the sample corpus, build, split and fit what is not there yet",
    )
    return found


def names_in(text: str, names: Collection[str]) -> list[str]:
    """The names that a text has with commas between, though a name itself has commas.

    text: as it was given.
    names: all that there are; of what is none of them, the text as far as its first comma.
    """
    found, parts = [], text.split(",")
    while parts:
        lengths = range(len(parts), 0, -1)
        known = (size for size in lengths if ",".join(parts[:size]).strip() in names)
        size = next(known, 1)
        found.append(",".join(parts[:size]).strip())
        parts = parts[size:]
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(one) for one in text.split(",")))
