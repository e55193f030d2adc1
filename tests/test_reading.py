"""Published split lists in the forms that repositories hold: read as meant, or refused in one
sentence with the option that would mend it."""

import codecs
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from flows.__main__ import run
from flows.auditing.run import run_audit
from manifests.audit import Answer, ReadingOptions, WrongForeignTable, read_published
from manifests.audit.foreign_folds import folds_of
from manifests.audit.foreign_lines import ForeignLines
from manifests.audit.foreign_table import ForeignTable
from stores.pointer import NotCommitted

A, B, C, D = (f"0{n}-01-0{n}-02-01-01-0{n}" for n in range(1, 5))
"""Four clips of four actors."""
ROWS = [(A, "happy", "train"), (B, "sad", "train"), (C, "happy", "valid"), (D, "sad", "test")]
READ = {"train": [A, B], "valid": [C], "test": [D]}


def cells(table: ForeignTable, meaning: str) -> list[str | None]:
    column = table.columns.get(meaning)
    return [None] * table.size if column is None else column.cast(pa.string()).to_pylist()


def column(tables: Sequence[ForeignTable], meaning: str) -> list[str | None]:
    return [cell for table in tables for cell in cells(table, meaning)]


def sides(tables: Sequence[ForeignTable]) -> dict[int, dict[str, list[str]]]:
    """Fold -> side -> what its lines name, in order."""
    lines = ForeignLines(tables)
    found: dict[int, dict[str, list[str]]] = {}
    for fold in folds_of(lines, None):
        for row, role in zip(fold.rows, fold.role, strict=True):
            name = str(lines.name.values[lines.name.codes[row]])
            side = ("train", "valid", "test")[role]
            found.setdefault(fold.fold, {}).setdefault(side, []).append(name)
    return {
        fold: {side: sorted(names) for side, names in sorted(of.items())}
        for fold, of in found.items()
    }


def lines_of(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in rows)


def xlsx(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    """The least that is a workbook."""
    file = io.BytesIO()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    with zipfile.ZipFile(file, "w") as archive:
        names = list(enumerate(sheets, 1))
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"/>')
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
            f'Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in names)
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{kind}"><sheets>{listed}</sheets></workbook>',
        )
        relations = "".join(
            f'<Relationship Id="r{n}" Type="{kind}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n, _ in names
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">{relations}</Relationships>',
        )
        for number, name in names:
            rows = "".join(
                f'<row r="{at}">{"".join(_cell(at, n, cell) for n, cell in enumerate(row))}</row>'
                for at, row in enumerate(sheets[name], 1)
            )
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
            )
    return file.getvalue()


def _cell(row: int, column: int, cell: object) -> str:
    place = f'r="{chr(65 + column)}{row}"'
    if isinstance(cell, int | float):
        return f"<c {place}><v>{cell}</v></c>"
    return f'<c {place} t="inlineStr"><is><t>{cell}</t></is></c>'


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(files: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def arrow(table: pa.Table, *, stream: bool = False) -> bytes:
    file = io.BytesIO()
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opened(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


TABLE = pa.table(
    {
        "filename": [row[0] for row in ROWS],
        "emotion": [row[1] for row in ROWS],
        "split": [row[2] for row in ROWS],
    }
)
HEADER = [("filename", "emotion", "split")]
BY_SIDE = {side: "".join(f"{name} {n % 2}\n" for n, name in enumerate(READ[side])) for side in READ}


@dataclass(frozen=True)
class Form:
    """Files as somebody may have published them."""

    files: dict[str, str | bytes]
    read: dict[int, dict[str, list[str]]] = field(default_factory=lambda: {0: READ})
    said: str = ""
    given: tuple[str, ...] = (".",)
    columns: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    subject: str | None = None
    labels: list[str | None] | None = None
    subjects: list[str | None] | None = None


LABELS = [row[1] for row in ROWS]
E = ("happy", "Sadness", "neu")
TWO = {"train": [A, B], "test": [C]}
FORMS = {
    "commas and a header": Form(
        {"a.csv": lines_of(HEADER + ROWS)},
        labels=LABELS,
        said="filename is the clip, emotion the label, split the side",
    ),
    "no header": Form(
        {"a.csv": lines_of(ROWS)},
        labels=LABELS,
        said="without a header, column 1 is the clip, column 2 the label, column 3 the side",
    ),
    "a header of unknown names": Form(
        {"a.csv": lines_of([("stimulus", "grp", "dat"), *((f"{r[0]}.wav", *r[1:]) for r in ROWS)])},
        read={0: {side: [f"{name}.wav" for name in names] for side, names in READ.items()}},
        said="stimulus is the clip, dat the side; not read: grp",
    ),
    "semicolons and Excel's line for them": Form(
        {"a.csv": "sep=;\n" + lines_of(HEADER + ROWS, ";")},
        labels=LABELS,
        said="semicolons between the cells",
    ),
    "tabs, quotes and a byte order mark": Form(
        {
            "a.txt": "\ufeff"
            + lines_of([tuple(f'"{c}"' for c in row) for row in HEADER + ROWS], "\t")
        },
        labels=LABELS,
    ),
    "blanks, and more of them": Form(
        {"a.txt": lines_of(HEADER + ROWS, "   ")}, labels=LABELS, said="blanks between the cells"
    ),
    "a comment, and a header behind a hash": Form(
        {"a.lst": "# made by hand\n# filename emotion split\n" + lines_of(ROWS, " ")}, labels=LABELS
    ),
    "UTF-16": Form(
        {"a.csv": lines_of(HEADER + ROWS).encode("utf-16")}, labels=LABELS, said="UTF-16"
    ),
    "UTF-16 without a mark": Form(
        {"a.csv": lines_of(HEADER + ROWS).encode("utf-16-le")}, labels=LABELS, said="UTF-16-LE"
    ),
    "UTF-32": Form({"a.csv": codecs.BOM_UTF32_LE + lines_of(HEADER + ROWS).encode("utf-32-le")}),
    "Latin-1": Form(
        {"a.csv": (lines_of(HEADER + ROWS) + "é-01,ängstlich,test\n").encode("latin-1")},
        read={0: READ | {"test": [D, "é-01"]}},
        labels=[*LABELS, "ängstlich"],
        said="the text is not UTF-8 (line 6), read as Latin-1",
    ),
    "paths with blanks, and a number": Form(
        {
            f"{side}.txt": f"subject 1/{side} 1/x.avi 0\nsubject 2/{side}/x y.avi 3\n"
            for side in READ
        },
        read={
            0: {side: [f"subject 1/{side} 1/x.avi", f"subject 2/{side}/x y.avi"] for side in READ}
        },
    ),
    "two modalities on a line": Form(
        {
            f"{side}.csv": "".join(f"/f/{name} /w/{name}.wav 3\n" for name in names)
            for side, names in READ.items()
        },
        read={0: {side: [f"/w/{name}.wav" for name in names] for side, names in READ.items()}},
        said="column 2 is the clip, column 3 the label, column 1 another file of the clip",
    ),
    "a path, its number of frames and a label": Form(
        {
            "train.txt": "".join(f"/f/{n:05} {n * 7 % 90 + 10} {n % 7}\n" for n in range(50)),
            "test.txt": "".join(f"/f/{n:05} {n * 7 % 90 + 10} {n % 7}\n" for n in range(50, 60)),
        },
        read={
            0: {
                "train": [f"/f/{n:05}" for n in range(50)],
                "test": [f"/f/{n:05}" for n in range(50, 60)],
            }
        },
        labels=[str(n % 7) for n in [*range(50, 60), *range(50)]],
        said="column 3 the label, the name of the file the side",
    ),
    "classes that the largest file alone shows": Form(
        {
            "test.txt": "".join(f"/f/{n:05} {n % 7}\n" for n in range(50)),
            "train.txt": "".join(f"/f/{n:05} {n % 7}\n" for n in range(50, 60)),
        },
        read={
            0: {
                "train": [f"/f/{n:05}" for n in range(50, 60)],
                "test": [f"/f/{n:05}" for n in range(50)],
            }
        },
        labels=[str(n % 7) for n in range(60)],
    ),
    "numbers with zeros, and few classes": Form(
        {
            f"{side}.txt": "".join(f"{n:05} {E[n % 3]}\n" for n in numbers)
            for side, numbers in (("train", range(6)), ("test", range(6, 9)))
        },
        read={
            0: {"train": [f"{n:05}" for n in range(6)], "test": [f"{n:05}" for n in range(6, 9)]}
        },
        labels=[E[n % 3] for n in (*range(6, 9), *range(6))],
    ),
    "one name of two words": Form(
        {"train.tsv": f"Clip ID\n{A}\n{B}\n", "test.csv": f"Clip ID\n{C}\n"}, read={0: TWO}
    ),
    "a first line that is like no other, and no header": Form(
        {"train.csv": "fear,s1_a\nsad,s1_b\nsad,s2_a\n", "test.csv": "joy,s3_a\nsad,s3_b\n"},
        read={0: {"train": ["s1_a", "s1_b", "s2_a"], "test": ["s3_a", "s3_b"]}},
        labels=["joy", "sad", "fear", "sad", "sad"],
    ),
    "bare names, a file a side": Form(
        {"trn.txt": f"{A}\n{B}\n", "dev.txt": f"{C}\n", "tst.txt": f"{D}\n"},
        said="without a header, column 1 is the clip, the name of the file the side",
    ),
    "French and Spanish words": Form(
        {
            "apprentissage.txt": f"{A}\n{B}\n",
            "validación.txt": f"{C}\n",
            "prueba.txt": f"{D}\n",
        }
    ),
    "a running number beside the name": Form(
        {
            "a.csv": lines_of(
                [("clip_id", "file", "split"), *((str(n), r[0], r[2]) for n, r in enumerate(ROWS))]
            )
        },
        said="file is the clip",
    ),
    "is_test": Form(
        {
            "a.csv": lines_of(
                [("file", "is_test"), *((r[0], str(r[2] == "test")) for r in ROWS if r[0] != C)]
            )
        },
        read={0: {"train": [A, B], "test": [D]}},
        said="is_test says test, all else is train",
    ),
    "one column of yes and no for each side": Form(
        {
            "a.csv": lines_of(
                [
                    ("file", "train", "val", "test"),
                    *((r[0], *(str(int(r[2] == side)) for side in READ)) for r in ROWS),
                ]
            )
        },
    ),
    "0, 1, 2 in files that say which": Form(
        {
            f"{side}.csv": lines_of([("file", "split"), *((n, str(number)) for n in READ[side])])
            for number, side in enumerate(READ)
        },
        said="0 is train, 1 is valid, 2 is test, as the names of the files say",
    ),
    "0, 1, 2 as the user says": Form(
        {"a.csv": lines_of([("file", "split"), (A, "0"), (B, "0"), (C, "1"), (D, "2")])},
        sides=("train=0", "valid=1", "test=2"),
        said="split the side, as you say",
    ),
    "the column that the user says": Form(
        {"a.csv": lines_of([("x1", "x2", "split"), *((r[1], r[0], r[2]) for r in ROWS)])},
        columns=("clip=2", "label=x1"),
        labels=LABELS,
        said="x2 is the clip, x1 the label",
    ),
    "a file whose side the user says": Form(
        {"one.csv": lines_of([("file",), (A,), (B,)]), "held.csv": lines_of([("file",), (C,)])},
        read={0: TWO},
        sides=("train=one", "test=held.csv"),
        said="--side the side",
    ),
    "the speaker that the user finds": Form(
        {"a.csv": lines_of(HEADER + ROWS)},
        subject=r"^(\d\d)-",
        subjects=["01", "02", "03", "04"],
        said=r"the speaker what ^(\d\d)- finds in the clip's name",
    ),
    "a fold for each column": Form(
        {
            "a.csv": lines_of(
                [("file", "fold_1", "fold_2"), (A, "train", "test"), (B, "test", "train")]
            )
        },
        read={1: {"train": [A], "test": [B]}, 2: {"train": [B], "test": [A]}},
    ),
    "a file for each part": Form(
        {f"fold_{n}.txt": f"{name}\n" for n, name in enumerate((A, B, C))},
        read={
            0: {"train": [B, C], "test": [A]},
            1: {"train": [A, C], "test": [B]},
            2: {"train": [A, B], "test": [C]},
        },
        said="the name of the file a part: fold i tests part i",
    ),
    "a folder for each fold, and one test": Form(
        {
            "cv/fold1/train.csv": f"{A} 0\n",
            "cv/fold1/valid.csv": f"{B} 0\n",
            "cv/fold2/train.csv": f"{B} 0\n",
            "cv/fold2/valid.csv": f"{A} 0\n",
            "cv/test.csv": f"{D} 0\n",
            "cv/README.md": "a readme",
            "cv/LICENSE.txt": "free",
        },
        read={
            1: {"train": [A], "valid": [B], "test": [D]},
            2: {"train": [B], "valid": [A], "test": [D]},
        },
        said="the same in folds 1, 2 (test.csv); left out: LICENSE.txt, README.md",
    ),
    "a folder for each session": Form(
        {
            f"Session{n}/{side}_meta.json": json.dumps(
                {
                    "labels": {"neu": 0},
                    "meta_data": [{"path": name, "label": "neu", "speaker": "x"}],
                }
            )
            for n, names in ((1, (A, B)), (2, (B, A)))
            for side, name in zip(("train", "test"), names, strict=True)
        },
        read={1: {"train": [A], "test": [B]}, 2: {"train": [B], "test": [A]}},
        said="the name of the folder the fold",
    ),
    "files of each left-out speaker": Form(
        {
            f"spk{n}_{side}.txt": f"{name}\n"
            for n, names in ((1, (A, B)), (2, (B, A)))
            for side, name in zip(("train", "test"), names, strict=True)
        },
        read={1: {"train": [A], "test": [B]}, 2: {"train": [B], "test": [A]}},
    ),
    "two schemes beside each other": Form(
        {
            "random_train.txt": f"{A}\n",
            "random_test.txt": f"{B}\n",
            "speaker_train.txt": f"{B}\n",
            "speaker_test.txt": f"{C}\n",
        },
        read={0: {"train": [A, B], "test": [B, C]}},
    ),
    "JSON records": Form(
        {"a.json": json.dumps([dict(zip(HEADER[0], row, strict=True)) for row in ROWS])},
        labels=LABELS,
    ),
    "JSON, names for each side": Form({"a.json": json.dumps(READ)}, said="the name of the key"),
    "JSON, folds of sides": Form(
        {
            "a.json": json.dumps(
                {"fold_1": {"train": [A], "test": [B]}, "fold_2": {"train": [B], "test": [A]}}
            )
        },
        read={1: {"train": [A], "test": [B]}, 2: {"train": [B], "test": [A]}},
    ),
    "JSON, a list of folds": Form(
        {"a.json": json.dumps([{"train": [A], "test": [B]}, {"train": [B], "test": [A]}])},
        read={1: {"train": [A], "test": [B]}, 2: {"train": [B], "test": [A]}},
    ),
    "JSON, nested under one key": Form(
        {"a.json": json.dumps({"version": 1, "data": {"splits": READ}})}
    ),
    "JSON, speakers for each side": Form(
        {
            "speaker_splits.json": json.dumps(
                {"train": ["anna", "ben"], "dev": ["eva"], "test": ["tom"]}
            )
        },
        read={0: {"train": ["anna", "ben"], "valid": ["eva"], "test": ["tom"]}},
        subjects=["anna", "ben", "eva", "tom"],
        said="column 1 is the speaker",
    ),
    "JSON, clip to side": Form({"a.json": json.dumps({row[0]: row[2] for row in ROWS})}),
    "JSON, clip to record": Form(
        {"a.json": json.dumps({r[0]: {"emotion": r[1], "split": r[2]} for r in ROWS})},
        labels=LABELS,
    ),
    "JSON, as pandas writes it": Form(
        {
            "a.json": json.dumps(
                {
                    name: {str(n): row[at] for n, row in enumerate(ROWS)}
                    for at, name in enumerate(HEADER[0])
                }
            )
        },
        labels=LABELS,
    ),
    "JSON, class to clips under each side": Form(
        {
            "a.json": json.dumps(
                {"train": {"happy": [A], "sad": [B]}, "test": {"happy": [C], "sad": [D]}}
            )
        },
        read={0: {"train": [A, B], "test": [C, D]}},
        labels=LABELS,
    ),
    "JSON Lines": Form(
        {
            "train.jsonl": "".join(
                f'{{"key": "k{n}", "wav": "{n}", "emo": "h"}}\n' for n in READ["train"]
            ),
            "test.jsonl": f'\n{{"key": "k", "wav": "{D}", "emo": "s"}}',
        },
        read={0: {"train": [A, B], "test": [D]}},
        labels=["s", "h", "h"],
    ),
    "JSON Lines in a .json": Form(
        {
            "a.json": "".join(
                json.dumps(dict(zip(HEADER[0], row, strict=True))) + "\n" for row in ROWS
            )
        },
        labels=LABELS,
    ),
    "Parquet": Form({"a.parquet": parquet(TABLE)}, labels=LABELS),
    "Arrow": Form({"a.arrow": arrow(TABLE)}, labels=LABELS),
    "an Arrow stream": Form({"a.arrow": arrow(TABLE, stream=True)}, labels=LABELS),
    "a workbook": Form({"a.xlsx": xlsx({"Sheet1": HEADER + ROWS})}, labels=LABELS),
    "a sheet for each side": Form(
        {
            "a.xlsx": xlsx(
                {side: [("Name", "n"), *((n, 1) for n in names)] for side, names in READ.items()}
            )
        },
        said="the name of the sheet the side",
    ),
    "arrays": Form(
        {"a.npz": npz(names=np.array([r[0] for r in ROWS]), split=np.array([r[2] for r in ROWS]))},
        columns=("clip=names",),
    ),
    "arrays for each side": Form(
        {
            "a.npz": npz(
                train_files=np.array([A, B]),
                train_labels=np.array([0, 1]),
                x_train=np.zeros((2, 9)),
                test_files=np.array([C]),
                test_labels=np.array([1]),
                x_test=np.zeros((1, 9)),
            )
        },
        read={0: TWO},
    ),
    "one array for each side": Form(
        {"train.npy": npy(np.array([A, B])), "test.npy": npy(np.array([C]))}, read={0: TWO}
    ),
    "constants of a program": Form(
        {
            "splits.py": f"import os\nROOT = os.getcwd()\nTRAIN = [{A!r}, {B!r}]\n"
            f"DEV: list[str] = ({C!r},)\nTEST = {{{D!r}}}\nprint('never')\n"
        }
    ),
    "folders of clips": Form(
        {
            f"{side}/{'happy' if n == A else 'sad'}/{n}.wav": ""
            for side, names in READ.items()
            for n in names
        },
        read={
            0: {
                side: [f"{side}/{'happy' if n == A else 'sad'}/{n}.wav" for n in names]
                for side, names in READ.items()
            }
        },
        said="path is the clip, class the label, the name of the folder the side",
    ),
    "folders of frames": Form(
        {
            f"{side}/sad/{n}/{f:04}.jpg": ""
            for side, names in READ.items()
            for n in names
            for f in range(3)
        },
        read={0: {side: [f"{side}/sad/{n}" for n in names] for side, names in READ.items()}},
    ),
    "a zip file of lists": Form(
        {"lists.zip": zipped({"lists/train.txt": f"{A}\n{B}\n", "lists/test.txt": f"{C}\n"})},
        given=("lists.zip",),
        read={0: TWO},
    ),
    "a zip file of clips": Form(
        {"clips.zip": zipped({f"d/{side}/x/{n}.wav": "" for side, of in TWO.items() for n in of})},
        given=("clips.zip",),
        read={0: {side: [f"clips/d/{side}/x/{n}.wav" for n in of] for side, of in TWO.items()}},
    ),
    "no suffix": Form(
        {"my_train": f"{A}\n{B}\n", "my_test": f"{C}\n"},
        given=("my_train", "my_test"),
        read={0: TWO},
    ),
    "clip ids that begin anew in each video": Form(
        {
            "label.csv": lines_of(
                [
                    ("video_id", "clip_id", "text", "mode"),
                    ("v1", "1", "a", "train"),
                    ("v1", "2", "b", "train"),
                    ("v2", "1", "c", "test"),
                ]
            )
        },
        read={0: {"train": ["v1/1", "v1/2"], "test": ["v2/1"]}},
    ),
    "a public and a private test": Form(
        {
            "icml.csv": lines_of(
                [
                    ("image", "Usage"),
                    (A, "Training"),
                    (B, "Training"),
                    (C, "PublicTest"),
                    (D, "PrivateTest"),
                ]
            )
        }
    ),
    "a header of one name, and names with blanks": Form(
        {"train.csv": "file\na b.wav\nc d.wav\n", "test.csv": "file\ne f.wav\n"},
        read={0: {"train": ["a b.wav", "c d.wav"], "test": ["e f.wav"]}},
    ),
    "an index without a name, as pandas writes it": Form(
        {"a.csv": lines_of([("", *HEADER[0]), *((str(n), *row) for n, row in enumerate(ROWS))])},
        labels=LABELS,
        said="not read: column 1",
    ),
    "sex and emotion without a header": Form(
        {"train.txt": f"{A} m happy\n{B} f sad\n", "test.txt": f"{C} m happy\n{D} f sad\n"},
        read={0: {"train": [A, B], "test": [C, D]}},
        labels=LABELS,
        said="column 1 is the clip, column 3 the label, column 2 the sex",
    ),
    "clips in a file that says how they were dealt": Form(
        {"speakers_disjoint.json": json.dumps({"train": ["anna", "ben"], "test": ["tom"]})},
        read={0: {"train": ["anna", "ben"], "test": ["tom"]}},
        subjects=[None] * 3,
        said="column 1 is the clip",
    ),
    "clips in a file that is named after speakers": Form(
        {
            "speaker_splits.json": json.dumps(
                {"train": ["s1_a", "s1_b", "s2_a", "s2_b"], "test": ["s3_a", "s3_b"]}
            )
        },
        read={0: {"train": ["s1_a", "s1_b", "s2_a", "s2_b"], "test": ["s3_a", "s3_b"]}},
        subjects=[None] * 6,
        said="column 1 is the clip",
    ),
    "all beside its parts, and numbers that nobody explains": Form(
        {
            "all.csv": lines_of([("file", "split"), (A, "train"), (B, "train"), (C, "test")]),
            "train.csv": lines_of([("file", "speaker"), (A, "1"), (B, "2")]),
            "test.csv": lines_of([("file", "speaker"), (f"{C}.wav", "3")]),
            "labels.csv": lines_of([("file", "split"), (A, "4"), (B, "5"), (C, "6")]),
        },
        read={0: {"train": [A, B], "test": [f"{C}.wav"]}},
        said="read once, since others list the same: all.csv; left out: labels.csv",
    ),
    "pieces of one list": Form(
        {
            f"{side}_{n}.txt": f"{name}\n"
            for side, names in TWO.items()
            for n, name in enumerate(names)
        }
        | {"test_1.txt": f"{D}\n"},
        read={0: {"train": [A, B], "test": [C, D]}},
        said="numbered lists that share no clip are read as one split",
    ),
    "pieces by their number of all": Form(
        {
            f"{side}-0000{n}-of-00002.parquet": parquet(pa.table({"file": [name]}))
            for side, names in (("train", [A, B]), ("test", [A, D]))
            for n, name in enumerate(names)
        },
        read={0: {"train": [A, B], "test": [A, D]}},
    ),
    "recordings inside Parquet": Form(
        {
            f"{side}.parquet": parquet(
                pa.table({"audio": [{"bytes": b"RIFF", "path": f"{name}.wav"} for name in names]})
            )
            for side, names in READ.items()
        },
        read={0: {side: [f"{name}.wav" for name in names] for side, names in READ.items()}},
        said="audio is the clip",
    ),
    "numbers of sides in folders with numbers": Form(
        {
            f"{fold}/a.csv": lines_of([("file", "split"), (A, "1"), (B, "1"), (name, "2")])
            for fold, name in ((1, C), (2, D))
        },
        sides=("train=1", "test=2"),
        read={1: {"train": [A, B], "test": [C]}, 2: {"train": [A, B], "test": [D]}},
    ),
    "a number of a data set, and none of a fold": Form(
        {"dataset2_train.txt": f"{A}\n{B}\n", "dataset2_test.txt": f"{C}\n"}, read={0: TWO}
    ),
    "programs beside lists": Form(
        {"train.txt": f"{A}\n{B}\n", "test.txt": f"{C}\n", "train.py": "TRAIN = ['x']\n"},
        read={0: TWO},
        said="left out: train.py",
    ),
    "JSON, paths that begin like a side": Form(
        {"a.json": json.dumps({f"train/{r[0]}": {"split": r[2]} for r in ROWS})},
        read={0: {side: [f"train/{name}" for name in names] for side, names in READ.items()}},
    ),
    "JSON, clips that begin like a side": Form(
        {
            "a.json": json.dumps(
                {f"test_{n:04}": {"split": "train" if n < 9 else "test"} for n in range(20)}
            )
        },
        read={
            0: {
                "train": [f"test_{n:04}" for n in range(9)],
                "test": [f"test_{n:04}" for n in range(9, 20)],
            }
        },
    ),
    "several tests": Form(
        {
            "a.csv": lines_of(
                [("file", "split"), (A, "Train set"), (B, "train"), (C, "Test1"), (D, "test_2")]
            )
        },
        read={0: {"train": [A, B], "test": [C, D]}},
    ),
    "the same lists in two forms": Form(
        {
            "train.json": json.dumps([A, B]),
            "train.txt": f"/data/{B}.wav\n/data/{A}.wav\n",
            "test.txt": f"/data/{C}.wav\n",
            "test.csv": f"file,x\n{C},1\n",
        },
        read={0: {side: [f"/data/{n}.wav" for n in names] for side, names in TWO.items()}},
        said="read once, since others list the same: test.csv, train.json",
    ),
    "ids with letters that are short for sides": Form(
        {
            "train.json": json.dumps({f"x-{n}_RF6te{n}": {"emo": "a"} for n in range(9)}),
            "test.json": json.dumps({f"x-tr-{n}": {"emo": "a"} for n in range(9)}),
        },
        read={
            0: {
                "train": [f"x-{n}_RF6te{n}" for n in range(9)],
                "test": [f"x-tr-{n}" for n in range(9)],
            }
        },
    ),
    "speakers with the initials of sides": Form(
        {
            f"{side}/{who}/{who}_{n}.wav": ""
            for side, whom in (("train", ("DC", "TR")), ("test", ("TE",)))
            for who in whom
            for n in range(2)
        },
        read={
            0: {
                "train": [f"train/{who}/{who}_{n}.wav" for who in ("DC", "TR") for n in range(2)],
                "test": [f"test/TE/TE_{n}.wav" for n in range(2)],
            }
        },
    ),
    "quotes that begin cells and end none": Form(
        {
            "a.csv": f'file,said,split\n{A},hm,train\n{B},"Oh,train\n{C},no,valid\n{D},"Ah,test\n',
        },
        read={0: {"train": [A, B], "valid": [C], "test": [D]}},
        said="quotes are read as letters, since they do not pair",
    ),
    "quoted cells of several lines": Form(
        {"a.csv": f'file,said,split\n{A},"hm,\nso",train\n{B},"a\nb",train\n{D},"x, y",test\n'},
        read={0: {"train": [A, B], "test": [D]}},
    ),
    "other sides beside those that are named as usual": Form(
        {"a.json": json.dumps({**READ, "valid": [], "test_hard": [C], "labels": {"a": 1}})},
        read={0: {"train": [A, B], "test": sorted([C, D])}},
    ),
    "a side for all folds": Form(
        {
            "a.json": json.dumps(
                {"fold1": {"train": [A, C]}, "fold2": {"train": [B, C]}, "test": [D]}
            )
        },
        read={1: {"train": [A, C], "test": [D]}, 2: {"train": [B, C], "test": [D]}},
    ),
    "one record below a side": Form(
        {"a.json": json.dumps({"train": {A: {"speaker": "1"}}, "test": {D: {"speaker": "2"}}})},
        read={0: {"train": [A], "test": [D]}},
    ),
    "a side that is held out": Form(
        {"train.csv": f"file\n{A}\n", "hold_out.csv": f"file\n{C}\n", "testlist01.txt": D},
        read={0: {"train": [A], "test": sorted([C, D])}},
    ),
    "numbers that count the lines of each table": Form(
        {
            "train.csv": "id,speaker\n0,anna\n1,tom\n",
            "test.csv": "id,speaker\n0,mary\n1,john\n2,john\n",
        },
        read={0: {"train": ["anna", "tom"], "test": ["john", "john", "mary"]}},
        said="id counts the lines of each table anew, and names no clip",
    ),
    "numbers that the user says name clips": Form(
        {"train.csv": "id,speaker\n0,anna\n1,tom\n", "test.csv": "id,speaker\n0,mary\n1,john\n"},
        read={0: {"train": ["0", "1"], "test": ["0", "1"]}},
        columns=("clip=id",),
    ),
    "bars, and other marks in the text behind them": Form(
        {
            "train.txt": f"w/{A}.wav|1|so; you\nw/{B}.wav|2|well; no\n",
            "test.txt": f"w/{D}.wav|4|ah; oh, you\n",
        },
        read={0: {"train": [f"w/{A}.wav", f"w/{B}.wav"], "test": [f"w/{D}.wav"]}},
        said="bars between the cells",
    ),
    "yes and no with a point": Form(
        {"a.csv": f"path,is_test\n{A},0.0\n{B},0.0\n{D},1.0\n"},
        read={0: {"train": [A, B], "test": [D]}},
    ),
    "a mark or nothing": Form(
        {"a.csv": f"path,is_test\n{A},\n{B},\n{D},x\n"},
        read={0: {"train": [A, B], "test": [D]}},
    ),
    "line ends of old programs": Form(
        {"a.csv": f"path,split\r{A},train\r{B},train\r{D},test"},
        read={0: {"train": [A, B], "test": [D]}},
    ),
    "a folder on the first line": Form(
        {
            "train.tsv": f"/data/audio\n{A}.wav\t160\n{B}.wav\t161\n",
            "test.tsv": f"/data/audio\n{D}.wav\t160\n",
        },
        read={0: {"train": [f"{A}.wav", f"{B}.wav"], "test": [f"{D}.wav"]}},
    ),
    "a column for each side": Form(
        {"a.csv": "train,val,test\na1,b1,c1\na2,b2,\na3,,\na4,,\n"},
        read={0: {"train": ["a1", "a2", "a3", "a4"], "valid": ["b1", "b2"], "test": ["c1"]}},
    ),
    "a few letters of Chinese": Form(
        {"a.csv": f"音频,划分\n{A},训练\n{B},训练\n{D},测试\n".encode("gb18030")},
        read={0: {"train": [A, B], "test": [D]}},
        said="read as GB18030",
    ),
    "constants of people": Form(
        {"a.py": "TRAIN_SPK = ['p1', 'p2']\nTEST_PEOPLE = ['p3']\nVALID_PERSONS = ['p4']\n"},
        read={0: {"train": ["p1", "p2"], "valid": ["p4"], "test": ["p3"]}},
        subjects=["p1", "p2", "p3", "p4"],
    ),
    "people and their sides": Form(
        {"speaker_splits.json": json.dumps({"p1": "train", "p2": "train", "p3": "test"})},
        read={0: {"train": ["p1", "p2"], "test": ["p3"]}},
        subjects=["p1", "p2", "p3"],
    ),
    "clips below people": Form(
        {
            "a.json": json.dumps(
                {
                    "train": {"spk1": ["a", "b"], "spk2": ["c"]},
                    "test": {"spk1": ["d"], "spk3": ["e"]},
                }
            )
        },
        read={0: {"train": ["a", "b", "c"], "test": ["d", "e"]}},
        subjects=["spk1", "spk1", "spk2", "spk1", "spk3"],
    ),
    "folders of Kaldi": Form(
        {
            "train/utt2spk": "a p1\nb p2\n",
            "train/spk2utt": "p1 a\np2 b\n",
            "test/utt2spk": "c p3\n",
            "test/spk2utt": "p3 c\n",
        },
        read={0: {"train": ["a", "b"], "test": ["c"]}},
        subjects=["p3", "p1", "p2"],
    ),
    "lists of Kaldi that begin with the speaker": Form(
        {"train/spk2utt": "p1 a b\np2 c\n", "test/spk2utt": "p3 d e\n"},
        given=("train/spk2utt", "test/spk2utt"),
        read={0: {"train": ["a", "b", "c"], "test": ["d", "e"]}},
        subjects=["p1", "p1", "p2", "p3", "p3"],
    ),
    "a column of speakers that is another in each line": Form(
        {"a.csv": f"c,speaker,actor,split\n{A},1,x,train\n{B},2,x,train\n{D},3,x,test\n"},
        read={0: {"train": [A, B], "test": [D]}},
        subjects=["x", "x", "x"],
        said="actor the speaker",
    ),
    "rows on no side": Form(
        {"a.csv": f"file,split\n{A},train\n{B},spare\n{C},train\n{D},test\n"},
        read={0: {"train": sorted([A, C]), "test": [D]}},
        sides=("none=spare",),
        said="1 rows set aside, as you say",
    ),
    "a file on no side": Form(
        {"train.txt": f"{A}\n", "test.txt": f"{D}\n", "test_old.txt": f"{A}\n"},
        read={0: {"train": [A], "test": [D]}},
        sides=("none=test_old.txt",),
    ),
    "a table of speakers": Form(
        {
            "a.csv": lines_of(
                [("speaker", "age", "split"), ("anna", "20", "train"), ("tom", "30", "test")]
            )
        },
        read={0: {"train": ["anna"], "test": ["tom"]}},
        subjects=["anna", "tom"],
    ),
}


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / "lists" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / "lists"


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_as_meant_and_said(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    root = written(tmp_path, form.files)
    options = ReadingOptions.parse(form.columns, form.sides, form.subject)
    tables = read_published([root / one for one in form.given], options)
    expected = {
        fold: {side: sorted(names) for side, names in sorted(of.items())}
        for fold, of in form.read.items()
    }
    assert sides(tables) == expected, tables[0].understood
    assert form.said in tables[0].understood
    assert "\n" not in tables[0].understood
    if form.labels is not None:
        assert column(tables, "label") == form.labels
    if form.subjects is not None:
        assert column(tables, "subject") == form.subjects


def test_splits_that_lie_beside_each_other_are_schemes(tmp_path: Path) -> None:
    root = written(tmp_path, FORMS["two schemes beside each other"].files)
    lines = ForeignLines(read_published([root]))
    assert [(fold.scheme, len(fold.rows)) for fold in folds_of(lines, None)] == [
        ("random", 2),
        ("speaker", 2),
    ]


def test_what_the_user_says_is_marked_as_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines_of(HEADER + ROWS))
    options = ReadingOptions.parse(("label=emotion",), (), r"^\d\d")
    (table,) = read_published([tmp_path / "a.csv"], options)
    assert table.given == {"label", "subject"}


@dataclass(frozen=True)
class Refusal:
    """Files that cannot be read as they are, and what the sentence says."""

    files: dict[str, str | bytes]
    says: tuple[str, ...]
    given: tuple[str, ...] = (".",)
    columns: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    subject: str | None = None


OBJECTS = np.array([{"a": 1}, None], dtype=object)
REFUSED: dict[str, Refusal] = {
    "numbers for sides": Refusal(
        {"a.csv": lines_of([("file", "split"), (A, "0"), (B, "1")])},
        ("nothing says which of 0, 1 is train", "--side train=0", "--column fold=split"),
    ),
    "numbers for sides of two files that say the same": Refusal(
        {"a.csv": lines_of([("file", "split"), (A, "2"), (B, "1")]), "b.csv": "file,split\nx,1\n"},
        ("nothing says which of 1, 2 is train",),
    ),
    "two sides on a line": Refusal(
        {"a.csv": lines_of([("file", "train", "test"), (A, "1", "0"), (B, "1", "1")])},
        ("line 3, column test: it says yes, and so does a column before it",),
    ),
    "two cells below one name": Refusal(
        {"train.csv": f"file\n{A},happy\n{B},sad\n"}, ("the line has 2 cells, expected 1",)
    ),
    "no side": Refusal(
        {"a.csv": lines_of([("file", "emotion"), (A, "x")])}, ("no column tells the side", "--side")
    ),
    "a quoted cell that swallows lines": Refusal(
        {
            "a.csv": f'file,said,split\n{A},"a, b",train\n{B},"Oh,train\n{C},no,valid\n'
            f'{D},"Ah,test\n',
        },
        ("line 3: a quoted cell has whole lines of the table in it; close its quotes",),
    ),
    "a list of names and objects": Refusal(
        {"a.json": json.dumps({"train": [A], "test": [{"clip": D}, C, [B]]})},
        ("key test: a list holds lists and names and objects; expected all of one kind",),
    ),
    "a side without a list": Refusal(
        {"a.json": json.dumps({"train": [A], "test": {"x": {"lr": 1}}})},
        ("key test: no list of clips is in it",),
    ),
    "a key that stands twice": Refusal(
        {"a.json": json.dumps({"train": [A], "test": [B]})[:-1] + f', "test": ["{C}"]}}'},
        ("the key 'test' stands twice in one object",),
    ),
    **{
        f"Python that changes a list: {line.split()[0]}": Refusal(
            {"a.py": f"TRAIN = ['{A}']\nTEST = ['{B}']\n{line}\n"},
            ("line 3: TEST is computed, and nothing is run",),
            given=("a.py",),
        )
        for line in (
            f"TEST += ['{A}']",
            f"TEST.extend(['{A}'])",
            f"if True:\n    TEST = ['{A}']",
            f"TEST[0] = '{A}'",
            f"TEST = ['{A}']",
            f"for TEST in ['{A}']: pass",
        )
    },
    "numbers that count the lines of each table, and nothing else": Refusal(
        {"train.csv": "id,label\n0,sad\n1,sad\n", "test.csv": "id,label\n0,sad\n1,happy\n"},
        ("column id: it counts the lines of each table anew", "--column clip=id"),
    ),
    "a number in the name of the only file": Refusal(
        {"01.csv": lines_of([("file", "emotion"), (A, "x"), (B, "y")])},
        ("the name of the file holds one part alone (1)", "--column side=COLUMN"),
    ),
    "pickled objects": Refusal(
        {"label.npz": npz(train=OBJECTS)}, ("holds pickled objects", "is not opened", "as CSV")
    ),
    "a pickle": Refusal({"a.pkl": b"\x80\x04."}, ("pickled objects", "CSV"), given=("a.pkl",)),
    "programs alone": Refusal(
        {"train.py": "RATE = {'a': 1, 'b': 1, 'c': 1, 'd': 1}\n"}, ("holds no list of a split",)
    ),
    "a computed list": Refusal(
        {"a.py": "TRAIN = [1, 2]\nTEST = list(range(9))\n"},
        ("line 2: TEST is computed, and nothing is run",),
        given=("a.py",),
    ),
    "broken Python": Refusal(
        {"a.py": "TRAIN = [\n"}, ("line 1: this is no Python",), given=("a.py",)
    ),
    "a zip file that leads out of itself": Refusal(
        {"a.zip": zipped({"../train.txt": "x"})}, ("leads out of it",), given=("a.zip",)
    ),
    "a broken zip file": Refusal({"a.zip": b"PK\x03\x04x"}, ("no zip file",), given=("a.zip",)),
    "an empty folder": Refusal({"x/y.md": "nothing"}, ("holds no list of a split",)),
    "a broken file of a side in a folder": Refusal(
        {"train.json": '["a", "b"]', "test.json": '["a", '}, ("test.json: this is no JSON",)
    ),
    "an empty file": Refusal({"train.txt": "\n\n"}, ("it is empty",)),
    "bytes": Refusal({"train.csv": b"\0\1\2\3" * 9}, ("the file is no text",)),
    "JSON without a list": Refusal({"a.json": '{"lr": 0.1}'}, ("no list of clips is in it",)),
    "a column that is not there": Refusal(
        {"a.csv": lines_of(HEADER + ROWS)},
        ("has no column 'foo' (--column); it has filename, emotion, split",),
        columns=("clip=foo",),
    ),
    "an unknown meaning": Refusal(
        {}, ("there is no meaning 'clp'; did you mean clip?",), columns=("clp=1",)
    ),
    "nothing that is on no side": Refusal(
        {"a.csv": lines_of(HEADER + ROWS)}, ("has no side foo",), sides=("none=foo",)
    ),
    "nothing but what is on no side": Refusal(
        {"train.txt": f"{A}\n"}, ("leaves nothing",), sides=("none=train",)
    ),
    "a malformed side": Refusal(
        {}, ("--side foo=1 is not of the form SIDE=VALUE",), sides=("foo=1",)
    ),
    "a broken expression": Refusal({}, ("this is no regular expression",), subject="("),
    "two groups": Refusal({}, ("has 2 groups",), subject="(a)(b)"),
    "two columns of different speakers": Refusal(
        {
            "a.csv": "clip,speaker,actor,split\n"
            + "".join(f"c{n},s{n // 2},p{n % 3},{'test' if n > 5 else 'train'}\n" for n in range(9))
        },
        ("'speaker' and 'actor' may both be the speaker", "--column subject=actor"),
    ),
    "a look-around": Refusal({}, ("could search a name for ever",), subject="(?=a)a"),
    "a search without end": Refusal(
        {"a.csv": lines_of(HEADER + [(f"{'a' * 99}{row[0]}", *row[1:]) for row in ROWS])},
        ("is found in no name of a clip",),
        subject="(?:a|aa)+X",
    ),
    "letters of other alphabets": Refusal(
        {"a.csv": lines_of(HEADER + [(f"\u00e9{row[0]}", *row[1:]) for row in ROWS])},
        ("know English letters alone",),
        subject=r"(\w+)",
    ),
    "an expression that finds nothing": Refusal(
        {"a.csv": lines_of(HEADER + ROWS)}, ("is found in no name of a clip",), subject="Actor"
    ),
    "a broken workbook": Refusal({"a.xlsx": b"PK"}, ("no workbook",)),
    "a broken array": Refusal({"a.npy": npy(np.array([A, B]))[:-3]}, ("cut off or damaged",)),
}


def _read(root: Path, refused: Refusal) -> None:
    options = ReadingOptions.parse(refused.columns, refused.sides, refused.subject)
    tables = read_published([root / one for one in refused.given], options)
    folds_of(ForeignLines(tables), None)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_sentence_with_the_way_out(name: str, tmp_path: Path) -> None:
    refused = REFUSED[name]
    root = written(tmp_path, refused.files)
    with pytest.raises(WrongForeignTable) as caught:
        _read(root, refused)
    sentence = str(caught.value)
    assert all(part in sentence for part in refused.says), sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("columns", [(), ("subject=actor",)])
def test_two_columns_that_tell_the_same_people_are_read(
    columns: tuple[str, ...], tmp_path: Path
) -> None:
    people = ("Ann,01", "Ben,2", "Ann,1", "Cleo,3") if not columns else ("A,1", "A,2", "B,1", "B,2")
    rows = "".join(f"c{n},{who},{'test' if n else 'train'}\n" for n, who in enumerate(people))
    root = written(tmp_path, {"a.csv": f"clip,speaker,actor,split\n{rows}"})
    (table,) = read_published([root / "a.csv"], ReadingOptions.parse(columns))
    assert cells(table, "subject")[0] == ("1" if columns else "Ann")


def test_the_command_takes_a_folder_and_says_what_it_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "fold1/a.csv": lines_of([("n", "w"), ("x1", f"{A}.wav"), ("x2", f"{B}.wav")]),
        "fold1/b.csv": lines_of([("n", "w"), ("x3", f"{C}.wav")]),
    }
    root = written(tmp_path, files)
    options = ["--column", "clip=2", "--side", "train=a.csv", "--side", "test=b", "--subject"]
    with pytest.raises(SystemExit):
        run(["audit", str(root), *options, r"^(0)\d", "--corpus", "folder"])
    shown = capsys.readouterr().out
    assert "LEAKS: 1 of 1 test subjects are also in train (1 of 1 test clips)" in shown
    assert f"{root}" in shown
    line = " ".join(shown.split())
    assert "read as: w is the clip, the speaker what ^(0)\\d finds in the clip's name" in line
    assert "--side the side, the name of the folder the fold; not read: n" in line


def test_a_damaged_store_is_not_read_as_a_list(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "train.txt").write_text(f"{A}\n")
    with pytest.raises(NotCommitted):
        run_audit([tmp_path])


@pytest.mark.parametrize(
    ("files", "is_held"),
    [
        ({"train.csv": "c,speaker\na,1\n", "test.csv": "c,speaker\nb,2\n"}, True),
        ({"train.csv": "c,speaker\na,1\n", "test.csv": "c,speaker\nb,2\n", "train.py": ""}, True),
        ({"train.csv": "c,speaker\na,1\n", "test.csv": "c,speaker\nb,2\n", "test.pkl": ""}, False),
        ({"train.csv": "c,speaker\na,1\n", "test.csv": "c,speaker\nb,2\n", "dev.yml": ""}, False),
        (
            {
                "a.json": json.dumps(
                    {
                        "train": [{"clip": "a", "speaker": "1"}],
                        "test": {"x": [{"clip": "b", "speaker": "2"}], "w": {"z": ["c", "d"]}},
                    }
                )
            },
            False,
        ),
        (
            {
                "train/l.csv": "c,speaker\na,1\n",
                "valid/l.csv": "c,speaker\nb,2\n",
                "test/l.pkl": "",
            },
            False,
        ),
        (
            {
                "train/l.csv": "c,speaker\na,1\n",
                "train/cache.pkl": "",
                "test/l.csv": "c,speaker\nb,2\n",
            },
            True,
        ),
    ],
    ids=["all", "a program", "a pickle", "YAML", "a key", "a folder", "beside a list"],
)
def test_what_is_named_like_a_side_and_not_read_is_no_verdict_that_holds(
    files: dict[str, str | bytes], is_held: bool, tmp_path: Path
) -> None:
    report = run_audit([written(tmp_path, files)], "folder")
    assert report.verdict.answer == (Answer.HOLDS if is_held else Answer.PARTLY), report.verdict
    assert is_held != ("not read, though named like a side" in report.verdict.sentence)
