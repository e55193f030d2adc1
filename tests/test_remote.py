"""A store behind a URL: against a real S3 server on loopback, with faults on the way to it."""

import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from typer.testing import CliRunner

from manifests.clips import CLIPS
from manifests.features import FeatureSpec
from manifests.labels import LABELS
from stores import FeatureStore
from stores.mirror import WrongDownload, home, mirror_of, sent, shown, there
from stores.records import ShardRecord, StoredFeature
from stores.remote import MissingExtra, RemoteError, Unreachable, WrongUrl
from stores.shard import open_shard
from stores.snapshot import NotCommitted, Snapshot, WrongSnapshot, load_snapshot
from stores.verify import verify
from tests.object_store import Proxy, free_port, no_fault, s3_server, settings
from tests.test_shards import SPEC, track_of, write
from tests.test_snapshot import (
    LOGMEL,
    commit,
    files_of,
    index_of,
    make_store,
    tables_in,
    tables_of,
    tracks_for,
    write_shards,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with s3_server(tmp_path_factory.mktemp("s3")) as port, Proxy(port).running() as proxy:
        yield proxy


@pytest.fixture
def proxy(server: Proxy) -> Iterator[Proxy]:
    """Between the tests and the server."""
    server.seen.clear()
    yield server
    server.rule = no_fault


@pytest.fixture
def url(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a new store; with a cache of its own."""
    for name, value in settings(proxy.url, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    store = f"s3://made/{secrets.token_hex(6)}/store"
    client(store)[0].mkdirs("made", exist_ok=True)
    return store


def client(url: str) -> tuple[Any, str]:
    """Of the tests' own, and the path of a store in it."""
    return fsspec.core.url_to_fs(url, use_listings_cache=False)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Elsewhere":
    return Elsewhere(tmp_path, monkeypatch)


class Elsewhere:
    """Another machine: one with an empty cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch, self._count = folder, monkeypatch, 0

    def __call__(self, url: str) -> Path:
        self._count += 1
        self._monkeypatch.setenv("AFFECTSTORE_CACHE", str(self._folder / f"cache-{self._count}"))
        return home(url)


def build(root: Path, count: int = 7, specs: tuple[FeatureSpec, ...] = (SPEC,)) -> Snapshot:
    """As `make_store`, with each shard sent to where the store is."""
    features = {
        spec.name: StoredFeature(spec, tuple(write_shards(root, spec, tracks_for(spec, count), 3)))
        for spec in specs
    }
    assert all(sent(root, record) for feature in features.values() for record in feature.shards)
    return commit(root, features, tables_of(count, *index_of(root, features.values())))


def rename(root: Path, value: str) -> Snapshot:
    """A commit that changes the labels alone."""
    parent = load_snapshot(root)
    tables = tables_in(root, parent)
    labels = [
        label.__class__(label.clip_id, label.scheme, label.annotator, value)
        for label in LABELS.rows(tables["labels"])
    ]
    return commit(root, parent.features, {**tables, "labels": LABELS.build(labels)})


def objects(url: str) -> dict[str, bytes]:
    """Everything that the store holds, by way of a client of its own."""
    fs, root = client(url)
    return {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}


def put(url: str, file: str, data: bytes) -> None:
    fs, root = client(url)
    fs.pipe_file(f"{root}/{file}", data)


def first_shard(snapshot: Snapshot) -> ShardRecord:
    return snapshot.features["mfcc"].shards[0]


def test_a_store_behind_a_url_holds_the_bytes_of_a_local_one(url: str, tmp_path: Path) -> None:
    build(home(url), 7, (SPEC, LOGMEL))
    make_store(tmp_path / "local", 7, (SPEC, LOGMEL))
    assert objects(url) == files_of(tmp_path / "local")


def test_what_is_read_with_a_cold_cache_is_what_was_written(
    url: str, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    build(home(url), 7, (SPEC, LOGMEL))
    make_store(tmp_path / "local", 7, (SPEC, LOGMEL))
    elsewhere(url)
    far, near = FeatureStore(url), FeatureStore(tmp_path / "local")
    assert far.snapshot == near.snapshot
    assert far.clips().equals(near.clips())
    for name in near.features:
        assert list(far[name]) == list(near[name])
        for clip_id in near[name]:
            assert np.array_equal(
                far[name][clip_id].values, near[name][clip_id].values, equal_nan=True
            )
            assert not far[name][clip_id].values.flags.owndata


def test_each_shard_is_fetched_when_it_is_first_touched_and_never_again(
    url: str, elsewhere: Elsewhere, proxy: Proxy
) -> None:
    build(home(url))
    elsewhere(url)
    store = FeatureStore(url)
    tracks = store["mfcc"]
    assert proxy.got(".h5") == 0
    for clip_id in [*tracks, *tracks]:
        assert len(tracks[clip_id])
    assert proxy.got(".h5") == 3
    again = FeatureStore(url)
    for clip_id in again["mfcc"]:
        assert len(again["mfcc"][clip_id])
    assert proxy.got(".h5") == 3


def test_a_reader_in_a_forked_process_fetches_for_itself(url: str, elsewhere: Elsewhere) -> None:
    build(home(url))
    root = elsewhere(url)
    code = (
        "import multiprocessing, sys; from stores import FeatureStore; store = "
        "FeatureStore(sys.argv[1]); tracks = store['mfcc']\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(sum(pool.map(lambda_, "
        "list(tracks))))"
    ).replace("lambda_", "_rows")
    script = root.parent / "read.py"
    script.write_text(code.replace("with", "def _rows(clip_id): return len(tracks[clip_id])\nwith"))
    done = subprocess.run(
        [sys.executable, str(script), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == str(sum(3 + i for i in range(7))), done.stderr


def test_a_pickled_reader_uses_the_cache_of_where_it_is_loaded(
    url: str, elsewhere: Elsewhere
) -> None:
    build(home(url))
    pickled = pickle.dumps(FeatureStore(url))
    root = elsewhere(url)
    store = pickle.loads(pickled)
    assert store.root == root
    assert len(store["mfcc"]["made/02"]) == 5


def test_an_older_snapshot_is_read_by_its_number(url: str, elsewhere: Elsewhere) -> None:
    build(home(url))
    rename(home(url), "sad")
    elsewhere(url)
    assert {label.value for label in FeatureStore(url, 1).rows(LABELS)} == {
        "angry",
        "calm",
        "happy",
    }
    assert {label.value for label in FeatureStore(url).rows(LABELS)} == {"sad"}


def test_a_copy_of_an_older_store_is_never_read_for_one_that_took_its_place(url: str) -> None:
    root = home(url)
    build(root)
    assert len(FeatureStore(url)["mfcc"]["made/00"]) == 3
    fs, path = client(url)
    fs.rm(path, recursive=True)
    # The same names, rows and sizes, and other values: as another version of a library may give.
    other = os.environ["AFFECTSTORE_CACHE"]
    os.environ["AFFECTSTORE_CACHE"] = f"{other}-rival"
    tracks = {
        clip_id: track_of(len(track), SPEC, 77) for clip_id, track in tracks_for(SPEC, 3).items()
    }  # type: ignore[arg-type]
    rival = StoredFeature(SPEC, tuple(write_shards(home(url), SPEC, tracks, 3)))
    assert all(sent(home(url), record) for record in rival.shards)
    commit(home(url), {"mfcc": rival}, tables_of(3, *index_of(home(url), [rival])))
    os.environ["AFFECTSTORE_CACHE"] = other
    assert np.array_equal(
        FeatureStore(url)["mfcc"]["made/00"].values, tracks["made/00"].values, equal_nan=True
    )


@pytest.mark.parametrize("fault", ["flip", "cut", "503"])
def test_a_fault_that_passes_is_not_seen(
    url: str, elsewhere: Elsewhere, proxy: Proxy, fault: str
) -> None:
    build(home(url))
    elsewhere(url)
    store = FeatureStore(url)
    left = [fault] if fault != "flip" else []
    proxy.rule = lambda method, path, headers: (
        left.pop() if left and method == "GET" and path.endswith(".h5") else None
    )
    assert len(store["mfcc"]["made/00"]) == 3
    assert left == []


def test_a_download_that_was_changed_on_the_way_is_refused_and_named(
    url: str, elsewhere: Elsewhere, proxy: Proxy
) -> None:
    file = first_shard(build(home(url))).file
    root = elsewhere(url)
    store = FeatureStore(url)
    proxy.rule = lambda method, path, headers: (
        "flip" if method == "GET" and path.endswith(".h5") else None
    )
    with pytest.raises((WrongDownload, RemoteError), match=f"{url}"):
        store["mfcc"]["made/00"]
    assert not (root / file).exists()
    assert list(root.with_suffix(".parts").iterdir()) == []


def test_wrong_bytes_in_the_store_are_refused_by_their_hash_and_named(
    url: str, elsewhere: Elsewhere
) -> None:
    file = first_shard(build(home(url))).file
    good = objects(url)[file]
    put(url, file, good[:-1] + bytes([good[-1] ^ 1]))
    root = elsewhere(url)
    with pytest.raises(
        WrongDownload, match=f"{url}/{file} has sha256 [0-9a-f]+, but [0-9a-f]+ was recorded"
    ):
        FeatureStore(url)["mfcc"]["made/00"]
    assert not (root / file).exists()
    assert len(FeatureStore(url)["mfcc"]["made/03"]) == 6


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_a_store_that_stops_answering_is_one_sentence_within_seconds(
    url: str, elsewhere: Elsewhere, proxy: Proxy, fault: str
) -> None:
    build(home(url))
    elsewhere(url)
    store = FeatureStore(url)
    proxy.rule = lambda method, path, headers: fault if path.endswith(".h5") else None
    begun = time.monotonic()
    with pytest.raises(
        Unreachable, match=r"does not answer.*; check the network and the endpoint"
    ) as error:
        store["mfcc"]["made/00"]
    assert time.monotonic() - begun < 30
    assert "\n" not in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


@pytest.mark.parametrize("part", ["tables/labels", "snapshots/", "dataset.json"])
def test_a_put_that_fails_publishes_nothing_and_the_next_try_does(
    url: str, elsewhere: Elsewhere, proxy: Proxy, part: str
) -> None:
    root = home(url)
    build(root)
    proxy.rule = lambda method, path, headers: "403" if method == "PUT" and part in path else None
    with pytest.raises(RemoteError, match=r"refuses access \(AccessDenied"):
        rename(root, "sad")
    proxy.rule = no_fault
    elsewhere(url)
    assert FeatureStore(url).snapshot.number == 1
    assert verify(home(url)).problems == []
    assert rename(root, "sad").number == 2
    assert verify(elsewhere(url)).problems == []


@pytest.mark.parametrize("part", ["tables/labels", "snapshots/", "dataset.json"])
def test_a_put_whose_answer_was_lost_is_known_to_be_done(
    url: str, elsewhere: Elsewhere, proxy: Proxy, part: str
) -> None:
    root = home(url)
    build(root)
    left = ["lost"]
    proxy.rule = lambda method, path, headers: (
        left.pop() if left and method == "PUT" and part in path else None
    )
    assert rename(root, "sad").number == 2
    assert left == []
    assert load_snapshot(elsewhere(url)).number == 2


@pytest.mark.parametrize("conditions", [True, False], ids=["in one step", "compared right before"])
def test_of_two_rivals_one_publishes_and_the_other_is_told(
    url: str, elsewhere: Elsewhere, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    """The rival publishes in the last moment: right before this build's pointer arrives, or its
    snapshot where there are no conditions."""
    mine = home(url)
    build(mine)
    theirs = elsewhere(url)
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(mine.parent))
    begun: list[str] = []

    def overtake(method: str, path: str, headers: dict[str, str]) -> str | None:
        if (
            method == "PUT"
            and path.partition("?")[0].endswith("dataset.json" if conditions else "000002.json")
            and not begun
        ):
            begun.append(path)
            os.environ["AFFECTSTORE_CACHE"] = str(theirs.parent)
            rename(theirs, "glad")
            os.environ["AFFECTSTORE_CACHE"] = str(mine.parent)
        return (
            "501"
            if method == "PUT" and not conditions and {"if-match", "if-none-match"} & headers.keys()
            else None
        )

    proxy.rule = overtake
    with pytest.raises(
        WrongSnapshot,
        match=f"another build has published into {url} meanwhile; nothing was published",
    ):
        rename(mine, "sad")
    assert {label.value for label in FeatureStore(url).rows(LABELS)} == {"glad"}
    assert verify(home(url)).problems == []
    newest = load_snapshot(home(url)).number
    assert rename(mine, "sad").parent == newest


def test_a_build_killed_before_its_pointer_leaves_out_a_number_and_no_more(
    url: str, elsewhere: Elsewhere, proxy: Proxy
) -> None:
    root = home(url)
    build(root)
    proxy.rule = lambda method, path, headers: (
        "403" if method == "PUT" and path.endswith("dataset.json") else None
    )
    with pytest.raises(RemoteError):
        rename(root, "sad")
    proxy.rule = no_fault
    elsewhere(url)
    new = rename(home(url), "glad")
    assert (new.number, new.parent) == (3, 1)
    with pytest.raises(NotCommitted, match="has no committed snapshot 2"):
        load_snapshot(home(url), 2)
    assert load_snapshot(home(url), 1).number == 1
    report = verify(home(url))
    assert (report.snapshots, report.problems) == (2, [])


@pytest.mark.parametrize("blind", [False, True], ids=["before", "between looking and sending"])
def test_a_shard_that_a_rival_has_sent_is_taken_over(
    url: str, elsewhere: Elsewhere, proxy: Proxy, blind: bool
) -> None:
    file = "shards/mfcc/00000000/one.h5"
    theirs = write(home(url), file, SPEC, {"made/00": track_of(4, SPEC, 1)}).record
    assert sent(home(url), theirs)
    mine = write(elsewhere(url), file, SPEC, {"made/00": track_of(4, SPEC, 2)}).record
    assert mine.sha256 != theirs.sha256
    left = ["404"] if blind else []
    proxy.rule = lambda method, path, headers: left.pop() if left and method == "HEAD" else None
    assert not sent(home(url), mine)
    assert open_shard(home(url), file).record() == theirs


def test_a_finished_shard_is_found_by_its_name_from_another_machine(
    url: str, elsewhere: Elsewhere
) -> None:
    file = "shards/mfcc/00000000/one.h5"
    assert not there(home(url), file)
    record = write(home(url), file, SPEC, {"made/00": track_of(4, SPEC, 1)}).record
    sent(home(url), record)
    root = elsewhere(url)
    assert there(root, file)
    assert open_shard(root, file).record() == record


def test_a_shard_that_was_not_sent_is_not_published(url: str, elsewhere: Elsewhere) -> None:
    root = home(url)
    with pytest.raises(WrongSnapshot, match="nothing was published, build again"):
        make_store(root, 3, (SPEC,))
    assert not [file for file in objects(url) if file.startswith("snapshots")]


def test_verify_reads_what_the_store_holds_whatever_lies_in_the_cache(url: str) -> None:
    snapshot = build(home(url))
    assert verify(home(url)).problems == []
    file = first_shard(snapshot).file
    put(url, file, b"other bytes")
    (problem,) = verify(home(url)).problems[:1]
    assert problem.startswith(f"{url}/{file} has sha256")
    fs, path = client(url)
    fs.rm_file(f"{path}/{file}")
    assert f"{url}/{file} is missing" in verify(home(url)).problems[0]
    put(url, snapshot.tables["clips"].file, b"other bytes")
    assert f"{url}/{snapshot.tables['clips'].file}" in verify(home(url)).problems[0]


def test_a_store_that_was_copied_there_by_other_means_is_read_and_goes_on(
    url: str, tmp_path: Path
) -> None:
    make_store(tmp_path / "local", 3, (SPEC,))
    for file, data in files_of(tmp_path / "local").items():
        put(url, file, data)
    assert len(FeatureStore(url)["mfcc"]["made/00"]) == 3
    assert there(home(url), first_shard(FeatureStore(url).snapshot).file)
    assert rename(home(url), "sad").number == 2
    assert verify(home(url)).problems == []


def test_finished_shards_of_no_snapshot_are_counted_where_the_store_is(
    url: str, elsewhere: Elsewhere
) -> None:
    root = home(url)
    build(root)
    sent(
        root,
        write(root, "shards/mfcc/00000000/one.h5", SPEC, {"made/00": track_of(4, SPEC, 1)}).record,
    )
    report = verify(elsewhere(url))
    assert (report.unreferenced, report.problems) == (1, [])


def test_nothing_listens_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings(f"http://127.0.0.1:{free_port()}", tmp_path).items():
        monkeypatch.setenv(name, value)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"s3://nothing-here/store/dataset.json does not answer"):
        FeatureStore("s3://nothing-here/store")
    assert time.monotonic() - begun < 20


def test_a_bucket_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(RemoteError, match="the bucket of s3://no-such-bucket/store does not exist"):
        FeatureStore("s3://no-such-bucket/store")


def test_an_empty_bucket_holds_no_store(url: str) -> None:
    with pytest.raises(
        NotCommitted, match=f"{url} holds no committed store .*affectstore build {url}"
    ):
        FeatureStore(url)


def test_no_credentials_are_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(RemoteError, match=f"no credentials for {url}x.*AWS_ACCESS_KEY_ID"):
        FeatureStore(f"{url}x")


def test_a_missing_package_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules["fsspec.registry"].__dict__["_registry"], "s3")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=r"pip install 'affectstore\[s3\]'"):
        FeatureStore(f"{url}y")


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3://bucket/../store", "s3://key@bucket/store", "s3://bucket/store?version=1"],
)
def test_what_cannot_be_a_url_of_a_store_is_refused(text: str) -> None:
    with pytest.raises(WrongUrl, match="expected one such as s3://bucket/store"):
        FeatureStore(text)


def test_an_unknown_kind_of_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path))
    with pytest.raises(WrongUrl, match="Protocol not known: gopher"):
        FeatureStore("gopher://bucket/store")


def test_a_url_that_went_through_a_path_is_refused() -> None:
    with pytest.raises(WrongUrl, match="give the URL as text"):
        FeatureStore(Path("s3://bucket/store"))


def test_a_file_url_is_the_folder_itself(tmp_path: Path) -> None:
    make_store(tmp_path, 3, (SPEC,))
    store = FeatureStore(f"file://{tmp_path}")
    assert store.root == tmp_path
    assert len(store["mfcc"]) == 3


def test_only_a_folder_of_the_cache_is_a_mirror(url: str, tmp_path: Path) -> None:
    root = home(url)
    assert mirror_of(root) is not None
    shutil.copytree(root.parent, tmp_path / "downloaded")
    assert mirror_of(tmp_path / "downloaded" / root.name) is None
    (root.parent / "evil.url").write_text("s3://elsewhere/store")
    assert mirror_of(root.parent / "evil") is None
    assert shown(f"look at {root}/dataset.json") == f"look at {url}/dataset.json"


def test_any_other_file_system_serves_for_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"memory://{secrets.token_hex(6)}/store"
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path / "a"))
    build(home(url))
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path / "b"))
    assert rename(home(url), "sad").number == 2
    assert verify(home(url)).problems == []
    assert len(FeatureStore(url)["mfcc"]["made/00"]) == 3


def test_a_local_store_imports_nothing_that_reaches_a_network(tmp_path: Path) -> None:
    make_store(tmp_path, 3, (SPEC,))
    code = (
        "import sys; from stores import FeatureStore; store = FeatureStore(sys.argv[1]); assert "
        "len(store['mfcc']['made/00']) == 3;"
        "print(sorted({'fsspec', 's3fs', 'botocore', 'aiohttp', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.strip() == "[]"


RECIPE = """
about = "Two features that are quick."
source = "the tests"
clips_per_shard = 1
max_bad_fraction = 1.0

[features.audio]
extractor = "audio"

[features.mfcc]
extractor = "mfcc"

[features.logmel64]
extractor = "logmel"

[fitted.mfcc_scaled]
fitter = "zscore"
input = "mfcc"
"""


def command(url: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "flows", words[0], url, *words[1:]]


@pytest.mark.slow
def test_a_build_that_is_killed_goes_on_from_another_machine(
    url: str, elsewhere: Elsewhere, proxy: Proxy, engine: None, sample: Path, tmp_path: Path
) -> None:
    """Build, kill, resume with an empty cache, verify, split, fit, audit, show; read from a second
    process with a cold cache."""
    recipe = tmp_path / "quick.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    words = ("build", "--corpus", f"sample={sample}", "--recipe", str(recipe), "--workers", "1")
    enough = []

    def after_two(method: str, path: str, headers: dict[str, str]) -> None:
        enough.extend([path] if method == "PUT" and path.endswith(".h5") else [])

    proxy.rule = after_two
    process = subprocess.Popen(
        command(url, *words),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    while len(enough) < 3 and process.poll() is None:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    held = objects(url)
    assert held
    assert not [file for file in held if not file.startswith("shards/")]

    elsewhere(url)
    proxy.seen.clear()
    run(url, *words)
    assert {file: data for file, data in objects(url).items() if file in held} == held
    sent_again = {path for method, path in proxy.seen if method == "PUT"}
    assert not [file for file in held if any(path.endswith(file) for path in sent_again)]
    assert "whole" in run(url, "verify")
    assert "nothing new" in run(url, *words)
    run(url, "split", "subject_kfold", "--folds", "3")
    assert url in run(url, "fit", "subject_kfold")
    assert url in run(url, "show")
    run(url, "audit")

    elsewhere(url)
    assert "whole" in run(url, "verify")
    elsewhere(url)
    code = (
        "import sys; from stores import FeatureStore; store = FeatureStore(sys.argv[1]);"
        "tracks = store.fitted('mfcc_scaled', 'subject_kfold', 0);"
        "print(len(tracks), sum(len(tracks[clip_id]) for clip_id in tracks))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True, cwd=ROOT, check=True
    )
    clips, rows = map(int, done.stdout.split())
    assert clips >= 6
    assert rows > 100 * clips
    assert CLIPS.name in FeatureStore(url).snapshot.tables


def run(url: str, *words: str) -> str:
    """A command, in this process."""
    from flows.__main__ import app

    done = CliRunner().invoke(app, [words[0], url, *words[1:]])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_a_command_that_cannot_reach_its_store_says_so_before_anything_starts(
    engine: None, url: str, sample: Path
) -> None:
    words = command(
        "s3://no-such-bucket/store", "build", "--corpus", f"sample={sample}", "--recipe", "demo"
    )
    begun = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        == "affectstore: the bucket of s3://no-such-bucket/store does not exist; create it, or "
        "correct the URL"
    )
    assert time.monotonic() - begun < 30
