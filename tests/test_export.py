"""Exports are read back by the libraries that they are for, and equal the store."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.building.run import run_build
from flows.exporting.licences import WithheldError, check_sharing, media_kind, terms_of
from flows.exporting.run import run_export
from flows.sample.pictures import write_sample
from flows.splitting.run import run_split
from manifests.choice import WrongChoice
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, IndexRow, State
from manifests.labels import LABELS
from manifests.tracks import Track
from stores import FeatureStore
from stores.clip_tracks import NotInStore
from stores.exports.catalog import FORMATS
from stores.exports.names import file_name, track_file
from stores.exports.source import Request, Source, WrongExport
from stores.exports.target import DONE
from stores.exports.write import write_export
from stores.records import StoredFeature
from stores.snapshot import TABLES
from tests.support.commands import QUICK, refusal
from tests.support.store_files import contents, no_file_beyond
from tests.support.stores_made import SPEC, commit, files_of, track_of, write

SCHEME, FOLD = "subject_kfold", 0
NUMBERS = ("mfcc", "faces")
TERMS = {"sample": "free"}
THEIRS = pytest.mark.filterwarnings("ignore")
"""Libraries that read an export warn of what they use themselves."""


@pytest.fixture
def split(store: Path) -> Path:
    """A store with three folds."""
    run_split(store, SCHEME, 3)
    return store


def request_for(name: str, *features: str, **fold: Any) -> Request:
    """What a format can hold: no pictures in tables."""
    some = features or (NUMBERS if name in {"audformat", "croissant"} else None)
    return Request(some, None, **fold)


def export(store: Path, name: str, out: Path, *features: str, **fold: Any) -> Source:
    source = Source(FeatureStore(store), request_for(name, *features, **fold))
    write_export(source, name, str(out), TERMS)
    return source


def check(source: Source, found: dict[tuple[str, str], Track]) -> None:
    """Every track of the store, and no other, value for value."""
    expected = {
        (feature, clip.clip_id)
        for feature in source.features
        for clip in source.clips
        if clip.clip_id in source.tracks[feature]
    }
    assert found.keys() == expected
    assert len(expected) > len(source.features)
    for (feature, clip_id), track in found.items():
        stored = source.track(feature, clip_id)
        assert stored is not None
        assert track.values.dtype == stored.values.dtype
        np.testing.assert_array_equal(track.values, stored.values)
        np.testing.assert_array_equal(track.seconds, stored.seconds)
        np.testing.assert_array_equal(track.valid, stored.valid)


def track(values: Any, seconds: Any, valid: Any, like: Track | None) -> Track:
    """A track of what a library gave, whose lists know no NumPy type."""
    dtype = None if like is None else like.values.dtype
    return Track(np.asarray(values, dtype), np.asarray(seconds), np.asarray(valid, np.bool_))


def labels_of(source: Source) -> list[tuple[str, str, str, str, float]]:
    return sorted(
        (one.clip_id, one.scheme, one.annotator, one.value, one.weight)
        for labels in source.labels.values()
        for one in labels
    )


# Read back by the library of each format


@THEIRS
def test_huggingface(split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    from datasets import load_dataset

    source = export(split, "huggingface", tmp_path / "out", scheme=SCHEME, fold=FOLD)
    parts = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    found, labels, roles = {}, [], {}
    for part in parts.values():
        for row in part:
            clip_id = row["clip_id"]
            roles[clip_id] = row["role"]
            labels += [
                (clip_id, *(one[name] for name in LABELS.schema.names[1:])) for one in row["labels"]
            ]
            for name in source.features:
                stored = source.track(name, clip_id)
                if row[name] is None:
                    assert stored is None
                    continue
                assert stored is not None
                # a frame without a face is no picture, which the store reads as a black one
                pictures = [
                    blank if one is None else np.asarray(one)
                    for one, blank in zip(row[name], stored.values, strict=True)
                ]
                found[name, clip_id] = track(
                    pictures, row[f"{name}.seconds"], row[f"{name}.valid"], stored
                )
    check(source, found)
    assert sorted(labels) == labels_of(source)
    assert roles == {clip_id: str(role) for clip_id, role in (source.roles or {}).items()}
    assert set(parts) == {"train", "validation", "test"}


@THEIRS
def test_webdataset(split: Path, tmp_path: Path) -> None:
    import webdataset

    source = export(split, "webdataset", tmp_path / "out", scheme=SCHEME, fold=FOLD)
    found, roles = {}, {}
    for tar in sorted((tmp_path / "out").glob("*.tar")):
        for row in webdataset.WebDataset(str(tar), shardshuffle=False).decode():
            clip_id = row["json"]["clip_id"]
            roles[clip_id] = row["json"]["role"]
            assert tar.name.startswith(row["json"]["role"])
            for name in source.features:
                if f"{name}.npy" in row:
                    found[name, clip_id] = Track(
                        row[f"{name}.npy"], row[f"{name}.seconds.npy"], row[f"{name}.valid.npy"]
                    )
    check(source, found)
    assert roles == {clip_id: str(role) for clip_id, role in (source.roles or {}).items()}


def test_numpy(store: Path, tmp_path: Path) -> None:
    source = export(store, "numpy", tmp_path / "out")
    ids = pd.read_csv(tmp_path / "out" / "clips.csv")["clip_id"]
    found = {}
    for name in source.features:
        values, seconds, valid, offsets = (
            np.load(tmp_path / "out" / name / f"{part}.npy", mmap_mode="r")
            for part in ("values", "seconds", "valid", "offsets")
        )
        for clip_id, start, stop in zip(ids, offsets, offsets[1:], strict=False):
            if stop > start:
                rows = slice(start, stop)
                found[name, clip_id] = Track(values[rows], seconds[rows], valid[rows])
    check(source, found)


def test_npy(store: Path, tmp_path: Path) -> None:
    source = export(store, "npy", tmp_path / "out")
    found = {}
    for name in source.features:
        for clip in source.clips:
            path = tmp_path / "out" / name / f"{file_name(clip.clip_id)}.npy"
            if path.exists():
                seconds, valid = (
                    np.load(path.with_suffix(f".{part}.npy")) for part in ("seconds", "valid")
                )
                found[name, clip.clip_id] = Track(np.load(path), seconds, valid)
    check(source, found)


@THEIRS
def test_lhotse(split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lhotse import CutSet
    from lhotse.qa import validate

    source = export(split, "lhotse", tmp_path / "out", scheme=SCHEME, fold=FOLD)
    monkeypatch.chdir(tmp_path / "out")
    found, labels = {}, []
    for part, clips in source.parts.items():
        cuts = CutSet.from_jsonl_lazy(f"cuts-{part}.jsonl.gz")
        assert [cut.id for cut in cuts] == [clip.clip_id for clip in clips]
        for cut in cuts:
            validate(cut)
            [supervision] = cut.supervisions
            labels += [tuple(one.values()) for one in supervision.custom["labels"]]
            for name in source.features:
                if cut.has_custom(name):
                    found[name, cut.id] = Track(
                        *map(cut.load_custom, (name, f"{name}.seconds", f"{name}.valid"))
                    )
    check(source, found)
    assert sorted(labels) == labels_of(source)


@THEIRS
def test_audformat(split: Path, tmp_path: Path) -> None:
    from audformat import Database

    source = export(split, "audformat", tmp_path / "out", scheme=SCHEME, fold=FOLD)
    database = Database.load(str(tmp_path / "out"))
    found = {}
    for name in source.features:
        (width,) = source.specs[name].shape
        for clip_id, rows in database[name].get().groupby(level="file"):
            values = rows[[str(number) for number in range(width)]].to_numpy()
            found[name, clip_id] = track(
                values,
                rows["seconds"].to_numpy(np.float64),
                rows["valid"].to_numpy(bool),
                source.track(name, clip_id),
            )
    check(source, found)
    labels = database["labels"].get()
    assert sorted(labels.astype({"weight": float}).itertuples(index=False, name=None)) == labels_of(
        source
    )
    folds = database["folds"].get()
    assert set(folds["role"]) == {"train", "valid", "test"}
    assert list(database["clips-test"].get().index) == [
        clip.clip_id for clip in source.parts["test"]
    ]
    # A group of rows for each clip would take a gigabyte of memory in a large corpus.
    assert pq.ParquetFile(tmp_path / "out" / "db.mfcc.parquet").num_row_groups == 1


def test_csv(split: Path, tmp_path: Path) -> None:
    source = export(split, "csv", tmp_path / "out", scheme=SCHEME)
    for name, table in source.tables():
        read = pd.read_csv(tmp_path / "out" / f"{name}.csv", keep_default_na=False, dtype=str)
        assert list(read.columns) == table.schema.names
        ids = table.column("clip_id").cast(pa.string()).to_pylist()
        assert read["clip_id"].tolist() == ids
    rows = pd.read_csv(tmp_path / "out" / "labels.csv")
    assert sorted(rows.itertuples(index=False, name=None)) == labels_of(source)


@THEIRS
def test_croissant(split: Path, tmp_path: Path) -> None:
    import mlcroissant

    source = export(split, "croissant", tmp_path / "out", scheme=SCHEME, fold=FOLD)
    data = mlcroissant.Dataset(str(tmp_path / "out" / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    found = {}
    for part in source.parts:
        for row in data.records(part):
            clip_id = row[f"{part}/clip_id"].decode()
            for name in source.features:
                values = row[f"{part}/{name}"]
                if isinstance(values, list | np.ndarray):
                    found[name, clip_id] = track(
                        [np.asarray(one) for one in values],
                        row[f"{part}/{name}.seconds"],
                        row[f"{part}/{name}.valid"],
                        source.track(name, clip_id),
                    )
    check(source, found)
    assert [row["parts/name"] for row in data.records("parts")] == ["train", "valid", "test"]
    text = (tmp_path / "out" / "croissant.json").read_text(encoding="utf-8")
    assert json.loads(text)["rai:personalSensitiveInformation"]


def test_a_file_of_croissant_that_was_changed_is_found(store: Path, tmp_path: Path) -> None:
    source = export(store, "croissant", tmp_path / "out")
    described = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    [data] = [one for one in described["distribution"] if "sha256" in one]
    recorded = json.loads((tmp_path / "out" / DONE).read_text(encoding="utf-8"))["files"]
    assert recorded[data["contentUrl"]]["sha256"] == data["sha256"]
    assert source.clips


# One form for all


@pytest.mark.parametrize("name", FORMATS)
def test_two_exports_have_the_same_bytes(name: str, split: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        export(split, name, tmp_path / out, *NUMBERS, scheme=SCHEME, fold=FOLD)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_that_was_interrupted_goes_on(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(store, name, tmp_path / "whole", *NUMBERS)

    def stop(file: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stores.exports.target._SECONDS_BETWEEN_NOTES", 0.0)
    source = Source(FeatureStore(store), request_for(name, *NUMBERS))
    with pytest.raises(KeyboardInterrupt):
        write_export(source, name, str(tmp_path / "out"), TERMS, stop)
    assert not (tmp_path / "out").exists()
    begun = {path: path.stat().st_mtime_ns for path in (tmp_path / "out.unfinished").rglob("*.npy")}
    write_export(source, name, str(tmp_path / "out"), TERMS)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    for path, time in begun.items():
        again = tmp_path / "out" / path.relative_to(tmp_path / "out.unfinished")
        assert again.stat().st_mtime_ns == time  # not written a second time


KILLED = """
import os, sys
from pathlib import Path
from stores import FeatureStore
from stores.exports import target
from stores.exports.source import Request, Source
from stores.exports.write import write_export
from stores.records import StoredFeature
from stores.snapshot import TABLES
target._SECONDS_BETWEEN_NOTES = 0.0
left = int(sys.argv[3])
def look(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove") and "unfinished" in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(look)
write_export(Source(FeatureStore(sys.argv[1]), Request(("mfcc",))), "npy", sys.argv[2], {})
"""


@pytest.mark.parametrize("step", [1, 2, 5, 17, 40, 80])
def test_a_killed_export_goes_on(step: int, store: Path, tmp_path: Path, processes: None) -> None:
    def start(at: int) -> int:
        command = [sys.executable, "-c", KILLED, str(store), str(tmp_path / "out"), str(at)]
        return subprocess.run(command, env={**os.environ}, check=False).returncode

    assert start(step) == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert start(1 << 30) == 0
    whole = Source(FeatureStore(store), Request(("mfcc",)))
    write_export(whole, "npy", str(tmp_path / "whole"), {})
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list(tmp_path.glob("*.unfinished"))


def test_to_a_url_and_from_one(store: Path, url: str, tmp_path: Path, processes: None) -> None:
    from tests.support.object_store import objects, put_object

    for file, data in files_of(store).items():
        put_object(f"{url}/from", file, data)
    source = Source(FeatureStore(f"{url}/from"), request_for("huggingface"))
    write_export(source, "huggingface", f"{url}/to", TERMS)
    export(store, "huggingface", tmp_path / "out")
    assert objects(f"{url}/to") == files_of(tmp_path / "out")
    with pytest.raises(WrongExport, match="something lies at"):
        write_export(source, "huggingface", f"{url}/to", TERMS)


def test_shards_that_were_read_are_unmapped_now_and_then(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = FeatureStore(store)
    monkeypatch.setattr("stores.exports.source._MOST_BYTES", 0)
    write_export(Source(opened, request_for("npy", *NUMBERS)), "npy", str(tmp_path / "out"), TERMS)
    assert len(opened._maps) == 1  # that of the last track


# What is refused


def test_where_chooses_clips(store: Path, tmp_path: Path) -> None:
    result = run_export(store, "csv", str(tmp_path / "out"), Request(), ["sex=female"])
    rows = pd.read_csv(tmp_path / "out" / "clips.csv")
    assert len(rows) == result.clips > 0
    assert set(rows["sex"]) == {"female"}
    with pytest.raises(WrongChoice, match="did you mean female"):
        run_export(store, "csv", str(tmp_path / "no"), Request(), ["sex=femal"])
    assert not (tmp_path / "no").exists()


def test_an_out_that_is_there(store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(WrongExport, match="is there already"):
        run_export(store, "csv", str(tmp_path / "out"), Request())


def test_what_is_left_of_another_export(store: Path, tmp_path: Path) -> None:
    def stop(file: str) -> None:
        raise KeyboardInterrupt

    source = Source(FeatureStore(store), Request(("mfcc",)))
    with pytest.raises(KeyboardInterrupt):
        write_export(source, "npy", str(tmp_path / "out"), TERMS, stop)
    with pytest.raises(WrongExport, match="another export to out"):
        run_export(store, "npy", str(tmp_path / "out"), Request(("faces",)))


@pytest.mark.parametrize(
    ("name", "request_", "words"),
    [
        ("npz", Request(), "did you mean npy"),
        ("npy", Request(("mfc",)), "did you mean mfcc"),
        ("npy", Request(scheme="subject_kfolds"), "no split scheme 'subject_kfolds'"),
        ("npy", Request(fold=1), "of which scheme"),
        ("npy", Request(role="test"), "of which fold"),
        ("npy", Request(clip_ids=frozenset()), "none of the"),
        ("audformat", Request(("crops",)), "a table of audformat"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(
    name: str, request_: Request, words: str, store: Path, tmp_path: Path
) -> None:
    with pytest.raises((WrongExport, NotInStore), match=words):
        run_export(store, name, str(tmp_path / "out"), request_)
    assert list(tmp_path.glob("out*")) == []


def test_an_export_into_the_store_is_refused(store: Path) -> None:
    for out in (store, store / "x"):
        with pytest.raises(WrongExport, match="lies in the store itself"):
            run_export(store, "csv", str(out), Request())


def test_dev_is_the_role_valid(split: Path) -> None:
    dev, valid = (
        Source(FeatureStore(split), Request((), None, SCHEME, FOLD, role)).clips
        for role in ("dev", "valid")
    )
    assert dev == valid != ()


def test_a_full_disk_leaves_no_half(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., int] = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.endswith(".seconds.npy.tmp"):
            raise OSError(28, "No space left on device", str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        export(store, "npy", tmp_path / "out", *NUMBERS)
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    export(store, "npy", tmp_path / "out", *NUMBERS)
    export(store, "npy", tmp_path / "whole", *NUMBERS)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "name", ["huggingface", "webdataset", "numpy", "npy", "lhotse", "croissant"]
)
def test_a_disk_without_room_is_one_sentence_that_names_the_file(
    store: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    with no_file_beyond(1 << 12):
        words = refusal("export", store, out, "--to", name, "--features", "mfcc")
    assert f"File too large while writing {out}.unfinished/" in words
    assert "run the same command again: what was finished is kept" in words
    assert not out.exists()
    run_export(store, name, str(out), Request(("mfcc",)))
    run_export(store, name, str(tmp_path / "whole"), Request(("mfcc",)))
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("place", ["/proc/out", "{}/file/out", "{}/" + "x" * 300])
def test_a_place_where_no_folder_can_be_made_is_one_sentence(
    store: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    words = refusal("export", store, place.format(tmp_path), "--to", "csv")
    assert "cannot be made (" in words
    assert words.endswith("; name a folder elsewhere")


# Terms


def test_pictures_of_a_corpus_that_withholds_them_are_refused(store: Path) -> None:
    specs = FeatureStore(store).features
    assert media_kind(specs["crops"]) == "pictures"
    assert media_kind(specs["mfcc"]) is None
    with pytest.raises(WithheldError, match=r"crops holds pictures of iemocap.*release form"):
        check_sharing({"iemocap", "ravdess"}, specs, None)
    check_sharing({"iemocap"}, {"mfcc": specs["mfcc"]}, None)
    check_sharing({"ravdess", "cremad", "sample"}, specs, None)
    with pytest.raises(WithheldError, match="--licence"):
        check_sharing({"folder"}, specs, None)
    check_sharing({"folder"}, specs, "CC0 1.0")


def test_the_terms_go_along(store: Path, tmp_path: Path) -> None:
    run_export(store, "csv", str(tmp_path / "out"), Request(), may_share=True)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    recorded = json.loads((tmp_path / "out" / DONE).read_text(encoding="utf-8"))
    for corpus, words in terms_of({"sample"}).items():
        assert words in card
        assert recorded["export"]["terms"][corpus] == words
    assert "right to share" in recorded["export"]["terms"]
    assert terms_of({"folder"}, "CC0 1.0") == {"folder": "CC0 1.0"}


# Names


@pytest.mark.parametrize(
    "clip_id", ["a/..", "a/.", "a//b", "../x", "a/b:c", "a\\b", "a/é", "a/\n", "a/%2E", "/", ""]
)
def test_a_name_stays_below_the_export(clip_id: str) -> None:
    for dots in (True, False):
        name = file_name(clip_id, dots=dots)
        parts = name.split("/")
        assert all(part and part.strip(".") for part in parts)
        assert name.isascii()
        assert name.isprintable()
        assert "\\" not in name
        assert ":" not in name
        assert dots or "." not in name


def test_two_ids_never_give_one_name() -> None:
    ids = ["a/b", "a%2Fb", "a/b.c", "a/b%2Ec", "a/.", "a/%2E", "a", "a/%", "a//", "a/%25"]
    for dots in (True, False):
        assert len({file_name(one, dots=dots) for one in ids}) == len(ids)


def test_no_two_files_of_tracks_have_one_name() -> None:
    ids = ["a/b", "a/b.seconds", "a/b.valid", "a/b%2Eseconds", "a/b.valid.seconds", "a/.seconds"]
    ids += [f"a/{'я' * 120}", f"a/{'я' * 119}ю", f"a/{'я' * 120}.seconds"]
    names = [track_file(one, suffix) for one in ids for suffix in ("", ".seconds", ".valid")]
    assert len({*names}) == len(names)
    assert max(len(part) for name in names for part in name.split("/")) <= 220
    assert track_file("a/b.c", ".seconds") == "a/b.c.seconds.npy"


def test_a_clip_that_is_called_like_the_times_of_another_keeps_its_own(tmp_path: Path) -> None:
    store, tracks = tmp_path / "store", {}
    for seed, clip_id in enumerate(["made/a", "made/a.seconds", f"made/{'я' * 100}"]):
        tracks[clip_id] = track_of(3 + seed, SPEC, seed)
    record = write(store, "shards/mfcc/00/11.h5", SPEC, tracks).record
    clips = [Clip(one, "made", None, None, one, None, one, "0" * 64, 1) for one in tracks]
    index = [
        IndexRow(one, "mfcc", SPEC.fingerprint, State.STORED, record.file, start, rows, rows, "")
        for one, start, rows in zip(tracks, (0, 3, 7), (3, 4, 5), strict=True)
    ]
    tables = {name: table.build([]) for name, table in TABLES.items()}
    tables |= {"clips": CLIPS.build(clips), "index": INDEX.build(index)}
    commit(store, {"mfcc": StoredFeature(SPEC, (record,))}, tables)
    for name in ("npy", "lhotse"):
        out = tmp_path / name
        write_export(Source(FeatureStore(store), Request()), name, str(out), TERMS)
        found = [np.load(path) for path in (out / "mfcc").rglob("*.npy")]
        assert len(found) == 9
        for track in tracks.values():
            for array in (track.values, track.seconds):
                assert any(np.array_equal(array, one) for one in found)


def test_the_terms_of_own_clips_are_those_of_their_list(tmp_path: Path, processes: None) -> None:
    clips = tmp_path / "clips"
    write_sample(clips, actors=1, emotions=1, takes=1)
    names = sorted(path.relative_to(clips).as_posix() for path in clips.rglob("*.mp4"))
    lines = [f"{name},CC BY 4.0" for name in names]
    (clips / "labels.csv").write_text("\n".join(["clip,licence", *lines]), encoding="utf-8")
    run_build(tmp_path / "store", {"folder": clips}, "demo", QUICK, workers=1)
    run_export(tmp_path / "store", "webdataset", str(tmp_path / "out"), Request(("crops",)))
    assert "folder: CC BY 4.0" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    (clips / "labels.csv").write_text("\n".join(["clip,licence", *lines[1:]]), encoding="utf-8")
    run_build(tmp_path / "store", {"folder": clips}, "demo", QUICK, workers=1)
    with pytest.raises(WithheldError, match=r"labels\.csv"):
        run_export(tmp_path / "store", "webdataset", str(tmp_path / "no"), Request(("crops",)))
