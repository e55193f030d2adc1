"""Who speaks, as a table says it: nobody, one in two spellings, two at once, or another than the
names of its clips tell."""

import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests.audit import CopyEvidence, Listing, audit, list_store, match_foreign, read_foreign
from manifests.audit.foreign_subjects import Evidence, people_of
from manifests.audit.name_columns import NameColumn
from manifests.audits import Finding, Severity
from manifests.clips import CLIPS, Clip
from manifests.corpora.catalog import CORPORA
from manifests.features import INDEX
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS

S3PRL = Path(__file__).parents[1].parent / "shared/metadata/splits/iemocap_s3prl_5fold"


def listed(path: Path, header: str, rows: Sequence[str]) -> Listing:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return match_foreign([read_foreign(path)], CORPORA)


def speakers(listing: Listing) -> list[str | None]:
    column = listing.names["subject"]
    return [
        None if code < 0 else str(column.values[code]).removeprefix("folder/")
        for code in column.codes
    ]


def rule(listing: Listing, number: str) -> list[Finding]:
    return [one for one in audit(listing) if one.rule == number]


NOBODY = ["????", "unknown", "Unknown", "n/a", "nan", "none", "-", "All", "Both", "#ALL#", " "]
NOBODY += ["unknown speaker", "unknown_speaker", "SPEAKER_UNKNOWN", "other", "Others", "multiple"]
NOBODY += ["mixed", "various", "missing", "not available", "not applicable", "unspecified", "TBD"]
NOBODY += ["undefined", "unidentified", "anon", "no speaker", "All speakers", "nobody", "[]", "''"]
NOBODY += [
    "-1",
    "inconnu",
    "unbekannt",
    "desconocido",
    "未知",
    "不明",
    "неизвестно",
    "Unknown (male)",
]
NOBODY += ["unknown1", "--", "*", "%"]


@pytest.mark.parametrize("word", NOBODY)
def test_a_word_that_stands_for_nobody_is_no_speaker(word: str, tmp_path: Path) -> None:
    rows = [f"a,train,{word}", f"b,test,{word}", "c,train,anna", "d,test,ben"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert speakers(listing) == [None, None, "anna", "ben"]
    assert not any(one.count for one in rule(listing, "L1"))
    if word.strip():
        assert listing.notes == (f"{word!r} as a speaker stands for nobody that is known (2 rows)",)


@pytest.mark.parametrize("name", ["speaker no 5", "No 1", "NA01", "anon1", "Speaker 2", "No", "0"])
def test_a_name_with_such_a_word_in_it_is_a_speaker(name: str, tmp_path: Path) -> None:
    rows = [f"a,train,{name}", "b,test,anna"]
    assert speakers(listed(tmp_path / "t.csv", "clip,split,speaker", rows)) == [name, "anna"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_number_with_a_decimal_point_is_the_same_speaker(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        path.write_text("clip,split,speaker\na,train,1.0\nb,test,1\n", encoding="utf-8")
    else:
        rows = ({"clip": "a", "split": "train", "speaker": 1.0},
                {"clip": "b", "split": "test", "speaker": 1})  # fmt: skip
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    listing = match_foreign([read_foreign(path)], CORPORA)
    assert [one.count for one in rule(listing, "L1") if one.count] == [1]


def test_one_speaker_in_two_spellings_is_one_and_said(tmp_path: Path) -> None:
    rows = ["a,train,01", "b,test,1", "c,train,Anna ", "d,test,anna", "e,train,x"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert speakers(listing) == ["01", "01", "Anna", "Anna", "x"]
    assert listing.notes == (
        "'01' and '1'; 'Anna' and 'anna' as speakers are one in several spellings",
    )
    (found,) = [one for one in rule(listing, "L1") if one.count]
    assert (found.severity, found.count) == (Severity.ERROR, 2)


@pytest.mark.parametrize("mark", ["sex", "age"])
def test_two_spellings_of_unlike_people_on_one_side_are_two(mark: str, tmp_path: Path) -> None:
    rows = ["a,train,Kim,f", "b,train,kim,m", "c,test,lee,m"]
    listing = listed(tmp_path / "t.csv", f"clip,split,speaker,{mark}", rows)
    assert speakers(listing) == ["Kim", "kim", "lee"]
    assert listing.notes == (
        "'Kim' and 'kim' as speakers are kept apart, as they stand on one side with another sex or "
        "age",
    )


def test_two_spellings_on_two_sides_are_one_whatever_their_sex(tmp_path: Path) -> None:
    rows = ["a,train,Kim,f", "b,test,kim,m"]
    assert speakers(listed(tmp_path / "t.csv", "clip,split,speaker,sex", rows)) == ["Kim", "Kim"]


@pytest.mark.parametrize("word", ["Rachel and Phoebe", "Rachel & Phoebe", "['Rachel', 'Phoebe']"])
def test_two_speakers_in_a_cell_are_two_known_people(word: str, tmp_path: Path) -> None:
    rows = [f'a,test,"{word}"', "b,train,Phoebe", "c,test,Ross", "d,train,Joey"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert listing.notes == (
        "'Rachel and Phoebe' as a speaker stands for each of them, in any row that has it",
    )
    (found,) = [one for one in rule(listing, "L1") if one.count]
    assert found.examples == ["folder/Phoebe"]
    assert found.detail.startswith("1 of 3 test subjects are also in train (1 of 2 test clips)")


@pytest.mark.parametrize(
    "between", [", ", "/", " + ", "; ", " | ", " y ", " with ", " vs ", "、", "~", " to "]
)
def test_people_who_also_stand_alone_are_known_in_any_list(between: str, tmp_path: Path) -> None:
    rows = [f'a,test,"Ross{between}Rachel"', "b,train,Rachel", "c,train,Joey"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert [one.examples for one in rule(listing, "L1") if one.count] == [["folder/Rachel"]]


def test_one_who_is_named_in_brackets_is_known_too(tmp_path: Path) -> None:
    rows = ["a,test,Rachel (with Ross)", "b,train,Ross", "c,train,Nurse (1)", "d,test,Nurse (2)"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert [one.examples for one in rule(listing, "L1") if one.count] == [["folder/Ross"]]
    assert not any("one person" in note for note in listing.notes)


def test_people_who_never_stand_alone_are_known_by_their_places(tmp_path: Path) -> None:
    rows = ['a,test,"Ross, Rachel"', 'b,train,"Rachel, Joey"']
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert [one.examples for one in rule(listing, "L1") if one.count] == [["folder/Rachel"]]


def test_a_cell_of_many_blanks_takes_no_time() -> None:
    cells = NameColumn.of(["a" + " " * 10_000 + "b"])
    started = time.monotonic()
    people_of(cells, Evidence(None))
    assert time.monotonic() - started < 1


def test_a_surname_before_a_comma_is_nobody_else_and_said(tmp_path: Path) -> None:
    rows = ['a,test,"Geller, Ross"', 'b,train,"Geller, Monica"', "c,train,set/p1", "d,test,set/p2"]
    rows += ["e,train,1/2", "f,test,2/1"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert speakers(listing)[:2] == ["Geller, Ross", "Geller, Monica"]
    assert speakers(listing)[2:] == ["set/p1", "set/p2", "1/2", "2/1"]
    assert listing.notes == (
        "'Geller, Ross', 'Geller, Monica' as a speaker is taken for one person",
    )
    assert not any(one.count for one in rule(listing, "L1"))


def test_two_together_leak_to_each_other_s_rows_and_count_once_each(tmp_path: Path) -> None:
    rows = ["a,train,Ann and Ben", "b,test,Ben and Cleo", "c,test,Ann", "d,test,Dan"]
    (found,) = [
        one
        for one in rule(listed(tmp_path / "t.csv", "clip,split,speaker", rows), "L1")
        if one.count
    ]
    assert found.examples == ["folder/Ann", "folder/Ben"]
    assert found.detail.startswith("2 of 4 test subjects are also in train (2 of 3 test clips)")


def test_the_name_of_one_who_is_unknown_beside_another_is_left_out(tmp_path: Path) -> None:
    rows = ["a,train,Ann and ?", "b,test,Ben"]
    assert speakers(listed(tmp_path / "t.csv", "clip,split,speaker", rows)) == ["Ann", "Ben"]


def test_speakers_of_one_side_alone_are_unknown_on_the_other(tmp_path: Path) -> None:
    rows = ["0,0,train,", "0,0,test,Joey", "1,0,test,Ross"]
    header = "Dialogue_ID,Utterance_ID,split,Speaker"
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    listing = match_foreign([read_foreign(path)], CORPORA, "meld")
    assert speakers(listing) == [None, "meld/Joey", "meld/Ross"]
    (found,) = rule(listing, "L1")
    assert found.severity == Severity.NOT_JUDGED


def test_the_names_of_a_script_are_people_in_a_store_too() -> None:
    said = {"train": ["All", "Ross and Rachel", "Both"], "test": ["Rachel", "All", "Both"]}
    clips, folds = [], []
    for role, names in said.items():
        for number, name in enumerate(names):
            clip_id = f"meld/{role}/dia0_utt{number}"
            group = f"meld/{name}"
            clips.append(
                Clip(clip_id, "meld", group, group, clip_id, None, f"{clip_id}.mp4", "", 0)
            )
            folds.append(Fold("mine", 0, clip_id, group, Role(role)))
    listing = list_store(
        "a store", CLIPS.build(clips), LABELS.build([]), FOLDS.build(folds), INDEX.build([]),
        [CORPORA["meld"]], None, CopyEvidence(), {},
    )  # fmt: skip
    (found,) = [one for one in rule(listing, "L1") if one.count]
    assert found.examples == ["meld/Rachel"]
    assert found.detail.startswith("1 of 1 test subjects are also in train (1 of 3 test clips)")
    assert listing.text_shared == "say, word for word, a text"


# A stated speaker and the naming rule


def iemocap(tmp_path: Path, stated: dict[str, str]) -> Finding:
    rows = [
        f"Ses0{session}F_impro01_{who}00{turn},{'test' if session == 5 else 'train'},"
        f"{stated.get(f'Ses0{session}{who}', f'Ses0{session}{who}')}"
        for session in range(1, 6)
        for who in "FM"
        for turn in range(3)
    ]
    (found,) = rule(listed(tmp_path / "t.csv", "clip,split,speaker", rows), "L17")
    return found


def test_a_stated_speaker_who_is_the_one_by_the_name_is_held(tmp_path: Path) -> None:
    assert iemocap(tmp_path, {}).severity == Severity.HELD


def test_another_name_for_the_same_people_is_no_contradiction(tmp_path: Path) -> None:
    names = {f"Ses0{s}{who}": f"spk{s}{who.lower()}x" for s in range(1, 6) for who in "FM"}
    assert iemocap(tmp_path, names).severity == Severity.HELD


def test_a_stated_speaker_who_is_the_other_one_is_a_warning_with_its_rows(tmp_path: Path) -> None:
    found = iemocap(tmp_path, {"Ses01M": "Ses01F", "Ses02M": "Ses02F"})
    assert (found.severity, found.count) == (Severity.WARN, 6)
    assert found.detail == (
        "6 of 30 rows state another speaker than their names tell ('Ses01F' for 'Ses01M', 'Ses02F' "
        "for 'Ses02M'); the names decide"
    )
    assert found.examples[0] == "iemocap/Ses01F_impro01_M000"


def test_one_name_for_several_and_several_for_one_contradict_the_names(tmp_path: Path) -> None:
    assert iemocap(tmp_path, {"Ses01F": "x", "Ses02F": "x"}).count == 3
    rows = [
        f"03-01-03-02-01-0{n}-{actor:02d},{'test' if actor > 3 else 'train'},"
        f"{n if actor == 1 else 9}{actor}"
        for actor in range(1, 5)
        for n in (1, 2)
    ]
    (found,) = rule(listed(tmp_path / "u.csv", "clip,split,speaker", rows), "L17")
    assert (found.count, found.examples) == (1, ["ravdess/03-01-03-02-01-01-01"])


def test_the_names_decide_who_speaks(tmp_path: Path) -> None:
    rows = ["Ses01F_impro01_M000,train,Ses05F", "Ses05F_impro01_F000,test,Ses05F"]
    listing = listed(tmp_path / "t.csv", "clip,split,speaker", rows)
    assert not any(one.count for one in rule(listing, "L1"))


def ravdess_renamed_in_test(tmp_path: Path, named: str, *, in_both: bool) -> Listing:
    rows = []
    for actor in range(1, 5):
        known = named.format(actor) if in_both else ""
        rows += [f"03-01-03-02-01-01-{actor:02d},train,{known}", f"x{actor},test,{named}"]
        rows[-1] = rows[-1].format(actor)
    return listed(tmp_path / "t.csv", "clip,split,speaker", rows)


@pytest.mark.parametrize(
    ("named", "in_both"), [("{}", False), ("{}.0", False), ("Actor_{:02}", True), ("S{}", True)]
)
def test_a_column_names_the_people_of_the_naming_rule(
    named: str, in_both: bool, tmp_path: Path
) -> None:
    listing = ravdess_renamed_in_test(tmp_path, named, in_both=in_both)
    assert [one.count for one in rule(listing, "L1") if one.count] == [4]


def test_people_whom_only_a_column_names_are_not_compared_with_those_of_the_rule(
    tmp_path: Path,
) -> None:
    listing = ravdess_renamed_in_test(tmp_path, "Actor_{:02}", in_both=False)
    assert speakers(listing)[1::2] == [None] * 4
    (found,) = rule(listing, "L1")
    assert found.severity == Severity.NOT_JUDGED
    assert "who 'Actor_01' is among the speakers of the other rows is not known" in str(
        listing.notes
    )


def test_a_stated_name_of_two_people_tells_nobody(tmp_path: Path) -> None:
    rows = ["03-01-03-02-01-01-01,train,A", "03-01-03-02-01-01-02,train,A", "x,test,A"]
    assert speakers(listed(tmp_path / "t.csv", "clip,split,speaker", rows))[2] is None


@pytest.mark.skipif(not S3PRL.is_dir(), reason="the published lists are not beside the checkout")
def test_the_speaker_column_of_a_published_list_is_wrong_in_2750_rows(tmp_path: Path) -> None:
    paths = []
    for side in ("train", "test"):
        (file,) = S3PRL.glob(f"*Session1_{side}*")
        rows = json.loads(file.read_text(encoding="utf-8"))["meta_data"]
        paths.append(tmp_path / f"{side}.csv")
        with paths[-1].open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, ["path", "label", "speaker"])
            writer.writeheader()
            writer.writerows(rows)
    listing = match_foreign([read_foreign(path) for path in paths], CORPORA)
    (found,) = rule(listing, "L17")
    assert found.detail.startswith(
        "2,750 of 5,531 rows state another speaker than their names tell"
    )
    assert not any(one.severity == Severity.ERROR for one in audit(listing))
    assert "the usual 5,531 utterances of four classes" in str(listing.notes)
