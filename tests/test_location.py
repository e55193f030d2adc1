"""Where a store lies: a local folder and a store behind a URL keep the same promises."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from stores.location import Location, StoreBusy, WrongDownload, locate
from stores.object_store import WrongUrl
from stores.parsing import WrongRecord
from stores.records import TableRecord
from stores.remote_store import RemoteStore
from tests.support.object_store import Elsewhere, Proxy, objects, put_object
from tests.support.stores_made import ROOT

FILE = "tables/labels.parquet"


@pytest.fixture(params=["folder", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    return str(request.getfixturevalue("url"))


@pytest.fixture
def location(place: str) -> Location:
    return locate(place)


def write(location: Location, file: str, data: bytes) -> TableRecord:
    """A file that is written to its local path, and its record."""
    path = location.path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return TableRecord(file, 1, len(data), hashlib.sha256(data).hexdigest())


def test_a_file_that_was_uploaded_exists_and_is_fetched(place: str, location: Location) -> None:
    assert not location.exists(FILE)
    record = write(location, FILE, b"rows")
    assert location.upload(record)
    for same in (location, locate(place)):
        assert same.exists(FILE)
        assert same.fetch(record).read_bytes() == b"rows"
        same.check(record)
    assert location.upload(record)


def test_small_files_are_created_refreshed_and_removed(place: str, location: Location) -> None:
    assert not location.refresh("dataset.json").exists()
    assert location.create("dataset.json", b"1")
    assert location.create("dataset.json", b"1")
    assert locate(place).refresh("dataset.json").read_bytes() == b"1"
    location.remove("dataset.json")
    assert not location.refresh("dataset.json").exists()
    assert not location.exists("dataset.json")
    location.remove("dataset.json")


def test_a_small_file_is_replaced_at_its_version(place: str, location: Location) -> None:
    for data in (b"1", b"2", b"3"):
        assert location.replace("dataset.json", data, location.version("dataset.json"))
        assert locate(place).refresh("dataset.json").read_bytes() == data


def test_files_are_listed_with_their_sizes(location: Location) -> None:
    assert list(location.list()) == []
    for file, data in ((FILE, b"rows"), ("shards/a/b.h5", b"values"), ("dataset.json", b"")):
        assert location.upload(write(location, file, data))
    assert sorted(location.list()) == ["dataset.json", "shards/a/b.h5", FILE]
    files = ["shards/a/b.h5", "shards/none.h5", FILE, "shards", "dataset.json"]
    assert list(location.sizes(files)) == [6, None, 4, None, 0]


@pytest.mark.usefixtures("processes")
def test_one_writer_holds_the_lock_and_another_process_says_so(
    place: str, location: Location
) -> None:
    script = (
        "import sys; from stores.location import StoreBusy, locate\n"
        "try:\n    with locate(sys.argv[1]).lock(): print('locked')\n"
        "except StoreBusy as error: print(error)"
    )
    command = [sys.executable, "-c", script, place]
    with location.lock():
        busy = subprocess.check_output(command, cwd=ROOT, text=True, timeout=60)
        with pytest.raises(StoreBusy), locate(place).lock():
            pass
    assert busy.strip() == (
        f"another build or split is writing to {place}; "
        "wait until it ends, then run the same command again"
    )
    assert subprocess.check_output(command, cwd=ROOT, text=True, timeout=60).strip() == "locked"


@pytest.mark.parametrize("file", ["../a.h5", "/etc/passwd", "a//b", ""])
def test_a_path_that_leads_out_is_refused(location: Location, file: str) -> None:
    record = TableRecord(file, 1, 1, "0" * 64)
    for ask in (location.path, location.refresh, location.remove):
        with pytest.raises(WrongRecord, match="not a path below"):
            ask(file)
    for take in (location.fetch, *([] if location.is_local else [location.check, location.upload])):
        with pytest.raises(WrongRecord, match="not a path below"):
            take(record)
    with pytest.raises(WrongRecord, match="not a path below"):
        location.create(file, b"")
    with pytest.raises(WrongRecord, match="not a path below"):
        location.replace(file, b"", None)


def test_a_link_that_leads_out_is_refused(location: Location, tmp_path: Path) -> None:
    location.folder.mkdir(parents=True)
    (location.folder / "tables").symlink_to(tmp_path)
    with pytest.raises(WrongRecord, match="is a link"):
        location.fetch(TableRecord(FILE, 1, 1, "0" * 64))


def test_a_location_is_pickled_compared_and_shown_by_its_name(
    place: str, location: Location
) -> None:
    again = pickle.loads(pickle.dumps(location))
    assert (again, hash(again), type(again)) == (location, hash(location), type(location))
    assert again.folder == location.folder
    assert locate(location) is location
    assert location != locate(f"{place}2")
    assert location != place
    assert str(location) == place
    assert location.display(FILE) == f"{place}/{FILE}"


# What each is alone


def test_a_path_of_any_kind_names_the_folder(tmp_path: Path) -> None:
    (relative,) = {locate(Path()), locate(".")}
    assert relative.folder == Path.cwd()
    for place in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        location = locate(place)
        assert not isinstance(location, RemoteStore)
        assert location.is_local
        assert location.folder == tmp_path


def test_a_url_has_a_folder_of_its_own_in_the_cache_and_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path))
    location = locate("s3://nowhere/store/")
    assert isinstance(location, RemoteStore)
    assert not location.is_local
    assert str(location) == "s3://nowhere/store"
    assert location.folder.parent == tmp_path
    assert location == locate("s3://nowhere/store") != locate("s3://nowhere/other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3://bucket/../store", "s3://key@bucket/store", "s3://bucket/store?version=1"],
)
def test_what_cannot_be_a_url_of_a_store_is_refused(text: str) -> None:
    with pytest.raises(WrongUrl, match="expected one such as s3://bucket/store"):
        locate(text)


def test_a_url_that_went_through_a_path_is_refused() -> None:
    with pytest.raises(WrongUrl, match="give the URL as text"):
        locate(Path("s3://bucket/store"))


def test_of_two_writers_of_a_url_the_second_changes_nothing(url: str, elsewhere: Elsewhere) -> None:
    mine, theirs = locate(url), elsewhere(url)
    nothing = mine.version("dataset.json")
    assert theirs.replace("dataset.json", b"theirs", nothing)
    assert not mine.replace("dataset.json", b"mine", nothing)
    stale = mine.version("dataset.json")
    assert theirs.replace("dataset.json", b"again", stale)
    assert not mine.replace("dataset.json", b"mine", stale)
    assert not mine.create("dataset.json", b"mine")
    assert objects(url) == {"dataset.json": b"again"}
    theirs.remove("dataset.json")
    assert not mine.replace("dataset.json", b"mine", stale)
    assert objects(url) == {}


def test_an_upload_by_a_name_that_is_taken_gives_way_to_what_is_there(
    url: str, elsewhere: Elsewhere
) -> None:
    theirs, mine = elsewhere(url), elsewhere(url)
    assert theirs.upload(write(theirs, FILE, b"theirs"))
    record = write(mine, FILE, b"mine")
    assert not mine.upload(record)
    assert mine.path(FILE).read_bytes() == b"theirs"
    assert objects(url) == {FILE: b"theirs"}


def test_a_copy_is_used_where_it_is_the_recorded_file_and_no_longer(url: str, proxy: Proxy) -> None:
    location = locate(url)
    record = write(location, FILE, b"rows")
    assert location.upload(record)
    proxy.requests.clear()
    assert location.fetch(record).read_bytes() == b"rows"
    assert proxy.requests == []
    location.path(FILE).write_bytes(b"other rows")
    assert location.fetch(record).read_bytes() == b"rows"
    put_object(url, FILE, b"sour")
    assert location.fetch(record).read_bytes() == b"rows"
    with pytest.raises(WrongDownload, match=f"{url}/{FILE} has sha256"):
        location.check(record)
    location.path(FILE).unlink()
    with pytest.raises(WrongDownload, match=f"{url}/{FILE} has sha256"):
        location.fetch(record)
    location.remove(FILE)
    with pytest.raises(FileNotFoundError, match=f"{url}/{FILE} is missing"):
        location.fetch(record)
    assert [path for path in location.folder.rglob("*") if path.is_file()] == []
