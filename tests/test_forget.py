"""Who was forgotten is nowhere: not in the store, its cache, or what was made of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import extractors.fitted.catalog
from flows.building.run import run_build
from flows.errors import BuildError
from flows.exporting.run import run_export
from flows.forgetting import run as forgetting
from flows.forgetting.run import run_forget
from flows.forgetting.target import ForgetError, ForgetTarget
from flows.reporting.run import write_report
from flows.splitting.run import run_split
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from stores import FeatureStore
from stores.exports.source import Request, Source
from stores.exports.write import write_export
from stores.forgotten import Forgotten, recipe_without, without_names
from stores.location import Place, locate
from stores.made import DRAWINGS, TRAINING, note_made
from stores.pointer import NotCommitted
from stores.snapshot import load_snapshot, read_rows
from stores.verify import verify
from tests.support.commands import QUICK, refusal
from tests.support.fitted_made import Centre, fit, make, quarters, refold, with_fitted
from tests.support.object_store import Elsewhere, objects
from tests.support.prefect_server import Server
from tests.support.store_files import contents, linked
from tests.support.stores_made import CROPS, LOGMEL, SPEC, make_store

ROWS_OF_A_CLIP = 4


# The search of every byte


@dataclass
class Traces:
    """What a subject leaves in a store, to be looked for."""

    ids: set[str]
    sha256s: set[str]
    rows: list[bytes]
    """Rows of numbers and pictures that no other clip has."""

    @classmethod
    def of(cls, store: FeatureStore, subject: str) -> "Traces":
        clips = {clip.clip_id: clip for clip in store.rows(CLIPS)}
        mine = {one for one, clip in clips.items() if clip.subject_id == subject}
        rows: list[bytes] = []
        for name in store:
            others = {row for c in set(store[name]) - mine for row in rows_of(store, name, c)}
            for clip_id in sorted(mine & set(store[name])):
                rows += [one for one in rows_of(store, name, clip_id) if one not in others][
                    :ROWS_OF_A_CLIP
                ]
        others_files = {clip.sha256 for one, clip in clips.items() if one not in mine}
        files = {clips[one].sha256 for one in mine} - others_files
        return cls({subject, *mine}, files - {""}, rows)

    def found_in(self, files: Mapping[str, bytes]) -> list[str]:
        """The files that have any of it; tables are looked at as they are and as they read."""
        ids = re.compile(
            "|".join(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in sorted(self.ids))
        )
        found = []
        for file, data in files.items():
            text = f"{file}\n{data.decode('latin-1')}{cells(data)}"
            if ids.search(text) or any(one in text for one in self.sha256s):
                found.append(f"{file} names it")
            if any(row in data for row in self.rows):
                found.append(f"{file} has a row of it")
        return found


def rows_of(store: FeatureStore, name: str, clip_id: str) -> list[bytes]:
    track = store[name].track(clip_id, decode=False)
    rows = (
        one if isinstance(one, bytes) else np.ascontiguousarray(one).tobytes()
        for one in track.values
    )
    return [one for one in rows if len(set(one)) > 8]


def cells(data: bytes) -> str:
    """The cells of a Parquet file, which is compressed."""
    import io

    if not data.startswith(b"PAR1"):
        return ""
    return json.dumps(pq.read_table(io.BytesIO(data)).to_pylist(), default=str)


def all_files(*folders: Path) -> dict[str, bytes]:
    """Every file of some folders, hidden ones too, by its path, which may say something."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def tracks_of(place: Place) -> dict[tuple[str, str], tuple[bytes, bytes, bytes]]:
    store = FeatureStore(place)
    found = {}
    for name in store:
        for clip_id in store[name]:
            track = store[name].track(clip_id, decode=False)
            values = track.values
            data = b"".join(values) if values.dtype == object else values.tobytes()
            found[name, clip_id] = (data, track.seconds.tobytes(), track.valid.tobytes())
    return found


def others_are_the_same(before: Mapping[Any, Any], place: Place, traces: Traces) -> None:
    after = tracks_of(place)
    assert after == {key: one for key, one in before.items() if key[1] not in traces.ids}
    assert len(after) < len(before)
    assert verify(place).problems == []


@pytest.fixture
def used(store: Path, tmp_path: Path) -> Path:
    """The demo store with a history, folds, an export, a report and a drawing."""
    run_split(store, "subject_kfold", 3)
    run_split(store, "holdout", test=["01"], valid=["02"])
    run_export(store, "numpy", str(tmp_path / "out" / "export"), Request(None, None))
    write_report(store, tmp_path / "out" / "report")
    return store


def test_nothing_is_left_of_a_subject_of_the_demo_and_no_build_brings_it_back(
    used: Path, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.__main__ import run

    run_build(used, {"sample": sample}, "demo", QUICK, workers=1)  # which writes .seen.parquet
    drawings = tmp_path / "out" / "drawn"
    with pytest.raises(SystemExit):
        run(["draw", str(used), "mfcc", str(drawings), "--all"])
    traces = Traces.of(FeatureStore(used), "sample/01")
    assert len(traces.found_in(all_files(used, tmp_path / "out"))) > 20
    assert len(traces.rows) > 20
    drawn, before = len([*drawings.rglob("*.png")]), tracks_of(used)

    done = run_forget(used, subject="01")

    assert traces.found_in(all_files(used, tmp_path / "out")) == []
    others_are_the_same(before, used, traces)
    assert set(done.outcomes.values()) == {"removed"}
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["drawn"]
    assert 0 < len([*drawings.rglob("*.png")]) < drawn
    assert {*done.facts.schemes} == {"holdout", "subject_kfold"}
    assert "--test SUBJECT --valid 02" in done.facts.schemes["holdout"]
    assert traces.found_in({"receipt": done.receipt.read_bytes()}) == []  # type: ignore[union-attr]

    again = run_build(used, {"sample": sample}, "demo", QUICK, workers=1)
    assert not again.is_new
    assert {one.split("/")[-1][-6:-4] for one in again.forgotten.files} == {"01"}
    assert traces.found_in(all_files(used)) == []
    changes = [part for change in QUICK for part in ("--set", change)]
    with pytest.raises(SystemExit):
        run(["build", str(used), "--corpus", f"sample={sample}", "--recipe", "demo", *changes])
    said = capsys.readouterr().out
    assert "files of subjects or clips that this store has forgotten; they still lie in" in said
    # And with other features, when every clip is decoded anew.
    run_build(used, {"sample": sample}, "demo", (*QUICK, "features.mfcc.n_mfcc=20"), workers=1)
    assert traces.found_in(all_files(used)) == []
    assert verify(used).problems == []


def test_nothing_is_left_where_states_variants_and_three_snapshots_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extractors.fitted.catalog.FITTERS, Centre.name, Centre)
    store = tmp_path / "store"
    sound = {"extractor": "augment_audio", "seed": 0, "pitch_semitones": 1.0}
    recipe = with_fitted(code={"fitter": "centre", "input": "z"})
    make(store, {**recipe, "variants": {"1": {"audio": sound}}})
    fit(store)
    others = [replace(one, scheme="rest") for one in quarters() if one.group_id != "made/s2"]
    refold(store, [*quarters(), *others])
    fit(store, "rest")
    assert load_snapshot(locate(store)).number >= 3
    traces, before = Traces.of(FeatureStore(store), "made/s2"), tracks_of(store)

    done = run_forget(store, subject="made/s2")

    assert traces.found_in(all_files(store)) == []
    others_are_the_same(before, store, traces)
    left = load_snapshot(locate(store))
    assert {one.scheme for entry in left.fitted.values() for one in entry.states} == {"rest"}
    assert left.fitted["code"].states == ()  # its network had made tracks of every clip
    assert "code, fold 0 of rest" in done.facts.states
    assert {*done.facts.schemes} == {"quarters"}
    assert {row.scheme for row in read_rows(locate(store), left, FOLDS)} == {"rest"}
    FeatureStore(store).fitted("even", "rest", 1)
    with pytest.raises(NotCommitted, match=r"those before .* were removed by"):
        FeatureStore(store, snapshot=1)


def test_nothing_is_left_behind_a_url_nor_in_its_cache(
    url: str, tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_store(url)
    source = Source(FeatureStore(url), Request(("mfcc",), None))
    write_export(source, "numpy", f"{url}-export", {})
    parts = locate(url).folder.with_suffix(".parts")
    parts.mkdir(exist_ok=True)
    traces, before = Traces.of(FeatureStore(url), "made/s1"), tracks_of(url)
    (parts / "killed").write_bytes(traces.rows[0])

    done = run_forget(url, subject="s1")

    assert traces.found_in(objects(url)) == []
    assert traces.found_in(all_files(locate(url).folder.parent)) == []
    assert objects(f"{url}-export") == {}
    assert done.receipt is not None
    assert done.receipt.parent == tmp_path
    others_are_the_same(before, elsewhere(url), traces)
    assert run_forget(url, subject="s1").is_over


def test_a_row_in_a_shard_that_is_kept_for_others_goes_though_its_clip_was_left_out_since(
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    first = make_store(store, specs=(SPEC, LOGMEL, CROPS))
    traces = Traces.of(FeatureStore(store), "made/s1")
    location = locate(store)
    every: tuple[Table[Any], ...] = (CLIPS, LABELS, INDEX, QUARANTINE)
    tables = {
        table.name: table.build(
            row for row in read_rows(location, first, table) if row.clip_id not in traces.ids
        )
        for table in every
    }
    refold(store, [], **tables)
    assert traces.found_in(all_files(store / "shards"))
    run_forget(store, subject="s1")
    assert traces.found_in(all_files(store)) == []
    assert verify(store).problems == []


# What it says, and leaves


def test_a_dry_run_says_all_and_changes_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(store)
    fit(store)
    note_made(store, TRAINING, tmp_path / "run")
    before = contents(tmp_path)
    found = run_forget(store, subject="s2", dry_run=True)
    assert contents(tmp_path) == before
    done = run_forget(store, subject="s2")
    assert not found.is_done
    assert done.is_done
    assert replace(found.facts, begun="", before={}) == replace(done.facts, begun="", before={})
    assert found.clip_ids == ("made/02", "made/06", "made/10")
    assert found.facts.rows == {"clips": 3, "folds": 48, "index": 6, "labels": 3, "quarantine": 0}
    assert found.facts.shards == 6
    assert len(found.facts.states) == 12


def test_the_receipt_has_hashes_of_every_file_before_and_after_and_what_no_command_reaches(
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    make_store(store)
    before = contents(store)
    done = run_forget(store, subject="s1")
    said = json.loads(done.receipt.read_bytes())  # type: ignore[union-attr]
    assert {name: one for name, one in said["before"].items() if name in before} == before
    assert said["after"] == contents(store)
    assert said["sha256"] == Forgotten(said["salt"], (), ()).hash("made/s1")
    assert "backups" in said["not_reached"][0]
    with pytest.raises(ForgetError, match="would lie in the store"):
        run_forget(store, subject="s0", receipt=store / "receipt.json")


@pytest.mark.parametrize(
    "step", ["publish_without", "remove_things", "remove_files", "hashes", "write_receipt"]
)
def test_a_run_that_is_interrupted_goes_on_to_the_same_end(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = tmp_path / "a" / "store", tmp_path / "b" / "store"
    for store in stores:
        make(store)
        note_made(store, TRAINING, tmp_path / "run")
    monkeypatch.setattr(forgetting, "now", lambda: "then")
    undisturbed = run_forget(stores[0], subject="s2")

    done, calls = getattr(forgetting, step), iter(range(9))

    def interrupted(*given: object) -> object:
        if next(calls) == (step == "hashes"):  # whose first call is of the files before
            raise KeyboardInterrupt
        return done(*given)

    monkeypatch.setattr(forgetting, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_forget(stores[1], subject="s2")
    monkeypatch.setattr(forgetting, step, done)
    again = run_forget(stores[1], subject="s2")
    assert contents(stores[0]) == contents(stores[1])
    assert [*stores[1].glob(".forgetting-*")] == []
    receipts = [json.loads(one.receipt.read_bytes()) for one in (undisturbed, again)]  # type: ignore[union-attr]
    for said in receipts:
        del said["ended"], said["store"], said["schemes"]  # which name the store
    assert receipts[0] == receipts[1]


def test_a_clip_alone_is_forgotten(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(store)
    run_forget(store, clip="made/02")
    left = {row.clip_id for row in FeatureStore(store).rows(CLIPS)}
    assert "made/02" not in left
    assert len(left) == 11
    run_forget(store, subject="s2")
    assert len(FeatureStore(store).rows(CLIPS)) == 9


def test_who_cannot_be_forgotten_is_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(store)
    before = contents(store)
    assert "has no subject 'nobody'; there are made/s0, made/s1" in refusal(
        "forget", store, "--subject", "nobody"
    )
    assert "--subject ID, or --clip ID" in refusal("forget", store)
    assert "no committed store" in refusal("forget", tmp_path / "none", "--subject", "s1")
    for name in ("s0", "s1", "s2"):
        run_forget(store, subject=name)
    with pytest.raises(ForgetError, match=r"every clip of .* is of made/s3; remove the whole"):
        run_forget(store, subject="s3")
    assert contents(store) != before


def test_what_something_else_lies_in_the_place_of_is_left_and_named(tmp_path: Path) -> None:
    store, place = tmp_path / "store", tmp_path / "export"
    make(store)
    write_export(Source(FeatureStore(store), Request(("mfcc",), None)), "numpy", str(place), {})
    (place / "mine.txt").write_text("notes")
    note_made(store, TRAINING, tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "photo.png").touch()
    note_made(store, DRAWINGS, tmp_path / "none")
    done = run_forget(store, subject="s2")
    outcomes = {Path(one.place).name: what for one, what in done.outcomes.items()}
    assert outcomes["export"].startswith("its files were removed; others are left in")
    assert outcomes["run"].startswith("left: something else lies at")
    assert outcomes["none"].startswith("not found")
    assert [one.name for one in place.iterdir()] == ["mine.txt"]
    assert (tmp_path / "run" / "photo.png").exists()


def test_a_store_that_cannot_be_written_to_costs_a_reader_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    make(store)

    def refuse(*given: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("stores.location.Location.create", refuse)
    note_made(store, TRAINING, tmp_path / "run")
    words = capsys.readouterr().err
    assert "cannot be written to (Permission denied), so the store does not list this" in words
    note_made(store, TRAINING, tmp_path / "\udcff")
    assert "is no Unicode, so the store does not list this training run" in capsys.readouterr().err


def test_names_are_taken_out_of_conditions_and_recipes() -> None:
    target = ForgetTarget("subject", "sample/01", (_clip("sample/x-01"),), Forgotten("s", (), ()))
    assert without_names(["subject=01,02", "subject!=01", "sex=male"], target.named) == (
        "sex=male",
        "subject_id=02",
    )
    recipe = {"clips": ["subject_id!=01"], "ignore_known_issues": ["sample/x-01", "meld"]}
    assert recipe_without(recipe, target.named) == {"ignore_known_issues": ["meld"]}
    assert target.is_in("see sample/01.") is True
    assert target.is_in("see sample/01-02") is False
    assert target.scrub("as sample/x-01") == "as (forgotten)"


def _clip(clip_id: str) -> Clip:
    return Clip(clip_id, "sample", "sample/01", None, clip_id, None, "x.mp4", "0" * 64, 1)


def test_a_recipe_that_chooses_nobody_but_the_forgotten_is_refused(
    store: Path, sample: Path
) -> None:
    run_forget(store, subject="01")
    with pytest.raises(BuildError, match="chooses clips by subject_id of which the store has"):
        run_build(store, {"sample": sample}, "demo", QUICK, workers=1, where=["subject=01"])
    done = run_build(store, {"sample": sample}, "demo", QUICK, workers=1, where=["subject=01,02"])
    assert done.snapshot.recipe["clips"] == ["subject_id=02"]


# Runs on a server


def test_runs_and_pages_that_name_one_are_removed_from_the_server(
    recorded: Server, tmp_path: Path, store: Path
) -> None:
    from flows.__main__ import run
    from flows.view.run_summary import artifact_key

    other = linked(store, tmp_path / "other")
    for each in (store, other):
        with pytest.raises(SystemExit):
            run(["split", str(each), "holdout", "--test", "01", "--valid", "02"])
    assert recorded.pages(artifact_key("split", locate(store)))
    with pytest.raises(SystemExit):
        run(["forget", str(store), "--subject", "01"])
    assert recorded.pages(artifact_key("split", locate(store))) == []
    assert recorded.pages(artifact_key("split", locate(other)))
    runs = recorded.ask("/flow_runs/filter", {})
    assert {one["parameters"]["store"] for one in runs if one["parameters"].get("store")} >= {
        str(other)
    }
    assert str(store) not in {one["parameters"].get("store") for one in runs}
