"""Every kind of leak that a store, or a table made from one, can hold is found and named by the
command; and exit codes hold."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.building.run import run_build
from flows.splitting.run import run_split
from manifests.clips import CLIPS, Clip
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from stores import FeatureStore
from stores.location import locate
from stores.snapshot import load_snapshot, read_rows
from tests.support.commands import QUICK, build_arguments, refusal
from tests.support.store_files import linked
from tests.support.stores_made import commit, tables_in

FAULTS = ("error", "warn", "info")
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def split(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built sample with three folds that share no subject: in each, one actor is trained on,
    one validated on, one tested."""
    root = linked(built, tmp_path_factory.mktemp("split") / "store")
    run_split(root, "subject_kfold", 3, 0)
    return root


@pytest.fixture
def store(split: Path, tmp_path: Path) -> Path:
    """A copy that the test may publish to."""
    return linked(split, tmp_path / "store")


def audit(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings of the command."""
    done = CliRunner().invoke(app, ["audit", *map(str, arguments), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)["findings"]


class Sides:
    """What of a store the plants need: the clips of fold 0, by side and label."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clips: dict[str, Clip] = {
            clip.clip_id: clip for clip in FeatureStore(root).rows(CLIPS)
        }
        self.labels = {
            label.clip_id: label.value
            for label in FeatureStore(root).rows(LABELS)
            if label.scheme == "ravdess8"
        }
        self.role = {
            row.clip_id: row.role for row in FeatureStore(root).rows(FOLDS) if row.fold == 0
        }

    def first(self, role: Role, label: str = "neutral") -> Clip:
        return next(
            clip
            for clip_id, clip in sorted(self.clips.items())
            if self.role.get(clip_id) == role and self.labels[clip_id] == label
        )

    def rows(self, **more: object) -> Rows:
        """Fold 0 as a table of anyone's, one line for each clip."""
        return [
            {
                "clip": clip_id,
                "split": role.value,
                "speaker": self.clips[clip_id].subject_id,
                "label": self.labels[clip_id],
                **more,
            }
            for clip_id, role in sorted(self.role.items())
        ]


def _publish(root: Path, **tables: Any) -> None:
    """The store with some tables replaced, whatever they hold: as if written by a program that asks
    no question."""
    old = load_snapshot(locate(root))
    commit(
        root,
        old.features,
        tables_in(root, old) | tables,
        recipe=old.recipe,
        fitted=old.fitted,
        versions=old.versions,
        schemes=old.schemes,
    )


def _with_clips(sides: Sides, *changed: Clip) -> list[object]:
    _publish(
        sides.root,
        clips=CLIPS.build((sides.clips | {clip.clip_id: clip for clip in changed}).values()),
    )
    return [sides.root]


def _table(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


Planted = tuple[list[object], str]
"""What to audit, and an id that the finding must name."""


def a_subject_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    moved = sides.first(Role.TEST)
    location = locate(sides.root)
    rows = read_rows(location, load_snapshot(location), FOLDS)
    folds = [_moved(fold, moved) for fold in rows]
    _publish(sides.root, folds=FOLDS.build(folds))
    return [sides.root], str(moved.subject_id)


def _moved(fold: Fold, clip: Clip) -> Fold:
    return (
        replace(fold, role=Role.TRAIN) if (fold.fold, fold.clip_id) == (0, clip.clip_id) else fold
    )


def a_dialogue_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    pair = (
        replace(sides.first(role), dialogue_id="sample/dialogue")
        for role in (Role.TRAIN, Role.TEST)
    )
    return _with_clips(sides, *pair), "sample/dialogue"


def renderings_of_a_take_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    test = sides.first(Role.TEST)
    return _with_clips(sides, replace(test, take_id=sides.first(Role.TRAIN).take_id)), test.clip_id


def the_same_bytes_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    test = sides.first(Role.TEST)
    return _with_clips(sides, replace(test, sha256=sides.first(Role.TRAIN).sha256)), test.clip_id


def overlapping_spans_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    train, test = sides.first(Role.TRAIN), sides.first(Role.TEST)
    spans = ((train, 10.0, 12.0), (test, 10.5, 12.5))
    cut = (
        replace(clip, episode_id="sample/episode", episode_start_s=start, episode_end_s=end)
        for clip, start, end in spans
    )
    return _with_clips(sides, *cut), f"{train.clip_id} and {test.clip_id}"


def a_text_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    """The sample says its few sentences on every side, which is a note; for a corpus of free speech
    it is a warning."""
    rows = [
        {**row, "clip": str(row["clip"]).removeprefix("sample/"), "text": f"words of {row['clip']}"}
        for row in sides.rows()
    ]
    test, train = (next(row for row in rows if row["split"] == side) for side in ("test", "train"))
    test["text"] = train["text"]
    return [_table(tmp / "split.csv", rows), "--corpus", "folder"], f"folder/{test['clip']}"


def windows_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    rows = [{**row, "window": number} for row in sides.rows() for number in range(3)]
    victim = sides.first(Role.TEST).clip_id
    next(row for row in rows if row["clip"] == victim)["split"] = "train"
    return [_table(tmp / "split.csv", rows)], victim


def copies_on_two_sides(sides: Sides, tmp: Path) -> Planted:
    victim = sides.first(Role.TEST).clip_id
    noisy = {
        **sides.rows()[0],
        "clip": f"{victim}_noise",
        "split": "train",
        "speaker": sides.clips[victim].subject_id,
    }
    return [_table(tmp / "split.csv", [*sides.rows(), noisy])], victim


def a_scaling_that_saw_the_test(sides: Sides, tmp: Path) -> Planted:
    victim = sides.first(Role.TEST).clip_id
    rows = [
        {**row, "fitted": "yes" if row["split"] == "train" or row["clip"] == victim else "no"}
        for row in sides.rows()
    ]
    return [_table(tmp / "split.csv", rows)], victim


def training_clips_in_the_test(sides: Sides, tmp: Path) -> Planted:
    """A store has one role for each clip of a fold, and so has a table: it takes two tables to say
    otherwise."""
    train, test = (
        [row for row in sides.rows() if row["split"] == side] for side in ("train", "test")
    )
    return [
        _table(tmp / "train.csv", train),
        _table(tmp / "test.csv", [*test, {**train[0], "split": "test"}]),
    ], str(train[0]["clip"])


def other_labels_for_the_same_bytes(sides: Sides, tmp: Path) -> Planted:
    one, other = sides.first(Role.TRAIN, "neutral"), sides.first(Role.TRAIN, "happy")
    return _with_clips(sides, replace(other, sha256=one.sha256)), one.clip_id


def a_rate_that_gives_the_label_away(sides: Sides, tmp: Path) -> Planted:
    """Windows, for a few clips show nothing."""
    rows = [
        {**row, "window": number}
        for row in sides.rows()
        if row["label"] in ("neutral", "happy")
        for number in range(6)
    ]
    rows = [{**row, "rate_hz": 48000 if row["label"] == "happy" else 44100} for row in rows]
    return [_table(tmp / "split.csv", rows)], ""


def a_class_without_training(sides: Sides, tmp: Path) -> Planted:
    train = {clip_id for clip_id, role in sides.role.items() if role == Role.TRAIN}
    labels: list[Label] = FeatureStore(sides.root).rows(LABELS)
    changed = {
        replace(one, value="sad") if one.scheme == "ravdess8" and one.clip_id in train else one
        for one in labels
    }
    _publish(sides.root, labels=LABELS.build(changed))
    return [sides.root], "happy"


@dataclass(frozen=True)
class Case:
    plant: Callable[[Sides, Path], Planted]
    severity: str
    others: frozenset[str] = frozenset()
    """Further rules that the same plant breaks, as errors."""


CASES = {
    "L1": Case(a_subject_on_two_sides, "error"),
    "L2": Case(a_dialogue_on_two_sides, "error"),
    "L3": Case(renderings_of_a_take_on_two_sides, "error"),
    "L4": Case(the_same_bytes_on_two_sides, "error"),
    "L6": Case(overlapping_spans_on_two_sides, "error"),
    "L7": Case(a_text_on_two_sides, "warn"),
    "L8": Case(windows_on_two_sides, "error", frozenset({"L1"})),
    "L9": Case(copies_on_two_sides, "error", frozenset({"L1"})),
    "L10": Case(a_scaling_that_saw_the_test, "error"),
    "L12": Case(training_clips_in_the_test, "error", frozenset({"L1"})),
    "L13": Case(other_labels_for_the_same_bytes, "warn"),
    "L14": Case(a_rate_that_gives_the_label_away, "warn"),
    "L16": Case(a_class_without_training, "warn"),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_planted_leak_is_found_and_named(rule: str, store: Path, tmp_path: Path) -> None:
    case = CASES[rule]
    sources, planted = case.plant(Sides(store), tmp_path)
    code, findings = audit(*sources)
    mine = [one for one in findings if one["rule"] == rule and one["severity"] == case.severity]
    assert mine, f"{rule} found nothing"
    assert any(planted in "\n".join([*one["example_ids"], one["detail"]]) for one in mine), mine
    errors = {one["rule"] for one in findings if one["severity"] == "error"}
    assert errors == case.others | ({rule} if case.severity == "error" else set())
    assert code == (1 if errors else 0)


@pytest.mark.parametrize("how", ["store", "table", "windows"])
def test_without_a_plant_no_rule_finds_more_than_it_must(
    how: str, split: Path, tmp_path: Path
) -> None:
    sides = Sides(split)
    rows = (
        sides.rows(fitted="no")
        if how == "table"
        else [{**row, "window": n} for row in sides.rows() for n in range(3)]
    )
    code, findings = audit(split if how == "store" else _table(tmp_path / "split.csv", rows))
    assert code == 0
    # All say the same sentence, and of the sadness there is one clip, which cannot be on every
    # side: so it is with any sample this small.
    faults = [one for one in findings if one["severity"] in FAULTS]
    assert {(one["rule"], one["severity"]) for one in faults} == {
        ("L7", "info"),
        ("L16", "info"),
        ("L16", "warn"),
    }
    assert {tuple(one["example_ids"]) for one in faults if one["severity"] == "warn"} == {("sad",)}


def test_build_split_and_audit_in_sequence_exit_as_promised(
    built: Path, sample: Path, tmp_path: Path
) -> None:
    store = linked(built, tmp_path / "store")
    assert "no folds to audit" in refusal("audit", store)
    for command, code in (
        (build_arguments(store, sample, corpus="sample"), 0),
        (["split", store, "subject_kfold", "--folds", 3], 0),
        (["audit", store], 0),
        (["split", store, "random_80_20_leaking"], 0),
        (["audit", store], 1),
        (["audit", store, "--scheme", "subject_kfold"], 0),
        (["verify", store], 0),
    ):
        done = CliRunner().invoke(app, list(map(str, command)))
        assert done.exit_code == code, f"{command}: {done.output} {done.exception!r}"
    assert "subject_kfold" in refusal("audit", store, "--scheme", "nothing")
    assert "there is no split scheme" in refusal("split", store, "nothing")


def test_a_git_lfs_stub_met_in_a_build_is_a_row_that_says_what_it_is(
    built: Path, folder: Path, tmp_path: Path
) -> None:
    stub = folder / "Actor_01" / "01-01-06-01-01-01-01.mp4"
    stub.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    )
    store = linked(built, tmp_path / "store")
    run_build(store, {"sample": folder}, "demo", QUICK, workers=1)
    quarantined = FeatureStore(store).quarantine()
    rows = quarantined.query("clip_id == 'sample/01-01-06-01-01-01-01'")
    assert len(rows) == len(FeatureStore(store).features)
    assert set(rows["reason"]) == {"unreadable"}
    assert rows["detail"].str.contains("git-lfs pointer").all()
