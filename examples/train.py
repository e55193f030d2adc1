"""Trains the models of one recipe on a store, under the paper's own split and under a
subject-disjoint one.

    python -m examples.train donatus2026 STORE --out RUN           a store that is built, split
                                                                   and fitted
    python -m examples.train donatus2026 STORE --sample --small    all of that first, on the
                                                                   sample corpus
    python -m examples.train tcs2026 STORE --joint --out RUN       end to end: the networks that
                                                                   make the embeddings too

Of each fold it prints accuracy, balanced accuracy, macro-F1 and a confusion matrix, and at the end
a summary beside chance. RUN keeps predictions, histories, weights and metrics (see
examples/run_folder.py); ended at any moment, the same command goes on where it stopped. The same
seed gives the same numbers on one machine.
"""

import hashlib
import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from examples.command import ending
from examples.device import CPU, Device, choose
from examples.joint import Backbone, JointSettings, backbones_of, end_to_end, open_clips
from examples.not_ready import NotReady
from examples.options import names_in, parser
from examples.plan import Clips, Paper, Predictions, Trial
from examples.protocol import DISJOINT, Protocol, protocols
from examples.results import Result, report, summary, together, with_earlier
from examples.run_folder import RunFolder
from examples.settings import changed
from examples.shipped import differences_of, has_labels
from examples.trainer import Costs, FoldTrainer
from manifests.clips import CLIPS
from manifests.folds import FOLDS
from manifests.labels import LABELS
from stores import FeatureDataset, FeatureStore, RoleName
from stores.align import Alignment
from stores.made import TRAINING, mark_of, note_made

RECIPES = ("donatus2026", "tucker2025", "tcs2026", "kirar2024", "satvik2025")
_JOINT = "joint."
"""`--set` names the settings of training end to end so."""
_LIBRARIES = ("torch", "numpy", "h5py", "scikit-learn")


@dataclass(frozen=True)
class Choice:
    """What of a paper is run, and how."""

    settings: Any
    """Of the paper's kind."""
    schemes: tuple[str, ...] = ()
    """None: the first of the paper's own that the store has, and the subject-disjoint one."""
    folds: tuple[int, ...] | None = None
    """None: all of each scheme."""
    models: tuple[str, ...] = ()
    """Names, or several with commas between; none: all."""
    seeds: tuple[int, ...] = (0,)
    device: Device = CPU
    labels: str | None = None
    """One of the paper's; None: the first that the store has."""
    joint: JointSettings | None = None
    """Training end to end; None: on stored embeddings."""

    @property
    def facts(self) -> dict[str, Any]:
        """The settings, for the run's folder."""
        joint = {} if self.joint is None else {"joint": asdict(self.joint)}
        return asdict(self.settings) | joint


def paper_of(recipe: str) -> Paper[Any]:
    paper: Paper[Any] = import_module(f"examples.{recipe}").PAPER
    return paper


def run(paper: Paper[Any], root: Path, choice: Choice, out: Path | None = None) -> list[Result]:
    """Trains and tests every model in every fold of every scheme by every seed; prints as it goes.
    NotReady, in one sentence, for what is missing.

    out: the run's folder; None: nothing is kept.
    """
    store = store_of(paper, root)
    differences = differences_of(store, paper.recipe, paper.labels)
    with ExitStack() as stack:
        path = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        going = _Run(paper, root, choice, path, differences)
        if out:
            note_made(root, TRAINING, out, going.mark, store.snapshot.number)
        way = " end to end" if choice.joint else ""
        print(f"{paper.recipe}{way} on {choice.device.title}; snapshot {store.snapshot.number}")
        if choice.joint and choice.device.at.type == "cpu":
            print(
                "WARNING: each step sends every picture through its network and back, which a "
                "processor takes long for; the cost is said before each model is trained"
            )
        _say_differences(differences)
        results = going.results()
    print(summary(paper.recipe, results))
    _say_differences(differences)
    return results


def store_of(paper: Paper[Any], root: Path) -> FeatureStore:
    """Opens a store of a paper's recipe; NotReady for one of another."""
    store = FeatureStore(root)
    if (found := str(store.snapshot.recipe["name"])) != paper.recipe:
        raise NotReady(
            f"{root} was built with the recipe {found}; build one with --recipe {paper.recipe}, "
            f"or train {found}"
        )
    return store


def _say_differences(differences: Sequence[str]) -> None:
    for difference in differences:
        print(f"NOT AS SHIPPED: {difference}")


class _Run:
    """All folds by all seeds, kept in a folder."""

    def __init__(
        self,
        paper: Paper[Any],
        root: Path,
        choice: Choice,
        out: Path,
        differences: Sequence[str],
    ) -> None:
        store = FeatureStore(root)
        self.paper, self.root, self.choice, self.differences = paper, root, choice, differences
        self.labels = labels_of(paper, store, choice.labels)
        trials = _trials(paper, choice)
        self.backbones = {
            trial.name: backbones_of(store, trial.features) for trial in trials if choice.joint
        }
        self.trials = [
            end_to_end(trial, self.backbones[trial.name], choice.joint) if choice.joint else trial
            for trial in trials
        ]
        self.folds = {one: _folds(one, choice) for one in protocols(paper, store, choice.schemes)}
        if choice.models and paper.published is not None:
            _refuse_models(paper, [one.scheme for one in self.folds if one.own])
        self.clips = {clip.clip_id: (clip.subject_id, clip.sex) for clip in store.rows(CLIPS)}
        self.costs = Costs(sum(map(len, self.folds.values())) * len(choice.seeds))
        self.mark = mark_of(store.location, store.snapshot)
        self.folder = RunFolder(
            out,
            {
                "recipe": paper.recipe,
                "settings": choice.facts,
                "snapshot": store.snapshot.number,
                "store": _content(store),
                "labels": self.labels,
                "bf16": choice.device.bf16,
            },
            {
                "device": choice.device.title,
                "made_of": self.mark,
                "differs_from_the_shipped_recipe": differences,
                "recipe_of_the_store": store.snapshot.recipe,
                "versions": {name: version(name) for name in _LIBRARIES}
                | {"python": platform.python_version()},
            },
        )

    def results(self) -> list[Result]:
        """Of each model, printed as they come."""
        found: list[Result] = []
        for protocol, folds in self.folds.items():
            print(f"\n== {protocol.title}")
            for fold in folds:
                for seed in self.choice.seeds:
                    for result in self._fold(protocol, fold, seed):
                        found.append(result)
                        report(result)
        models = [trial.name for trial in self.paper.trials(self.choice.settings)]
        every = with_earlier(found, self.folder, self._protocols(), models, self.clips)
        metrics = together(every, self.clips)
        self.folder.finish({"differs_from_the_shipped_recipe": self.differences, **metrics})
        return found

    def _protocols(self) -> list[Protocol]:
        """Those of this command, and those that the folder has of others."""
        store = FeatureStore(self.root)
        here = {one.scheme for one in self.folds}
        rest = {row.scheme for row in store.rows(FOLDS)} - here
        kept = sorted(one for one in rest if (self.folder.root / one).is_dir())
        return [*self.folds, *(protocols(self.paper, store, kept) if kept else ())]

    def _fold(self, protocol: Protocol, fold: int, seed: int) -> Iterator[Result]:
        trainer = FoldTrainer(
            self.folder, protocol.scheme, fold, seed, self.choice.device, self.costs, _say
        )
        work = _Fold(
            self.paper,
            self.root,
            self.labels,
            protocol,
            trainer,
            self.choice.settings,
            self.backbones,
        )
        for name, (predictions, classes) in work.run(self.trials).items():
            kept = self.folder.model(protocol.scheme, fold, name, seed)
            if not kept.is_finished:
                kept.finish(name, predictions, classes, self.clips)
            yield Result(protocol, fold, name, seed, predictions, classes)
        self.folder.dropped |= work.dropped
        self.folder.write()


def _content(store: FeatureStore) -> str:
    """Hash of the hashes of all files of the snapshot, wherever the store lies."""
    files = sorted((record.file, record.sha256) for record in store.snapshot.files)
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _say(line: str) -> None:
    print(line, flush=True)


class _Fold:
    """The models of one fold by one seed."""

    def __init__(
        self,
        paper: Paper[Any],
        root: Path,
        labels: str,
        protocol: Protocol,
        trainer: FoldTrainer,
        settings: Any,
        backbones: Mapping[str, Mapping[str, Backbone]],
    ) -> None:
        """backbones: of each model that is trained end to end, by its features."""
        self.paper, self.root, self.labels, self.protocol = paper, root, labels, protocol
        self.trainer, self.settings, self.backbones = trainer, settings, backbones
        self.classes: tuple[str, ...] = ()
        self.dropped: dict[str, str] = {}

    def run(self, trials: Sequence[Trial]) -> dict[str, tuple[Predictions, tuple[str, ...]]]:
        """Name of a model -> its predictions, and the names of the classes."""
        if self.protocol.own and self.paper.published is not None:
            found = self.paper.published(self.clips, self.trainer, self.settings)
        else:
            found = {trial.name: self._predictions(trial) for trial in trials}
            found |= self.paper.combine(found)
        for name, one in list(found.items()):
            for decision, probabilities in one.look.decisions.items():
                found[f"{name}, {decision}"] = Predictions(one.clip_ids, one.targets, probabilities)
        return {name: (predictions, self.classes) for name, predictions in found.items()}

    def clips(self, trial: Trial, role: RoleName | None) -> FeatureDataset:
        variants = trial.variants if role == "train" else (0,)
        return self._open(trial.features, variants, role, trial.align)

    def _read(self, trial: Trial, role: RoleName) -> Clips:
        """What the trial's model reads, be it pictures."""
        backbones = self.backbones.get(trial.name)
        if backbones is None:
            return self.clips(trial, role)
        return open_clips(partial(self._open, role=role), trial, backbones, role, self.trainer.seed)

    def _open(
        self,
        features: Sequence[str],
        variants: Sequence[int],
        role: RoleName | None,
        align: Alignment | None = None,
    ) -> FeatureDataset:
        opened = FeatureDataset(
            self.root,
            features=features,
            labels=self.labels,
            target="class",
            scheme=self.protocol.scheme if role else None,
            fold=self.trainer.fold if role else None,
            role=role,
            missing="drop",
            variants=variants,
            align=align,
        )
        self.classes = opened.classes
        self.dropped |= opened.dropped
        return opened

    def _predictions(self, trial: Trial) -> Predictions:
        kept = self.trainer.folder.model(
            self.protocol.scheme, self.trainer.fold, trial.name, self.trainer.seed
        )
        if kept.is_finished:
            clips = {row.clip_id for row in FeatureStore(self.root).rows(CLIPS)}
            predictions, self.classes = kept.predictions(clips)
            return predictions
        roles = _roles(FeatureStore(self.root), self.protocol.scheme, self.trainer.fold)
        watched = self._read(trial, "valid") if "valid" in roles else None
        model = self.trainer.train(trial, self._read(trial, "train"), watched)
        return self.trainer.predict(model, trial, self._read(trial, "test"))


def _trials(paper: Paper[Any], choice: Choice) -> list[Trial]:
    trials = paper.trials(choice.settings)
    names = [trial.name for trial in trials]
    wanted = [name for text in choice.models for name in names_in(text, names)]
    for model in wanted:
        if model not in names:
            raise NotReady(f"--models {model}: {paper.recipe} trains {', '.join(map(repr, names))}")
    return [trial for trial in trials if not wanted or trial.name in wanted]


def _refuse_models(paper: Paper[Any], own: Sequence[str]) -> None:
    """Refuses a choice of models where the paper's own protocol trains them all together."""
    for scheme in own:
        raise NotReady(
            f"--models: {paper.recipe} has models of its own under {scheme}, which are trained "
            f"together; leave --models out, or give --scheme {DISJOINT}"
        )


def _folds(protocol: Protocol, choice: Choice) -> tuple[int, ...]:
    if choice.folds is None:
        return protocol.folds
    for fold in choice.folds:
        if fold not in protocol.folds:
            raise NotReady(
                f"--folds {fold}: {protocol.scheme} has the folds "
                f"{', '.join(map(str, protocol.folds))}"
            )
    return choice.folds


def _roles(store: FeatureStore, scheme: str, fold: int) -> set[str]:
    return {str(row.role) for row in store.rows(FOLDS) if (row.scheme, row.fold) == (scheme, fold)}


def labels_of(paper: Paper[Any], store: FeatureStore, wanted: str | None = None) -> str:
    """The first label scheme or space of a paper that a store has, or the one that is wanted."""
    for name in paper.labels:
        if wanted in (None, name) and has_labels(store, name):
            return name
    there = {row.scheme for row in store.rows(LABELS)}
    asked = f"--labels {wanted}: " if wanted else ""
    raise NotReady(
        f"{asked}{store.location} has the labels {', '.join(sorted(there)) or '(none)'}; "
        f"{paper.recipe} learns {' or '.join(paper.labels)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    given = parser(__doc__, RECIPES).parse_args(arguments)
    paper = paper_of(given.recipe)
    with ending("examples.train"):
        # Networks this small gain nothing from a second thread, and wait long for it where the
        # cores are shared.
        of_joint = [one.removeprefix(_JOINT) for one in given.set if one.startswith(_JOINT)]
        of_model = [one for one in given.set if given.joint is False or not one.startswith(_JOINT)]
        device = choose(given.device, given.bf16, threads=1 if given.small else None)
        choice = Choice(
            changed(paper.small if given.small else paper.settings, of_model),
            tuple(given.scheme),
            given.folds,
            tuple(given.models),
            given.seeds,
            device,
            labels=given.labels,
            joint=changed(JointSettings(), of_joint) if given.joint else None,
        )
        if given.sample:
            from examples.prepare import prepare_sample

            prepare_sample(paper, given.store)
        run(paper, given.store, choice, given.out)


if __name__ == "__main__":
    main()
