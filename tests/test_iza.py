"""The Improved Zebra Algorithm, and the joint rows that it chooses from."""

from dataclasses import replace

import numpy as np
import pytest

from extractors.fitted.base import Examples
from extractors.fitted.inner import clip_means, group_folds, held_out, random_folds
from extractors.fitted.iza import Iza, IzaLeaking, chosen, inner_accuracy, search
from extractors.fitted.pooled import Pooled
from manifests.features import FeatureSpec
from manifests.tracks import Track
from stores.transforms import TRANSFORMS

SMALL = Iza(input="joint", labels="emotion", keep=8, population=15, iterations=25, inner_folds=4)


def track_of(values: np.ndarray, valid: list[bool] | None = None, start_s: float = 0.0) -> Track:
    mask = np.ones(len(values), np.bool_) if valid is None else np.array(valid)
    return Track(values.astype(np.float32), start_s + 0.1 * np.arange(len(values)), mask)


def spec_of(width: int, dtype: str = "float32", name: str = "joint") -> FeatureSpec:
    return FeatureSpec(
        name, dtype, ("time", "feature"), (width,), "numbers", 0.1, "0" * 32, "pooled", 1, "{}"
    )


def planted(
    seed: int, groups: int = 8, of_group: int = 12, width: int = 80, planted: int = 8
) -> tuple[Examples, np.ndarray, np.ndarray]:
    """Clips whose label shows in a few columns alone, and whose group shows in all: (examples,
    labels as numbers, planted columns)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), of_group)
    label = np.tile(np.arange(4), len(group) // 4)
    values = (
        rng.standard_normal((len(group), width)) + 0.7 * rng.standard_normal((groups, width))[group]
    )
    columns = np.sort(rng.choice(width, planted, replace=False))
    values[:, columns] += rng.permuted(np.tile([-1.5, -0.5, 0.5, 1.5], (planted, 1)), axis=1).T[
        label
    ]
    tracks = [track_of(np.stack([row - 0.1, row + 0.1])) for row in values]
    return (
        examples_of(tracks, [f"g{number}" for number in group], [f"l{number}" for number in label]),
        label,
        columns,
    )


def examples_of(tracks: list[Track], groups: list[str], labels: list[str]) -> Examples:
    return Examples(
        tuple(f"c/{i:03d}" for i in range(len(tracks))),
        tuple(groups),
        tuple(labels),
        {"input": tracks},
    )


def part_of(examples: Examples, numbers: list[int]) -> Examples:
    def pick(values: tuple[str, ...]) -> list[str]:
        return [values[number] for number in numbers]

    return examples_of(
        [examples.tracks["input"][n] for n in numbers], pick(examples.groups), pick(examples.labels)
    )


def accuracy_on_other_groups(examples: Examples, label: np.ndarray, columns: np.ndarray) -> float:
    """Taught by the first half of the groups, judged by the second."""
    values = clip_means(examples, "input").values[:, columns]
    taught = np.arange(len(values)) < len(values) // 2
    means = np.stack([values[taught & (label == number)].mean(axis=0) for number in range(4)])
    scale = (values[taught] - means[label[taught]]).std(axis=0)
    distances = (((values[~taught][:, None] - means) / scale) ** 2).sum(axis=2)
    return float((distances.argmin(axis=1) == label[~taught]).mean())


def first_half(examples: Examples) -> Examples:
    return part_of(examples, list(range(len(examples) // 2)))


# The choice


def test_over_ten_seeds_the_choice_beats_a_random_one_of_the_same_size_by_a_wide_margin() -> None:
    gains, found = [], []
    for seed in range(10):
        examples, label, columns = planted(seed, groups=16)
        selected = replace(SMALL, seed=seed).fit(first_half(examples))["columns"]
        by_chance = np.random.default_rng(1000 + seed).choice(80, 8, replace=False)
        gains.append(
            accuracy_on_other_groups(examples, label, selected)
            - accuracy_on_other_groups(examples, label, by_chance)
        )
        found.append(len(set(selected) & set(columns)))
    assert min(gains) > 0
    assert np.mean(gains) > 0.25
    assert np.mean(found) > 5  # of 8 among 80, where chance finds 0.8


def test_the_same_clips_and_seed_give_the_same_bytes_and_another_seed_another_search() -> None:
    examples, _, _ = planted(0)
    first, second = (SMALL.fit(examples)["columns"] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert (first.dtype, first.shape) == (np.int64, (8,))
    assert (np.diff(first) > 0).all()
    assert not np.array_equal(first, replace(SMALL, seed=1).fit(examples)["columns"])


def test_the_mutations_find_what_as_many_evaluations_of_the_plain_algorithm_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = []
    for seed in range(4):
        examples, label, _ = planted(seed)
        problems.append(
            inner_accuracy(
                clip_means(examples, "input").values, label, group_folds(examples.groups, 4)
            )
        )

    def mean_fitness(iterations: int) -> float:
        return float(
            np.mean(
                [
                    fitness(search(fitness, 80, 8, 20, iterations, seed))
                    for seed, fitness in enumerate(problems)
                ]
            )
        )

    improved = mean_fitness(50)
    monkeypatch.setattr("extractors.fitted.iza._Herd.mutate", lambda *_: None)
    assert improved > mean_fitness(75) + 0.01


def test_an_iteration_never_loses_the_best_subset() -> None:
    examples, label, _ = planted(1)
    fitness = inner_accuracy(
        clip_means(examples, "input").values, label, group_folds(examples.groups, 4)
    )
    reached = [fitness(search(fitness, 80, 8, 10, iterations, 0)) for iterations in (1, 5, 20)]
    first_population = np.random.default_rng(0).random((10, 80))
    assert max(fitness(chosen(position, 8)) for position in first_population) <= reached[0]
    assert reached[-1] > reached[0]


def test_a_position_means_its_greatest_coordinates_and_the_first_of_equal_ones() -> None:
    assert chosen(np.array([0.1, 0.9, 0.5, 0.9, 0.0]), 3).tolist() == [1, 3, 2]
    assert chosen(np.zeros(5), 2).tolist() == [0, 1]


# Judging


def speakers_and_labels() -> tuple[Examples, np.ndarray, np.ndarray]:
    """Each speaker bears one label. Columns 0 to 39 name the speaker and nothing of the label,
    columns 40 to 47 the label alone."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(8), 20)
    label = group % 2
    of_speaker = 3 * rng.standard_normal((8, 40))[group] + rng.standard_normal((160, 40))
    of_label = label[:, None] + rng.standard_normal((160, 8))
    values = np.concatenate([of_speaker, of_label], axis=1)
    return (
        examples_of(
            [track_of(row[None]) for row in values],
            [f"g{g}" for g in group],
            [f"l{n}" for n in label],
        ),
        values,
        label,
    )


def test_columns_that_name_the_speaker_fool_random_inner_folds_and_not_those_by_group() -> None:
    examples, values, label = speakers_and_labels()
    of_speaker = np.arange(40)
    assert inner_accuracy(values, label, random_folds(160, 5, 0))(of_speaker) > 0.95
    assert inner_accuracy(values, label, group_folds(examples.groups, 5))(of_speaker) < 0.6
    leaking = IzaLeaking(input="joint", labels="emotion", keep=8, iterations=10).fit(examples)[
        "columns"
    ]
    choice = Iza(input="joint", labels="emotion", keep=8, iterations=10).fit(examples)["columns"]
    assert (choice >= 40).sum() > (leaking >= 40).sum()


def test_the_accuracy_is_that_of_the_nearest_mean_in_units_of_the_deviation_within_classes() -> (
    None
):
    rng = np.random.default_rng(5)
    values, classes, folds = (
        rng.standard_normal((60, 6)) * 3 + 7,
        rng.integers(0, 3, 60),
        np.arange(60) % 4,
    )
    columns = np.array([0, 2, 5])
    right = 0
    for fold in range(4):
        known, judged = folds != fold, folds == fold
        means = np.stack([values[known & (classes == c)].mean(axis=0) for c in range(3)])
        deviation = np.sqrt(((values[known] - means[classes[known]]) ** 2).mean(axis=0))
        distances = (((values[judged][:, None] - means) / deviation)[..., columns] ** 2).sum(axis=2)
        right += int((distances.argmin(axis=1) == classes[judged]).sum())
    assert inner_accuracy(values, classes, folds)(columns) == right / 60


def test_a_class_of_one_group_alone_is_never_right_and_a_constant_column_is_no_error() -> None:
    column = np.array([0.0, 0.2, 1.0, 1.2, 0.1, 0.3, 1.1, 1.3, 9.0, 9.1])
    classes, folds = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 2]), np.array([0] * 4 + [1] * 4 + [2] * 2)
    accuracy = inner_accuracy(np.stack([np.full(10, 7.0), column], axis=1), classes, folds)
    assert accuracy(np.array([0, 1])) == 0.8


def test_inner_folds_keep_each_group_on_one_side_and_are_even() -> None:
    groups = ["a"] * 9 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["e"] * 2
    folds = group_folds(groups, 2)
    assert len({(g, f) for g, f in zip(groups, folds, strict=True)}) == 5
    assert sorted(np.bincount(folds)) == [9, 11]
    assert set(group_folds(["a", "b", "a"], 5)) == {0, 1}
    with pytest.raises(
        ValueError, match=r"all training clips are of one group \(a\), so none can be held out"
    ):
        group_folds(["a", "a"], 5)


def test_groups_are_held_out_as_one_and_one_stays() -> None:
    groups = ["a", "b", "c", "d", "e"] * 4
    for seed in range(5):
        aside = held_out(groups, 0.3, seed)
        assert len({(g, bool(a)) for g, a in zip(groups, aside, strict=True)}) == 5
        assert aside.mean() == 0.4
    assert held_out(["a", "b"], 0.9, 0).sum() == 1


# The fitter


def test_the_reader_s_transform_gives_the_chosen_columns() -> None:
    examples, _, _ = planted(0)
    state = SMALL.fit(examples)
    track = examples.tracks["input"][5]
    found = TRANSFORMS[SMALL.transform](state, track)
    assert np.array_equal(found.values, track.values[:, state["columns"]])
    assert SMALL.layout({"input": spec_of(80)}).shape == (8,)


def test_invalid_rows_count_for_nothing_and_clips_without_a_valid_row_are_passed_over() -> None:
    examples, _, _ = planted(0)
    rows_of_clips = [examples.tracks["input"][number].values for number in range(len(examples))]
    spoilt = [
        track_of(np.concatenate([values, np.full((1, 80), np.nan)]), [True, True, False])
        for values in rows_of_clips
    ]
    nothing = track_of(np.full((2, 80), np.nan), [False, False])
    worse = examples_of([*spoilt, nothing], [*examples.groups, "g0"], [*examples.labels, "l9"])
    assert np.array_equal(SMALL.fit(worse)["columns"], SMALL.fit(examples)["columns"])
    with pytest.raises(ValueError, match="none of the 1 training clips has a valid row of input"):
        SMALL.fit(examples_of([nothing], ["a"], ["l"]))


def test_the_leaking_choice_is_known_by_its_name_and_asks_for_all_clips() -> None:
    assert IzaLeaking.name == "iza_leaking"
    assert IzaLeaking.sees_all
    assert not Iza.sees_all
    leaking = IzaLeaking(input="joint", labels="emotion", keep=8)
    plain = Iza(input="joint", labels="emotion", keep=8)
    assert (
        leaking.spec("x", {"input": spec_of(80)}).fingerprint
        != plain.spec("x", {"input": spec_of(80)}).fingerprint
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keep": 0}, "keep = 0, expected at least 1"),
        ({"population": 1}, "population = 1, expected at least 2"),
        ({"inner_folds": 1}, "inner_folds = 1, expected at least 2"),
    ],
)
def test_a_parameter_out_of_range_gets_one_sentence(change: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_an_input_that_is_too_narrow_or_no_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="keep = 8, but joint has 7 columns"):
        SMALL.layout({"input": spec_of(7)})
    with pytest.raises(ValueError, match="uint8, but columns are chosen of float vectors"):
        SMALL.layout({"input": spec_of(80, dtype="uint8")})
    with pytest.raises(
        ValueError, match=r"the training clips have 1 different labels \(l0\), expected at least 2"
    ):
        SMALL.fit(part_of(planted(0)[0], [0, 4, 12, 16]))


# The joint row


POOLED = Pooled(inputs=("codes", "faces"))


def joint_of(codes: Track, faces: Track) -> Track:
    tracks = {"input0": codes, "input1": faces}
    state = POOLED.fit(
        Examples(("c/0",), ("g",), (), {role: [track] for role, track in tracks.items()})
    )
    assert state["starts"].tolist() == [
        0,
        codes.values.shape[1],
        codes.values.shape[1] + faces.values.shape[1],
    ]
    return POOLED.encode(state, tracks)


def test_a_joint_row_is_the_inputs_means_over_their_valid_rows_in_order() -> None:
    codes = track_of(np.array([[1, 2], [3, 4], [99, 99]]), [True, True, False], start_s=1.0)
    faces = track_of(np.array([[5, 6, 7]]), start_s=3.0)
    found = joint_of(codes, faces)
    assert found.values.tolist() == [[2, 3, 5, 6, 7]]
    assert found.values.dtype == np.float32
    assert found.seconds.tolist() == [2.0]
    layout = POOLED.layout({"input0": spec_of(2, name="codes"), "input1": spec_of(3, name="faces")})
    assert layout.shape == (5,)
    assert layout.units == "means over time: 2 of codes, then 3 of faces"


def test_a_joint_row_without_one_of_its_inputs_is_not_valid() -> None:
    found = joint_of(track_of(np.ones((2, 2))), track_of(np.full((1, 3), np.nan), [False]))
    assert not found.valid[0]
    assert np.isnan(found.values).all()


def test_a_joint_row_of_other_widths_than_in_the_fit_is_refused() -> None:
    state = POOLED.fit(
        Examples(
            ("c/0",),
            ("g",),
            (),
            {"input0": [track_of(np.ones((1, 2)))], "input1": [track_of(np.ones((1, 3)))]},
        )
    )
    with pytest.raises(ValueError, match=r"begin at \[0, 3, 5\], but at \[0, 2, 5\] in the fit"):
        POOLED.encode(
            state, {"input0": track_of(np.ones((1, 3))), "input1": track_of(np.ones((1, 2)))}
        )
    with pytest.raises(ValueError, match="names a feature twice"):
        Pooled(inputs=("a", "a"))
