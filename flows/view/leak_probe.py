"""What a probe prints: both accuracies and the inflation, in percent and points."""

from typing import TYPE_CHECKING

from flows.view.console import Grid, bold, say
from manifests.features import Json

if TYPE_CHECKING:
    from flows.auditing.intervals import Comparison, Estimate
    from flows.auditing.leak_probe import LeakProbe, ProbePlan


def print_probe(probe: "LeakProbe") -> None:
    """Prints both accuracies and the inflation, in percent and points.

    Args:
        probe: What came out.
    """
    plan = probe.plan
    say()
    say(
        bold("What a leak costs"),
        f": {', '.join(plan.features)} against {plan.labels}, {len(plan.classes)} classes",
    )
    rows = Grid("", "random by clip", plan.scheme, "inflation")
    for name, found in (
        ("accuracy", probe.accuracy),
        ("balanced accuracy", probe.balanced_accuracy),
    ):
        rows.add_row(
            name, _percent(found.leaking), _percent(found.disjoint), _points(found.inflation)
        )
    rows.say()
    where = "the store's" if plan.is_stored else "made for the probe"
    say(
        f"{plan.clips} clips of {_clusters(plan)} subjects, or groups that cannot be parted; "
        f"{plan.folds} folds ({where}), each clip "
        "tested once. Random by clip: the same folds with the clips of each class shuffled."
    )
    say(
        "Logistic regression on the mean and standard deviation of each clip's rows, standardised "
        "within each training fold. 95 % "
        "intervals over subjects or groups, cluster-robust (Cameron and Miller 2015)."
    )


def as_json(probe: "LeakProbe") -> dict[str, Json]:
    """The probe for programs.

    Args:
        probe: What came out.

    Returns:
        JSON values: shares from 0 to 1, the inflation in points.
    """
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


def _clusters(plan: "ProbePlan") -> int:
    return len(set(plan.clusters.tolist()))


def _compared(found: "Comparison") -> dict[str, Json]:
    return {
        "leaking": _measured(found.leaking),
        "disjoint": _measured(found.disjoint),
        "inflation_points": _measured(found.inflation, 100.0),
    }


def _measured(found: "Estimate", scale: float = 1.0) -> dict[str, Json]:
    return {"value": scale * found.value, "low": scale * found.low, "high": scale * found.high}


def _percent(found: "Estimate") -> str:
    """An interval may reach over 0 or 1, which no accuracy does: it is cut where it is shown."""
    return (
        f"{100 * found.value:.1f} % ({100 * max(0.0, found.low):.1f} to "
        f"{100 * min(1.0, found.high):.1f})"
    )


def _points(found: "Estimate") -> str:
    return f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
