"""Steps on a Dask cluster: `--dask ADDRESS`, or `--dask local:N` for one on this machine.

Calls go to the workers as bytes and small records come back; `dask_worker` runs them there. Only
the client writes the snapshot. A GPU is used on workers that declare one
(`dask worker --resources GPU=1`), and on no others.
"""

# mypy: disallow-untyped-calls=False
# (much of distributed's own interface has no types)

import logging
import os
import pickle
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import dask.config
from distributed import Client, Future, KilledWorker, Nanny, Scheduler, SpecCluster
from distributed.client import FutureCancelledError

from flows.workers.dask_pool import DaskPool
from flows.workers.dask_worker import (
    TOPIC,
    Requirements,
    UnfitWorker,
    Workspace,
    check_worker,
    run_call,
)
from flows.workers.deaths import WorkerDied
from flows.workers.executor import Executor, Pools
from flows.workers.local_executor import StepThreads
from flows.workers.process import Advance

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function, its arguments and its keyword arguments."""

_CONNECT_S = 5.0
_WORKERLESS_S = 60.0
"""How long a build waits for the first worker, or for another one when the last has left."""
_POLL_S = 5.0
_GPU = {"GPU": 1}
_LOOPBACK = "127.0.0.1"
# Dask samples every thread and times every loop for pages that nobody opens here, at some
# hundredths of a processor for each process.
_UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
}


class ClusterError(RuntimeError):
    """The cluster cannot be used, or no longer; the message says why and what to do."""


@contextmanager
def connect(where: str) -> Iterator[Client]:
    """Connects to a cluster.

    Args:
        where: The address of a scheduler; or `local:N` for a new cluster with N workers, which
            ends with the block.

    Yields:
        A client.

    Raises:
        ClusterError: Nothing answers there.
    """
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
    """Keeps what distributed logs off the terminal: what matters becomes an error of ours."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def reach(where: str) -> None:
    """Checks within some seconds that a scheduler answers; a local cluster is not started for that.

    Args:
        where: As for `connect`.

    Raises:
        ClusterError: Nothing answers there.
    """
    if local_workers(where) is None:
        with _quiet():
            _client(where).close()


def local_workers(where: str) -> int | None:
    """Reads what is given for --dask.

    Args:
        where: `local:N` or an address.

    Returns:
        N; None for an address.

    Raises:
        ClusterError: It is neither.
    """
    kind, _, number = where.partition(":")
    if kind != "local":
        if not where.rpartition(":")[2].isdecimal():
            raise ClusterError(
                f"--dask {where} is neither a scheduler's address, such as tcp://10.0.0.1:8786, "
                "nor local:N, such as local:4"
            )
        return None
    if not re.fullmatch("[1-9][0-9]{0,3}", number):
        raise ClusterError(
            f"--dask {where} does not say how many workers to start; "
            "expected local:N, such as local:4"
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
    """Workers of one thread that listen on loopback alone, without a dashboard.

    The first one declares a GPU, should there be one.
    """
    common = {"host": _LOOPBACK, "dashboard": False}
    options = {**common, "dashboard_address": f"{_LOOPBACK}:0"}
    # What takes memory runs in processes that Dask does not watch, though it would look ten times
    # a second.
    worker = {**common, "nthreads": 1, "memory_limit": None, "silence_logs": logging.CRITICAL}
    spec = {
        number: {"cls": Nanny, "options": {**worker, "resources": {} if number else _GPU}}
        for number in range(workers)
    }
    scheduler = {"cls": Scheduler, "options": options}
    return SpecCluster(spec, scheduler, silence_logs=logging.CRITICAL)


@contextmanager
def dask_executor(
    where: str, store: Workspace, clips: Sequence[Path], versions: Mapping[str, str]
) -> Iterator["DaskExecutor"]:
    """Connects to a cluster, and checks that every worker of it is fit for a build.

    Args:
        where: As for `connect`.
        store: Where the results lie.
        clips: Files that are to be read, one of each place that they lie in.
        versions: Libraries whose version may change the numbers.

    Yields:
        An executor, for as long as the block runs.

    Raises:
        ClusterError: The cluster cannot be used.
        UnfitWorker: A worker cannot take part.
    """
    build = secrets.token_hex(8)
    with connect(where) as client, _probe(store.folder, build) as probe:
        required = Requirements(build, versions, store, probe, tuple(clips))
        executor = DaskExecutor(client, required, is_local=local_workers(where) is not None)
        executor.check()
        try:
            yield executor
        except BaseException:
            executor.close(wait_for_work=False)
            raise
        executor.close(wait_for_work=True)


@contextmanager
def _probe(folder: Path, text: str) -> Iterator[Path]:
    """A file that workers must see; it is named so that a later build removes it after a kill."""
    probe = folder / f".probe.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        probe.write_text(text, encoding="utf-8")
        yield probe
    finally:
        probe.unlink(missing_ok=True)


class DaskExecutor(StepThreads, Executor):
    """An executor whose pools are the workers of a Dask cluster."""

    def __init__(self, client: Client, required: Requirements, is_local: bool) -> None:
        """Prepares the executor; `check` looks at the workers.

        Args:
            client: Connected to the scheduler.
            required: What must hold on every worker.
            is_local: The cluster was started for this build.
        """
        super().__init__()
        self._client, self._required, self._is_local = client, required, is_local
        self._had_worker_at = time.monotonic()

    @property
    def workers(self) -> int:
        """How many calls are worked on at once; workers may join and leave."""
        return int(self._client.scheduler_info(n_workers=0)["total_threads"])

    def has_gpu(self, check: Callable[[], bool]) -> bool:
        workers = self._client.scheduler_info()["workers"]
        declared = [
            address for address, worker in workers.items() if worker["resources"].get("GPU", 0) >= 1
        ]
        asked = [
            (address, self.submit_call((check, (), {}), gpu=True, only=address))
            for address in declared
        ]
        without = [address for address, future in asked if not self.wait_for(future)]
        if without and not self._is_local:
            raise ClusterError(
                f"the worker {without[0]} declares a GPU, but its torch finds no CUDA device; "
                "start it without --resources, or install a torch that fits the driver of its GPU"
            )
        return bool(declared) and not without

    @contextmanager
    def pools(self, advance: Advance, on_gpu: bool = False) -> Iterator[Pools]:
        def count(event: tuple[float, tuple[str, float]]) -> None:
            build, amount = event[1]
            if build == self._required.build:
                advance(amount)

        self._client.subscribe_topic(TOPIC, count)
        try:
            yield Pools(DaskPool(self), DaskPool(self, gpu=True) if on_gpu else None)
        finally:
            self._client.unsubscribe_topic(TOPIC)

    def check(self) -> None:
        """Waits for the first worker, and checks that each is fit.

        Raises:
            ClusterError: There is no worker, or one cannot run affectstore.
            UnfitWorker: A worker cannot take part.
        """
        while not self.workers:
            self._refuse_without_workers()
            time.sleep(0.2)
        answers = self._client.run(check_worker, self._required, on_error="return")
        for address, error in answers.items():
            if isinstance(error, UnfitWorker):
                raise error
            if isinstance(error, BaseException):
                raise ClusterError(
                    f"the worker {address} cannot run affectstore: {type(error).__name__}: "
                    f"{error}; install the same version there"
                ) from error

    def submit_call(
        self,
        call: Call,
        gpu: bool = False,
        only: str | None = None,
        alone_mb: float | None = None,
    ) -> "Future[bytes]":
        """Has a call run by a worker.

        Args:
            call: Function, arguments and keyword arguments, all of which can be pickled.
            gpu: Run it on a worker that declares a GPU.
            only: The address of the one worker that may run it; None: any.
            alone_mb: Run it in a process of its own, with so much memory to spare, in units of
                1e6 bytes; None: in one that has run others.

        Returns:
            The pickled result to come, for `wait_for`.
        """
        key = f"{call[0].__name__}-{secrets.token_hex(8)}"
        # Networks first: their input lies on the disk already.
        options: dict[str, Any] = {"resources": _GPU, "priority": 1} if gpu else {}
        return self._client.submit(
            run_call,
            self._required,
            gpu,
            pickle.dumps(call),
            alone_mb,
            key=key,
            pure=False,
            workers=[only] if only else None,
            **options,
        )

    def wait_for(self, future: "Future[bytes]") -> Any:
        """Waits for a call.

        Args:
            future: As `submit_call` gave it.

        Returns:
            What the function returned.

        Raises:
            WorkerDied: The processes that worked on it ended.
            ClusterError: The cluster was lost.
        """
        try:
            while not _is_done(future):
                self._refuse_without_workers()
            # From a worker, which runs what this process sends.
            return pickle.loads(future.result())  # noqa: S301
        except KilledWorker as error:
            raise WorkerDied(
                f"{error.allowed_failures + 1} Dask workers ended in the middle of the same work"
            ) from error
        except FutureCancelledError as error:
            raise ClusterError(
                "the connection to the Dask scheduler was lost; "
                "run the same command again: what was finished is kept"
            ) from error
        finally:
            future.release()

    def _refuse_without_workers(self) -> None:
        if self.workers:
            self._had_worker_at = time.monotonic()
        elif time.monotonic() - self._had_worker_at > _WORKERLESS_S:
            raise ClusterError(
                f"the scheduler has had no worker for {_WORKERLESS_S:.0f} s; start some with "
                "`dask worker ADDRESS`, and run the same command again: what was finished is kept"
            )


def _is_done(future: "Future[bytes]") -> bool:
    """Waits some seconds at most, and says whether the call has ended."""
    with suppress(TimeoutError):
        future.exception(timeout=_POLL_S)
    return bool(future.done())
