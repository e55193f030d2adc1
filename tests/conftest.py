"""What tests are given: media, a sample corpus, a built store, processes and servers."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import QUICK, Command, Python
from tests.support.media_made import CLIPS, REAL_CLIPS, Writer, write
from tests.support.prefect_server import Server
from tests.support.shared import made_once, started_once
from tests.support.store_files import contents, linked

pytest_plugins = ["tests.support.lanes", "tests.support.object_store"]


def pytest_configure(config: pytest.Config) -> None:
    """Prefect finds no server and no settings of this user: no run is recorded but where a test
    names a server."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="affectstore-tests-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ["PREFECT_HOME"] = home
    # No test cuts the power, and beside others a disk may let a test wait for seconds.
    os.fsync = lambda descriptor: None


# Media


@pytest.fixture
def write_media(tmp_path: Path) -> Writer:
    """write_media(name, frames=30, fps=30, video=True, audio_s=1.0, ...) -> the path of a new media
    file; see `write`."""

    def make(name: str = "clip.mp4", **how: object) -> Path:
        return write(tmp_path / name, **how)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def real_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the five real clips. Read only."""
    if not CLIPS.is_dir():
        pytest.skip("the folder of real clips is not beside this checkout")
    folder = tmp_path_factory.mktemp("real_clips")
    for name in REAL_CLIPS:
        shutil.copy(CLIPS / name, folder)
    return folder


# Folders that all test processes share


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small sample corpus: 3 actors x 2 emotions, and the three bad clips. Read only."""
    from flows.sample.pictures import write_sample

    def make(folder: Path) -> None:
        write_sample(folder, actors=3, emotions=2, takes=1)

    yield from _unchanged(made_once(tmp_path_factory, "sample", make))


@pytest.fixture(scope="session")
def built(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store of the small sample corpus. Read only."""
    from flows.building.run import run_build

    def make(store: Path) -> None:
        run_build(store, {"sample": sample}, "demo", QUICK, workers=1)

    yield from _unchanged(made_once(tmp_path_factory, "built", make))


def _unchanged(folder: Path) -> Iterator[Path]:
    """Gives a folder, and fails in the end where a test has written to it."""
    before = contents(folder)
    yield folder
    assert contents(folder) == before, f"a test has written to {folder}, which all tests share"


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """A copy of the sample corpus, to which files are added, or from which they are removed."""
    return linked(sample, tmp_path / "clips")


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy of the built store that commands write to; files of it are not damaged in place."""
    return linked(built, tmp_path / "store")


@pytest.fixture
def fragile(built: Path, tmp_path: Path) -> Path:
    """A copy of the built store whose files a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "fragile"))


# Processes and servers


@pytest.fixture(scope="session")
def networks_of_real_size() -> None:
    """For tests that train or run a ResNet, or train an autoencoder: seconds each."""


@pytest.fixture(scope="session")
def processes() -> None:
    """Lets a test start processes: by a build, by worker pools, or by itself."""


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Python]:
    """Starts Python processes, and ends those that the test leaves."""
    python = Python(tmp_path / "prefect")
    yield python
    python.end()


@pytest.fixture
def command(python: Python) -> Command:
    """Runs `affectstore` in a process."""
    return Command(python)


@pytest.fixture
def compiler() -> None:
    """What sees system calls, to kill or to change files at them, is compiled when it is needed."""
    if shutil.which("cc") or shutil.which("gcc"):
        return
    if os.environ.get("AFFECTSTORE_CI"):
        pytest.fail("there is no C compiler, without which no call is seen")
    pytest.skip("there is no C compiler, which sees system calls")


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The one Prefect server of the tests."""
    from flows.local_server import local_server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        with started_once(tmp_path_factory, "prefect", local_server) as url:
            yield Server(url)


@pytest.fixture
def recorded(prefect_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Flows and commands that the test calls in this process are runs on the server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("PREFECT_API_URL", prefect_server.url)
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server
