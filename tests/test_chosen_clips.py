"""Chosen clips: of a listing before any file is opened, and of a store by split, fit, dataset."""

from pathlib import Path

import pytest

from flows.auditing.run import run_audit
from flows.auditing.store import committed_listing
from flows.building.choosing import choose_by_name, narrowed
from flows.building.clip_table import list_clips
from flows.errors import BuildError
from flows.fitting.run import run_fit
from flows.fitting.task import FitError
from flows.recipe import load
from flows.splitting.run import run_split
from flows.view.split import claims
from flows.view.store import chosen_text
from manifests.audit import NothingToAudit
from manifests.choice import Choice, WrongChoice
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from stores import FeatureDataset, FeatureStore
from stores.choosing import split_choice
from stores.location import locate
from stores.snapshot import load_snapshot
from stores.verify import verify
from tests.support.fitted_made import fit, make, training
from tests.support.stores_made import commit, make_store, tables_in


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened")
    return root


def listed(root: Path, corpus: str = "ravdess") -> list[Found]:
    return list_clips({corpus: root})


def paths(found: list[Found]) -> list[str]:
    return sorted(one.clip.path for one in found)


SPOKEN = ("01-01-03-01-01-01-01.mp4", "01-01-03-01-01-01-02.mp4")
OTHERS = ("02-01-03-01-01-01-01.mp4", "03-01-03-01-01-01-01.wav", "01-02-03-01-01-01-01.mp4")
SPEECH_AV = Choice.of(("modality=full-AV", "channel=speech"))


def test_a_listing_is_narrowed_by_what_names_say(tmp_path: Path) -> None:
    root = touch(tmp_path, *SPOKEN, *OTHERS)
    chosen, lying = choose_by_name(listed(root), SPEECH_AV)
    assert paths(chosen) == [*SPOKEN]
    assert (lying.clips, lying.unknown_names) == ({"ravdess": 5}, 0)
    everything, nothing = choose_by_name(listed(root), Choice())
    assert (len(everything), nothing.clips) == (5, {})


def test_a_file_whose_name_breaks_the_rule_is_left_out_and_counted(tmp_path: Path) -> None:
    root = touch(tmp_path, *SPOKEN, "nonsense.mp4", "01-09-03-01-01-01-01.mp4")
    chosen, lying = choose_by_name(listed(root), Choice.of("modality=full-AV"))
    assert paths(chosen) == [*SPOKEN]
    assert (lying.clips, lying.unknown_names) == ({"ravdess": 4}, 2)
    by_header, lying = choose_by_name(listed(root), Choice.of("duration=1.."))
    assert (paths(by_header), lying.unknown_names) == ([*SPOKEN], 2)


@pytest.mark.parametrize(
    ("corpus", "first", "second", "other"),
    [
        ("ravdess", SPOKEN[0], f"again/{SPOKEN[0]}", OTHERS[2]),
        ("cremad", "1001_DFA_ANG_XX.flv", "again/1001_DFA_ANG_XX.flv", "1001_DFA_ANG_XX.mp3"),
    ],
)
def test_a_refused_file_is_chosen_by_what_its_name_says(
    tmp_path: Path, corpus: str, first: str, second: str, other: str
) -> None:
    root = touch(tmp_path, first, second, other, f"again/{other}")
    gone = first.replace("03-01-01", "04-01-01").replace("DFA", "TIE")
    (root / gone).symlink_to("nowhere.mp4")
    where = SPEECH_AV.texts[-2:] if corpus == "ravdess" else ("modality=full-AV",)
    chosen, _ = choose_by_name(listed(root, corpus), Choice.of(where))
    bad = {one.clip.path: one.bad.reason for one in chosen if one.bad}
    assert bad == {second: Reason.DUPLICATE, gone: Reason.UNREADABLE}
    assert paths(chosen) == sorted([first, second, gone])


def test_of_a_corpus_whose_files_are_refused_unnamed_none_is_lost(tmp_path: Path) -> None:
    root = touch(tmp_path, "DC_a01.wav", "again/DC_a01.wav", "KL_a01.wav", "nonsense.wav")
    chosen, _ = choose_by_name(listed(root, "savee"), Choice.of("subject=DC"))
    assert paths(chosen) == ["DC_a01.wav", "again/DC_a01.wav"]


def test_the_renderings_of_a_take_are_told_apart(tmp_path: Path) -> None:
    stem = "1001_DFA_ANG_XX"
    root = touch(
        tmp_path, *(f"{one}/{stem}.{one[-3:].lower()}" for one in ("AudioMP3", "AudioWAV"))
    )
    touch(root, f"VideoFlash/{stem}.flv")
    for where, expected in (
        ("modality=full-AV", {"flv"}),
        ("modality=audio-only", {"mp3", "wav"}),
        ("rendering=wav", {"wav"}),
        ("rendering!=wav", {"flv", "mp3"}),
    ):
        chosen, _ = choose_by_name(listed(root, "cremad"), Choice.of(where))
        assert {one.clip.path.rpartition(".")[2] for one in chosen} == expected


def test_a_corpus_of_which_nothing_is_chosen_is_not_lost_by_accident(tmp_path: Path) -> None:
    ravdess, folder = touch(tmp_path / "r", *SPOKEN), touch(tmp_path / "f", "clip.wav")
    both = list_clips({"ravdess": ravdess, "folder": folder})
    with pytest.raises(
        BuildError, match=r"no clip of folder is chosen by modality full-AV; .* say"
    ):
        choose_by_name(both, Choice.of("modality=full-AV"))
    chosen, _ = choose_by_name(both, Choice.of(("modality=full-AV", "corpus=ravdess")))
    assert paths(chosen) == [*SPOKEN]


def test_a_command_narrows_the_choice_of_its_recipe(tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    table = '[clips]\nchannel = "speech"\n[features.audio]\nextractor = "audio"\n'
    file.write_text(table + '[features.mfcc]\nextractor = "mfcc"\n')
    both = narrowed(load(str(file)), ["modality=full-AV"])
    assert both.resolved()["clips"] == ["channel=speech", "modality=full-AV"]
    assert narrowed(load(str(file)), []).resolved() == load(str(file)).resolved()


# Of a store


def test_a_snapshot_says_what_its_clips_were_chosen_of(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    assert snapshot.listed == {}
    recipe = {**snapshot.recipe, "clips": ["modality=full-AV"]}
    tables = tables_in(tmp_path, snapshot)
    chosen = commit(tmp_path, snapshot.features, tables, recipe=recipe, listed={"made": 7356})
    assert chosen.listed == {"made": 7356}
    assert chosen_text(chosen, {"made": 7}) == "chosen: 7 of 7,356 clips (modality full-AV)"
    several = commit(
        tmp_path, snapshot.features, tables, recipe=recipe, listed={"a": 1000, "made": 10}
    )
    assert chosen_text(several, {"made": 7, "a": 0}).endswith(": 0 of 1,000 of a, 7 of 10 of made")
    assert run_split(tmp_path, "subject_kfold", 3).listed == several.listed
    assert commit(tmp_path, snapshot.features, tables, listed={}).listed == {}


def test_a_dataset_has_the_chosen_clips_alone(tmp_path: Path) -> None:
    make_store(tmp_path)

    def ids(where: object, **how: object) -> tuple[str, ...]:
        plain = {"features": ["mfcc"], "labels": "made3", "missing": "drop"}
        return FeatureDataset(tmp_path, **{**plain, **how}, where=where).clip_ids  # type: ignore[arg-type]

    fold = {"scheme": "thirds", "fold": 0, "role": "train"}
    assert ids({"made3": "calm"}) == ("made/01", "made/04")
    assert ids({"made3": ["calm", "happy"]}, **fold) == ("made/01", "made/02", "made/04", "made/05")
    assert ids(["subject=s1", "clip!=04"], **fold) == ("made/01",)
    assert ids(None) == ids(()) == tuple(f"made/{number:02d}" for number in range(7))
    with pytest.raises(WrongChoice, match="none of these 4 clips is chosen by made3 angry, which"):
        ids({"made3": "angry"}, **fold)
    with pytest.raises(ValueError, match="no clip has the made3 'clam'; did you mean calm"):
        ids({"made3": "clam"})


def test_a_split_assigns_the_chosen_clips_and_the_snapshot_says_so(tmp_path: Path) -> None:
    make(tmp_path)
    snapshot = run_split(tmp_path, "subject_kfold", 3, where=("made3!=calm",))
    rows = [row for row in FeatureStore(tmp_path).folds().itertuples() if row.scheme != "quarters"]
    assert {row.clip_id for row in rows} == {f"made/{n:02d}" for n in range(12) if n % 3 != 1} - {
        "made/05"
    }
    assert split_choice(snapshot, "subject_kfold").texts == ("made3!=calm",)
    assert any(
        "made3 not calm alone" in line
        for line in claims("subject_kfold", snapshot.schemes["subject_kfold"])
    )
    again = run_split(tmp_path, "subject_kfold", 3)
    assert not split_choice(again, "subject_kfold")
    assert "where" not in again.schemes["subject_kfold"]  # type: ignore[operator]
    with pytest.raises(WrongChoice, match="no clip has the made3 'x'"):
        run_split(tmp_path, "subject_kfold", 3, where=("made3=x",))


def test_an_audit_judges_the_folds_of_the_chosen_clips(tmp_path: Path) -> None:
    make(tmp_path)
    run_split(tmp_path, "random_80_20_leaking")
    whole = committed_listing(locate(tmp_path), "random_80_20_leaking")
    part = committed_listing(locate(tmp_path), "random_80_20_leaking", Choice.of("subject=s0"))
    assert (len(whole.folds[0].rows), len(part.folds[0].rows)) == (11, 3)
    report = run_audit([tmp_path], scheme="quarters", where=("made3=calm,happy",))
    assert report.notes[-1] == "judged are the clips with made3 calm or happy"
    run_split(tmp_path, "holdout", test=("s0",), where=("made3=angry,calm",))
    keep_folds(tmp_path, "holdout")
    with pytest.raises(NothingToAudit, match=r"no fold of .* has a clip with made3 happy; change"):
        run_audit([tmp_path], where=("made3=happy",))


def keep_folds(root: Path, scheme: str) -> None:
    """Leaves the store with the folds of one scheme."""
    snapshot = load_snapshot(locate(root))
    tables = tables_in(root, snapshot)
    folds = tables["folds"]
    kept = folds.filter([name == scheme for name in folds.column("scheme").to_pylist()])
    commit(root, snapshot.features, {**tables, "folds": kept}, schemes=snapshot.schemes)


def test_lists_of_others_have_no_columns_to_choose_by(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("clip,side\n01-01-03-01-01-01-01,train\n")
    for source in (tmp_path / "split.csv", Path("satvik2025")):
        with pytest.raises(NothingToAudit, match=r"--where chooses clips of a store .* is none;"):
            run_audit([source], where=("sex=male",))


def test_a_fit_learns_from_the_chosen_training_clips_and_says_so(tmp_path: Path) -> None:
    make(tmp_path)
    whole = fit(tmp_path).fitted["z"].states
    chosen = fit(tmp_path, choice=Choice.of("made3!=calm"))
    states = chosen.fitted["z"].states
    assert (chosen.already_fitted, len(states)) == (0, 4)
    assert [one.where for one in whole] == [None] * 4
    assert [one.where for one in states] == [("made3!=calm",)] * 4
    assert not {one.file for one in states} & {one.file for one in whole}
    for one in states:
        wanted = [c for c in training(one.fold) if int(c[5:]) % 3 != 1 and c != "made/05"]
        assert one.clips == len(wanted)
    store = FeatureStore(tmp_path)
    assert store.fitted("z", "quarters", 0)["made/01"].values.shape[1] == 6
    assert verify(tmp_path).problems == []
    findings = run_audit([tmp_path]).findings
    assert [one for one in findings if one.rule == "L10" and one.severity == "error"] == []
    assert not fit(tmp_path, choice=Choice.of("made3!=calm")).pending
    back = fit(tmp_path).fitted["z"].states
    assert [one.file for one in back] == [one.file for one in whole]


def test_a_split_keeps_states_of_chosen_clips_that_a_fit_would_find_again(tmp_path: Path) -> None:
    make(tmp_path)
    before = fit(tmp_path, choice=Choice.of("made3!=calm")).fitted
    after = run_split(tmp_path, "leave_one_subject_out").fitted
    assert {name: entry.states for name, entry in after.items()} == {
        name: entry.states for name, entry in before.items()
    }


def test_a_fit_with_nothing_left_to_learn_from_says_why(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(WrongChoice, match="no clip has the made3 'x'; there are angry, calm"):
        run_fit(tmp_path, "quarters", where=("made3=x",))
    with pytest.raises(FitError, match="no training clip with subject s0; change --where"):
        fit(tmp_path, choice=Choice.of("subject=s0"))
