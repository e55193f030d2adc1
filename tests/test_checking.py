"""Downloaded files against published hashes: what is sound, a stub, changed or missing is said
apart, by the command too."""

import csv
import gzip
import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.auditing.downloads import (
    CheckedFiles,
    NothingToCheck,
    check_files,
    list_files,
    run_check,
)
from flows.view.downloads import print_checked
from manifests.corpora.published_files import read_manifest
from tests.support.commands import refusal

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata"
CONTENT = {f"clip{number}.wav": b"sound" * (300 + number) for number in range(5)}


def pointer(name: str) -> bytes:
    data = CONTENT[name]
    return (
        "version https://git-lfs.github.com/spec/v1\noid "
        f"sha256:{hashlib.sha256(data).hexdigest()}\nsize {len(data)}\n"
    ).encode()


@pytest.fixture
def hashes(tmp_path: Path) -> Path:
    path = tmp_path / "hashes.csv"
    lines = [
        f"AudioWAV/{name},{hashlib.sha256(data).hexdigest()},{len(data)}"
        for name, data in CONTENT.items()
    ]
    path.write_text(
        "\n".join(["path,sha256,bytes", *lines, f"VideoFlash/clip0.flv,{'0' * 64},9"]) + "\n"
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus" / "AudioWAV"
    folder.mkdir(parents=True)
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder.parent


def run(folder: Path, hashes: Path) -> CheckedFiles:
    manifest = read_manifest(hashes)
    return check_files(folder, *list_files(folder, manifest), manifest)


def test_files_as_published_are_sound(folder: Path, hashes: Path) -> None:
    found = run(folder, hashes)
    assert found == CheckedFiles(sound=5, stubs=(), wrong=(), missing=(), unlisted=0)
    assert not found.failed


def test_stubs_changed_cut_and_unreadable_files_are_distinguished(
    folder: Path, hashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav = folder / "AudioWAV"
    (wav / "clip0.wav").write_bytes(pointer("clip0.wav"))
    (wav / "clip1.wav").write_bytes(CONTENT["clip1.wav"][:-1] + b"X")
    (wav / "clip2.wav").write_bytes(CONTENT["clip2.wav"][:-1])
    (wav / "clip3.wav").unlink()
    (wav / "notes.txt").write_text("mine")
    found = run(folder, hashes)
    assert (found.sound, found.unlisted, found.missing, found.failed) == (
        1,
        1,
        ("clip3.wav",),
        True,
    )
    (stub,) = found.stubs
    assert stub.startswith(
        "AudioWAV/clip0.wav is a git-lfs stub of 129 bytes that stands for a file of 1500; "
    )
    assert [
        "clip1.wav has the published size and the sha256" in found.wrong[0],
        "clip2.wav has 1509 bytes" in found.wrong[1],
    ] == [True] * 2


def test_a_file_that_cannot_be_read_is_a_sentence(
    folder: Path, hashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("flows.auditing.downloads._digest", refuse)
    assert "AudioWAV/clip0.wav cannot be read (Permission denied)" in run(folder, hashes).wrong[0]


def test_a_part_of_a_corpus_is_no_fault_and_another_kind_of_file_not_missing(
    folder: Path, hashes: Path
) -> None:
    (folder / "AudioWAV" / "clip4.wav").unlink()
    found = run(folder, hashes)
    assert (found.missing, found.failed) == (("clip4.wav",), False)


def test_a_clone_of_stubs_serves_as_the_manifest_and_its_own_git_folder_is_let_be(
    folder: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in CONTENT:
        (clone / name).write_bytes(pointer(name))
    (folder / ".git").mkdir()
    (folder / ".git" / "clip0.wav").write_bytes(b"not it")
    assert run(folder, clone).sound == 5


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_nothing_to_check_is_one_sentence(place: str, hashes: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        NothingToCheck, match="no folder" if place == "nowhere" else "none of the 0 files"
    ):
        run(tmp_path / place, hashes)


def test_the_command_exits_as_promised(folder: Path, hashes: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(folder), "--hashes", str(hashes)])
    assert "5 files are as published, 0 are not, 0 are git-lfs stubs" in done.stdout
    assert done.exit_code == 0
    (folder / "AudioWAV" / "clip0.wav").write_bytes(pointer("clip0.wav"))
    done = CliRunner().invoke(app, ["check", str(folder), "--hashes", str(hashes)])
    assert "clip0.wav is a git-lfs stub" in done.stdout
    assert done.exit_code == 1
    assert "no folder" in refusal("check", tmp_path / "nowhere", "--hashes", hashes)
    assert "cannot be read" in refusal("check", folder, "--hashes", tmp_path / "nowhere.csv")


def test_many_faults_are_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    print_checked(CheckedFiles(1, (), tuple(f"clip{n}.wav is [wrong]" for n in range(30)), (), 0))
    said = capsys.readouterr().out
    assert "clip19.wav is [wrong]" in said
    assert "clip20.wav" not in said
    assert "and 10 more" in said


def test_the_published_hashes_of_cremad_name_its_files(tmp_path: Path) -> None:
    packed = METADATA / "cremad" / "media_sha256_bytes.csv.gz"
    if not packed.is_file():
        pytest.skip("the folder of published tables is not beside this checkout")
    hashes = tmp_path / "hashes.csv"
    hashes.write_bytes(gzip.decompress(packed.read_bytes()))
    with hashes.open(newline="") as file:
        first = next(row for row in csv.DictReader(file) if row["path"].endswith(".wav"))
    wav = tmp_path / "corpus" / first["path"]
    wav.parent.mkdir(parents=True)
    wav.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{first['sha256']}\nsize "
        f"{first['bytes']}\n"
    )
    found = run_check(tmp_path / "corpus", hashes)
    assert (found.sound, len(found.stubs), len(found.wrong), len(found.missing)) == (0, 1, 0, 7441)
