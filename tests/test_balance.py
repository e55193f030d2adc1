"""The search for even parts, and the bound under which none can come."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from manifests.clips import Clip
from manifests.folds import Role
from manifests.labels import Label
from manifests.schemes.balance import assign_evenly, assign_sizes
from manifests.schemes.bound import least_imbalance
from manifests.schemes.catalog import SCHEMES, empty_classes, weigh
from manifests.schemes.counts import count_groups, imbalance
from tests.support.seeds import seeds

subject_kfold = SCHEMES["subject_kfold"]

Corpus = tuple[dict[str, list[Clip]], list[Label]]


def corpus(seed: int, groups: int, most: int = 9) -> Corpus:
    chance = random.Random(seed)
    members: dict[str, list[Clip]] = {}
    labels = []
    for group in range(groups):
        name, sex = f"c/{group:02d}", chance.choice(["female", "male"])
        members[name] = [
            Clip(f"{name}-{n}", "c", name, name, f"{name}-{n}", sex, "", "", 0)
            for n in range(chance.randint(1, most))
        ]
        labels += [
            Label(clip.clip_id, "mood", "intended", chance.choice(["sad", "happy"]))
            for clip in members[name]
        ]
    return members, labels


def clips_of(members: dict[str, list[Clip]]) -> list[Clip]:
    return [clip for own in members.values() for clip in own]


@pytest.mark.parametrize("seed", seeds(2))
def test_of_few_groups_the_bound_is_the_best_of_all_assignments_and_the_search_finds_it(
    seed: int,
) -> None:
    members, labels = corpus(seed, 8)
    counts = count_groups(members, labels)
    assignments = [
        np.array((0, *rest))
        for rest in itertools.product(range(3), repeat=7)
        if {0, *rest} == {0, 1, 2}
    ]
    holding = [
        (np.array([(counts.present[one == part]).sum(axis=0) for part in range(3)]) == 0).sum()
        for one in assignments
    ]
    best = min(
        imbalance(counts, one, 3)
        for one, empty in zip(assignments, holding, strict=True)
        if empty == min(holding)
    )
    assert least_imbalance(counts, 3) == pytest.approx(
        min(imbalance(counts, one, 3) for one in assignments), abs=1e-9
    )
    assert imbalance(counts, assign_evenly(counts, 3, seed), 3) == pytest.approx(best)


@pytest.mark.parametrize(("groups", "parts"), [(10, 5), (24, 5), (24, 6), (25, 4)])
def test_the_bound_is_reached_where_subjects_differ_in_sex_alone(groups: int, parts: int) -> None:
    clips = [
        Clip(
            f"c/{g:02d}-{n}",
            "c",
            f"c/{g:02d}",
            f"c/{g:02d}",
            f"c/{g:02d}-{n}",
            "female" if g % 2 else "male",
            "",
            "",
            0,
        )
        for g in range(groups)
        for n in range(6)
    ]
    labels = [Label(clip.clip_id, "mood", "intended", clip.clip_id[-1]) for clip in clips]
    balance = weigh(subject_kfold(clips, labels, parts), clips, labels)
    assert balance is not None
    assert balance.gap == 0.0
    assert balance.imbalance == pytest.approx(balance.bound, abs=1e-9)


@pytest.mark.parametrize("seed", seeds(2))
def test_of_many_unlike_groups_no_assignment_is_under_the_bound(seed: int) -> None:
    members, labels = corpus(seed, 40, most=2)
    counts = count_groups(members, labels)
    bound = least_imbalance(counts, 6)
    assert 0 < bound <= imbalance(counts, assign_evenly(counts, 6, seed), 6)


def test_a_worse_assignment_has_a_gap() -> None:
    members, labels = corpus(0, 12)
    rows = subject_kfold(clips_of(members), labels, 3)
    first = {row.group_id for row in rows if row.fold == 0 and row.role == Role.TEST}
    moved = min(first)
    worse = [
        row
        if row.group_id != moved
        else type(row)(
            row.scheme,
            row.fold,
            row.clip_id,
            row.group_id,
            {0: Role.TRAIN, 1: Role.TEST, 2: Role.VALID}[row.fold],
        )
        for row in rows
    ]
    good, bad = weigh(rows, clips_of(members), labels), weigh(worse, clips_of(members), labels)
    assert good is not None
    assert bad is not None
    assert good.bound == bad.bound
    assert good.gap == 0 < bad.gap


@pytest.mark.parametrize("seed", seeds(3))
def test_a_rare_class_and_each_sex_are_in_every_test_where_enough_subjects_have_them(
    seed: int,
) -> None:
    """Five of twenty subjects are women, five have the rare class, in clips of very unlike number:
    evenness alone would pair them up."""
    chance = random.Random(seed)
    clips, labels = [], []
    women, rare = chance.sample(range(20), 5), chance.sample(range(20), 5)
    for s in range(20):
        for n in range(chance.choice([2, 3, 40])):
            clips.append(
                Clip(
                    f"c/{s}-{n}",
                    "c",
                    f"c/{s}",
                    f"c/{s}",
                    f"c/{s}-{n}",
                    "female" if s in women else "male",
                    "",
                    "",
                    0,
                )
            )
            labels.append(
                Label(
                    f"c/{s}-{n}",
                    "mood",
                    "intended",
                    "disgust" if s in rare and n == 0 else "neutral",
                )
            )
    rows = subject_kfold(clips, labels, 5, seed)
    assert empty_classes(rows, clips, labels) == []
    for role in Role:
        for fold in range(5):
            tested = {row.clip_id for row in rows if row.fold == fold and row.role == role}
            assert {label.value for label in labels if label.clip_id in tested} == {
                "disgust",
                "neutral",
            }
            assert {clip.sex for clip in clips if clip.clip_id in tested} == {"female", "male"}


def test_a_class_of_too_few_subjects_is_spread_as_far_as_it_goes_and_said_in_one_sentence() -> None:
    members, labels = corpus(3, 15)
    clips = clips_of(members)
    labels = [
        Label(
            one.clip_id,
            "mood",
            "intended",
            "rare" if one.clip_id in ("c/03-0", "c/07-0") else one.value,
        )
        for one in labels
    ]
    rows = subject_kfold(clips, labels, 5)
    (sentence,) = empty_classes(rows, clips, labels)
    assert sentence.startswith(
        "3 of 5 folds test nothing of the class rare of mood, which 2 groups hold: fold "
    )


def test_numbers_on_a_scale_are_no_classes() -> None:
    members, labels = corpus(3, 15)
    clips = clips_of(members)
    scale = [Label(clip.clip_id, "valence", "vote", f"{at / 8}") for at, clip in enumerate(clips)]
    rows = subject_kfold(clips, labels, 5)
    assert subject_kfold(clips, labels + scale, 5) == rows
    assert empty_classes(rows, clips, labels + scale) == []


@pytest.mark.parametrize("seed", seeds(1))
def test_parts_of_given_sizes_have_them_and_are_mixed_alike(seed: int) -> None:
    members, labels = corpus(seed, 60)
    part_of = assign_sizes(count_groups(members, labels), (40, 12, 8), seed)
    assert Counter(part_of.tolist()) == {0: 40, 1: 12, 2: 8}
    mood = {label.clip_id: label.value for label in labels}
    shares = []
    for part in range(3):
        tested = [
            clip
            for place, clips in zip(part_of, members.values(), strict=True)
            if place == part
            for clip in clips
        ]
        shares.append(
            (
                sum(mood[clip.clip_id] == "sad" for clip in tested) / len(tested),
                sum(clip.sex == "male" for clip in tested) / len(tested),
            )
        )
    assert np.ptp(shares, axis=0).max() < 0.08
    assert (assign_sizes(count_groups(members, labels), (40, 12, 8), seed) == part_of).all()
