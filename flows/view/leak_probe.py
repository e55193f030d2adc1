"""What a probe prints: both accuracies and the inflation, in percent and points."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from flows.auditing.leak_probe import (
    Compared,
    Measured,
    NothingToProbe,
    Plan,
    Probe,
    plan_probe,
    run_probe,
)
from flows.workers.progress import Meter
from manifests.features import Json

_TERMINAL = Console()
_out = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)


def probed(
    sources: Sequence[Path], scheme: str | None, labels: str | None, features: Sequence[str]
) -> Probe:
    """The probe of a store, with a bar for its progress. NothingToProbe for anything but one
    store."""
    if len(sources) != 1 or not sources[0].is_dir():
        raise NothingToProbe(
            f"{sources[0]} is no store; a probe trains on cached features, so give the folder of "
            "a store"
        )
    plan = plan_probe(sources[0], scheme, labels, features)
    with Meter("testing the probe", 2 * plan.clips) as meter:
        return run_probe(plan, meter.advance)


def print_probe(probe: Probe) -> None:
    plan = probe.plan
    _out.print(
        f"\n[bold]What a leak costs[/bold]: {', '.join(plan.features)} against {plan.labels}, "
        f"{len(plan.classes)} classes"
    )
    grid = Grid(
        "",
        "random by clip",
        plan.scheme,
        "inflation",
        show_edge=False,
        pad_edge=False,
        header_style="bold",
    )
    for name, found in (
        ("accuracy", probe.accuracy),
        ("balanced accuracy", probe.balanced_accuracy),
    ):
        grid.add_row(
            name, _percent(found.leaking), _percent(found.disjoint), _points(found.inflation)
        )
    _out.print(grid)
    where = "the store's" if plan.is_stored else "made for the probe"
    _out.print(
        f"{plan.clips} clips of {_clusters(plan)} subjects, or groups that cannot be parted; "
        f"{plan.folds} folds ({where}), each clip "
        "tested once. Random by clip: the same folds with the clips of each class shuffled."
    )
    _out.print(
        "Logistic regression on the mean and standard deviation of each clip's rows, standardised "
        "within each training fold. 95 % "
        "intervals over subjects or groups, cluster-robust (Cameron and Miller 2015)."
    )


def as_json(probe: Probe) -> dict[str, Json]:
    """Shares from 0 to 1, the inflation in points."""
    plan = probe.plan
    return {
        "features": list(plan.features),
        "labels": plan.labels,
        "classes": list(plan.classes),
        "scheme": plan.scheme,
        "scheme_is_stored": plan.is_stored,
        "folds": plan.folds,
        "clips": plan.clips,
        "clusters": _clusters(plan),
        "seed": plan.seed,
        "interval": "95 %, cluster-robust over subjects or groups, Student t (Cameron and Miller "
        "2015)",
        "accuracy": _compared(probe.accuracy),
        "balanced_accuracy": _compared(probe.balanced_accuracy),
    }


def _clusters(plan: Plan) -> int:
    return len(set(plan.clusters.tolist()))


def _compared(found: Compared) -> dict[str, Json]:
    return {
        "leaking": _measured(found.leaking),
        "disjoint": _measured(found.disjoint),
        "inflation_points": _measured(found.inflation, 100.0),
    }


def _measured(found: Measured, scale: float = 1.0) -> dict[str, Json]:
    return {"value": scale * found.value, "low": scale * found.low, "high": scale * found.high}


def _percent(found: Measured) -> str:
    """An interval may reach over 0 or 1, which no accuracy does: it is cut where it is shown."""
    return (
        f"{100 * found.value:.1f} % ({100 * max(0.0, found.low):.1f} to "
        f"{100 * min(1.0, found.high):.1f})"
    )


def _points(found: Measured) -> str:
    return f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
