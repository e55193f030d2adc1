"""Decoded samples are scaled at once or part by part, to the same floats."""

from fractions import Fraction

import av
import numpy as np
import pytest

import extractors.pcm
from extractors.limits import Limits
from extractors.pcm import Samples

FORMS = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}


def frame(form: str, seed: int, channels: int = 2) -> av.AudioFrame:
    chance = np.random.default_rng(seed)
    values = chance.uniform(-1, 1, (1, 100 * channels))
    dtype = FORMS[form]
    if np.issubdtype(dtype, np.integer):
        middle = 128 if form == "u8" else 0
        values = values * (np.iinfo(dtype).max - middle) + middle
    made = av.AudioFrame.from_ndarray(values.astype(dtype), form, "stereo")
    made.sample_rate = 1000
    return made


def heard(forms: list[str]) -> tuple[bytes, tuple[str, ...]]:
    """A hole of half a second is before the third frame."""
    samples = Samples("made/a", None, None, Limits(), Fraction(0))
    for number, form in enumerate(forms):
        samples.add_at(frame(form, number), 100 * number + 500 * (number > 1), Fraction(1, 1000))
    pcm = samples.pcm()
    assert pcm is not None
    assert pcm.samples.dtype == np.float32
    assert (pcm.samples[200:700] == 0).all()
    assert np.abs(pcm.samples).max() <= 1
    return pcm.samples.tobytes(), samples.notes


@pytest.mark.parametrize("form", FORMS)
def test_much_sound_is_scaled_as_little_is(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = heard([form] * 4)
    monkeypatch.setattr(extractors.pcm, "_AT_ONCE", 0)
    assert heard([form] * 4) == at_once
    assert at_once[1] == ("audio_gaps",)


def test_a_decoder_may_change_the_form_of_its_samples() -> None:
    mixed, _ = heard(["s16", "flt", "s32", "u8"])
    for number, form in enumerate(("s16", "flt")):
        alone = np.frombuffer(heard([form] * 4)[0], np.float32).reshape(-1, 2)
        found = np.frombuffer(mixed, np.float32).reshape(-1, 2)
        part = slice(100 * number, 100 * number + 100)
        np.testing.assert_array_equal(found[part], alone[part])
