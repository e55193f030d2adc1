"""The build: what is new is computed, the rest stays, and the bytes depend on nothing but the
input."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import flows.building.file_stats
import flows.building.shard_task
from flows.building.clip_table import ClipTableBuilder, list_clips
from flows.building.commit import BuildResult
from flows.building.committed import load_committed
from flows.building.index_builder import NewRows
from flows.building.plan import make_plan
from flows.building.probing import probe_clips
from flows.building.run import run_build
from flows.building.shard_task import ShardTask
from flows.errors import BuildError
from flows.recipe import load
from flows.workers.executor import Executor, Pools, Step
from manifests.quarantine import BadClip, Reason
from stores import FeatureStore
from stores.location import Location, StoreBusy, locate
from stores.records import ShardRecord
from stores.verify import verify
from tests.support.commands import QUICK
from tests.support.media_made import write
from tests.support.store_files import contents, new_shards

OF_SOUND = {"mfcc", "logmel64", "logmel128", "mfcc_resnet18", "soundprint", "sound_digest"}
OF_FACES = {"faces", "crops", "resnet18", "faceprint"}
ALL = {*OF_SOUND, *OF_FACES, "frames_digest"}


def build(store: Path, folder: Path, *changes: str, workers: int = 1) -> BuildResult:
    return run_build(store, {"sample": folder}, "demo", (*QUICK, *changes), workers)


def a_sound_clip(folder: Path) -> Path:
    return sorted(folder.rglob("01-01-03-*.mp4"))[0]


def test_every_clip_is_stored_or_has_a_reason_for_every_feature(built: Path) -> None:
    store = FeatureStore(built)
    index, clips = store.index(), store.clips()
    assert len(clips) == 9
    assert set(index["feature"]) == ALL
    assert (index.groupby("feature")["clip_id"].nunique() == len(clips)).all()
    assert verify(built).problems == []


def test_the_bad_clips_of_the_sample_have_their_reasons_and_keep_their_other_features(
    built: Path,
) -> None:
    quarantined = FeatureStore(built).quarantine()
    by_reason = {reason: set(rows["feature"]) for reason, rows in quarantined.groupby("reason")}
    assert by_reason == {
        Reason.NO_FACE: OF_FACES,
        Reason.TRUNCATED: ALL,
    }
    assert quarantined.groupby("reason")["clip_id"].nunique().to_dict() == dict.fromkeys(
        by_reason, 1
    )
    absent = FeatureStore(built).index().query("state == 'absent'")
    assert set(absent["clip_id"]) == {"sample/02-01-04-02-01-01-02"}
    assert set(absent["feature"]) == OF_SOUND


def test_the_same_build_again_writes_nothing(store: Path, sample: Path) -> None:
    before = contents(store)
    result = build(store, sample)
    assert not result.is_new
    assert contents(store) == before


def test_one_more_clip_makes_its_own_shards_and_moves_no_other(store: Path, folder: Path) -> None:
    old = a_sound_clip(folder)
    fields = old.stem.split("-")
    fields[4] = "02"
    shutil.copy(old, old.with_name("-".join(fields) + ".mp4"))
    before = contents(store)
    assert build(store, folder).is_new
    assert new_shards(before, contents(store)) == dict.fromkeys(ALL, 1)
    index = FeatureStore(store).index()
    added = index[index["clip_id"].str.endswith("-".join(fields))]
    assert set(added["feature"]) == ALL
    assert (added["start"] == 0).all()
    assert verify(store).problems == []


def test_a_changed_parameter_rebuilds_its_feature_and_what_needs_it_alone(
    store: Path, sample: Path
) -> None:
    before = contents(store)
    build(store, sample, "features.mfcc.n_mfcc=20")
    assert set(new_shards(before, contents(store))) == {"mfcc", "mfcc_resnet18"}
    assert FeatureStore(store).features["mfcc"].shape == (60,)
    assert verify(store).problems == []


def test_changed_bytes_of_one_clip_rebuild_its_rows_alone(store: Path, folder: Path) -> None:
    first, *_, last = sorted(folder.rglob("01-01-03-*.mp4"))
    first.unlink()
    shutil.copy(last, first)
    before, rows_before = (
        contents(store),
        FeatureStore(store).index().set_index(["clip_id", "feature"]),
    )
    build(store, folder)
    assert new_shards(before, contents(store)) == dict.fromkeys(ALL, 1)
    rows = FeatureStore(store).index().set_index(["clip_id", "feature"])
    changed = rows[rows["shard"].fillna("") != rows_before["shard"].fillna("")]
    assert set(changed.index.get_level_values("clip_id")) == {f"sample/{first.stem}"}
    assert verify(store).problems == []


def test_a_clip_that_is_gone_leaves_the_snapshot_and_the_old_one_stays_readable(
    store: Path, folder: Path
) -> None:
    gone = a_sound_clip(folder)
    gone.unlink()
    before = contents(store)
    result = build(store, folder)
    assert new_shards(before, contents(store)) == {}
    assert result.snapshot.number == 2
    assert f"sample/{gone.stem}" not in FeatureStore(store)["mfcc"]
    assert f"sample/{gone.stem}" in FeatureStore(store, snapshot=1)["mfcc"]


def test_neither_the_number_of_workers_nor_the_order_of_files_on_disk_changes_a_byte(
    built: Path, sample: Path, tmp_path: Path
) -> None:
    for path in sorted(sample.rglob("*.mp4"), reverse=True):
        target = tmp_path / "clips" / path.relative_to(sample)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    build(tmp_path / "store", tmp_path / "clips", workers=2)
    assert contents(tmp_path / "store") == contents(built)


def test_pixels_that_are_not_stored_give_the_same_embeddings(
    built: Path, sample: Path, tmp_path: Path
) -> None:
    build(tmp_path / "store", sample, "features.crops.store=false")
    with_pixels, without = FeatureStore(built), FeatureStore(tmp_path / "store")
    assert "crops" not in without.features
    assert not (tmp_path / "store" / "shards" / "crops").exists()
    assert len(without["resnet18"]) == len(with_pixels["resnet18"]) == 7
    for clip_id in with_pixels["resnet18"]:
        assert (
            without["resnet18"][clip_id].values.tobytes()
            == with_pixels["resnet18"][clip_id].values.tobytes()
        )


def test_another_network_is_planned_from_stored_crops_without_decoding(
    built: Path, sample: Path
) -> None:
    recipe = load("demo", (*QUICK, "features.resnet18.seed=1"))
    location, corpora = locate(built), {"sample": sample}
    committed = load_committed(location)
    listed = list_clips(corpora)
    paths = [sample / found.clip.path for found in listed]
    known = committed.clips(found.clip.clip_id for found in listed)
    builder = ClipTableBuilder()
    builder.add(probe_clips(listed, paths, known, recipe.decoding.limits))
    plan = make_plan(location, recipe, builder.build(corpora), committed)
    assert {task.features for task in plan.tasks} == {("resnet18",)}
    assert sum(len(task.stored["crops"]) for task in plan.tasks) == 7
    assert sum(len(task.quarantined) for task in plan.tasks) == 1


class InThisProcess(Executor):
    """Runs every call where the test runs."""

    workers = 1

    def has_gpu(self, check: object) -> bool:
        return False

    @contextmanager
    def pools(self, advance: object, on_gpu: bool = False) -> Iterator[Pools]:
        yield Pools(self, None)  # type: ignore[arg-type]

    def __init__(self) -> None:
        self.called: list[str] = []

    def call(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.called.append(work.__name__)
        return work(*given, **named)

    def submit(self, step: Step[Any]) -> Any:
        future: Future[Any] = Future()
        future.set_result(step.run())
        return future


@pytest.fixture
def one_clip(tmp_path: Path) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    write(folder / "clip.wav", frames=0, audio_s=1.0, rate_hz=16000)
    (tmp_path / "sound.toml").write_text(
        'max_bad_fraction=1\n[features.audio]\nextractor="audio"\n'
        '[features.mfcc]\nextractor="mfcc"\n'
    )
    return folder


def refusing(task: ShardTask, wanted: set[str], number: int, copies: object) -> dict[str, BadClip]:
    clip_id = task.clips[number].clip_id
    return dict.fromkeys(wanted, BadClip(clip_id, Reason.CRASHED, "as a worker may"))


@pytest.mark.parametrize(("changes", "retry"), [((), ("crashed",)), (("media.timeout_s=200",), ())])
def test_a_refusal_that_is_doubted_is_tried_again_though_its_shard_is_there(
    one_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: tuple[str, ...],
    retry: tuple[str, ...],
) -> None:
    def build(*changes: str, retry: tuple[str, ...] = ()) -> BuildResult:
        recipe, corpora = str(tmp_path / "sound.toml"), {"folder": one_clip}
        return run_build(
            tmp_path / "store", corpora, recipe, changes, 1, retry=retry, wrap=lambda _: executor
        )

    executor = InThisProcess()
    with monkeypatch.context() as patch:
        patch.setattr(flows.building.shard_task, "_measure_clip", refusing)
        build()
    assert "mfcc" not in FeatureStore(tmp_path / "store").features or not len(
        FeatureStore(tmp_path / "store")["mfcc"]
    )
    assert not build().is_new
    assert not build(retry=("corrupt",)).is_new
    assert build(*changes, retry=retry).is_new
    assert list(FeatureStore(tmp_path / "store")["mfcc"]) == ["folder/clip"]
    assert verify(tmp_path / "store").problems == []
    assert not build(*changes, retry=retry).is_new


@pytest.mark.parametrize(
    ("changes", "retry", "rehash", "called"),
    [
        ((), (), False, []),
        ((), ("crashed",), False, []),
        ((), ("truncated",), False, ["probe_clips"]),
        (("media.timeout_s=200",), (), False, ["probe_clips"]),
        ((), (), True, ["probe_clips"]),
    ],
    ids=["again", "another reason", "its reason", "other limits", "every file"],
)
def test_the_header_of_a_refused_clip_is_read_again_where_that_may_change_the_verdict(
    one_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: tuple[str, ...],
    retry: tuple[str, ...],
    rehash: bool,
    called: list[str],
) -> None:
    monkeypatch.setattr(flows.building.file_stats, "_SETTLED_NS", 0)
    data = (one_clip / "clip.wav").read_bytes()
    (one_clip / "clip.wav").write_bytes(data[: len(data) // 2])
    time.sleep(0.05)

    def build(*given: Any) -> tuple[BuildResult, list[str]]:
        executor = InThisProcess()
        recipe, corpora = str(tmp_path / "sound.toml"), {"folder": one_clip}
        result = run_build(tmp_path / "store", corpora, recipe, *given, wrap=lambda _: executor)
        return result, executor.called

    first, _ = build()
    again, work = build(changes, 1, None, rehash, retry)
    assert work == called
    assert not again.is_new or changes
    assert again.snapshot.counts == first.snapshot.counts


def test_the_rows_of_a_shard_are_read_while_others_are_made(
    one_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def add_shard(rows: NewRows, location: Location, name: str, record: ShardRecord) -> None:
        read.append(name)
        add(rows, location, name, record)

    class Watched(InThisProcess):
        def submit(self, step: Step[Any]) -> Any:
            self.called.append(f"{step.kind} after {len(read)}")
            return super().submit(step)

    add, executor = NewRows.add_shard, Watched()
    monkeypatch.setattr(NewRows, "add_shard", add_shard)
    for number in range(2):
        shutil.copy(one_clip / "clip.wav", one_clip / f"copy-{number}.wav")
    run_build(
        tmp_path / "store",
        {"folder": one_clip},
        str(tmp_path / "sound.toml"),
        ("clips_per_shard=1",),
        wrap=lambda _: executor,
    )
    steps = [one for one in executor.called if one.startswith("build-shards")]
    assert steps == [f"build-shards after {count}" for count in (0, 1, 2)]
    assert len(read) == 3


def test_a_reason_that_there_is_not_is_one_sentence(one_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="for 'crash'; did you mean crashed"):
        run_build(tmp_path / "store", {"folder": one_clip}, "demo", retry=("crash",))


def test_a_second_writer_is_refused_while_the_first_holds_the_store(
    store: Path, sample: Path
) -> None:
    before = contents(store)
    with locate(store).lock(), pytest.raises(StoreBusy, match="another build or split"):
        build(store, sample, "features.mfcc.n_mfcc=20")
    assert contents(store) == before


def test_more_bad_clips_than_the_recipe_allows_publish_nothing(
    sample: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "sound.toml"
    recipe.write_text('[features.audio]\nextractor="audio"\n[features.mfcc]\nextractor="mfcc"\n')
    with pytest.raises(BuildError, match="1 of 9 clips are damaged"):
        run_build(
            tmp_path / "store", {"sample": sample}, str(recipe), ("max_bad_fraction=0.01",), 1
        )
    assert not (tmp_path / "store" / "dataset.json").exists()


def test_a_corpus_that_the_store_holds_is_not_dropped_by_leaving_it_out(
    store: Path, sample: Path
) -> None:
    with pytest.raises(BuildError, match="--corpus sample=FOLDER"):
        run_build(store, {"folder": sample}, "demo", QUICK, 1)


def test_the_snapshot_says_what_it_was_made_with(built: Path) -> None:
    text = json.loads((built / "snapshots" / "000001.json").read_text())
    assert text["recipe"]["features"]["mfcc"]["n_mfcc"] == 40
    assert text["recipe"]["features"]["resnet18"]["weights"] == "random"
    assert text["versions"]["engine"] in {"openvino", "torch"}
