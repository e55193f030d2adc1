"""`affectstore serve`: builds of one store by the clock.

The command keeps the terminal, checks what it was given, and holds a local Prefect server where
none is configured. Its child, the runner, registers the schedule with Prefect and starts each build
in a process of its own. Both end with the command, however that ends.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows import shipped
from flows.alerts import ALERT, check_address, send
from flows.building.run import check_build
from flows.local_server import local_server, reach, use_own_home
from flows.recording import server_url
from flows.supervised import supervised, when_parent_ends
from flows.view.run_summary import location_text, store_slug
from manifests.visible import visible
from stores.location import Place, StoreBusy, locate

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.runner import Runner

_NEXT = 3


class ServeError(RuntimeError):
    """The schedule cannot be kept; the message says why and what to do."""


@dataclass(frozen=True)
class Service:
    """What is built, and when."""

    store: str
    corpora: dict[str, str]
    recipe: str
    changes: tuple[str, ...]
    cron: str
    zone: str
    """IANA name of the time zone that `cron` is read in."""
    workers: int | None
    dask: str | None

    @property
    def name(self) -> str:
        """Store and recipe, and digits that tell apart stores whose folders have one name."""
        return store_slug(locate(self.store), Path(self.recipe).stem)


def serve(
    store: Place,
    corpora: dict[str, Path],
    recipe: str,
    changes: tuple[str, ...],
    cron: str,
    workers: int | None,
    dask: str | None,
    alert: str | None = None,
) -> NoReturn:
    """Builds a store whenever a clock says so, until an interrupt.

    Args:
        store: Folder or URL of the store.
        corpora: Name of a corpus -> its folder.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        cron: When, in this machine's time zone.
        workers: Worker processes of this machine; one for each core if None.
        dask: Address of a Dask scheduler, or local:N.
        alert: Address that a failed build is reported to; that in AFFECTSTORE_ALERT if None.

    Raises:
        ServeError: `cron` is wrong, or the runner has ended by itself.
        ValueError: Something else is wrong with what was given; nothing is started then.
    """
    if alert:
        os.environ[ALERT] = alert
    if os.environ.get(ALERT):
        check_address(os.environ[ALERT])
    folders = {name: folder.absolute() for name, folder in corpora.items()}
    service = Service(
        location_text(locate(store)),
        {name: str(folder) for name, folder in folders.items()},
        recipe if recipe in shipped.recipes() else str(Path(recipe).absolute()),
        changes,
        cron,
        local_zone(),
        workers,
        dask,
    )
    url = server_url()
    if url is None:
        use_own_home(service.name)
    due = next_times(cron, service.zone)
    check_build(store, folders, recipe, changes, dask=dask)
    times = [f"{when:%Y-%m-%d %H:%M}" for when in due]
    print(visible(f"{service.name}: next builds {', '.join(times)} ({service.zone})"), flush=True)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
    # The error of a task is that of its run, which says it.
    os.environ.setdefault("PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL", "CRITICAL")
    if url:
        reach(url)
    try:
        with nullcontext(url) if url else local_server() as address:
            _run_until_interrupt(service, address)
    except _Interrupted as interrupt:
        print(
            "affectstore: stopped; what was finished is kept, run the same command again to go on",
            file=sys.stderr,
            flush=True,
        )
        sys.exit(128 + int(interrupt.args[0]))


def next_times(cron: str, zone: str) -> list[datetime]:
    """When the next builds are due.

    Args:
        cron: A cron expression.
        zone: IANA name of the time zone that it is read in.

    Returns:
        The next three times.

    Raises:
        ServeError: It is not a cron expression.
    """
    from prefect.server.schemas.schedules import CronSchedule

    try:
        schedule = CronSchedule(cron=cron, timezone=zone)
        return list(asyncio.run(schedule.get_dates(_NEXT, datetime.now(ZoneInfo(zone)))))
    except ValueError as error:
        raise ServeError(
            f"--cron {cron!r} is not a cron expression; expected minute, hour, day, month, day of "
            "the week, such as '0 3 * * *' for 03:00"
        ) from error


def local_zone() -> str:
    """IANA name of this machine's time zone, from TZ or /etc/localtime; UTC where neither tells."""
    known = Path("/etc/localtime").resolve().as_posix().partition("/zoneinfo/")[2]
    for name in (os.environ.get("TZ", "").removeprefix(":"), known):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(name).key
    return "UTC"


class _Interrupted(BaseException):
    """SIGINT or SIGTERM."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Interrupted(number)


def _run_until_interrupt(service: Service, url: str) -> NoReturn:
    environment = {**os.environ, "PREFECT_API_URL": url}
    command = ["-m", "flows.serve", json.dumps(asdict(service))]
    with supervised(command, environment) as runner:
        # Not before: raised in the middle of an import, an interrupt can come out of it as another
        # error.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            code = runner.wait()
        except _Interrupted:
            print(
                "\naffectstore: stopping the schedule and what it builds",
                file=sys.stderr,
                flush=True,
            )
            raise
    send(service.name, "has stopped for good")
    raise ServeError(
        f"the Prefect runner of the schedule has ended (exit code {code}); "
        "its last words are above, run the same command again"
    )


def deployment(service: Service) -> "RunnerDeployment":
    """The service as Prefect knows it: one run at a time, and a second one is cancelled.

    Args:
        service: What is built, and when.

    Returns:
        A deployment to be applied.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows.build import build

    given = {name: value for name, value in asdict(service).items() if name not in {"cron", "zone"}}
    made = build.to_deployment(
        service.name,
        schedule=Cron(service.cron, timezone=service.zone),
        paused=False,  # as the last command left it when it ended
        parameters=given,
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        description=f"Brings {service.store} up to date with {', '.join(service.corpora)} by the "
        f"recipe {service.recipe}.",
        version=version("affectstore"),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)  # outside of an event loop it is no coroutine


async def _run(service: Service, scheduled: "RunnerDeployment") -> None:
    """The runner, until its parent ends."""
    from prefect.runner import Runner

    runner = Runner(name=service.name, pause_on_shutdown=True)
    await runner.aadd_deployment(scheduled)
    await _end_what_was_cut_off(service)
    print(
        visible(
            f"{service.name}: waiting for the next build; to build now: "
            f"prefect deployment run build/{service.name}"
        ),
        flush=True,
    )
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    when_parent_ends(lambda: loop.call_soon_threadsafe(stopping.set))
    serving = asyncio.create_task(runner.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set():
        await _stop(runner)
    await serving


async def _end_what_was_cut_off(service: Service) -> None:
    """Runs that a power cut has left as running hold the one place of the schedule, with nobody to
    give it back: they have crashed.

    Nothing is done where a build holds the store, as what seems to run may run.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
    from prefect.states import Crashed

    begun = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    )
    mine = DeploymentFilter.model_validate({"name": {"any_": [service.name]}})
    async with get_client() as client:
        if runs := await client.read_flow_runs(flow_run_filter=begun, deployment_filter=mine):
            with suppress(StoreBusy), locate(service.store).lock():
                for run in runs:
                    await client.set_flow_run_state(
                        run.id,
                        Crashed(message="cut off; what was finished is kept, the next run goes on"),
                    )


async def _stop(runner: "Runner") -> None:
    while not runner.started:
        await asyncio.sleep(0.05)
    await runner.astop()


if __name__ == "__main__":
    given = Service(**json.loads(sys.argv[1]))
    asyncio.run(_run(given, deployment(given)))
