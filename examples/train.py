"""Trains the models of one recipe on a store, under the paper's own split and under a
subject-disjoint one.

    python -m examples.train donatus2026 STORE                     a store that is built, split
                                                                   and fitted
    python -m examples.train donatus2026 STORE --sample --small    all of that first, on the
                                                                   sample corpus

Of each fold it prints accuracy, macro-F1 and a confusion matrix, and at the end a summary beside
chance. The same seed gives the same numbers on one machine.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

from examples import loop
from examples.metrics import Scores, table
from examples.plan import Paper, Predictions, Trial
from manifests.clips import CLIPS
from manifests.folds import FOLDS
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.schemes.catalog import SCHEMES
from stores import FeatureDataset, FeatureStore

RECIPES = ("donatus2026", "tucker2025", "tcs2026", "kirar2024", "satvik2025")
DISJOINT = "subject_kfold"


class NotReady(ValueError):
    """The store lacks what the trainer needs; the message says what to run."""


@dataclass(frozen=True)
class Protocol:
    """A split scheme of the store, and what it is here."""

    scheme: str
    own: bool
    """It is the paper's, as described: nothing is chosen on validation clips where the scheme deals
    none."""
    folds: tuple[int, ...]
    shared: int
    """Tested clips whose subject is trained on too, over all folds."""
    tested: int

    @property
    def title(self) -> str:
        whose = "the paper's own protocol" if self.own else "subject-disjoint protocol"
        leak = (
            f"LEAKS: {self.shared} of {self.tested} tested clips are of subjects that are trained "
            "on"
            if self.shared
            else "no subject on two sides"
        )
        about = SCHEMES[self.scheme].about if self.scheme in SCHEMES else ""
        return f"{self.scheme} ({whose}; {leak})\n{about}".rstrip()


@dataclass(frozen=True)
class Result:
    protocol: Protocol
    fold: int
    model: str
    scores: Scores


def paper_of(recipe: str) -> Paper:
    paper: Paper = import_module(f"examples.{recipe}").PAPER
    return paper


def run(
    paper: Paper,
    root: Path,
    schemes: Sequence[str] = (),
    small: bool = False,
    seed: int = 0,
    folds: int | None = None,
) -> list[Result]:
    """Train and test every model in every fold of every scheme; prints as it goes. NotReady, in one
    sentence, for what is missing.

    folds: how many of each scheme are run; None: all.
    """
    if small:
        # Networks this small gain nothing from a second thread, and wait long for it where the
        # cores are shared.
        torch.set_num_threads(1)
    store = FeatureStore(root)
    if (found := str(store.snapshot.recipe["name"])) != paper.recipe:
        raise NotReady(
            f"{root} was built with the recipe {found}; build one with --recipe {paper.recipe}, "
            f"or train {found}"
        )
    labels = _labels(paper, store)
    results: list[Result] = []
    for protocol in protocols(paper, store, schemes):
        print(f"\n== {protocol.title}")
        for fold in protocol.folds[:folds]:
            found_here = _fold(paper, root, labels, protocol, fold, small, seed)
            results += [
                _report(protocol, fold, name, found, classes)
                for name, (found, classes) in found_here.items()
            ]
    print(summary(paper.recipe, results))
    return results


def _fold(
    paper: Paper, root: Path, labels: str, protocol: Protocol, fold: int, small: bool, seed: int
) -> dict[str, tuple[Predictions, tuple[str, ...]]]:
    """Name of a model -> its predictions, and the names of the classes."""
    classes: list[tuple[str, ...]] = []

    def clips(trial: Trial, role: str | None) -> FeatureDataset:
        opened = FeatureDataset(
            root,
            features=trial.features,
            labels=labels,
            scheme=protocol.scheme if role else None,
            fold=fold if role else None,
            role=role,
            missing="drop",
            variants=trial.variants if role == "train" else (0,),
            align=trial.align,
        )
        classes.append(opened.classes)
        return opened

    if protocol.own and paper.published is not None:
        predictions = paper.published(clips, small, seed)
    else:
        predictions = {}
        validated = "valid" in _roles(FeatureStore(root), protocol.scheme, fold)
        for trial in paper.trials(small):
            model = loop.train(
                trial,
                clips(trial, "train"),
                clips(trial, "valid") if validated else None,
                seed,
                small,
            )
            predictions[trial.name] = loop.predict(model, trial, clips(trial, "test"))
        predictions |= paper.combine(predictions)
    return {name: (found, classes[0]) for name, found in predictions.items()}


def _report(
    protocol: Protocol, fold: int, model: str, found: Predictions, classes: tuple[str, ...]
) -> Result:
    scores = Scores(found.targets, found.probabilities.argmax(axis=1), len(classes))
    print(
        f"\n{model}, fold {fold} of {protocol.scheme}: accuracy {scores.accuracy:.3f}, macro-F1 "
        f"{scores.macro_f1:.3f}"
    )
    for note in found.notes:
        print(f"  {note}")
    print(table(scores, classes))
    return Result(protocol, fold, model, scores)


def summary(recipe: str, results: Sequence[Result]) -> str:
    """One line for each model and scheme: the mean over folds, beside chance."""
    lines = [f"\n{recipe:<44} {'accuracy':>9} {'macro-F1':>9} {'chance':>9}  folds"]
    for scheme in dict.fromkeys(result.protocol.scheme for result in results):
        lines.append(f"  {scheme}")
        of_scheme = [result for result in results if result.protocol.scheme == scheme]
        for model in dict.fromkeys(result.model for result in of_scheme):
            scores = [result.scores for result in of_scheme if result.model == model]
            means = (
                sum(values) / len(scores)
                for values in zip(
                    *((s.accuracy, s.macro_f1, s.chance) for s in scores), strict=True
                )
            )
            lines.append(
                f"    {model:<40} "
                + " ".join(f"{mean:>9.3f}" for mean in means)
                + f"  {len(scores)}"
            )
    return "\n".join(lines)


def protocols(paper: Paper, store: FeatureStore, schemes: Sequence[str]) -> list[Protocol]:
    """The named schemes; else the first of the paper's own that the store has, and the
    subject-disjoint one."""
    there = {row.scheme for row in store.rows(FOLDS)}
    own = next((scheme for scheme in paper.own if scheme in there), None)
    wanted = tuple(schemes) or tuple(
        dict.fromkeys(
            scheme for scheme in (own, DISJOINT) if scheme in there and scheme is not None
        )
    )
    missing = [scheme for scheme in wanted if scheme not in there]
    if missing or not wanted:
        ways = " or ".join(missing or (*paper.own, DISJOINT))
        raise NotReady(
            f"{store.location} has no folds of {ways}; make them: "
            f"affectstore split {store.location} {(missing or paper.own)[0]}"
        )
    return [_protocol(scheme, scheme in paper.own, store) for scheme in wanted]


def _protocol(scheme: str, own: bool, store: FeatureStore) -> Protocol:
    subject = {clip.clip_id: clip.subject_id for clip in store.rows(CLIPS)}
    rows = [row for row in store.rows(FOLDS) if row.scheme == scheme]
    trained = {(row.fold, subject[row.clip_id]) for row in rows if row.role == "train"}
    tested = [(row.fold, subject[row.clip_id]) for row in rows if row.role == "test"]
    return Protocol(
        scheme,
        own,
        tuple(sorted({row.fold for row in rows})),
        sum(one in trained for one in tested),
        len(tested),
    )


def _roles(store: FeatureStore, scheme: str, fold: int) -> set[str]:
    return {str(row.role) for row in store.rows(FOLDS) if (row.scheme, row.fold) == (scheme, fold)}


def _labels(paper: Paper, store: FeatureStore) -> str:
    there = {row.scheme for row in store.rows(LABELS)}
    for name in paper.labels:
        if name in there or (name in SPACES and there & SPACES[name].sources.keys()):
            return name
    raise NotReady(
        f"{store.location} has the labels {', '.join(sorted(there)) or '(none)'}; {paper.recipe} "
        f"learns {' or '.join(paper.labels)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.train",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("store", type=Path)
    parser.add_argument(
        "--scheme",
        action="append",
        default=[],
        help="a split scheme of the store; may be given again",
    )
    parser.add_argument(
        "--small", action="store_true", help="few epochs and narrow models: minutes on two cores"
    )
    parser.add_argument(
        "--sample",
        action="store_true",
        help="first make the sample corpus, build, split and fit what is not there yet",
    )
    parser.add_argument("--folds", type=int, help="run only so many folds of each scheme")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    paper = paper_of(given.recipe)
    try:
        if given.sample:
            from examples.prepare import prepare_sample

            prepare_sample(paper, given.store)
        run(paper, given.store, given.scheme, given.small, given.seed, given.folds)
    except (NotReady, LookupError, FileNotFoundError) as error:
        sys.exit(f"examples.train: {error.args[0] if error.args else error}")


if __name__ == "__main__":
    main()
