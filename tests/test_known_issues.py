"""The registry of known-bad files, and downloads against published hashes."""

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from flows.building.clip_table import list_clips
from flows.recipe import load
from manifests.corpora import meld
from manifests.corpora.base import Found
from manifests.corpora.catalog import CORPORA
from manifests.corpora.cremad import CREMAD
from manifests.corpora.known_issues import (
    KNOWN_ISSUES,
    Kind,
    UnknownIssue,
    apply_known_issues,
    known_issues,
    registry,
)
from manifests.corpora.published_csv import WrongPublishedTable
from manifests.corpora.published_files import Published, check_media, parse_pointer, read_manifest
from manifests.quarantine import BadClip, Reason

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata"
needs_metadata = pytest.mark.skipif(
    not METADATA.is_dir(), reason="the published tables are not beside the checkout"
)
SHA = "ab" * 32


def scan(root: Path, *names: str) -> list[Found]:
    for name in names:
        (root / name).touch()
    return CREMAD.scan(root)


def published() -> list[dict[str, str]]:
    with gzip.open(METADATA / "cremad" / "media_sha256_bytes.csv.gz", "rt") as text:
        return list(csv.DictReader(text))


def same_bytes(hashes: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The names that share a hash, each group and all groups sorted."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for name, digest in hashes:
        members[digest].add(name)
    return sorted(tuple(sorted(names)) for names in members.values() if len(names) > 1)


def reasons(found: list[Found]) -> dict[str, Reason]:
    return {one.clip.clip_id: one.bad.reason for one in found if one.bad}


def test_the_registry_is_a_valid_table_in_its_order_with_a_source_in_each_line() -> None:
    rows = [issue for issues in registry().values() for issue in issues]
    assert KNOWN_ISSUES.rows(KNOWN_ISSUES.build(rows)) == rows
    assert all(issue.source and issue.fact for issue in rows)
    assert {issue.kind for issue in rows} == set(Kind)
    assert {clip_id.partition("/")[0] for clip_id in registry()} <= CORPORA.keys()


def test_a_registered_clip_is_refused_with_its_source_and_the_rendering_that_is_sound_is_not(
    tmp_path: Path,
) -> None:
    found = apply_known_issues(
        scan(
            tmp_path,
            "1076_MTI_NEU_XX.flv",
            "1076_MTI_NEU_XX.mp3",
            "1076_MTI_NEU_XX.wav",
            "1001_DFA_ANG_XX.flv",
        )
    )
    assert reasons(found) == {
        "cremad/1076_MTI_NEU_XX": Reason.KNOWN_BAD,
        "cremad/1076_MTI_NEU_XX.mp3": Reason.KNOWN_BAD,
    }
    (bad,) = [one.bad for one in found if one.clip.clip_id == "cremad/1076_MTI_NEU_XX"]
    assert bad
    assert bad.clip_id == "cremad/1076_MTI_NEU_XX"
    assert "3 frames" in bad.detail
    assert "CheyneyComputerScience/CREMA-D@1658cd34 README.md" in bad.detail


def test_all_that_is_known_of_a_clip_stands_in_its_reason(tmp_path: Path) -> None:
    (found,) = apply_known_issues(scan(tmp_path, "1076_MTI_SAD_XX.mp3"))
    assert found.bad
    assert "holds no sound" in found.bad.detail
    assert "has the bytes of other takes" in found.bad.detail


def test_a_note_refuses_nothing(tmp_path: Path) -> None:
    found = scan(tmp_path, "1006_TIE_HAP_XX.wav", "1006_TIE_NEU_XX.wav", "1005_IWW_DIS_XX.flv")
    assert all(known_issues(one.clip.clip_id) for one in found)
    assert apply_known_issues(found) == found


@pytest.mark.parametrize(
    "ignore", [["cremad/1076_MTI_NEU_XX"], ["cremad"], {"cremad/1076_MTI_NEU_XX", "cremad"}]
)
def test_the_registry_can_be_overridden_by_clip_or_by_corpus(
    tmp_path: Path, ignore: list[str]
) -> None:
    found = scan(tmp_path, "1076_MTI_NEU_XX.flv", "1064_TIE_SAD_XX.flv")
    taken = {one.clip.clip_id for one in apply_known_issues(found, ignore) if not one.bad}
    assert taken == {"cremad/1076_MTI_NEU_XX"} | (
        {"cremad/1064_TIE_SAD_XX"} if "cremad" in ignore else set()
    )


@pytest.mark.parametrize(
    "name",
    [
        "cremad/1076_MTI_NEU",
        "cremad/1001_DFA_ANG_XX",
        "cremd",
        "ravdess",
        "cremad/1006_TIE_HAP_XX.wav",
    ],
)
def test_an_exception_from_what_is_not_refused_is_an_error(name: str) -> None:
    with pytest.raises(UnknownIssue, match=re.escape(repr(name))):
        apply_known_issues([], [name])


def test_a_clip_that_is_refused_already_keeps_its_reason(tmp_path: Path) -> None:
    (found,) = scan(tmp_path, "1076_MTI_NEU_XX.flv")
    bad = Found(found.clip, (), BadClip(found.clip.clip_id, Reason.FORBIDDEN, "a link"))
    assert apply_known_issues([bad]) == [bad]


def test_a_file_that_its_corpus_does_not_list_is_known_as_such(tmp_path: Path) -> None:
    header = (
        "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,"
        "EndTime"
    )
    (tmp_path / "dev_sent_emo.csv").write_text(
        f'{header}\nHi,Ross,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"\n'
    )
    for name in ("dia0_utt0.mp4", "dia49_utt4.mp4", "dia50_utt0.mp4"):
        (tmp_path / "dev_splits_complete" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "dev_splits_complete" / name).touch()
    folder = "meld/dev_splits_complete"
    found = apply_known_issues(meld.MELD.scan(tmp_path))
    assert reasons(found) == {
        f"{folder}/dia49_utt4.mp4": Reason.KNOWN_BAD,
        f"{folder}/dia50_utt0.mp4": Reason.UNKNOWN_NAME,
    }


def test_a_file_outside_the_naming_rule_is_never_taken_for_a_registered_one(tmp_path: Path) -> None:
    found = scan(tmp_path, "1076_MTI_NEU_XX.copy.flv")
    assert apply_known_issues(found) == found
    assert reasons(found) == {"cremad/1076_MTI_NEU_XX.copy.flv": Reason.UNKNOWN_NAME}


def test_known_bad_does_not_count_against_the_budget() -> None:
    assert not Reason.KNOWN_BAD.is_fault


def ids_of(row: dict[str, str]) -> list[str]:
    """What the registry should hold for a line of the published facts."""
    item, modality = row["item"], row["modality"]
    if row["dataset"] == "cremad":
        name = f"cremad/{item.rpartition('/')[2]}"
        return (
            [name]
            if "Audio" in modality
            else [name + {"flv": ""}.get(part, f".{part}") for part in modality.split("+")]
        )
    if row["kind"] == "extra_file":
        split, _, name = item.partition("/")
        return [f"meld/{meld.FOLDERS[split]}/{name}.mp4"]
    stem, _, split = item.partition("-")
    return [f"meld/{split}/{stem}" if split else f"meld/{item}"]


@needs_metadata
def test_every_published_fact_about_a_clip_is_in_the_registry_and_nothing_else() -> None:
    with (METADATA / "known_issues.csv").open(newline="") as text:
        facts = list(csv.DictReader(text))
    assert len(facts) == 267
    # The other two are of no clip: RAVDESS's actor who did not sing is in its naming rule, and
    # MELD's absent dialogue in its tables.
    about_clips = [row for row in facts if row["item"] not in ("Actor_18", "train/dia60")]
    assert len(about_clips) == 265
    wanted = Counter(clip_id for row in about_clips for clip_id in ids_of(row))
    found = {clip_id: len(issues) for clip_id, issues in registry().items()}
    others = {clip_id for clip_id in found if clip_id.startswith("enterface05/")}
    assert wanted == Counter({clip_id: found[clip_id] for clip_id in found.keys() - others})
    assert sum(wanted.values()) == 270


@needs_metadata
def test_what_is_missing_of_enterface_is_in_no_published_list() -> None:
    with (METADATA / "enterface05_1287.csv").open(newline="") as text:
        names = [row["path_without_extension"] for row in csv.DictReader(text)]
    clips = {
        identity.clip_id for name in names if (identity := CORPORA["enterface05"].identify(name))
    }
    sentences = {
        f"enterface05/s{subject}_{emotion}_{number}"
        for subject in range(1, 45)
        for emotion in ("an", "di", "fe", "ha", "sa", "su")
        for number in range(1, 6)
        if subject != 6  # whose clips are not cut
    }
    missing = {clip_id for clip_id in registry() if clip_id.startswith("enterface05/")}
    assert sentences - clips == missing


@needs_metadata
def test_short_sound_is_registered_with_the_published_seconds() -> None:
    with (METADATA / "known_issues.csv").open(newline="") as text:
        short = [row for row in csv.DictReader(text) if row["kind"] == "too_short"]
    assert len(short) == 186
    for row in short:
        (issue,) = [one for one in known_issues(ids_of(row)[0]) if one.kind == Kind.SHORT_AUDIO]
        assert issue.fact == f"{row['detail'].removeprefix('audio ')} of audio"


@needs_metadata
def test_the_registry_holds_what_the_published_hashes_show() -> None:
    groups = same_bytes(
        (f"cremad/{row['path'].partition('/')[2]}", row["sha256"]) for row in published()
    )
    kinds = {
        issue.clip_id: issue
        for issues in registry().values()
        for issue in issues
        if issue.fact.startswith("sha256")
    }
    assert {clip_id for group in groups for clip_id in group} == kinds.keys()
    for group in groups:
        for clip_id in group:
            others = {
                f"cremad/{name}"
                for name in kinds[clip_id].fact.partition("also of ")[2].partition(";")[0].split()
            }
            assert others == set(group) - {clip_id}
            assert kinds[clip_id].is_bad == (len({one[:15] for one in group}) > 1)


@needs_metadata
def test_the_published_hashes_show_three_contradicting_wav_pairs_and_27_mp3s() -> None:
    hashes = {row["path"].partition("/")[2]: row["sha256"] for row in published()}
    emotions = {name: name[9:12] for name in hashes}
    wavs = same_bytes((name, sha) for name, sha in hashes.items() if name.endswith(".wav"))
    assert all(emotions[first] != emotions[second] for first, second in wavs)
    assert wavs == [
        ("1006_TIE_HAP_XX.wav", "1006_TIE_NEU_XX.wav"),
        ("1013_WSI_DIS_XX.wav", "1013_WSI_SAD_XX.wav"),
        ("1017_IWW_ANG_XX.wav", "1017_IWW_FEA_XX.wav"),
    ]
    mp3s = {
        name
        for group in same_bytes(
            (name, sha) for name, sha in hashes.items() if name.endswith(".mp3")
        )
        for name in group
    }
    of_the_pairs = {name.replace(".wav", ".mp3") for pair in wavs for name in pair}
    assert len(mp3s) == 27
    assert of_the_pairs < mp3s
    assert len(mp3s - of_the_pairs) == 21
    assert not any(name.endswith(".flv") for group in same_bytes(hashes.items()) for name in group)


def test_a_download_is_checked_by_size_and_hash() -> None:
    manifest = {"a.flv": Published(SHA, 10)}
    assert check_media("VideoFlash/a.flv", SHA, 10, manifest) is None
    assert check_media("b.flv", SHA, 1, manifest) is None
    assert (
        check_media("a.flv", SHA, 9, manifest)
        == "a.flv has 9 bytes and was published with 10; download it again"
    )
    assert "instead of abababababab" in str(check_media("x/a.flv", "cd" * 32, 10, manifest))


def pointer(sha256: str = SHA, size: int = 10) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"


def test_a_git_lfs_pointer_says_what_it_stands_for() -> None:
    assert parse_pointer(pointer()) == Published(SHA, 10)
    for text in (
        "",
        "version",
        pointer("xy"),
        pointer() + "more\n",
        pointer().replace("size", "length"),
    ):
        assert parse_pointer(text) is None


def test_a_clone_of_pointers_is_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "AudioWAV" / "a.wav").write_text(pointer())
    (tmp_path / "README.md").write_text("text")
    (tmp_path / "media.wav").write_bytes(b"RIFF\xff" * 1000)
    assert read_manifest(tmp_path) == {"a.wav": Published(SHA, 10)}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("path,sha256\na,b\n", "no column bytes"),
        ("path,sha256,bytes\n", "names no file"),
        (f"path,sha256,bytes\na.wav,{SHA},-1\n", "line 2 has no sha256"),
        ("path,sha256,bytes\na.wav,abc,1\n", "line 2 has no sha256"),
        (
            f"path,sha256,bytes\nx/a.wav,{SHA},1\ny/a.wav,{SHA},2\n",
            "two different files of the name a.wav",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(WrongPublishedTable, match=complaint):
        read_manifest(tmp_path / "manifest.csv")


def test_a_folder_without_pointers_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(WrongPublishedTable, match="names no file"):
        read_manifest(tmp_path)


@needs_metadata
def test_the_published_manifest_names_every_file_once(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(
        gzip.decompress((METADATA / "cremad" / "media_sha256_bytes.csv.gz").read_bytes())
    )
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert len(manifest) == 22_326
    row = published()[0]
    assert check_media(row["path"], row["sha256"], int(row["bytes"]), manifest) is None
    assert check_media(row["path"], row["sha256"], 130, manifest)


def test_a_build_refuses_what_is_known_to_be_bad_and_a_recipe_can_take_it_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "VideoFlash").mkdir()
    (tmp_path / "VideoFlash" / "1064_IEO_DIS_MD.flv").touch()
    (refused,) = list_clips({"cremad": tmp_path})
    assert refused.bad is not None
    assert refused.bad.reason is Reason.KNOWN_BAD
    recipe = load("demo", ('ignore_known_issues=["cremad/1064_IEO_DIS_MD"]',))
    (taken,) = list_clips({"cremad": tmp_path}, recipe.ignore_known_issues)
    assert taken.bad is None
