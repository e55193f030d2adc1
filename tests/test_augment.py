"""Augmented variants: drawn by (seed, clip, variant), the same to the byte each time, and as strong
as they say."""

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.augment_audio import AugmentAudio, shifted, with_pitch_and_tempo
from extractors.augment_pictures import AugmentPictures, PictureChange, changed, table_of_levels
from extractors.augmentation import Augmentation, Draws
from extractors.crops import Crops
from extractors.frames import Frames, decode_jpeg, encode_jpeg
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from manifests.clips import Clip
from manifests.tracks import Track

RATE = 16000
ALL_SOUND = {"pitch_semitones": 1.0, "stretch": 0.1, "shift_s": 0.05, "noise_snr_db": 5.0}
ALL_PICTURES = {"flip": 0.5, "rotation_deg": 5.0, "crop": 0.1, "brightness": 0.1, "contrast": 0.1}


def clip(name: str = "a") -> Clip:
    return Clip(f"made/{name}", "made", None, None, name, None, f"{name}.mp4", "0" * 64, 1)


class One(dict[str, Track]):
    """The input of an extractor that has one."""

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        return compute()


def sound(values: NDArray[np.float32], start_s: float = 0.0, rate_hz: int = RATE) -> Track:
    return Track(
        np.asarray(values, np.float32),
        start_s + np.arange(len(values)) / rate_hz,
        np.ones(len(values), bool),
        ("silent",),
    )


def speech(seconds: float = 2.0) -> NDArray[np.float32]:
    """Noise that comes and goes, so that it is like itself at no other moment."""
    rng = np.random.default_rng(0)
    loud = np.interp(
        np.arange(round(seconds * RATE)),
        np.arange(0, seconds * RATE, 800),
        rng.random(int(seconds * RATE / 800)),
    )
    return np.asarray(0.2 * loud * rng.standard_normal(len(loud)), np.float32)


def augmented(kind: Augmentation, track: Track, name: str = "a") -> Track:
    return kind.extract(clip(name), One(input=track))


def sha256(track: Track) -> str:
    values = b"".join(track.values) if track.values.dtype == object else track.values.tobytes()
    return hashlib.sha256(values + track.seconds.tobytes() + track.valid.tobytes()).hexdigest()


def snr_db(clean: NDArray[np.float32], noisy: NDArray[np.float32]) -> float:
    noise = noisy.astype(np.float64) - clean
    return float(10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(noise**2)))


def pitch_hz(values: NDArray[np.float32]) -> float:
    middle = values[len(values) // 4 : -len(values) // 4].astype(np.float64)
    return float(
        np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))) * RATE / (1 << 18)
    )


def pictures(n: int = 3, codec: str = "raw") -> Track:
    rows = (
        np.random.default_rng(1)
        .integers(0, 256, (n, 8, 8, 3), np.uint8)
        .repeat(8, axis=1)
        .repeat(8, axis=2)
    )
    values: NDArray[Any] = rows
    if codec == "jpeg":
        values = np.empty(n, object)
        values[:] = [encode_jpeg(row) for row in rows]
    return Track(values, np.arange(n) / 10, np.ones(n, bool), ("face_gaps",))


# Draws


def test_a_draw_is_the_hash_of_seed_clip_variant_and_what_is_drawn() -> None:
    digest = hashlib.sha256(b'[7,"made/a",2,"pitch"]').digest()
    share = Draws(7, "made/a", 2).share("pitch")
    assert share == (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    assert Draws(7, "made/a", 2).within("pitch", 3.0) == (2 * share - 1) * 3.0


def test_draws_fill_their_range_evenly() -> None:
    shares = np.array([Draws(0, f"made/{n}", 1).share("flip") for n in range(2000)])
    counts = np.histogram(shares, bins=10, range=(0, 1))[0]
    assert counts.sum() == 2000
    assert np.abs(counts - 200).max() < 60


@pytest.mark.parametrize("noise", ["white", "pink"])
def test_augmented_sound_is_the_same_to_the_byte_and_other_for_another_clip_seed_or_variant(
    noise: str,
) -> None:
    track = sound(speech(), start_s=0.5)
    first = sha256(augmented(AugmentAudio(noise=noise, **ALL_SOUND), track))  # type: ignore[arg-type]
    again = sha256(augmented(AugmentAudio(noise=noise, **ALL_SOUND), sound(speech(), start_s=0.5)))  # type: ignore[arg-type]
    others = {
        sha256(augmented(AugmentAudio(noise=noise, **ALL_SOUND), track, "b")),  # type: ignore[arg-type]
        sha256(augmented(AugmentAudio(noise=noise, seed=1, **ALL_SOUND), track)),  # type: ignore[arg-type]
        sha256(augmented(AugmentAudio(noise=noise, variant=2, **ALL_SOUND), track)),  # type: ignore[arg-type]
    }
    assert first == again
    assert len(others | {first}) == 4


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_augmented_pictures_are_the_same_to_the_byte_and_other_for_another_clip_seed_or_variant(
    codec: str,
) -> None:
    track = pictures(codec=codec)
    first = sha256(augmented(AugmentPictures(**ALL_PICTURES), track))
    others = {
        sha256(augmented(AugmentPictures(**ALL_PICTURES), track, "b")),
        sha256(augmented(AugmentPictures(seed=1, **ALL_PICTURES), track)),  # type: ignore[arg-type]
        sha256(augmented(AugmentPictures(variant=2, **ALL_PICTURES), track)),  # type: ignore[arg-type]
    }
    assert first == sha256(augmented(AugmentPictures(**ALL_PICTURES), pictures(codec=codec)))
    assert len(others | {first}) == 4
    assert sha256(track) == sha256(pictures(codec=codec)), "the input was written to"


def test_one_change_does_not_move_the_draws_of_another() -> None:
    alone, together = AugmentAudio(pitch_semitones=1.0), AugmentAudio(**ALL_SOUND)  # type: ignore[arg-type]
    assert alone.drawn(clip()).semitones == together.drawn(clip()).semitones


# Sound


@pytest.mark.parametrize("noise", ["white", "pink"])
@pytest.mark.parametrize("snr", [20.0, 5.0, 0.0, -5.0])
def test_noise_has_exactly_the_power_that_was_asked_for(noise: str, snr: float) -> None:
    clean = speech()
    noisy = augmented(AugmentAudio(noise_snr_db=snr, noise=noise), sound(clean))
    assert snr_db(clean, noisy.values) == pytest.approx(snr, abs=0.01)


def test_pink_noise_loses_three_decibels_an_octave_and_white_noise_none() -> None:
    def octave_step(noise: str) -> float:
        power = (
            np.abs(
                np.fft.rfft(
                    augmented(
                        AugmentAudio(noise_snr_db=0.0, noise=noise), sound(speech(8.0))
                    ).values
                    - speech(8.0)
                )
            )
            ** 2
        )
        hz = np.fft.rfftfreq(8 * RATE, 1 / RATE)
        bands = [
            10 * np.log10(power[(hz >= low) & (hz < 2 * low)].mean())
            for low in (125, 250, 500, 1000, 2000)
        ]
        return float(np.diff(bands).mean())

    assert octave_step("pink") == pytest.approx(-3.01, abs=0.2)
    assert octave_step("white") == pytest.approx(0.0, abs=0.2)


def test_noise_comes_to_the_share_of_the_clips_that_was_asked_for() -> None:
    kind = AugmentAudio(noise_snr_db=5.0, noise_probability=0.3)
    noisy = np.mean([kind.drawn(clip(str(n))).noisy for n in range(1000)])
    assert noisy == pytest.approx(0.3, abs=0.05)


def test_silence_stays_silent() -> None:
    assert not augmented(
        AugmentAudio(noise_snr_db=5.0), sound(np.zeros(1000, np.float32))
    ).values.any()


def test_a_shift_moves_the_sound_by_as_much_as_was_drawn_and_at_most_the_limit() -> None:
    kind, clean = AugmentAudio(shift_s=0.05), speech(1.0)
    measured = []
    for number in range(40):
        moved = augmented(kind, sound(clean), str(number))
        assert np.array_equal(moved.seconds, sound(clean).seconds)
        fit = np.fft.irfft(
            np.fft.rfft(moved.values, 1 << 15) * np.conj(np.fft.rfft(clean, 1 << 15))
        )
        lag = (int(np.argmax(fit)) + (1 << 14)) % (1 << 15) - (1 << 14)
        assert lag / RATE == pytest.approx(kind.drawn(clip(str(number))).shift_s, abs=0.5 / RATE)
        measured.append(lag / RATE)
    assert -0.05 <= min(measured) < -0.03
    assert 0.03 < max(measured) <= 0.05


def test_what_a_shift_brings_in_is_zero_and_what_it_pushes_out_is_gone() -> None:
    values = np.arange(1, 6, dtype=np.float32)
    assert shifted(values, 2).tolist() == [0, 0, 1, 2, 3]
    assert shifted(values, -2).tolist() == [3, 4, 5, 0, 0]
    assert not shifted(values, 9).any()
    assert not shifted(values, -9).any()


@pytest.mark.parametrize("semitones", [-1.0, -0.3, 1.0, 4.0])
def test_a_pitch_moves_by_as_many_semitones_and_the_length_stays(semitones: float) -> None:
    tone = np.asarray(0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE), np.float32)
    higher = with_pitch_and_tempo(tone, RATE, semitones, 1.0)
    assert len(higher) == len(tone)
    assert 12 * np.log2(pitch_hz(higher) / 440) == pytest.approx(semitones, abs=0.02)
    assert np.std(higher[RATE // 2 : -RATE // 2]) == pytest.approx(np.std(tone), rel=0.1)


@pytest.mark.parametrize("tempo", [0.9, 1.1])
@pytest.mark.parametrize("semitones", [0.0, 1.0])
def test_a_tempo_changes_the_length_and_not_the_pitch(tempo: float, semitones: float) -> None:
    tone = np.asarray(0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE), np.float32)
    faster = with_pitch_and_tempo(tone, RATE, semitones, tempo)
    assert len(faster) == round(2 * RATE / tempo)
    assert 12 * np.log2(pitch_hz(faster) / 440) == pytest.approx(semitones, abs=0.02)


def bursts(at_s: tuple[float, ...]) -> NDArray[np.float32]:
    values = np.zeros(3 * RATE, np.float32)
    for at in at_s:
        values[round(at * RATE) : round(at * RATE) + 800] = np.random.default_rng(
            0
        ).standard_normal(800)
    return values


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_stretched_sound_stays_on_the_clips_clock(name: str) -> None:
    """What the recording has at 0.5 s and at 2.5 s lies at rows whose `seconds` say so, in the
    sound and in what is measured on it."""
    kind, track = AugmentAudio(stretch=0.25), sound(bursts((0.5, 2.5)), start_s=10.0)
    tempo = kind.drawn(clip(name)).tempo
    other = augmented(kind, track, name)
    assert abs(tempo - 1) > 0.02
    assert len(other) == round(len(track) / tempo)
    assert np.diff(other.seconds) == pytest.approx(tempo / RATE, rel=1e-6)
    assert other.seconds[-1] == pytest.approx(track.seconds[-1], abs=2 / RATE)
    mel = LogMel().extract(clip(name), One(audio=other))
    for seconds, power in (
        (other.seconds, other.values.astype(np.float64) ** 2),
        (mel.seconds, (10 ** (mel.values / 10)).sum(axis=1)),
    ):
        for near in (10.5, 12.5):
            here = np.abs(seconds - near - 0.025) < 0.5
            centre = float((seconds[here] * power[here]).sum() / power[here].sum())
            assert centre == pytest.approx(near + 0.025, abs=0.015)


def test_what_is_measured_on_plain_sound_keeps_its_times_to_the_bit() -> None:
    track = sound(speech(1.0), start_s=3600.1)
    assert np.array_equal(
        LogMel().extract(clip(), One(audio=track)).seconds, 3600.1 + np.arange(101) * 160 / RATE
    )


@pytest.mark.parametrize("samples", [1, 2, 100, 1023])
def test_the_shortest_sound_is_augmented_too(samples: int) -> None:
    track = augmented(AugmentAudio(**ALL_SOUND), sound(speech()[:samples]))  # type: ignore[arg-type]
    assert len(track) >= 1
    assert np.isfinite(track.values).all()
    assert track.values.dtype == np.float32


def test_notes_of_the_sound_are_kept() -> None:
    assert augmented(AugmentAudio(shift_s=0.01), sound(speech(0.1))).notes == ("silent",)


# Pictures


def change(**what: Any) -> PictureChange:
    plain = {
        "flip": False,
        "rotation_deg": 0.0,
        "keep": 1.0,
        "left": 0.0,
        "top": 0.0,
        "brightness": 1.0,
        "contrast": 1.0,
    }
    return PictureChange(**{**plain, **what})


def applied(picture: NDArray[np.uint8], **what: Any) -> NDArray[np.uint8]:
    how = change(**what)
    return changed(picture, how, table_of_levels(how.brightness, how.contrast))


def spot(x: int, y: int, side: int = 101) -> NDArray[np.uint8]:
    picture = np.zeros((side, side, 3), np.uint8)
    cv2.circle(picture, (x, y), 4, (255, 255, 255), -1)
    return picture


def where(picture: NDArray[np.uint8]) -> tuple[float, float]:
    weights = picture[..., 0].astype(float)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return float((x * weights).sum() / weights.sum()), float((y * weights).sum() / weights.sum())


def test_a_mirror_image_is_exact_and_every_picture_of_the_clip_is_mirrored() -> None:
    track = pictures()
    assert np.array_equal(
        augmented(AugmentPictures(flip=1.0), track).values, track.values[:, :, ::-1]
    )


def test_half_of_the_clips_are_mirrored() -> None:
    kind = AugmentPictures(flip=0.5)
    assert np.mean([kind.drawn(clip(str(n))).flip for n in range(1000)]) == pytest.approx(
        0.5, abs=0.05
    )


def test_a_rotation_turns_counterclockwise_by_as_many_degrees() -> None:
    x, y = where(applied(spot(90, 50), rotation_deg=5.0))
    assert np.degrees(np.arctan2(50 - y, x - 50)) == pytest.approx(5.0, abs=0.2)
    x, y = where(applied(spot(90, 50), rotation_deg=90.0))
    assert (x, y) == pytest.approx((50, 10), abs=0.5)


def test_a_mirrored_picture_is_turned_after_it_is_mirrored() -> None:
    x, y = where(applied(spot(10, 50), flip=True, rotation_deg=5.0))
    assert np.degrees(np.arctan2(50 - y, x - 50)) == pytest.approx(5.0, abs=0.2)


def test_a_crop_shows_its_part_at_the_old_size() -> None:
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8), (0, 0), 4
    )
    part = cv2.resize(picture[20:100, 10:90], (100, 100), interpolation=cv2.INTER_LINEAR)
    assert np.abs(applied(picture, keep=0.8, left=0.1, top=0.2).astype(int) - part).max() <= 2


def test_levels_change_by_their_factors_and_stay_within_the_scale() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    assert (applied(grey, brightness=1.1) == 110).all()
    assert (applied(grey, contrast=0.9) == round((100 - 127.5) * 0.9 + 127.5)).all()
    assert table_of_levels(1.1, 1.1).min() == 0
    assert table_of_levels(1.1, 1.1).max() == 255


def test_all_draws_keep_to_their_limits() -> None:
    kind = AugmentPictures(**ALL_PICTURES)
    drawn = [kind.drawn(clip(str(n))) for n in range(500)]
    for field, low, high in (
        ("rotation_deg", -5, 5),
        ("keep", 0.9, 1),
        ("brightness", 0.9, 1.1),
        ("contrast", 0.9, 1.1),
    ):
        values = np.array([getattr(one, field) for one in drawn])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert all(0 <= one.left <= 1 - one.keep and 0 <= one.top <= 1 - one.keep for one in drawn)


def test_all_pictures_of_a_clip_change_alike() -> None:
    one = pictures(1)
    track = Track(one.values.repeat(5, axis=0), np.arange(5.0), np.ones(5, bool))
    values = augmented(AugmentPictures(**ALL_PICTURES), track).values
    assert (values == values[0]).all()
    assert (values[0] != one.values[0]).any()


def test_raw_and_jpeg_pictures_change_alike() -> None:
    raw, jpeg = (
        augmented(AugmentPictures(**ALL_PICTURES), pictures(codec=codec))
        for codec in ("raw", "jpeg")
    )
    assert (
        np.abs(np.stack([decode_jpeg(row) for row in jpeg.values]).astype(int) - raw.values).mean()
        < 12
    )
    assert jpeg.values.dtype == object
    assert raw.notes == jpeg.notes == ("face_gaps",)


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_rows_that_are_not_valid_stay_as_they_are(codec: str) -> None:
    track = pictures(codec=codec)
    track.values[1] = b"" if codec == "jpeg" else 0
    track.valid[1] = False
    other = augmented(AugmentPictures(**ALL_PICTURES), track)
    assert np.array_equal(other.values[1], track.values[1])
    assert other.valid.tolist() == [True, False, True]


# Specs and sentences


def test_all_that_is_measured_on_a_variant_is_of_that_variant() -> None:
    plain = Audio().spec("audio", {})
    variant = AugmentAudio(variant=3, shift_s=0.05).spec("audio~3", {"input": plain})
    mfcc = Mfcc(audio="audio~3").spec("mfcc~3", {"audio": variant})
    assert (plain.variant, variant.variant, mfcc.variant) == (0, 3, 3)
    assert (variant.dtype, variant.shape, variant.hop_s) == (plain.dtype, plain.shape, plain.hop_s)


def test_each_parameter_has_a_fingerprint_of_its_own() -> None:
    audio = Audio().spec("audio", {})
    kinds = [
        AugmentAudio(**{**ALL_SOUND, **more})
        for more in ({}, {"seed": 1}, {"variant": 2}, {"noise": "pink"}, {"shift_s": 0.1})
    ]
    assert len({kind.spec("x", {"input": audio}).fingerprint for kind in kinds}) == 5


def test_the_input_must_be_what_is_augmented_and_no_variant() -> None:
    audio, frames = Audio().spec("audio", {}), Frames(size=32).spec("frames", {})
    with pytest.raises(ValueError, match="augment_audio works on sound"):
        AugmentAudio(shift_s=0.1).spec("x", {"input": frames})
    with pytest.raises(ValueError, match="augment_pictures works on pictures"):
        AugmentPictures(flip=0.5).spec("x", {"input": audio})
    with pytest.raises(ValueError, match="augment_pictures works on pictures"):
        AugmentPictures(flip=0.5).spec("x", {"input": Frames().spec("frames", {})})
    once = AugmentAudio(shift_s=0.1).spec("audio~1", {"input": audio})
    with pytest.raises(ValueError, match="is variant 1 of its clips already"):
        AugmentAudio(shift_s=0.1).spec("x", {"input": once})
    crops = Crops().spec("crops", {"frames": frames, "faces": frames})
    assert AugmentPictures(flip=0.5).spec("crops~1", {"input": crops}).codec == "jpeg"


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        (AugmentAudio, {}, "would change nothing"),
        (AugmentPictures, {}, "would change nothing"),
        (AugmentAudio, {"shift_s": 0.1, "variant": 0}, "variant of augment_audio is 0"),
        (AugmentAudio, {"shift_s": -0.1}, "shift_s of augment_audio is -0.1"),
        (AugmentAudio, {"stretch": 2.0}, "stretch of augment_audio is 2.0"),
        (AugmentAudio, {"noise_snr_db": 500.0}, "noise_snr_db of augment_audio"),
        (AugmentAudio, {"noise_snr_db": 5.0, "noise": "brown"}, "expected one of white, pink"),
        (AugmentPictures, {"flip": 1.5}, "flip of augment_pictures is 1.5"),
        (AugmentPictures, {"crop": 0.95}, "crop of augment_pictures is 0.95"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    kind: type[Augmentation], wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        kind(**wrong)
    assert "\n" not in str(caught.value)
