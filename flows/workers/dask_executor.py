"""A build on a Dask cluster: `--dask ADDRESS`, or `--dask local:N` for one on this machine.

Calls go to the workers as bytes and small records come back; how a worker does them is told in
`flows.workers.dask_worker`. Only the client writes the snapshot. A GPU is used on workers that declare one
(`dask worker --resources GPU=1`), and on no others.
"""

# mypy: disallow-untyped-calls=False
# (much of distributed's own interface has no types)

import logging
import os
import pickle
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import dask.config
from distributed import Client, Future, KilledWorker, Nanny, Scheduler, SpecCluster
from distributed.client import FutureCancelledError

from flows.workers.dask_worker import TOPIC, Terms, Unfit, greet, perform
from flows.workers.executor import Advance, Crews, Networks, finds_cuda
from flows.workers.pool import WorkerDied
from stores.mirror import mirror_of

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function, its arguments and its keywords."""

_CONNECT_S = 5.0
_WORKERLESS_S = 60.0
"""How long a build waits for the first worker, or for another one when the last has left."""
_LOOK_S = 5.0
_GPU = {"GPU": 1}
_LOOPBACK = "127.0.0.1"
_UNWATCHED = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
"""Dask samples every thread and times every loop for pages that nobody opens here, at some
hundredths of a processor for each process."""


class ClusterError(RuntimeError):
    """The cluster cannot be used, or no longer; the message says why and what to do."""


@contextmanager
def connect(where: str) -> Iterator[Client]:
    """A client of the scheduler at an address; or, for `local:N`, of a new cluster with N workers
    that ends with the block."""
    workers = local_workers(where)
    with _quiet(), ExitStack() as stack:
        if workers is None:
            yield stack.enter_context(_client(where))
        else:
            stack.enter_context(dask.config.set(_UNWATCHED))
            cluster = stack.enter_context(_local_cluster(workers))
            yield stack.enter_context(Client(cluster, set_as_default=False))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what distributed logs off the terminal: lost workers and connections are errors of ours
    where they matter."""
    loggers = [
        logging.getLogger(name)
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] == "distributed"
    ]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def reach(where: str) -> None:
    """ClusterError, within some seconds, where there is no such scheduler; a cluster of this
    machine is not started for that."""
    if local_workers(where) is None:
        with _quiet():
            _client(where).close()


def local_workers(where: str) -> int | None:
    """N of `local:N`, None for an address. ClusterError for anything else."""
    kind, _, number = where.partition(":")
    if kind != "local":
        if not where.rpartition(":")[2].isdecimal():
            raise ClusterError(
                f"--dask {where} is neither a scheduler's address, such as tcp://10.0.0.1:8786, "
                "nor local:N, such as local:4"
            )
        return None
    if not number.isdecimal() or int(number) == 0:
        raise ClusterError(
            f"--dask {where} does not say how many workers to start; expected local:N, such as "
            "local:4"
        )
    return int(number)


def _client(address: str) -> Client:
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False, name="affectstore")
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} within {_CONNECT_S:.0f} s; "
            "start one with `dask scheduler`, or check the address and the firewall"
        ) from error


def _local_cluster(workers: int) -> SpecCluster:
    """Workers of one thread that listen on loopback alone, without a dashboard; the first one
    declares a GPU, should there be one."""
    common = {"host": _LOOPBACK, "dashboard": False}
    scheduler = {"cls": Scheduler, "options": {**common, "dashboard_address": f"{_LOOPBACK}:0"}}
    # What takes memory is done in processes that Dask does not look at, though it would look ten
    # times a second.
    worker = {**common, "nthreads": 1, "memory_limit": None, "silence_logs": logging.CRITICAL}
    spec = {
        number: {"cls": Nanny, "options": {**worker, "resources": _GPU if number == 0 else {}}}
        for number in range(workers)
    }
    return SpecCluster(spec, scheduler, silence_logs=logging.CRITICAL)


@contextmanager
def hire(
    where: str, store: Path, clips: Sequence[Path], versions: Mapping[str, str]
) -> Iterator["Cluster"]:
    """The workers of a cluster, all of them found fit to build `store`. `clips`: one of each
    corpus."""
    build = secrets.token_hex(8)
    with connect(where) as client, _probe(store, build) as probe:
        mirror = mirror_of(store)
        terms = Terms(build, versions, store, mirror.url if mirror else None, probe, tuple(clips))
        cluster = Cluster(client, terms, is_local=local_workers(where) is not None)
        cluster.check()
        yield cluster


@contextmanager
def _probe(store: Path, text: str) -> Iterator[Path]:
    """A file in the store that workers must see; `sweep` would remove it if this process were
    killed."""
    probe = store / f".probe.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        probe.write_text(text, encoding="utf-8")
        yield probe
    finally:
        probe.unlink(missing_ok=True)


class Cluster:
    """A `Staff` of Dask workers."""

    def __init__(self, client: Client, terms: Terms, is_local: bool) -> None:
        self._client, self._terms, self._is_local = client, terms, is_local
        self._seen = time.monotonic()
        """When there was a worker for the last time."""

    @property
    def hands(self) -> int:
        return int(self._client.scheduler_info(n_workers=0)["total_threads"])

    def networks(self, wanted: str) -> Networks:
        """torch on the workers that declare a GPU, where there are such; the engine of the client's
        machine is not asked."""
        on_gpu = wanted != "openvino" and self._has_gpu()
        return Networks(("torch" if on_gpu else "openvino") if wanted == "auto" else wanted, on_gpu)

    @contextmanager
    def crews(self, advance: Advance, on_gpu: bool = False) -> Iterator[Crews]:
        def hear(event: tuple[float, tuple[str, float]]) -> None:
            build, clips = event[1]
            if build == self._terms.build:
                advance(clips)

        self._client.subscribe_topic(TOPIC, hear)
        try:
            yield Crews(DaskCrew(self), DaskCrew(self, gpu=True) if on_gpu else None)
        finally:
            self._client.unsubscribe_topic(TOPIC)

    def _has_gpu(self) -> bool:
        """Whether workers declare a GPU; ClusterError when one of them finds none."""
        workers = self._client.scheduler_info()["workers"]
        declared = [
            address for address, worker in workers.items() if worker["resources"].get("GPU", 0) >= 1
        ]
        asked = [
            (address, self.submit((finds_cuda, (), {}), gpu=True, only=address))
            for address in declared
        ]
        without = [address for address, future in asked if not self.wait_for(future)]
        if without and not self._is_local:
            raise ClusterError(
                f"the worker {without[0]} declares a GPU, but its torch finds no CUDA device; "
                "start it without --resources, or install a torch that fits the driver of its GPU"
            )
        return bool(declared) and not without

    def check(self) -> None:
        """Wait for the first worker, and look that each is fit."""
        while not self.hands:
            self._refuse_without_workers()
            time.sleep(0.2)
        for address, error in self._client.run(greet, self._terms, on_error="return").items():
            if isinstance(error, Unfit):
                raise error
            if isinstance(error, BaseException):
                raise ClusterError(
                    f"the worker {address} cannot run affectstore: {type(error).__name__}: "
                    f"{error}; install the same version there"
                ) from error

    def submit(self, call: Call, gpu: bool = False, only: str | None = None) -> "Future[bytes]":
        """Have a call done by any worker, by one with a GPU, or by the one at an address."""
        key = f"{call[0].__name__}-{secrets.token_hex(8)}"
        # Networks first: what they are to see lies on the disk already.
        options: dict[str, Any] = {"resources": _GPU, "priority": 1} if gpu else {}
        places = [only] if only else None
        return self._client.submit(
            perform,
            self._terms,
            gpu,
            pickle.dumps(call),
            key=key,
            pure=False,
            workers=places,
            **options,
        )

    def wait_for(self, future: "Future[bytes]") -> Any:
        """The result of a submitted call. WorkerDied when the process that does it ends,
        ClusterError when the cluster is lost."""
        try:
            while not _is_done(future):
                self._refuse_without_workers()
            return pickle.loads(future.result())  # noqa: S301  (from a worker, which runs what this process sends)
        except KilledWorker as error:
            raise WorkerDied(
                f"{error.allowed_failures + 1} Dask workers ended in the middle of the same work"
            ) from error
        except FutureCancelledError as error:
            raise ClusterError(
                "the connection to the Dask scheduler was lost; run the same command again: what "
                "was finished is kept"
            ) from error
        finally:
            future.release()

    def _refuse_without_workers(self) -> None:
        if self.hands:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _WORKERLESS_S:
            raise ClusterError(
                f"the scheduler has had no worker for {_WORKERLESS_S:.0f} s; start some with "
                "`dask worker ADDRESS`, "
                "and run the same command again: what was finished is kept"
            )


class DaskCrew:
    """An `AnyCrew`: a call runs on whichever Dask worker is free, or on one with a GPU."""

    def __init__(self, cluster: Cluster, gpu: bool = False) -> None:
        self._cluster, self._gpu = cluster, gpu

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """work(*args) on a worker. WorkerDied when the process that does it ends, ClusterError when
        the cluster is lost."""
        result: T = self._cluster.wait_for(self._cluster.submit((work, args, kwargs), self._gpu))
        return result


def _is_done(future: "Future[bytes]") -> bool:
    """Whether it is done, after some seconds of waiting at most."""
    with suppress(TimeoutError):
        future.exception(timeout=_LOOK_S)
    return bool(future.done())
