"""The flow `build`: corpora in, one committed snapshot out."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed
from pydantic import Field

from extractors.base import Runtime
from flows.building.clip_table import Gathering, Scan
from flows.building.commit import Result, commit, versions
from flows.building.file_stats import Looks
from flows.building.isolation import build_guarded, inspect_guarded
from flows.building.pending import Held
from flows.building.pieces import remove_pieces
from flows.building.plan import Plan, check_corpora, list_clips, load_held, locked, make_plan
from flows.building.shard_task import ShardTask
from flows.recipe import Recipe, load
from flows.view.run_summary import Work, outcome, page, slug
from flows.workers.executor import Locals, Networks, Staff
from flows.workers.pool import cores
from flows.workers.prefect_executor import OPTIONS, mendable, run_name, whole
from flows.workers.progress import Meter
from manifests.audits import AUDITS
from manifests.corpora.catalog import CORPORA, Found
from manifests.quarantine import QUARANTINE
from stores.atomic import sweep
from stores.mirror import home, shown
from stores.records import ShardRecord
from stores.snapshot import read_table

_CLIPS_PER_INSPECTION = 32
_CLIPS_AT_ONCE = 4096
_SECONDS_BETWEEN_COUNTS = 5.0
"""Workers may join a cluster at any time."""

_CORPORA_BY_NAME: dict[str, Any] = {"propertyNames": {"enum": list(CORPORA)}, "minProperties": 1}
"""For whoever starts a run by hand: Prefect refuses another corpus before there is a run."""

Q = TypeVar("Q")


_inspect = task(name="inspect-clips", **OPTIONS)(inspect_guarded)
_build = task(name="build-shards", **OPTIONS)(build_guarded)


@flow(name="build", flow_run_name=run_name("store", "recipe"), persist_result=False)
@mendable
def build(
    store: str | Path,
    corpora: Annotated[dict[str, Path], Field(json_schema_extra=_CORPORA_BY_NAME)],
    recipe: str = "default",
    changes: tuple[str, ...] = (),
    workers: Annotated[int | None, Field(ge=1)] = None,
    dask: str | None = None,
    rehash: bool = False,
) -> Result:
    """Bring a store up to date with its corpora.

    Publishes one snapshot, or nothing when nothing changed. The state of the run says what came of
    it, its artifact tells the rest.

    Args:
        store: Folder of the store, made if it is missing; or a URL such as s3://bucket/store.
        corpora: Name of a corpus -> its folder.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        workers: Worker processes of this machine; one for each core if not given.
        dask: Address of a Dask scheduler, or local:N; its workers then do the work.
        rehash: Read every file of the corpora, also those that look as they did when they were last
            read.
    """
    begun = time.monotonic()
    with _no_worker_outlives_an_interrupt():
        root = home(store).absolute()
        result, clips = _build_store(root, corpora, load(recipe, changes), workers, dask, rehash)
    work = Work(clips, time.monotonic() - begun)
    _tell(root, result, work)
    # Prefect takes a state that is returned for that of the run, and gives the caller what is in
    # it.
    return cast(Result, Completed(message=outcome(shown(root), result, work), data=result))


def _tell(store: Path, result: Result, work: Work) -> None:
    snapshot = result.snapshot
    quarantine, findings = (read_table(store, snapshot, table) for table in (QUARANTINE, AUDITS))
    name = shown(store)
    text = page(name, result, work, quarantine, AUDITS.rows(findings))
    key = f"build-{slug(Path(name).name)}"
    create_markdown_artifact(
        text, key=key, description=f"Build of {name}, snapshot {snapshot.number}"[-200:]
    )


@contextmanager
def _no_worker_outlives_an_interrupt() -> Iterator[None]:
    """A run that is cancelled ends now, not with the shards it is at: those are begun again by the
    next one."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            for process in multiprocessing.active_children():
                process.kill()
        raise


def _build_store(
    store: Path,
    corpora: Mapping[str, Path],
    checked: Recipe,
    workers: int | None,
    dask: str | None,
    rehash: bool,
) -> tuple[Result, int]:
    """What was published, and how many clips were computed for it."""
    corpora = {
        name: folder.absolute() for name, folder in corpora.items()
    }  # the same for every worker
    listed = list_clips(corpora, checked.ignore_known_issues)
    with locked(store):
        sweep(store)
        held = load_held(store)
        check_corpora(store, held, corpora)
        with _staff(store, corpora, listed, workers, dask) as staff:
            scan = _scan(
                corpora, listed, held, checked, staff, Looks(store, corpora, listed, rehash)
            ).sharing(held.clip_table)
            del listed  # of a million clips, a gigabyte
            plan = make_plan(store, checked, scan, held)
            networks = _networks(checked, plan, staff)
            records = _build_all(store, plan, networks, checked.encode.batch, staff)
        return commit(store, checked, scan, held, plan, records, networks.engine), plan.tasks.clips


def _staff(
    store: Path,
    corpora: Mapping[str, Path],
    listed: Sequence[Found],
    workers: int | None,
    dask: str | None,
) -> AbstractContextManager[Staff]:
    if dask is None:
        return Locals(workers or cores())
    from flows.workers.dask_executor import hire

    one_of_each = {f.clip.corpus: corpora[f.clip.corpus] / f.clip.path for f in listed}
    return hire(dask, store, list(one_of_each.values()), versions())


def _scan(
    corpora: Mapping[str, Path],
    listed: Sequence[Found],
    held: Held,
    recipe: Recipe,
    staff: Staff,
    looks: Looks,
) -> Scan:
    limits, scanned = recipe.decoding.limits, Gathering()
    left: list[Found] = []
    for at in range(0, len(listed), _CLIPS_AT_ONCE):
        settled, rest = looks.settle(held, at, at + _CLIPS_AT_ONCE)
        scanned.add(settled)
        left += rest

    def begin(some: Sequence[Found]) -> Any:
        paths = [corpora[f.clip.corpus] / f.clip.path for f in some]
        known = held.known(f.clip.clip_id for f in some)
        return _inspect.submit(
            whole(crews.main), whole(some), whole(paths), whole(known), whole(limits)
        )

    parts = [
        left[at : at + _CLIPS_PER_INSPECTION] for at in range(0, len(left), _CLIPS_PER_INSPECTION)
    ]
    with Meter("reading headers", len(left)) as meter, staff.crews(meter.advance) as crews:
        _in_turn(begin, parts, staff, scanned.add)
    scan = scanned.end(corpora)
    looks.keep(scan.clips)
    return scan


def _networks(recipe: Recipe, plan: Plan, staff: Staff) -> Networks:
    """Where the networks run. Weights that are missing end the build here."""
    encoders = recipe.graph.encoders(plan.tasks.features)
    for encoder in encoders.values():
        encoder.ensure_weights()
    return staff.networks(recipe.encode.engine) if encoders else Networks("none", on_gpu=False)


def _build_all(
    store: Path, plan: Plan, networks: Networks, batch: int | None, staff: Staff
) -> list[dict[str, ShardRecord]]:
    if not plan.tasks:
        return []
    runtime = Runtime(networks.engine, threads=1, batch=batch)

    def begin(part: tuple[int, ShardTask]) -> Any:
        number, task = part
        named = _build.with_options(task_run_name=_run_name(number, task))
        # Nobody waits for the last ones: each worker has a part in them.
        hands = staff.hands if number >= len(plan.tasks) - staff.hands else 1
        return named.submit(whole(crews.main), whole(task), whole(runtime), whole(crews.gpu), hands)

    records: list[dict[str, ShardRecord]] = []
    with (
        Meter("building features", plan.tasks.clips) as meter,
        staff.crews(meter.advance, networks.on_gpu) as crews,
    ):
        _in_turn(begin, enumerate(plan.tasks), staff, records.append)
    remove_pieces(store)
    return records


def _in_turn(
    begin: Callable[[Q], Any], parts: Iterable[Q], staff: Staff, end_with: Callable[[Any], None]
) -> None:
    """begin(part) -> a future, and `end_with` its result, for each part, in order. So many are
    begun that no worker waits, and no more: a plan may be long."""
    first = 0
    begun: dict[int, Any] = {}
    ended: set[int] = set()
    room = threading.Condition()

    def end(number: int) -> None:
        with room:
            ended.add(number)
            room.notify()

    for number, part in enumerate(parts):
        with room:
            while len(begun) - len(ended) > 2 * staff.hands:
                room.wait(_SECONDS_BETWEEN_COUNTS)
        while first in ended:
            end_with(begun.pop(first).result())  # ends the build where a part has failed
            ended.remove(first)
            first += 1
        begun[number] = begin(part)
        begun[number].add_done_callback(lambda _, number=number: end(number))
    for future in begun.values():
        end_with(future.result())


def _run_name(number: int, task: ShardTask) -> str:
    return f"shards-{number:05d}: {len(task.clips)} clips, {', '.join(task.features)}"
