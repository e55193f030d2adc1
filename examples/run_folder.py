"""A run's folder: what was decided, and for each model of each fold and seed its predictions,
history and weights.

    RUN/run.json                                 settings, snapshot, recipe, versions, device
    RUN/metrics.json                             means and deviations over folds and seeds
    RUN/<scheme>/<fold>/<model>/<seed>/
        predictions.parquet                      a row for each tested clip
        look.npz                                 what else is drawn: attention, gates, steps
        live.npz                                 of a clip that was played; see examples/stream.py
        history.parquet                          a row for each epoch
        best.pt, last.pt                         weights; load with torch.load(weights_only=True)
        metrics.json                             written last: with it the model is finished
        checkpoint.pt                            while it is trained: all that goes on from here

Each file is complete or not there, whenever the run is ended.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from examples.metrics import measured
from examples.not_ready import NotReady
from examples.plan import Look, Predictions
from stores.atomic import leftovers, publishing, sweep, write_bytes

_PLAIN = re.compile(r"[^a-z0-9]+")
Clips = Mapping[str, tuple[str | None, str | None]]
"""Clip id -> subject_id and sex."""
_DECISION = "decision "
"""An array of look.npz is called so, followed by the name of the decision."""
LIVE = "live.npz"
_PROBABILITY = "p_"
"""A column of probabilities is called so, followed by its class."""


def slug(name: str) -> str:
    """The name of a model as a folder's."""
    return _PLAIN.sub("_", name.lower()).strip("_")


class ModelFolder:
    """One model of one fold by one seed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_finished(self) -> bool:
        return (self.path / "metrics.json").is_file()

    def checkpoint(self) -> dict[str, Any] | None:
        """What was kept after the last epoch; None where nothing was."""
        return self._read("checkpoint.pt")

    def keep(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint."""
        with publishing(self.path / "checkpoint.pt") as hidden:
            torch.save(dict(state), hidden)

    @property
    def is_trained(self) -> bool:
        return (self.path / "history.parquet").is_file()

    def history(self) -> pd.DataFrame:
        """A row for each epoch, of a model that is trained."""
        with self.reading("history.parquet") as path:
            return pd.read_parquet(path)

    def weights(self) -> dict[str, Any] | None:
        """Those that are tested; None where training has not ended."""
        return self._read("best.pt") if self.is_trained else None

    def trained(
        self, best: Mapping[str, Any], last: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> None:
        """Writes what training leaves, and removes the checkpoint."""
        for name, state in (("best.pt", best), ("last.pt", last)):
            with publishing(self.path / name) as hidden:
                torch.save(dict(state), hidden)
        with publishing(self.path / "history.parquet") as hidden:
            pd.DataFrame(list(history)).to_parquet(hidden, index=False)
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def finish(
        self, name: str, found: Predictions, classes: Sequence[str], clips: Clips
    ) -> dict[str, Any]:
        """Writes predictions and metrics, and returns the latter; name: the model's."""
        probabilities = found.probabilities
        subject, sex = ([clips[one][at] for one in found.clip_ids] for at in (0, 1))
        table = pd.DataFrame(
            {
                "clip_id": found.clip_ids,
                "subject_id": subject,
                "sex": sex,
                "target": [classes[number] for number in found.targets],
                "predicted": [classes[number] for number in probabilities.argmax(axis=1)],
                **{
                    f"{_PROBABILITY}{name}": probabilities[:, number]
                    for number, name in enumerate(classes)
                },
            }
        )
        groups = {
            "sex": [one or "unknown" for one in sex],
            "corpus": [one.partition("/")[0] for one in found.clip_ids],
        }
        metrics = measured(found.targets, probabilities, classes, groups)
        metrics |= {"model": name, "notes": list(found.look.notes)}
        self._write_look(found.look)
        with publishing(self.path / "predictions.parquet") as hidden:
            table.to_parquet(hidden, index=False)
        sweep(self.path)  # of earlier tries that were killed while they wrote
        write_json(self.path / "metrics.json", metrics)
        return metrics

    @property
    def model(self) -> str:
        """The name of a finished model."""
        with self.reading("metrics.json") as path:
            return str(json.loads(path.read_text(encoding="utf-8"))["model"])

    def predictions(
        self, clips: Collection[str] | None = None
    ) -> tuple[Predictions, tuple[str, ...]]:
        """Those of a finished model, and the names of its classes.

        clips: ids of all clips that may be among them; None: not asked.
        """
        with self.reading("metrics.json") as path:
            metrics = json.loads(path.read_text(encoding="utf-8"))
            classes, notes = tuple(metrics["classes"]), tuple(metrics["notes"])
        with self.reading("predictions.parquet") as path:
            table = pd.read_parquet(path)
            _check_predictions(table, metrics, clips)
        arrays = self.arrays()
        decisions = {
            name.removeprefix(_DECISION): arrays.pop(name)
            for name in sorted(arrays)
            if name.startswith(_DECISION)
        }
        look = Look(notes, arrays, decisions)
        number = {name: i for i, name in enumerate(classes)}
        probabilities = table[[f"{_PROBABILITY}{name}" for name in classes]].to_numpy()
        targets = table["target"].map(number).to_numpy("int64")
        return Predictions(tuple(table["clip_id"]), targets, probabilities, look), classes

    def _write_look(self, look: Look) -> None:
        arrays: dict[str, Any] = dict(look.arrays)
        arrays |= {_DECISION + name: at for name, at in look.decisions.items()}
        if arrays:
            self.write_arrays("look.npz", arrays)

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Writes a file of arrays, whole or not at all."""
        with publishing(self.path / name) as hidden, hidden.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def arrays(self) -> dict[str, Any]:
        """What is drawn, by name; empty where there is nothing."""
        found: dict[str, Any] = {}
        for name in ("look.npz", LIVE):
            if (self.path / name).is_file():
                with self.reading(name) as path, np.load(path, allow_pickle=False) as file:
                    found |= {one: file[one] for one in file.files}
        return found

    def _read(self, name: str) -> dict[str, Any] | None:
        if not (self.path / name).is_file():
            return None
        with self.reading(name) as path:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """The path of a file; an error on it in the block is a sentence that says what to
        remove."""
        path = self.path / name
        try:
            yield path
        except Exception as error:
            raise NotReady(
                f"{path} is damaged ({str(error).partition(chr(10))[0]}); remove the folder "
                f"{self.path} and run the training again, which trains this model anew"
            ) from error


def _check_predictions(
    table: pd.DataFrame, metrics: Mapping[str, Any], clips: Collection[str] | None
) -> None:
    """Compares predictions with what was measured of them when they were written; ValueError says
    what was changed since."""
    classes = list(metrics["classes"])
    names = ["clip_id", "target", *(f"{_PROBABILITY}{name}" for name in classes)]
    if lacking := [name for name in names if name not in table]:
        raise ValueError(f"it has no column {lacking[0]}")
    if foreign := sorted({*table["target"]} - {*classes}, key=str):
        raise ValueError(f"it has the target {foreign[0]!r}, expected one of {', '.join(classes)}")
    if clips is not None and (unknown := sorted({*table["clip_id"]} - {*clips}, key=str)):
        raise ValueError(f"it has the clip {unknown[0]!r}, which the store has not")
    probabilities = table[names[2:]].to_numpy("float64")
    numbers = {name: number for number, name in enumerate(classes)}
    targets = table["target"].map(numbers).to_numpy("int64")
    corpora = {str(one).partition("/")[0] for one in table["clip_id"]}
    if foreign := sorted(corpora - {*metrics["by_corpus"]}):
        raise ValueError(f"it has clips of {foreign[0]}, on which it was not tested")
    if measured(targets, probabilities, classes, {})["confusion"] != metrics["confusion"]:
        raise ValueError("its confusion is not that of metrics.json, which was written with it")


class RunFolder:
    """The folder of a run, which one recipe on one snapshot with one set of settings may fill."""

    def __init__(self, root: Path, facts: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        """Opens the folder or begins it.

        facts: what must be the same whenever the run goes on; NotReady names what is not.
        notes: what is written down beside and may be another: versions, the device.
        """
        self.root, self.facts, self.notes = root, dict(facts), dict(notes)
        self.dropped: dict[str, str] = {}
        before = self._before()
        for name, value in self.facts.items():
            if before and (was := before.get(name)) != _plain(value):
                raise NotReady(
                    f"{root} holds a run with another {name} ({_differing(was, value)}); give "
                    "another folder by --out, or the same values"
                )
        self.dropped = dict(before.get("dropped") or {})
        self.write()

    def _before(self) -> dict[str, Any]:
        path = self.root / "run.json"
        if not self.root.is_dir() and (self.root.exists() or self.root.is_symlink()):
            raise NotReady(f"{self.root} is no folder; give a new or empty folder by --out")
        if not path.is_file():
            if self.root.is_dir() and {*self.root.iterdir()} - {*leftovers(self.root)}:
                raise NotReady(
                    f"{self.root} is a folder with other files in it and no run.json; give a new "
                    "or empty folder by --out"
                )
            return {}
        try:
            before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise NotReady(f"{path} is damaged ({error}); give another folder by --out") from error
        if not isinstance(before, dict) or "recipe" not in before:
            raise NotReady(f"{path} is damaged (it has no recipe); give another folder by --out")
        return before

    def write(self) -> None:
        """Writes run.json as of now."""
        found = {**self.facts, **self.notes, "dropped": dict(sorted(self.dropped.items()))}
        write_json(self.root / "run.json", found)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Writes the metrics of all models."""
        for left in leftovers(self.root):  # of commands that were killed while they wrote
            if left.parent == self.root:
                left.unlink(missing_ok=True)
        write_json(self.root / "metrics.json", metrics)

    def finished(self) -> dict[tuple[str, int, int, str], ModelFolder]:
        """(scheme, fold, seed, model) -> each that is finished, whichever command trained it."""
        found = {}
        for path in sorted(self.root.glob("*/*/*/*/metrics.json")):
            scheme, fold, _, seed, _ = path.relative_to(self.root).parts
            kept = ModelFolder(path.parent)
            found[scheme, int(fold), int(seed), kept.model] = kept
        return found

    def model(self, scheme: str, fold: int, model: str, seed: int) -> ModelFolder:
        return ModelFolder(self.root / scheme / str(fold) / slug(model) / str(seed))


def write_json(path: Path, value: Any) -> None:
    """Writes plain values, for people and programs."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    write_bytes(path, f"{text}\n".encode())


def _differing(was: Any, value: Any) -> str:
    if isinstance(was, dict) and isinstance(value, Mapping):
        names = sorted(key for key in {*was, *value} if was.get(key) != _plain(value.get(key)))
        return ", ".join(f"{key} was {was.get(key)!r}, is {value.get(key)!r}" for key in names[:3])
    return f"was {was!r}, is {value!r}"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
