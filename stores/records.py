"""The small records of a store, and how they are parsed: a store may come from anyone, so nothing
in it is believed unread."""

import dataclasses
import hashlib
import os
import re
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from manifests.features import FeatureSpec, Json
from manifests.variant_names import MARK, variant_name
from stores.transforms import TRANSFORMS


@dataclass(frozen=True)
class ShardRecord:
    """One shard file as the snapshot lists it."""

    file: str
    """Path below the store's root, with forward slashes."""
    clips: int
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredFeature:
    """One feature: what its numbers mean and the files that hold them."""

    spec: FeatureSpec
    shards: tuple[ShardRecord, ...]


@dataclass(frozen=True)
class VariantTracks:
    """The tracks that a network made of one augmented variant, by the state of one fold: of the
    fold's training clips, and of no other."""

    variant: int
    fingerprint: str
    """Of the feature in this variant."""
    encoded_sha256: str
    """Of the training clips that have every input in this variant, as `FoldState.training_sha256`.
    """
    shards: tuple[ShardRecord, ...]
    lost: tuple[str, ...]
    """Those of them that the network gave no track for."""


@dataclass(frozen=True)
class FoldState:
    """What a fitted feature learned from the training clips of one fold of one scheme."""

    scheme: str
    fold: int
    training_sha256: str
    """Of the clips that the fit saw; see `stores.training_clips.clips_sha256`."""
    clips: int
    """How many these are."""
    file: str
    """Path of the state below the store's root, with forward slashes; its name is a function of all
    that the fit saw."""
    bytes: int
    sha256: str
    shape: tuple[int, ...]
    """Sizes of a row after time: those of the spec, where the state does not decide them."""
    shards: tuple[ShardRecord, ...] = ()
    """The tracks of all clips that have every input, where a network makes them; none where the
    reader does."""
    encoded_sha256: str | None = None
    """Of these clips, as `training_sha256`; None where the reader makes the tracks."""
    lost: tuple[str, ...] = ()
    """Those of them that the network gave no track for."""
    variants: tuple[VariantTracks, ...] = ()
    """By number, one for each variant of the feature, where a network makes the tracks; none where
    the reader does."""

    @property
    def all_shards(self) -> tuple[ShardRecord, ...]:
        """Of the clips as they are, then of each variant."""
        return self.shards + tuple(shard for one in self.variants for shard in one.shards)

    @property
    def bytes_with_tracks(self) -> int:
        """Size of the state, and of the tracks that a network made with it."""
        return self.bytes + sum(shard.bytes for shard in self.all_shards)

    def in_variant(self, variant: int) -> VariantTracks | None:
        return next((one for one in self.variants if one.variant == variant), None)


@dataclass(frozen=True)
class StoredFitted:
    """One fitted feature: what it is made of, and what was learned for each fold."""

    spec: FeatureSpec
    """With the greatest shape that a state may give."""
    transform: str | None
    """What the reader does with state and input: a name in `stores.transforms`; None where the
    tracks are stored."""
    inputs: dict[str, str]
    """Role -> name of a feature of the store, or of another fitted one."""
    labels: str | None
    """The label scheme, or label space, that the fit looks at."""
    sees_all: bool
    """True: the fit sees all clips of the fold, those to be tested among them, and so leaks; False:
    the training clips alone."""
    states: tuple[FoldState, ...] = ()
    """In the order of scheme and fold; none before anything was fitted."""
    variants: tuple[FeatureSpec, ...] = ()
    """The feature in each augmented variant that one of its inputs has, by number: NAME~1, ..."""

    def state(self, scheme: str, fold: int) -> FoldState | None:
        return next(
            (state for state in self.states if (state.scheme, state.fold) == (scheme, fold)), None
        )

    @property
    def by_variant(self) -> dict[int, FeatureSpec]:
        """0: the feature of the clips as they are; then its variants by number."""
        return {0: self.spec, **{spec.variant: spec for spec in self.variants}}


@dataclass(frozen=True)
class TableRecord:
    """One table file as the snapshot lists it."""

    file: str
    """Path below the store's root, with forward slashes."""
    rows: int
    bytes: int
    sha256: str


_PART = r"(?!\.\.?(?:/|\Z))[^/\\:\0]+"
_BELOW = re.compile(f"{_PART}(?:/{_PART})*")
"""A relative path with forward slashes, without `.`, `..` and what another system takes for more
than a name."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(~[1-9][0-9]*)?")


class WrongRecord(ValueError):
    """A record does not have the form it should have; the message says where, what was found and
    what was expected."""


def inside(root: Path, file: str) -> Path:
    """The file's path below `root`; WrongRecord for a name that leads out of it, be it by a
    symbolic link."""
    if not _BELOW.fullmatch(file):
        raise WrongRecord(
            f"{file!r} is not a path below the store's root; expected one such as "
            "shards/mfcc/0a1b/2c3d.h5"
        )
    path = root / file
    if not path.resolve().is_relative_to(root.resolve()):
        raise WrongRecord(
            f"{file!r} is a link out of the store; copy the files it points to into the store"
        )
    return path


def all_inside(root: Path, files: Iterable[str]) -> Iterator[str]:
    """The same for very many files, as texts: of each folder it is found out once whether it is a
    link."""
    own = os.path.realpath(root)
    folders: dict[str, bool] = {}
    for file in files:
        folder = f"{own}/{file}".rpartition("/")[0]
        if folder not in folders:
            folders[folder] = bool(_BELOW.fullmatch(file)) and os.path.realpath(folder) == folder
        path = f"{own}/{file}"
        if not folders[folder] or not _BELOW.fullmatch(file) or os.path.islink(path):  # noqa: PTH114  (a Path each takes longer than this)
            path = str(inside(root, file))
        yield path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_spec(spec: FeatureSpec) -> FeatureSpec:
    """The spec itself, when arrays can be laid out by it; else WrongRecord."""
    for what, ok, expected in (
        (
            "name",
            _NAME.fullmatch(spec.name),
            "letters, digits, `_`, `-` and `.`, and for a variant `~` and its number",
        ),
        (
            "variant",
            _is_of_its_variant(spec),
            "0 or more, and the number after `~` where the name has one",
        ),
        ("fingerprint", re.fullmatch(r"[0-9a-f]{8,64}", spec.fingerprint), "8 to 64 hex digits"),
        (
            "dtype",
            _is_plain(spec.dtype),
            "the NumPy name of a bool, integer or float type, such as float32",
        ),
        (
            "dims",
            spec.dims[:1] == ("time",) and len(spec.dims) == 1 + len(spec.shape),
            "`time` and one name for each size in shape",
        ),
        ("shape", all(size > 0 for size in spec.shape), "positive sizes"),
        (
            "codec",
            spec.codec == "raw" or _is_image(spec),
            "raw, or jpeg for uint8 rows of shape (height, width, 3)",
        ),
    ):
        if not ok:
            raise WrongRecord(
                f"the {what} of feature {spec.name!r} is {getattr(spec, what)!r}, expected "
                f"{expected}"
            )
    return spec


def _is_of_its_variant(spec: FeatureSpec) -> bool:
    _, mark, number = spec.name.partition(MARK)
    return number == str(spec.variant) if mark else spec.variant >= 0


def check_fitted(fitted: Mapping[str, StoredFitted], features: Collection[str]) -> None:
    """WrongRecord unless every fitted feature has inputs that are there, a transform that readers
    have, and one state for each fold."""
    for name, entry in fitted.items():
        folds = [(state.scheme, state.fold) for state in entry.states]
        unknown = [
            need for need in entry.inputs.values() if need not in features and need not in fitted
        ]
        if check_spec(entry.spec).name != name or name in features:
            raise WrongRecord(
                f"the spec of the fitted feature {name!r} says {entry.spec.name!r}, or a stored "
                "feature has the same name"
            )
        if unknown or not entry.inputs:
            raise WrongRecord(
                f"the fitted feature {name!r} needs {unknown or 'nothing'}, expected a stored "
                "feature or another fitted one"
            )
        if entry.transform is not None and (
            entry.transform not in TRANSFORMS or list(entry.inputs) != ["input"]
        ):
            what = f"{entry.transform!r} of {', '.join(entry.inputs)}"
            raise WrongRecord(
                f"the transform of {name!r} is {what}, expected one of {', '.join(TRANSFORMS)}, "
                "of `input` alone"
            )
        if folds != sorted(set(folds)):
            raise WrongRecord(
                f"the states of the fitted feature {name!r} are not one for each fold, in order"
            )
        _check_variants(entry)
    try:
        in_order(fitted)
    except CycleError as error:
        raise WrongRecord(
            f"fitted features need each other in a circle: {' -> '.join(error.args[1])}"
        ) from error


def _check_variants(entry: StoredFitted) -> None:
    name = entry.spec.name
    numbers = [check_spec(spec).variant for spec in entry.variants]
    if numbers != sorted(set(numbers)) or [spec.name for spec in entry.variants] != [
        variant_name(name, number) for number in numbers
    ]:
        raise WrongRecord(
            f"the variants of the fitted feature {name!r} are not {name}~1 and so on, by number"
        )
    expected = (
        []
        if entry.transform is not None
        else [(spec.variant, spec.fingerprint) for spec in entry.variants]
    )
    for state in entry.states:
        found = [(one.variant, one.fingerprint) for one in state.variants]
        if found != expected:
            raise WrongRecord(
                f"fold {state.fold} of {state.scheme} of the fitted feature {name!r} has tracks "
                f"of variants {found}, expected {expected}"
            )


def in_order(fitted: Mapping[str, StoredFitted]) -> list[str]:
    """Every name after the fitted features that it needs. CycleError where they need each other in
    a circle."""
    needs = {
        name: sorted(set(entry.inputs.values()) & fitted.keys())
        for name, entry in sorted(fitted.items())
    }
    return list(TopologicalSorter(needs).static_order())


def _is_plain(name: str) -> bool:
    try:
        dtype = np.dtype(name)
    except TypeError:
        return False
    return dtype.name == name and dtype.kind in "biuf" and dtype.itemsize <= 8


def _is_image(spec: FeatureSpec) -> bool:
    return (
        spec.codec == "jpeg"
        and spec.dtype == "uint8"
        and len(spec.shape) == 3
        and spec.shape[2] == 3
    )


T = TypeVar("T")


def to_json(record: Any) -> Json:
    """A frozen dataclass of records, tuples, dicts and JSON values -> JSON."""
    if record is None or isinstance(record, str | int):
        return record
    if dataclasses.is_dataclass(record):
        return {
            name: to_json(getattr(record, name)) for name in _fields(typing.cast(Any, type(record)))
        }
    if isinstance(record, dict):
        return {key: to_json(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [to_json(value) for value in record]
    return typing.cast(Json, record)


def from_json(kind: type[T], value: Json, where: str) -> T:
    """The inverse of `to_json`: exactly the fields of `kind`, each of its declared type; else
    WrongRecord."""
    return typing.cast(T, _parse(kind, value, where))


def _parse(kind: Any, value: Json, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_record(typing.cast(type[Any], kind), value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(
            _parse(arguments[0], item, f"{where}[{i}]")
            for i, item in enumerate(_expect(list, value, where))
        )
    if origin is dict:
        return {
            key: _parse(arguments[1], item, f"{where}.{key}")
            for key, item in _expect(dict, value, where).items()
        }
    if origin is types.UnionType:  # `X | None`, or Json itself, which is a longer one
        return value if value is None or len(arguments) > 2 else _parse(arguments[0], value, where)
    if kind is float and type(value) is int:
        return float(value)
    return _expect(kind, value, where)


def _parse_record(kind: type[Any], value: Json, where: str) -> Any:
    found, hints = _expect(dict, value, where), _fields(typing.cast(Any, kind))
    if wrong := sorted(hints.keys() ^ found.keys()):
        what = "is missing" if wrong[0] in hints else "is unknown"
        raise WrongRecord(f"{where}.{wrong[0]} {what}; expected {', '.join(hints)}")
    if all(
        type(found[name]) is hint for name, hint in hints.items()
    ):  # plain fields alone: a snapshot may list very many shards
        return kind(**found)
    return kind(
        **{name: _parse(hint, found[name], f"{where}.{name}") for name, hint in hints.items()}
    )


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a record, in order, with their types."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _expect(kind: type[T], value: Json, where: str) -> T:
    if type(value) is not kind:
        raise WrongRecord(
            f"{where} is {type(value).__name__} {str(value)[:40]!r}, expected {kind.__name__}"
        )
    return value
