"""Proposals of who could be the speaker in the names of an unknown corpus: what repeats as speakers
do, what would follow, and the option that says so."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from manifests.audit import Listing, ReadingOptions, audit, match_foreign, read_published
from manifests.audits import Severity
from manifests.corpora.catalog import CORPORA


def listed(
    path: Path, rows: Sequence[str], subject: str | None = None, header: str = ""
) -> Listing:
    path.write_text("\n".join([header or "clip,split", *rows]) + "\n", encoding="utf-8")
    options = ReadingOptions.parse(subject=subject)
    return match_foreign(read_published([path], options), CORPORA)


FORMS: dict[str, tuple[Callable[[int, int], str], str]] = {
    "a folder": (lambda who, n: f"data/p{who:02d}/take{n}.wav", "the folder of the clip"),
    "a folder above": (lambda who, n: f"p{who:02d}/s{n % 2}/t{who}x{n}.wav", "the folder 2 above"),
    "a part": (lambda who, n: f"rec_{who:02d}_{n:04d}.wav", "part 2 of the name between '_'"),
    "the first part": (lambda who, n: f"m{who:02d}-{n:04d}", "part 1 of the name between '-'"),
    "letters and a number": (lambda who, n: f"Q{who:02d}x{n:03d}", "the letters and the number"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_part_that_repeats_is_proposed_with_what_would_follow_and_can_be_said(
    form: str, tmp_path: Path
) -> None:
    name, words = FORMS[form]
    rows = [
        f"{name(who, who * 10 + n)},{'test' if who in (3, 4) or (who, n) == (0, 0) else 'train'}"
        for who in range(6)
        for n in range(10)
    ]
    listing = listed(tmp_path / "t.csv", rows)
    (note,) = [note for note in listing.notes if words in note]
    assert note.startswith("a proposal, no verdict: if ")
    assert "(6 of them, such as " in note
    assert "1 of 3 test speakers would also be in train" in note
    option = re.search("--subject '(.*)'$", note)
    assert option
    said = listed(tmp_path / "t.csv", rows, subject=option[1])
    assert len(said.names["subject"].values) == 6
    (found,) = [one for one in audit(said) if one.rule == "L1" and one.count]
    assert found.detail.startswith("1 of 3 test subjects are also in train")
    assert not any("proposal" in note for note in said.notes)


def test_a_proposal_is_no_verdict(tmp_path: Path) -> None:
    rows = [f"p{n % 4}/c{n}.wav,{'test' if n % 2 else 'train'}" for n in range(40)]
    listing = listed(tmp_path / "t.csv", rows)
    assert listing.notes
    assert "subject" not in listing.names
    assert {one.severity for one in audit(listing) if one.rule == "L1"} == {Severity.NOT_JUDGED}


def thirty(name: str) -> list[str]:
    return [f"{name.format(n)},{'test' if n % 2 else 'train'}" for n in range(30)]


NO_SPEAKER = {
    "the label": [
        f"{label}/c{n}.wav,{'test' if n % 3 else 'train'},{label}"
        for label in ("happy", "sad")
        for n in range(9)
    ],
    "the side": [f"{side}/c{side}{n}.wav,{side}," for side in ("train", "test") for n in range(9)],
    "a number that never repeats": thirty("c{}.wav"),
    "what all have": thirty("all/c{}.wav"),
}


@pytest.mark.parametrize("what", NO_SPEAKER)
def test_what_is_no_speaker_is_not_proposed(what: str, tmp_path: Path) -> None:
    rows = NO_SPEAKER[what]
    header = "clip,split,label" if rows[0].count(",") == 2 else "clip,split"
    (note,) = listed(tmp_path / "t.csv", rows, header=header).notes
    assert note.startswith("no naming rule and no column tells who speaks in clips such as '")
    assert note.endswith("--corpus NAME, --column subject=COLUMN or --subject 'REGEX' would")


def test_a_known_corpus_or_a_stated_speaker_needs_no_proposal(tmp_path: Path) -> None:
    rows = [f"p{n % 4}/c{n}.wav,{'test' if n % 2 else 'train'},x{n % 4}" for n in range(40)]
    assert listed(tmp_path / "t.csv", rows, header="clip,split,speaker").notes == ()
    known = [f"video_{n % 4:04d}_{n:04d},{'test' if n % 2 else 'train'}" for n in range(40)]
    assert listed(tmp_path / "u.csv", known).notes == ()
