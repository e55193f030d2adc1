"""The table core: what it refuses, and what its hash depends on."""

import io
from dataclasses import dataclass, fields
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, IndexRow, State
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, Quarantined
from manifests.table import Table, WrongTable

ROWS = [
    Label("c/1", "mood", "intended", "sad"),
    Label("c/1", "mood", "vote", "sad", 0.25),
    Label("c/2", "mood", "intended", 'a "quoted", two-line\nvalue'),
    Label("c/3", "mood", "intended", "größer"),
]


def write(path: Path, table: pa.Table) -> Path:
    path.write_bytes(LABELS.to_bytes(table))
    return path


def test_rows_come_back_sorted_whatever_order_they_went_in() -> None:
    for order in permutations(ROWS):
        assert LABELS.rows(LABELS.build(order)) == ROWS


def test_every_declared_table_gives_back_the_rows_that_went_in() -> None:
    clip = Clip(
        "c/1", "c", None, None, "c/1", None, "1.mp4", "", 0, duration_s=1.5, has_audio=False
    )
    index = IndexRow("c/1", "mfcc", "f", State.QUARANTINED, None, None, None, None, "")
    assert CLIPS.rows(CLIPS.build([clip])) == [clip]
    assert INDEX.rows(INDEX.build([index])) == [index]
    assert QUARANTINE.rows(QUARANTINE.build([Quarantined("c/1", "mfcc", "no_audio", "x")])) == [
        Quarantined("c/1", "mfcc", "no_audio", "x")
    ]


def test_a_word_of_a_fixed_set_comes_back_as_that_word_and_no_other_is_taken() -> None:
    table = FOLDS.build([Fold("s", 0, "c/1", "g", Role.TEST)])
    assert FOLDS.rows(table)[0].role is Role.TEST
    unknown = table.set_column(4, FOLDS.schema.field("role"), pa.array(["tset"]))
    with pytest.raises(ValueError, match="tset"):
        FOLDS.rows(unknown)


def test_the_schema_has_the_columns_types_and_nulls_of_the_row_type() -> None:
    @dataclass(frozen=True)
    class Row:
        word: str
        count: int
        share: float | None
        known: bool | None

    schema = Table("things", Row, key=("word",)).schema
    assert schema.names == [f.name for f in fields(Row)]
    assert schema.types == [pa.string(), pa.int64(), pa.float64(), pa.bool_()]
    assert [field.nullable for field in schema] == [False, False, True, True]


def test_a_table_of_no_rows_can_be_written_and_read(tmp_path: Path) -> None:
    assert LABELS.rows(LABELS.read(write(tmp_path / "t.parquet", LABELS.build([])))) == []


def test_a_file_gives_back_the_same_rows_and_the_same_hash(tmp_path: Path) -> None:
    table = LABELS.build(ROWS)
    again = LABELS.read(write(tmp_path / "t.parquet", table))
    assert LABELS.rows(again) == ROWS
    assert LABELS.digest(again) == LABELS.digest(table)


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "run=3"
    folder.mkdir()
    assert LABELS.rows(LABELS.read(write(folder / "t.parquet", LABELS.build(ROWS)))) == ROWS


def test_the_hash_does_not_depend_on_chunks_metadata_or_order_of_rows() -> None:
    full = LABELS.build(ROWS)
    chunked = pa.concat_tables([full.slice(0, 1), full.slice(1, 2), full.slice(3)])
    assert chunked.column("clip_id").num_chunks == 3
    assert LABELS.digest(chunked) == LABELS.digest(full)
    assert LABELS.digest(full.replace_schema_metadata({"a": "b"})) == LABELS.digest(full)
    assert LABELS.digest(LABELS.build(ROWS[::-1])) == LABELS.digest(full)


def test_a_compact_table_has_the_rows_the_hash_and_the_bytes_of_the_plain_one(
    tmp_path: Path,
) -> None:
    rows = [
        IndexRow("c/1", "faces", "f", State.QUARANTINED, None, None, None, None, ""),
        IndexRow("c/1", "mfcc", "f", State.STORED, "shards/größer.h5", 0, 5, 4, 'silent, "loud"'),
        IndexRow("c/2", "faces", "f", State.STORED, "shards/a.h5", 0, 5, 5, ""),
        IndexRow("c/2", "mfcc", "f", State.QUARANTINED, None, None, None, None, ""),
    ]
    plain = INDEX.build(rows)
    for order in permutations(rows):
        parts = [INDEX.compact(INDEX.unsorted(order[:1])), INDEX.compact(INDEX.unsorted(order[1:]))]
        compact = INDEX.arrange(pa.concat_tables(parts).unify_dictionaries())
        assert INDEX.rows(compact) == rows
        assert INDEX.digest(compact) == INDEX.digest(plain)
        assert INDEX.to_bytes(compact) == INDEX.to_bytes(plain)
    path = tmp_path / "t.parquet"
    path.write_bytes(INDEX.to_bytes(plain))
    assert INDEX.read_compact(path).equals(INDEX.compact(plain))
    assert INDEX.read_compact(path, ["state", "rows"]).equals(
        INDEX.compact(plain).select(["state", "rows"])
    )
    assert INDEX.digest_of(path) == INDEX.digest(plain)
    with pytest.raises(WrongTable, match="same key"):
        INDEX.arrange(INDEX.compact(INDEX.unsorted([*rows, rows[1]])))


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 21, 25])
def test_a_table_of_more_rows_than_one_step_is_checked_hashed_and_written_as_one(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Label(f"c/{number:02d}", "mood", "intended", "sad") for number in range(count)]
    full = LABELS.build(rows)
    sink = io.BytesIO()
    metadata = pq.read_schema(pa.BufferReader(LABELS.to_bytes(full))).metadata
    pq.write_table(
        full.replace_schema_metadata(metadata), sink, compression="zstd", row_group_size=10
    )
    monkeypatch.setattr("manifests.table_parts.STEP", 10)
    path = write(tmp_path / "t.parquet", full)
    assert LABELS.rows(LABELS.read_compact(path)) == rows
    for table in (full, LABELS.compact(full)):
        assert LABELS.to_bytes(table) == sink.getvalue()
        assert LABELS.arrange(table.take(np.arange(count)[::-1])).equals(table)
        for at in range(count - 1):
            swapped = [*range(at), at + 1, at, *range(at + 2, count)]
            with pytest.raises(WrongTable, match="out of order"):
                LABELS.check(table.take(swapped))
            with pytest.raises(WrongTable, match="same key"):
                LABELS.check(table.take([*range(at + 1), *range(at, count)]))


@pytest.mark.parametrize(
    ("at", "message"),
    [(3, "out of order"), (10, "out of order"), (19, "same key"), (20, "same key")],
)
def test_a_file_of_many_parts_is_checked_within_them_and_from_one_to_the_next(
    at: int, message: str, tmp_path: Path
) -> None:
    rows = [Label(f"c/{number:02d}", "mood", "intended", "sad") for number in range(25)]
    if message == "same key":
        rows[at] = rows[at - 1]
    else:
        rows[at], rows[at - 1] = rows[at - 1], rows[at]
    metadata = pq.read_schema(write(tmp_path / "t.parquet", LABELS.build([]))).metadata
    pq.write_table(
        LABELS.unsorted(rows).replace_schema_metadata(metadata),
        tmp_path / "t.parquet",
        row_group_size=10,
    )
    with pytest.raises(WrongTable, match=message):
        LABELS.read_compact(tmp_path / "t.parquet")


def test_a_word_that_is_none_of_its_set_is_refused_in_a_compact_table(tmp_path: Path) -> None:
    table = FOLDS.build([Fold("s", 0, "c/1", "g", Role.TEST)])
    unknown = table.set_column(4, FOLDS.schema.field("role"), pa.array(["tset"]))
    (tmp_path / "t.parquet").write_bytes(FOLDS.to_bytes(unknown))
    with pytest.raises(WrongTable, match="the column role of folds holds tset, expected one of"):
        FOLDS.read_compact(tmp_path / "t.parquet")


def test_any_changed_value_changes_the_hash() -> None:
    def clip(**changes: object) -> str:
        values = {
            "clip_id": "c/1",
            "corpus": "c",
            "subject_id": None,
            "group_id": None,
            "take_id": "c/1",
            "sex": None,
            "path": "p",
        }
        return CLIPS.digest(CLIPS.build([Clip(**{**values, "sha256": "", "bytes": 0, **changes})]))  # type: ignore[arg-type]

    hashes = [
        clip(),
        clip(bytes=1),
        clip(fps=25.0),
        clip(fps=25.000000000000004),
        clip(has_audio=False),
        clip(sex=""),
        clip(path="q"),
    ]
    assert len(set(hashes)) == len(hashes)


def test_a_missing_an_extra_and_a_wrong_column_are_named() -> None:
    table = LABELS.build(ROWS)
    with pytest.raises(WrongTable, match=r"not a table of labels: missing value, weight"):
        LABELS.check(table.drop_columns(["value", "weight"]))
    with pytest.raises(WrongTable, match="unknown mood"):
        LABELS.check(table.append_column("mood", pa.array(["x"] * 4)))
    with pytest.raises(WrongTable, match="weight is int64, expected double"):
        LABELS.check(
            table.set_column(
                4, pa.field("weight", pa.int64(), nullable=False), pa.array([1, 1, 1, 1])
            )
        )


def test_columns_in_another_order_and_columns_that_come_twice_are_refused() -> None:
    table = LABELS.build(ROWS)
    with pytest.raises(WrongTable, match="another order, expected clip_id, scheme"):
        LABELS.check(table.select(["scheme", "clip_id", "annotator", "value", "weight"]))
    with pytest.raises(WrongTable, match="twice clip_id"):
        LABELS.check(pa.table([table.column("clip_id")] * 2, names=["clip_id", "clip_id"]))


def test_two_rows_of_one_key_are_refused_and_the_key_is_named() -> None:
    with pytest.raises(
        WrongTable,
        match=r"same key \(clip_id='c/1', scheme='mood', annotator='vote', value='sad'\)",
    ):
        LABELS.build([*ROWS, Label("c/1", "mood", "vote", "sad", 0.75)])


def test_rows_out_of_order_are_refused_on_any_key_column() -> None:
    table = LABELS.build(ROWS)
    for order in ([1, 0, 2, 3], [0, 1, 3, 2], [3, 0, 1, 2]):
        with pytest.raises(WrongTable, match=r"out of order; rows are sorted by clip_id, scheme"):
            LABELS.check(table.take(order))


def test_a_row_without_a_needed_value_is_refused_and_named() -> None:
    with pytest.raises(WrongTable, match="row 1 of labels has no value"):
        LABELS.build([Label("c/1", "s", "a", "x"), Label("c/2", "s", "a", None)])  # type: ignore[arg-type]


def test_rows_changed_after_writing_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", LABELS.build(ROWS))
    stamped = pq.read_table(path)
    changed = stamped.set_column(4, stamped.schema.field("weight"), pa.array([1.0, 0.5, 1.0, 1.0]))
    pq.write_table(changed, path)
    with pytest.raises(WrongTable, match="was changed after it was written"):
        LABELS.read(path)


def test_a_file_without_our_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(LABELS.build(ROWS), path)
    with pytest.raises(WrongTable, match="hash in its metadata"):
        LABELS.read(path)


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongTable, match="not a table of clips"):
        CLIPS.read(write(tmp_path / "t.parquet", LABELS.build(ROWS)))


def test_an_absent_file_stays_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LABELS.read(tmp_path / "absent.parquet")


def test_no_damage_to_a_file_gives_other_rows_or_another_error(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", LABELS.build(ROWS))
    sound, refusals = path.read_bytes(), 0
    damaged = [sound[:cut] for cut in range(0, len(sound), 97)]
    damaged += [
        sound[:at] + bytes([sound[at] ^ 0x80]) + sound[at + 1 :] for at in range(0, len(sound), 3)
    ]
    for data in damaged:
        path.write_bytes(data)
        try:
            assert LABELS.rows(LABELS.read(path)) == ROWS
        except WrongTable:
            refusals += 1
    assert refusals > len(damaged) / 2
