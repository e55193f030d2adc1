"""The libraries that the workers of a recipe need: imported once, before they are forked."""

from collections.abc import Iterator

from extractors.plan import Graph

_ALL = ("flows.building.isolation", "av", "ffmpeg", "h5py", "imageio_ffmpeg")
_OF = {
    "audio": ("soxr",),
    "augment_audio": ("librosa.effects",),
    "crops": ("cv2",),
    "denoise": ("scipy.signal",),
    "faceprint": ("cv2", "scipy.fft"),
    "faces": ("cv2", "extractors.mediapipe_import"),
    "frames": ("cv2",),
    "logmel": ("scipy.sparse",),
    "mfcc": ("scipy.fft", "scipy.ndimage", "scipy.sparse"),
    "soundprint": ("scipy.fft",),
}
"""Extractor -> what it imports when it is first asked; of others, their workers import it.

No engine of a network is among them: OpenVINO starts a thread, and torch may hold a device.
"""


def libraries_for(graph: Graph) -> Iterator[str]:
    """Lists what the features of a recipe are measured with.

    Args:
        graph: The features of the recipe.

    Yields:
        Names of modules, some of them more than once.
    """
    yield from _ALL
    for spec in graph.specs.values():
        yield from _OF.get(spec.extractor, ())
