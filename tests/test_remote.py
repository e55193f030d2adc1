"""A store behind a URL: against a real S3 server on loopback, with faults on the way to it."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import stores.atomic
import stores.forked_objects
import stores.object_store
import stores.remote_store
from manifests.clips import CLIPS
from manifests.labels import LABELS
from stores import FeatureStore
from stores.location import Place, WrongDownload, locate
from stores.object_store import MissingExtra, RemoteError, Unreachable, WrongUrl
from stores.paths import WrongPlace
from stores.pointer import NotCommitted, WrongSnapshot
from stores.records import ShardRecord, StoredFeature
from stores.snapshot import Snapshot, load_snapshot
from stores.verify import verify
from tests.support.object_store import (
    Elsewhere,
    Proxy,
    free_port,
    no_fault,
    objects,
    put_object,
    remove_objects,
    settings,
)
from tests.support.stores_made import (
    LOGMEL,
    ROOT,
    SPEC,
    clip_ids,
    commit,
    files_of,
    index_of,
    make_store,
    shard_at,
    tables_in,
    tables_of,
    track_of,
    tracks_for,
    write,
    write_shards,
)
from tests.support.tampered import damage

SAME = [track_of(5, SPEC, seed) for seed in range(4)]


def build(url: str) -> Snapshot:
    return make_store(url, 7, (SPEC,))


def relabel(place: Place, value: str) -> Snapshot:
    """A commit that changes the labels alone."""
    parent = load_snapshot(locate(place))
    tables = tables_in(place, parent)
    labels = [
        label.__class__(label.clip_id, label.scheme, label.annotator, value)
        for label in LABELS.rows(tables["labels"])
    ]
    return commit(place, parent.features, {**tables, "labels": LABELS.build(labels)})


def first_shard(snapshot: Snapshot) -> ShardRecord:
    return snapshot.features["mfcc"].shards[0]


def test_a_store_behind_a_url_holds_the_bytes_of_a_local_one(url: str, tmp_path: Path) -> None:
    make_store(url, 7, (SPEC, LOGMEL))
    make_store(tmp_path / "local", 7, (SPEC, LOGMEL))
    assert objects(url) == files_of(tmp_path / "local")


def test_what_is_read_with_a_cold_cache_is_what_was_written(
    url: str, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    make_store(url, 7, (SPEC, LOGMEL))
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
    build(url)
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


FORKED = """
import multiprocessing, sys
from stores import FeatureStore

tracks = FeatureStore(sys.argv[1])["mfcc"]

def rows(clip_id):
    try:
        return len(tracks[clip_id])
    except OSError as error:
        return f"{type(error).__name__}: {error}"

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(*pool.map(rows, tracks, 1), sep="\\n")
"""


def test_a_copy_is_forced_to_disk_before_the_note_that_says_what_it_is(
    url: str, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_store(url).tables["clips"]
    there = elsewhere(url)
    forced: list[Path] = []
    for module in (stores.atomic, stores.remote_store):
        monkeypatch.setattr(module, "sync", forced.append)
    path = there.fetch(record)
    (of_copy,) = (number for number, one in enumerate(forced) if one.parent.suffix == ".parts")
    note = f"..{path.name}.sha256."
    (of_note,) = (number for number, one in enumerate(forced) if one.name.startswith(note))
    assert of_copy < of_note


def test_forked_processes_read_and_name_what_is_missing(
    url: str, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """As the workers of torch's DataLoader on Linux: the parent has asked the store before."""
    file = first_shard(build(url)).file
    remove_objects(url, file)
    elsewhere(url)
    script = tmp_path / "read.py"
    script.write_text(FORKED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    sentence = f"{url}/{file} is missing; restore it from a copy, or build into an empty folder"
    missing = f"MissingFile: {sentence}"
    assert done.stdout.splitlines() == [missing] * 3 + ["6", "7", "8", "9"], done.stderr


def test_a_forked_process_whose_requests_cannot_be_made_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locate(url).version("dataset.json") is None
    monkeypatch.setattr(stores.object_store, "_users", [1])
    monkeypatch.setattr(stores.forked_objects, "_CODE", "raise SystemExit")
    with pytest.raises(Unreachable, match=f"{url} does not answer: the process"):
        locate(url).version("dataset.json")


def test_a_pickled_reader_uses_the_cache_of_where_it_is_loaded(
    url: str, elsewhere: Elsewhere
) -> None:
    build(url)
    pickled = pickle.dumps(FeatureStore(url))
    location = elsewhere(url)
    store = pickle.loads(pickled)
    assert store.location == location
    assert store.location.folder == location.folder
    assert len(store["mfcc"]["made/02"]) == 5


def test_an_older_snapshot_is_read_by_its_number(url: str, elsewhere: Elsewhere) -> None:
    build(url)
    relabel(locate(url), "sad")
    elsewhere(url)
    assert {label.value for label in FeatureStore(url, 1).rows(LABELS)} == {
        "angry",
        "calm",
        "happy",
    }
    assert {label.value for label in FeatureStore(url).rows(LABELS)} == {"sad"}


def test_a_copy_of_an_older_store_is_never_read_for_one_that_took_its_place(
    url: str, elsewhere: Elsewhere
) -> None:
    location = locate(url)
    build(url)
    assert len(FeatureStore(location)["mfcc"]["made/00"]) == 3
    remove_objects(url, *objects(url))
    # Equal names, rows and sizes, and other values, as another version of a library may give.
    rival = elsewhere(url)
    tracks = {
        clip_id: track_of(len(track), SPEC, 77) for clip_id, track in tracks_for(SPEC, 3).items()
    }  # type: ignore[arg-type]
    feature = StoredFeature(SPEC, tuple(write_shards(rival, SPEC, tracks)))
    commit(rival, {"mfcc": feature}, tables_of(3, *index_of(rival, [feature])))
    assert np.array_equal(
        FeatureStore(location)["mfcc"]["made/00"].values, tracks["made/00"].values, equal_nan=True
    )


@pytest.mark.parametrize("fault", ["flip", "cut", "503"])
def test_a_fault_that_passes_is_not_noticed(
    url: str, elsewhere: Elsewhere, proxy: Proxy, fault: str
) -> None:
    build(url)
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
    file = first_shard(build(url)).file
    location = elsewhere(url)
    store = FeatureStore(url)
    proxy.rule = lambda method, path, headers: (
        "flip" if method == "GET" and path.endswith(".h5") else None
    )
    with pytest.raises((WrongDownload, RemoteError), match=f"{url}"):
        store["mfcc"]["made/00"]
    assert not location.path(file).exists()
    assert list(location.folder.with_suffix(".parts").iterdir()) == []


def test_wrong_bytes_in_the_store_are_refused_by_their_hash_and_named(
    url: str, elsewhere: Elsewhere
) -> None:
    file = first_shard(build(url)).file
    good = objects(url)[file]
    put_object(url, file, good[:-1] + bytes([good[-1] ^ 1]))
    location = elsewhere(url)
    with pytest.raises(
        WrongDownload, match=f"{url}/{file} has sha256 [0-9a-f]+, but [0-9a-f]+ was recorded"
    ):
        FeatureStore(url)["mfcc"]["made/00"]
    assert not location.path(file).exists()
    assert len(FeatureStore(url)["mfcc"]["made/03"]) == 6


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_a_store_that_stops_answering_is_one_sentence_within_seconds(
    url: str, elsewhere: Elsewhere, proxy: Proxy, fault: str
) -> None:
    build(url)
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


@pytest.mark.parametrize(("fault", "code"), [("403", "AccessDenied"), ("400", "ExpiredToken")])
def test_a_refusal_names_what_the_store_calls_it(
    url: str, proxy: Proxy, fault: str, code: str
) -> None:
    build(url)
    proxy.rule = lambda method, path, headers: fault
    with pytest.raises(
        RemoteError, match=rf"{url}/dataset.json refuses access \({code}\); check the credentials"
    ):
        FeatureStore(url)


def test_the_answer_to_a_large_upload_is_waited_for_longer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a megabyte in three seconds or less, no answer is given up before the file is there."""
    waited = []
    connect = stores.object_store._connect
    monkeypatch.setattr(
        stores.object_store,
        "_connect",
        lambda place, process, minutes: waited.append(minutes) or connect(place, process, minutes),
    )
    for mebibytes in (1, 15, 100):
        objects = stores.object_store.Objects(url)
        assert objects.create(f"{mebibytes}", bytes(mebibytes << 20))
        assert waited[-1] * 60 >= 3 * mebibytes
    assert waited[0] == 1


@pytest.mark.parametrize("part", ["tables/labels", "snapshots/", "dataset.json"])
def test_a_put_that_fails_publishes_nothing_and_the_next_try_does(
    url: str, elsewhere: Elsewhere, proxy: Proxy, part: str
) -> None:
    location = locate(url)
    build(url)
    proxy.rule = lambda method, path, headers: "403" if method == "PUT" and part in path else None
    with pytest.raises(RemoteError, match=r"refuses access \(AccessDenied"):
        relabel(location, "sad")
    proxy.rule = no_fault
    elsewhere(url)
    assert FeatureStore(url).snapshot.number == 1
    assert verify(url).problems == []
    assert relabel(location, "sad").number == 2
    assert verify(elsewhere(url)).problems == []


@pytest.mark.parametrize("part", ["tables/labels", "snapshots/", "dataset.json"])
def test_a_put_whose_answer_was_lost_is_known_to_be_done(
    url: str, elsewhere: Elsewhere, proxy: Proxy, part: str
) -> None:
    location = locate(url)
    build(url)
    left = ["lost"]
    proxy.rule = lambda method, path, headers: (
        left.pop() if left and method == "PUT" and part in path else None
    )
    assert relabel(location, "sad").number == 2
    assert left == []
    assert load_snapshot(elsewhere(url)).number == 2


def test_of_two_rivals_one_publishes_and_the_other_says_that_it_did_not(
    url: str, elsewhere: Elsewhere, proxy: Proxy
) -> None:
    """The rival publishes in the last moment: right before this build's pointer arrives."""
    mine = locate(url)
    build(url)
    theirs = elsewhere(url)
    begun: list[str] = []

    def overtake(method: str, path: str, headers: dict[str, str]) -> None:
        if method == "PUT" and path.partition("?")[0].endswith("dataset.json") and not begun:
            begun.append(path)
            relabel(theirs, "glad")

    proxy.rule = overtake
    with pytest.raises(
        WrongSnapshot,
        match=f"another build has published into {url} meanwhile; nothing was published",
    ):
        relabel(mine, "sad")
    assert {label.value for label in FeatureStore(url).rows(LABELS)} == {"glad"}
    assert verify(url).problems == []
    newest = load_snapshot(mine).number
    assert relabel(mine, "sad").parent == newest


@pytest.mark.parametrize("part", ["tables/labels", "dataset.json"])
def test_a_store_without_conditional_writes_is_refused_in_one_sentence_and_nothing_is_published(
    url: str, proxy: Proxy, part: str
) -> None:
    build(url)
    proxy.rule = lambda method, path, headers: (
        "501"
        if method == "PUT" and part in path and {"if-match", "if-none-match"} & headers.keys()
        else None
    )
    begun = time.monotonic()
    with pytest.raises(
        RemoteError, match=f"{url}/{part}.*: the object store has no conditional writes"
    ) as error:
        relabel(url, "sad")
    assert time.monotonic() - begun < 30
    assert "\n" not in str(error.value)
    proxy.rule = no_fault
    assert load_snapshot(locate(url)).number == 1


def test_a_build_killed_before_its_pointer_leaves_out_a_number_and_no_more(
    url: str, elsewhere: Elsewhere, proxy: Proxy
) -> None:
    location = locate(url)
    build(url)
    proxy.rule = lambda method, path, headers: (
        "403" if method == "PUT" and path.endswith("dataset.json") else None
    )
    with pytest.raises(RemoteError):
        relabel(location, "sad")
    proxy.rule = no_fault
    elsewhere(url)
    new = relabel(locate(url), "glad")
    assert (new.number, new.parent) == (3, 1)
    with pytest.raises(NotCommitted, match="has no committed snapshot 2"):
        load_snapshot(locate(url), 2)
    assert load_snapshot(locate(url), 1).number == 1
    report = verify(url)
    assert (report.snapshots, report.problems) == (2, [])


@pytest.mark.parametrize("blind", [False, True], ids=["before", "between looking and sending"])
def test_a_shard_that_a_rival_has_sent_is_taken_over(
    url: str, elsewhere: Elsewhere, proxy: Proxy, blind: bool
) -> None:
    file = "shards/mfcc/00000000/one.h5"
    theirs = write(locate(url), file, SPEC, {"made/00": track_of(4, SPEC, 1)}).record
    assert locate(url).upload(theirs)
    mine = write(elsewhere(url), file, SPEC, {"made/00": track_of(4, SPEC, 2)}).record
    assert mine.sha256 != theirs.sha256
    left = ["404"] if blind else []
    proxy.rule = lambda method, path, headers: left.pop() if left and method == "HEAD" else None
    assert not locate(url).upload(mine)
    assert shard_at(locate(url), file).record() == theirs


def test_a_finished_shard_is_found_by_its_name_from_another_machine(
    url: str, elsewhere: Elsewhere
) -> None:
    file = "shards/mfcc/00000000/one.h5"
    assert not locate(url).exists(file)
    record = write(url, file, SPEC, {"made/00": track_of(4, SPEC, 1)}).record
    assert locate(url).upload(record)
    location = elsewhere(url)
    assert location.exists(file)
    assert shard_at(location, file).record() == record


def test_a_shard_that_was_not_uploaded_is_not_published(url: str) -> None:
    tracks = {"made/00": track_of(4, SPEC, 1)}
    record = write(url, "shards/mfcc/00000000/one.h5", SPEC, tracks).record
    feature = StoredFeature(SPEC, (record,))
    with pytest.raises(WrongSnapshot, match="nothing was published, build again"):
        commit(url, {"mfcc": feature}, tables_of(1, *index_of(url, [feature])))
    assert not [file for file in objects(url) if file.startswith("snapshots")]


def test_verify_reads_what_the_store_holds_whatever_lies_in_the_cache(url: str) -> None:
    snapshot = build(url)
    assert verify(url).problems == []
    file = first_shard(snapshot).file
    put_object(url, file, b"other bytes")
    (problem,) = verify(url).problems[:1]
    assert problem.startswith(f"{url}/{file} has sha256")
    remove_objects(url, file)
    assert f"{url}/{file} is missing" in verify(url).problems[0]
    put_object(url, snapshot.tables["clips"].file, b"other bytes")
    assert f"{url}/{snapshot.tables['clips'].file}" in verify(url).problems[0]


@pytest.mark.parametrize("change", ["structure", "exchanged", "table", "value"])
def test_a_copy_that_was_damaged_is_fetched_again(url: str, change: str) -> None:
    make_store(url, 4, (SPEC,), per_shard=2, tracks=dict(zip(clip_ids(4), SAME, strict=True)))
    store = FeatureStore(url)
    expected = [store["mfcc"][clip_id].values.copy() for clip_id in clip_ids(4)]
    one, two = (store.location.path(shard.file) for shard in store.snapshot.features["mfcc"].shards)
    if change == "structure":
        damage(one, 0)
    elif change == "value":
        damage(one, store._maps[first_shard(store.snapshot).file].layout.arrays["values"].offset)
    elif change == "exchanged":
        one.rename(one.with_name("kept"))
        two.rename(one)
        one.with_name("kept").rename(two)
    else:
        damage(store.location.path(store.snapshot.tables["index"].file), -1)
    again = FeatureStore(url, verify=change == "value")
    for clip_id, values in zip(clip_ids(4), expected, strict=True):
        assert np.array_equal(again["mfcc"][clip_id].values, values)


def test_a_link_in_the_cache_is_refused(url: str, tmp_path: Path) -> None:
    location = locate(url)
    build(url)
    (location.folder / "shards").rename(tmp_path / "kept")
    (location.folder / "shards").symlink_to(tmp_path / "kept")
    with pytest.raises(WrongPlace, match="shards is a link"):
        FeatureStore(url)["mfcc"]["made/00"]
    with pytest.raises(WrongPlace, match="shards is a link"):
        relabel(url, "sad")


def test_a_store_that_was_copied_there_by_other_means_is_read_and_goes_on(
    url: str, tmp_path: Path
) -> None:
    make_store(tmp_path / "local", 3, (SPEC,))
    for file, data in files_of(tmp_path / "local").items():
        put_object(url, file, data)
    assert len(FeatureStore(url)["mfcc"]["made/00"]) == 3
    assert locate(url).exists(first_shard(FeatureStore(url).snapshot).file)
    assert relabel(locate(url), "sad").number == 2
    assert verify(url).problems == []


def test_finished_shards_of_no_snapshot_are_counted_where_the_store_is(
    url: str, elsewhere: Elsewhere
) -> None:
    build(url)
    tracks = {"made/00": track_of(4, SPEC, 1)}
    assert locate(url).upload(write(url, "shards/mfcc/00000000/one.h5", SPEC, tracks).record)
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


@pytest.mark.parametrize("package", ["obstore", "boto3"])
def test_a_missing_package_is_one_sentence(
    url: str, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "obstore.auth.boto3", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"in a clone of affectstore, pip install '\.\[s3\]'"):
        FeatureStore(f"{url}y")


def test_an_unknown_kind_of_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path))
    with pytest.raises(
        WrongUrl,
        match=r"gopher://bucket/store is not the URL of a store \(.*\); expected one such as",
    ):
        FeatureStore("gopher://bucket/store")


def test_a_file_url_is_the_folder_itself(tmp_path: Path) -> None:
    make_store(tmp_path, 3, (SPEC,))
    store = FeatureStore(f"file://{tmp_path}")
    assert store.location == locate(tmp_path)
    assert store.location.folder == tmp_path
    assert len(store["mfcc"]) == 3


@pytest.mark.usefixtures("processes")
def test_a_local_store_imports_nothing_that_reaches_a_network(tmp_path: Path) -> None:
    make_store(tmp_path, 3, (SPEC,))
    code = (
        "import sys; from stores import FeatureStore; store = FeatureStore(sys.argv[1]); assert "
        "len(store['mfcc']['made/00']) == 3;"
        "print(sorted({'obstore', 'boto3', 'botocore', 'fsspec', 'asyncio'} & set(sys.modules)))"
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


def test_a_build_that_is_killed_goes_on_from_another_machine(
    url: str, elsewhere: Elsewhere, proxy: Proxy, sample: Path, tmp_path: Path
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
    finished = objects(url)
    assert finished
    assert not [file for file in finished if not file.startswith("shards/")]

    elsewhere(url)
    proxy.requests.clear()
    run(url, *words)
    assert {file: data for file, data in objects(url).items() if file in finished} == finished
    uploaded_again = {path for method, path in proxy.requests if method == "PUT"}
    assert not [file for file in finished if any(path.endswith(file) for path in uploaded_again)]
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


def test_a_command_that_cannot_reach_its_store_says_so_before_anything_starts(
    url: str, sample: Path
) -> None:
    words = command(
        "s3://no-such-bucket/store", "build", "--corpus", f"sample={sample}", "--recipe", "demo"
    )
    begun = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1]
        == "affectstore: the bucket of s3://no-such-bucket/store does not exist; create it, or "
        "correct the URL"
    )
    assert time.monotonic() - begun < 30
