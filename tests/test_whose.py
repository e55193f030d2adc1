"""Whose clips a table of others lists: by most of its names, by a column, by several corpora at
once; and what is said of names that do not follow."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests.audit import Listing, WrongForeignTable, audit, match_foreign, read_foreign
from manifests.corpora.catalog import CORPORA
from manifests.corpora.iemocap_lists import more_than_the_vote, which_list

SHARED = Path(__file__).parents[1].parent / "shared" / "metadata"
RAVDESS = [f"03-01-03-02-01-01-{actor:02d}" for actor in range(1, 25)]
CREMAD = [f"{actor}_DFA_ANG_XX" for actor in range(1001, 1025)]


def table(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def split(names: Sequence[str]) -> list[str]:
    """Every third name is test."""
    return [f"{name},{'test' if at % 3 == 0 else 'train'}" for at, name in enumerate(names)]


def listed(*paths: Path, corpus: str | None = None) -> Listing:
    return match_foreign([read_foreign(path) for path in paths], CORPORA, corpus)


def of(tmp_path: Path, names: Sequence[str], corpus: str | None = None) -> Listing:
    return listed(table(tmp_path / "t.csv", "clip,split", split(names)), corpus=corpus)


def names_of(listing: Listing, unit: str) -> list[str | None]:
    column = listing.names[unit]
    return [None if code < 0 else str(column.values[code]) for code in column.codes]


def test_one_odd_name_stops_no_list_wherever_it_stands(tmp_path: Path) -> None:
    for at in (0, 11, 24):
        names = [*RAVDESS[:at], "odd one", *RAVDESS[at:]]
        listing = of(tmp_path, names)
        assert listing.corpora == ("ravdess",)
        assert names_of(listing, "subject").count(None) == 1
        assert names_of(listing, "clip")[at] == "ravdess/odd one"
        assert listing.notes == (
            "1 row's name does not follow the naming rule of ravdess, such as 'odd one' "
            f"(line {at + 2}): nothing is known of these clips but what the table says",
        )


def test_an_odd_name_before_ids_that_restart_in_each_split_mixes_no_clips(tmp_path: Path) -> None:
    names = ["odd", *(f"dia{number}_utt0" for number in range(5))]
    rows = [f"{name},{side}" for side in ("train", "test") for name in names]
    listing = listed(table(tmp_path / "t.csv", "clip,split", rows), corpus="meld")
    clips = names_of(listing, "clip")
    assert clips[:2] + clips[6:8] == [
        "meld/train/odd", "meld/train/dia0_utt0", "meld/test/odd", "meld/test/dia0_utt0"
    ]  # fmt: skip


def test_rows_whose_names_do_not_follow_are_counted(tmp_path: Path) -> None:
    listing = of(tmp_path, ["x", "y", "y", *RAVDESS])
    assert "3 rows' names do not follow the naming rule of ravdess, such as 'x'" in listing.notes[0]


def test_a_table_says_who_speaks_in_a_clip_whose_name_says_nothing(tmp_path: Path) -> None:
    rows = [f"{row},{row[18:20]}" for row in split(RAVDESS)]
    path = table(tmp_path / "t.csv", "clip,split,speaker", ["odd,test,07", *rows])
    assert names_of(listed(path), "subject")[:2] == ["ravdess/07", "ravdess/01"]


def test_a_list_of_two_corpora_is_named_with_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(WrongForeignTable) as caught:
        of(tmp_path, [*RAVDESS, *CREMAD[:3]])
    assert "line 26, column clip: '1001_DFA_ANG_XX' is a clip of cremad, and others are of " in str(
        caught.value
    )
    assert str(caught.value).endswith("or give --corpus ravdess,cremad to audit them as one split")


def test_several_corpora_are_audited_as_one_split(tmp_path: Path) -> None:
    listing = of(tmp_path, [*RAVDESS, *CREMAD, "odd"], corpus="ravdess,cremad")
    assert listing.corpora == ("ravdess", "cremad")
    subjects = names_of(listing, "subject")
    assert subjects[:1] == ["ravdess/01"]
    assert subjects[24:25] == ["cremad/1001"]
    assert "1 row's name does not follow the naming rule of ravdess, such as 'odd'" in str(
        listing.notes
    )


def test_a_column_names_the_corpus_of_each_line(tmp_path: Path) -> None:
    rows = [
        f"{name},{'enterface' if 'an' in name else 'SAVEE'},{side}"
        for name, side in (("s1_an_1", "train"), ("s2_an_1", "test"), ("DC_a01", "train"))
    ]
    listing = listed(table(tmp_path / "t.csv", "clip,dataset,split", rows))
    assert listing.corpora == ("enterface05", "savee")
    assert names_of(listing, "subject") == ["enterface05/1", "enterface05/2", "savee/DC"]


def test_a_column_of_corpora_that_the_names_contradict_is_no_evidence(tmp_path: Path) -> None:
    rows = [f"{row},meld" for row in split(RAVDESS)]
    assert listed(table(tmp_path / "t.csv", "clip,split,corpus", rows)).corpora == ("ravdess",)


def test_a_corpus_is_named_as_people_write_it(tmp_path: Path) -> None:
    rows = [f"{name},CREMA-D,{'test' if at else 'train'}" for at, name in enumerate(CREMAD)]
    assert listed(table(tmp_path / "t.csv", "clip,dataset,split", rows)).corpora == ("cremad",)
    both = [*rows, "03a01Fa,Emo-DB,test"]
    assert listed(table(tmp_path / "t.csv", "clip,dataset,split", both)).corpora == (
        "cremad",
        "emodb",
    )


def test_names_that_two_rules_allow_are_said_and_refused_when_nothing_tells(
    tmp_path: Path,
) -> None:
    both = ["11a01Na", "12a02Tb", "13a04Nc", "14a05Td"]
    with pytest.raises(
        WrongForeignTable, match="follows the naming rules of emodb and oreau; give "
    ):
        of(tmp_path, both)
    assert of(tmp_path, both, corpus="oreau").corpora == ("oreau",)
    listing = of(tmp_path, [*both, "03a01Fa"])
    assert listing.corpora == ("emodb",)
    assert "most names follow the naming rule of oreau too" in listing.notes[0]


def test_a_corpus_that_no_name_follows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongForeignTable, match="'a' breaks the naming rule of savee"):
        of(tmp_path, ["a", "b", "c"], corpus="savee")


def test_names_of_no_known_corpus_are_judged_by_the_table_alone(tmp_path: Path) -> None:
    rows = [f"clip{number},{'test' if number % 2 else 'train'},p{number}" for number in range(4)]
    listing = listed(table(tmp_path / "t.csv", "clip,split,speaker", rows))
    assert listing.corpora == ("folder",)
    assert names_of(listing, "subject") == ["folder/p0", "folder/p1", "folder/p2", "folder/p3"]


def test_a_list_of_speakers_has_no_clips(tmp_path: Path) -> None:
    listing = listed(
        table(tmp_path / "train.csv", "speaker", ["anna", "ben", "?"]),
        table(tmp_path / "test.csv", "speaker", ["carl", "anna"]),
    )
    assert "clip" not in listing.names
    assert names_of(listing, "subject") == [
        "folder/anna", "folder/ben", None, "folder/carl", "folder/anna"
    ]  # fmt: skip


def test_series_are_series_whatever_their_column_is_called(tmp_path: Path) -> None:
    for column in ("series", "speaker"):
        listing = listed(
            table(tmp_path / "train.csv", column, ["woju", "anjia"]),
            table(tmp_path / "test.csv", column, ["fendou", "jinhun"]),
        )
        assert listing.corpora == ("m3ed",)
        assert {"subject", "clip", "episode"}.isdisjoint(listing.names)
        assert names_of(listing, "series")[0] == "m3ed/woju"


# One thing that several corpora show


def test_friends_of_two_corpora_are_the_same_people_in_the_same_episodes(tmp_path: Path) -> None:
    meld = table(
        tmp_path / "meld_train.csv",
        "Dialogue_ID,Utterance_ID,Speaker,Season,Episode",
        ["0,0,Monica,1,5", "0,1,Monica and Ross,1,5", "1,0,Nurse,2,3"],
    )
    emorynlp = table(
        tmp_path / "emorynlp_test.csv",
        "file,speaker",
        [
            "sea1_ep5_sc1_utt1.mp4,['Monica Geller']",
            "sea9_ep1_sc1_utt1.mp4,\"['Ross Geller', 'Mona']\"",
        ],
    )
    listing = listed(meld, emorynlp, corpus="meld,emorynlp")
    assert names_of(listing, "subject") == [
        "friends/Monica",
        "friends/Monica and Ross",
        "friends/Nurse",
        "friends/Monica",
        "friends/Ross and Mona",
    ]
    assert names_of(listing, "episode") == [
        "friends/s01e05", "friends/s01e05", "friends/s02e03", "friends/s01e05", "friends/s09e01"
    ]  # fmt: skip
    assert names_of(listing, "clip")[3] == "emorynlp/s01e05_c1_u1"
    assert names_of(listed(meld, emorynlp.rename(tmp_path / "test.csv"), corpus="meld"), "episode")[
        0
    ] == ("meld/s01e05")


def test_a_video_is_one_in_all_corpora_that_cut_it(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t.csv",
        "clip,dataset,split",
        [
            "100178_4,mosei,train",
            "100178,pom,test",
            "03bSnISJMiM_1,mosi,train",
            "-3g5yACwYnA_0,mosei,test",
        ],
    )
    listing = listed(path)
    assert set(listing.corpora) == {"mosei", "pom", "mosi"}
    assert names_of(listing, "video")[:2] == ["web/100178", "web/100178"]


# Lists of IEMOCAP


def test_the_53_utterances_that_a_longer_list_has_are_named() -> None:
    more = more_than_the_vote()
    assert len(more) == 53
    assert which_list({*more, "Ses01F_impro01_F000"}) == (
        "the list has 54 utterances, 53 of the 53 among them that the lists of 7,433 have and "
        "those of 7,380 have not, such as Ses01F_impro03_F007"
    )
    assert which_list({"Ses01F_impro01_F000"}) is None
    others = {f"Ses01F_impro01_F{number:03d}" for number in range(5531)}
    assert "as many as the usual list of four classes, and not the same" in str(which_list(others))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published lists are not beside the checkout")
def test_the_usual_lists_are_known() -> None:
    folder = SHARED / "splits" / "iemocap_e2esparse"
    six = {name for path in folder.iterdir() for name in path.read_text().split()}
    assert len(six) == 7380
    assert str(which_list(six)).startswith("the list has the usual 7,380 utterances of six classes")
    with (SHARED / "iemocap_7433_minus_7380.csv").open(newline="") as file:
        more = {row["utterance"] for row in csv.DictReader(file)}
    assert more == more_than_the_vote()
    assert "the 7,433 utterances" in str(which_list(six | more))


# Spans of one file


def test_spans_of_one_file_are_clips_of_that_recording(tmp_path: Path) -> None:
    rows = ["a.flac,0,2,train", "a.flac,2,4,test", "b.flac,0,2,train", "a.flac,0,2,train"]
    listing = listed(table(tmp_path / "t.csv", "clip,start,end,split", rows))
    assert names_of(listing, "clip") == [
        "folder/a.flac, 0 to 2 s",
        "folder/a.flac, 2 to 4 s",
        "folder/b.flac",
        "folder/a.flac, 0 to 2 s",
    ]
    assert names_of(listing, "video") == ["folder/a.flac", "folder/a.flac", None, "folder/a.flac"]
    found = {one.rule: one for one in audit(listing) if one.severity == "error"}
    assert found.keys() == {"L2"}
    assert "1 of 1 test source videos" in found["L2"].detail


def test_clips_with_times_of_their_own_are_no_spans(tmp_path: Path) -> None:
    rows = [f"{row},{at},{at + 1}" for at, row in enumerate(split(RAVDESS))]
    listing = listed(table(tmp_path / "t.csv", "clip,split,start,end", rows))
    assert "video" not in listing.names
    assert names_of(listing, "clip")[0] == "ravdess/03-01-03-02-01-01-01"
