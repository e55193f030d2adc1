"""Choosing clips: how a choice is written, what it means, and what is refused."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flows.recipe import RecipeError, parse
from flows.shipped import recipes as shipped
from manifests.choice import Choice, ClipColumns, Condition, WrongChoice
from manifests.clips import CLIPS, HEADER_FACTS, Clip
from manifests.corpora.base import clip_of
from manifests.corpora.ravdess import CHANNELS, EMOTIONS, MODALITIES, RAVDESS
from manifests.labels import LABELS, Label

FEATURES: dict[str, Any] = {"audio": {"extractor": "audio"}, "mfcc": {"extractor": "mfcc"}}


def recipe(**tables: Any) -> dict[str, Any]:
    return {"name": "one", "features": FEATURES, **tables}


@pytest.mark.parametrize(
    ("given", "texts", "words"),
    [
        ("modality=full-AV", ["modality=full-AV"], "modality full-AV"),
        ("subject=02,01", ["subject_id=01,02"], "subject 01 or 02"),
        ("subject_id = 01 , 02 ", ["subject_id=01,02"], "subject 01 or 02"),
        ("label!=calm", ["label!=calm"], "label not calm"),
        ("duration=0.5..10", ["duration_s=0.5..10"], "duration 0.5..10"),
        ("duration=.5..10", ["duration_s=0.5..10"], "duration 0.5..10"),
        ("fps!=29.97..", ["fps!=29.97.."], "fps not 29.97.."),
        ("repetition=..1", ["repetition=..1"], "repetition ..1"),
        (["sex=male", "channel=song", "sex=male"], ["channel=song", "sex=male"], None),
        ({"channel": ["speech", "song"]}, ["channel=song,speech"], "channel song or speech"),
        ({"label": "!= calm, sad", "fps": "20..30"}, ["fps=20..30", "label!=calm,sad"], None),
        ({"has_audio": True, "rate": 48000}, ["has_audio=true", "rate_hz=48000"], None),
        ({"label": ["happy, very", "sad"]}, [r"label=happy\, very,sad"], None),
        (r"label!=happy\, very", [r"label!=happy\, very"], "label not happy, very"),
        ({"duration": "0.50 .. 10.0"}, ["duration_s=0.5..10"], None),
        ((), [], ""),
    ],
)
def test_all_ways_to_write_a_choice_come_to_the_same_text(
    given: Any, texts: list[str], words: str | None
) -> None:
    choice = Choice.of(given)
    assert list(choice.texts) == texts
    assert Choice.of(choice.texts) == choice
    assert words is None or choice.words == words


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("label", "'label' chooses no clips; expected COLUMN=VALUE"),
        ("=calm", "chooses no clips"),
        ("label=", "chooses no clips"),
        ("duration=..", "chooses no clips"),
        ("label!=, ,", "chooses no clips"),
        ("duration=3..2", "is an empty range: 3 is more than 2"),
        ([3], "3 chooses no clips; expected text"),
        (5, "clips is 5; expected a table of columns"),
    ],
)
def test_a_choice_of_another_form_is_one_sentence(given: Any, message: str) -> None:
    with pytest.raises(WrongChoice, match=message):
        Choice.of(given)


def test_a_recipe_has_its_choice_as_resolved_and_one_without_has_no_trace_of_it() -> None:
    text = """
    name = "one"
    [clips]
    modality = "full-AV"
    channel = ["song", "speech"]
    duration = "0.5..10"
    label = "!= calm"
    [features.audio]
    extractor = "audio"
    [features.mfcc]
    extractor = "mfcc"
    """
    chosen = parse(tomllib.loads(text), "one")
    resolved = chosen.resolved()
    assert resolved["clips"] == [
        "channel=song,speech",
        "duration_s=0.5..10",
        "label!=calm",
        "modality=full-AV",
    ]
    assert parse(resolved, "again").clips == chosen.clips
    assert parse(resolved, "again").resolved() == resolved
    assert "clips" not in parse(recipe(), "one").resolved()
    with pytest.raises(RecipeError, match="one: 'sex=' chooses no clips"):
        parse(recipe(clips={"sex": ""}), "one")
    with pytest.raises(RecipeError, match="one: clips is 3; expected a table"):
        parse(recipe(clips=3), "one")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_takes_every_clip_of_any_corpus(name: str) -> None:
    assert "clips" not in tomllib.loads(shipped()[name].read_text("utf-8"))


# What is chosen


def ravdess() -> tuple[list[Clip], list[Label]]:
    """The names of the published corpus, as a scan has them."""
    clips, labels = [], []
    for row in np.ndindex(3, 2, 8, 2, 2, 2, 24):
        stem = "-".join(f"{number + 1:02d}" for number in row)
        identity = RAVDESS.identify(stem)
        if identity is None:
            continue
        clips.append(clip_of(identity, "ravdess", f"{stem}.mp4"))
        facts = {
            "ravdess8": EMOTIONS[row[2]],
            "ravdess_modality": MODALITIES[row[0]],
            "ravdess_channel": CHANNELS[row[1]],
            "ravdess_repetition": str(row[5] + 1),
        }
        labels += [Label(clips[-1].clip_id, *one) for one in _labels(facts)]
    return clips, labels


def _labels(facts: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(scheme, "corpus", value) for scheme, value in facts.items()]


@pytest.fixture(scope="module")
def published() -> ClipColumns:
    clips, labels = ravdess()
    table = LABELS.build(labels)
    return ClipColumns(CLIPS.build(clips), lambda: table)


@pytest.mark.parametrize(
    ("where", "clips"),
    [
        ((), 7356),
        (("modality=full-AV", "channel=speech"), 1440),
        (("modality=full-AV,video-only", "subject!=18"), 4784),
        (("subject=ravdess/01",), 312),
        (("subject=01,02",), 624),
        (("subject=1..2",), 624),
        (("corpus=ravdess", "label!=calm", "channel=speech", "modality=full-AV"), 1248),
        (("ravdess8=calm", "modality=full-AV", "channel=speech"), 192),
        (("repetition=2..", "modality=full-AV", "channel=speech"), 720),
        (("clip=01-01-03-02-01-01-12",), 1),
    ],
)
def test_the_parts_of_a_corpus_that_papers_use(
    published: ClipColumns, where: Sequence[str], clips: int
) -> None:
    assert published.chosen(Choice.of(where)).sum() == clips


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("labl=calm", "no column 'labl' to choose clips by; did you mean label[?] there are"),
        ("modality=full-av", "no clip has the modality 'full-av'; did you mean full-AV[?] there "),
        ("subject=25", "no clip has the subject '25'; there are 1 to 24"),
        ("label!=clam", "no clip has the label 'clam'; did you mean calm[?] there are angry, calm"),
        ("repetition=3..9", "no clip has a repetition of 3..9; there are 1, 2"),
        ("sex!=female,male", "there is none with sex not female or male$"),
        ("region=left", "no clip has a value in the column region"),
        ("sex=1..2", "no clip has a sex of 1..2; there are female, male"),
    ],
)
def test_what_no_clip_has_is_one_sentence_with_what_there_is(
    published: ClipColumns, where: str, message: str
) -> None:
    with pytest.raises(WrongChoice, match=message):
        published.chosen(Choice.of(where))
    assert not published.chosen(Choice.of(where), strict=False)[
        : 7356 if "!" not in where else 0
    ].any()


def test_conditions_that_nothing_meets_together_are_one_sentence(published: ClipColumns) -> None:
    with pytest.raises(WrongChoice, match="none with channel song, label disgust, though each of"):
        published.chosen(Choice.of(("channel=song", "label=disgust")))


def test_a_clip_without_a_value_is_chosen_neither_by_is_nor_by_is_not() -> None:
    clips = [
        Clip(f"made/{sex}", "made", None, None, "t", sex, "p", "", 0)
        for sex in ("female", "male", None)
    ]
    columns = ClipColumns(CLIPS.build(clips), lambda: LABELS.build([]))
    assert columns.chosen(Choice.of("sex=female")).tolist() == [False, True, False]
    assert columns.chosen(Choice.of("sex!=female")).tolist() == [False, False, True]
    assert not Condition.parse("sex!=female").holds(None)


def test_a_clip_has_the_label_of_most_votes_and_none_where_two_tie() -> None:
    clips = [Clip(f"cremad/{n}", "cremad", None, None, "t", None, "p", "", 0) for n in "abc"]
    votes = [("a", "angry", 0.5), ("a", "sad", 0.5), ("b", "angry", 0.75), ("b", "sad", 0.25)]
    labels = [Label(f"cremad/{n}", "cremad6", "vote", value, w) for n, value, w in votes]
    columns = ClipColumns(CLIPS.build(clips), lambda: LABELS.build(labels))
    assert columns.chosen(Choice.of("label=angry")).tolist() == [False, True, False]
    assert columns.chosen(Choice.of("label!=angry"), strict=False).tolist() == [False] * 3
    with pytest.raises(WrongChoice, match="no clip has the label 'sad'; there are angry"):
        columns.chosen(Choice.of("label=sad"))


def test_every_column_that_probing_fills_is_known_after_the_files_are_read() -> None:
    bare = clip_of(RAVDESS.identify("01-01-03-02-01-01-12"), "ravdess", "p")  # type: ignore[arg-type]
    empty = {name for name, value in vars_of(bare).items() if value is None}
    assert set(HEADER_FACTS) <= empty
    choice = Choice.of(("sex=male", "duration=1..", "bytes=5.."))
    assert choice.by_name.texts == ("sex=male",)
    assert choice.by_header.texts == ("bytes=5..", "duration_s=1..")


def vars_of(clip: Clip) -> dict[str, Any]:
    return {name: getattr(clip, name) for name in CLIPS.schema.names}


# A property: on arrays as row by row


def row_by_row(clips: Sequence[Clip], labels: Sequence[Label], choice: Choice) -> list[bool]:
    """The same in the plainest way."""
    return [all(_is_so(one, clip, labels) for one in choice.conditions) for clip in clips]


def _is_so(one: Condition, clip: Clip, labels: Sequence[Label]) -> bool:
    if one.column in CLIPS.schema.names:
        value = getattr(clip, one.column)
    else:
        wanted = {"label": {"ravdess8"}}.get(one.column, {one.column, f"ravdess_{one.column}"})
        votes: dict[str, float] = {}
        for label in labels:
            if label.clip_id == clip.clip_id and label.scheme in wanted:
                votes[label.value] = votes.get(label.value, 0.0) + label.weight
        best = [value for value, votes_ in votes.items() if votes_ > max(votes.values()) - 1e-9]
        value = best[0] if len(best) == 1 else None
    if value is None:
        return False
    if one.values:
        said = (
            str(value).lower()
            if isinstance(value, bool)
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        )
        names = {said, said.partition("/")[2] if one.column.endswith("_id") else said}
        is_so = bool(names & one.values)
    else:
        text = str(value).partition("/")[2] if one.column.endswith("_id") else str(value)
        try:
            number = float(text)
        except ValueError:
            return one.is_not
        is_so = (one.low is None or one.low <= number) and (one.high is None or number <= one.high)
    return is_so != one.is_not


CONDITIONS = (
    "sex=female", "sex!=female", "subject=01,s2", "subject=..2", "label=a,b", "label!=c",
    "channel=x", "channel!=x,y", "duration=1..2", "duration!=..1.5", "duration=1.5", "fps=25,30",
    "has_audio=true", "has_audio!=true", "age=20..30", "ravdess_age!=25", "frames=5..",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_choice_on_arrays_is_that_of_each_row_by_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def one_of(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    clips = [
        replace(
            Clip(f"ravdess/{number:03d}", "ravdess", None, None, "t", None, "p", "", 0),
            subject_id=one_of("ravdess/01", "ravdess/s2", "ravdess/3", None),
            sex=one_of("female", "male", None),
            duration_s=one_of(0.5, 1.0, 1.5, 2.5, None),
            fps=one_of(25.0, 29.97, 30.0, None),
            has_audio=one_of(True, False, None),
            frames=one_of(4, 5, 60, None),
        )
        for number in range(60)
    ]
    labels = list(
        {
            (clip.clip_id, scheme, annotator, value): Label(
                clip.clip_id, scheme, annotator, value, one_of(0.25, 0.5, 1.0)
            )
            for clip in clips
            for scheme, values in (
                ("ravdess8", "abc"),
                ("ravdess_channel", "xyz"),
                ("ravdess_age", ("19", "25", "30", "old")),
            )
            for annotator in ("r1", "r2")[: one_of(0, 1, 2)]
            for value in (one_of(*values), one_of(*values))[: one_of(1, 2)]
        }.values()
    )
    table = LABELS.build(labels)
    columns = ClipColumns(CLIPS.build(clips), lambda: table)
    for size in (1, 2, 3):
        picked = rng.choice(len(CONDITIONS), size, replace=False)
        choice = Choice.of([CONDITIONS[number] for number in picked])
        expected = row_by_row(clips, labels, choice)
        assert columns.chosen(choice, strict=False).tolist() == expected, choice.texts


def test_a_value_with_a_comma_is_chosen_from_a_list() -> None:
    clip = Clip("made/1", "made", None, None, "t", None, "a, b.mp4", "", 0)
    columns = ClipColumns(CLIPS.build([clip]), lambda: LABELS.build([]))
    assert columns.chosen(Choice.of({"path": ["a, b.mp4"]})).tolist() == [True]
    assert columns.chosen(Choice.of(r"path=a\, b.mp4")).tolist() == [True]
