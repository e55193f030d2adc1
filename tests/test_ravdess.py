"""RAVDESS names: all seven fields, what the corpus cannot contain, and the published files."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from manifests.corpora.base import Found
from manifests.corpora.ravdess import EMOTIONS, RAVDESS, NotARavdessName, RavdessName, parse
from manifests.quarantine import Reason

PUBLISHED = (
    Path(__file__).parents[1].parent / "shared" / "metadata" / "ravdess" / "all_7356_generated.csv"
)


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def facts(found: Found) -> dict[str, str]:
    return {label.scheme: label.value for label in found.labels}


def test_all_seven_fields_are_read() -> None:
    assert parse("02-02-06-02-01-02-12") == RavdessName(
        "video-only", "song", "fearful", "strong", "kids", 2, 12
    )
    assert parse("03-01-08-01-02-01-24") == RavdessName(
        "audio-only", "speech", "surprised", "normal", "dogs", 1, 24
    )


def test_all_seven_fields_can_be_asked_for(tmp_path: Path) -> None:
    (found,) = RAVDESS.scan(touch(tmp_path, "02-02-06-02-01-02-12.mp4"))
    assert facts(found) == {
        "ravdess8": "fearful",
        "ravdess_intensity": "strong",
        "ravdess_modality": "video-only",
        "ravdess_channel": "song",
        "ravdess_statement": "kids",
        "ravdess_repetition": "2",
    }
    assert (found.clip.subject_id, found.clip.group_id, found.clip.sex) == (
        "ravdess/12",
        "ravdess/12",
        "female",
    )
    assert {
        label.annotator
        for label in found.labels
        if label.scheme in ("ravdess8", "ravdess_intensity")
    } == {"intended"}


def test_the_three_renderings_of_a_take_share_its_id(tmp_path: Path) -> None:
    found = RAVDESS.scan(
        touch(
            tmp_path,
            "01-01-03-01-01-01-01.mp4",
            "02-01-03-01-01-01-01.mp4",
            "03-01-03-01-01-01-01.wav",
        )
    )
    assert [one.clip.take_id for one in found] == ["ravdess/01-03-01-01-01-01"] * 3
    assert len({one.clip.clip_id for one in found}) == 3


@pytest.mark.parametrize(
    ("stem", "why"),
    [
        ("01-01-01-02-01-01-01", "neutral in normal intensity only"),
        ("01-02-03-01-01-01-18", "actor 18"),
        ("01-02-07-01-01-01-01", "song with disgust"),
        ("01-02-08-01-01-01-01", "song with surprised"),
        ("00-01-03-01-01-01-01", "modality .* is 00; expected 01 to 03"),
        ("04-01-03-01-01-01-01", "modality .* is 04; expected 01 to 03"),
        ("01-03-03-01-01-01-01", "channel .* is 03; expected 01 to 02"),
        ("01-01-09-01-01-01-01", "emotion .* is 09; expected 01 to 08"),
        ("01-01-03-03-01-01-01", "intensity .* is 03"),
        ("01-01-03-01-03-01-01", "statement .* is 03"),
        ("01-01-03-01-01-03-01", "repetition .* is 03"),
        ("01-01-03-01-01-01-25", "actor .* is 25; expected 01 to 24"),
        ("01-01-03-01-01-01", "seven numbers"),
        ("01-01-03-01-01-01-01-01", "seven numbers"),
        ("01-01-03-01-01-01-1", "seven numbers"),
        ("01-01-03-01-01-01-01 (1)", "seven numbers"),
        ("\u0660\u0661-01-03-01-01-01-01", "seven numbers"),
        ("", "seven numbers"),
    ],
)
def test_a_name_that_the_corpus_cannot_contain_is_refused_and_says_why(stem: str, why: str) -> None:
    with pytest.raises(NotARavdessName, match=why):
        parse(stem)


def test_a_wrong_name_is_a_refused_clip_and_not_a_gap(tmp_path: Path) -> None:
    found = RAVDESS.scan(
        touch(
            tmp_path,
            "Actor_01/01-01-03-01-01-01-01.mp4",
            "Actor_01/01-01-01-02-01-01-01.mp4",
            "holiday.mp4",
        )
    )
    bad = {one.clip.clip_id: one.bad for one in found if one.bad}
    assert bad.keys() == {"ravdess/Actor_01/01-01-01-02-01-01-01.mp4", "ravdess/holiday.mp4"}
    assert {one.reason for one in bad.values()} == {Reason.UNKNOWN_NAME}
    assert all(one.clip.group_id is None and not one.labels for one in found if one.bad)


def test_the_same_name_twice_is_one_clip_and_one_refused_copy(tmp_path: Path) -> None:
    stem = "03-01-03-01-01-01-01"
    touch(
        tmp_path,
        f"audio_speech_actors_01-24/Actor_01/{stem}.wav",
        f"Actor_01/{stem}.wav",
        f"Actor_01/{stem}.mp3",
    )
    found = {one.clip.clip_id: one for one in RAVDESS.scan(tmp_path)}
    assert len(found) == 3
    assert found[f"ravdess/{stem}"].clip.path == f"Actor_01/{stem}.wav"
    copies = [one.bad for key, one in found.items() if key != f"ravdess/{stem}"]
    assert [bad.reason for bad in copies if bad] == [Reason.DUPLICATE] * 2
    assert all(bad and f"the clip is Actor_01/{stem}.wav" in bad.detail for bad in copies)
    assert not Reason.DUPLICATE.is_fault


def test_sound_taken_out_of_a_film_does_not_displace_the_film(tmp_path: Path) -> None:
    stem = "01-01-03-01-01-01-01"
    found = {
        one.clip.clip_id: one
        for one in RAVDESS.scan(touch(tmp_path, f"audio/{stem}.wav", f"video/deeper/{stem}.mp4"))
    }
    assert found[f"ravdess/{stem}"].clip.path == f"video/deeper/{stem}.mp4"


def test_every_layout_gives_the_same_clips(tmp_path: Path) -> None:
    names = ["01-01-03-01-01-01-01.mp4", "02-02-04-01-01-01-02.MP4", "03-01-05-02-02-02-03.wav"]
    layouts = [
        "{name}",
        "Actor_{actor}/{name}",
        "Video_Speech_Actor_{actor}/Actor_{actor}/{name}",
        "a/b/c/d/{name}",
    ]
    scans = []
    for number, layout in enumerate(layouts):
        root = touch(
            tmp_path / str(number), *(layout.format(name=name, actor=name[18:20]) for name in names)
        )
        scans.append(
            [
                (one.clip.clip_id, one.clip.take_id, one.clip.group_id, one.labels, one.bad)
                for one in RAVDESS.scan(root)
            ]
        )
    assert all(one == scans[0] for one in scans)
    assert not any(bad for *_, bad in scans[0])


@pytest.mark.skipif(
    not PUBLISHED.exists(),
    reason="the table of the 7,356 published names is not beside this checkout",
)
def test_all_7356_published_names_are_read_and_every_column_agrees(tmp_path: Path) -> None:
    with PUBLISHED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    folders = {"03": "Audio_{channel}_Actors_01-24/Actor_{actor}"}
    paths = [
        folders.get(row["filename"][:2], "Video_{channel}_Actor_{actor}/Actor_{actor}").format(
            channel=row["vocal_channel"].title(), actor=row["filename"][18:20]
        )
        + f"/{row['filename']}"
        for row in rows
    ]
    for folder in {str(Path(path).parent) for path in paths}:
        (tmp_path / folder).mkdir(parents=True)
    for path in paths:
        (tmp_path / path).touch()
    found = {one.clip.clip_id: one for one in RAVDESS.scan(tmp_path)}

    assert len(found) == 7356
    assert not [one for one in found.values() if one.bad]
    for row, path in zip(rows, paths, strict=True):
        one = found[f"ravdess/{row['filename'][:20]}"]
        said = facts(one)
        assert one.clip.path == path
        assert one.clip.take_id == f"ravdess/{row['take_id']}"
        assert one.clip.sex == row["sex"]
        assert one.clip.subject_id == f"ravdess/{int(row['actor']):02d}"
        assert said["ravdess_modality"] == row["modality"]
        assert said["ravdess_channel"] == row["vocal_channel"]
        assert said["ravdess8"] == row["emotion"]
        assert said["ravdess_intensity"] == row["intensity"]
        assert said["ravdess_statement"] == {"1": "kids", "2": "dogs"}[row["statement"]]
        assert said["ravdess_repetition"] == row["repetition"]
    emotions = Counter(facts(one)["ravdess8"] for one in found.values())
    # 24 actors speak and 23 sing; 3 renderings of 2 statements, 2 repetitions, 2 intensities
    # (neutral: 1).
    takes = {
        "neutral": 4 * (24 + 23),
        **dict.fromkeys(EMOTIONS[1:6], 8 * (24 + 23)),
        "disgust": 8 * 24,
        "surprised": 8 * 24,
    }
    assert emotions == {emotion: 3 * count for emotion, count in takes.items()}
    assert len({one.clip.take_id for one in found.values()}) == 7356 // 3
