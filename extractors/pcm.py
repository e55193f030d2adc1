"""Decoded sound -> one array of samples on the file's clock."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from av import AudioFrame
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

from extractors.base import Pcm
from extractors.damage import Damage
from extractors.flac_digest import FlacDigest
from extractors.full_scale import as_floats
from extractors.limits import Limits
from extractors.sound_extent import GAP_S, nearest
from manifests.quarantine import BadClip, Reason

AUDIO_GAPS = "audio_gaps"
"""Note: the recording has holes, filled with zeros."""


class Samples:
    """Collects the decoded audio frames of one clip, and gives those of its span."""

    def __init__(
        self,
        clip_id: str,
        start_s: float | None,
        end_s: float | None,
        limits: Limits,
        excess_s: Fraction,
        digest: FlacDigest | None = None,
        damage: Damage | None = None,
    ) -> None:
        """Begins a clip.

        Args:
            clip_id: The clip's id.
            start_s: Where its span begins on the file's clock; None: with the first sample.
            end_s: Where its span ends; None: with the last sample.
            limits: What the clip may ask for.
            excess_s: Seconds at the end that are decoded and are no part of the sound.
            digest: What the file tells of its samples.
            damage: What becomes of damage; None: the sound is refused.
        """
        self._damage = damage or Damage(keep=False)
        self._clip_id, self._limits = clip_id, limits
        self._most = 0
        """Samples of a channel that need no look at the limits."""
        self._start = None if start_s is None else Fraction(start_s)
        self._end = None if end_s is None else Fraction(end_s)
        self._parts: list[NDArray[Any]] = []
        """As the decoder gives them: most are scaled at once, at the end."""
        self._rate, self._channels = 0, 0
        self._first = 0
        """Index of the first sample collected, counted in samples from the clock's zero."""
        self._next = 0
        """Index of the sample that comes next, counted likewise."""
        self._tick, self._tick_parts = Fraction(1), (1, 1)
        """Seconds of a tick, and the same as two numbers: a fraction is slow to be asked for them.
        """
        self._excess_s = excess_s
        self._digest = digest
        self.notes: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """The span's end has been reached."""
        return (
            bool(self._rate)
            and self._end is not None
            and self._next >= self._index(self._end + self._excess_s)
        )

    def add(self, frame: AudioFrame, stamp: Fraction | None) -> None:
        """Adds the next samples.

        Args:
            frame: The samples.
            stamp: Time of the first one in seconds; None where it is not known: they follow the
                ones before.

        Raises:
            BadClip: CORRUPT where rate or channels change; TOO_LONG where the clip exceeds its
                limit; TOO_LARGE for more samples than there may be.
        """
        if stamp is None:
            self.add_at(frame, None, Fraction(1))
        else:
            self.add_at(frame, stamp.numerator, Fraction(1, stamp.denominator))

    def add_at(self, frame: AudioFrame, ticks: int | None, tick: Fraction) -> None:
        """Adds the next samples.

        Args:
            frame: The samples.
            ticks: Time of the first one; None where it is not known: they follow the ones before.
            tick: Seconds of a tick.

        Raises:
            BadClip: As `add` does.
        """
        part, rate = _values(frame), frame.sample_rate
        if not len(part):
            return
        if tick is not self._tick:
            self._tick, self._tick_parts = tick, tick.as_integer_ratio()
        numerator, denominator = self._tick_parts
        place = None if ticks is None else nearest(ticks * numerator * rate, denominator)
        if not self._rate:
            self._rate, self._channels = rate, part.shape[1]
            self._most = self._limits.surely_within(rate, self._channels)
            self._next = place or 0
        elif (rate, part.shape[1]) != (self._rate, self._channels):
            changed = self._corrupt(
                f"the sound changes from {self._rate} Hz and {self._channels} channels to "
                f"{rate} Hz and {part.shape[1]}, expected one form throughout"
            )
            self._damage.report(changed)
            return
        if self._digest is not None:
            self._digest.add(part)
        if place is not None and place > self._next:
            self._bridge(place - self._next, part.dtype)
        self._keep(part)

    def check_all(self, packets: int) -> None:
        """Compares what was added with what the file tells of it, if that is all.

        Args:
            packets: How many packets it was decoded from.

        Raises:
            BadClip: CORRUPT.
        """
        if not self._rate:
            raise self._corrupt(
                f"{packets} audio packets give no sample, expected one at least; copy or download "
                "the file again"
            )
        if self._digest is None or (self.ended and self._end is not None):
            return
        if fault := self._digest.fault():
            self._damage.report(self._corrupt(f"{fault}; copy or download it again"))

    def pcm(self) -> Pcm | None:
        """Ends the clip.

        Returns:
            The sound of the span; None where no sample was found in it.
        """
        self._cut(round(self._excess_s * self._rate))
        if not self._parts:
            return None
        return Pcm(_joined(self._parts), self._rate, self._first / self._rate)

    def _cut(self, samples: int) -> None:
        """Leaves out the last samples that were added, as far as they were kept."""
        excess = self._first + sum(len(part) for part in self._parts) - (self._next - samples)
        while self._parts and excess > 0:
            kept = self._parts.pop()
            excess -= len(kept)
            if excess < 0:
                self._parts.append(kept[:-excess])

    def _bridge(self, missing: int, dtype: np.dtype[Any]) -> None:
        if missing > GAP_S * self._rate:
            self._check_length(missing)
            silence = 128 if dtype == np.uint8 else 0
            self._keep(np.full((missing, self._channels), silence, dtype))
            self.notes = (AUDIO_GAPS,)

    def _keep(self, part: NDArray[Any]) -> None:
        """Appends what lies within the span, to the sample."""
        low, high = 0, len(part)
        if self._start is not None:
            low = max(0, self._index(self._start) - self._next)
        if self._end is not None:
            high = min(high, self._index(self._end) - self._next)
        if low < high:
            self._check_length(high - low)
            if not self._parts:
                self._first = self._next + low
            self._parts.append(part if high - low == len(part) else part[low:high])
        self._next += len(part)

    def _check_length(self, more: int) -> None:
        samples = more + (self._next - self._first if self._parts else 0)
        if samples <= self._most:
            return
        length = samples / self._rate
        self._limits.check_heard(self._clip_id, length)
        self._limits.check_samples(self._clip_id, length, self._rate, self._channels)

    def _index(self, time: Fraction) -> int:
        """The first sample at or after a time."""
        return math.ceil(time * self._rate)

    def _corrupt(self, detail: str) -> BadClip:
        return BadClip(self._clip_id, Reason.CORRUPT, detail)


_AT_ONCE = 1 << 22
"""Samples of all channels that are scaled at once: beyond, memory counts more than time."""
_DTYPES = {
    form + planar: np.dtype(dtype)
    for form, dtype in (
        ("u8", "u1"), ("s16", "i2"), ("s32", "i4"), ("s64", "i8"), ("flt", "f4"), ("dbl", "f8"),
    )
    for planar in ("", "p")
}  # fmt: skip
"""Type of a sample of each of libavutil's formats; of those that end with `p`, each channel has a
plane of its own."""


def _values(frame: AudioFrame) -> NDArray[Any]:
    """(time, channel) as the decoder gives them; a view of its memory, where it has one plane."""
    form, channels, samples = frame.format.name, frame.layout.nb_channels, frame.samples
    # `frame.planes`, and to_ndarray() with it, reads on to a null pointer, and behind eight planes
    # there is none.
    if channels == 1 or not form.endswith("p"):
        return _plane(frame, 0, form, samples * channels).reshape(samples, channels)
    return np.stack([_plane(frame, i, form, samples) for i in range(channels)], axis=1)


def _plane(frame: AudioFrame, number: int, form: str, count: int) -> NDArray[Any]:
    return np.frombuffer(memoryview(AudioPlane(frame, number)), _DTYPES[form], count)


def _joined(parts: list[NDArray[Any]]) -> NDArray[np.float32]:
    """(time, channel) of all parts, scaled; of much sound each part goes once it is copied."""
    samples = sum(map(len, parts))
    if samples * parts[0].shape[1] <= _AT_ONCE and len({part.dtype for part in parts}) == 1:
        return as_floats(np.concatenate(parts))
    joined, end = np.empty((samples, parts[0].shape[1]), np.float32), samples
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = as_floats(part)
        end -= len(part)
    return joined
