"""The flow `fit`: what is learned from the training clips of each fold of a scheme, published as a
new snapshot."""

from dataclasses import dataclass
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from flows.building.plan import locked
from flows.fitting.plan import Fits, FitTask, fit_fold
from flows.workers.pool import Crew, WorkerDied, cores
from flows.workers.prefect_executor import OPTIONS, mendable, run_name, whole
from flows.workers.progress import Meter
from stores.atomic import sweep
from stores.mirror import home, shown
from stores.records import FoldState
from stores.snapshot import Snapshot


@dataclass(frozen=True)
class FitResult:
    """What a fit left behind."""

    snapshot: Snapshot
    fitted: int
    """States that are new in the snapshot."""
    held: int
    """States of the scheme that the store had already."""


def fit_guarded(crew: Crew, work: FitTask) -> FoldState:
    """One state, in a worker process."""
    try:
        return crew.call(fit_fold, work)
    except WorkerDied as died:
        raise WorkerDied(
            f"a worker process was ended while it fitted {work.title}, most often because memory "
            f"ran out ({died}); "
            "run the same command again with fewer workers, finished states are kept"
        ) from died


_fit = task(name="fit-fold", **OPTIONS)(fit_guarded)


# The crew bounds what runs at once; these threads only wait for it.
@flow(
    name="fit",
    flow_run_name=run_name("store", "scheme"),
    task_runner=ThreadPoolTaskRunner(max_workers=32),  # type: ignore[arg-type]
    persist_result=False,
)
@mendable
def fit(store: str | Path, scheme: str, workers: int | None = None) -> FitResult:
    """Fit every [fitted.NAME] of the store's recipe for every fold of a split scheme, each on the
    training clips of that fold alone.

    What is fitted already on the same clips stays as it is. workers: processes of this machine, one
    for each core if None. Publishes one snapshot, or nothing where nothing was missing.
    """
    root = home(store)
    with locked(root):
        sweep(root)
        fits = Fits(root, scheme)
        pending = len(fits.pending)
        if pending:
            _fit_all(fits, min(workers or cores(), pending))
        result = FitResult(fits.publish() if pending else fits.snapshot, pending, fits.held)
    create_markdown_artifact(
        _markdown(result, scheme), key="fit", description=f"Fit of {shown(root)} for {scheme}"[:200]
    )
    return result


def _fit_all(fits: Fits, workers: int) -> None:
    total = len(fits.pending) * fits.snapshot.counts["clips"]
    with Meter("fitting", total) as meter, Crew(workers, meter.advance) as crew:
        for tasks in fits.rounds():
            futures = [
                _fit.with_options(task_run_name=work.title).submit(whole(crew), whole(work))
                for work in tasks
            ]
            for work, future in zip(tasks, futures, strict=True):
                fits.add(work.name, future.result())


def _markdown(result: FitResult, scheme: str) -> str:
    lines = [
        f"# Fitted for {scheme}",
        "",
        f"{result.fitted} states are new, {result.held} were there.",
        "",
    ]
    lines += [
        "| feature | fold | training clips | rows of a clip | MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, entry in result.snapshot.fitted.items():
        for one in entry.states:
            if one.scheme == scheme:
                size = (one.bytes + sum(shard.bytes for shard in one.all_shards)) / 1e6
                lines.append(f"| {name} | {one.fold} | {one.clips} | {one.shape} | {size:.2f} |")
    return "\n".join(lines) + "\n"
