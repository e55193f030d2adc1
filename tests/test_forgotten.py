"""Who was forgotten stays so: under another name, in a look at the store, and in what is said."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.building.clip_table import ClipTable, ClipTableBuilder
from flows.building.forgotten import (
    NOBODY_FORGOTTEN,
    ForgottenFiles,
    leave_copies,
    leave_forgotten,
)
from flows.building.run import run_build
from flows.errors import BuildError
from flows.forgetting.collect import run_collect
from flows.forgetting.run import run_forget
from flows.forgetting.target import CLIP as CLIP_KIND
from flows.forgetting.target import SUBJECT, ForgetError, ForgetTarget, find_target
from flows.view.store import forgotten_text
from manifests.clips import CLIPS, Clip
from manifests.corpora.base import Found
from manifests.features import INDEX
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, Quarantined
from stores import FeatureStore
from stores.forgotten import Forgotten, content_of
from stores.location import locate
from stores.made import DRAWINGS, TRAINING, note_made
from stores.paths import sha256_of
from stores.publish import publish
from stores.snapshot import TABLES, load_snapshot, read_table
from stores.verify import verify
from tests.support.commands import refusal
from tests.support.store_files import contents, no_file_beyond
from tests.support.stores_made import SPEC, commit, make_store, tables_in

SOUND_ALONE = """\
about = "Sound alone"
max_bad_fraction = 1.0

[features.audio]
extractor = "audio"
store = true
"""
CLIP = "01-01-03-01-01-01-01"
"""Of the first actor."""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """A recipe that takes no time."""
    path = tmp_path / "sound.toml"
    path.write_text(SOUND_ALONE)
    return str(path)


def ids_in(store: Path) -> set[str]:
    return {clip.clip_id for clip in FeatureStore(store).rows(CLIPS)}


def bytes_in(store: Path) -> str:
    """All that the files of a store say, tables as they read."""
    location = locate(store)
    snapshot = load_snapshot(location)
    rows = [read_table(location, snapshot, table).to_pylist() for table in TABLES.values()]
    plain = [path.read_bytes().decode("latin-1") for path in store.rglob("*") if path.is_file()]
    seen = store / ".seen.parquet"
    rows.append(pq.read_table(seen).to_pylist() if seen.exists() else [])
    return f"{rows}{plain}"


# By what a file holds


def test_a_forgotten_clip_does_not_come_back_under_another_name(
    folder: Path, tmp_path: Path, recipe: str
) -> None:
    store, given = tmp_path / "store", {"ravdess": folder}
    original = folder / "Actor_01" / f"{CLIP}.mp4"
    shutil.copy(original, folder / "holiday.mp4")  # a name that RAVDESS does not know
    run_build(store, given, recipe, workers=1)
    sha256 = sha256_of(original)
    assert sha256 in bytes_in(store)

    assert run_forget(store, subject="01").unread == 1

    assert sha256 not in bytes_in(store)
    shutil.copy(original, folder / f"copy of {CLIP} (1).mp4")
    original.rename(folder / "Actor_02" / "01-01-08-02-02-02-02.mp4")
    done = run_build(store, given, recipe, workers=1)
    assert done.forgotten.copies == (
        "ravdess/Actor_02/01-01-08-02-02-02-02.mp4",
        "ravdess/holiday.mp4",
    )
    assert f"ravdess/copy of {CLIP} (1).mp4" in done.forgotten.files
    assert all("-02" in one or "-03" in one for one in ids_in(store))
    assert sha256 not in bytes_in(store)
    run_collect(store, keep=1)
    assert "holiday" not in bytes_in(store)
    assert verify(store).problems == []
    assert not run_build(store, given, recipe, workers=1).is_new
    only_theirs = tmp_path / "only"
    only_theirs.mkdir()
    shutil.copy(folder / "holiday.mp4", only_theirs / "01-01-08-02-02-02-02.mp4")
    with pytest.raises(BuildError, match="every clip holds what the store has forgotten"):
        run_build(store, {"ravdess": only_theirs}, recipe, workers=1)


def test_refused_files_with_the_same_content_or_the_id_in_their_name_go_as_well(
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    mine = a_clip(f"ravdess/{CLIP}", "ravdess/01", "a" * 64)
    other = a_clip("ravdess/01-01-03-01-01-01-02", "ravdess/02", "b" * 64)
    refused = [
        a_clip("ravdess/x.mp4", None, "a" * 64),
        a_clip(f"ravdess/{CLIP} (1).mp4", None, ""),
        a_clip("ravdess/y.mp4", None, ""),
    ]
    why = [Quarantined(one.clip_id, "mfcc", "unknown_name", "no name") for one in refused]
    clips = [mine, other, *refused]
    publish_bare(store, clips, QUARANTINE.build(why))
    location = locate(store)
    newest = load_snapshot(location)
    target = find_target(location, newest, [newest], SUBJECT, "01")
    assert target.clip_ids == {mine.clip_id, refused[0].clip_id, refused[1].clip_id}
    assert target.contents == {"a" * 64}


def a_clip(
    clip_id: str, subject: str | None, sha256: str, span: tuple[float, float] | None = None
) -> Clip:
    path = clip_id.partition("/")[2]
    start, end = span or (None, None)
    return Clip(clip_id, "ravdess", subject, subject, clip_id, None, path, sha256, 1, start, end)


def publish_bare(store: Path, clips: list[Clip], quarantine: pa.Table) -> None:
    """A store of tables alone, with no feature."""
    empty = {name: table.build([]) for name, table in TABLES.items()}
    tables = {**empty, "clips": CLIPS.build(clips), "quarantine": quarantine}
    commit(store, {}, tables)


def table_of(*clips: Clip) -> ClipTable:
    builder = ClipTableBuilder()
    builder.add(Found(clip, ()) for clip in clips)
    return builder.build({"ravdess": Path("/nowhere")})


def test_two_who_speak_in_one_file_are_told_apart_by_their_parts_of_it() -> None:
    first = a_clip("ravdess/a", "ravdess/01", "a" * 64, (0.0, 2.0))
    second = a_clip("ravdess/b", "ravdess/02", "a" * 64, (2.0, 4.0))
    assert content_of(first) != content_of(second)
    gone = Forgotten("salt", (), ()).also([], [first.clip_id], [content_of(first)])
    kept, left = leave_copies(table_of(second), gone, NOBODY_FORGOTTEN)
    assert left == NOBODY_FORGOTTEN
    assert kept.clips.num_rows == 1
    renamed = a_clip("ravdess/c", "ravdess/02", "a" * 64, (0.0, 2.0))
    kept, left = leave_copies(table_of(second, renamed), gone, NOBODY_FORGOTTEN)
    assert left.copies == ("ravdess/c",)
    assert kept.clips.column("clip_id").to_pylist() == ["ravdess/b"]
    # In a file that the corpus itself says to be of both, a clip is of whom the corpus says.
    by_name = ForgottenFiles(("ravdess/c",))
    assert leave_copies(table_of(second, renamed), gone, by_name)[1] == by_name


def test_what_somebody_else_holds_too_is_not_kept_as_forgotten(tmp_path: Path) -> None:
    store = tmp_path / "store"
    mine = a_clip("ravdess/a", "ravdess/01", "a" * 64)
    alone = a_clip("ravdess/b", "ravdess/01", "b" * 64)
    same = a_clip("ravdess/c", "ravdess/02", "a" * 64)
    publish_bare(store, [mine, alone, same], QUARANTINE.build([]))
    newest = load_snapshot(locate(store))
    target = find_target(locate(store), newest, [newest], SUBJECT, "01")
    assert target.contents == {"b" * 64}
    run_forget(store, subject="01")
    kept = load_snapshot(locate(store)).forgotten
    assert kept is not None
    assert kept.contents == (kept.hash("b" * 64),)
    assert "b" * 64 not in bytes_in(store)


def test_a_copy_that_is_of_nobody_goes_with_the_clip_that_it_is_of(tmp_path: Path) -> None:
    store = tmp_path / "store"
    mine = a_clip("folder/anna/happy/x", "folder/anna", "a" * 64)
    named = a_clip("folder/anna/sad/x", "folder/anna", "a" * 64)
    copy = a_clip("folder/x", None, "a" * 64)
    part = a_clip("folder/y", None, "a" * 64, (0.0, 2.0))
    bens = a_clip("folder/ben/happy/z", "folder/ben", "b" * 64)
    publish_bare(store, [mine, named, copy, part, bens], QUARANTINE.build([]))
    location = locate(store)
    newest = load_snapshot(location)
    whole = [mine.clip_id, named.clip_id, copy.clip_id]
    for kind, name in ((SUBJECT, "anna"), (CLIP_KIND, mine.clip_id)):
        assert sorted(find_target(location, newest, [newest], kind, name).clip_ids) == whole
    other = a_clip("folder/carl/happy/x", "folder/carl", "a" * 64)
    tables = {name: table.build([]) for name, table in TABLES.items()}
    commit(store, {}, {**tables, "clips": CLIPS.build([mine, copy, other, bens])})
    newest = load_snapshot(location)
    target = find_target(location, newest, [newest], SUBJECT, "anna")
    assert target.clip_ids == {mine.clip_id}  # it may be the copy of somebody else's
    assert target.contents == set()


@pytest.mark.parametrize("kind", ["clip", "subject"])
def test_a_clip_may_have_the_name_of_a_subject(tmp_path: Path, kind: str) -> None:
    store = tmp_path / "store"
    alone = a_clip("folder/anna", None, "a" * 64)
    hers = a_clip("folder/anna/happy/x", "folder/anna", "b" * 64)
    bens = a_clip("folder/ben/happy/z", "folder/ben", "c" * 64)
    publish_bare(store, [alone, hers, bens], QUARANTINE.build([]))
    run_forget(store, **{kind: "folder/anna"})
    other = alone if kind == "subject" else hers
    assert ids_in(store) == {other.clip_id, bens.clip_id}
    assert verify(store).problems == []
    forgotten = load_snapshot(locate(store)).forgotten
    assert forgotten is not None
    assert not forgotten.has(other)
    assert forgotten.has(hers if kind == "subject" else alone)


def test_files_of_others_in_the_folders_of_a_store_are_left_and_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_store(store)
    files = [f"{name}/my notes.md" for name in ("shards", "tables", "snapshots", ".pieces")]
    files.append("tables/my.parquet")
    for file in files:
        (store / file).parent.mkdir(exist_ok=True)
        (store / file).write_text("mine")
    assert run_collect(store, keep=1).files == ()
    assert run_forget(store, subject="s1").left == tuple(sorted(files))
    assert [file for file in files if not (store / file).exists()] == []


def test_a_dry_run_leaves_what_killed_writers_left(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_store(store)
    left = store / ".dataset.json.12-0123abcd.tmp"
    left.write_text("half")
    assert not run_forget(store, subject="s1", dry_run=True).is_done
    assert left.exists()
    assert run_forget(store, subject="s1").is_done
    assert not left.exists()


def test_a_store_that_has_forgotten_by_names_alone_is_read_as_before(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_store(store)
    run_forget(store, subject="s1")
    file = next((store / "snapshots").iterdir())
    said = json.loads(file.read_bytes())
    del said["forgotten"]["contents"]
    file.write_text(json.dumps(said))
    old = load_snapshot_unhashed(store)
    assert old.contents is None
    assert not old.has_content("0" * 64)
    table = table_of(a_clip("ravdess/a", None, "0" * 64))
    assert leave_copies(table, old, NOBODY_FORGOTTEN) == (table, NOBODY_FORGOTTEN)


def load_snapshot_unhashed(store: Path) -> Forgotten:
    from stores.snapshot import read_snapshot

    forgotten = read_snapshot(locate(store), 2).forgotten
    assert forgotten is not None
    return forgotten


def test_a_build_says_which_files_are_known_by_what_they_hold() -> None:
    assert forgotten_text(["ravdess/a.mp4"]).startswith(
        "left out: 1 file of subjects or clips that this store has forgotten; it still lies in"
    )
    assert forgotten_text(["ravdess/a.mp4", "ravdess/b.mp4"], ["ravdess/b.mp4"]).endswith(
        "such as ravdess/a.mp4; 1 known by what they hold, such as ravdess/b.mp4"
    )


# In a look at the store


@pytest.mark.parametrize("part", ["clips", "index", "quarantine", "shards"])
def test_verify_says_that_somebody_forgotten_is_back(tmp_path: Path, part: str) -> None:
    store = tmp_path / "store"
    first = make_store(store, specs=(SPEC,))
    location = locate(store)
    tables = tables_in(store, first)
    shards = first.features
    gone = Forgotten("salt", (), ()).also(["made/s1"], ["made/01", "made/04"])
    others = ("made/00", "made/02", "made/03", "made/05", "made/06")

    def without(name: str) -> pa.Table:
        ids = tables[name].column("clip_id").to_pylist()
        keep = pa.array([one in others for one in ids], pa.bool_())
        return tables[name].filter(keep)

    cut = {name: without(name) for name in ("clips", "labels", "index", "quarantine")}
    back = {
        "clips": {"clips": tables["clips"]},
        "index": {"index": tables["index"]},
        "quarantine": {
            "quarantine": QUARANTINE.build([Quarantined("made/01", "mfcc", "no_face", "none")])
        },
        "shards": {},
    }[part]
    publish(
        location,
        parent=load_snapshot(location),
        recipe=first.recipe,
        tables={**tables, **cut, "folds": TABLES["folds"].build([]), **back},
        features=shards,
        fitted={},
        versions=first.versions,
        schemes={},
        forgotten=gone,
    )
    [problem] = [one for one in verify(store).problems if "has forgotten" in one]
    assert problem.startswith("the store has forgotten made/01")
    assert part in problem
    if part == "clips":
        assert "run `affectstore forget STORE --clip made/01` again" in problem
        run_forget(store, clip="made/01")
        run_forget(store, clip="made/04")
        assert verify(store).problems == []


def test_no_clip_of_others_bears_the_id_of_who_is_forgotten(tmp_path: Path) -> None:
    store = tmp_path / "store"
    anna = a_clip("folder/anna/happy/x", "folder/anna", "a" * 64)
    ben = a_clip("folder/ben/happy/z", "folder/ben", "b" * 64)
    theirs = replace(ben, group_id=anna.subject_id, take_id="folder/anna", session_id="folder/anna")
    fold = Fold("split_in_two", 0, ben.clip_id, "folder/anna", Role.TRAIN)
    tables = {name: table.build([]) for name, table in TABLES.items()}
    clips = CLIPS.build([anna, theirs])
    commit(store, {}, {**tables, "clips": clips, "folds": FOLDS.build([fold])})
    assert [*run_forget(store, subject="anna").facts.schemes] == ["split_in_two"]
    assert "folder/anna" not in bytes_in(store)
    [left] = FeatureStore(store).rows(CLIPS)
    assert left == ben
    forgotten = load_snapshot(locate(store)).forgotten
    assert forgotten is not None
    kept, _ = leave_forgotten([Found(theirs, ())], forgotten, {})
    assert [one.clip for one in kept] == [ben]


# In what is said


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/proc/receipt.json", "so nothing was done; give the path of a new file elsewhere"),
        ("{}/" + "x" * 251 + ".json", "File name too long"),
        ("{}/" + "x" * 300 + "/receipt.json", "which is a folder or lies in none"),
        ("{}/" + "x" * 240 + ".json", "File name too long"),
        ("/dev/null", "is there and is no receipt of this"),
        ("{}/dangling", "is there and is no receipt of this"),
        ("{}", "which is a folder or lies in none"),
    ],
)
def test_a_receipt_that_cannot_be_written_is_refused_before_anything_is_done(
    tmp_path: Path, place: str, why: str
) -> None:
    store = tmp_path / "store"
    make_store(store)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = contents(tmp_path)
    path = place.format(tmp_path)
    assert why in refusal("forget", store, "--subject", "s1", "--receipt", path)
    assert contents(tmp_path) == before
    assert [one.name for one in store.glob(".f*")] == []


def test_no_receipt_lies_in_what_is_removed(tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "run"
    make_store(store)
    out.mkdir()
    note_made(store, TRAINING, out)
    words = refusal("forget", store, "--subject", "s1", "--receipt", out / "receipt.json")
    assert "would lie in the training run" in words
    assert not run_forget(store, subject="s1", dry_run=True).is_over


def test_a_disk_without_room_for_the_receipt_is_found_before_anything_is_done(
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    make_store(store)
    before = contents(tmp_path)
    with no_file_beyond(1 << 14):
        words = refusal("forget", store, "--subject", "s1")
    assert "(File too large), so nothing was done" in words
    assert contents(tmp_path) == before
    assert [one.name for one in tmp_path.iterdir()] == ["store"]


def test_a_receipt_that_fails_in_the_end_says_that_all_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    make_store(store)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("flows.forgetting.receipt.write_bytes", full)
        words = refusal("forget", store, "--subject", "s1")
    assert "all was taken out of" in words
    assert "another path for --receipt" in words
    assert "made/01" not in ids_in(store)
    elsewhere = tmp_path / "receipt.json"
    assert run_forget(store, subject="s1", receipt=elsewhere).receipt == elsewhere


def test_the_receipt_does_not_name_anybody_where_a_path_does(tmp_path: Path) -> None:
    store = tmp_path / "made" / "s1" / "store"
    make_store(store)
    note_made(store, DRAWINGS, tmp_path / "of-s1")
    (store / "notes of s1.txt").touch()
    done = run_forget(store, subject="s1")
    assert done.receipt is not None
    text = done.receipt.read_text()
    assert "s1" not in text.replace(done.receipt.name, "")
    said = json.loads(text)
    assert said["store"] == str(tmp_path / "(forgotten)" / "store")
    assert said["made"][0]["place"] == str(tmp_path / "of-(forgotten)")
    assert "notes of (forgotten).txt" in said["before"]
    assert str(tmp_path / "of-s1") in str(done.outcomes)


def test_a_dry_run_of_somebody_who_is_forgotten_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.__main__ import run

    store = tmp_path / "store"
    make_store(store)
    run_forget(store, subject="s1")
    assert run_forget(store, subject="s1", dry_run=True).is_over
    with pytest.raises(SystemExit):
        run(["forget", str(store), "--subject", "s1", "--dry-run"])
    assert capsys.readouterr().out == (
        f"{store} has forgotten this subject already; nothing is left to do\n"
    )


def test_a_store_that_was_narrowed_to_one_person_says_what_to_do(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_store(store)
    first = load_snapshot(locate(store))
    tables = tables_in(store, first)
    theirs = {"made/01", "made/04"}
    narrow: dict[str, Any] = {
        table.name: tables[table.name].filter(
            pa.array([one in theirs for one in tables[table.name].column("clip_id").to_pylist()])
        )
        for table in (CLIPS, LABELS, INDEX, QUARANTINE, TABLES["folds"])
    }
    recipe = {**first.recipe, "clips": ["subject_id=s1"]}
    commit(store, first.features, {**tables, **narrow}, recipe=recipe)
    with pytest.raises(ForgetError) as caught:
        run_forget(store, subject="s1")
    words = str(caught.value)
    assert "was narrowed to subject_id=s1, and has clips of made/s1 alone; build it again" in words


def test_what_is_forgotten_is_counted_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.__main__ import run

    store = tmp_path / "store"
    make_store(store)
    with pytest.raises(SystemExit):
        run(["forget", str(store), "--clip", "made/00"])
    said = capsys.readouterr().out
    assert "1 clip forgotten; rows that went: clips 1" in said
    assert "3 shards written anew; older snapshots removed: snapshot 1" in said


def test_of_somebody_whom_older_snapshots_alone_have_no_shard_is_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.__main__ import run

    store = tmp_path / "store"
    publish_bare(
        store,
        [a_clip("ravdess/a", "ravdess/01", "a" * 64), a_clip("ravdess/b", "ravdess/02", "b" * 64)],
        QUARANTINE.build([]),
    )
    publish_bare(store, [a_clip("ravdess/b", "ravdess/02", "b" * 64)], QUARANTINE.build([]))
    with pytest.raises(SystemExit):
        run(["forget", str(store), "--subject", "01"])
    said = capsys.readouterr().out
    assert "1 clip forgotten; no row of the newest snapshot was of them" in said
    assert "\nolder snapshots removed: snapshots 1, 2" in said


def test_ids_are_cut_out_of_paths_alone() -> None:
    clip = a_clip("ravdess/x-01", "ravdess/01", "")
    target = ForgetTarget(SUBJECT, "ravdess/01", (clip,), Forgotten("s", (), ()))
    assert target.cut("/data/01/x-01 and 2001") == "/data/(forgotten)/(forgotten) and 2001"
