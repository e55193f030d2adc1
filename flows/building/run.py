"""A build: corpora in, one committed snapshot out."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from extractors.base import Encoder, Runtime
from extractors.engines import resolve
from flows.building.changed import TaskResult, build_unchanged
from flows.building.choosing import choose_by_header, choose_by_name, narrowed
from flows.building.clip_table import ClipTable, ClipTableBuilder, left_out, list_clips
from flows.building.commit import BuildResult, Commit, versions
from flows.building.committed import Committed, check_place, load_committed
from flows.building.file_stats import FileStats
from flows.building.forgotten import (
    NOBODY_FORGOTTEN,
    ForgottenFiles,
    leave_copies,
    leave_forgotten,
    recipe_without_forgotten,
)
from flows.building.index_builder import NewRows
from flows.building.isolation import build_isolated, probe_isolated
from flows.building.libraries import libraries_for
from flows.building.pieces import remove_pieces
from flows.building.plan import BuildPlan, check_corpora, make_plan, standing_reasons
from flows.building.probing import Probed
from flows.building.recalled import with_recalled
from flows.building.shard_task import ShardTask
from flows.building.together import on_this_machine
from flows.downloads import shown_downloads
from flows.errors import BuildError
from flows.log import LOG
from flows.recipe import Recipe, load
from flows.workers.executor import Executor, Pools, Step, Wrap, run_in_order, unwrapped
from flows.workers.local_executor import LocalExecutor
from flows.workers.pool import cores
from flows.workers.progress import ProgressBar
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from manifests.suggestions import did_you_mean
from stores.atomic import sweep
from stores.location import Location, Place, locate

_CLIPS_PER_PROBING = 32


def check_build(
    store: Place,
    corpora: Mapping[str, Path],
    recipe: str = "default",
    changes: Sequence[str] = (),
    workers: int | None = None,
    dask: str | None = None,
    rehash: bool = False,
    retry: Sequence[str] = (),
    where: Sequence[str] = (),
    wrap: Wrap = unwrapped,
) -> None:
    """Checks what a build is given, as far as that can be seen within seconds.

    Args:
        store: As for `run_build`, like the others.
        corpora: Name of a corpus -> its folder.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        workers: Worker processes of this machine.
        dask: Address of a Dask scheduler, or local:N.
        rehash: Read every file.
        retry: Reasons of the quarantine.
        where: Conditions on the clips, beside the recipe's.
        wrap: Makes the executor of another one.

    Raises:
        ValueError: Whatever is wrong, in one sentence.
    """
    _reasons(retry)
    checked = narrowed(load(recipe, tuple(changes)), where)
    check_place(locate(store))
    choose_by_name(list_clips(corpora, checked.ignore_known_issues), checked.clips)
    _reach(dask)


def _reach(dask: str | None) -> None:
    if dask:
        from flows.workers.dask_executor import reach

        reach(dask)


def run_build(
    store: Place,
    corpora: Mapping[str, Path],
    recipe: str = "default",
    changes: Sequence[str] = (),
    workers: int | None = None,
    dask: str | None = None,
    rehash: bool = False,
    retry: Sequence[str] = (),
    where: Sequence[str] = (),
    wrap: Wrap = unwrapped,
) -> BuildResult:
    """Brings a store up to date with its corpora.

    Args:
        store: Folder of the store, made if it is missing; or a URL such as s3://bucket/store.
        corpora: Name of a corpus -> its folder.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        workers: Worker processes of this machine; one for each core if None.
        dask: Address of a Dask scheduler, or local:N; its workers then do the work.
        rehash: Read every file, also those whose stats are those of when they were last read.
        retry: Reasons of the quarantine; clips that are there for one of them are measured again.
        where: Conditions on the clips, such as `modality=full-AV`, which must hold beside those of
            the recipe.
        wrap: Makes the executor of another one.

    Returns:
        What was published; nothing is, where nothing changed.

    Raises:
        BuildError: The build cannot start, or must not publish.
        WrongChoice: A condition names what there is not, or leaves no clip.
        StoreBusy: Another process is writing to the store.
    """
    begun = time.monotonic()
    location = locate(store)
    folders = {name: folder.absolute() for name, folder in corpora.items()}  # for every worker
    checked, doubted = narrowed(load(recipe, tuple(changes)), where), _reasons(retry)
    check_place(location)  # a store that cannot be reached is named before any work,
    _reach(dask)  # as is a cluster
    listed = list_clips(folders, checked.ignore_known_issues)
    others, gone = left_out(folders, listed), NOBODY_FORGOTTEN
    every, (listed, lying) = listed, choose_by_name(listed, checked.clips)
    with location.lock():
        sweep(location.folder)
        committed = load_committed(location)
        check_corpora(location, committed, folders)
        if committed.snapshot and (forgotten := committed.snapshot.forgotten):
            checked = recipe_without_forgotten(checked, forgotten)
            every, gone = leave_forgotten(every, forgotten, folders)
            listed, lying = choose_by_name(every, checked.clips)
        del every
        held = with_recalled(location, committed, (one.clip.clip_id for one in listed))
        if committed.snapshot is None:  # all is to be made: told before a day of reading files
            _ensure_weights(checked.graph.encoders(checked.stored).values())
        with _executor(location, folders, checked, listed, workers, dask) as executor:
            build = _Build(location, folders, checked, held, wrap(executor))
            standing = standing_reasons(held, checked, doubted)
            table, gone = build.read_headers(listed, rehash, standing, gone)
            table = choose_by_header(table, checked.clips)
            table = table.sharing(committed.clip_table)
            del listed  # of a million clips, a gigabyte
            plan = make_plan(location, checked, table, held, doubted)
            networks = build.place_networks(plan)
            made, rows = build.make_shards(plan, networks)
        changed, records = made.changed, made.records
        table = table.with_changed(changed)
        plan = plan.after(table, changed, checked)
        made_of = (location, checked, table, committed, plan, records, rows)
        snapshot, folds_dropped = Commit(*made_of, networks.engine, lying, held).publish()
    return BuildResult(
        snapshot,
        is_new=snapshot is not committed.snapshot,
        shards_written=sum(map(len, records)),
        folds_dropped=folds_dropped,
        clips_computed=plan.tasks.chunks.clips,
        seconds=time.monotonic() - begun,
        left_out=others,
        listed=lying,
        forgotten=gone,
    )


def _reasons(names: Sequence[str]) -> tuple[Reason, ...]:
    known = [str(reason) for reason in Reason]
    if wrong := [name for name in names if name not in known]:
        hint = did_you_mean(wrong[0], known)
        raise BuildError(
            f"no clip is in quarantine for {wrong[0]!r}; {hint}reasons are {', '.join(known)}"
        )
    return tuple(map(Reason, names))


def _ensure_weights(encoders: Iterable[Encoder]) -> None:
    with shown_downloads():
        for encoder in encoders:
            encoder.ensure_weights()


def _executor(
    location: Location,
    corpora: Mapping[str, Path],
    recipe: Recipe,
    listed: Sequence[Found],
    workers: int | None,
    dask: str | None,
) -> AbstractContextManager[Executor]:
    if dask is None:
        modules = tuple(libraries_for(recipe.graph))
        return LocalExecutor(workers or cores(), offline=location.is_local, modules=modules)
    from flows.workers.dask_executor import dask_executor

    one_of_each = {
        found.clip.corpus: corpora[found.clip.corpus] / found.clip.path for found in listed
    }
    return dask_executor(dask, location, list(one_of_each.values()), versions())


@dataclass(frozen=True)
class _Networks:
    """Where the networks of a build run."""

    engine: str
    """`torch`, `openvino`, or `none` where no network is to run."""
    on_gpu: bool


@dataclass(frozen=True)
class _Build:
    """The stages of a build that worker processes have a part in."""

    location: Location
    corpora: Mapping[str, Path]
    recipe: Recipe
    committed: Committed
    executor: Executor

    def read_headers(
        self,
        listed: Sequence[Found],
        rehash: bool,
        standing: Collection[Reason],
        gone: ForgottenFiles,
    ) -> tuple[ClipTable, ForgottenFiles]:
        """Hashes and probes the files that are new or changed; leaves out what is forgotten."""
        stats = FileStats(self.location, self.corpora, listed, rehash)
        builder = ClipTableBuilder()
        left: list[Found] = []
        for unchanged, changed in stats.split(self.committed, standing):
            builder.add(unchanged)
            left += changed
        LOG.info("%d clips listed, %d of them to be read", len(listed), len(left))
        if left:
            with (
                ProgressBar("reading headers", len(left)) as progress,
                self.executor.pools(progress.advance) as pools,
            ):
                for probed in run_in_order(self.executor, self._probing_steps(left, pools)):
                    builder.add(probed)
                    stats.add(probed)
        snapshot = self.committed.snapshot
        forgotten = snapshot.forgotten if snapshot else None
        table, gone = leave_copies(builder.build(self.corpora), forgotten, gone)
        stats.record(table.clips)  # without their hashes
        return table, gone

    def _probing_steps(self, left: Sequence[Found], pools: Pools) -> Iterator[Step[list[Probed]]]:
        limits = self.recipe.decoding.limits
        for at in range(0, len(left), _CLIPS_PER_PROBING):
            some = left[at : at + _CLIPS_PER_PROBING]
            paths = [self.corpora[found.clip.corpus] / found.clip.path for found in some]
            known = self.committed.clips(found.clip.clip_id for found in some)

            def probe(
                some: Sequence[Found] = some,
                paths: Sequence[Path] = paths,
                known: Mapping[str, Clip] = known,
            ) -> list[Probed]:
                return probe_isolated(pools.main, some, paths, known, limits)

            yield Step("probe-clips", f"clips from {at}", probe)

    def place_networks(self, plan: BuildPlan) -> _Networks:
        """Decides where networks run. Weights that are missing end the build here."""
        encoders = self.recipe.graph.encoders(plan.tasks.chunks.features)
        _ensure_weights(encoders.values())
        if not encoders:
            return _Networks("none", on_gpu=False)
        wanted = self.recipe.encode.engine
        on_gpu = wanted != "openvino" and self.executor.has_gpu(finds_cuda)
        if wanted == "auto":
            return _Networks("torch" if on_gpu else "openvino", on_gpu)
        return _Networks(wanted, on_gpu)

    def make_shards(self, plan: BuildPlan, networks: _Networks) -> tuple[TaskResult, NewRows]:
        """Makes the shards of all tasks, and reads the rows of each while others are made."""
        made, rows = TaskResult(), NewRows(self.recipe.graph.specs)
        if not plan.tasks:
            return made, rows
        clips = plan.tasks.chunks.clips
        LOG.info("%d clips to be computed in %d tasks", clips, len(plan.tasks))
        with (
            ProgressBar("building features", clips) as progress,
            self.executor.pools(progress.advance, networks.on_gpu) as pools,
        ):
            steps = self._shard_steps(plan, networks, pools)
            for result in run_in_order(self.executor, steps):
                made.records += result.records
                made.changed |= result.changed
                for record in result.records:
                    for name, shard in record.items():
                        rows.add_shard(self.location, name, shard)
        remove_pieces(self.location)
        return made, rows

    def _shard_steps(
        self, plan: BuildPlan, networks: _Networks, pools: Pools
    ) -> Iterator[Step[TaskResult]]:
        runtime = Runtime(networks.engine, threads=1, batch=self.recipe.encode.batch)
        encoders = self.recipe.graph.encoders(plan.tasks.chunks.features)
        pools = on_this_machine(pools, encoders.values(), runtime)
        for number, task in enumerate(plan.tasks):
            workers = self.executor.workers
            # The last tasks are shared by all workers, so that none waits for another.
            share = workers if number >= len(plan.tasks) - workers else 1

            def build(task: ShardTask = task, share: int = share) -> TaskResult:
                return build_unchanged(
                    task,
                    self.recipe.stored,
                    lambda part: build_isolated(pools, part, runtime, share),
                    partial(self._probe_again, pools),
                )

            features = ", ".join(task.features)
            name = f"shards-{number:05d}: {len(task.clips)} clips, {features}"
            yield Step("build-shards", name, build)

    def _probe_again(self, pools: Pools, clip: Clip, path: Path) -> Found:
        [found] = probe_isolated(
            pools.main, [Found(clip, ())], [path], {}, self.recipe.decoding.limits
        )
        return found


def finds_cuda() -> bool:
    """Whether torch finds a CUDA device in this process; imports torch."""
    return resolve("auto") == "torch"
