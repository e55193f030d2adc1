"""The records of a store: what a snapshot lists of its files and features, and what must hold."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from manifests.choice import Choice
from manifests.features import FeatureSpec
from manifests.variant_names import MARK, variant_name
from stores.parsing import WrongRecord
from stores.transforms import TRANSFORMS


@dataclass(frozen=True)
class ShardSizes:
    """What decides, beside the FeatureSpec and the numbers of clips and rows, where the datasets of
    a shard lie: see `stores.shard_layout.shard_arrays`."""

    refused: int
    """Clips without a value."""
    image_bytes: int
    """Of all images; 0 where the values are raw."""
    clip_id: int
    """Bytes of the longest clip id, as of the longest text of the other columns."""
    notes: int
    refused_clip_id: int
    refused_reason: int
    refused_detail: int


@dataclass(frozen=True)
class ShardRecord:
    """One shard file as the snapshot lists it."""

    file: str
    """Path below the store's root, with forward slashes."""
    clips: int
    rows: int
    bytes: int
    sha256: str
    sizes: ShardSizes | None = None
    """With these the shard is read without HDF5 having to open it; None in a snapshot of an older
    version, which did not record them."""


@dataclass(frozen=True)
class StoredFeature:
    """One feature: what its numbers mean and the files that hold them."""

    spec: FeatureSpec
    shards: tuple[ShardRecord, ...]


@dataclass(frozen=True)
class VariantTracks:
    """The tracks that a network made of one augmented variant, by the state of one fold.

    They are of the fold's training clips, and of no other.
    """

    variant: int
    fingerprint: str
    """Of the feature in this variant."""
    encoded_sha256: str
    """Of the training clips that have every input in this variant, as `FoldState.training_sha256`.
    """
    shards: tuple[ShardRecord, ...]
    lost: tuple[str, ...]
    """The clips with every input that the network gave no track for."""


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
    """Of the clips that have every input, as `training_sha256`; None where the reader makes the
    tracks."""
    lost: tuple[str, ...] = ()
    """The clips with every input that the network gave no track for."""
    variants: tuple[VariantTracks, ...] = ()
    """By number, one for each variant of the feature, where a network makes the tracks; none where
    the reader does."""
    arrays: dict[str, str] | None = None
    """Name of a dataset of the file -> its type and shape, such as `<f4 40x13`: with these it is
    read without HDF5 having to open it; None in a snapshot of an older version."""
    where: tuple[str, ...] | None = None
    """Conditions that chose among the training clips, see `manifests.choice`; None for all of
    them."""

    @property
    def choice(self) -> Choice:
        """Which of the training clips the fit saw."""
        return Choice.of(self.where or ())

    @property
    def all_shards(self) -> tuple[ShardRecord, ...]:
        """The shards of the clips as they are, then those of each variant."""
        return self.shards + tuple(shard for one in self.variants for shard in one.shards)

    @property
    def bytes_with_tracks(self) -> int:
        """Size of the state, and of the tracks that a network made with it."""
        return self.bytes + sum(shard.bytes for shard in self.all_shards)

    def in_variant(self, variant: int) -> VariantTracks | None:
        """Finds the tracks of an augmented variant.

        Args:
            variant: Number of the variant, from 1.

        Returns:
            Its tracks; None where this state has none.
        """
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
        """Finds the state of one fold.

        Args:
            scheme: The split scheme.
            fold: Number of the fold.

        Returns:
            The state; None where the feature is not fitted for the fold.
        """
        wanted = (scheme, fold)
        return next((one for one in self.states if (one.scheme, one.fold) == wanted), None)

    @property
    def by_variant(self) -> dict[int, FeatureSpec]:
        """The feature of the clips as they are, under 0; then its variants by number."""
        return {0: self.spec, **{spec.variant: spec for spec in self.variants}}


@dataclass(frozen=True)
class TableRecord:
    """One table file as the snapshot lists it."""

    file: str
    """Path below the store's root, with forward slashes."""
    rows: int
    bytes: int
    sha256: str


FileRecord = TableRecord | ShardRecord | FoldState
"""A file as a snapshot lists it: path below the root, bytes, sha256."""


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(~[1-9][0-9]*)?")


def check_spec(spec: FeatureSpec) -> FeatureSpec:
    """Checks that arrays can be laid out by the spec of a feature.

    Args:
        spec: The spec.

    Returns:
        The same spec.

    Raises:
        WrongRecord: One of its fields is not what it may be.
    """
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
    """Checks the fitted features of a snapshot against each other and the stored ones.

    Args:
        fitted: The fitted features by name.
        features: The names of the stored ones.

    Raises:
        WrongRecord: One has an input that is not there, a transform that readers do not have, or
            other states and variants than one for each fold.
    """
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
        is_known = entry.transform in TRANSFORMS and list(entry.inputs) == ["input"]
        if entry.transform is not None and not is_known:
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
    names = [spec.name for spec in entry.variants]
    if names != [variant_name(name, number) for number in sorted(set(numbers))]:
        raise WrongRecord(
            f"the variants of the fitted feature {name!r} are not {name}~1 and so on, by number"
        )
    stored = entry.variants if entry.transform is None else ()
    expected = [(spec.variant, spec.fingerprint) for spec in stored]
    for state in entry.states:
        found = [(one.variant, one.fingerprint) for one in state.variants]
        if found != expected:
            raise WrongRecord(
                f"fold {state.fold} of {state.scheme} of the fitted feature {name!r} has tracks "
                f"of variants {found}, expected {expected}"
            )


def in_order(fitted: Mapping[str, StoredFitted]) -> list[str]:
    """Orders fitted features by their inputs.

    Args:
        fitted: The fitted features by name.

    Returns:
        Every name, after those of the fitted features that it needs.

    Raises:
        CycleError: They need each other in a circle.
    """
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
    form = (spec.codec, spec.dtype, len(spec.shape), spec.shape[2:])
    return form == ("jpeg", "uint8", 3, (3,))
