"""Decoded sound -> the one channel that audio features are computed from."""

import numpy as np
import pytest
import soxr

from extractors.audio import Audio
from extractors.base import Pcm
from extractors.media import Limits, decode, probe
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from tests.support.media_made import REAL_SILENT, Writer, a_clip, tone


def convert(
    samples: np.ndarray,
    rate_hz: int = 16000,
    start_s: float = 0.0,
    audio: Audio | None = None,
    clip: Clip | None = None,
) -> Track:
    clip = clip or Clip("made/a", "made", None, None, "a", None, "a.wav", "0" * 64, 1)
    return (audio or Audio()).convert(clip, Pcm(samples, rate_hz, start_s))


def test_mono_is_the_mean_of_the_channels_and_not_louder() -> None:
    samples = tone(0.5, channels=2)
    track = convert(samples)
    assert track.values.dtype == np.float32
    assert np.array_equal(
        track.values, ((samples[:, 0].astype(float) + samples[:, 1]) / 2).astype(np.float32)
    )


def test_sound_at_the_wanted_rate_is_not_resampled() -> None:
    samples = tone(0.1)
    assert np.array_equal(convert(samples).values, samples[:, 0])


def test_other_rates_are_resampled_with_soxr_hq() -> None:
    samples = tone(0.5, 48000)
    track = convert(samples, 48000)
    assert len(track.values) == 8000
    assert np.array_equal(track.values, soxr.resample(samples[:, 0], 48000, 16000, quality="HQ"))
    middle = slice(800, 7200)
    assert np.abs(track.values - tone(0.5, 16000)[:, 0])[middle].max() < 1e-4


def test_each_sample_has_its_time_on_the_files_clock() -> None:
    track = convert(tone(0.5, 44100), 44100, start_s=1.25)
    assert track.seconds.dtype == np.float64
    assert np.array_equal(track.seconds, 1.25 + np.arange(len(track)) / 16000)
    assert track.valid.all()


@pytest.mark.parametrize(
    ("channels", "index", "of"), [("left", 0, 2), ("right", 1, 2), ("centre", 2, 6), ("left", 0, 6)]
)
def test_one_channel_alone_is_taken_as_it_is(channels: str, index: int, of: int) -> None:
    samples = tone(0.1, channels=of)
    assert np.array_equal(
        convert(samples, audio=Audio(channels=channels)).values, samples[:, index]
    )


@pytest.mark.parametrize(
    ("channels", "found"), [("left", 1), ("right", 1), ("centre", 1), ("centre", 2), ("centre", 4)]
)
def test_a_channel_that_is_not_there_is_never_replaced_by_another(
    channels: str, found: int
) -> None:
    with pytest.raises(BadClip, match=f"has {found} channels and no `{channels}`") as caught:
        convert(tone(0.1, channels=found), audio=Audio(channels=channels))
    assert caught.value.reason == Reason.NO_AUDIO


def test_no_sample_is_no_audio() -> None:
    with pytest.raises(BadClip) as caught:
        convert(np.zeros((0, 2), np.float32))
    assert caught.value.reason == Reason.NO_AUDIO


def test_silence_is_a_named_fact() -> None:
    assert convert(np.zeros((1600, 1), np.float32)).notes == ("silent",)
    assert convert(tone(0.1) * 0.0019).notes == ("silent",)
    assert convert(tone(0.1) * 0.0021).notes == ()


@pytest.mark.parametrize(
    ("video_s", "audio_s", "notes"),
    [
        (6.42, 3.99, ("audio_short",)),
        (1.0, 0.6, ()),
        (10.0, 9.2, ()),
        (4.0, 3.4, ("audio_short",)),
        (2.0, 2.0, ()),
    ],
)
def test_sound_much_shorter_than_its_video_is_a_named_fact(
    write_media: Writer, video_s: float, audio_s: float, notes: tuple[str, ...]
) -> None:
    path = write_media(
        "a.mkv",
        frames=round(video_s * 10),
        fps=10,
        audio_s=audio_s,
        rate_hz=16000,
        audio_codec="pcm_s16le",
    )
    clip = probe(a_clip(path), path, Limits())
    pcm = decode(clip, path, audio=True, grids={}, limits=Limits()).pcm
    assert pcm is not None
    assert Audio().convert(clip, pcm).notes == notes


def test_a_span_is_compared_with_its_own_length(write_media: Writer) -> None:
    path = write_media(
        "a.mkv", frames=60, fps=10, audio_s=6.0, rate_hz=16000, audio_codec="pcm_s16le"
    )
    clip = probe(a_clip(path, start_s=1.0, end_s=2.0), path, Limits())
    pcm = decode(clip, path, audio=True, grids={}, limits=Limits()).pcm
    assert pcm is not None
    track = Audio().convert(clip, pcm)
    assert (len(track), track.seconds[0], track.notes) == (16000, 1.0, ())


def test_the_real_clip_with_digital_silence_says_so() -> None:
    if not REAL_SILENT.exists():
        pytest.skip("the folder of real clips is not beside this checkout")
    clip = probe(a_clip(REAL_SILENT), REAL_SILENT, Limits())
    pcm = decode(clip, REAL_SILENT, audio=True, grids={}, limits=Limits()).pcm
    assert pcm is not None
    assert Audio().convert(clip, pcm).notes == ("silent",)


def test_the_layout_is_what_a_track_has() -> None:
    spec = Audio(rate_hz=8000).spec("audio", {})
    assert (spec.dtype, spec.dims, spec.shape, spec.units, spec.hop_s) == (
        "float32",
        ("time",),
        (),
        "full scale = 1",
        1 / 8000,
    )
    assert spec.fingerprint != Audio().spec("audio", {}).fingerprint


def test_wrong_parameters_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="channels of audio is 'both', expected"):
        Audio(channels="both")
    with pytest.raises(ValueError, match="rate_hz of audio is 16"):
        Audio(rate_hz=16)
