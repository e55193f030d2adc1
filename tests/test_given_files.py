"""Files and texts that a user gives: whatever they are, a command ends soon, in one sentence."""

import contextlib
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperArgument, TyperOption

from flows.__main__ import app, run
from flows.auditing.printed_counts import load_paper
from flows.recipe import RecipeError, load
from manifests.audit import WrongForeignTable, WrongPaper, read_foreign
from manifests.corpora.catalog import CORPORA
from manifests.given_files import WrongText, check_file, parse_json, parse_toml, read_file
from tests.support.commands import refusal
from tests.support.media_made import write

DIGITS = "9" * 5000
SUFFIXES = ("csv", "jsonl", "parquet", "toml")


@pytest.fixture(autouse=True)
def ends_soon() -> Iterator[None]:
    """What waits for a pipe or reads a device would do so for ever."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError("the command has not ended")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def hostile_file(folder: Path, kind: str, suffix: str) -> Path:
    """A file that is none, or that no reader should meet unprepared."""
    path = folder / f"{kind}.{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind == "deep":
        path.write_text(("x = " if suffix == "toml" else "") + "[" * 50_000)
    elif kind == "digits":
        path.write_text(f"x = {DIGITS}" if suffix == "toml" else f'{{"clip": {DIGITS}}}')
    elif kind == "wide":
        path.write_text('"' + "x" * 200_000 + '\n"')
    else:
        path.write_bytes(b"\0\xff" * 500)
    return path


KINDS = ("pipe", "device", "folder", "sparse", "deep", "digits", "wide", "bytes")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_file_of_a_user_keeps_a_command_waiting_or_ends_in_a_traceback(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    path = hostile_file(tmp_path, kind, suffix)
    (tmp_path / "clips").mkdir()
    if suffix == "toml":
        with pytest.raises(RecipeError, match=f"{kind}.toml"):
            load(str(path))
        with pytest.raises(WrongPaper, match=f"{kind}.toml"):
            load_paper(path)
    else:
        with pytest.raises(WrongForeignTable, match=f"{kind}.{suffix}"):
            read_foreign(path)
    refusal("audit", path)
    if kind != "folder":  # which may be a clone with pointers
        refusal("check", tmp_path / "clips", "--hashes", path)
    refusal("build", tmp_path / "s", "--corpus", f"folder={tmp_path / 'clips'}", "--recipe", path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_of_a_corpus_are_plain_files(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "clip.wav", frames=0, audio_s=0.1, rate_hz=16000)
    hostile_file(tmp_path, kind, "csv").rename(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match=r"labels\.csv"):
        CORPORA["folder"].scan(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("media.max_duration_s=inf", "not finite"),
        ("media.timeout_s=nan", "not finite"),
        ("media.timeout_s=1e300", "less than or equal to 1000000"),
        ("media.max_pixels=1e24", "media.max_pixels is 1e"),
        (f"media.max_pixels={10**24}", "too large"),
        (f"media.max_pixels={DIGITS}", "too long"),
        ("features.mfcc.n_mfcc=" + "[" * 5000, "nested"),
        ("features.mfcc.n_mfcc=" + "[" * 100 + "]" * 100, "nested"),
        ("features.mfcc.extractor=[]", "there is no extractor"),
        ("features.mfcc.hop_s=1e308", "too large or too small"),
        ("clips_per_shard=0x" + "f" * 40, "too large"),
        ("variants." + "1" * 5000 + "=1", "not the number of a variant"),
    ],
)
def test_numbers_that_no_computer_has_are_one_sentence(
    tmp_path: Path, change: str, words: str
) -> None:
    arguments = ("build", tmp_path / "s", "--corpus", f"folder={tmp_path}", "--recipe", "demo")
    assert words in refusal(*arguments, "--set", change)


def test_plain_values_are_read_and_others_are_refused() -> None:
    assert parse_toml("a = [1, 2.5, {b = 'c'}]") == {"a": [1, 2.5, {"b": "c"}]}
    assert parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    for text in ("NaN", "[" * 65 + "]" * 65, str(1 << 63), DIGITS, "[" * 100_000, "", "{", b"\xff"):
        with pytest.raises(WrongText):
            parse_json(text)
    for text in ("a = nan", "a = " + "[" * 65 + "]" * 65, f"a = {1 << 63}", f"a = {DIGITS}", "a"):
        with pytest.raises(WrongText):
            parse_toml(text)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"12345")
    assert read_file(tmp_path / "some", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, at most 4 are read"):
        read_file(tmp_path / "some", 4)
    with pytest.raises(OSError, match="it has 5 bytes, at most 4 are read"):
        check_file(tmp_path / "some", 4)


# Every option of every command

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
VALUES = (
    "",
    " ",
    "=",
    "a" * 5000,
    "[/x]",
    "\x1b[2J",
    "\u202eabc",
    "\udcff",
    "-1",
    "inf",
    "1e24",
    DIGITS,
    "9" * 30,
    "[" * 5000,
    "/dev/null",
    "PIPE",
    "s3://b ad/x",
    "file:///etc",
    "features.mfcc.n_mfcc=" + "[" * 5000,
    "folder=PIPE",
    "local:" + "9" * 30,
    "tcp://127.0.0.1:99999999",
)


def sound(store: Path, empty: Path) -> dict[str, list[str]]:
    """Arguments of each command that end at once: what is built or served lacks its clips."""
    corpus = ["--corpus", f"folder={empty}"]
    return {
        "recipes": ["demo"],
        "list": ["rules"],
        "explain": ["L7"],
        "build": [str(empty / "s"), *corpus, "--recipe", "demo"],
        "serve": ["demo", "--store", str(empty / "s"), *corpus, "--cron", "0 3 * * *"],
        "split": [str(store), "no_scheme"],
        "fit": [str(store), "no_scheme"],
        "show": [str(store)],
        "draw": [str(store), "no_feature", str(empty / "out")],
        "report": [str(empty / "s")],
        "verify": [str(empty / "s")],
        "export": [str(store), str(empty), "--to", "csv"],
        "forget": [str(store), "--subject", "nobody", "--dry-run"],
        "gc": [str(empty / "s")],
        "check": [str(empty), "--hashes", str(empty / "none.csv")],
        "audit": [str(empty / "none.csv")],
        "survey": [str(empty / "none.toml")],
    }


MAKES_A_CORPUS = {"demo", "sample"}
"""Commands that make something of every value that they take."""


def changed(arguments: list[str], command: Any, value: str) -> Iterator[list[str]]:
    """The arguments with a value in place of each of them, and for each option."""
    places = sum(isinstance(one, TyperArgument) for one in command.params)
    for place in range(min(places, len(arguments))):
        yield [*arguments[:place], value, *arguments[place + 1 :]]
    for option in command.params:
        if not isinstance(option, TyperOption) or option.is_flag or option.name == "help":
            continue
        name = option.opts[0]
        if name in arguments:
            at = arguments.index(name)
            yield [*arguments[: at + 1], value, *arguments[at + 2 :]]
        else:
            yield [*arguments, name, value]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - MAKES_A_CORPUS))
def test_every_option_of_a_command_takes_or_refuses_every_value(
    name: str, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    arguments = sound(store, tmp_path / "empty")[name]
    for value in VALUES:
        given = value.replace("PIPE", str(tmp_path / "pipe"))
        for changes in changed(arguments, COMMANDS[name], given):
            code, words = outcome([name, *changes])
            assert code in (0, 1, 2, 3), changes
            assert code != 2 or words.strip(), changes


def outcome(arguments: list[str]) -> tuple[Any, str]:
    """The exit code of a command, and what it says on stderr; anything raised is the test's."""
    words = io.StringIO()
    with contextlib.redirect_stderr(words), contextlib.redirect_stdout(io.StringIO()):
        try:
            run(arguments)
        except SystemExit as ended:
            return ended.code or 0, words.getvalue()
    return 0, words.getvalue()
