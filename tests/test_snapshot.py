"""Snapshots: one pointer, written last; equal content is no new snapshot; reading checks."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import manifests.table
import stores.atomic
from manifests.clips import CLIPS
from manifests.labels import LABELS
from manifests.table import WrongTable
from stores.location import locate
from stores.paths import sha256_of
from stores.pointer import NewerFormat, NotCommitted, WrongSnapshot
from stores.publish import publish
from stores.snapshot import load_snapshot, read_compact, read_table, snapshot_file
from tests.support.stores_made import (
    CROPS,
    LOGMEL,
    ROOT,
    SPEC,
    commit,
    files_of,
    make_store,
    tables_in,
)


def test_what_was_published_is_loaded_again(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    assert load_snapshot(locate(tmp_path)) == snapshot
    assert (snapshot.number, snapshot.parent) == (1, None)
    assert snapshot.counts["stored"] == 20
    assert snapshot.counts["quarantined"] == 1
    assert snapshot.counts["shards"] == 9
    assert snapshot.features["crops"].spec == CROPS
    file = "snapshots/000001.json"
    assert json.loads((tmp_path / "dataset.json").read_bytes()) == {
        "format_version": 2,
        "snapshot": 1,
        "sha256": {file: sha256_of(tmp_path / file)},
    }


def test_two_stores_of_the_same_content_have_the_same_bytes(tmp_path: Path) -> None:
    make_store(tmp_path / "a")
    make_store(tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_publishing_the_same_again_writes_nothing_even_with_other_versions(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = commit(tmp_path, first.features, tables_in(tmp_path, first), versions={"numpy": "3"})
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "change", [{"recipe": {"name": "other"}}, {"schemes": {}}], ids=["recipe", "schemes"]
)
def test_any_other_change_is_a_new_snapshot_that_shares_the_tables(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    first = make_store(tmp_path)
    second = commit(tmp_path, first.features, tables_in(tmp_path, first), **change)
    assert (second.number, second.parent, second.tables) == (2, 1, first.tables)
    assert load_snapshot(locate(tmp_path)) == second
    assert load_snapshot(locate(tmp_path), 1) == first


def test_a_table_that_returns_to_old_rows_returns_to_the_old_file(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    second = commit(tmp_path, first.features, {**tables, "labels": LABELS.build([])})
    third = commit(tmp_path, first.features, tables)
    assert second.tables["labels"] != first.tables["labels"] == third.tables["labels"]
    assert (third.number, third.parent) == (3, 2)


def test_another_library_that_writes_other_bytes_for_the_same_rows_changes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        writer = manifests.table.pq.ParquetWriter
        older.setattr(
            manifests.table.pq,
            "ParquetWriter",
            lambda sink, schema, compression: writer(sink, schema, compression="gzip"),
        )
        first = make_store(tmp_path)
    before, tables = files_of(tmp_path), tables_in(tmp_path, first)
    assert commit(tmp_path, first.features, tables) == first
    second = commit(tmp_path, first.features, {**tables, "labels": LABELS.build([])})
    third = commit(tmp_path, first.features, tables)
    assert {name for name in first.tables if first.tables[name] != second.tables[name]} == {
        "labels"
    }
    assert third.tables == first.tables
    assert {name: files_of(tmp_path)[name] for name in before if name != "dataset.json"} == {
        n: b for n, b in before.items() if n != "dataset.json"
    }


def test_a_damaged_table_file_is_written_again_by_the_next_commit_that_needs_it(
    tmp_path: Path,
) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    commit(tmp_path, first.features, {**tables, "labels": LABELS.build([])})
    (tmp_path / first.tables["labels"].file).write_bytes(b"damaged")
    third = commit(tmp_path, first.features, tables)
    assert read_table(locate(tmp_path), third, LABELS) == tables["labels"]


def test_a_parent_that_is_not_the_newest_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    commit(tmp_path, first.features, tables, recipe={})
    before = files_of(tmp_path)
    for parent in (first, None):
        with pytest.raises(WrongSnapshot, match="another build has published meanwhile"):
            publish(
                locate(tmp_path),
                parent=parent,
                recipe={},
                tables=tables,
                features={},
                fitted={},
                versions={},
                schemes={},
            )
    assert files_of(tmp_path) == before


def test_a_shard_that_is_not_there_is_not_committed(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    (tmp_path / first.features["mfcc"].shards[0].file).unlink()
    with pytest.raises(WrongSnapshot, match="nothing was published"):
        commit(tmp_path, first.features, tables, recipe={})
    assert load_snapshot(locate(tmp_path)) == first


def test_every_table_is_needed_and_each_must_be_one(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    with pytest.raises(
        WrongSnapshot,
        match="a snapshot has the tables clips, labels, folds, index, quarantine, audits, got",
    ):
        commit(tmp_path, first.features, {"clips": tables["clips"]})
    with pytest.raises(WrongTable):
        commit(tmp_path, first.features, {**tables, "labels": tables["folds"]})
    assert load_snapshot(locate(tmp_path)) == first


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_a_store_says_what_to_run(tmp_path: Path, exists: bool) -> None:
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(NotCommitted, match="affectstore build") as caught:
        load_snapshot(locate(root))
    assert isinstance(caught.value, FileNotFoundError)
    assert "\n" not in str(caught.value)


def test_a_snapshot_that_was_never_committed_is_not_read(tmp_path: Path) -> None:
    make_store(tmp_path)
    (tmp_path / "snapshots" / "000002.json").write_bytes(
        (tmp_path / "snapshots" / "000001.json").read_bytes()
    )
    for number in (0, 2, -1):
        with pytest.raises(NotCommitted, match="expected 1 to 1"):
            load_snapshot(locate(tmp_path), number)


def test_a_newer_format_is_one_sentence(tmp_path: Path) -> None:
    make_store(tmp_path)
    (tmp_path / "dataset.json").write_text('{"format_version": 3, "pointer": {"new": "form"}}')
    with pytest.raises(
        NewerFormat, match="has format version 3, this affectstore reads up to 2; install a newer"
    ):
        load_snapshot(locate(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", "\xff", "[" * 100_000),
        '{"format_version": 1}',
        '{"format_version": 0, "snapshot": 1}',
        '{"format_version": 1, "snapshot": 0}',
        '{"format_version": 1, "snapshot": true}',
        '{"format_version": 1, "snapshot": "../1"}',
    ],
    ids=lambda text: text[:50],
)
def test_a_malformed_pointer_is_one_sentence(tmp_path: Path, text: str) -> None:
    make_store(tmp_path, 1, (SPEC,))
    (tmp_path / "dataset.json").write_bytes(text.encode("latin1"))
    with pytest.raises(WrongSnapshot, match=r"dataset\.json is"):
        load_snapshot(locate(tmp_path))


def _set(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


SHARD = ("features", "mfcc", "shards", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("number", to=2), "number 2"),
        (_set("parent", to=1), "an older parent"),
        (_set("extra", to=1), "snapshot.extra is unknown"),
        (lambda value: value.pop("counts"), "snapshot.counts is missing"),
        (_set("features", to=[]), "snapshot.features is list"),
        (_set("versions", "numpy", to=2), "snapshot.versions.numpy is int '2', expected str"),
        (_set(*SHARD, "file", to="/etc/passwd"), "not a path below"),
        (_set(*SHARD, "file", to="shards/../../x.h5"), "not a path below"),
        (_set(*SHARD, "rows", to=True), r"shards\[0\]\.rows is bool"),
        (_set(*SHARD, "rows", to=-1), "negative size"),
        (_set("tables", "clips", "file", to="../clips.parquet"), "not a path below"),
        (lambda value: value["tables"].pop("clips"), "it lists the tables"),
        (_set("features", "mfcc", "spec", "name", to="logmel"), "the spec of 'mfcc' says 'logmel'"),
        (_set("features", "mfcc", "spec", "dtype", to="object"), "the dtype of feature"),
        (_set("features", "mfcc", "spec", "shape", to=["4"]), r"spec\.shape\[0\] is str"),
    ],
)
def test_a_malformed_snapshot_is_one_sentence(
    tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    make_store(tmp_path, 3, (SPEC, LOGMEL))
    path = tmp_path / "snapshots" / "000001.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(WrongSnapshot, match=message):
        load_snapshot(locate(tmp_path))


def test_a_table_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    path = tmp_path / snapshot.tables["clips"].file
    path.write_bytes(CLIPS.to_bytes(CLIPS.build([])))
    for read in (read_table, read_compact):
        with pytest.raises(WrongTable, match="it was changed afterwards"):
            read(locate(tmp_path), snapshot, CLIPS)
    path.unlink()
    with pytest.raises(WrongTable, match="is missing"):
        read_table(locate(tmp_path), snapshot, CLIPS)


KILLED_COMMIT = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    import stores.atomic
    from stores.location import locate
    from stores.snapshot import load_snapshot
    from tests.support.stores_made import commit, tables_in
    from manifests.labels import LABELS
    fsync = os.fsync
    def killed_commit(root, point):
        left = [point]
        def count(descriptor):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(descriptor)
        os.fsync = count
        snapshot = load_snapshot(locate(root))
        tables = {**tables_in(root, snapshot), "labels": LABELS.build([])}
        commit(root, snapshot.features, tables, recipe={"name": "new"})
        os._exit(7)
    for point, root in enumerate(sys.argv[1:]):
        pid = os.fork()
        if pid == 0:
            killed_commit(Path(root), point)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
""")


@pytest.mark.usefixtures("processes")
def test_a_commit_killed_at_any_point_leaves_the_old_snapshot_or_the_new_one(
    tmp_path: Path,
) -> None:
    make_store(tmp_path / "complete", 2, (SPEC,))
    first = load_snapshot(locate(tmp_path / "complete"))
    commit(
        tmp_path / "complete",
        first.features,
        {**tables_in(tmp_path / "complete", first), "labels": LABELS.build([])},
        recipe={"name": "new"},
    )
    numbers = []
    # A commit forces to disk one table, the snapshot and the pointer, and after each the folder
    # that holds it; after the tables once more the folders of all new files.
    roots = [tmp_path / str(point) for point in range(9)]
    for root in roots:
        make_store(root, 2, (SPEC,))
    ends = subprocess.check_output(
        [sys.executable, "-c", KILLED_COMMIT, *map(str, roots)], cwd=ROOT, timeout=60, text=True
    )
    assert [int(end) for end in ends.split()] == [-signal.SIGKILL] * 8 + [7]
    for root in roots:
        numbers.append(load_snapshot(locate(root)).number)
        stores.atomic.sweep(root)
        if numbers[-1] == 1:
            commit(
                root,
                first.features,
                {**tables_in(root, first), "labels": LABELS.build([])},
                recipe={"name": "new"},
            )
        assert files_of(root) == files_of(tmp_path / "complete")
    assert numbers == [1] * 7 + [2] * 2


def test_what_a_killed_writer_has_named_is_forced_to_disk_before_the_pointer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_store(tmp_path / "store", 2, (SPEC,))
    (shard,) = first.features["mfcc"].shards
    forced: list[Path] = []
    monkeypatch.setattr(stores.atomic, "sync", forced.append)
    for file in ("dataset.json", snapshot_file(1)):  # as where the writer was killed before it
        (tmp_path / "store" / file).unlink()
    commit(tmp_path / "store", first.features, tables_in(tmp_path / "store", first))
    pointer = next(i for i, path in enumerate(forced) if path.name.startswith(".dataset.json."))
    named = (tmp_path / "store" / shard.file).parents
    assert {*named[: named.index(tmp_path)], tmp_path / "store" / "tables"} <= {*forced[:pointer]}
    assert forced[-1] == tmp_path / "store"


@pytest.mark.usefixtures("processes")
def test_a_store_holds_the_same_whatever_the_process_that_wrote_it(tmp_path: Path) -> None:
    make_store(tmp_path / "here", 3, (SPEC,))
    script = (
        "import sys, pathlib; from tests.support.stores_made import SPEC, make_store; "
        "make_store(pathlib.Path(sys.argv[1]), 3, (SPEC,))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "there")],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=60,
    )
    assert files_of(tmp_path / "here") == files_of(tmp_path / "there")


def test_the_order_of_shards_in_a_feature_does_not_matter(tmp_path: Path) -> None:
    first = make_store(tmp_path, 7, (SPEC,))
    feature = first.features["mfcc"]
    again = commit(
        tmp_path,
        {"mfcc": replace(feature, shards=feature.shards[::-1])},
        tables_in(tmp_path, first),
    )
    assert again == first


def test_a_snapshot_that_was_changed_is_refused_though_it_can_be_read(tmp_path: Path) -> None:
    make_store(tmp_path)
    path = tmp_path / "snapshots" / "000001.json"
    path.write_text(path.read_text().replace('"numpy": "2"', '"numpy": "3"'))
    with pytest.raises(WrongSnapshot, match=r"000001\.json has sha256 [0-9a-f]+, but .*recorded"):
        load_snapshot(locate(tmp_path))


def test_a_pointer_to_another_snapshot_than_its_last_hash_is_refused(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    commit(tmp_path, first.features, tables_in(tmp_path, first), recipe={})
    path = tmp_path / "dataset.json"
    path.write_text(path.read_text().replace('"snapshot": 2', '"snapshot": 1'))
    with pytest.raises(WrongSnapshot, match="the hashes of the snapshots up to N"):
        load_snapshot(locate(tmp_path))


def test_json_that_is_far_too_large_is_refused_unread(tmp_path: Path) -> None:
    make_store(tmp_path)
    os.truncate(tmp_path / "dataset.json", 1 << 40)
    with pytest.raises(WrongSnapshot, match="expected at most"):
        load_snapshot(locate(tmp_path))
