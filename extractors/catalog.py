"""Every extractor by name: one line each."""

from extractors.audio import Audio
from extractors.augment_audio import AugmentAudio
from extractors.augment_pictures import AugmentPictures
from extractors.base import Extractor
from extractors.crops import Crops
from extractors.denoise import Denoise
from extractors.digest import FramesDigest, SoundDigest
from extractors.faceprint import FacePrint
from extractors.faces import Faces
from extractors.frames import Frames
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from extractors.normalise import Normalise
from extractors.resnet import ResNet
from extractors.resnet_map import ResNetMap
from extractors.soundprint import SoundPrint
from extractors.summary import Summary

_ALL: tuple[type[Extractor], ...] = (
    Audio,
    Frames,
    Mfcc,
    LogMel,
    Faces,
    Crops,
    ResNet,
    ResNetMap,
    Denoise,
    Normalise,
    Summary,
    AugmentAudio,
    AugmentPictures,
    SoundPrint,
    FacePrint,
    SoundDigest,
    FramesDigest,
)

EXTRACTORS: dict[str, type[Extractor]] = {kind.name: kind for kind in _ALL}
"""Name of an extractor in a recipe -> its class."""
