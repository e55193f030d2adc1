"""What a file never had by its corpus's rule is absent and not in quarantine; stores of format 1,
which did not know that, are read as they are and brought to format 2 by the next build.

tests/data/store_format_1.tar.xz holds `store`, built, split (leave_one_subject_out) and fitted by
the last version that wrote format 1, of the clips in `corpus` by the recipe `light.toml`: drawn and
spoken by the sample corpus, made small, as 01 (with sound), 02 (silent) and 03 (sound alone) of
three actors, and one 01 that has no sound against its name.
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from extractors.plan import Graph
from flows.building.commit import BuildResult
from flows.building.plan import BuildPlan, make_plan
from flows.building.run import run_build
from flows.fitting.run import run_fit
from flows.recipe import load
from flows.splitting.run import run_split
from manifests.clips import StreamKind
from manifests.corpora.catalog import CORPORA
from manifests.features import INDEX, State
from stores import FeatureDataset, FeatureStore, NotInStore
from stores.location import locate
from stores.pointer import read_pointer
from stores.shard import Shard
from stores.snapshot import load_snapshot
from stores.summary import absent_counts, summarise
from stores.verify import verify
from tests.support.commands import refusal
from tests.support.in_process import InProcess
from tests.support.store_files import contents
from tests.support.stores_made import SPEC, commit, make_store, tables_in

ARCHIVE = Path(__file__).parent / "data" / "store_format_1.tar.xz"
AV, SILENT, SOUND = (f"ravdess/{kind}-01-03-01-01-01-02" for kind in ("01", "02", "03"))
NO_SOUND = "ravdess/01-01-04-01-01-01-01"
NOTHING = frozenset[StreamKind]()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with a store of format 1, its clips and its recipe."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def build(folder: Path, *changes: str) -> BuildResult:
    """Builds the store of a folder from its clips, in this process."""
    corpora, recipe = {"ravdess": folder / "corpus"}, str(folder / "light.toml")
    return run_build(folder / "store", corpora, recipe, changes, 1, wrap=lambda _: InProcess())


def states(store: Path) -> dict[tuple[str, str], State]:
    return {(row.clip_id, row.feature): row.state for row in FeatureStore(store).rows(INDEX)}


def expected_states() -> Iterator[tuple[str, State, State]]:
    """(clip, state of crops, state of mfcc) by the clips' names."""
    for actor in ("01", "02", "03"):
        take = f"01-03-01-01-01-{actor}"
        yield f"ravdess/01-{take}", State.STORED, State.STORED
        yield f"ravdess/02-{take}", State.STORED, State.ABSENT
        yield f"ravdess/03-{take}", State.ABSENT, State.STORED
    yield NO_SOUND, State.STORED, State.QUARANTINED


EXPECTED = {
    (clip_id, feature): state
    for clip_id, *both in expected_states()
    for feature, state in zip(("crops", "mfcc"), both, strict=True)
}


@pytest.mark.parametrize(
    ("corpus", "path", "lacks"),
    [
        ("ravdess", "a/01-01-03-01-01-01-02.mp4", NOTHING),
        ("ravdess", "a/02-01-03-01-01-01-02.mp4", {StreamKind.SOUND}),
        ("ravdess", "a/03-01-03-01-01-01-02.wav", {StreamKind.PICTURES}),
        ("ravdess", "a/03-01-03-01-01-01-02.mp4", {StreamKind.PICTURES}),
        ("ravdess", "a/01-01-03-01-01-01-02.wav", {StreamKind.PICTURES}),
        ("sample", "a/02-01-03-01-01-01-02.mp4", {StreamKind.SOUND}),
        ("cremad", "VideoFlash/1001_DFA_ANG_XX.flv", NOTHING),
        ("cremad", "AudioWAV/1001_DFA_ANG_XX.wav", {StreamKind.PICTURES}),
        ("cremad", "AudioMP3/1001_DFA_ANG_XX.MP3", {StreamKind.PICTURES}),
        ("folder", "a/b.mp4", NOTHING),
        ("folder", "a/b.flac", {StreamKind.PICTURES}),
    ],
)
def test_a_name_says_what_its_file_never_had(
    corpus: str, path: str, lacks: frozenset[StreamKind], tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    [found] = CORPORA[corpus].scan(tmp_path)
    assert found.bad is None
    assert found.lacks == lacks


def test_a_file_that_is_no_clip_of_its_corpus_is_under_no_rule(tmp_path: Path) -> None:
    (tmp_path / "03-hello.wav").touch()
    [found] = CORPORA["ravdess"].scan(tmp_path)
    assert found.bad is not None
    assert found.lacks == NOTHING


def test_a_feature_knows_what_it_is_measured_on() -> None:
    graph: Graph = load("demo").graph
    assert graph.streams("mfcc_resnet18") == {StreamKind.SOUND}
    assert graph.streams("resnet18") == {StreamKind.PICTURES}
    for name in graph.order:
        assert graph.streams(name), name


def test_every_clip_is_stored_absent_or_quarantined_for_each_feature(old: Path) -> None:
    shutil.rmtree(old / "store")
    snapshot = build(old).snapshot
    assert states(old / "store") == EXPECTED
    counts = snapshot.counts
    assert (counts["stored"], counts["absent"], counts["quarantined"]) == (13, 6, 1)
    assert "13 stored + 6 absent + 1 quarantined: whole" in verify(old / "store").summary
    found = FeatureStore(old / "store").quarantine()
    assert found[["clip_id", "reason"]].to_numpy().tolist() == [[NO_SOUND, "no_audio"]]
    index = FeatureStore(old / "store").index().set_index(["clip_id", "feature"])
    assert index.loc[(SILENT, "mfcc"), "notes"] == "sound"
    assert index.loc[(SOUND, "crops"), "notes"] == "pictures"
    assert not build(old).is_new


def test_what_is_absent_counts_for_nothing_in_the_budget_and_is_in_no_shard(old: Path) -> None:
    (old / "corpus" / f"{NO_SOUND.removeprefix('ravdess/')}.mp4").unlink()
    shutil.rmtree(old / "store")
    build(old, "max_bad_fraction=0.0")
    store = FeatureStore(old / "store")
    assert len(store.quarantine()) == 0
    shards = [shard for one in store.snapshot.features.values() for shard in one.shards]
    assert sum(shard.clips for shard in shards) == 12
    assert not any(Shard(store.location, shard.file).refused for shard in shards)


def test_what_is_there_against_the_rule_is_stored(old: Path) -> None:
    silent, sounding = (old / "corpus" / f"{clip[8:]}.mp4" for clip in (SILENT, AV))
    without_sound = silent.read_bytes()
    shutil.copy(sounding, silent)
    build(old)
    assert states(old / "store")[SILENT, "mfcc"] == State.STORED
    silent.write_bytes(without_sound)
    build(old)
    assert states(old / "store")[SILENT, "mfcc"] == State.ABSENT


def test_a_damaged_file_of_sound_alone_is_in_quarantine_for_all(old: Path) -> None:
    (old / "corpus" / f"{SOUND[8:]}.wav").write_bytes(b"")
    build(old)
    found = states(old / "store")
    assert found[SOUND, "mfcc"] == found[SOUND, "crops"] == State.QUARANTINED


def test_sound_files_of_a_folder_never_had_pictures_and_a_silent_video_is_missed(
    tmp_path: Path, old: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(old / "corpus" / f"{SOUND[8:]}.wav", clips / "talk.wav")
    shutil.copy(old / "corpus" / f"{SILENT[8:]}.mp4", clips / "mute.mp4")
    corpora, recipe = {"folder": clips}, str(old / "light.toml")
    run_build(tmp_path / "s", corpora, recipe, workers=1, wrap=lambda _: InProcess())
    found = states(tmp_path / "s")
    assert found["folder/talk", "crops"] == State.ABSENT
    assert found["folder/talk", "mfcc"] == State.STORED
    assert found["folder/mute", "mfcc"] == State.QUARANTINED
    assert found["folder/mute", "crops"] == State.STORED


def test_a_store_of_format_1_is_read_as_it_is_and_not_written_to(old: Path) -> None:
    before = contents(old / "store")
    store = FeatureStore(old / "store")
    assert store.snapshot.number == 3
    assert len(store["mfcc"][AV]) > 0
    assert len(store.fitted("mfcc_z", "leave_one_subject_out", 0)[AV]) > 0
    with pytest.raises(NotInStore, match="it is quarantined: no_audio"):
        store["mfcc"][SILENT]
    assert "13 stored + 0 absent + 7 quarantined: whole" in verify(old / "store").summary
    assert summarise(locate(old / "store")).absent == {}
    assert contents(old / "store") == before


def test_the_next_build_brings_it_to_format_2_once_without_decoding_anything(old: Path) -> None:
    before = contents(old / "store")
    result = build(old)
    assert (result.is_new, result.shards_written, result.clips_computed) == (True, 0, 0)
    assert states(old / "store") == EXPECTED
    store = locate(old / "store")
    pointer = read_pointer(store)
    assert pointer is not None
    assert (pointer.format_version, pointer.snapshot) == (2, 4)
    after = contents(old / "store")
    assert {name for name in before if after[name] != before[name]} == {"dataset.json"}
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} <= {
        "tables", "snapshots", ".lock", ".seen.parquet",
    }  # fmt: skip
    # Folds and fitted states are of the same clips, and the older snapshots are still there.
    assert result.snapshot.fitted == load_snapshot(store, 3).fitted
    assert not result.folds_dropped
    with pytest.raises(NotInStore, match="quarantined"):
        FeatureStore(old / "store", snapshot=1)["mfcc"][SILENT]
    assert verify(old / "store").problems == []
    assert not build(old).is_new
    assert contents(old / "store") == after


def test_a_split_and_a_fit_leave_a_store_of_format_1_to_those_who_can_read_it(old: Path) -> None:
    run_split(old / "store", "subject_kfold", folds=3)
    assert json.loads((old / "store" / "dataset.json").read_text())["format_version"] == 1
    assert "absent" not in load_snapshot(locate(old / "store")).counts
    assert verify(old / "store").problems == []
    build(old)
    assert json.loads((old / "store" / "dataset.json").read_text())["format_version"] == 2
    run_split(old / "store", "subject_kfold", folds=3, seed=1)
    assert json.loads((old / "store" / "dataset.json").read_text())["format_version"] == 2
    assert load_snapshot(locate(old / "store")).counts["absent"] == 6


def test_readers_say_what_a_file_never_had(old: Path) -> None:
    build(old)
    store = FeatureStore(old / "store")
    with pytest.raises(NotInStore) as said:
        store["mfcc"][SILENT]
    words = "has no mfcc: by its corpus's rule it never had sound"
    assert str(said.value) == f"{SILENT} {words}"
    with pytest.raises(NotInStore, match="mfcc: by its corpus's rule it never had sound"):
        store.fitted("mfcc_z", "leave_one_subject_out", 0)[SILENT]
    assert absent_counts(store.location, store.snapshot) == {
        "pictures": {"crops": 3},
        "sound": {"mfcc": 3},
    }
    assert summarise(store.location).notes == {}


def test_a_dataset_counts_apart_what_was_never_there(old: Path) -> None:
    build(old)
    with pytest.raises(ValueError, match="lack") as said:
        dataset(old, missing="error")
    assert "7 of 10 clips lack a feature or a label, 6 of them by the rule" in str(said.value)
    assert f"{SILENT[:-2]}01 lacks mfcc (never had sound)" in str(said.value)
    dropped = dataset(old, missing="drop")
    assert len(dropped) == 3
    assert dropped.dropped[SOUND] == "crops (never had pictures)"
    assert dropped.dropped[NO_SOUND] == "mfcc"
    masked = dataset(old, missing="mask")
    assert len(masked) == 10
    _, tracks, _ = masked[masked.clip_ids.index(SOUND)]
    assert len(tracks["crops"]) == 0
    assert len(tracks["mfcc"]) > 0


def dataset(old: Path, missing: str) -> FeatureDataset:
    return FeatureDataset(
        old / "store",
        features=["mfcc", "crops"],
        labels=None,
        missing=missing,  # type: ignore[arg-type]
    )


def test_a_fit_passes_over_what_was_never_there(
    old: Path, networks_of_real_size: None, processes: None
) -> None:
    text = (old / "light.toml").read_text()
    coder = '\n[fitted.code]\nfitter = "autoencoder"\ninput = "mfcc"\ndim = 2\nsteps = 3\n'
    (old / "light.toml").write_text(text + coder, encoding="utf-8")
    for clip in (old / "corpus").glob("*-01.*"):  # a fourth actor, so that two are trained on
        shutil.copy(clip, clip.with_stem(f"{clip.stem[:-2]}04"))
    build(old)
    run_split(old / "store", "leave_one_subject_out")
    run_fit(old / "store", "leave_one_subject_out", workers=1)
    store = FeatureStore(old / "store")
    tracks = store.fitted("code", "leave_one_subject_out", 0)
    assert AV in tracks
    with pytest.raises(NotInStore, match="code: by its corpus's rule it never had sound"):
        tracks[SILENT]
    assert verify(old / "store").problems == []


def test_verify_finds_an_absent_row_that_names_a_place_or_is_in_quarantine(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path, specs=(SPEC,))
    tables = tables_in(tmp_path, snapshot)
    first, *others = INDEX.rows(tables["index"])
    wrong = replace(first, state=State.ABSENT, notes="sound")
    commit(tmp_path, snapshot.features, {**tables, "index": INDEX.build([wrong, *others])})
    assert [problem for problem in verify(tmp_path).problems if "is absent and yet" in problem]
    good = replace(wrong, shard=None, start=None, rows=None, valid_rows=None)
    commit(tmp_path, snapshot.features, {**tables, "index": INDEX.build([good, *others])})
    found = verify(tmp_path)
    assert found.problems == []
    assert (found.stored, found.absent, found.quarantined) == (6, 1, 0)


def test_a_format_that_is_not_known_yet_is_refused(tmp_path: Path) -> None:
    make_store(tmp_path)
    pointer = json.loads((tmp_path / "dataset.json").read_text())
    assert pointer["format_version"] == 2
    (tmp_path / "dataset.json").write_text(json.dumps({**pointer, "format_version": 3}))
    assert "format version 3, this affectstore reads up to 2" in refusal("show", tmp_path)


@pytest.mark.parametrize("becomes", ["sounding", "silent"])
def test_the_rule_counts_for_what_a_file_is_when_it_is_decoded(
    becomes: str, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, sounding = (old / "corpus" / f"{clip[8:]}.mp4" for clip in (SILENT, AV))
    contents_of = {"silent": silent.read_bytes(), "sounding": sounding.read_bytes()}
    shutil.rmtree(old / "store")
    if becomes == "silent":
        silent.write_bytes(contents_of["sounding"])

    def plan_and_change(*given: Any) -> BuildPlan:
        plan = make_plan(*given)
        silent.write_bytes(contents_of[becomes])
        return plan

    monkeypatch.setattr("flows.building.run.make_plan", plan_and_change)
    build(old)
    expected = State.STORED if becomes == "sounding" else State.ABSENT
    assert states(old / "store")[SILENT, "mfcc"] == expected
    assert states(old / "store")[SILENT, "crops"] == State.STORED
    assert SILENT not in set(FeatureStore(old / "store").quarantine()["clip_id"])
    assert verify(old / "store").problems == []
