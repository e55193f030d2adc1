"""What a run's folder holds of one model under one scheme, for tables and figures."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from examples.not_ready import NotReady
from examples.plan import Predictions
from examples.run_folder import ModelFolder, slug


@dataclass(frozen=True)
class KeptModel:
    """One model under one scheme, over all folds and seeds."""

    name: str
    folders: tuple[ModelFolder, ...]
    metrics: dict[str, Any]
    """Of RUN/metrics.json: `over_runs` and `pooled`."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.metrics["pooled"]["classes"])

    def score(self, *path: str) -> float | None:
        """A number of the pooled test, such as ("per_class", "angry", "f1"); None where it is not
        there, as of a class that was in no test. ("timing", ...) is of RUN/timing.json, and
        ("look", array, index, ...) the mean over folds and seeds of a number that look.npz has."""
        if path[0] == "look":
            return self._looked(path[1], tuple(map(int, path[2:])))
        at: Any = self.metrics["pooled"]
        for key in path:
            if not isinstance(at, dict) or key not in at:
                return None
            at = at[key]
        return float(at)

    def _looked(self, name: str, at: tuple[int, ...]) -> float | None:
        found = [folder.arrays() for folder in self.folders]
        numbers = [float(arrays[name][at]) for arrays in found if name in arrays]
        return sum(numbers) / len(numbers) if numbers else None

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(true, predicted) clips of all folds and seeds."""
        return np.asarray(self.metrics["pooled"]["confusion"], np.int64)

    @cached_property
    def predictions(self) -> Predictions:
        """Of all folds and seeds."""
        each = [folder.predictions()[0] for folder in self.folders]
        return Predictions(
            tuple(clip_id for one in each for clip_id in one.clip_ids),
            np.concatenate([one.targets for one in each]),
            np.concatenate([one.probabilities for one in each]),
        )

    @cached_property
    def histories(self) -> list[pd.DataFrame]:
        """One for each fold and seed in which the model itself was trained."""
        return [folder.history() for folder in self.folders if folder.is_trained]

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """What is drawn of the first fold and seed."""
        return self.folders[0].arrays()


class Facts(dict[str, Any]):
    """Of run.json; NotReady, in one sentence, for one that is not in it."""

    def __missing__(self, name: str) -> Any:
        raise NotReady(
            f"run.json has no {name}, expected what examples.train writes; run the training once "
            "more, in a new folder"
        )


@dataclass(frozen=True)
class KeptRun:
    """A run that has ended, or of which a part has."""

    root: Path
    facts: Facts
    """Of run.json."""
    schemes: dict[str, dict[str, KeptModel]]
    """Scheme -> model."""

    @property
    def recipe_of_the_store(self) -> dict[str, Any]:
        """As it was resolved; empty where the run did not keep it."""
        found: dict[str, Any] = self.facts.get("recipe_of_the_store", {})
        return found


def open_run(root: Path) -> KeptRun:
    """Reads the folder of a run; NotReady, in one sentence, where it is none or nothing in it has
    ended."""
    found = {}
    for name in ("run.json", "metrics.json"):
        path = root / name
        try:
            found[name] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise NotReady(
                f"{root} has no {name}: no run has ended in it; run "
                f"`python -m examples.train RECIPE STORE --out {root}` to its end"
            ) from error
        except ValueError as error:
            raise NotReady(f"{path} is damaged ({error}); run the training once more") from error
    try:
        schemes = _schemes(root, found["metrics.json"], _times(root))
        facts = Facts(found["run.json"].items())
        _ = facts["recipe"]
    except (KeyError, TypeError, AttributeError) as error:
        raise NotReady(
            f"{root} has a run.json or a metrics.json of another form than examples.train writes; "
            "run the training once more"
        ) from error
    if not schemes:
        raise NotReady(f"{root}/metrics.json has no scheme; run the training once more")
    return KeptRun(root, facts, schemes)


def _schemes(
    root: Path, metrics_of_all: dict[str, Any], times: dict[str, Any]
) -> dict[str, dict[str, KeptModel]]:
    return {
        scheme: {
            model: KeptModel(
                model,
                tuple(
                    ModelFolder(root / scheme / str(run["fold"]) / slug(model) / str(run["seed"]))
                    for run in metrics["runs"]
                ),
                {**metrics, "pooled": {**metrics["pooled"], "timing": times.get(model)}},
            )
            for model, metrics in models.items()
        }
        for scheme, models in metrics_of_all.items()
        if isinstance(models, dict)
    }


def _times(root: Path) -> dict[str, Any]:
    """Model -> what `examples.timing --run` measured; empty where it has not been run."""
    path = root / "timing.json"
    if not path.is_file():
        return {}
    try:
        models: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["models"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotReady(f"{path} is damaged ({error}); run examples.timing once more") from error
    return models
