"""Near-duplicates by fingerprint: copies are found, whatever was done to them; others are not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import stores.near_duplicates as near
from flows.sample.speech import RATE_HZ, speak
from manifests.corpora.sample import SampleClip
from manifests.tracks import Track
from stores.near_duplicates import FACE_LEAST, SOUND_LEAST, Near, digests, near_faces, near_sounds

Random = np.random.Generator


def sound(random: Random, rows: int = 200) -> Track:
    return Track(
        random.integers(0, 256, (rows, 4), dtype=np.uint8),
        np.arange(rows) / 80,
        np.ones(rows, np.bool_),
    )


def turned(random: Random, track: Track, share: float, first: int = 0) -> Track:
    """A copy without its first rows, with a share of the bits turned."""
    values = track.values ^ np.packbits(random.random((len(track), 32)) < share, axis=1)
    return Track(values[first:], track.seconds[first:], track.valid[first:])


def face(random: Random, rows: int = 30, person: int = 0) -> Track:
    """Numbers of length 1 that walk around a person's mean, which all clips of that person
    share."""
    at = 4 * np.random.default_rng(person).standard_normal(32)
    walk = np.cumsum(random.standard_normal((rows, 32)), axis=0) * 0.1
    values = at + walk - walk.mean(axis=0)
    return Track(
        (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32),
        np.arange(rows) / 10,
        np.ones(rows, np.bool_),
    )


def noisy(
    random: Random, track: Track, noise: float = 0.003, first: int = 0, late_s: float = 0.0
) -> Track:
    values = (track.values + noise * random.standard_normal(track.values.shape)).astype(np.float32)
    return Track(values[first:], track.seconds[first:] + late_s, track.valid[first:])


def names(found: list[Near]) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in found]


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(0)


def test_a_copy_with_some_bits_turned_and_its_start_cut_off_is_found_with_its_similarity(
    random: Random,
) -> None:
    tracks = {f"clip{number:02d}": sound(random) for number in range(40)}
    tracks["copy"] = turned(random, tracks["clip07"], 0.04, first=11)
    (found,) = near_sounds(tracks)
    assert (found.first, found.second) == ("clip07", "copy")
    assert found.similarity == pytest.approx(0.96, abs=0.005)


def test_what_differs_in_more_bits_than_allowed_or_shares_too_little_is_not_found(
    random: Random,
) -> None:
    entire = sound(random, 300)
    other = sound(random, 200)
    half = Track(
        np.concatenate([entire.values[:100], other.values]),
        np.arange(300) / 80,
        np.ones(300, np.bool_),
    )
    assert near_sounds({"a": entire, "b": turned(random, entire, 1.5 * (1 - SOUND_LEAST))}) == []
    assert near_sounds({"a": entire, "b": half}) == []
    assert names(near_sounds({"a": entire, "b": turned(random, entire, 0.02, first=180)})) == [
        ("a", "b")
    ]


def test_silence_and_a_moment_of_sound_are_like_nothing(random: Random) -> None:
    silent = Track(np.zeros((200, 4), np.uint8), np.arange(200) / 80, np.zeros(200, np.bool_))
    moment = sound(random, 39)
    assert near_sounds({"a": silent, "b": silent, "c": moment, "d": moment}) == []
    assert near_sounds({}) == []


def test_rows_that_are_not_valid_are_not_compared(random: Random) -> None:
    one, other = sound(random), sound(random)
    valid = np.arange(200) < 120
    values = np.where(valid[:, None], one.values, other.values)
    assert near_sounds({"a": one, "b": Track(values, one.seconds, np.ones(200, np.bool_))}) == []
    assert near_sounds({"a": one, "b": Track(values, one.seconds, valid)}) == [Near("a", "b", 1.0)]


def test_the_index_finds_what_comparing_all_with_all_finds(random: Random) -> None:
    tracks = {
        f"clip{number:02d}": sound(random, int(random.integers(50, 220))) for number in range(30)
    }
    for number in range(0, 30, 3):
        share = 0.01 * number / 3
        tracks[f"copy{number:02d}"] = turned(
            random, tracks[f"clip{number:02d}"], share, first=int(random.integers(0, 12))
        )
    assert names(near_sounds(tracks)) == by_force(tracks)


def by_force(tracks: Mapping[str, Track]) -> list[tuple[str, str]]:
    pairs = []
    for first in sorted(tracks):
        for second in sorted(tracks):
            if first < second and any(
                _is_near(tracks[first], tracks[second], offset) for offset in range(-220, 221)
            ):
                pairs.append((first, second))
    return pairs


def _is_near(one: Track, other: Track, offset: int) -> bool:
    start, stop = max(0, offset), min(len(one), len(other) + offset)
    if stop - start < max(40, 0.6 * min(len(one), len(other))):
        return False
    unlike = np.unpackbits(
        one.values[start:stop] ^ other.values[start - offset : stop - offset]
    ).mean()
    return bool(1 - unlike >= SOUND_LEAST)


def test_rows_are_counted_in_parts_with_the_same_result(
    random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = {f"clip{number:02d}": sound(random) for number in range(20)}
    tracks |= {
        f"copy{number:02d}": turned(random, tracks[f"clip{number:02d}"], 0.03)
        for number in range(20)
    }
    entire = near_sounds(tracks)
    monkeypatch.setattr(near, "_PAIRS", 50)
    assert near_sounds(tracks) == entire
    assert len(entire) == 20


def test_bits_that_very_many_rows_have_are_passed_over(random: Random) -> None:
    """A hum gives one and the same row all the time: two clips of it would have each row of one in
    common with each of the other."""
    hum = Track(np.full((200, 4), 7, np.uint8), np.arange(200) / 80, np.ones(200, np.bool_))
    assert len(near_sounds({"a": hum, "b": hum})) == 1
    assert near_sounds({str(number): hum for number in range(8)}) == []


def test_two_takes_of_one_sentence_are_not_copies_and_an_encoding_of_one_is(tmp_path: Any) -> None:
    from benchmarks.near import fingerprint, write_sound

    takes = {f"take{take}": speak(SampleClip(3, "neutral", 1, 1, take), take) for take in (1, 2)}
    tracks = {
        name: fingerprint(write_sound(tmp_path / f"{name}.wav", voice, "pcm_s16le"), "soundprint")
        for name, voice in takes.items()
    }
    copies = {
        "quiet": write_sound(tmp_path / "quiet.wav", takes["take1"], "pcm_s16le", gain_db=-12),
        "mp3": write_sound(
            tmp_path / "mp3.mp3",
            takes["take1"],
            "libmp3lame",
            kbits=64,
            rate_hz=44100,
            trim_s=(0.207, 0),
        ),
        "opus": write_sound(tmp_path / "opus.ogg", takes["take1"], "libopus", kbits=48),
    }
    tracks |= {name: fingerprint(path, "soundprint") for name, path in copies.items()}
    found = near_sounds({name: track for name, track in tracks.items() if track is not None})
    assert len(takes["take1"]) > 1.5 * RATE_HZ
    assert {name for pair in names(found) for name in pair} == {"take1", "quiet", "mp3", "opus"}
    assert len(found) == 6


def test_a_face_that_moves_in_the_same_way_is_found_among_clips_of_the_same_person(
    random: Random,
) -> None:
    tracks = {f"clip{number:02d}": face(random) for number in range(20)}
    tracks["copy"] = noisy(random, tracks["clip03"], first=3, late_s=1.27)
    (found,) = near_faces(tracks)
    assert (found.first, found.second) == ("clip03", "copy")
    assert FACE_LEAST < found.similarity < 1


def test_a_face_that_looks_otherwise_or_stands_still_or_is_there_for_a_moment_is_no_copy(
    random: Random,
) -> None:
    one = face(random)
    other = Track(
        one.values - one.values.mean(axis=0) + face(random, person=1).values.mean(axis=0),
        one.seconds,
        one.valid,
    )
    still = Track(np.repeat(one.values[:1], 30, axis=0), one.seconds, one.valid)
    moment = Track(one.values[:9], one.seconds[:9], one.valid[:9])
    assert near_faces({"a": one, "b": other}) == []
    assert near_faces({"a": still, "b": still}) == []
    assert near_faces({"a": moment, "b": moment}) == []
    assert near_faces({"a": one}) == near_faces({}) == []


def test_rows_without_a_face_are_bridged(random: Random) -> None:
    one = face(random)
    valid = np.ones(30, np.bool_)
    valid[12:15] = False
    gap = Track(np.where(valid[:, None], one.values, np.nan).astype(np.float32), one.seconds, valid)
    assert names(near_faces({"a": one, "b": gap})) == [("a", "b")]


def test_the_likeness_of_motion_is_the_greatest_correlation(random: Random) -> None:
    one, other = (
        random.standard_normal((40, 5)).astype(np.float32),
        random.standard_normal((33, 5)).astype(np.float32),
    )
    assert near._motion_likeness(one, other) == pytest.approx(
        max(_correlation(one, other, offset) for offset in range(-13, 21)), abs=1e-6
    )


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32], offset: int) -> float:
    start, stop = max(0, offset), min(len(one), len(other) + offset)
    x, y = one[start:stop], other[start - offset : stop - offset]
    return float(np.corrcoef((x - x.mean(axis=0)).ravel(), (y - y.mean(axis=0)).ravel())[0, 1])


def test_many_copies_are_all_found(random: Random) -> None:
    one = face(random)
    tracks = {f"copy{number:03d}": noisy(random, one) for number in range(70)}
    found = near_faces(tracks)
    assert {name for pair in names(found) for name in pair} == set(tracks)
    assert len(set(names(found))) == len(found)


def test_thousands_of_clips_are_compared_in_seconds(random: Random) -> None:
    from time import process_time

    tracks = {f"clip{number:05d}": sound(random) for number in range(2000)}
    tracks |= {
        f"copy{number:05d}": turned(random, tracks[f"clip{number:05d}"], 0.03)
        for number in range(0, 2000, 100)
    }
    start = process_time()
    assert len(near_sounds(tracks)) == 20
    assert process_time() - start < 10


def test_a_digest_that_marks_nothing_is_left_out() -> None:
    def track(valid: bool) -> Track:
        return Track(np.arange(32, dtype=np.uint8)[None], np.zeros(1), np.array([valid]))

    assert digests({"a": track(True), "silent": track(False)}) == {"a": bytes(range(32)).hex()}
