"""Every corpus of the catalog keeps the same promises: unique sorted ids, nothing left out, nothing
outside touched."""

import errno
import os
import re
import sys
from pathlib import Path

import pytest

from manifests.clips import CLIPS
from manifests.corpora.catalog import (
    CORPORA,
    Corpus,
    CorpusNotFound,
    CorpusUnreadable,
    EmptyCorpus,
    Found,
    with_media,
)
from manifests.corpora.media_files import MEDIA_SUFFIXES
from manifests.corpora.naming import NoMediaParser
from manifests.labels import LABELS
from manifests.quarantine import Reason
from manifests.suffix_counts import count_text

GOOD = "01-01-03-01-01-01-01"
"""A name that corpora without a rule of their own, and RAVDESS, accept; the others refuse it, and
list it all the same."""


@pytest.fixture(params=sorted(with_media()))
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return CORPORA[request.param]


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def by_path(found: list[Found]) -> dict[str, Found]:
    return {one.clip.path: one for one in found}


def test_the_catalog_names_each_corpus_as_it_names_itself() -> None:
    assert all(name == corpus.name for name, corpus in CORPORA.items())
    assert {"ravdess", "cremad", "folder", "sample"} <= CORPORA.keys()


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_states_its_terms_in_a_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z].{20,}\.", CORPORA[name].licence)


@pytest.mark.parametrize("name", sorted(CORPORA.keys() - with_media().keys()))
def test_a_corpus_of_names_alone_is_not_scanned_and_says_what_to_do(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(NoMediaParser, match=f"of {name} the naming rule alone .* corpus folder"):
        CORPORA[name].scan(touch(tmp_path, "a.wav"))


def test_a_scan_is_sorted_unique_and_makes_valid_tables(corpus: Corpus, tmp_path: Path) -> None:
    touch(
        tmp_path,
        f"b/{GOOD}.mp4",
        f"a/{GOOD}.mp4",
        f"a/{GOOD}.wav",
        "z.mp4",
        "a/x/y/02-01-03-01-01-01-01.mp4",
        f"{GOOD}.mp4.mkv",
        f"{GOOD}.mp4",
    )
    found = corpus.scan(tmp_path)
    ids = [one.clip.clip_id for one in found]
    assert ids == sorted(set(ids))
    assert len(found) == 7
    assert all(
        one.clip.corpus == corpus.name and one.clip.clip_id.startswith(f"{corpus.name}/")
        for one in found
    )
    assert all((one.clip.sha256, one.clip.bytes) == ("", 0) for one in found)
    assert all(one.bad.clip_id == one.clip.clip_id for one in found if one.bad)
    CLIPS.build(one.clip for one in found)
    LABELS.build(label for one in found for label in one.labels)
    assert {label.scheme for one in found for label in one.labels} <= set(corpus.label_schemes)


def test_every_media_file_is_found_and_nothing_else(corpus: Corpus, tmp_path: Path) -> None:
    names = [f"file{number}{suffix}" for number, suffix in enumerate(sorted(MEDIA_SUFFIXES))]
    touch(
        tmp_path, *names, "UPPER.MP4", "Mixed.WaV", "notes.txt", "labels.txt", "readme", "data.zip"
    )
    assert {one.clip.path for one in corpus.scan(tmp_path)} == {*names, "UPPER.MP4", "Mixed.WaV"}


@pytest.mark.parametrize(
    "suffix", [".m3u8", ".m3u", ".pls", ".xspf", ".mpd", ".ffconcat", ".sdp", ".M3U8"]
)
def test_a_playlist_is_listed_and_not_passed_over(
    corpus: Corpus, tmp_path: Path, suffix: str
) -> None:
    assert [one.clip.path for one in corpus.scan(touch(tmp_path, f"{GOOD}{suffix}"))] == [
        f"{GOOD}{suffix}"
    ]


def test_hidden_files_and_what_archives_leave_behind_are_ignored(
    corpus: Corpus, tmp_path: Path
) -> None:
    touch(
        tmp_path,
        f"{GOOD}.mp4",
        f"._{GOOD}.mp4",
        f".cache/{GOOD}.mp4",
        f"__MACOSX/{GOOD}.mp4",
        f"a/__MACOSX/b/._{GOOD}.mp4",
    )
    assert [one.clip.path for one in corpus.scan(tmp_path)] == [f"{GOOD}.mp4"]


def test_a_root_that_is_hidden_itself_is_read(corpus: Corpus, tmp_path: Path) -> None:
    assert len(corpus.scan(touch(tmp_path / ".data" / "__MACOSX", f"{GOOD}.mp4"))) == 1


def test_odd_names_are_kept_as_they_are(corpus: Corpus, tmp_path: Path) -> None:
    names = [
        "ünï cödé/喜び.mp4",
        "u\u0308.mp4",
        "\u00fc.mp4",
        "a 'quoted\" name;|$(x).mp4",
        "-rf.mp4",
        "back\\slash.mp4",
        "http:.mp4",
        "line\nbreak.mp4",
    ]
    touch(tmp_path, *names)
    found = corpus.scan(tmp_path)
    assert {one.clip.path for one in found} == set(names)
    CLIPS.build(one.clip for one in found)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not let a name be anything but Unicode"
)
def test_a_name_that_is_not_utf8_is_a_refused_clip(corpus: Corpus, tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", os.O_CREAT))
    (found,) = corpus.scan(tmp_path)
    assert found.bad
    assert found.bad.reason == Reason.UNKNOWN_NAME
    assert found.clip.path == "caf\\xe9.mp4"
    CLIPS.build([found.clip])


def test_links_out_of_the_corpus_are_refused_and_not_followed(
    corpus: Corpus, tmp_path: Path
) -> None:
    outside = touch(tmp_path / "outside", "secret.mp4", "more/inner.mp4")
    root = touch(tmp_path / "root", f"{GOOD}.mp4")
    (root / "linked.mp4").symlink_to(outside / "secret.mp4")
    (root / "twice.mp4").symlink_to(root / "linked.mp4")
    (root / "folder").symlink_to(outside / "more")
    found = by_path(corpus.scan(root))
    assert found.keys() == {f"{GOOD}.mp4", "linked.mp4", "twice.mp4", "folder"}
    for path in ("linked.mp4", "twice.mp4", "folder"):
        bad = found[path].bad
        assert bad
        assert bad.reason == Reason.FORBIDDEN
        assert "outside the corpus" in bad.detail


def test_a_folder_beside_the_root_whose_name_begins_alike_is_outside(
    corpus: Corpus, tmp_path: Path
) -> None:
    touch(tmp_path / "root2", "secret.mp4")
    root = touch(tmp_path / "root", f"{GOOD}.mp4")
    (root / "linked.mp4").symlink_to(tmp_path / "root2" / "secret.mp4")
    bad = by_path(corpus.scan(root))["linked.mp4"].bad
    assert bad
    assert bad.reason == Reason.FORBIDDEN


def test_links_to_nothing_in_circles_and_to_hidden_folders_are_refused(
    corpus: Corpus, tmp_path: Path
) -> None:
    touch(tmp_path, f"{GOOD}.mp4", f".hidden/{GOOD}.mp4")
    (tmp_path / "gone.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "round.mp4").symlink_to("round.mp4")
    (tmp_path / "shown").symlink_to(".hidden")
    reasons = {
        path: one.bad.reason
        for path, one in by_path(corpus.scan(tmp_path)).items()
        if one.bad and path != f"{GOOD}.mp4"
    }
    assert reasons == {
        "gone.mp4": Reason.UNREADABLE,
        "round.mp4": Reason.UNREADABLE,
        "shown": Reason.FORBIDDEN,
    }


def test_a_linked_folder_inside_the_corpus_is_not_counted_twice(
    corpus: Corpus, tmp_path: Path
) -> None:
    touch(tmp_path, f"a/{GOOD}.mp4")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "a" / "up").symlink_to("..")
    assert [one.clip.path for one in corpus.scan(tmp_path)] == [f"a/{GOOD}.mp4"]


def test_the_root_itself_may_be_a_link(corpus: Corpus, tmp_path: Path) -> None:
    touch(tmp_path / "real", f"{GOOD}.mp4")
    (tmp_path / "link").symlink_to("real")
    assert [one.clip.path for one in corpus.scan(tmp_path / "link")] == [f"{GOOD}.mp4"]


def test_a_pipe_with_a_media_name_is_refused_and_not_opened(corpus: Corpus, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{GOOD}.mp4")
    (found,) = corpus.scan(tmp_path)
    assert found.bad
    assert found.bad.reason == Reason.FORBIDDEN


def test_a_folder_with_a_media_name_is_a_folder(corpus: Corpus, tmp_path: Path) -> None:
    assert [one.clip.path for one in corpus.scan(touch(tmp_path, f"take.mp4/{GOOD}.mp4"))] == [
        f"take.mp4/{GOOD}.mp4"
    ]


def test_a_missing_folder_is_named_in_one_sentence(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(
        CorpusNotFound,
        match=f"absent does not exist; expected the folder that holds the clips of {corpus.name}",
    ):
        corpus.scan(tmp_path / "absent")


def test_a_file_in_place_of_the_folder_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match=r"clip\.mp4 is a file; expected the folder"):
        corpus.scan(touch(tmp_path, "clip.mp4") / "clip.mp4")


def test_a_folder_without_media_says_what_it_holds_instead(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpus, match="holds no media file and no other; expected"):
        corpus.scan(tmp_path)
    with pytest.raises(
        EmptyCorpus, match=r"\(other files: 2 \.zip, 1 without suffix; unpack the archives first\)"
    ):
        corpus.scan(touch(tmp_path, "a.zip", "b.ZIP", "readme"))


def test_files_that_are_no_clips_are_counted_by_suffix(corpus: Corpus, tmp_path: Path) -> None:
    touch(tmp_path, f"{GOOD}.mp4", "a.txt", "deep/er/b.TXT", "c.zip", "README", "other.wav")
    touch(tmp_path, ".hidden.txt", ".git/d.txt", "__MACOSX/e.txt")
    assert corpus.left_out(tmp_path, corpus.scan(tmp_path)) == {".txt": 2, ".zip": 1, "": 1}


def test_a_clip_that_a_corpus_does_not_list_is_left_out_with_the_others(
    corpus: Corpus, tmp_path: Path
) -> None:
    touch(tmp_path, f"{GOOD}.mp4", "other.wav")
    listed = [one for one in corpus.scan(tmp_path) if one.clip.path != "other.wav"]
    assert corpus.left_out(tmp_path, listed) == {".wav": 1}


OWN_FILES = {
    "folder": ["labels.csv"],
    "meld": ["train_sent_emo.csv", "tables/dev_sent_emo.csv", "test_sent_emo.csv"],
    "cremad": ["VideoDemographics.csv", "processedResults/summaryTable.csv"],
    "iemocap": ["Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"],
}


@pytest.mark.parametrize("name", OWN_FILES)
def test_the_tables_that_a_corpus_reads_are_not_left_out(name: str, tmp_path: Path) -> None:
    touch(tmp_path, *OWN_FILES[name], "more/labels.csv", "Session1/dialog/notes.txt")
    assert CORPORA[name].left_out(tmp_path, []) == {".csv": 1, ".txt": 1}


def test_counts_of_suffixes_are_said_most_frequent_first() -> None:
    assert count_text({".txt": 3, ".sph": 14, "": 3}) == "14 .sph, 3 without suffix, 3 .txt"
    assert count_text({".a": 3, ".b": 2, ".c": 1, ".d": 1}, most=2) == "3 .a, 2 .b, 2 others"


def test_a_folder_that_cannot_be_listed_stops_the_scan(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, f"{GOOD}.mp4", "closed/a.mp4")
    listing = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listing(path)

    # Not by the folder's mode, which means nothing to root.
    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(CorpusUnreadable, match=r"closed cannot be listed \(Permission denied\)"):
        corpus.scan(tmp_path)


def test_a_scan_opens_no_media_file(corpus: Corpus, tmp_path: Path) -> None:
    touch(tmp_path, f"{GOOD}.mp4", f"copy/{GOOD}.mp4", "other.wav")
    opened: list[str] = []
    watching = True
    # A hook cannot be taken away again, so a flag says when to stop.
    sys.addaudithook(
        lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None
    )
    assert len(corpus.scan(tmp_path)) == 3
    watching = False
    assert not [path for path in opened if path.endswith((".mp4", ".wav"))]
