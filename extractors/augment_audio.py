"""Augmented sound: another pitch, another tempo, earlier or later, in noise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.augmentation import Augmentation, Draws
from extractors.base import Inputs, Layout
from extractors.sound import resampled, same_sound
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_FRAME_S = 0.064
"""Length of the phase vocoder's frames, rounded up to a power of two in samples: some periods of
any speaker's pitch, and shorter than a syllable."""

NOISES = ("white", "pink")
"""Colours of noise that can be added."""


@dataclass(frozen=True)
class SoundChange:
    """What is done to one clip."""

    semitones: float
    tempo: float
    """Above 1 the clip is spoken faster."""
    shift_s: float
    """Above 0 the sound comes later."""
    noisy: bool


@dataclass(frozen=True, kw_only=True)
class AugmentAudio(Augmentation):
    """One augmented variant of mono sound.

    values: (time,) float32, full scale = 1; not clipped, so that loud noise may exceed it.
    notes: Those of the input.

    In this order: pitch and tempo, by one pass of a phase vocoder (librosa's; formants move with
    the pitch) and soxr's resampling; shift, with zeros where nothing is known; noise. `seconds`
    stay on the clip's own clock: row i holds the sound that the recording has at `seconds[i]`, so
    that sound spoken 1.05 times faster has 1.05 times fewer rows, tempo / rate_hz apart, and the
    pictures of the clip, augmented or not, still stand beside what was said when they were taken.
    What is measured on it keeps to these times. A shift, on the other hand, moves the sound against
    the clock, by whole samples: it makes the two run apart.

    Draws (see `extractors.augmentation`): `pitch`, `tempo`, `shift`, `noisy`, `noise`.
    """

    name: ClassVar[str] = "augment_audio"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)
    strengths: ClassVar[tuple[str, ...]] = ("pitch_semitones", "stretch", "shift_s", "noise_snr_db")

    input: str = "audio"
    """The feature that holds the sound."""
    pitch_semitones: float = 0.0
    """Up or down by at most so many semitones."""
    stretch: float = 0.0
    """The tempo lies between 1 / (1 + stretch) and 1 + stretch, evenly on a logarithmic scale;
    rounded to 4 digits."""
    shift_s: float = 0.0
    """Earlier or later by at most so many seconds."""
    noise_snr_db: float | None = None
    """Power of the sound over that of the noise, both averaged over all of the clip, in dB; None:
    no noise."""
    noise_probability: float = 1.0
    """Share of the clips that noise is added to."""
    noise: str = "white"
    """`white` (Gaussian), or `pink`: power falls with frequency, as the background of most rooms
    does."""

    def __post_init__(self) -> None:
        # An SNR of 0 dB is a change, and a strong one.
        if self.noise_snr_db is None:
            super().__post_init__()
        self.check_limits(pitch_semitones=24, stretch=1, shift_s=10, noise_probability=1)
        if self.noise_snr_db is not None:
            self.check_range("noise_snr_db", -60, 100, " dB")
        self.check_choice("noise", NOISES)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        self.check_plain(needs["input"])
        return same_sound(self.name, needs["input"])

    def drawn(self, clip: Clip) -> SoundChange:
        """Draws the change of one clip.

        Args:
            clip: The clip; the draw depends on its id, the seed and the variant alone.

        Returns:
            What is done to its sound.
        """
        draws = self.draws(clip)
        return SoundChange(
            semitones=draws.within("pitch", self.pitch_semitones),
            tempo=round(math.exp(draws.within("tempo", math.log1p(self.stretch))), 4),
            shift_s=draws.within("shift", self.shift_s),
            noisy=self.noise_snr_db is not None and draws.share("noisy") < self.noise_probability,
        )

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Changes the sound of one clip as drawn.

        Args:
            clip: The clip that the draws are made for.
            inputs: Its sound, under the role `input`.

        Returns:
            The changed sound; see the class for its form.
        """
        sound, change = inputs["input"], self.drawn(clip)
        rate_hz = _rate_hz(sound)
        values = shifted(
            with_pitch_and_tempo(sound.values, rate_hz, change.semitones, change.tempo),
            round(change.shift_s * rate_hz),
        )
        if change.noisy and self.noise_snr_db is not None:
            values = with_noise(values, self.noise_snr_db, self.noise, self.draws(clip))
        seconds = sound.seconds[0] + np.arange(len(values)) * change.tempo / rate_hz
        return Track(values, seconds, np.ones(len(values), np.bool_), sound.notes)


def _rate_hz(sound: Track) -> int:
    """By the rows' times; a single sample has any rate."""
    return (
        round((len(sound) - 1) / float(sound.seconds[-1] - sound.seconds[0]))
        if len(sound) > 1
        else 1
    )


def with_pitch_and_tempo(
    values: NDArray[np.float32], rate_hz: int, semitones: float, tempo: float
) -> NDArray[np.float32]:
    """Changes pitch and tempo of sound, each by itself.

    The vocoder changes the length alone, by the ratio that is left after resampling has changed
    pitch and length together.

    Args:
        values: (time,) samples.
        rate_hz: Their sampling rate.
        semitones: How much higher it shall sound; negative: lower.
        tempo: How many times faster it shall be.

    Returns:
        (round(time / tempo),) samples, at least one.
    """
    pitch = 2.0 ** (semitones / 12)
    wanted = max(1, round(len(values) / tempo))
    longer = _vocoded(values, rate_hz, tempo / pitch)
    higher = longer if pitch == 1 else resampled(longer, rate_hz * pitch, rate_hz)
    return _of_length(higher, wanted)


def _vocoded(values: NDArray[np.float32], rate_hz: int, ratio: float) -> NDArray[np.float32]:
    """Sound of time / ratio at the same pitch; what is shorter than a frame is padded to one."""
    if ratio == 1:
        return values
    from librosa.effects import time_stretch

    frame = 1 << (max(16, round(_FRAME_S * rate_hz)) - 1).bit_length()
    padded = _of_length(values, max(len(values), frame))
    return np.asarray(time_stretch(padded, rate=ratio, n_fft=frame), np.float32)


def _of_length(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(values[:length], (0, max(0, length - len(values))))


def shifted(values: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Moves sound in time, with zeros where nothing is known.

    Args:
        values: (time,) samples.
        by: How many samples later; negative: earlier.

    Returns:
        (time,) as many samples as were given.
    """
    moved = np.zeros_like(values)
    if by >= 0:
        moved[by:] = values[: max(0, len(values) - by)]
    else:
        moved[:by] = values[-by:]
    return moved


def with_noise(
    values: NDArray[np.float32], snr_db: float, colour: str, draws: Draws
) -> NDArray[np.float32]:
    """Adds noise whose mean power is `snr_db` below that of the sound; silence stays silent.

    Args:
        values: (time,) samples.
        snr_db: Power of the sound over that of the noise, in dB; the result has exactly this ratio.
        colour: `white` or `pink`.
        draws: The clip's draws, of which `noise` gives the samples.

    Returns:
        (time,) the sum, not clipped.
    """
    noise: NDArray[Any] = draws.generator("noise").standard_normal(len(values))
    if colour == "pink":
        spectrum = np.fft.rfft(noise)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[:1] = 0
        noise = np.fft.irfft(spectrum, len(noise))
    loud, faint = float(np.mean(values.astype(np.float64) ** 2)), float(np.mean(noise**2))
    scale = math.sqrt(loud / faint * 10 ** (-snr_db / 10)) if faint else 0.0
    return np.asarray(values + scale * noise, np.float32)
