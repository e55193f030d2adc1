"""The kinds of extractor and what they share.

An extractor IS its parameters: a frozen dataclass whose fields are JSON values. It opens no store,
logs nothing, reads no environment and sets no global. Models and filter banks come from
`functools.cache`d functions below it, so that it pickles small and a process loads a model once.

    Waveform      decoded samples -> track            audio
    FromFrames    frames, one by one -> track         frames, faces, crops
    FromTracks    tracks of the same clip -> track    mfcc, logmel
    Encoder       rows of any clips -> rows           resnet

Frames pass through a sink, so that memory does not grow with their number; an encoder takes rows of
any clips, so that a GPU gets full batches.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

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
    """How the values of a track lie: `raw`, or `jpeg`: an object array of `bytes`, as extractors
    give it to the store, empty where not valid."""
    about: str = ""
    """What a reader should know of the numbers; it goes into the spec."""

    @classmethod
    def of(cls, source: FeatureSpec) -> "Layout":
        """Copies the layout of an input, for a feature whose rows have the same form.

        Args:
            source: The spec of the input.

        Returns:
            Its layout.
        """
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
    """What identifies an extractor, whatever its kind.

    Subclasses are frozen dataclasses of JSON values.
    """

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
        """Number of the variant of the clips that an augmentation makes; 0 for every other kind.

        All that is measured on a variant inherits its number.
        """
        return 0

    def params(self) -> dict[str, Json]:
        """Gives the parameters as they enter the fingerprint.

        Returns:
            Every field, and nothing that is true of one machine alone (a path).
        """
        fields: dict[str, Json] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return fields

    def check_range(self, field: str, low: float, high: float, unit: str = "") -> None:
        """Refuses a parameter outside its range.

        Args:
            field: Name of the parameter.
            low: Its least value.
            high: Its greatest value.
            unit: What ends the sentence that refuses it.

        Raises:
            ValueError: It is outside.
        """
        if not low <= (value := getattr(self, field)) <= high:
            raise ValueError(
                f"{field} of {self.name} is {value}, expected {low:g} to {high:g}{unit}"
            )

    def check_choice(self, field: str, choices: Collection[str]) -> None:
        """Refuses a parameter that is none of its choices.

        Args:
            field: Name of the parameter.
            choices: What it may be.

        Raises:
            ValueError: It is none of them.
        """
        if (value := getattr(self, field)) not in choices:
            raise ValueError(
                f"{field} of {self.name} is {value!r}, expected one of {', '.join(choices)}"
            )

    @abstractmethod
    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        """Describes the form of the rows.

        Args:
            needs: Role -> spec of each input.

        Returns:
            Type, dimensions, units and hop of the rows.

        Raises:
            ValueError: An input has a form that this extractor cannot work on.
        """

    def spec(self, name: str, needs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """Describes the feature that this extractor makes in a recipe.

        Args:
            name: Name of the feature.
            needs: Role -> spec of each input.

        Returns:
            The spec with its fingerprint: that of name, version and parameters of the extractor,
            its weights, and its inputs' fingerprints.

        Raises:
            ValueError: An input has a form that this extractor cannot work on.
        """
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
    """An extractor from decoded samples to a track."""

    @abstractmethod
    def convert(self, clip: Clip, pcm: Pcm) -> Track:
        """Makes the track that audio features are computed from.

        Args:
            clip: Whose sound it is.
            pcm: The decoded sound, as recorded.

        Returns:
            The sound as a track.

        Raises:
            BadClip: The clip holds no sound.
        """


class Sink(Protocol):
    """Takes the frames of one clip in order, and gives one track at the end."""

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Takes the next frame of the grid.

        Args:
            seconds: The frame's own time stamp.
            rgb: (height, width, 3) uint8; other sinks get the same array, so it is not written to.
        """

    def finish(self) -> Track:
        """Ends the clip.

        Returns:
            The track measured on all frames.

        Raises:
            BadClip: The frames hold nothing to measure.
        """


class FromFrames(Extractor):
    """An extractor from frames, which it gets one by one, to a track."""

    @abstractmethod
    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> Sink:
        """Makes what takes the frames of one clip.

        Args:
            clip: The clip.
            needs: Role -> sink of each input, so that one may listen to another.

        Returns:
            A new sink.
        """


class Inputs(Protocol):
    """The tracks that a `FromTracks` extractor needs."""

    def __getitem__(self, role: str) -> Track: ...

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Computes something that extractors share, such as one STFT, once a clip.

        Args:
            key: What it is; the same for all that share it.
            compute: Gives it.

        Returns:
            What `compute` gives, or gave for the same key and clip.
        """


class FromTracks(Extractor):
    """An extractor from tracks of a clip to a track of the same clip."""

    @abstractmethod
    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Measures one clip.

        Args:
            clip: The clip.
            inputs: Its tracks by role.

        Returns:
            The track; the class describes its form.

        Raises:
            BadClip: The tracks hold nothing to measure.
        """


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
    preparing: int = 1
    """Threads that decode and resize pictures while the network works on others. More than one
    gains nothing where the network needs the same processors."""

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("threads", "batch", "preparing")}
        for name, value in counts.items():
            if value is not None and value < 1:
                raise ValueError(
                    f"{name} = {value}, but at least 1 is needed; leave it out to let the engine "
                    "choose"
                )


class Encoder(Extractor):
    """An extractor that encodes rows one by one, whatever clips they come from.

    It needs exactly one input, under the role `input`.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Channels of the network's last block."""

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one encoded row."""
        return (self.dim,)

    @abstractmethod
    def ensure_weights(self) -> None:
        """Fetches and checks the weights, so that a build without them ends before it begins."""

    def check_runtime(self, runtime: Runtime) -> None:
        """Refuses what this machine cannot run, so that a build ends before it begins.

        Args:
            runtime: How the network is to run.

        Raises:
            ValueError: It cannot be had here; one sentence.
        """

    @abstractmethod
    def images(self, track: Track) -> Track:
        """Makes what the network takes.

        Args:
            track: One clip's track of the input.

        Returns:
            A track with values (time, height, width, 3) uint8; rows that are not valid are not
            encoded.
        """

    @abstractmethod
    def encode(self, images: NDArray[np.uint8], runtime: Runtime) -> NDArray[np.float32]:
        """Encodes rows; a row's numbers do not depend on the rows beside it.

        Args:
            images: (n, height, width, 3) uint8.
            runtime: How the network runs.

        Returns:
            (n, *row_shape) float32.
        """

    def encode_batches(
        self, batches: Iterable[NDArray[np.uint8]], runtime: Runtime
    ) -> Iterator[NDArray[np.float32]]:
        """Encodes batch after batch.

        A network that works by itself overrides this, and asks for the next batch meanwhile.

        Args:
            batches: (n, height, width, 3) uint8 each, n of at least 1.
            runtime: How the network runs.

        Yields:
            What `encode` gives for each, in order.
        """
        for images in batches:
            yield self.encode(images, runtime)


def form_of(source: FeatureSpec) -> str:
    """Words the form of an input, for a sentence that refuses it.

    Args:
        source: The spec of the input.

    Returns:
        Its name, and shape and type of its rows.
    """
    return f"{source.name} holds rows of shape {source.shape} {source.dtype}"
