"""The state of a fitted feature: one HDF5 file that holds what was learned from the training clips
of one fold, and which clips these were.

    /  attributes: format_version, name, fingerprint (of the feature), scheme, fold, training_sha256
       clip_id          (clips,)   fixed-length UTF-8   sorted: the clips that the fit saw
       clip_sha256      (clips,)   fixed-length UTF-8   of their files
       state.NAME       what was learned: arrays of bool, integer or float numbers, none of them infinite or not a number

The file lies at fitted/<name>/<fingerprint>/<scheme>-<fold>-<key>.h5 below the store's root. How
every file is made of plain datasets, and what is refused: see plain.py.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec
from manifests.tracks import Track
from stores.atomic import publishing
from stores.hdf5_file import (
    ArrayLayout,
    WrongFile,
    array_layout,
    attribute,
    lay_out,
    map_file,
    open_hdf5,
    view,
    write_at,
    write_layout,
)
from stores.location import Location
from stores.training_clips import clips_sha256
from stores.transforms import State

STATE_FORMAT = 1
_IDS = ("clip_id", "clip_sha256")
_PREFIX = "state."
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MOST_ARRAYS = 10_000


class WrongState(WrongFile):
    """A file is not the state that it should be; the message says what was found and what was
    expected."""


@dataclass(frozen=True)
class StateFile:
    """A state, whose it is, and what it was learned from."""

    name: str
    """Of the feature."""
    fingerprint: str
    scheme: str
    fold: int
    clips: tuple[tuple[str, str], ...]
    """(clip id, sha256 of its file) of each clip that the fit saw, sorted."""
    state: State

    @property
    def training_sha256(self) -> str:
        return clips_sha256(self.clips)


def write_state(location: Location, file: str, content: StateFile) -> None:
    """Write `file` below `root`, whole or not at all; the same content gives the same bytes.
    ValueError for what is no plain number."""
    arrays = {
        _PREFIX + name: _plain(content, name, content.state[name]) for name in sorted(content.state)
    }
    columns = zip(*content.clips, strict=True) if content.clips else ((), ())
    for name, texts in zip(_IDS, columns, strict=True):
        arrays[name] = _texts(texts)
    attributes: dict[str, str | int | float] = {
        "format_version": STATE_FORMAT,
        "name": content.name,
        "fingerprint": content.fingerprint,
        "scheme": content.scheme,
        "fold": content.fold,
        "training_sha256": content.training_sha256,
    }
    made = lay_out(
        attributes,
        {name: ArrayLayout(array.dtype, array.shape) for name, array in arrays.items()},
        _IDS,
    )
    with publishing(location.path(file)) as hidden, hidden.open("wb") as out:
        write_layout(out, made)
        for name, layout in made.arrays.items():
            if layout.nbytes:
                write_at(out, layout.offset, [arrays[name].tobytes()])


def _plain(content: StateFile, name: str, array: NDArray[Any]) -> NDArray[Any]:
    what = f"the array {name!r} of the state of {content.name}"
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} has a name with other letters than A-Z, a-z, 0-9, `_`, `-` and `.`; give it "
            "another"
        )
    if (
        not isinstance(array, np.ndarray | np.generic)
        or array.dtype.kind not in "biuf"
        or array.dtype.itemsize > 8
    ):
        raise ValueError(
            f"{what} is {type(array).__name__} {getattr(array, 'dtype', '')}, expected an array "
            "of bool, integer or float"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"{what} has values that are infinite or not a number; the fit did not succeed"
        )
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def _texts(texts: tuple[str, ...]) -> NDArray[np.bytes_]:
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=f"S{max(map(len, encoded), default=0) or 1}")


def read_state(location: Location, file: str) -> StateFile:
    """Open a state; its arrays are read-only views of the file. WrongState when it is not one,
    FileNotFoundError when it is not there."""
    path, shown = location.path(file), location.display(file)
    with open_hdf5(path, shown, "a fitted state", WrongState) as (hdf5, size):
        name, fingerprint, scheme, fold, said = _attributes(hdf5)
        layouts = {each: _array_of(hdf5, each, size) for each in _names(hdf5)}
    mapped = map_file(path, shown, size, WrongState)
    arrays = {each: view(mapped, layout) for each, layout in layouts.items()}
    try:
        clips = tuple(
            zip(
                *([text.decode() for text in arrays.pop(column).tolist()] for column in _IDS),
                strict=True,
            )
        )
    except ValueError as error:
        raise WrongState(
            f"{shown} does not list its clips: {error}; run `affectstore fit` again without this "
            "file"
        ) from error
    found = StateFile(
        name,
        fingerprint,
        scheme,
        fold,
        clips,
        {each.removeprefix(_PREFIX): array for each, array in arrays.items()},
    )
    if found.training_sha256 != said:
        raise WrongState(
            f"{shown} says that it was fitted on clips of sha256 {said}, but lists others; run "
            f"`affectstore verify {location}`"
        )
    return found


def _attributes(file: Any) -> tuple[str, str, str, int, str]:
    version = attribute(file, "format_version")
    if version != STATE_FORMAT:
        raise WrongFile(f"its format_version is {version!r}, expected {STATE_FORMAT}")
    match [
        attribute(file, name)
        for name in ("name", "fingerprint", "scheme", "fold", "training_sha256")
    ]:
        case [str(name), str(fingerprint), str(scheme), int(fold), str(said)]:
            return name, fingerprint, scheme, fold, said
    raise WrongFile("it does not say which feature, scheme and fold it is of")


def _names(file: Any) -> list[str]:
    names = sorted(file)
    if len(names) > _MOST_ARRAYS:
        raise WrongFile(f"it has {len(names)} datasets, expected at most {_MOST_ARRAYS}")
    strange = [
        name
        for name in names
        if name not in _IDS and not (name.startswith(_PREFIX) and _NAME.fullmatch(name))
    ]
    if strange or not set(_IDS) <= set(names):
        raise WrongFile(
            f"it has the datasets {', '.join(names)[:80]}, expected {', '.join(_IDS)} and "
            f"{_PREFIX}NAME"
        )
    return names


def _array_of(file: Any, name: str, size: int) -> ArrayLayout:
    layout = array_layout(file, name, size)
    kinds = "S" if name in _IDS else "biuf"
    if (
        layout.dtype.kind not in kinds
        or layout.dtype != layout.dtype.newbyteorder("<")
        or (name in _IDS and len(layout.shape) != 1)
    ):
        raise WrongFile(
            f"{name} is {layout.dtype} {layout.shape}, expected "
            f"{'a list of texts' if name in _IDS else 'plain numbers'}"
        )
    return layout


class TrackSource(Protocol):
    """The tracks of a feature, stored or fitted, by clip id."""

    @property
    def spec(self) -> FeatureSpec: ...

    @property
    def quarantined(self) -> Mapping[str, tuple[str, str]]: ...

    def __getitem__(self, clip_id: str, /) -> Track: ...

    def __contains__(self, clip_id: object, /) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...


class FittedTracks(Mapping[str, Track]):
    """The tracks of one fitted feature in one fold, by clip id: those of its input, each passed
    through the state when it is asked for."""

    spec: FeatureSpec

    def __init__(
        self,
        spec: FeatureSpec,
        state: State,
        transform: Callable[[State, Track], Track],
        source: "TrackSource",
    ) -> None:
        self.spec = spec
        self._state, self._transform, self._source = state, transform, source

    @property
    def quarantined(self) -> Mapping[str, tuple[str, str]]:
        """Clip without an input -> reason and detail."""
        return self._source.quarantined

    def __getitem__(self, clip_id: str) -> Track:
        """The clip's track. NotInStore, a KeyError, says why the input has none."""
        return self._transform(self._state, self._source[clip_id])

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._source

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def __len__(self) -> int:
        return len(self._source)
