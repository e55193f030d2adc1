"""What a trainer iterates over: clips of one role of one fold, with their tracks and one label
each.

Works under torch's DataLoader, and without torch: nothing here imports it.

    train = FeatureDataset(root, features=["mfcc"], labels="ravdess8", scheme="subject_kfold",
    fold=0, role="train", missing="drop")
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=2, collate_fn=train.collate)
    for batch in map(torch.utils.data.default_convert, loader):      # NumPy arrays -> tensors, without a copy
        batch["values"]["mfcc"], batch["mask"]["mfcc"], batch["targets"]

    for batch in train.batches(32, seed=epoch):                      # the same without torch

    train = FeatureDataset(..., features=["resnet50", "logmel64"], labels="common4",
    align=Clock(0.1), variants=(0, 1))
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.clips import CLIPS
from manifests.features import FeatureSpec
from manifests.folds import FOLDS, Fold, Role
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.tracks import Track
from manifests.variant_names import plain_name, variant_name
from stores.align import Alignment
from stores.batch import NO_TARGET, Batch, Item, collate, number
from stores.fitted_state import FittedTracks
from stores.location import Place
from stores.reader import FeatureStore, NotInStore, StoredTracks
from stores.training_clips import one_label_each

Missing = Literal["drop", "error", "mask"]
Source = StoredTracks | FittedTracks


class LeakError(ValueError):
    """Rows of an augmented variant were asked for by another role than training."""


class FeatureDataset:
    """`dataset[i] -> (clip_id, {feature: Track}, label)`, in the order of clip ids, pinned to one
    snapshot.

    The label is the value with the highest total weight over a clip's annotators, so one label of
    weight 1 is itself and equal votes decide by majority; where two values tie, the clip counts as
    having none.
    """

    items: tuple[tuple[str, int], ...]
    """(clip id, variant) of each item: the variants of a clip follow one another."""
    clip_ids: tuple[str, ...]
    """Of each item."""
    classes: tuple[str, ...]
    """Label values, in an order that is the same for every fold and role: those of a label space in
    its own order, whether the store has them or not; those of a label scheme sorted, all that the
    snapshot has. Empty without labels."""
    dropped: dict[str, str]
    """Clips that were left out because of `missing="drop"`, be it in one variant, and what each
    lacks."""

    def __init__(
        self,
        root: Place,
        *,
        features: Sequence[str],
        labels: str | None,
        scheme: str | None = None,
        fold: int | None = None,
        role: str | None = None,
        missing: Missing,
        snapshot: int | None = None,
        variants: Sequence[int] = (0,),
        align: Alignment | Sequence[Alignment] | None = None,
    ) -> None:
        """Clips of one role of one fold; of the whole store where `scheme` is None.

        features: stored ones, and fitted ones, whose state is that of the fold.
        labels: a label scheme of the store; else a label space such as `common4`, to which the
            store's labels are mapped.
        missing: what becomes of a clip that lacks a feature or a label. `drop`: it is left out, see
            `dropped`. `error`: ValueError.
        `mask`: it stays, with a track of zero rows, and None for a label.
        variants: 0 is the clip as it is; in variant 1 of a clip, NAME is the stored or fitted
            NAME~1, and NAME itself where it is made from
        nothing that is augmented. Its label and its group are the clip's.
        align: one of `stores.align`, or several that follow one another; what is stored stays as it
            is.

        NotInStore, a KeyError, for an unknown feature, variant, label scheme, split scheme, fold or
        role, and for a feature that lacks a variant which one that it is made from has; NotFitted,
        a KeyError, for a feature that is not fitted for this fold; LeakError, a ValueError, for a
        variant and another role than `train`; ValueError when no clip is left.
        """
        if missing not in get_args(Missing):
            raise ValueError(
                f"missing is {missing!r}, expected one of {', '.join(get_args(Missing))}"
            )
        if isinstance(features, str):
            raise ValueError(
                f"features is the text {features!r}, expected a list of names, such as "
                f"[{features!r}]"
            )
        if isinstance(variants, int) or not variants:
            raise ValueError(
                f"variants is {variants!r}, expected a list of numbers such as (0, 1); 0 is the "
                "clip as it is"
            )
        self.store = FeatureStore(root, snapshot)
        self.features = tuple(features)
        self.align = (
            () if align is None else tuple(align) if isinstance(align, Sequence) else (align,)
        )
        self._missing, self._fold = (
            missing,
            None if scheme is None or fold is None else (scheme, fold),
        )
        self._label_of, self.classes = _labels(self.store, labels)
        self._group_of = _groups(self.store, scheme, fold, role)
        self._names = {variant: self._names_in(variant) for variant in variants}
        self._refuse_leaks(role)
        lacks = self._lacks(labels is not None)
        if lacks and missing == "error":
            raise ValueError(_too_little(lacks, len(self._group_of)))
        left_out = lacks if missing == "drop" else {}
        self.dropped = {clip_id: what for (clip_id, _), what in left_out.items()}
        self.items = tuple(item for item in self._all() if item not in left_out)
        self.clip_ids = tuple(clip_id for clip_id, _ in self.items)
        if not self.items:
            wanted = len(self._group_of)
            raise ValueError(
                _too_little(lacks, wanted)
                if lacks
                else f"{self.store.location} has no clip; build the store first"
            )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Item:
        clip_id, variant = self.items[i]
        tracks = {
            name: self._track(source, clip_id) for name, source in self._sources[variant].items()
        }
        for step in self.align:
            tracks = step(tracks)
        return clip_id, tracks, self._label_of.get(clip_id)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_sources"}

    def collate(self, batch: Sequence[Item]) -> Batch:
        """Items -> padded arrays; pass it to a DataLoader as `collate_fn`."""
        return collate(batch, self.classes)

    def batches(self, size: int, seed: int | None = None) -> Iterator[Batch]:
        """All items once, `size` at a time, the last batch with what is left: in their order, or in
        one that the seed alone decides."""
        if size < 1:
            raise ValueError(f"a batch of {size} items was asked for, expected at least 1")
        order = (
            range(len(self))
            if seed is None
            else np.random.default_rng(seed).permutation(len(self)).tolist()
        )
        for at in range(0, len(order), size):
            yield self.collate([self[i] for i in order[at : at + size]])

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """(item,) index of each label in `classes`, NO_TARGET where there is none."""
        return number([self._label_of.get(clip_id) for clip_id in self.clip_ids], self.classes)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Of each item: what an inner split must keep on one side, such as a speaker. A clip of
        unknown group is one by itself."""
        return tuple(self._group_of[clip_id] for clip_id in self.clip_ids)

    def class_counts(self) -> NDArray[np.int64]:
        """(class,) items of each class."""
        return np.bincount(self.targets[self.targets != NO_TARGET], minlength=len(self.classes))

    def class_weights(self) -> NDArray[np.float32]:
        """(class,) items / (classes * items of the class), for a loss in which every class weighs
        the same; 0 for a class without an item.

        King, Zeng 2001, as scikit-learn's `class_weight="balanced"`; the classes without an item
        are not counted.
        """
        counts = self.class_counts()
        weights = np.zeros(len(counts), np.float32)
        there = counts > 0
        weights[there] = counts.sum() / (there.sum() * counts[there])
        return weights

    def _all(self) -> Iterator[tuple[str, int]]:
        return ((clip_id, variant) for clip_id in self._group_of for variant in self._names)

    @cached_property
    def _sources(self) -> dict[int, dict[str, Source]]:
        """Variant -> feature -> its tracks; opened by each process for itself."""
        return {
            variant: {name: self._source(stored) for name, stored in names.items()}
            for variant, names in self._names.items()
        }

    def _source(self, name: str) -> Source:
        if plain_name(name) not in self.store.snapshot.fitted:
            return self.store[name]
        if self._fold is None:
            raise ValueError(
                f"{name} is fitted for each fold of a split; name a scheme, a fold and a role"
            )
        return self.store.fitted(name, *self._fold)

    def _track(self, source: Source, clip_id: str) -> Track:
        if self._missing == "mask" and clip_id not in source:
            return _no_rows(source.spec)
        return source[clip_id]

    def _names_in(self, variant: int) -> dict[str, str]:
        """Feature -> the name under which the store has it in a variant."""
        names = {name: self._name_in(variant, name) for name in self.features}
        if variant and all(name == stored for name, stored in names.items()):
            known = sorted({spec.variant for spec in self.store.features.values()} - {0})
            raise NotInStore(
                f"the store has no variant {variant!r} of {', '.join(self.features)}; the "
                "variants of its features are "
                f"{', '.join(map(str, known)) or 'none'}"
            )
        return names

    def _name_in(self, variant: int, name: str) -> str:
        if variant == 0 or self._is_augmented(name):
            return name
        if self._has(variant, name):
            return variant_name(name, variant)
        if (touched := self._touched(variant, name)) is not None:
            raise NotInStore(
                f"the store has no {variant_name(name, variant)}, though {touched}, which {name} is made from, "
                f"has the variant {variant}; "
                f"build with variants.{variant} in the recipe and fit again, or leave out {name} "
                "or the variant"
            )
        return name

    def _has(self, variant: int, name: str) -> bool:
        fitted = self.store.snapshot.fitted.get(name)
        return (
            variant in fitted.by_variant
            if fitted
            else variant_name(name, variant) in self.store.features
        )

    def _touched(self, variant: int, name: str) -> str | None:
        """One of the features that this one is made from, directly or not, that has the variant."""
        for need in self._inputs(name):
            found = need if self._has(variant, need) else self._touched(variant, need)
            if found is not None:
                return found
        return None

    def _inputs(self, name: str) -> list[str]:
        """The features of the store that this one is made from. A stored one knows them by their
        fingerprints."""
        if name in self.store.snapshot.fitted:
            return list(self.store.snapshot.fitted[name].inputs.values())
        needs = self.store.features[name].needs if name in self.store.features else ()
        return [other for other, spec in self.store.features.items() if spec.fingerprint in needs]

    def _is_augmented(self, name: str) -> bool:
        """Whether the name itself is that of a variant, or of what is fitted on one."""
        fitted = self.store.snapshot.fitted.get(name)
        spec = fitted.spec if fitted else self.store.features.get(name)
        return spec is not None and spec.variant > 0

    def _refuse_leaks(self, role: str | None) -> None:
        """LeakError for rows of a variant in another role than training."""
        specs = [source.spec for sources in self._sources.values() for source in sources.values()]
        augmented = sorted(spec.name for spec in specs if spec.variant)
        if augmented and role != Role.TRAIN:
            what = "the whole store" if role is None else f"role {role!r}"
            raise LeakError(
                f"{augmented[0]} holds augmented clips, which only training may see, and {what} "
                "was asked for; leave it out"
            )

    def _lacks(self, labelled: bool) -> dict[tuple[str, int], str]:
        """(clip id, variant) -> what it lacks, for those that lack something."""
        found = {}
        for clip_id, variant in self._all():
            lacking = [
                source.spec.name
                for source in self._sources[variant].values()
                if clip_id not in source
            ]
            if labelled and clip_id not in self._label_of:
                lacking.append("label")
            if lacking:
                found[clip_id, variant] = ", ".join(lacking)
        return found


def _no_rows(spec: FeatureSpec) -> Track:
    return Track(
        np.empty((0, *spec.shape), spec.dtype), np.empty(0, np.float64), np.empty(0, np.bool_)
    )


def _labels(store: FeatureStore, name: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Clip id -> its one label, without the clips whose best values tie; and the classes."""
    if name is None:
        return {}, ()
    rows = store.rows(LABELS)
    schemes = {label.scheme for label in rows}
    chosen = one_label_each(rows, name)
    if name in schemes:
        return chosen, tuple(sorted(set(chosen.values())))
    space = SPACES.get(name)
    if space is None or not schemes & space.sources.keys():
        reads = (
            ""
            if space is None
            else f", nor labels that the space {name} reads ({', '.join(space.sources)})"
        )
        raise _absent("labels", name, schemes, reads)
    if (recorded := store.snapshot.spaces.get(name)) != space.sha256:
        raise ValueError(
            f"the label space {name} has sha256 {space.sha256[:8]}, but snapshot "
            f"{store.snapshot.number} recorded {str(recorded)[:8]}: "
            "another affectstore wrote the store, whose classes mean something else; build again "
            "with this one"
        )
    return chosen, space.values


def _groups(
    store: FeatureStore, scheme: str | None, fold: int | None, role: str | None
) -> dict[str, str]:
    """Clip id -> group, of the clips of one role of one fold, or of all clips; in the order of
    ids."""
    if scheme is None:
        if fold is not None or role is not None:
            raise ValueError(
                f"fold={fold!r} and role={role!r} need a scheme; name one of the store's split "
                "schemes, or leave all three out"
            )
        return {clip.clip_id: clip.group_id or clip.clip_id for clip in store.rows(CLIPS)}
    if fold is None or role is None:
        raise ValueError(
            f"scheme {scheme!r} needs a fold and a role, got fold={fold!r} and role={role!r}"
        )
    rows = store.rows(FOLDS)
    rows = _rows_with(rows, "scheme", scheme, "split scheme")
    rows = _rows_with(rows, "fold", fold, f"fold of {scheme}")
    return {
        row.clip_id: row.group_id
        for row in _rows_with(rows, "role", role, f"role in fold {fold} of {scheme}")
    }


def _rows_with(rows: list[Fold], column: str, value: object, what: str) -> list[Fold]:
    found = [row for row in rows if getattr(row, column) == value]
    if not found:
        raise _absent(what, value, {getattr(row, column) for row in rows})
    return found


def _absent(what: str, given: object, known: Collection[Any], more: str = "") -> NotInStore:
    return NotInStore(
        f"the store has no {what} {given!r}{more}; there are "
        f"{', '.join(map(str, sorted(known))) or 'none'}"
    )


def _too_little(lacks: Mapping[tuple[str, int], str], wanted: int) -> str:
    """For an error: how many clips lack what."""
    some = "; ".join(f"{clip_id} lacks {what}" for (clip_id, _), what in list(lacks.items())[:3])
    clips = len({clip_id for clip_id, _ in lacks})
    return (
        f"{clips} of {wanted} clips lack a feature or a label ({some}); choose missing='drop' "
        "or 'mask', or other features"
    )
