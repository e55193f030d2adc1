"""What was found in each fold, and what all folds say together."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np

from examples.metrics import Scores, measured, table
from examples.plan import Predictions
from examples.protocol import Protocol
from examples.run_folder import Clips, RunFolder

_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Result:
    protocol: Protocol
    fold: int
    model: str
    seed: int
    found: Predictions
    classes: tuple[str, ...]

    @property
    def scores(self) -> Scores:
        decided = self.found.probabilities.argmax(axis=1)
        return Scores(self.found.targets, decided, len(self.classes))


def report(result: Result) -> None:
    """Prints one."""
    scores = result.scores
    print(
        f"\n{result.model}, fold {result.fold} of {result.protocol.scheme}, seed {result.seed}: "
        f"accuracy {scores.accuracy:.3f}, balanced {scores.balanced_accuracy:.3f}, macro-F1 "
        f"{scores.macro_f1:.3f}"
    )
    absent = set(scores.decided.tolist()) - set(scores.tested.tolist())
    if absent:
        names = ", ".join(result.classes[number] for number in sorted(absent))
        print(f"  means are over the classes that are tested; predicted and not tested: {names}")
    for note in result.found.look.notes:
        print(f"  {note}")
    print(table(scores, result.classes))


def with_earlier(
    now: Sequence[Result],
    folder: RunFolder,
    protocols: Iterable[Protocol],
    models: Sequence[str],
    clips: Collection[str],
) -> list[Result]:
    """Results of this command, and of those before it that trained another part of the same run.

    protocols: of all schemes of the run; models: names in their order; clips: ids of all.
    """
    found = {(one.protocol.scheme, one.fold, one.seed, one.model): one for one in now}
    of_scheme = {one.scheme: one for one in protocols}
    for key, kept in folder.finished().items():
        scheme, fold, seed, model = key
        if key not in found and scheme in of_scheme:
            found[key] = Result(of_scheme[scheme], fold, model, seed, *kept.predictions(clips))
    names = dict.fromkeys([*models, *(one.model for one in now)])
    names |= dict.fromkeys(sorted(one.model for one in found.values()))
    place = {name: at for at, name in enumerate(names)}

    def order(one: Result) -> tuple[bool, str, int, int, int]:
        return not one.protocol.own, one.protocol.scheme, place[one.model], one.fold, one.seed

    return sorted(found.values(), key=order)


def _grouped(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    """(scheme, model) -> its results, in the order in which they came."""
    found: dict[tuple[str, str], list[Result]] = {}
    for scheme in dict.fromkeys(result.protocol.scheme for result in results):
        for result in results:
            if result.protocol.scheme == scheme:
                found.setdefault((scheme, result.model), []).append(result)
    return found


def together(results: Sequence[Result], clips: Clips) -> dict[str, Any]:
    """Scheme -> model -> mean and deviation over folds and seeds, and all that is measured of the
    clips of all folds as one test; of several seeds a clip is in it once for each."""
    found: dict[str, Any] = {}
    for (scheme, model), each in _grouped(results).items():
        tested = [(clip_id, one) for one in each for clip_id in one.found.clip_ids]
        groups = {
            "sex": [clips[clip_id][1] or "unknown" for clip_id, _ in tested],
            "corpus": [clip_id.partition("/")[0] for clip_id, _ in tested],
        }
        found.setdefault(scheme, {})[model] = {
            "runs": [{"fold": one.fold, "seed": one.seed} for one in each],
            "over_runs": {
                name: {"mean": average, "deviation": deviation}
                for name, (average, deviation) in _spread(each).items()
            },
            "pooled": measured(
                np.concatenate([one.found.targets for one in each]),
                np.concatenate([one.found.probabilities for one in each]),
                each[0].classes,
                groups,
            ),
        }
    return found


def _spread(results: Sequence[Result]) -> dict[str, tuple[float, float]]:
    """Name of a score -> its mean and sample deviation, 0 for one result alone."""
    each = [result.scores.means() for result in results]
    return {
        name: (mean(values), stdev(values) if len(values) > 1 else 0.0)
        for name in each[0]
        for values in [[one[name] for one in each]]
    }


def summary(recipe: str, results: Sequence[Result]) -> str:
    """One line for each model and scheme: mean and deviation over folds and seeds, beside
    chance."""
    heads = ("accuracy", "balanced", "macro-F1")
    lines = [f"\n{recipe:<44} " + "".join(f"{head:>15}" for head in heads) + "   chance  runs"]
    of_scheme = ""
    for (scheme, model), each in _grouped(results).items():
        if scheme != of_scheme:
            lines.append(f"  {scheme}")
            of_scheme = scheme
        spread = _spread(each)
        cells = "".join(f"{spread[one][0]:>8.3f} ±{spread[one][1]:.3f}" for one in _SHOWN)
        lines.append(f"    {model:<40} {cells} {spread['chance'][0]:>8.3f} {len(each):>5}")
    return "\n".join(lines)
