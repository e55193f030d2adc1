"""Faces: where the one face that a clip shows is, in every frame.

The detector runs on a frame every `every_s`. Where the faces of two such frames pair up one to one,
the boxes of the frames between lie on a straight line; where they do not, the detector runs on
every frame between, and so it does on every frame while a face that was there is missing. Nothing
is linked or interpolated across a cut; `extractors.shots` says where cuts are. Frames wait from one
detection to the next and no longer, and one more where a shot may end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromFrames, Layout, Rgb, Sink
from extractors.detectors import DETECTORS, Box, Detect
from extractors.follow import (
    FaceTracker,
    between,
    face_counts,
    largest_faces_linked,
    lasting,
    linked,
    main_faces,
)
from extractors.frames import no_frames
from extractors.shots import Frame, ShotFinder
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

Listener = Callable[[Rgb, float, Mapping[int, Box]], None]
"""listener(rgb, seconds, boxes): called once for every frame, in order, with its final boxes by the
number of their face."""


@dataclass(frozen=True)
class Faces(FromFrames):
    """The box of one face in every frame, and how many faces the frame shows.

    values: (time, 6) float32: left, top, right, bottom in pixels of the decoded frame (x to the
        right, y down), the detector's score, and the number of faces found. Row k is the frame of
        row k of `frames`; between two detections box and score are interpolated linearly.
    valid: False where the face was not found: box and score are NaN there, and only the number of
        faces (0 or more) is a measurement.
    notes: `many_faces` (two or more in over a tenth of the frames: who speaks is ambiguous),
        `face_gaps` (some rows are not valid), `face_changes` (the rows show more than one track:
        after a cut, a dissolve or a long gap it may be another person).

    One face is followed: the largest (area times time) among those alive in the frame; while it is
    missing for a moment nobody takes its place.
    """

    name: ClassVar[str] = "faces"
    version: ClassVar[int] = 2
    roles: ClassVar[tuple[str, ...]] = ("frames",)

    frames: str = "frames"
    """The feature whose frames are searched for faces."""
    detector: str = "blazeface_short"
    """A name in `extractors.detectors.DETECTORS`."""
    min_score: float = 0.6
    """A hit counts from this score on; its scale is the detector's (a probability for BlazeFace).
    """
    every_s: float = 0.3
    """Time from one detection to the next; the detector runs on every frame where the largest face
    comes, goes or is missed."""
    missing_s: float = 0.5
    """A face that comes back within this time is the same face. Its rows in between are not valid.
    """
    min_lasting_s: float = 0.5
    """A face counts when it is found for so long without a break, or for half of a shot that is
    shorter than twice this."""
    cut_difference: float = 0.26
    """A shot ends where two successive frames differ by more than this in colour and structure, 0
    to 1; see `extractors.shots`."""
    many_faces_share: float = 0.1
    """`many_faces` is noted when more than this share of the frames shows two or more."""

    def __post_init__(self) -> None:
        self.check_choice("detector", DETECTORS)
        self.check_range("cut_difference", 0, 1)
        for field in (
            "min_score",
            "every_s",
            "missing_s",
            "min_lasting_s",
            "many_faces_share",
        ):
            if not 0 <= getattr(self, field) < float("inf"):
                raise ValueError(
                    f"{field} of faces is {getattr(self, field)}, expected a number of 0 or more"
                )

    @property
    def weights_sha256(self) -> str:
        return DETECTORS[self.detector].model.sha256

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout(
            dtype="float32",
            dims=("time", "box"),
            shape=(6,),
            units="left px, top px, right px, bottom px, score, faces seen",
            hop_s=needs["frames"].hop_s,
        )

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> "FaceSink":
        return FaceSink(clip, self, DETECTORS[self.detector].detect)


class FaceSink:
    """Follows the faces of one clip. `detect` finds the faces of one frame."""

    def __init__(self, clip: Clip, faces: Faces, detect: Detect) -> None:
        self._clip, self._faces, self._detect = clip, faces, detect
        self._tracks = FaceTracker(faces.missing_s)
        self._buffered: list[Frame] = []
        """Frames that wait for the next detection."""
        self._shots = ShotFinder(faces.cut_difference)
        self._last_detection: tuple[float, list[Box]] | None = None
        """Time and boxes of the last frame of this shot that the detector ran on."""
        self._detections = self._hits = 0
        self._best_score = 0.0
        self._listeners: list[Listener] = []
        self._outcome: Track | BadClip | None = None
        self.shown: list[int | None] = []
        """After `finish`: the number of the face that each row shows, None where not valid."""

    def listen(self, listener: Listener) -> None:
        """Passes every frame on as soon as its boxes are final: at most one detection later.

        Args:
            listener: What takes each frame and its boxes.
        """
        self._listeners.append(listener)

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Takes the next frame, and runs the detector on it where that is due.

        Args:
            seconds: The frame's time stamp.
            rgb: Its pixels.
        """
        for frame, begins_shot in self._shots.push(Frame(seconds, rgb)):
            self._add(frame, begins_shot)

    def finish(self) -> Track:
        """Ends the clip; a second call gives the same again.

        Returns:
            The boxes of the face that the clip shows.

        Raises:
            BadClip: NO_VIDEO where no frame came, NO_FACE where no face lasted long enough.
        """
        if self._outcome is None:
            for frame, begins_shot in self._shots.finish():
                self._add(frame, begins_shot)
            self._end_shot()
            self._outcome = self._result()
        if isinstance(self._outcome, BadClip):
            raise self._outcome
        return self._outcome

    def _add(self, frame: Frame, begins_shot: bool) -> None:
        if begins_shot:
            self._end_shot()
        self._buffered.append(frame)
        if self._is_due(frame.seconds):
            self._assign_boxes()

    def _is_due(self, seconds: float) -> bool:
        if self._last_detection is None or self._tracks.is_largest_missing():
            return True
        waited_s = seconds - self._last_detection[0]
        return waited_s >= self._faces.every_s - 1e-6 or waited_s == 0

    def _end_shot(self) -> None:
        if self._buffered:
            self._assign_boxes()
        self._tracks.cut()
        self._last_detection = None

    def _assign_boxes(self) -> None:
        """Detects faces in the last waiting frame, and gives every waiting frame its boxes."""
        *waiting, last = self._buffered
        before, present = self._last_detection, self._tracks.present()
        found = self._detected(last)
        pairs = linked(found, present)
        if waiting and before is not None and largest_faces_linked(found, present, pairs):
            self._interpolate(
                waiting, before[0], last.seconds, [(present[j], found[i]) for i, j in pairs]
            )
        else:
            for frame in waiting:
                self._record(frame, self._detected(frame))
        self._record(last, found)
        self._last_detection = (last.seconds, found)
        self._buffered = []

    def _interpolate(
        self,
        waiting: list[Frame],
        start_s: float,
        end_s: float,
        pairs: list[tuple[Box, Box]],
    ) -> None:
        for frame in waiting:
            share = (frame.seconds - start_s) / (end_s - start_s)
            self._record(frame, [between(old, new, share) for old, new in pairs])

    def _detected(self, frame: Frame) -> list[Box]:
        if self._last_detection is not None and frame.seconds == self._last_detection[0]:
            return self._last_detection[1]  # The same frame is still on screen.
        found = self._detect(frame.rgb, self._faces.min_score)
        self._detections += 1
        self._hits += bool(found)
        self._best_score = max([self._best_score, *(box.score for box in found)])
        return found

    def _record(self, frame: Frame, boxes: list[Box]) -> None:
        numbered = self._tracks.add_row(frame.seconds, boxes)
        for listener in self._listeners:
            listener(frame.rgb, frame.seconds, numbered)

    def _result(self) -> Track | BadClip:
        seconds = np.array(self._tracks.seconds, np.float64)
        if not len(seconds):
            return no_frames(self._clip)
        tracks = lasting(self._tracks, self._faces.min_lasting_s)
        if not tracks:
            return BadClip(self._clip.clip_id, Reason.NO_FACE, self._why_no_face())
        self.shown = main_faces(tracks, len(seconds))
        counts = face_counts(tracks, len(seconds))
        values = np.full((len(seconds), 6), np.nan, np.float32)
        values[:, 5] = counts
        for row, number in enumerate(self.shown):
            if number is not None:
                values[row, :5] = self._tracks.all[number].boxes[row]
        return Track(values, seconds, ~np.isnan(values[:, 0]), self._notes(counts))

    def _notes(self, counts: NDArray[np.int64]) -> tuple[str, ...]:
        facts = {
            "many_faces": float((counts > 1).mean()) > self._faces.many_faces_share,
            "face_gaps": None in self.shown,
            "face_changes": len(set(self.shown) - {None}) > 1,
        }
        return tuple(name for name, is_so in facts.items() if is_so)

    def _why_no_face(self) -> str:
        frames = len(self._tracks.seconds)
        looked = f"{self._faces.detector} looked at {self._detections} of {frames} frames"
        if not self._hits:
            return f"{looked} and found nothing with a score of {self._faces.min_score:g} or more"
        hits = f"had hits in {self._hits} (best score {self._best_score:.2f})"
        return (
            f"{looked} and {hits}, none of which lasted {self._faces.min_lasting_s:g} s or "
            "half of the clip"
        )


def face_sink(subject: str, sink: Sink) -> FaceSink:
    """Checks that an input is made by `faces`, whose sink passes frames on.

    Args:
        subject: Beginning of the sentence that refuses it, up to "need" or "needs".
        sink: The sink of the input.

    Returns:
        The same sink.

    Raises:
        ValueError: It is the sink of another extractor.
    """
    if not isinstance(sink, FaceSink):
        raise ValueError(
            f"{subject} a feature made by `faces`, got a {type(sink).__name__}; name that feature"
        )
    return sink
