"""What a reader sees of a clip, by the store alone: a small picture and its loudness over time."""

from collections.abc import Sequence

import numpy as np

from extractors.frames import decode_jpeg, encode_jpeg, resize
from flows.reporting.facts import ClipSight, Floats, subject_of
from flows.reporting.measures import feature_of, powers, sound_feature
from flows.reporting.place import ReportError
from manifests.clips import Clip
from stores import FeatureStore

MOST_FACES = 300
_SIDE_PX, _QUALITY = 96, 80
_POINTS = 160
"""Of a line of loudness."""


class ClipSights:
    """Makes what is shown of clips: pictures only where the store holds pictures."""

    def __init__(self, store: FeatureStore, clips: Sequence[Clip]) -> None:
        """Reads nothing yet.

        Args:
            store: The store.
            clips: All of its clips.
        """
        self._clips = {clip.clip_id: clip for clip in clips}
        self._store = store
        self._crops, self._sound = feature_of(store, "crops"), sound_feature(store)

    @property
    def has_pictures(self) -> bool:
        """The store holds pictures of faces."""
        return self._crops is not None

    def of(self, clip_id: str) -> ClipSight:
        """Shows a clip.

        Args:
            clip_id: The clip, or a file that never became one.

        Returns:
            Its picture and its sound, as far as the store has them.

        Raises:
            ReportError: A stored picture is damaged.
        """
        clip = self._clips.get(clip_id)
        subject = subject_of(clip) if clip else "unknown"
        duration_s = clip.duration_s if clip else None
        return ClipSight(clip_id, subject, duration_s, self._picture(clip_id), self._wave(clip_id))

    def faces(self) -> list[ClipSight]:
        """Shows each subject once, in the first of its clips that has a picture.

        Returns:
            One for each subject, by name; none where the store holds no picture.

        Raises:
            ReportError: A stored picture is damaged.
        """
        if self._crops is None:
            return []
        tracks = self._store[self._crops.name]
        first: dict[str, Clip] = {}
        for clip in self._clips.values():
            if clip.subject_id and clip.subject_id not in first and clip.clip_id in tracks:
                first[clip.subject_id] = clip
        chosen = sorted(first.items())[:MOST_FACES]
        return [
            ClipSight(clip.clip_id, subject, clip.duration_s, self._picture(clip.clip_id), ())
            for subject, clip in chosen
        ]

    def _picture(self, clip_id: str) -> bytes | None:
        if self._crops is None or clip_id not in (tracks := self._store[self._crops.name]):
            return None
        track = tracks.track(clip_id, decode=False)
        rows = np.flatnonzero(track.valid)
        if not len(rows):
            return None
        found = track.values[rows[len(rows) // 2]]
        try:
            rgb = decode_jpeg(found) if isinstance(found, bytes) else np.asarray(found, np.uint8)
        except ValueError as error:
            raise ReportError(
                f"a picture of {clip_id} in {self._crops.name} is no JPEG ({error}); run "
                f"`affectstore verify {self._store.location}`, which names damaged files"
            ) from error
        return encode_jpeg(resize(rgb, _SIDE_PX), _QUALITY)

    def _wave(self, clip_id: str) -> tuple[float, ...]:
        if self._sound is None or clip_id not in (tracks := self._store[self._sound.name]):
            return ()
        return tuple(envelope(powers(self._sound, tracks[clip_id])).round(3).tolist())


def envelope(power: Floats) -> Floats:
    """The outline of a sound: its amplitude in parts of equal length.

    Args:
        power: (time,) as `powers` gives it.

    Returns:
        At most 160 numbers from 0 to 1, where 1 is the loudest part; zeros for silence.
    """
    parts = np.array_split(power, min(len(power), _POINTS)) if len(power) else []
    amplitude = np.sqrt([part.mean() for part in parts])
    loudest = amplitude.max(initial=0.0)
    return amplitude / loudest if loudest > 0 else amplitude
