"""Scores of the sample corpus, kept from runs, so that the docs can print them.

`python -m examples.papers --runs OUT` keeps those of OUT/donatus2026/run, OUT/tucker2025/run and so
on, as `make papers` leaves them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.kept import KeptModel, open_run
from examples.not_ready import NotReady
from examples.protocol import DISJOINT
from examples.run_folder import write_json
from examples.train import RECIPES

KEPT = Path(__file__).with_name("stated") / "sample_scores.json"


def keep(out: Path) -> list[str]:
    """Takes over the scores of each paper that has a run there.

    NotReady, in one sentence, where there is none, or one that is not of its recipe.

    Returns:
        The recipes whose scores are new.
    """
    found = [recipe for recipe in RECIPES if (out / recipe / "run" / "metrics.json").is_file()]
    if not found:
        raise NotReady(
            f"{out} has no finished run of a paper; `python -m examples.train NAME STORE --sample "
            f"--small --out {out}/NAME/run` makes one, for NAME any of {', '.join(RECIPES)}"
        )
    kept = read()
    for recipe in found:
        run = open_run(out / recipe / "run")
        if run.facts.get("recipe") != recipe:
            raise NotReady(
                f"{run.root} is a run of {run.facts.get('recipe')}, expected one of {recipe}"
            )
        kept[recipe] = {
            "device": run.facts["device"],
            "torch": run.facts["versions"]["torch"],
            "schemes": {
                scheme: {name: _scores(model) for name, model in models.items()}
                for scheme, models in run.schemes.items()
            },
        }
    write_json(KEPT, {recipe: kept[recipe] for recipe in RECIPES if recipe in kept})
    return found


def _scores(model: KeptModel) -> dict[str, float]:
    means = {name: value["mean"] for name, value in model.metrics["over_runs"].items()}
    trained = sum(float(history["seconds"].sum()) for history in model.histories)
    return {
        **{name: round(means[name], 4) for name in ("accuracy", "macro_f1", "chance")},
        "trained_s": round(trained, 1),
    }


def read() -> dict[str, Any]:
    """Recipe -> what was kept of its run; empty where nothing was."""
    if not KEPT.is_file():
        return {}
    found: dict[str, Any] = json.loads(KEPT.read_text("utf-8"))
    return found


def table() -> str:
    """All that was kept, in Markdown: a row for each model."""
    lines = [
        "| recipe | model | the paper's split | `subject_kfold` | chance | training, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, run in read().items():
        shown = f"`{recipe}`"
        for name, own, disjoint in _models(run["schemes"]):
            chance = (disjoint or own)["chance"]
            trained = sum(one["trained_s"] for one in (own, disjoint) if one)
            cells = [shown, name, _accuracy(own), _accuracy(disjoint), f"{chance:.2f}"]
            lines.append(f"| {' | '.join(cells)} | {f'{trained:.0f}' if trained else '-'} |")
            shown = ""
    return "\n".join(lines)


def _models(schemes: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name of a model, its scores under the paper's own split and under the disjoint one; empty
    where it was not run there."""
    disjoint = schemes.get(DISJOINT, {})
    own: dict[str, Any] = next((schemes[scheme] for scheme in schemes if scheme != DISJOINT), {})
    for name in dict.fromkeys([*own, *disjoint]):
        yield name, own.get(name, {}), disjoint.get(name, {})


def _accuracy(scores: dict[str, Any]) -> str:
    return f"{scores['accuracy']:.2f}" if scores else "-"
