"""MediaPipe's face detector, called where its own Python interface calls it: in its C library.

That interface passes each picture to a thread and back, twice, and declares two dozen functions
again for each. Here the same functions of the same library get the same picture, so that the faces
are the same, to the last bit. What is not a part of MediaPipe's documented interface is named in
`_library` alone; where another version has it elsewhere, the documented one is used.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from extractors.base import Rgb

Found = tuple[float, float, float, float, float]
"""Left, top, right and bottom in pixels, and the score."""
_SRGB = 1


def finder(mediapipe: Any, options: Any) -> Callable[[Rgb], list[Found]]:
    """Makes a face detector.

    Args:
        mediapipe: The imported module.
        options: Its `FaceDetectorOptions`.

    Returns:
        What finds the faces of a picture.
    """
    detector = mediapipe.tasks.vision.FaceDetector.create_from_options(options)
    try:
        library = _library(detector)
    except (AttributeError, ImportError):
        return lambda rgb: _documented(mediapipe, detector, rgb)
    return _Direct(detector, *library).find


def _documented(mediapipe: Any, detector: Any, rgb: Rgb) -> list[Found]:
    pixels = np.ascontiguousarray(rgb)
    picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
    return [
        _found(at.origin_x, at.origin_y, at.width, at.height, found.categories[0].score)
        for found in detector.detect(picture).detections
        for at in [found.bounding_box]
    ]


def _found(left: int, top: int, width: int, height: int, score: float) -> Found:
    return float(left), float(top), float(left + width), float(top + height), float(score)


def _library(detector: Any) -> tuple[ctypes.CDLL, ctypes.c_void_p, type[ctypes.Structure]]:
    """The C library with its functions declared, its name for the detector, and its result."""
    from mediapipe.tasks.python.components.containers import detections_c
    from mediapipe.tasks.python.core import mediapipe_c_bindings
    from mediapipe.tasks.python.vision import face_detector
    from mediapipe.tasks.python.vision.core import image

    signatures = (*image._CTYPES_SIGNATURES, *face_detector._CTYPES_SIGNATURES)
    library = mediapipe_c_bindings.load_raw_library(signatures)
    return library, detector._handle, detections_c.DetectionResultC


class _Direct:
    """Calls the C library for one detector, one call at a time, as it must be."""

    def __init__(
        self, detector: Any, library: Any, handle: Any, result: type[ctypes.Structure]
    ) -> None:
        self._detector = detector  # is closed with the last reference to it
        self._library, self._handle, self._result = library, handle, result
        self._lock = threading.Lock()

    def find(self, rgb: Rgb) -> list[Found]:
        """Finds the faces of a picture.

        Args:
            rgb: The picture.

        Returns:
            The faces, in no order.
        """
        with self._lock:
            picture = self._picture(np.ascontiguousarray(rgb))
            try:
                return self._faces(picture)
            finally:
                self._library.MpImageFree(picture)

    def _picture(self, rgb: Rgb) -> ctypes.c_void_p:
        picture, said = ctypes.c_void_p(), ctypes.c_char_p()
        height, width = rgb.shape[:2]
        pixels = ctypes.c_uint8.from_address(rgb.__array_interface__["data"][0])
        made = self._library.MpImageCreateFromUint8Data(
            *(_SRGB, width, height, ctypes.byref(pixels), rgb.size),
            *(ctypes.byref(picture), ctypes.byref(said)),
        )
        self._check(made, said)
        return picture

    def _faces(self, picture: ctypes.c_void_p) -> list[Found]:
        result: Any = self._result()
        said = ctypes.c_char_p()
        done = self._library.MpFaceDetectorDetectImage(
            self._handle, picture, None, ctypes.byref(result), ctypes.byref(said)
        )
        self._check(done, said)
        try:
            all_found = [result.detections[i] for i in range(result.detections_count)]
            return [_found_in(found) for found in all_found]
        finally:
            self._library.MpFaceDetectorCloseResult(ctypes.byref(result))

    def _check(self, status: int, said: ctypes.c_char_p) -> None:
        if status:
            text = (said.value or b"no reason").decode(errors="replace")
            self._library.MpErrorFree(said)
            raise RuntimeError(f"MediaPipe could not look for faces: {text}")


def _found_in(found: Any) -> Found:
    at = found.bounding_box
    sides = at.right - at.left, at.bottom - at.top
    return _found(at.left, at.top, *sides, found.categories[0].score)
