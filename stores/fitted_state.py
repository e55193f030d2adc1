"""The state of a fitted feature: what was learned from the training clips of one fold.

    /  attributes: format_version, name and fingerprint of the feature, scheme, fold,
       training_sha256

    clip_id       (clips,)   text   sorted: the clips that the fit saw
    clip_sha256   (clips,)   text   of their files
    state.NAME    what was learned: arrays of bool, integer or float numbers, none of them infinite
                  or not a number

It is one HDF5 file, at fitted/<name>/<fingerprint>/<scheme>-<fold>-<key>.h5 below the store's root.
Texts are fixed-length UTF-8. How every file is made of plain datasets, and what is refused: see
hdf5_file.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec, Json
from stores.atomic import publishing
from stores.hdf5_file import (
    ArrayLayout,
    FileLayout,
    WrongFile,
    array_layout,
    array_of,
    attribute,
    lay_out,
    map_arrays,
    open_hdf5,
    text_column,
    write_layout,
)
from stores.hdf5_process import ask
from stores.laid_out import laid_out_here, remember
from stores.location import Location, fault_of
from stores.parsing import WrongRecord
from stores.records import FoldState
from stores.training_clips import clips_sha256
from stores.transforms import State

STATE_FORMAT = 1
"""The version of this layout."""
_IDS = ("clip_id", "clip_sha256")
_PREFIX = "state."
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MOST_ARRAYS = 10_000


class WrongState(WrongFile):
    """A file is not the state that it should be.

    The message says what was found and what was expected.
    """


@dataclass(frozen=True)
class StateFile:
    """A state, which feature and fold it is of, and what it was learned from."""

    name: str
    """Of the feature."""
    fingerprint: str
    """Of the feature."""
    scheme: str
    fold: int
    clips: tuple[tuple[str, str], ...]
    """(clip id, sha256 of its file) of each clip that the fit saw, sorted."""
    state: State

    @property
    def training_sha256(self) -> str:
        """Of the clips that the fit saw; see `clips_sha256`."""
        return clips_sha256(self.clips)

    def is_of(self, spec: FeatureSpec, state: FoldState) -> bool:
        """Compares what the file says of itself with what a snapshot recorded.

        Args:
            spec: The fitted feature.
            state: The record of its state.

        Returns:
            Whether it is this state of this feature, and of the recorded clips.
        """
        found = (self.name, self.fingerprint, self.scheme, self.fold, self.training_sha256)
        fold = (state.scheme, state.fold, state.training_sha256)
        return found == (spec.name, spec.fingerprint, *fold)


def write_state(location: Location, file: str, content: StateFile) -> None:
    """Writes the file of a state, or nothing; the same content gives the same bytes.

    Args:
        location: Where the store lies.
        file: Path of the state below its root.
        content: What the file will hold.

    Raises:
        ValueError: An array holds something else than plain, finite numbers.
    """
    arrays = {
        _PREFIX + name: _plain(content, name, content.state[name]) for name in sorted(content.state)
    }
    columns = zip(*content.clips, strict=True) if content.clips else ((), ())
    for name, texts in zip(_IDS, columns, strict=True):
        arrays[name] = text_column(texts)
    said = _Said(*(getattr(content, name) for name in _Said._fields))
    layouts = {name: ArrayLayout(array.dtype, array.shape) for name, array in arrays.items()}
    made, path = said.lay_out(layouts), location.path(file)
    with publishing(path) as hidden, hidden.open("wb") as out:
        write_layout(out, made, {name: [array] for name, array in arrays.items()})
    remember(path, made, _StateLayout(said, made.arrays, made.size))


class _Said(NamedTuple):
    """What a file says of itself: its attributes."""

    name: str
    fingerprint: str
    scheme: str
    fold: int
    training_sha256: str

    def lay_out(self, arrays: Mapping[str, ArrayLayout]) -> FileLayout:
        return lay_out({"format_version": STATE_FORMAT, **self._asdict()}, arrays, _IDS)


@dataclass(frozen=True)
class _StateLayout:
    """What is needed to map a state."""

    said: _Said
    arrays: dict[str, ArrayLayout]
    """Where each dataset lies."""
    size: int
    """Of the file, in bytes."""


def _plain(content: StateFile, name: str, array: NDArray[Any]) -> NDArray[Any]:
    what = f"the array {name!r} of the state of {content.name}"
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} has a name with other letters than A-Z, a-z, 0-9, `_`, `-` and `.`; give it "
            "another"
        )
    is_array = isinstance(array, np.ndarray | np.generic)
    if not is_array or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise ValueError(
            f"{what} is {type(array).__name__} {getattr(array, 'dtype', '')}, expected an array "
            "of bool, integer or float"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"{what} has values that are infinite or not a number; the fit did not succeed"
        )
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def read_state(
    location: Location, file: str, spec: FeatureSpec | None = None, record: FoldState | None = None
) -> StateFile:
    """Opens the file of a state.

    Args:
        location: Where the store lies.
        file: Path of the state below its root; it lies on this machine where nothing is recorded.
        spec: The fitted feature, where a snapshot lists the state.
        record: What the snapshot recorded: the file is fetched, and hashed before all else.

    Returns:
        What it holds; the arrays are read-only views of the file.

    Raises:
        WrongState: It is not a state, or not the recorded one.
        WrongPlace: It is a link, or no plain file.
        FileNotFoundError: It is not there.
    """
    path, where = location.path(file), location.display(file)
    if record is not None and (fault := fault_of(location, record)):
        raise WrongState(fault)
    known = _recorded_layout(path, spec, record) if spec and record else laid_out_here(path)
    layout = known if isinstance(known, _StateLayout) else _layout_by_hdf5(path, where)
    arrays = map_arrays(path, where, layout.arrays, layout.size, WrongState)
    try:
        columns = ([text.decode() for text in arrays.pop(column).tolist()] for column in _IDS)
        clips = tuple(zip(*columns, strict=True))
    except (ValueError, KeyError) as error:
        raise WrongState(
            f"{where} does not list its clips: {error}; run `affectstore fit` again without this "
            "file"
        ) from error
    said = layout.said
    found = StateFile(
        said.name,
        said.fingerprint,
        said.scheme,
        said.fold,
        clips,
        {each.removeprefix(_PREFIX): array for each, array in arrays.items()},
    )
    if found.training_sha256 != said.training_sha256:
        raise WrongState(
            f"{where} says that it was fitted on clips of sha256 {said.training_sha256}, but lists "
            f"others; run `affectstore verify {location}`"
        )
    return found


def recorded_arrays(state: StateFile) -> dict[str, str]:
    """What a snapshot records of a state's datasets.

    Args:
        state: What the file holds.

    Returns:
        Type and shape by name.
    """
    columns = zip(*state.clips, strict=True) if state.clips else ((), ())
    arrays = dict(zip(_IDS, map(text_column, columns), strict=True))
    arrays |= {_PREFIX + name: array for name, array in state.state.items()}
    return {name: ArrayLayout(array.dtype, array.shape).text for name, array in arrays.items()}


def _recorded_layout(path: Path, spec: FeatureSpec, record: FoldState) -> _StateLayout | None:
    """The layout by what a snapshot recorded, if that is the layout of the file."""
    if not record.arrays or len(record.arrays) > _MOST_ARRAYS:
        return None
    said = _Said(spec.name, spec.fingerprint, record.scheme, record.fold, record.training_sha256)
    try:
        # In the order in which they are written: clips come last.
        names = sorted(record.arrays, key=lambda name: (name in _IDS, name))
        made = said.lay_out({name: array_of(record.arrays[name]) for name in names})
    except (ValueError, OverflowError):  # sizes that no array can have
        return None
    return _StateLayout(said, made.arrays, made.size) if made.is_of(path) else None


def _layout_by_hdf5(path: Path, where: str) -> _StateLayout:
    found = ask("state", path, where, WrongState)
    try:
        arrays = {each: array_of(text, at) for each, (text, at) in found["arrays"].items()}
        return _StateLayout(_Said(*found["said"]), arrays, found["size"])
    except (WrongRecord, KeyError, TypeError) as error:
        raise WrongState(f"{where} is not a fitted state of this format: {error}") from error


def look_at_state(path: Path, name: str) -> Json:
    """Reads where a state's datasets lie, through HDF5, and closes the file again.

    Args:
        path: The file.
        name: The file, as messages name it.

    Returns:
        JSON of what it says of itself, of each dataset with its type, shape and offset, and of the
        size in bytes.

    Raises:
        WrongState: It is not a state.
        WrongPlace: It is no plain file.
        OSError: The disk fails: no such file, no permission.
    """
    with open_hdf5(path, name, "a fitted state", WrongState) as (hdf5, size):
        said = _attributes(hdf5)
        layouts = {each: _array_of(hdf5, each, size) for each in _names(hdf5)}
        arrays: dict[str, Json] = {
            each: [layout.text, layout.offset] for each, layout in layouts.items()
        }
        return {"said": list(said), "arrays": arrays, "size": size}


def _attributes(file: Any) -> _Said:
    version = attribute(file, "format_version")
    if version != STATE_FORMAT:
        raise WrongFile(f"its format_version is {version!r}, expected {STATE_FORMAT}")
    match [attribute(file, name) for name in _Said._fields]:
        case [str(name), str(fingerprint), str(scheme), int(fold), str(said)]:
            return _Said(name, fingerprint, scheme, fold, said)
    raise WrongFile("it does not say which feature, scheme and fold it is of")


def _names(file: Any) -> list[str]:
    names = sorted(file)
    if len(names) > _MOST_ARRAYS:
        raise WrongFile(f"it has {len(names)} datasets, expected at most {_MOST_ARRAYS}")
    arrays = [name for name in names if name.startswith(_PREFIX) and _NAME.fullmatch(name)]
    if sorted([*arrays, *_IDS]) != names:
        raise WrongFile(
            f"it has the datasets {', '.join(names)[:80]}, expected {', '.join(_IDS)} and "
            f"{_PREFIX}NAME"
        )
    return names


def _array_of(file: Any, name: str, size: int) -> ArrayLayout:
    layout = array_layout(file, name, size)
    dtype, is_text = layout.dtype, name in _IDS
    is_right = len(layout.shape) == 1 and dtype.kind == "S" if is_text else dtype.kind in "biuf"
    if not is_right or dtype != dtype.newbyteorder("<"):
        raise WrongFile(
            f"{name} is {dtype} {layout.shape}, expected "
            f"{'a list of texts' if is_text else 'plain numbers'}"
        )
    return layout
