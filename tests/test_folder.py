"""Any folder of clips: ids, subjects and labels from folder names or from labels.csv, and every way
that labels.csv can be wrong."""

from pathlib import Path

import pytest

from manifests.corpora.base import Found
from manifests.corpora.folder import FOLDER, WrongLabels
from tests.support.media_made import REAL_CLIPS


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def label(found: Found) -> str | None:
    assert len(found.labels) <= 1
    return found.labels[0].value if found.labels else None


def scan(root: Path) -> dict[str, tuple[str | None, str | None]]:
    """path -> (subject, label)"""
    return {one.clip.path: (one.clip.subject_id, label(one)) for one in FOLDER.scan(root)}


def scan_with(
    root: Path, table: str | bytes, *paths: str
) -> dict[str, tuple[str | None, str | None]]:
    touch(root, *(paths or ("a/one.mp4", "a/two.mp4", "b/three.wav")))
    (root / "labels.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    return scan(root)


def test_the_folder_of_a_clip_is_its_label_and_what_is_above_its_subject(tmp_path: Path) -> None:
    touch(tmp_path, "flat.mp4", "happy/one.mp4", "anna/happy/two.mp4", "site2/anna/sad/three.mp4")
    assert scan(tmp_path) == {
        "flat.mp4": (None, None),
        "happy/one.mp4": (None, "happy"),
        "anna/happy/two.mp4": ("folder/anna", "happy"),
        "site2/anna/sad/three.mp4": ("folder/site2/anna", "sad"),
    }


def test_a_clip_is_named_by_its_path_without_suffix(tmp_path: Path) -> None:
    found = FOLDER.scan(touch(tmp_path, "anna/happy/clip.one.mp4"))
    assert [(one.clip.clip_id, one.clip.take_id, one.clip.group_id) for one in found] == [
        ("folder/anna/happy/clip.one", "folder/anna/happy/clip.one", "folder/anna")
    ]


def test_files_that_differ_in_the_suffix_alone_keep_it_and_share_a_take(tmp_path: Path) -> None:
    found = FOLDER.scan(touch(tmp_path, "a.mp4", "a.wav", "b.mp4", "a.mp4.mkv"))
    assert {one.clip.path: one.clip.clip_id for one in found} == {
        "a.mp4": "folder/a.mp4",
        "a.wav": "folder/a.wav",
        "b.mp4": "folder/b",
        # Without its suffix it would bear the id of a.mp4.
        "a.mp4.mkv": "folder/a.mp4.mkv",
    }
    assert {one.clip.take_id for one in found if one.clip.path in ("a.mp4", "a.wav")} == {
        "folder/a"
    }


def test_a_clip_may_be_named_by_path_by_path_without_suffix_or_by_name(tmp_path: Path) -> None:
    table = "clip,subject,label\na/one.mp4,s1,happy\na/two,s2,sad\nthree.wav,,angry\n"
    assert scan_with(tmp_path, table) == {
        "a/one.mp4": ("folder/s1", "happy"),
        "a/two.mp4": ("folder/s2", "sad"),
        "b/three.wav": (None, "angry"),
    }


def test_with_a_table_the_folders_say_nothing(tmp_path: Path) -> None:
    assert scan_with(
        tmp_path, "clip,label\none,happy\n", "anna/sad/one.mp4", "anna/sad/two.mp4"
    ) == {
        "anna/sad/one.mp4": (None, "happy"),
        "anna/sad/two.mp4": (None, None),
    }


def test_every_column_reaches_its_place(tmp_path: Path) -> None:
    touch(tmp_path, "one.mp4", "two.mp4")
    (tmp_path / "labels.csv").write_text(
        "take,group,sex,label,subject,clip\nt1,g1,female,happy,anna,one\n,,,,bob,two\n"
    )
    one, two = FOLDER.scan(tmp_path)
    assert (one.clip.subject_id, one.clip.group_id, one.clip.take_id, one.clip.sex) == (
        "folder/anna",
        "folder/g1",
        "folder/t1",
        "female",
    )
    assert (two.clip.subject_id, two.clip.group_id, two.clip.take_id, two.clip.sex) == (
        "folder/bob",
        "folder/bob",
        "folder/two",
        None,
    )
    assert [(given.scheme, given.annotator, given.value, given.weight) for given in one.labels] == [
        ("folder", "corpus", "happy", 1.0)
    ]
    assert not two.labels


@pytest.mark.parametrize(
    "table",
    [
        b"\xef\xbb\xbfclip,label\r\none,happy\r\n",
        b"clip,label\none,happy",
        b"\n\nclip , label\n\n one , happy \n\n",
        b'"clip","label"\n"one","happy"\n',
        b"clip,label\n./one.mp4,happy\n",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, table: bytes) -> None:
    assert scan_with(tmp_path, table, "one.mp4") == {"one.mp4": (None, "happy")}


def test_a_cell_may_hold_a_comma_a_quote_or_any_script(tmp_path: Path) -> None:
    table = 'clip,subject,label\n"a, b",Zoë,"say ""喜び"""\n'
    assert scan_with(tmp_path, table, "a, b.mp4") == {"a, b.mp4": ("folder/Zoë", 'say "喜び"')}


def test_a_name_matches_whichever_way_its_accents_are_stored(tmp_path: Path) -> None:
    assert scan_with(tmp_path, "clip,label\n\u00fc,x\n", "u\u0308.mp4") == {
        "u\u0308.mp4": (None, "x")
    }


def test_a_full_path_wins_over_the_same_words_as_a_name(tmp_path: Path) -> None:
    found = scan_with(tmp_path, "clip,label\none.mp4,x\na/one.mp4,y\n", "one.mp4", "a/one.mp4")
    assert found == {"one.mp4": (None, "x"), "a/one.mp4": (None, "y")}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"", "the file is empty; expected a header line"),
        (b"\n \n", "the file is empty"),
        (b"subject,label\n", "line 1 has no column clip"),
        (
            b"clip,emotion\none,happy\n",
            "line 1 has the unknown column 'emotion'; use only clip, subject, label, sex, group, "
            "take",
        ),
        (b"clip,\none,x\n", "line 1 has the unknown column ''"),
        (b"clip;label\none;happy\n", "separate the cells by commas"),
        (b"clip\tlabel\none\thappy\n", "separate the cells by commas"),
        (b"clip,label,label\none,a,b\n", "line 1 has the column label 2 times"),
        (b"clip,label\none,happy,sad\n", "line 2 has 3 cells; expected 2"),
        (b"clip,label\none,happy\ntwo\n", "line 3 has 1 cells; expected 2"),
        (b"clip,label\none,happy\n,sad\n", "line 3, column clip is empty"),
        (b"clip,label\nfour,happy\n", "line 2, column clip: there is no clip 'four'"),
        (b"clip,label\nA/ONE.MP4,happy\n", "there is no clip 'A/ONE.MP4'"),
        (b"clip,label\na\\one.mp4,happy\n", "with / between folders"),
        (
            b"clip,label\none,happy\na/one.mp4,sad\n",
            r"line 3, column clip: a/one.mp4 has a line already \(line 2\)",
        ),
        (
            b"clip,label\n../one.mp4,happy\n",
            "line 2, column clip: '../one.mp4' leads out of the folder",
        ),
        (b"clip,label\na/../a/one.mp4,happy\n", "leads out of the folder"),
        (b"clip,label\n/etc/passwd,happy\n", "'/etc/passwd' leads out of the folder"),
        (b"clip,sex\none,f\n", "line 2, column sex: found 'f'; expected female, male or nothing"),
        (b"clip,label\none,fr\xf6hlich\n", "line 2 is not UTF-8"),
        ("clip,label\none,x\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'clip,label\none,"happy\n', r"line 2 is broken \(unexpected end of data\)"),
        (b'clip,label\none,"hap"py\n', "line 2 is broken"),
        (b"clip,label\none," + b"x" * 200_000 + b"\n", r"line 2 is broken \(field larger"),
    ],
)
def test_what_the_table_cannot_mean_is_refused_with_file_line_and_column(
    tmp_path: Path, table: bytes, why: str
) -> None:
    with pytest.raises(WrongLabels, match=rf"^{tmp_path}/labels\.csv: .*{why}"):
        scan_with(tmp_path, table)


@pytest.mark.parametrize(
    ("name", "paths"), [("one", ("a/one.mp4", "b/one.mp4")), ("a/one", ("a/one.mp4", "a/one.wav"))]
)
def test_a_name_that_can_mean_two_clips_is_refused(
    tmp_path: Path, name: str, paths: tuple[str, ...]
) -> None:
    with pytest.raises(
        WrongLabels,
        match=rf"'{name}' can mean 2 clips \({paths[0]}, {paths[1]}\); write the whole path",
    ):
        scan_with(tmp_path, f"clip,label\n{name},happy\n", *paths)


def test_a_table_that_is_a_link_out_of_the_corpus_or_a_folder_is_refused(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "one.mp4")
    (tmp_path / "secret.csv").write_text("clip\none\n")
    (root / "labels.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(WrongLabels, match="outside the corpus"):
        FOLDER.scan(root)
    (root / "labels.csv").unlink()
    (root / "labels.csv").mkdir()
    with pytest.raises(WrongLabels, match="cannot be read"):
        FOLDER.scan(root)


CELLS = ["nan", "NaN", "NA", "n/a", "N/A", "null", "#N/A", "<NA>", "-", "?", "--", "???"]
CELLS += ["\u2013", "\u2014", "n/a\u200b", "\u200b"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("column", ["label", "subject", "group", "take", "sex"])
def test_a_cell_that_stands_for_nothing_is_empty_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, cell: str
) -> None:
    touch(tmp_path, "one.mp4", "two.mp4")
    table = f"clip,{column}\none,{cell}\ntwo,{cell}\n"
    (tmp_path / "labels.csv").write_text(table)
    found = FOLDER.scan(tmp_path)
    (tmp_path / "labels.csv").write_text(f"clip,{column}\none,\ntwo,\n")
    assert found == FOLDER.scan(tmp_path)
    [record] = caplog.records
    assert f"labels.csv: taken as empty: {column} {cell!r} (2 lines: 2, 3)" in record.message


def test_one_warning_tells_of_all_cells_that_stand_for_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"c{number},{'nan' if number < 7 else 'sad'},s" for number in range(8)]
    touch(tmp_path, *(f"c{number}.mp4" for number in range(8)))
    table = ["clip,label,subject", *lines[:7], "c7,sad,unknown"]
    (tmp_path / "labels.csv").write_text("\n".join(table))
    assert scan(tmp_path)["c7.mp4"] == (None, "sad")
    [record] = caplog.records
    assert "label 'nan' (7 lines: 2, 3, 4, 5, 6, ...)" in record.message
    assert "subject 'unknown' (line 9)" in record.message


@pytest.mark.parametrize("word", ["none", "None", "neutral", "Nan Li", "nancy", "n", "0", "-1"])
def test_a_label_that_may_be_a_class_stays_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    found = scan_with(tmp_path, f"clip,label\none,{word}\n", "one.mp4")
    assert found == {"one.mp4": (None, word)}
    assert not caplog.records


@pytest.mark.parametrize("column", ["label", "subject", "group"])
@pytest.mark.parametrize(
    ("one", "other"),
    [("Happy", "happy"), ("S1", "s1"), ("S01", "S1"), ("1", "01"), ("a  b", "a b"),
     ("Zo\u00eb", "Zoe\u0308"), ("Stra\u00dfe", "STRASSE"), ("sad", "s\u200bad"),
     ("so-so", "so\u2013so")],
)  # fmt: skip
def test_one_word_in_two_spellings_is_refused_with_both_and_their_lines(
    tmp_path: Path, column: str, one: str, other: str
) -> None:
    table = f"clip,{column}\na/one,{one}\na/two,{other}\nthree,{other}\n"
    with pytest.raises(WrongLabels, match=rf"labels\.csv: one {column} is written") as caught:
        scan_with(tmp_path, table)
    assert f"{one!r} (line 2)" in str(caught.value)
    assert f"{other!r} (2 lines: 3, 4)" in str(caught.value)


def test_words_that_differ_in_more_than_their_spelling_are_taken(tmp_path: Path) -> None:
    table = "clip,subject,label\na/one,s1,happy\na/two,s10,unhappy\nthree,s2,hap py\n"
    assert len(scan_with(tmp_path, table)) == 3


def test_folders_names_are_looked_at_likewise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = touch(tmp_path / "a", "nan/one.mp4", "unknown/happy/two.mp4", "none/three.mp4")
    assert scan(root) == {
        "nan/one.mp4": (None, None),
        "unknown/happy/two.mp4": (None, "happy"),
        "none/three.mp4": (None, "none"),
    }
    assert "label 'nan' (clip nan/one.mp4)" in caplog.text
    both = touch(tmp_path / "b", "anna/sad/one.mp4", "Anna/sad/two.mp4")
    with pytest.raises(WrongLabels, match="one subject is written in several ways: 'Anna'"):
        FOLDER.scan(both)


def test_the_five_real_clips_are_found_without_subject_or_label(real_clips: Path) -> None:
    assert scan(real_clips) == dict.fromkeys(REAL_CLIPS, (None, None))
