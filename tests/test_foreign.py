"""Tables of others: what is understood, and the one sentence with file, line and column for what is
not."""

import contextlib
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit import Listing, WrongForeignTable, audit, match_foreign, read_foreign
from manifests.audit.foreign_columns import COLUMNS, candidates
from manifests.audit.foreign_table import seconds
from manifests.audit.listing import TEST, TRAIN, VALID
from manifests.audit.reading.sides import ROLE_OF
from manifests.corpora.catalog import CORPORA

_A, _B, _C = "01-01-03-02-01-01-01", "01-01-04-02-01-01-02", "01-01-05-02-01-01-03"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def listed(*paths: Path, corpus: str | None = None, scheme: str | None = None) -> Listing:
    return match_foreign([read_foreign(path) for path in paths], CORPORA, corpus, scheme)


def refusal(*paths: Path, corpus: str | None = None) -> str:
    with pytest.raises(WrongForeignTable) as caught:
        listed(*paths, corpus=corpus)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def values(listing: Listing, unit: str) -> list[object]:
    column = listing.names[unit]
    return [None if code < 0 else column.values[code] for code in column.codes]


ROWS = [
    {"Filename": f"speech/{_A}.mp4", "Split": "train", "Emotion": "Happy"},
    {"Filename": f"{_B}.wav", "Split": "Dev", "Emotion": "sad"},
]


def forms(folder: Path) -> list[Path]:
    plain = "".join(f"{row['Filename']},{row['Split']},{row['Emotion']}\n" for row in ROWS)
    csv = write(folder / "a.csv", f"\ufeffFilename,Split,Emotion\n{plain}")
    tsv = write(folder / "b.tsv", ("Filename,Split,Emotion\n" + plain).replace(",", "\t"))
    semicolons = write(
        folder / "c.csv",
        ("Filename,Split,Emotion\n" + plain).replace(",", " ; ").replace("\n", "\r\n"),
    )
    lines = write(folder / "d.jsonl", "\n\n".join(json.dumps(row) for row in ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "e.parquet")
    category = pa.Table.from_pylist(ROWS).set_column(
        1, "Split", pa.array([row["Split"] for row in ROWS]).dictionary_encode()
    )
    pq.write_table(category, folder / "f.parquet")
    return [csv, tsv, semicolons, lines, folder / "e.parquet", folder / "f.parquet"]


def test_every_form_of_a_table_reads_alike(tmp_path: Path) -> None:
    for path in forms(tmp_path):
        found = listed(path)
        assert found.corpora == ("ravdess",), path
        assert values(found, "clip") == [f"ravdess/{_A}", f"ravdess/{_B}"]
        assert values(found, "subject") == ["ravdess/01", "ravdess/02"]
        assert values(found, "label") == ["Happy", "sad"]
        assert values(found, "sex") == ["male", "female"]
        (fold,) = found.folds
        assert (fold.scheme, fold.fold, fold.role.tolist()) == (path.stem, 0, [TRAIN, VALID])


@pytest.mark.parametrize("meaning", COLUMNS)
def test_every_documented_name_of_a_column_is_known(meaning: str) -> None:
    for name in COLUMNS[meaning]:
        assert candidates(Path("t.csv"), [name.upper().replace("_", " ")])[meaning] == [0]


def test_documented_names_are_in_the_documentation() -> None:
    import manifests.audit.foreign_columns

    text = manifests.audit.foreign_columns.__doc__ or ""
    for meaning in ("name", "role", "subject", "window", "origin", "fitted", "selected"):
        assert all(name in text for name in COLUMNS[meaning][:8]), meaning


def test_words_for_a_side() -> None:
    assert {ROLE_OF[word] for word in ("train", "training")} == {TRAIN}
    assert {ROLE_OF[word] for word in ("val", "dev", "validation")} == {VALID}
    assert {ROLE_OF[word] for word in ("test", "eval")} == {TEST}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.5", 1.5), ("00:16:16,059", 976.059), ("0:06:47,28", 407.028), ("1,5", 1.5), ("x", None)],
)
def test_times(cell: str, value: float | None) -> None:
    assert seconds(cell) == value


def test_a_clip_column_is_preferred_to_a_key(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", f"key,clip,split\nx1,{_A},train\nx2,{_B},test\n")
    assert values(listed(path), "clip") == [f"ravdess/{_A}", f"ravdess/{_B}"]


def test_files_of_one_side_each_are_one_split(tmp_path: Path) -> None:
    train, test = (
        write(tmp_path / "my_train.csv", f"clip\n{_A}\n"),
        write(tmp_path / "test-set.csv", f"clip\n{_A}\n{_B}\n"),
    )
    found = listed(train, test)
    assert [fold.role.tolist() for fold in found.folds] == [[TRAIN, TEST, TEST]]
    assert "neither does the file's name" in refusal(
        train, write(tmp_path / "other.csv", f"clip\n{_B}\n")
    )


def test_ids_that_restart_in_each_split_are_distinguished(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "Dialogue_ID,Utterance_ID,split,Speaker\n0,0,train,Joey\n0,0,dev,Rachel\n0,0,test,Joey\n",
    )
    found = listed(path)
    assert values(found, "clip") == [
        "meld/train/dia0_utt0",
        "meld/dev/dia0_utt0",
        "meld/test/dia0_utt0",
    ]
    assert values(found, "dialogue") == ["meld/train/dia0", "meld/dev/dia0", "meld/test/dia0"]
    assert values(found, "subject") == ["meld/Joey", "meld/Rachel", "meld/Joey"]


def test_schemes_and_folds_of_one_table(tmp_path: Path) -> None:
    lines = [
        f"{s},{f},{c},{'train' if (c == _A) == (f == 'fold_1') else 'test'}"
        for s in "xy"
        for f in ("fold_1", "fold_2")
        for c in (_A, _B)
    ]
    path = write(tmp_path / "t.csv", "scheme,fold,clip_id,role\n" + "\n".join(lines) + "\n")
    assert [(fold.scheme, fold.fold, len(fold.rows)) for fold in listed(path).folds] == [
        ("x", 1, 2),
        ("x", 2, 2),
        ("y", 1, 2),
        ("y", 2, 2),
    ]
    assert {fold.scheme for fold in listed(path, scheme="y").folds} == {"y"}
    with pytest.raises(WrongForeignTable, match="no scheme 'z'; it has x, y"):
        listed(path, scheme="z")


def test_a_fold_column_of_words_is_the_side(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", f"clip,fold\n{_A},train\n{_B},test\n")
    assert [fold.role.tolist() for fold in listed(path).folds] == [[TRAIN, TEST]]


def test_a_clip_on_two_sides_and_a_list_of_one_side_are_read_for_the_rules_to_judge(
    tmp_path: Path,
) -> None:
    twice = write(tmp_path / "t.csv", f"clip,split\n{_A},train\n{_B},test\n{_A},test\n")
    assert [fold.role.tolist() for fold in listed(twice).folds] == [[TRAIN, TEST, TEST]]
    alone = write(tmp_path / "u.csv", f"clip,split\n{_A},train\n{_B},train\n")
    assert [fold.role.tolist() for fold in listed(alone).folds] == [[TRAIN, TRAIN]]


def test_the_sample_is_known_by_its_prefix_alone(tmp_path: Path) -> None:
    assert listed(
        write(tmp_path / "t.csv", f"clip,split\nsample/{_A},train\nsample/{_B},test\n")
    ).corpora == ("sample",)
    assert listed(
        write(tmp_path / "u.csv", f"clip,split\n{_A},train\n{_B},test\n"), corpus="sample"
    ).corpora == ("sample",)


WRONG = {
    "no clip column": (
        "foo,split\n1,train\n",
        "line 1: no column names the clip; expected one of clip_id, clip",
    ),
    "no side": (
        f"clip,speaker\n{_A},1\n",
        "line 1: no column tells the side of a clip (it has clip, speaker), and neither does the "
        "file's name; expected one of role, split",
    ),
    "a column twice": (
        f"clip,split,Split\n{_A},train,test\n",
        "line 1, column Split: 'split' and 'Split' are the same name",
    ),
    "no lines": ("clip,split\n", "no line below its header"),
    "empty": ("", "line 1: it is empty"),
    "an unknown side": (
        f"clip,split\n{_A},train\n{_B},tset\n",
        "line 3, column split: 'tset' is no side; expected train, valid or test, or --side",
    ),
    "no word for the side": (
        f"clip,split\n{_A},train\n{_B},\n",
        "line 3, column split: it is empty",
    ),
    "no name": (f"clip,split\n{_A},train\n,test\n", "line 3, column clip: it is empty"),
    "mixed corpora": (
        f"clip,split\n{_A},train\n1001_DFA_ANG_XX,test\n",
        "line 3, column clip: '1001_DFA_ANG_XX' is a clip of cremad",
    ),
    "one part": (
        f"clip,fold\n{_A},1\n{_B},1\n",
        "line 2, column fold: the column holds one part alone",
    ),
    "a fold of words": (
        f"clip,split,fold\n{_A},train,one\n{_B},test,one\n",
        "line 2, column fold: 'one' names no fold",
    ),
    "a missing cell": (
        f"clip,split\n{_A},train\n{_B}\n",
        "line 3, column clip: the line has 1 cells, expected 2",
    ),
    "a cell too many": (
        f"clip,split\n{_A},train\n{_B},test,1\n",
        "line 3, column split: the line has 3 cells, expected 2",
    ),
    "an open quote": (f'clip,split\n{_A},train\n"{_B},test\n', "line 3"),
    "no number": (
        f"clip,split,start,end\n{_A},train,0,x\n{_B},test,0,1\n",
        "line 2, column end: 'x' is no number",
    ),
    "neither yes nor no": (
        f"clip,split,fitted\n{_A},train,perhaps\n{_B},test,no\n",
        "line 2, column fitted: 'perhaps' is neither yes nor no",
    ),
    "ends of lines in cells": (
        f'clip,split,text\n{_A},train,"two\nlines"\n\n{_B},tset,x\n',
        "line 5, column split: 'tset' is no side",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_one_sentence_with_line_and_column(what: str, tmp_path: Path) -> None:
    text, expected = WRONG[what]
    sentence = refusal(write(tmp_path / "t.csv", text))
    assert sentence.startswith(str(tmp_path / "t.csv"))
    assert expected in sentence


def test_text_that_is_not_utf8_is_read_and_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"clip,text,split\n{_A},d\xe9j\xe0 caf\xe9,train\n".encode("latin-1"))
    table = read_foreign(path)
    assert values(match_foreign([table], CORPORA), "text") == ["déjà café"]
    assert "the text is not UTF-8 (line 2), read as Latin-1 (Windows-1252)" in table.understood


def test_broken_json_lines_name_the_line(tmp_path: Path) -> None:
    good = json.dumps({"clip": _A, "split": "train"})
    assert "line 3, character 10: it is not JSON" in refusal(
        write(tmp_path / "t.jsonl", f'{good}\n\n{{"clip": }}\n')
    )
    assert "line 2: it is list; expected one JSON object a line" in refusal(
        write(tmp_path / "u.jsonl", f"{good}\n[]\n")
    )


def test_a_broken_parquet_and_another_suffix_say_so(tmp_path: Path) -> None:
    assert "no Parquet table" in refusal(write(tmp_path / "t.parquet", "x"))
    assert "this is no workbook that can be read" in refusal(write(tmp_path / "t.xlsx", "x"))
    assert "a .pkl file holds pickled objects, and is not opened" in refusal(
        write(tmp_path / "t.pkl", "x")
    )
    assert "cannot be read" in refusal(tmp_path / "nowhere.csv")


def test_rows_of_a_parquet_are_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"clip": [_A, _B], "split": ["train", "tset"]}), tmp_path / "t.parquet")
    assert "t.parquet, row 2, column split" in refusal(tmp_path / "t.parquet")


def test_an_unknown_corpus_lists_the_corpora(tmp_path: Path) -> None:
    assert "there is no corpus 'ravdes'; did you mean ravdess? there are ravdess" in refusal(
        write(tmp_path / "t.csv", f"clip,split\n{_A},train\n"), corpus="ravdes"
    )


def test_one_broken_line_in_a_long_table_is_found(tmp_path: Path) -> None:
    lines = [
        f"clip{number},{'test' if number % 5 == 0 else 'train'},speaker{number % 7}"
        for number in range(300_000)
    ]
    lines[234_567] = "clip,train"
    assert "line 234569, column split: the line has 2 cells, expected 3" in refusal(
        write(tmp_path / "t.csv", "clip,split,speaker\n" + "\n".join(lines)), corpus="folder"
    )


def test_random_bytes_are_never_a_traceback(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = f"{_A},train,0,1,1\n{_B},test,0,1,1\n{_C},valid,3,4,1\n"
    good = f"clip,split,start,end,episode\n{rows}".encode()
    for number in range(300):
        data = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path = tmp_path / f"{number}{draw.choice(('.csv', '.jsonl', '.parquet', '.tsv'))}"
        path.write_bytes(data)
        with contextlib.suppress(WrongForeignTable):
            listed(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("./wavs/x0.wav", "wavs/x0.wav"),
        ("wavs\\x0.wav", "wavs/x0.wav"),
        ("wavs//x0.wav", "wavs/x0.wav"),
        ("x0.wav", "x0.mp4"),
        ("x0.WAV", "x0"),
        ("caf\u00e9.wav", "cafe\u0301.wav"),
    ],
)
def test_a_clip_in_two_spellings_is_one_on_two_sides(one: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{one},train,p", f"{other},test,q", "y.a,train,p", "y.b,test,q"]
    path.write_text("\n".join(["clip,split,speaker", *rows]), encoding="utf-8")
    findings = audit(match_foreign([read_foreign(path)], CORPORA))
    (found,) = [each for each in findings if each.rule == "L12" and each.count]
    assert found.examples == [f"folder/{one}"]
