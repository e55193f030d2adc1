"""Names from outside: shown whole and visibly escaped wherever they are shown, and stored as they
are."""

import json
import logging
import os
import re
from pathlib import Path

import numpy as np
import pytest

from flows.building.commit import BuildResult
from flows.log import LOG
from flows.view.console import Grid, bold, coloured, say
from flows.view.draw import figure
from flows.view.markdown import escape, link
from flows.view.run_summary import build_page
from manifests.features import FeatureSpec
from manifests.quarantine import Quarantined
from manifests.tracks import Track
from manifests.visible import visible, visible_json
from stores import FeatureStore
from stores.location import locate
from stores.snapshot import load_snapshot
from tests.support.commands import Command, refusal
from tests.support.media_made import write

NAMES = {
    "clip [final]": "clip [final]",
    "[bold red]x[": "[bold red]x[",
    "a[/x": "a[/x",
    ":boom: {x} %s %n": ":boom: {x} %s %n",
    "\x1b[2Jcleared": "\\x1b[2Jcleared",
    "\x1b]0;title\x07": "\\x1b]0;title\\x07",
    "\u202egnp.exe": "\\u202egnp.exe",
    "isolate\u2066d\u2069": "isolate\\u2066d\\u2069",
    "wid\u200bth\ufeff": "wid\\u200bth\\ufeff",
    "line\nend\r\ttab": "line\\nend\\r\\ttab",
    "c1\x9b31m": "c1\\x9b31m",
    "\u2028\u2029\xa0": "\\u2028\\u2029\\xa0",
    "größer 日本語 😀": "größer 日本語 😀",
    "`code` *bold* _low_ <b>&amp; a|b": "`code` *bold* _low_ <b>&amp; a|b",
}
"""A name -> how it is shown."""


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_seen_is_written_out(name: str) -> None:
    assert visible(name) == NAMES[name]
    assert visible(name).isprintable()


def test_half_characters_are_written_out() -> None:
    assert visible(os.fsdecode(b"a\xff")) == "a\\udcff"


@pytest.mark.parametrize("name", [*NAMES, "\U000e0041", "\ud800"])
def test_json_keeps_its_values_and_its_lines(name: str) -> None:
    document = {"a": [name], name: 1}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    shown = visible_json(text)
    assert json.loads(shown) == json.loads(text) == document
    assert shown.replace("\n", "").isprintable()
    assert shown.count("\n") == text.count("\n")


# Each way out


def test_the_terminal_shows_every_name_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    for name in NAMES:
        say("a name: ", bold(name), coloured("red", name), name)
        rows = Grid("name", name)
        rows.add_row(name, coloured("red", name))
        rows.add_row(long, long)
        rows.say()
        text = capsys.readouterr().out
        assert text.replace("\n", "").isprintable()
        assert f"a name: {NAMES[name] * 3}" in text
        assert text.count(NAMES[name]) == 6
        assert text.count("x") >= 600
        assert "…" not in text


def test_the_log_shows_every_name_whole(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "affectstore"):
        for name in NAMES:
            LOG.warning("a clip: %s", name)
    assert [record.getMessage() for record in caplog.records] == [
        f"a clip: {shown}" for shown in NAMES.values()
    ]


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([\\`*\[\]<>|~&_])", r"\1", markdown)


@pytest.mark.parametrize("name", [*NAMES, "[x](javascript:y)", "<script>", "~~x~~", "a\\b"])
def test_markdown_shows_every_name_whole_and_takes_none_for_markup(name: str) -> None:
    cell = escape(name)
    assert unescaped(cell) == visible(name)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]<>|~&]", cell)
    assert cell.isprintable()
    assert escape("mfcc_resnet18") == "mfcc_resnet18"


def test_the_page_of_a_build_has_no_raw_name(built: Path) -> None:
    snapshot = load_snapshot(locate(built))
    rows = [Quarantined(name, "mfcc", "corrupt", f"a detail of {name}") for name in NAMES]
    result = BuildResult(snapshot, True, 1, False, 1, 1.0, {f".{name}": 1 for name in NAMES})
    page = build_page(locate("/data/\x1b[2J (1)"), result, rows, [])
    assert page.replace("\n", "").isprintable()
    for name in NAMES:
        assert f"| {escape(name)} | corrupt | a detail of {escape(name)} |" in page
    assert link("a]b", "/x y/(1)\x1b") == "[a\\]b](file:///x%20y/%281%29%1B)"


def test_a_drawing_has_no_raw_name_for_its_title() -> None:
    spec = FeatureSpec("mfcc", "float32", ("time", "d"), (2,), "a\x1b, b", 0.01, "f", "x", 1, "{}")
    track = Track(np.ones((1, 2)), np.zeros(1), np.ones(1, np.bool_))
    whole = figure("\u202eclip $x$", spec, track)
    assert whole.get_suptitle() == "\\u202eclip $x$   mfcc"
    assert whole.axes[0].get_ylabel() == "a\\x1b"


@pytest.mark.parametrize("name", ["\x1b[2J", "\u202ex", "a\nb", "\udcff", "[/x]"])
def test_an_error_shows_what_was_given_in_one_line(name: str, tmp_path: Path) -> None:
    for arguments in (
        ("show", tmp_path / name),
        ("build", tmp_path / "s", "--corpus", f"{name}={tmp_path}"),
        ("build", tmp_path / "s", "--corpus", f"folder={tmp_path / name}"),
        ("recipes", name),
        ("audit", f"{tmp_path / name}.csv"),
    ):
        sentence = refusal(*arguments)
        assert sentence.isprintable()
        assert visible(name) in sentence or visible(visible(name).encode().decode()) in sentence


# From the command line, end to end


@pytest.fixture(scope="module")
def of_odd_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose folders and files have such names, and a recipe for its sound."""
    root = tmp_path_factory.mktemp("odd")
    sound = write(root / "sound.wav", frames=0, audio_s=0.5, rate_hz=16000)
    for number, name in enumerate(NAMES):
        subject, label = f"s{number % 5} [/x]\x1b[2J", ("glad\u202e", "[bold]sad")[number % 2]
        path = root / "clips" / subject / label / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound.read_bytes())
    Path(os.fsdecode(os.fsencode(root / "clips") + b"/\xff.wav")).write_bytes(b"x")
    (root / "clips" / "bad\x1b[2J [").mkdir()
    (root / "clips" / "bad\x1b[2J [/y].wav").write_bytes(b"")
    (root / "sound.toml").write_text(
        'max_bad_fraction=1\n[features.audio]\nextractor="audio"\n'
        '[features.mfcc]\nextractor="mfcc"\n'
    )
    return root


def test_a_corpus_of_odd_names_is_built_shown_split_audited_and_drawn(
    command: Command, of_odd_names: Path, tmp_path: Path
) -> None:
    store, corpus = tmp_path / "st [/x] \x1b[2J", of_odd_names / "clips"

    def run(*arguments: object, code: int = 0) -> str:
        done = command(*arguments, environment={"COLUMNS": "300"})
        assert done.returncode == code, done.stdout + done.stderr
        text = done.stdout + done.stderr
        assert text.replace("\n", "").isprintable(), arguments
        return text

    recipe = of_odd_names / "sound.toml"
    built = run("build", store, "--corpus", f"folder={corpus}", "--recipe", recipe)
    for shown in ("st [/x] \\x1b[2J", "folder/bad\\x1b[2J [/y]", "folder/\\xff.wav"):
        assert shown in built.replace("\n", "")
    shown = run("show", store)
    assert "glad\\u202e" in shown
    assert "[bold]sad" in shown
    run("verify", store)
    folds = run("split", store, "leave_one_subject_out")
    assert "folder/s0 [/x]\\x1b[2J" in folds
    run("audit", store, code=run_audit_code(store))
    as_json = command("audit", store, "--json")
    assert as_json.stdout.replace("\n", "").isprintable()
    assert json.loads(as_json.stdout)["source"].endswith("st [/x] \x1b[2J")
    drawn = run("draw", store, "mfcc", tmp_path / "out [/x]\x1b", "--all")
    assert f"{len(NAMES)} PNG files in {visible(str(tmp_path / 'out [/x]'))}\\x1b" in drawn
    assert len(list((tmp_path / "out [/x]\x1b").rglob("*.png"))) == len(NAMES)
    ids = [*FeatureStore(store)["mfcc"]]
    assert len(ids) == len(NAMES)
    assert all(any(clip_id.endswith(f"/{name}") for clip_id in ids) for name in NAMES)


def run_audit_code(store: Path) -> int:
    """What an audit of the store ends with, as the rules have it."""
    from flows.auditing.run import run_audit

    report = run_audit([store])
    return 1 if report.failed else 3 if report.is_open else 0
