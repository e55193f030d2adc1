"""The three kinds of extractor and what they share.

An extractor IS its parameters: a frozen dataclass whose fields are JSON values. It opens no store,
logs nothing, reads no environment and sets no global. Models and filter banks come from
`functools.cache`d functions below it, so that it pickles small and a process loads a model once.

    Waveform        decoded samples -> track          audio
    FromFrames      frames, one by one -> track       frames, faces, crops     (a sink: memory does not grow with the frames)
    FromTracks      tracks of the same clip -> track  mfcc, logmel
    Encoder         rows of any clips -> rows         resnet                   (so that a GPU gets full batches)
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from manifests.clips import Clip
from manifests.features import FeatureSpec, Json, canonical_json, fingerprint
from manifests.tracks import Track

Rgb = NDArray[np.uint8]
"""One frame, (height, width, 3), red first."""

T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """What a feature's rows look like; see `FeatureSpec` for each field."""

    dtype: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    units: str
    hop_s: float | None
    codec: str = "raw"
    """`jpeg`: the values of a track, as extractors hand it on, are an object array of `bytes`,
    empty where not valid."""
    about: str = ""

    @classmethod
    def of(cls, source: FeatureSpec) -> "Layout":
        """The layout of an input, for a feature whose rows have the same form."""
        return cls(
            source.dtype,
            source.dims,
            source.shape,
            source.units,
            source.hop_s,
            source.codec,
            source.about,
        )


class Extractor(ABC):
    """Common to all kinds: identity. Subclasses are frozen dataclasses of JSON values."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Bumped when the same input gives other numbers."""

    roles: ClassVar[tuple[str, ...]] = ()
    """Fields that name an input; an input's role is the name of its field."""

    @property
    def needs(self) -> Mapping[str, str]:
        """Inputs: role -> name of a feature of the same recipe."""
        return {role: getattr(self, role) for role in self.roles}

    @property
    def weights_sha256(self) -> str | None:
        """Hash of the model file that the numbers depend on; None without one."""
        return None

    @property
    def variant_of_clip(self) -> int:
        """Above 0 for what augments: the number of the variant that it makes, which all that is
        measured on it inherits."""
        return 0

    def params(self) -> dict[str, Json]:
        """The parameters as they enter the fingerprint: every field, and nothing that is true of
        one machine alone (a path)."""
        fields: dict[str, Json] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return fields

    @abstractmethod
    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        """The form of the rows, given the specs of the inputs by role."""

    def spec(self, name: str, needs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        params = self.params()
        prints = {role: spec.fingerprint for role, spec in needs.items()}
        return FeatureSpec(
            name=name,
            extractor=self.name,
            version=self.version,
            params=canonical_json(params),
            fingerprint=fingerprint(self.name, self.version, params, prints, self.weights_sha256),
            needs=tuple(prints[role] for role in sorted(prints)),
            variant=max([self.variant_of_clip, *(spec.variant for spec in needs.values())]),
            **dataclasses.asdict(self.layout(needs)),
        )


@dataclass(frozen=True, eq=False)
class Pcm:
    """Decoded sound, as recorded."""

    samples: NDArray[np.float32]
    """(time, channel), full scale = 1.0."""
    rate_hz: int
    start_s: float
    """Time stamp of the first sample."""


class Waveform(Extractor):
    @abstractmethod
    def convert(self, clip: Clip, pcm: Pcm) -> Track:
        """Decoded sound -> the track that audio features are computed from. BadClip when there is
        nothing to hear."""


class Sink(Protocol):
    """Takes the frames of one clip in order, and gives one track at the end."""

    def push(self, seconds: float, rgb: Rgb) -> None: ...

    def finish(self) -> Track:
        """BadClip when the frames hold nothing to measure."""


class FromFrames(Extractor):
    @abstractmethod
    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> Sink:
        """A new sink for one clip. `needs` holds the sinks of the inputs by role, so that one may
        listen to another."""


class Inputs(Protocol):
    """The tracks that a `FromTracks` extractor needs."""

    def __getitem__(self, role: str) -> Track: ...

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """compute(), or what it gave for the same key and clip: how extractors share one STFT."""


class FromTracks(Extractor):
    @abstractmethod
    def extract(self, clip: Clip, inputs: Inputs) -> Track: ...


@dataclass(frozen=True)
class Runtime:
    """How an encoder runs. No part of a fingerprint: it changes no number beyond 1e-5 relative."""

    engine: str = "auto"
    """`torch`, `openvino`, or `auto`: torch where it finds a CUDA device, else OpenVINO."""
    threads: int | None = None
    """CPU threads of one OpenVINO network; None: all cores. Torch's are the process's own
    (`torch.set_num_threads`)."""
    batch: int | None = None
    """Rows collected for one call, which a CUDA device takes at once; None: what suits the device.
    A CPU takes 8 at a time."""

    def __post_init__(self) -> None:
        for name, value in (("threads", self.threads), ("batch", self.batch)):
            if value is not None and value < 1:
                raise ValueError(
                    f"{name} = {value}, but at least 1 is needed; leave it out to let the engine "
                    "choose"
                )


class Encoder(Extractor):
    """Encodes rows one by one, whatever clips they come from; needs exactly one input, under the
    role `input`."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Numbers in one encoded row."""

    @abstractmethod
    def ensure_weights(self) -> None:
        """Fetch and check the weights now, so that a build without them ends before it begins."""

    @abstractmethod
    def images(self, track: Track) -> Track:
        """One clip's track -> what the network sees: values (time, height, width, 3) uint8. Rows
        not valid are not encoded."""

    @abstractmethod
    def encode(self, images: NDArray[np.uint8], runtime: Runtime) -> NDArray[np.float32]:
        """(n, height, width, 3) uint8 -> (n, dim) float32; a row's numbers do not depend on the
        rows beside it."""


def not_finite(track: Track) -> int:
    """How many valid rows hold a value that is infinite or not a number."""
    if track.values.dtype.kind != "f":
        return 0
    rows: NDArray[Any] = track.values[track.valid]
    return int((~np.isfinite(rows)).reshape(len(rows), -1).any(axis=1).sum()) if len(rows) else 0
