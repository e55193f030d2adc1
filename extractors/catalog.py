"""Every extractor by name: one line each."""

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.crops import Crops
from extractors.faces import Faces
from extractors.frames import Frames
from extractors.logmel import LogMel
from extractors.mfcc import Mfcc
from extractors.resnet import ResNet

EXTRACTORS: dict[str, type[Extractor]] = {kind.name: kind for kind in (Audio, Frames, Mfcc, LogMel, Faces, Crops, ResNet)}
