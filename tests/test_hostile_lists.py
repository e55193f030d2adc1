"""Lists that are made to harm whoever reads them: printed harmlessly, or refused in a sentence."""

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit import SUFFIXES, WrongForeignTable, read_published
from manifests.audit.foreign_lines import ForeignLines
from manifests.audit.reading import arrow_files, numpy_files, sheets, sources

LONG = 10_000_000
LONGEST_SENTENCE = 500


def refusal(path: Path) -> str:
    with pytest.raises(WrongForeignTable) as caught:
        ForeignLines(read_published([path]))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < LONGEST_SENTENCE + len(str(path))
    return sentence


GARBAGE = {
    "nothing": b"",
    "zeros": bytes(1000),
    "noise": random.Random(0).randbytes(5000),
    "a zip file's beginning": b"PK\x03\x04" + random.Random(1).randbytes(500),
    "an array's beginning": b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 500,
    "a Parquet file's ends": b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1",
    "an Arrow file's ends": b"ARROW1\0\0" + bytes(100) + b"\xff\xff\xff\x7fARROW1",
    "an Arrow stream's beginning": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100),
    "brackets": b"[" * 100_000,
}


@pytest.mark.parametrize("suffix", [*SUFFIXES, ""])
@pytest.mark.parametrize("kind", GARBAGE)
def test_no_form_of_list_ends_in_a_traceback(suffix: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"train{suffix}"
    path.write_bytes(GARBAGE[kind])
    if kind == "brackets":  # a name, as far as a text list knows
        with contextlib.suppress(WrongForeignTable):
            read_published([path])
    else:
        refusal(path)


WIDE = {
    "wide.csv": ",".join(f"c{n}" for n in range(20_000)),
    "wide.tsv": "\t".join(f"c{n}" for n in range(20_000)),
    "wide.txt": " ".join(f"c{n}" for n in range(20_000)),
    "wide.json": json.dumps([{f"c{n}": 1 for n in range(20_000)}]),
    "wide.jsonl": json.dumps({f"c{n}": 1 for n in range(20_000)}),
    "rows.json": json.dumps([[1] * 20_000]),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_table_of_endless_columns_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(WIDE[name])
    assert "the table has 20,000 columns, at most 10,000 are read" in refusal(tmp_path / name)


def test_a_parquet_file_of_endless_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({f"c{n}": [1] for n in range(10_001)}), path)
    assert "the table has 10,001 columns" in refusal(path)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_cells_of_megabytes_stay_different_and_are_short(form: str, tmp_path: Path) -> None:
    rows = [("a" * LONG, "train"), ("a" * (LONG - 1) + "b", "test"), ("a" * LONG, "test")]
    path = tmp_path / f"a.{form}"
    lines = [f"{name},{side}" for name, side in rows]
    if form == "jsonl":
        lines = [json.dumps({"file": name, "split": side}) for name, side in rows]
    path.write_text("\n".join([*(["file,split"] if form == "csv" else []), *lines]))
    (table,) = read_published([path])
    first, second, third = table.columns["name"].cast(pa.string()).to_pylist()
    assert first == third != second
    assert len(first) < 200
    assert "10,000,000 characters" in first


def test_a_side_of_megabytes_is_shown_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,split\na,train\nb," + "x" * LONG)
    assert "line 3, column split: 'xxx" in refusal(tmp_path / "a.csv")


def test_a_line_of_megabytes_without_an_end_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a" * LONG)
    (table,) = read_published([tmp_path / "train.txt"])
    assert table.size == 1


def test_what_moves_the_cursor_is_written_out_in_the_line_for_people(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,split,\x1b[31m\u202ered\na,train,1\nb,test,2\n")
    (table,) = read_published([tmp_path / "a.csv"])
    assert table.understood.endswith(r"not read: \x1b[31m\u202ered")


def test_a_text_that_stands_in_a_million_rows_is_held_once(tmp_path: Path) -> None:
    """A terabyte as it would be unfolded; 40 kB as it is stored."""
    rows = 1_000_000
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["b" * 1_000_000])
    sides = pa.array(np.arange(rows, dtype=np.int32) % 2)
    split = pa.DictionaryArray.from_arrays(sides, ["train", "test"])
    table = pa.table({"filename": coded, "split": split})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=False)  # to be read as plain text
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    (table,) = read_published([tmp_path / "a.parquet"])
    assert table.size == rows
    assert sum(column.nbytes for column in table.columns.values()) < 10_000_000


def test_a_parquet_file_that_unfolds_to_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    cells = pa.table({"filename": ["a" * 10_000] * 2000, "split": ["train", "test"] * 1000})
    pq.write_table(cells, path, use_dictionary=False, compression="zstd")
    assert path.stat().st_size < 50_000
    assert read_published([path])[0].size == 2000
    monkeypatch.setattr(arrow_files, "MOST_BYTES", 10_000_000)
    assert "unfolds to more than 10,000,000 bytes" in refusal(path)
    monkeypatch.setattr(arrow_files, "_MOST_ROWS", 1000)
    assert "unfolds to 2,000 rows, at most 1,000 are read" in refusal(path)


def test_an_arrow_file_is_counted_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.arrow"
    cells = pa.table({"filename": ["a" * 1000] * 2000, "split": ["train", "test"] * 1000})
    with pa.ipc.new_file(path, cells.schema) as writer:
        writer.write_table(cells, max_chunksize=100)
    assert read_published([path])[0].size == 2000
    monkeypatch.setattr(arrow_files, "MOST_BYTES", 1_000_000)
    assert "unfolds to more than 1,000,000 bytes" in refusal(path)


def test_a_sheet_of_two_far_cells_is_refused(tmp_path: Path) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row><c  r = "XFD1048576"><v>1</v></c></row>'
    sheet = f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
    (tmp_path / "a.xlsx").write_bytes(folded("xl/worksheets/sheet1.xml", sheet.encode()))
    assert "unfolds to more than" in refusal(tmp_path / "a.xlsx")


def folded(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_zip_files_that_unfold_to_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, inner in (("a.zip", "train.csv"), ("a.xlsx", "xl/workbook.xml"), ("a.npz", "a.npy")):
        (tmp_path / name).write_bytes(folded(inner, b"a\n" * 5_000_000))
        assert (tmp_path / name).stat().st_size < 100_000
    for module, limit in ((sources, "MOST_BYTES"), (numpy_files, "MOST_BYTES")):
        monkeypatch.setattr(module, limit, 1_000_000)
    monkeypatch.setattr(sheets, "_MOST_BYTES", 1_000_000)
    for name in ("a.zip", "a.xlsx", "a.npz"):
        assert "unfolds to more than 1,000,000 bytes" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["../train.csv", "/train.csv", "..\\train.csv", "C:/train.csv"])
def test_a_zip_file_that_leads_out_of_itself_is_refused(name: str, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "a.wav\n")
    assert "leads out of it" in refusal(tmp_path / "a.zip")


def test_a_zip_file_with_a_password_or_one_that_lies_is_refused(tmp_path: Path) -> None:
    plain = bytearray(folded("train.csv", b"file\na.wav\n"))
    locked, lying = plain.copy(), plain.copy()
    central = plain.index(b"PK\x01\x02")
    locked[6] |= 1
    locked[central + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "is locked by a password" in refusal(tmp_path / "locked.zip")
    lying[central + 16] ^= 0xFF  # the checksum
    (tmp_path / "lying.zip").write_bytes(lying)
    assert "cannot be unpacked" in refusal(tmp_path / "lying.zip")


def test_an_array_that_says_it_is_endless_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<U10", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(header, shape)  # type: ignore[arg-type]
    (tmp_path / "train.npy").write_bytes(header.getvalue() + b"abc")
    assert "is cut off or damaged" in refusal(tmp_path / "train.npy")


PROGRAMS = {
    "deep": "TRAIN = " + "[" * 100_000,
    "long sum": "TRAIN = " + "1+" * 100_000 + "1",
    "zero": "TRAIN = ['a']\0",
    "power": "TRAIN = [10 ** 10 ** 10]",
    "call": "TRAIN = [__import__('os').system('touch made')]",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_never_run(name: str, tmp_path: Path) -> None:
    (tmp_path / "splits.py").write_text(PROGRAMS[name])
    sentence = refusal(tmp_path / "splits.py")
    assert (
        "no Python that can be read" in sentence
        or "is computed" in sentence
        or ("no text" in sentence)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["splits.py"]


def test_a_folder_of_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "again").symlink_to(tmp_path)
    assert "holds no list of a split" in refusal(tmp_path)
