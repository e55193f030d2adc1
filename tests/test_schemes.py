"""The schemes of one fold, the published splits, and what a scheme may claim."""

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.clips import Clip
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import Label
from manifests.schemes.catalog import (
    SCHEMES,
    LeakingSplit,
    Scheme,
    SplitError,
    SplitRequest,
    empty_classes,
    frames_at_random,
    refuse_leaks,
    weigh,
)

SHARED = Path(__file__).parents[1].parent / "shared" / "metadata"
EMOTIONS = ("anger", "neutral", "sad")
Corpus = tuple[list[Clip], list[Label]]


def corpus(
    name: str, subjects: list[str], group_of: dict[str, str] | None = None, clips: int = 6
) -> Corpus:
    made = []
    for at, subject in enumerate(subjects):
        who, group = f"{name}/{subject}", f"{name}/{(group_of or {}).get(subject, subject)}"
        ids = [f"{name}/{subject}_{n}" for n in range(clips)]
        made += [
            Clip(one, name, who, group, one, "female" if at % 2 else "male", f"{one}.mp4", "", 0)
            for one in ids
        ]
    return made, [
        Label(clip.clip_id, "mood", "intended", EMOTIONS[at % 3]) for at, clip in enumerate(made)
    ]


def ravdess() -> Corpus:
    return corpus("ravdess", [f"{actor:02d}" for actor in range(1, 25)])


def iemocap() -> Corpus:
    speakers = [f"Ses0{session}{letter}" for session in range(1, 6) for letter in "FM"]
    return corpus("iemocap", speakers, {speaker: speaker[:5] for speaker in speakers})


def savee() -> Corpus:
    return corpus("savee", ["DC", "JE", "JK", "KL"])


def msp_improv() -> Corpus:
    speakers = [f"{letter}0{session}" for session in range(1, 7) for letter in "FM"]
    return corpus("msp_improv", speakers, {who: f"session{who[1:]}" for who in speakers})


def cremad() -> Corpus:
    return corpus("cremad", [str(actor) for actor in range(1001, 1092)], clips=3)


def meld() -> Corpus:
    """Each split has the same dialogue number and the same speakers."""
    clips = []
    for split in ("train", "dev", "test"):
        for n, who in enumerate(("Ross", "Joey", "Nurse")):
            one = f"meld/{split}/dia0_utt{n}"
            clips.append(
                Clip(
                    one,
                    "meld",
                    f"meld/{who}",
                    f"meld/{who}",
                    one,
                    None,
                    f"{split}/dia0_utt{n}.mp4",
                    "",
                    0,
                )
            )
    return clips, [Label(clip.clip_id, "meld7", "vote", "joy") for clip in clips]


MADE = {"ravdess": ravdess, "iemocap": iemocap, "cremad": cremad, "meld": meld}
MADE |= {"savee": savee, "msp_improv": msp_improv}


@cache
def splits(name: str) -> tuple[Scheme, Corpus, list[Fold]]:
    """A scheme, clips that it fits, and its folds."""
    scheme = SCHEMES[name]
    made = MADE[scheme.corpus or ("iemocap" if name == "leave_one_session_out" else "ravdess")]()
    return scheme, made, scheme(*made, test=("24", "ravdess/03") if name == "holdout" else ())


def subjects_in(rows: list[Fold], clips: list[Clip], role: Role = Role.TEST) -> dict[int, set[str]]:
    subject_of = {clip.clip_id: str(clip.subject_id).partition("/")[2] for clip in clips}
    folds = {row.fold for row in rows}
    return {
        fold: {subject_of[row.clip_id] for row in rows if row.fold == fold and row.role == role}
        for fold in folds
    }


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_keeps_what_it_claims_to_keep_and_names_every_clip_once(name: str) -> None:
    scheme, (clips, _), rows = splits(name)
    refuse_leaks(rows, clips, scheme.keeps)
    assert {row.scheme for row in rows} == {name}
    assert FOLDS.rows(FOLDS.build(rows)) == rows
    for fold in {row.fold for row in rows}:
        roles = {row.role for row in rows if row.fold == fold}
        assert roles == ({Role.TRAIN, Role.TEST} if name.endswith("_leaking") else set(Role))


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_is_the_same_for_any_order_of_clips_and_labels(name: str) -> None:
    scheme, (clips, labels), rows = splits(name)
    clips, labels = random.Random(1).sample(clips, len(clips)), [*labels]
    random.Random(2).shuffle(labels)
    assert scheme(clips, labels, test=("24", "ravdess/03") if name == "holdout" else ()) == rows


@pytest.mark.parametrize(
    "name", sorted(name for name, scheme in SCHEMES.items() if not scheme.disjoint)
)
def test_a_scheme_that_is_not_disjoint_is_found_out(name: str) -> None:
    _, (clips, _), rows = splits(name)
    with pytest.raises(LeakingSplit, match="on two sides"):
        refuse_leaks(rows, clips)


def test_a_scheme_that_keeps_nothing_together_must_say_so_in_its_name() -> None:
    with pytest.raises(
        ValueError,
        match="the scheme random_80_20 keeps nothing together; its name must end in _leaking",
    ):
        replace(SCHEMES["random_80_20_leaking"], name="random_80_20")


def test_a_scheme_that_claims_to_be_disjoint_and_is_not_is_refused() -> None:
    def torn(request: SplitRequest) -> dict[int, dict[str, Role]]:
        return {
            0: dict(
                zip(
                    request.members, [Role.TEST, *[Role.TRAIN] * len(request.members)], strict=False
                )
            )
        }

    clips, labels = ravdess()
    liar = Scheme("liar", torn, "Claims by its default to keep everything.")
    strangers = [replace(clip, subject_id=clip.clip_id, group_id=clip.clip_id) for clip in clips]
    with pytest.raises(LeakingSplit, match="fold 0 of liar has the group ravdess/01 on two sides"):
        refuse_leaks(liar(strangers, labels), clips, liar.keeps)


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        (
            "luna_jimenez_5fold",
            "ravdess/luna_jimenez_5fold_actors.json",
            "validation_actors_per_fold",
        ),
        ("emobox_6fold", "emobox/ravdess_6fold_actors.json", "test_actors_per_fold"),
    ],
)
def test_the_published_folds_of_ravdess_are_those_of_their_source(
    name: str, file: str, key: str
) -> None:
    if not (SHARED / file).exists():
        pytest.skip("the published lists of actors are not beside the checkout")
    published: dict[str, Any] = json.loads((SHARED / file).read_text(encoding="utf-8"))[key]
    _, (clips, _), rows = splits(name)
    assert subjects_in(rows, clips) == {
        int(fold): {f"{actor:02d}" for actor in actors} for fold, actors in published.items()
    }


def test_luna_jimenez_folds_are_those_of_the_publication() -> None:
    _, (clips, _), rows = splits("luna_jimenez_5fold")
    assert subjects_in(rows, clips)[4] == {"01", "04", "09", "22"}
    assert subjects_in(rows, clips, Role.VALID)[4] == subjects_in(rows, clips)[0]


def test_iemocap_sessions_and_speakers_are_tested_in_order() -> None:
    _, (clips, _), rows = splits("iemocap_session_5fold")
    assert subjects_in(rows, clips) == {n: {f"Ses0{n}F", f"Ses0{n}M"} for n in range(1, 6)}
    _, (clips, _), rows = splits("iemocap_speaker_10fold")
    assert subjects_in(rows, clips)[1] == {"Ses01F"}
    assert subjects_in(rows, clips, Role.VALID)[1] == {"Ses01M"}
    assert subjects_in(rows, clips)[10] == {"Ses05M"}
    for fold, speakers in subjects_in(rows, clips, Role.TRAIN).items():
        assert {speaker[:5] for speaker in speakers}.isdisjoint(
            {speaker[:5] for speaker in subjects_in(rows, clips)[fold]}
        )


def test_the_official_split_of_meld_is_the_one_in_its_ids() -> None:
    _, _, rows = splits("meld_official")
    assert {(row.clip_id.split("/")[1], row.role) for row in rows} == {
        ("train", "train"),
        ("dev", "valid"),
        ("test", "test"),
    }
    with pytest.raises(SplitError, match="there are none of dev, test; add them"):
        SCHEMES["meld_official"](meld()[0][:3], [])


def test_a_published_split_of_other_subjects_is_refused() -> None:
    clips, labels = ravdess()
    few = [clip for clip in clips if clip.subject_id != "ravdess/18"]
    with pytest.raises(
        SplitError,
        match=r"luna_jimenez_5fold lists 24 subjects, .* 1 are missing, such as ravdess/18; "
        r".* use subject_kfold",
    ):
        SCHEMES["luna_jimenez_5fold"](few, labels)
    with pytest.raises(
        SplitError,
        match="is a split of ravdess and the clips are of iemocap; choose another scheme",
    ):
        SCHEMES["luna_jimenez_5fold"](*iemocap())


def test_a_published_split_takes_the_clips_of_its_corpus_alone() -> None:
    both = [*ravdess()[0], *iemocap()[0]]
    assert SCHEMES["emobox_6fold"](both, []) == SCHEMES["emobox_6fold"](*ravdess())


def test_named_subjects_are_tested_and_a_validation_is_drawn() -> None:
    scheme, (clips, labels), rows = splits("holdout")
    assert subjects_in(rows, clips) == {0: {"03", "24"}}
    assert len(subjects_in(rows, clips, Role.VALID)[0]) == 2
    rows = scheme(clips, labels, test=["23", "24"], valid=["21", "22"])
    assert subjects_in(rows, clips, Role.VALID) == {0: {"21", "22"}}
    assert len(subjects_in(rows, clips, Role.TRAIN)[0]) == 20


def test_names_that_mean_no_subject_or_half_a_session_are_refused() -> None:
    holdout = SCHEMES["holdout"]
    with pytest.raises(SplitError, match="none is named; add --test with their ids"):
        holdout(*ravdess())
    with pytest.raises(
        SplitError,
        match="25 is none of the 24 subjects of the clips; name subjects by their ids, such as "
        "ravdess/01",
    ):
        holdout(*ravdess(), test=["25"])
    with pytest.raises(SplitError, match="iemocap/Ses01M cannot be parted from iemocap/Ses01F"):
        holdout(*iemocap(), test=["Ses01F"])
    with pytest.raises(SplitError, match="ravdess/24 is named for the test and for the validation"):
        holdout(*ravdess(), test=["24"], valid=["24"])
    two = [*ravdess()[0], *corpus("other", ["24"])[0]]
    with pytest.raises(
        SplitError,
        match=r"24 is one of several subjects \(other/24, ravdess/24\)"
        r"|24 is one of several subjects",
    ):
        holdout(two, [], test=["24"])
    with pytest.raises(SplitError, match="24 groups and 24 are held out; leave some"):
        holdout(*ravdess(), test=[f"{actor:02d}" for actor in range(1, 25)])


def test_options_that_a_scheme_does_not_heed_are_refused() -> None:
    with pytest.raises(
        SplitError, match="emobox_6fold chooses its subjects itself; leave out the test subjects"
    ):
        SCHEMES["emobox_6fold"](*ravdess(), test=["01"])
    with pytest.raises(SplitError, match="4 folds were asked for; holdout has its own number"):
        SCHEMES["holdout"](*ravdess(), folds=4, test=["01"])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cremad_56_18_17", (56, 18, 17)),
        ("cremad_63_9_19", (63, 9, 19)),
        ("tcs2026_15_5_4", (15, 5, 4)),
    ],
)
def test_shapes_have_their_numbers_of_subjects_and_both_sexes_on_each_side(
    name: str, sizes: tuple[int, int, int]
) -> None:
    scheme, (clips, labels), rows = splits(name)
    sides = [subjects_in(rows, clips, role)[0] for role in (Role.TRAIN, Role.VALID, Role.TEST)]
    assert tuple(map(len, sides)) == sizes
    for subjects in sides:
        assert abs(sum(int(subject) % 2 for subject in subjects) / len(subjects) - 0.5) < 0.12
    assert scheme(clips, labels, seed=1) != rows
    with pytest.raises(SplitError, match=f"{name} deals {sum(sizes)} subjects"):
        scheme(clips[10:], labels)


def test_the_shapes_of_tfds_come_to_its_counts_of_clips() -> None:
    """91 speakers of 82 clips are 7,462, of which 24 are missing: only 63 / 9 / 19 speakers give
    its counts."""
    for clips, speakers in ((5144, 63), (738, 9), (1556, 19)):
        assert speakers - 1 < clips / 82 <= speakers


@pytest.mark.parametrize("name", sorted(name for name in SCHEMES if name.endswith("_leaking")))
def test_a_random_split_has_the_share_that_it_names_and_no_validation(name: str) -> None:
    scheme, (clips, labels), rows = splits(name)
    share = 0.15 if "85_15" in name else 0.2
    assert Counter(row.role for row in rows)[Role.TEST] == round(len(clips) * share)
    assert {row.role for row in rows} == {Role.TRAIN, Role.TEST}
    assert scheme(clips, labels, seed=1) != rows


def test_frames_at_random_put_every_clip_on_both_sides_and_each_class_by_its_share() -> None:
    frames = {f"c/{n:02d}": 20 + n for n in range(30)}
    labels = {clip: EMOTIONS[at % 3] for at, clip in enumerate(frames)}
    drawn = frames_at_random(frames, labels, 0.2, seed=0)
    assert {clip: len(mask) for clip, mask in drawn.items()} == frames
    assert sum(bool(mask.any() and not mask.all()) for mask in drawn.values()) >= 28
    for label in EMOTIONS:
        mask = np.concatenate([drawn[clip] for clip in frames if labels[clip] == label])
        assert mask.sum() == round(len(mask) * 0.2)
    assert all(
        (drawn[clip] == again).all()
        for clip, again in frames_at_random(frames, labels, 0.2, seed=0).items()
    )
    with pytest.raises(SplitError, match="1 clips have no class, such as c/00"):
        frames_at_random(
            frames, {clip: label for clip, label in labels.items() if clip != "c/00"}, 0.2, seed=0
        )


def test_folds_of_the_real_crema_d_lack_no_class_and_no_sex_and_are_near_the_bound() -> None:
    if not SHARED.exists():
        pytest.skip("the tables of CREMA-D are not beside the checkout")
    with (SHARED / "cremad" / "VideoDemographics.csv").open(encoding="utf-8") as file:
        sex_of = {row["ActorID"]: row["Sex"].lower() for row in csv.DictReader(file)}
    with (SHARED / "cremad" / "SentenceFilenames.csv").open(encoding="utf-8") as file:
        names = [row["Filename"] for row in csv.DictReader(file)]
    clips, labels = [], []
    for name in names:
        actor, _, emotion, _ = name.split("_")
        clips.append(
            Clip(
                f"cremad/{name}",
                "cremad",
                f"cremad/{actor}",
                f"cremad/{actor}",
                f"cremad/{name}",
                sex_of[actor],
                "",
                "",
                0,
            )
        )
        labels.append(Label(f"cremad/{name}", "cremad6", "intended", emotion))
    rows = SCHEMES["subject_kfold"](clips, labels)
    balance = weigh(rows, clips, labels)
    assert len(clips) == 7442
    assert empty_classes(rows, clips, labels) == []
    assert balance is not None
    assert balance.gap < 0.12
    subjects = [len(tested) for tested in subjects_in(rows, clips).values()]
    assert sorted(subjects) == [18, 18, 18, 18, 19]


def test_a_store_takes_a_holdout_and_says_what_it_was_made_with(store: Path) -> None:
    from flows.splitting.run import run_split
    from stores import FeatureStore

    subjects = sorted(set(FeatureStore(store).clips()["subject_id"]))
    left = store / "tables" / ".folds-0.parquet.1-0badcafe.tmp"
    left.touch()
    snapshot = run_split(store, "holdout", None, 0, (subjects[0],), (subjects[1],))
    assert not left.exists()
    assert snapshot.schemes["holdout"] == {
        "folds": None,
        "seed": 0,
        "test": [subjects[0]],
        "valid": [subjects[1]],
        "disjoint": True,
        "keeps": ["group_id", "subject_id", "take_id"],
        "imbalance": None,
        "least_imbalance": None,
        "empty_classes": snapshot.schemes["holdout"]["empty_classes"],
    }
    rows = FeatureStore(store).folds()
    assert {
        group for group, role in zip(rows["group_id"], rows["role"], strict=True) if role == "test"
    } == {subjects[0]}


def test_a_store_takes_a_leaking_split_under_its_own_name_and_says_that_it_leaks(
    store: Path,
) -> None:
    from flows.splitting.run import run_split
    from flows.view.split import claims

    facts = run_split(store, "random_80_20_leaking", None, 0).schemes["random_80_20_leaking"]
    assert facts["disjoint"] is False
    assert any(
        sentence.startswith("This split leaks: of subject, group and take it keeps nothing")
        for sentence in claims("random_80_20_leaking", facts)
    )
    facts = run_split(store, "subject_kfold", 3, 0).schemes["subject_kfold"]
    assert 0 <= facts["least_imbalance"] <= facts["imbalance"]
    assert not any("leaks" in sentence for sentence in claims("subject_kfold", facts))


def test_a_store_refuses_a_scheme_that_claims_to_be_disjoint_and_is_not(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.splitting.run import run_split
    from stores import FeatureStore

    class Liar(Scheme):
        """Deals at random and claims to keep everything together."""

        def __call__(self, clips: Any, labels: Any, *options: Any) -> list[Fold]:
            return [
                replace(row, scheme="liar")
                for row in SCHEMES["random_80_20_leaking"](clips, labels)
            ]

    monkeypatch.setitem(
        SCHEMES, "liar", Liar("liar", SCHEMES["holdout"].assign, "Claims what it does not keep.")
    )
    with pytest.raises(
        LeakingSplit, match=r"fold 0 of liar has the group sample/[0-9]+ on two sides"
    ):
        run_split(store, "liar", None, 0)
    assert "liar" not in set(FeatureStore(store).folds()["scheme"])
