"""A fit: what is learned from the training clips of each fold, published as a new snapshot."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from extractors.engines import resolve
from flows.auditing.store import publish_audited
from flows.downloads import shown_downloads
from flows.fitting.plan import FitPlan
from flows.fitting.task import FitError, FitTask, fit_cost, fit_fold
from flows.workers.deaths import WorkerDied
from flows.workers.executor import Executor, Step, WorkerPool, Wrap, run_in_order, unwrapped
from flows.workers.local_executor import LocalExecutor
from flows.workers.pool import cores
from flows.workers.progress import ProgressBar
from manifests.choice import Choice
from manifests.visible import visible
from stores.atomic import sweep
from stores.location import Place, locate
from stores.records import FoldState
from stores.snapshot import Snapshot, load_snapshot, read_tables

_WORTH_A_GPU_H = 4.0
_LIBRARIES = ("affectstore", "numpy", "torch")


@dataclass(frozen=True)
class FitResult:
    """What a fit left behind."""

    snapshot: Snapshot
    fitted: int
    """States that are new in the snapshot."""
    already_fitted: int
    """States of the scheme that the store had before."""


def check_fit(
    store: Place,
    scheme: str,
    workers: int | None = None,
    wrap: Wrap = unwrapped,
    device: str | None = None,
    where: Sequence[str] = (),
) -> None:
    """Refuses what cannot be fitted; begins nothing.

    Args:
        store: Folder or URL of the store.
        scheme: A split scheme that the store has folds of.
        workers: Worker processes of this machine.
        wrap: Makes the executor of another one.
        device: Where networks are tuned.
        where: Conditions on the training clips.

    Raises:
        FitError: There is nothing to fit, too little to learn from, or no such device.
        NotCommitted: There is no store.
        WrongChoice: A condition names what there is not, or leaves no clip.
    """
    if device == "cuda" and resolve("auto") != "torch":
        raise FitError(
            "device cuda: torch finds no CUDA device here; install a build of torch with CUDA on a "
            "machine with an NVIDIA GPU, or leave the device out"
        )
    location = locate(store)
    load_snapshot(location)  # no folder is made where there is no store
    FitPlan(location, scheme, Choice.of(tuple(where)))


def run_fit(
    store: Place,
    scheme: str,
    workers: int | None = None,
    wrap: Wrap = unwrapped,
    device: str | None = None,
    where: Sequence[str] = (),
) -> FitResult:
    """Fits what the store's recipe has under [fitted.NAME], for each fold of a scheme.

    Args:
        store: Folder or URL of the store.
        scheme: A split scheme that the store has folds of.
        workers: Worker processes of this machine; one for each core if None.
        wrap: Makes the executor of another one.
        device: `cuda` or `cpu`, where networks are tuned; None: CUDA where torch finds it.
        where: Conditions on the training clips, such as `channel=speech`; states of the scheme that
            learned from others are replaced.

    Returns:
        What was published; nothing is, where no state was missing.

    Raises:
        FitError: There is nothing to fit, too little to learn from, or no such device.
        WrongChoice: A condition names what there is not, or leaves no clip.
        StoreBusy: Another process is writing to the store.
    """
    check_fit(store, scheme, workers, wrap, device, where)
    location, choice = locate(store), Choice.of(tuple(where))
    with location.lock():
        sweep(location.folder)
        plan = FitPlan(location, scheme, choice)
        pending = len(plan.pending)
        if not pending:
            return FitResult(plan.snapshot, 0, plan.already_fitted)
        most = min(workers or cores(), pending)
        with LocalExecutor(most, hide_gpus=device == "cpu") as executor:
            _fit_all(plan, wrap(executor))
        used = {f"{name} of the last fit": version(name) for name in _LIBRARIES}
        snapshot = publish_audited(
            location,
            plan.snapshot,
            scheme,
            tables=read_tables(location, plan.snapshot),
            fitted=plan.fitted,
            versions={**plan.snapshot.versions, **used},
        )
        return FitResult(snapshot, pending, plan.already_fitted)


def _fit_all(plan: FitPlan, executor: Executor) -> None:
    total = len(plan.pending) * plan.snapshot.counts["clips"]
    with (
        ProgressBar("fitting", total) as progress,
        executor.pools(progress.advance) as pools,
    ):
        for tasks in plan.rounds():
            for name in dict.fromkeys(task.name for task in tasks):
                its_tasks = [task for task in tasks if task.name == name]
                with shown_downloads():
                    its_tasks[0].fitter.ensure_weights()
                _say_cost(its_tasks, pools.main)
            states = run_in_order(executor, _steps(tasks, pools.main))
            for task, state in zip(tasks, states, strict=True):
                plan.add(task.name, state)


def _say_cost(tasks: list[FitTask], pool: WorkerPool) -> None:
    """Says what the fits of one feature will take, where that is long."""
    cost = pool.call(fit_cost, tasks[0])
    if cost is None:
        return
    hours = cost.seconds * len(tasks) / 3600
    where = "core-hours" if cost.device == "cpu" else "hours of the GPU"
    advice = ""
    if cost.device == "cpu" and hours > _WORTH_A_GPU_H:
        advice = "; a GPU takes less of it: --device cuda"
    times = f"{len(tasks)} times that is about {hours:,.1f} {where} at most{advice}"
    print(visible(f"{tasks[0].name}: {cost.work}; {times}"), file=sys.stderr)


def _steps(tasks: list[FitTask], pool: WorkerPool) -> Iterator[Step[FoldState]]:
    for task in tasks:
        yield Step("fit-fold", task.title, lambda task=task: fit_isolated(pool, task))  # type: ignore[misc]


def fit_isolated(pool: WorkerPool, task: FitTask) -> FoldState:
    """Fits one state in a worker process.

    Args:
        pool: Whose worker does it.
        task: The task.

    Returns:
        The record of the state.

    Raises:
        WorkerDied: The worker was ended.
    """
    try:
        return pool.call(fit_fold, task)
    except WorkerDied as died:
        raise WorkerDied(
            f"a worker process was ended while it fitted {task.title}, most often because memory "
            f"ran out ({died}); run the same command again with fewer workers, "
            "finished states are kept"
        ) from died
