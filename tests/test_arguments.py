"""What is wrong with a command's arguments is said before anything is started: no server is asked,
and no line tells of a run that never began."""

from pathlib import Path

import pytest

import flows.recording
from tests.support.commands import refusal

NOBODY = "http://127.0.0.1:9/api"
"""Where no server answers."""


@pytest.fixture
def asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prefect server is configured, and whoever asks it is told that it cannot be reached."""
    # Prefect reads its settings once a process.
    monkeypatch.setattr("flows.recording.server_url", lambda: NOBODY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["split", "STORE", "subject_kfold", "--folds", "1"], "1 folds were asked for; at least 3"),
        (["split", "STORE", "subject_kfolds"], "did you mean subject_kfold?"),
        (["split", "STORE", "holdout"], "none is named; add --test"),
        (["split", "STORE", "emobox_6fold", "--folds", "4"], "has its own number"),
        (["split", "NOTHING", "subject_kfold"], "affectstore build"),
        (["fit", "STORE", "no_scheme"], "no [fitted.NAME] table"),
        (["fit", "NOTHING", "subject_kfold"], "affectstore build"),
        (["audit", "NOTHING"], "does not exist"),
        (["audit", "STORE", "--corpus", "meld"], "which knows its corpora"),
        (["audit", "STORE", "--scheme", "x"], "no folds of the scheme 'x'; it has none"),
        (["audit", "STORE"], "has no folds to audit; make some with"),
        (["audit", "x.csv", "--column", "clp=3"], "did you mean clip?"),
        (["audit", "x.csv", "--subject", "("], "no regular expression"),
        (["audit", "x.csv", "--probe"], "is no store; a probe trains on cached features"),
        (["build", "S", "--corpus", "sample=NOTHING", "--recipe", "demo"], "does not exist"),
        (["build", "S", "--corpus", "sample=x", "--set", "features.mfc.n_mfcc=2"], "did you mean"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_told_before_a_server_is_asked(
    asks_nobody: None, built: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    places = {"STORE": str(built), "NOTHING": str(tmp_path / "nothing"), "S": str(tmp_path / "s")}
    given = [places.get(one, one.replace("NOTHING", places["NOTHING"])) for one in arguments]
    assert words in refusal(*given)


def test_right_arguments_are_taken_to_the_server(asks_nobody: None, store: Path) -> None:
    assert NOBODY in refusal("split", store, "subject_kfold", "--folds", "3")


def test_a_refusal_says_nothing_of_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flows.recording._say_how_to_record.cache_clear()  # it is said once a process
    refusal("audit", tmp_path / "nothing")
    assert "recorded" not in capfd.readouterr().err
