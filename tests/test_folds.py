"""Split schemes: what every scheme must hold for any clips, and what it refuses."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest

from manifests.clips import Clip
from manifests.corpora.sample import SAMPLE, sample_clips
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import Label
from manifests.schemes.catalog import SCHEMES, LeakingSplit, SplitError, refuse_leaks
from tests.support.seeds import seeds

subject_kfold = SCHEMES["subject_kfold"]
leave_one_subject_out = SCHEMES["leave_one_subject_out"]
leave_one_session_out = SCHEMES["leave_one_session_out"]

Split = Callable[[Sequence[Clip], Sequence[Label]], list[Fold]]
Count = Callable[[list[str]], int]


def clip(
    name: str,
    subject: str | None,
    group: str | None = None,
    take: str | None = None,
    sex: str | None = None,
) -> Clip:
    return Clip(
        clip_id=f"c/{name}",
        corpus="c",
        subject_id=subject,
        group_id=group or subject,
        take_id=f"c/{take or name}",
        sex=sex,
        path=f"{name}.mp4",
        sha256="",
        bytes=0,
    )


def corpus(seed: int) -> tuple[list[Clip], list[Label]]:
    """Subjects of unlike size, in sessions of two, some takes shared across subjects, three
    emotions."""
    rng = random.Random(seed)
    clips = []
    for subject in range(rng.randint(12, 40)):
        sex = rng.choice(["female", "male", None])
        group = f"c/session{subject // 2}" if seed % 2 and subject < 8 else f"c/session{subject}"
        for number in range(rng.randint(1, 12)):
            take = "shared" if rng.random() < 0.01 else None
            clips.append(clip(f"{subject:02d}-{number}", f"c/{subject:02d}", group, take, sex))
    return clips, [
        Label(one.clip_id, "mood", "intended", rng.choice(["sad", "happy", "angry"]))
        for one in clips
    ]


def sample(actors: int = 6) -> tuple[list[Clip], list[Label]]:
    from manifests.corpora.media_files import MediaFile
    from manifests.corpora.ravdess import parse

    found = [
        SAMPLE._found(MediaFile(one.path, None), parse(one.stem)) for one in sample_clips(actors)
    ]
    return [one.clip for one in found], [label for one in found for label in one.labels]


def sides(folds: Sequence[Fold], fold: int) -> dict[Role, set[str]]:
    return {
        role: {row.clip_id for row in folds if row.fold == fold and row.role == role}
        for role in Role
    }


@pytest.fixture(params=[subject_kfold, leave_one_session_out], ids=lambda scheme: scheme.name)
def split(request: pytest.FixtureRequest) -> Split:
    """The schemes that split any clips of several sessions and test each once."""
    scheme: Split = request.param
    return scheme


@cache
def folds_of(split: Split, seed: int) -> tuple[list[Clip], list[Fold]]:
    clips, labels = corpus(seed)
    return clips, split(clips, labels)


@pytest.mark.parametrize("seed", seeds(2))
def test_each_clip_is_on_one_side_and_no_subject_group_or_take_on_two(
    split: Split, seed: int
) -> None:
    clips, folds = folds_of(split, seed)
    for fold in {row.fold for row in folds}:
        role_of = {row.clip_id: row.role for row in folds if row.fold == fold}
        assert role_of.keys() == {one.clip_id for one in clips}
        assert set(role_of.values()) == set(Role)
        for name in ("subject_id", "group_id", "take_id"):
            assert len({(getattr(one, name), role_of[one.clip_id]) for one in clips}) == len(
                {getattr(one, name) for one in clips}
            )
    refuse_leaks(folds, clips)


@pytest.mark.parametrize("seed", seeds(2))
def test_each_clip_is_tested_once_and_validated_on_once(split: Split, seed: int) -> None:
    clips, folds = folds_of(split, seed)
    for role in (Role.TEST, Role.VALID):
        assert Counter(row.clip_id for row in folds if row.role == role) == {
            one.clip_id: 1 for one in clips
        }


@pytest.mark.parametrize("seed", seeds(2))
def test_the_order_of_clips_and_labels_changes_nothing(split: Split, seed: int) -> None:
    (_, folds), (clips, labels) = folds_of(split, seed), corpus(seed)
    random.Random(7).shuffle(clips)
    random.Random(8).shuffle(labels)
    assert split(clips, labels) == folds


def test_the_rows_are_a_valid_table_under_the_name_of_the_scheme() -> None:
    clips, labels = sample()
    for scheme in (subject_kfold, leave_one_subject_out):
        folds = scheme(clips, labels)
        assert {row.scheme for row in folds} == {scheme.name}
        assert FOLDS.rows(FOLDS.build(folds)) == folds


def test_the_next_part_is_the_validation() -> None:
    for scheme in (subject_kfold, leave_one_subject_out):
        folds = scheme(*sample())
        count = max(row.fold for row in folds) + 1
        for fold in range(count):
            assert sides(folds, fold)[Role.VALID] == sides(folds, (fold + 1) % count)[Role.TEST]


def test_a_seed_chooses_among_assignments_and_gives_the_same_again() -> None:
    clips, labels = sample(24)
    splits = [subject_kfold(clips, labels, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert splits[0] == splits[1]
    assert len({tuple(split) for split in splits}) == 4


@pytest.mark.parametrize(("actors", "folds"), [(6, 3), (24, 3), (24, 4), (24, 6), (24, 12)])
@pytest.mark.parametrize("seed", seeds(2))
def test_parts_of_the_sample_have_as_many_women_as_men(actors: int, folds: int, seed: int) -> None:
    clips, labels = sample(actors)
    rows = subject_kfold(clips, labels, folds, seed)
    sex_of = {one.group_id: one.sex for one in clips}
    for fold in range(folds):
        sexes = Counter(
            sex_of[group]
            for group in {
                row.group_id for row in rows if row.fold == fold and row.role == Role.TEST
            }
        )
        assert sexes == {"female": actors // folds // 2, "male": actors // folds // 2}


@pytest.mark.parametrize("seed", seeds(2))
def test_parts_of_unlike_subjects_are_alike_in_clips_and_classes(seed: int) -> None:
    rng = random.Random(seed)
    clips = [
        clip(f"{s:02d}-{n}", f"c/{s:02d}", sex=rng.choice(["female", "male"]))
        for s in range(60)
        for n in range(rng.randint(1, 20))
    ]
    labels = [
        Label(one.clip_id, "mood", "intended", rng.choice(["sad", "sad", "happy", "angry"]))
        for one in clips
    ]
    rows = subject_kfold(clips, labels, 5, seed)
    mood = {label.clip_id: label.value for label in labels}
    sex = {one.clip_id: one.sex for one in clips}
    tested = [
        [row.clip_id for row in rows if row.fold == fold and row.role == Role.TEST]
        for fold in range(5)
    ]
    counts_of: tuple[Count, ...] = (
        len,
        lambda part: sum(sex[one] == "female" for one in part),
        lambda part: sum(mood[one] == "happy" for one in part),
        lambda part: sum(mood[one] == "sad" for one in part),
    )
    for count in counts_of:
        counts = [count(part) for part in tested]
        assert max(counts) - min(counts) <= 0.08 * sum(counts) / 5 + 2


def test_a_corpus_of_many_subjects_is_split_in_seconds() -> None:
    rng = random.Random(0)
    clips = [
        clip(f"{s:04d}-{n}", f"c/{s:04d}", sex=rng.choice(["female", "male"]))
        for s in range(1500)
        for n in range(rng.randint(1, 9))
    ]
    rows = subject_kfold(
        clips,
        [Label(one.clip_id, "mood", "vote", rng.choice("abcdefgh"), rng.random()) for one in clips],
    )
    sizes = Counter(row.fold for row in rows if row.role == Role.TEST)
    assert max(sizes.values()) - min(sizes.values()) <= 2


def test_as_many_folds_as_subjects_leaves_no_part_empty() -> None:
    clips = [clip(f"{s}-{n}", f"c/{s}") for s in range(7) for n in range(1 + 30 * (s == 0))]
    rows = subject_kfold(clips, [], 7)
    assert {row.fold for row in rows if row.role == Role.TEST} == set(range(7))


def test_leaving_one_subject_out_tests_each_subject_in_the_order_of_names() -> None:
    clips, labels = sample()
    rows = leave_one_subject_out(clips, labels)
    tested = [
        sorted({row.group_id for row in rows if row.fold == fold and row.role == Role.TEST})
        for fold in range(6)
    ]
    assert tested == [[f"sample/{actor:02d}"] for actor in range(1, 7)]


def test_what_is_tied_by_a_chain_stays_together_under_the_first_name() -> None:
    # a and b share a take, b and c a group, c's other clip a subject: all one.
    clips = [
        clip("a1", "c/a", take="t"),
        clip("b1", "c/b", group="c/g", take="t"),
        clip("c1", "c/c", group="c/g"),
        clip("c2", "c/c", group="c/z"),
        clip("d1", "c/d"),
        clip("e1", "c/e"),
    ]
    rows = leave_one_session_out(clips, [])
    assert {row.clip_id: row.group_id for row in rows} == {
        "c/a1": "c/a",
        "c/b1": "c/a",
        "c/c1": "c/a",
        "c/c2": "c/a",
        "c/d1": "c/d",
        "c/e1": "c/e",
    }
    with pytest.raises(SplitError, match="clips are of 3 independent subjects or groups"):
        subject_kfold(clips, [], 4)


def test_clips_without_subject_are_refused_with_what_to_do(split: Split) -> None:
    clips, labels = sample()
    with pytest.raises(
        SplitError,
        match=r"2 of 51 clips have no subject and no group, such as \S+; "
        r"say who speaks \(.*labels\.csv",
    ):
        split(
            [*clips[2:], *(replace(one, subject_id=None, group_id=None) for one in clips[:2])],
            labels,
        )


def test_impossible_numbers_of_folds_are_refused() -> None:
    clips, labels = sample()
    for folds in (-1, 0, 1, 2):
        with pytest.raises(
            SplitError, match=f"{folds} folds were asked for; at least 3 are needed"
        ):
            subject_kfold(clips, labels, folds)
    with pytest.raises(
        SplitError,
        match="7 folds were asked for and the clips are of 6 independent subjects or groups; ask "
        "for fewer",
    ):
        subject_kfold(clips, labels, 7)
    with pytest.raises(
        SplitError, match="6 folds were asked for; leave_one_subject_out has its own number of them"
    ):
        leave_one_subject_out(clips, labels, 6)


@pytest.mark.parametrize("scheme", [subject_kfold, leave_one_subject_out])
def test_too_few_subjects_are_refused(scheme: Split) -> None:
    for subjects in (0, 1, 2):
        with pytest.raises(SplitError, match=f"clips are of {subjects} independent subject"):
            scheme([clip(str(s), f"c/{s}") for s in range(subjects)], [])


def test_subjects_of_one_session_are_left_out_together_and_under_that_name_only() -> None:
    dyads = [
        clip(f"{s}-{n}", f"c/{s}", group=f"c/session{s // 2}") for s in range(6) for n in range(3)
    ]
    rows = leave_one_session_out(dyads, [])
    assert {row.group_id for row in rows if row.fold == 1 and row.role == Role.TEST} == {
        "c/session1"
    }
    with pytest.raises(
        SplitError,
        match=r"c/session0 is of 2 subjects who cannot be parted \(c/0, c/1\); "
        r"use leave_one_session_out",
    ):
        leave_one_subject_out(dyads, [])
    with pytest.raises(
        SplitError,
        match="these clips have no sessions: each group is one subject; use leave_one_subject_out",
    ):
        leave_one_session_out([clip(f"{s}", f"c/{s}") for s in range(6)], [])


def test_a_subject_on_two_sides_is_refused_and_named() -> None:
    clips, labels = sample()
    rows = subject_kfold(clips, labels, 3)
    at = next(number for number, row in enumerate(rows) if row.fold == 1 and row.role == Role.TRAIN)
    moved = [*rows[:at], replace(rows[at], role=Role.TEST), *rows[at + 1 :]]
    with pytest.raises(
        LeakingSplit,
        match=f"fold 1 of subject_kfold has the group {rows[at].group_id} on two sides: .* in "
        "train",
    ):
        refuse_leaks(moved, clips)
    # A false group_id in the split itself hides nothing.
    hidden = [
        *rows[:at],
        replace(rows[at], role=Role.TEST, group_id="sample/other"),
        *rows[at + 1 :],
    ]
    with pytest.raises(LeakingSplit, match="on two sides"):
        refuse_leaks(hidden, clips)


def test_a_take_on_two_sides_is_refused() -> None:
    clips = [clip("a", "c/a", take="t"), clip("b", "c/b", take="t"), clip("d", "c/d")]
    rows = [
        Fold("mine", 0, one.clip_id, one.group_id or "", role)
        for one, role in zip(clips, Role, strict=True)
    ]
    with pytest.raises(
        LeakingSplit, match="the group c/a on two sides: c/a in train, c/b in valid"
    ):
        refuse_leaks(rows, clips)


def test_a_clip_left_out_named_twice_or_unknown_is_refused() -> None:
    clips, labels = sample()
    rows = subject_kfold(clips, labels, 3)
    with pytest.raises(
        LeakingSplit, match=f"fold 0 of subject_kfold leaves out 1 clips, such as {rows[0].clip_id}"
    ):
        refuse_leaks(rows[1:], clips)
    with pytest.raises(LeakingSplit, match=f"names the clip {rows[0].clip_id} 2 times"):
        refuse_leaks([*rows, rows[0]], clips)
    with pytest.raises(
        LeakingSplit, match="names 1 clips that are not among the clips, such as sample/ghost"
    ):
        refuse_leaks([*rows, replace(rows[0], clip_id="sample/ghost")], clips)
