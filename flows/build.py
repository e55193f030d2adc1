"""The flow `build`: corpora in, one committed snapshot out."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import opaque

from extractors.base import Runtime
from extractors.engines import resolve
from flows.commit import Result, commit
from flows.crew import Crew, cores
from flows.guard import build_guarded, inspect_guarded
from flows.meter import Meter
from flows.pending import Held
from flows.recipe import Recipe, load
from flows.shards import ShardTask
from flows.steps import Plan, Scan, check_corpora, list_clips, load_held, locked, make_plan
from manifests.corpora.catalog import Found
from stores.atomic import sweep
from stores.records import ShardRecord

_CLIPS_PER_INSPECTION = 32

T = TypeVar("T")


def _may_pass(task: Any, run: Any, state: Any) -> bool:
    """Only trouble of a disk or network that waiting can mend is worth another try; a full disk is not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY}


# The store is the cache: a task skips the shards that are there. Arrays never pass through Prefect.
_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": 5,
    "retry_condition_fn": _may_pass,
}


def _whole(value: T) -> T:
    """The value as it is: Prefect looks for futures inside every argument, and there are none in these."""
    return cast(T, opaque(value))


_inspect = task(name="inspect-clips", **_OPTIONS)(inspect_guarded)
_build = task(name="build-shards", **_OPTIONS)(build_guarded)


# The crew bounds what runs at once; these threads only wait for it.
@flow(name="build", task_runner=ThreadPoolTaskRunner(max_workers=32), persist_result=False)  # type: ignore[arg-type]
def build(
    store: Path, corpora: dict[str, Path], recipe: str = "default", changes: tuple[str, ...] = (), workers: int | None = None
) -> Result:
    """Bring a store up to date with its corpora.

    store: folder of the store, made if it is missing. corpora: name -> folder. recipe: name or TOML file; changes: `key.path=value`.
    workers: processes of this machine, one for each core if None. Publishes one snapshot, or nothing when nothing changed.
    """
    checked = load(recipe, changes)
    listed = list_clips(corpora, checked.ignore_known_issues)
    with locked(store):
        sweep(store)
        held = load_held(store)
        check_corpora(store, held, corpora)
        scan = _scan(corpora, listed, held, checked, workers or cores())
        plan = make_plan(store, checked, scan, held)
        engine = _engine(checked, plan)
        records = _build_all(plan, engine, checked.encode.batch, workers or cores())
        return commit(store, checked, scan, held, plan, records, engine)


def _scan(corpora: Mapping[str, Path], listed: Sequence[Found], held: Held, recipe: Recipe, workers: int) -> Scan:
    limits = recipe.decoding.limits
    with Meter("reading headers", len(listed)) as meter, Crew(workers, meter.advance) as crew:
        futures = []
        for at in range(0, len(listed), _CLIPS_PER_INSPECTION):
            some = listed[at : at + _CLIPS_PER_INSPECTION]
            paths = [corpora[f.clip.corpus] / f.clip.path for f in some]
            known = {f.clip.clip_id: held.clips[f.clip.clip_id] for f in some if f.clip.clip_id in held.clips}
            futures.append(_inspect.submit(_whole(crew), _whole(some), _whole(paths), _whole(known), _whole(limits)))
        found = [f for future in futures for f in future.result()]
    return Scan(dict(corpora), tuple(found))


def _engine(recipe: Recipe, plan: Plan) -> str:
    """Which engine the networks run on; `none` where no network is to run. Weights that are missing end the build here."""
    encoders = recipe.graph.encoders({name for task in plan.tasks for name in task.features})
    for encoder in encoders.values():
        encoder.ensure_weights()
    return resolve(recipe.encode.engine) if encoders else "none"


def _build_all(plan: Plan, engine: str, batch: int | None, workers: int) -> list[dict[str, ShardRecord]]:
    if not plan.tasks:
        return []
    clips = sum(len(t.clips) for t in plan.tasks)
    workers = min(workers, len(plan.tasks))
    runtime = Runtime(engine, threads=1, batch=batch)
    with Meter("building features", clips) as meter, Crew(workers, meter.advance) as crew:
        futures = [
            _build.with_options(task_run_name=_run_name(number, shards)).submit(_whole(crew), _whole(shards), _whole(runtime))
            for number, shards in enumerate(plan.tasks)
        ]
        return [future.result() for future in futures]


def _run_name(number: int, task: ShardTask) -> str:
    return f"shards-{number:05d}: {len(task.clips)} clips, {', '.join(task.features)}"
