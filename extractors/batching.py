"""Full batches across clips for an encoder, while every clip gets its own rows back.

    tracks ──► pictures, in threads ──► batches ──► the network ──► rows, each to its clip

Everything is pulled from the right, so that a network on a device gets its next batch while it
works on one, and no more pictures are made than that takes.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from extractors.base import Encoder, Runtime
from extractors.unforeseen import is_of_the_machine
from manifests.tracks import Track

_ROWS = 256
"""Rows collected where the runtime leaves the batch to the engine: the largest batch that an engine
chooses."""
_BATCHES_AHEAD = 4
"""How many batches of pictures are made at once, where several threads make them."""


@dataclass(eq=False)
class _PendingClip:
    """A clip whose rows are not all encoded yet."""

    clip_id: str
    track: Track
    """values: (time, *row_shape), NaN until they are encoded."""
    missing: int
    error: Exception | None = None
    """What the encoder raised over a row of it."""


@dataclass(eq=False)
class _RowBatch:
    """Rows of some clips that go through the network together."""

    images: NDArray[np.uint8]
    """(rows, height, width, 3), filled from the front."""
    targets: list[tuple[_PendingClip, NDArray[np.intp]]] = field(default_factory=list)
    """Clip after clip: the rows of its track that the images are of."""
    count: int = 0

    def take(self, clip: _PendingClip, images: NDArray[np.uint8], rows: NDArray[np.intp]) -> None:
        """Takes in some images of a clip.

        Args:
            clip: The clip.
            images: All of its images.
            rows: Which of them.
        """
        end = self.count + len(rows)
        # Not "raise", which would fill another array first.
        np.take(images, rows, axis=0, out=self.images[self.count : end], mode="clip")
        self.targets.append((clip, rows))
        self.count = end

    def place(self, encoded: NDArray[np.float32]) -> None:
        """Gives each clip its rows.

        Args:
            encoded: What the network gave for the images.
        """
        ends = np.cumsum([len(rows) for _, rows in self.targets])
        for (clip, rows), part in zip(self.targets, np.split(encoded, ends[:-1]), strict=True):
            clip.track.values[rows] = part
            clip.missing -= len(rows)


Failed = Callable[[str, Exception], None]
"""failed(clip_id, error): takes a clip that the encoder raises an error over."""


def _raised(clip_id: str, error: Exception) -> NoReturn:
    raise error


def encode_stream(
    encoder: Encoder,
    tracks: Iterable[tuple[str, Track]],
    runtime: Runtime,
    failed: Failed = _raised,
) -> Iterator[tuple[str, Track]]:
    """Encodes many clips, in batches that may hold rows of several.

    Memory holds the longest clip's images, the batches that are under way and, where threads make
    pictures ahead, some more; and the embeddings of the clips that share these batches.

    Args:
        encoder: What encodes the rows.
        tracks: (clip_id, the encoder's input) of each clip.
        runtime: How the network runs, and the size of a batch.
        failed: Takes the clips that the encoder alone fails on, which are not given back; without
            it, their errors are raised.

    Yields:
        (clip_id, track) in the order of `tracks`, each as soon as its last row is encoded. values:
        (time, *row_shape) float32, NaN where not valid; seconds and valid are those of
        `encoder.images`. A clip without a valid row is given back too.

    Raises:
        Exception: The encoder fails whatever it is given: the fault is no clip's.
    """
    pictures = _pictures(encoder, tracks, runtime)
    yield from _ClipStream(encoder, pictures, runtime, failed).run()


Pictures = Iterator[tuple[str, Callable[[], Track]]]
"""(clip_id, what gives the clip's images) of each clip."""


def _pictures(encoder: Encoder, tracks: Iterable[tuple[str, Track]], runtime: Runtime) -> Pictures:
    if runtime.preparing == 1:
        for clip_id, track in tracks:
            yield clip_id, partial(encoder.images, track)
        return
    most = _BATCHES_AHEAD * (runtime.batch or _ROWS)
    pool = ThreadPoolExecutor(runtime.preparing, thread_name_prefix="pictures")
    try:
        ahead: deque[tuple[str, int, Callable[[], Track]]] = deque()
        rows = 0
        for clip_id, track in tracks:
            ahead.append((clip_id, len(track), pool.submit(encoder.images, track).result))
            rows += len(track)
            while rows > most:
                first, its, images = ahead.popleft()
                rows -= its
                yield first, images
        for clip_id, _, images in ahead:
            yield clip_id, images
    finally:
        pool.shutdown(cancel_futures=True)


class _ClipStream:
    """Clips on their way through a network."""

    def __init__(
        self, encoder: Encoder, pictures: Pictures, runtime: Runtime, failed: Failed
    ) -> None:
        self._encoder, self._runtime, self._failed = encoder, runtime, failed
        self._capacity = runtime.batch or _ROWS
        self._clips: deque[_PendingClip] = deque()
        self._under_way: deque[_RowBatch] = deque()
        """What the network has taken and not given back."""
        self._batches = self._cut(pictures)
        self._fault: Exception | None = None
        """What whoever gives the tracks has raised."""

    def run(self) -> Iterator[tuple[str, Track]]:
        """Yields the clips whose rows are all encoded, in their order."""
        is_over = False
        while not is_over:
            network = self._encoder.encode_batches(self._taken(), self._runtime)
            is_over = yield from self._through(network)
        if self._under_way:
            raise RuntimeError(
                f"{self._encoder.name} gave back fewer batches than it took; its encode_batches "
                "must give one for each"
            )
        yield from self._done()

    def _through(
        self, network: Iterator[NDArray[np.float32]]
    ) -> Generator[tuple[str, Track], None, bool]:
        """Yields clips until all batches are encoded, or one of them fails: False."""
        while True:
            try:
                encoded = next(network, None)
            except Exception as error:
                if error is self._fault or is_of_the_machine(error):
                    raise
                self._encode_again(error)
                return False
            if encoded is None:
                return True
            self._under_way.popleft().place(encoded)
            yield from self._done()

    def _taken(self) -> Iterator[NDArray[np.uint8]]:
        """The images of the batches that are left, each noted as under way."""
        try:
            for batch in self._batches:
                self._under_way.append(batch)
                yield batch.images[: batch.count]
        except Exception as error:
            self._fault = error
            raise

    def _cut(self, pictures: Pictures) -> Iterator[_RowBatch]:
        batch: _RowBatch | None = None
        for clip_id, make in pictures:
            try:
                images = make()
            except Exception as error:
                if is_of_the_machine(error):
                    raise
                self._failed(clip_id, error)
                continue
            clip, rows = self._pending(clip_id, images)
            while len(rows):
                if batch is None:
                    shape = (self._capacity, *images.values.shape[1:])
                    batch = _RowBatch(np.empty(shape, images.values.dtype))
                taken, rows = np.split(rows, [self._capacity - batch.count])
                batch.take(clip, images.values, taken)
                if batch.count == self._capacity:
                    yield batch
                    batch = None
        if batch is not None:
            yield batch

    def _pending(self, clip_id: str, images: Track) -> tuple[_PendingClip, NDArray[np.intp]]:
        """Takes in a clip; gives the rows of it that are to be encoded."""
        values = np.full((len(images), *self._encoder.row_shape), np.nan, np.float32)
        rows = np.flatnonzero(images.valid)
        track = Track(values, images.seconds, images.valid, images.notes)
        clip = _PendingClip(clip_id, track, len(rows))
        self._clips.append(clip)
        return clip, rows

    def _encode_again(self, error: Exception) -> None:
        """Encodes what is under way once more, and finds the clips whose rows fail.

        A black image goes first: where that fails too, no clip is at fault, and the error is
        raised.
        """
        if not self._under_way:
            raise error
        try:
            self._encoder.encode(np.zeros_like(self._under_way[0].images[:1]), self._runtime)
        except Exception:
            raise error from None
        while self._under_way:
            batch = self._under_way.popleft()
            try:
                encoded = self._encoder.encode(batch.images[: batch.count], self._runtime)
            except Exception as again:
                if is_of_the_machine(again):
                    raise
                self._encode_alone(batch)
            else:
                batch.place(encoded)

    def _encode_alone(self, batch: _RowBatch) -> None:
        images = iter(batch.images)
        for clip, rows in batch.targets:
            clip.missing -= len(rows)
            for row, image in zip(rows, islice(images, len(rows)), strict=True):
                if clip.error is not None:
                    continue
                try:
                    encoded = self._encoder.encode(image[np.newaxis], self._runtime)
                except Exception as fault:
                    if is_of_the_machine(fault):
                        raise
                    clip.error = fault
                else:
                    clip.track.values[row] = encoded[0]

    def _done(self) -> Iterator[tuple[str, Track]]:
        """Gives back the clips whose rows are all encoded; those that fail go apart."""
        while self._clips and not self._clips[0].missing:
            clip = self._clips.popleft()
            if clip.error is None:
                yield clip.clip_id, clip.track
            else:
                self._failed(clip.clip_id, clip.error)
