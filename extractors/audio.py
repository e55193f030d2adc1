"""One channel of sound at one rate: what all audio features are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import Layout, Pcm, Waveform
from extractors.sound import resampled
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

SILENT = "silent"
"""Note: digital silence, or a peak below `SILENT_PEAK`."""
SILENT_PEAK = 1e-3
"""-60 dB re full scale: below the noise of any microphone in a room, so that what is left is a
muted or unplugged track."""

AUDIO_SHORT = "audio_short"
"""Note: the sound is shorter than the video beside it, by more than both `SHORT_S` and
`SHORT_SHARE`."""
SHORT_S = 0.5
"""Seconds of the video that may be without sound."""
SHORT_SHARE = 0.1
"""Share of the video that may be without sound."""

_CHANNEL = {"left": 0, "right": 1, "centre": 2}
"""Place of a channel that can be asked for by name, among the channels of a recording."""
_WITH_CENTRE = {3, 5, 6, 7, 8}
"""Numbers of channels whose layout is 3.0, 5.0, 5.1, 6.1 or 7.1; of the layouts with four, only
some have a centre."""


@dataclass(frozen=True)
class Audio(Waveform):
    """Mono sound.

    values: (time,) float32, full scale = 1; row i is the sample at `seconds[i]` = (time stamp of
        the first sample) + i / rate_hz.
    valid: True throughout.
    notes: `silent`, `audio_short`.

    Mono is the mean of all channels, as librosa takes it; ffmpeg's own downmix of stereo is 3 dB
    louder. Resampling is soxr's HQ.
    """

    name: ClassVar[str] = "audio"
    version: ClassVar[int] = 2

    rate_hz: int = 16000
    """Sampling rate of the values; a recording at this rate is not resampled."""
    channels: str = "mean"
    """`mean` of all channels; or one of them alone: `left`, `right` (of a recording with two or
    more), or `centre`, the third channel of 3.0, 5.0, 5.1, 6.1 and 7.1, where film dialogue is. A
    recording without the channel asked for is quarantined."""

    def __post_init__(self) -> None:
        self.check_range("rate_hz", 1000, 384_000, "; 16000 is the default")
        if self.channels != "mean" and self.channels not in _CHANNEL:
            raise ValueError(
                f"channels of audio is {self.channels!r}, expected `mean`, `left`, `right` or "
                "`centre`"
            )

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout(
            dtype="float32",
            dims=("time",),
            shape=(),
            units="full scale = 1",
            hop_s=1 / self.rate_hz,
        )

    def convert(self, clip: Clip, pcm: Pcm) -> Track:
        """Takes one channel of the decoded sound, at the rate asked for.

        Args:
            clip: Whose sound it is; its video's length decides whether `audio_short` is noted.
            pcm: The decoded sound, as recorded.

        Returns:
            The mono sound; see the class for its form.

        Raises:
            BadClip: NO_AUDIO where there is no sample, or not the channel asked for.
        """
        mono = self._mono(clip, pcm)
        values = mono
        if pcm.rate_hz != self.rate_hz:
            values = resampled(mono, pcm.rate_hz, self.rate_hz)
        if not len(values):
            raise _nothing(
                clip,
                f"the sound holds {len(mono)} samples at {pcm.rate_hz} Hz, expected enough for "
                f"one at {self.rate_hz} Hz",
            )
        seconds = pcm.start_s + np.arange(len(values)) / self.rate_hz
        return Track(values, seconds, np.ones(len(values), np.bool_), _notes(clip, pcm, mono))

    def _mono(self, clip: Clip, pcm: Pcm) -> NDArray[np.float32]:
        samples, found = pcm.samples, pcm.samples.shape[1]
        if not len(samples):
            raise _nothing(clip, "the audio stream holds 0 samples, expected at least one")
        if self.channels == "mean":
            if found == 1:  # whose mean it is, to the bit
                return np.ascontiguousarray(samples[:, 0])
            return np.asarray(samples.mean(axis=1, dtype=np.float64), np.float32)
        if found < 2 or (self.channels == "centre" and found not in _WITH_CENTRE):
            raise _nothing(
                clip,
                f"the sound has {found} channels and no `{self.channels}` one among them; set "
                "channels to `mean`",
            )
        return np.ascontiguousarray(samples[:, _CHANNEL[self.channels]])


def _nothing(clip: Clip, detail: str) -> BadClip:
    return BadClip(clip.clip_id, Reason.NO_AUDIO, detail)


def _notes(clip: Clip, pcm: Pcm, mono: NDArray[np.float32]) -> tuple[str, ...]:
    silent = max(float(mono.max()), -float(mono.min())) < SILENT_PEAK
    missing = (video_s := _video_s(clip)) - len(mono) / pcm.rate_hz
    short = missing > SHORT_S and missing > SHORT_SHARE * video_s
    return (SILENT,) * silent + (AUDIO_SHORT,) * short


def _video_s(clip: Clip) -> float:
    """Seconds of video in the clip's span; 0 where there is none, or the clip was not probed."""
    if clip.video_s is None:
        return 0.0
    start = clip.video_start_s or 0.0
    end = start + clip.video_s
    if clip.end_s is not None:
        end = min(end, clip.end_s)
    return max(0.0, end - max(start, clip.start_s or start))
