"""Full batches across clips for an encoder, while every clip gets its own rows back."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from extractors.base import Encoder, Runtime
from extractors.unforeseen import is_of_the_machine
from manifests.tracks import Track

_ROWS = 256
"""Rows collected where the runtime leaves the batch to the engine: the largest batch that an engine
chooses."""


@dataclass(eq=False)
class _PendingClip:
    """A clip whose rows are not all encoded yet."""

    clip_id: str
    track: Track
    """values: (time, *row_shape), NaN until they are encoded."""
    missing: int
    error: Exception | None = None
    """What the encoder raised over a row of it."""


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

    Memory holds one batch of images, the longest clip's images, and the embeddings of the clips
    that share the batch.

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
    queue = _Queue(encoder, runtime)
    for clip_id, track in tracks:
        try:
            images = encoder.images(track)
        except Exception as error:
            if is_of_the_machine(error):
                raise
            failed(clip_id, error)
            continue
        queue.put(clip_id, images)
        yield from queue.done(failed)
    queue.encode()
    yield from queue.done(failed)


class _Queue:
    def __init__(self, encoder: Encoder, runtime: Runtime) -> None:
        self._encoder, self._runtime = encoder, runtime
        self._capacity = runtime.batch or _ROWS
        self._clips: deque[_PendingClip] = deque()
        self._images: list[NDArray[np.uint8]] = []
        self._targets: list[tuple[_PendingClip, NDArray[np.intp]]] = []
        """Of each entry of `_images`: the clip, and the rows of its track that the images are of.
        """
        self._count = 0

    def put(self, clip_id: str, images: Track) -> None:
        """Takes in a clip; encodes whenever the batch is full.

        Args:
            clip_id: The clip's id.
            images: What `Encoder.images` makes of it.
        """
        values = np.full((len(images), *self._encoder.row_shape), np.nan, np.float32)
        rows = np.flatnonzero(images.valid)
        clip = _PendingClip(
            clip_id, Track(values, images.seconds, images.valid, images.notes), len(rows)
        )
        self._clips.append(clip)
        while len(rows):
            taken, rows = np.split(rows, [self._capacity - self._count])
            # A copy, so that the clip's other images can be freed.
            self._images.append(images.values[taken])
            self._targets.append((clip, taken))
            self._count += len(taken)
            if self._count == self._capacity:
                self.encode()

    def encode(self) -> None:
        if not self._count:
            return
        try:
            encoded = self._encoder.encode(np.concatenate(self._images), self._runtime)
        except Exception as error:
            if is_of_the_machine(error):
                raise
            self._encode_alone(error)
        else:
            ends = np.cumsum([len(rows) for _, rows in self._targets])
            for (clip, rows), part in zip(self._targets, np.split(encoded, ends[:-1]), strict=True):
                clip.track.values[rows] = part
        for clip, rows in self._targets:
            clip.missing -= len(rows)
        self._images, self._targets, self._count = [], [], 0

    def _encode_alone(self, error: Exception) -> None:
        """Encodes the rows of a batch one by one, and finds the clips whose rows fail.

        A black image goes first: where that fails too, no clip is at fault, and the batch's error
        is raised.
        """
        try:
            self._encoder.encode(np.zeros_like(self._images[0][:1]), self._runtime)
        except Exception:
            raise error from None
        for (clip, rows), images in zip(self._targets, self._images, strict=True):
            for row, image in zip(rows, images, strict=True):
                try:
                    encoded = self._encoder.encode(image[np.newaxis], self._runtime)
                except Exception as fault:
                    if is_of_the_machine(fault):
                        raise
                    clip.error = fault
                    break
                clip.track.values[row] = encoded[0]

    def done(self, failed: Failed) -> Iterator[tuple[str, Track]]:
        """Gives back the clips whose rows are all encoded, in their order.

        Args:
            failed: Takes those that the encoder fails on.

        Yields:
            (clip_id, track) of the others.
        """
        while self._clips and not self._clips[0].missing:
            clip = self._clips.popleft()
            if clip.error is None:
                yield clip.clip_id, clip.track
            else:
                failed(clip.clip_id, clip.error)
