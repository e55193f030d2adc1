"""Limits that keep one hostile or mistaken file from stopping a build, and the clip's clock."""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from manifests.quarantine import BadClip, Reason

SAMPLES_A_SECOND = 8 * 48_000
"""Samples of all channels that a clip's sound may have for each second of `max_duration_s`: eight
channels of 48 kHz, or two of 192 kHz. A sample takes four bytes of memory, twice for a moment."""
MayTake = Callable[[float], None]
"""Told how many seconds the step of a clip that begins now may take."""
_may_take: ContextVar[MayTake] = ContextVar("may_take", default=lambda seconds: None)
PATIENCE = 10
"""What is done with the frames and samples of a clip may take so many times `timeout_s` without a
further frame: it knows no clock, and takes long only where the clip does."""


@contextmanager
def watched(may_take: MayTake) -> Iterator[None]:
    """Has somebody told what each step of the clips that are read meanwhile may take.

    The clock of a clip is looked at between packets; whoever is told can end what never gets there.

    Args:
        may_take: Called where a step begins.

    Yields:
        Nothing.
    """
    token = _may_take.set(may_take)
    try:
        yield
    finally:
        _may_take.reset(token)


@dataclass(frozen=True)
class Limits:
    """What a clip may ask for.

    A clip beyond a limit is a row of the quarantine, never a stalled build.
    """

    max_pixels: int = 3840 * 2160
    """Pixels of one frame (width times height), at most."""
    max_duration_s: float = 300.0
    """Seconds of one clip, at most; for a span of a longer file, the span's length. Its sound may
    have `SAMPLES_A_SECOND` samples for each, at most."""
    timeout_s: float = 120.0
    """Seconds of wall-clock time that reading and decoding one clip may take; what the frames'
    receivers do is not counted."""
    max_memory_mb: int = 1800
    """Resident memory, in units of 1e6 bytes, of the process that reads and measures one clip; held
    by the pool of processes that it is one of."""
    keep_damaged: bool = False
    """Whether of a clip with damage that is kept which can be read; see `extractors.damage`."""

    def __post_init__(self) -> None:
        for field in ("max_pixels", "max_duration_s", "timeout_s", "max_memory_mb"):
            if not 0 < getattr(self, field) < float("inf"):
                raise ValueError(
                    f"{field} is {getattr(self, field)}, expected more than 0; leave it out for "
                    "the default"
                )

    def check_pixels(self, clip_id: str, width: int, height: int) -> None:
        """Refuses a clip whose frames are too large.

        Args:
            clip_id: The clip's id.
            width: Of a frame, in pixels.
            height: Of a frame, in pixels.

        Raises:
            BadClip: TOO_LARGE.
        """
        if width * height > self.max_pixels:
            raise BadClip(
                clip_id,
                Reason.TOO_LARGE,
                f"a frame has {width} x {height} = {width * height:,} pixels, the limit is "
                f"{self.max_pixels:,}; raise max_pixels or shrink the video",
            )

    def check_length(self, clip_id: str, seconds: float) -> None:
        """Refuses a clip that is too long by its header or its packets.

        Args:
            clip_id: The clip's id.
            seconds: How long it is.

        Raises:
            BadClip: TOO_LONG.
        """
        if seconds > self.max_duration_s:
            raise BadClip(
                clip_id,
                Reason.TOO_LONG,
                f"the clip lasts {seconds:.1f} s, the limit is {self.max_duration_s:g} s; raise "
                "max_duration_s or cut it into spans",
            )

    def check_samples(self, clip_id: str, seconds: float, rate_hz: int, channels: int) -> None:
        """Refuses a clip whose sound would fill the memory.

        Args:
            clip_id: The clip's id.
            seconds: How long the sound is.
            rate_hz: Samples a second of one channel.
            channels: How many there are.

        Raises:
            BadClip: TOO_LARGE.
        """
        samples, most = seconds * rate_hz * channels, self.max_duration_s * SAMPLES_A_SECOND
        if samples > most:
            raise BadClip(
                clip_id,
                Reason.TOO_LARGE,
                f"the sound has {samples:,.0f} samples ({seconds:.1f} s of {rate_hz:,} Hz and "
                f"{channels} channels), the limit is {most:,.0f}; resample it, or raise "
                "max_duration_s",
            )

    def surely_within(self, rate_hz: int, channels: int) -> int:
        """Counts the samples of which `check_samples` and `check_heard` refuse none, however they
        round.

        Args:
            rate_hz: Samples a second of one channel.
            channels: How many there are.

        Returns:
            Samples of each channel.
        """
        most = min(rate_hz, SAMPLES_A_SECOND / channels)
        return int(self.max_duration_s * most) - 1

    def check_heard(self, clip_id: str, seconds: float) -> None:
        """Refuses a clip whose sound goes on for too long, whatever its packets announce.

        Args:
            clip_id: The clip's id.
            seconds: How long the sound so far is.

        Raises:
            BadClip: TOO_LONG.
        """
        if seconds > self.max_duration_s + 1:
            raise BadClip(
                clip_id,
                Reason.TOO_LONG,
                f"the sound goes on past {seconds:.1f} s, the limit is {self.max_duration_s:g} s; "
                "raise max_duration_s or cut the clip",
            )

    def check_shown(self, clip_id: str, seconds: float) -> None:
        """Refuses a clip whose frames stay on screen for too long.

        The length of a clip is known before, from its packets; a decoder may still give frames
        other times than they announce.

        Args:
            clip_id: The clip's id.
            seconds: How long the frames so far are on screen.

        Raises:
            BadClip: TOO_LONG.
        """
        if seconds > self.max_duration_s + 1:
            raise BadClip(
                clip_id,
                Reason.TOO_LONG,
                f"the frames go on past {seconds:.1f} s by the decoder's time stamps, the limit is "
                f"{self.max_duration_s:g} s; remux the file, or raise max_duration_s",
            )


class Deadline:
    """The time limit of one clip, which counts from the moment it is made.

    As a context manager it ends where the clip's bytes are no longer read.
    """

    def __init__(self, clip_id: str, timeout_s: float) -> None:
        self._clip_id, self._timeout_s = clip_id, timeout_s
        self._end = time.monotonic() + timeout_s
        self._may_take = _may_take.get()
        self._may_take(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._may_take(PATIENCE * self._timeout_s)

    def left_s(self) -> float:
        """Measures the time left.

        Returns:
            Seconds, more than 0.

        Raises:
            BadClip: TIMED_OUT where none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise BadClip(
                self._clip_id,
                Reason.TIMED_OUT,
                f"decoding took longer than the limit of {self._timeout_s:g} s; raise timeout_s "
                "if the machine is slow",
            )
        return left

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the count for as long as the context lasts."""
        started = time.monotonic()
        self._may_take(PATIENCE * self._timeout_s)
        yield
        now = time.monotonic()
        self._end += now - started
        self._may_take(self._end - now)


class WatchedFile(io.BufferedReader):
    """A file that is read under a clip's time limit.

    A walk from one place to the next in a made file can take as long as it likes. A place behind
    the end, however far, is the end.
    """

    def __init__(self, path: Path, deadline: Deadline) -> None:
        super().__init__(io.FileIO(path))
        self._deadline = deadline
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads the next bytes.

        Args:
            size: How many, at most; less than 0, or None: up to the end.

        Returns:
            The bytes.

        Raises:
            BadClip: TIMED_OUT.
        """
        self._deadline.left_s()
        return super().read(-1 if size is None or size < 0 else size)

    def seek(self, target: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place, or to the end where there is none.

        Args:
            target: The byte, counted from `whence`.
            whence: As of `io.IOBase.seek`.

        Returns:
            The byte at which the next read begins.
        """
        return super().seek(min(target, self._size), whence)
