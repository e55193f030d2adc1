"""What a trainer iterates over: clips of one role of one fold, with their tracks and one label.

Works under torch's DataLoader, and without torch: nothing here imports it.

    train = FeatureDataset(root, features=["mfcc"], labels="ravdess8", scheme="subject_kfold",
                           fold=0, role="train", missing="drop")
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=2,
                        collate_fn=train.collate)
    for batch in map(torch.utils.data.default_convert, loader):   # arrays -> tensors, not copied
        batch["values"]["mfcc"], batch["mask"]["mfcc"], batch["targets"]

    for batch in train.batches(32, seed=epoch):                   # without torch

    train = FeatureDataset(..., features=["resnet50", "logmel64"], labels="common4",
                           align=Clock(0.1), variants=(0, 1))
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.choice import Where
from manifests.clips import CLIPS
from manifests.folds import FOLDS, Role
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.suggestions import did_you_mean
from manifests.tracks import Track
from manifests.variant_names import plain_name
from stores.align import Alignment
from stores.batch import NO_TARGET, Batch, Item, collate, number
from stores.choosing import keep_chosen
from stores.clip_tracks import ClipTracks, NotInStore
from stores.location import Place
from stores.reader import FeatureStore
from stores.training_clips import one_label_each
from stores.variants import names_in

Missing = Literal["drop", "error", "mask"]
"""What becomes of a clip that lacks a feature or a label."""


class LeakError(ValueError):
    """Rows of an augmented variant were asked for by another role than training."""


class MissingNotChosen(TypeError, ValueError):
    """Nobody said what becomes of clips that lack a feature or a label."""


class FeatureDataset:
    """The clips of one role of one fold, in the order of their ids, pinned to one snapshot.

    `dataset[i]` is (clip_id, {feature: Track}, label).

    The label is the value with the highest total weight over a clip's annotators, so one label of
    weight 1 is itself and equal votes decide by majority; where two values tie, the clip counts as
    having none.
    """

    items: tuple[tuple[str, int], ...]
    """(clip id, variant) of each item: the variants of a clip follow one another."""
    clip_ids: tuple[str, ...]
    """The clip of each item."""
    classes: tuple[str, ...]
    """Label values, in an order that is the same for every fold and role: those of a label space in
    its own order, whether the store has them or not; those of a label scheme sorted, all that the
    snapshot has. Empty without labels."""
    dropped: dict[str, str]
    """Clips that were left out because of `missing="drop"`, if only in one variant, and what each
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
        missing: Missing | None = None,
        snapshot: int | None = None,
        variants: Sequence[int] = (0,),
        align: Alignment | Sequence[Alignment] | None = None,
        verify: bool = False,
        where: Where | None = None,
    ) -> None:
        """Opens a store and chooses clips.

        Args:
            root: The store: a folder, a URL, or a location.
            features: Stored ones, and fitted ones, whose state is that of the fold.
            labels: A label scheme of the store; else a label space such as `common4`, to which the
                store's labels are mapped; None: no labels.
            scheme: A split scheme; None: all clips of the store.
            fold: Number of the fold.
            role: train, valid or test.
            missing: What becomes of a clip that lacks a feature or a label. `drop`: it is left out,
                see `dropped`. `error`: ValueError. `mask`: it stays, with a track of zero rows, and
                None for a label. There is no default: one of them must be chosen.
            snapshot: Number of the snapshot; None: the newest.
            variants: 0 is the clip as it is; in variant 1 of a clip, NAME is the stored or fitted
                NAME~1, and NAME itself where it is made from nothing that is augmented. Its label
                and its group are the clip's.
            align: One of `stores.align`, or several that follow one another; what is stored stays
                as it is.
            verify: Hash each shard when it is first touched; see `FeatureStore`.
            where: Which clips, by the columns of clips and labels, such as `{"modality": "full-AV",
                "subject": ["01", "02"], "duration": "0.5..10"}`; see `manifests.choice`.

        Raises:
            NotInStore: A feature, variant, label scheme, split scheme, fold or role is unknown, or
                a feature lacks a variant which one that it is made from has; a KeyError.
            NotFitted: A feature is not fitted for this fold; a KeyError.
            WrongChoice: `where` names what no clip has, or leaves none; a ValueError.
            MissingNotChosen: `missing` was forgotten; a TypeError and a ValueError.
            LeakError: A variant is asked for, and another role than `train`; a ValueError.
            ValueError: No clip is left, or an argument is of the wrong kind.
        """
        _check_given(features, variants, missing)
        self.store = FeatureStore(root, snapshot, verify)
        self.features = tuple(features)
        steps = () if align is None else align if isinstance(align, Sequence) else (align,)
        self.align = tuple(steps)
        self._missing = missing
        self._fold = None if scheme is None or fold is None else (scheme, fold)
        self._label_of, self.classes = _labels(self.store, labels)
        groups = _groups(self.store, scheme, fold, role)
        self._group_of = keep_chosen(self.store.location, self.store.snapshot, groups, where)
        self._names = {
            variant: names_in(self.store.snapshot, self.features, variant) for variant in variants
        }
        self._refuse_leaks(role)
        self.items, self.dropped = self._choose(labels is not None)
        self.clip_ids = tuple(clip_id for clip_id, _ in self.items)

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
        """Makes a batch; pass it to a DataLoader as `collate_fn`.

        Args:
            batch: Items of this dataset.

        Returns:
            Padded arrays.
        """
        return collate(batch, self.classes)

    def batches(self, size: int, seed: int | None = None) -> Iterator[Batch]:
        """Makes batches of all items.

        Args:
            size: Items in a batch; the last one has what is left.
            seed: Decides on their order; None: that of the dataset.

        Yields:
            Padded arrays; every item is in one batch.

        Raises:
            ValueError: The size is less than 1.
        """
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
        """(item,) what an inner split must keep on one side, such as a speaker.

        A clip of unknown group is one by itself.
        """
        return tuple(self._group_of[clip_id] for clip_id in self.clip_ids)

    def class_counts(self) -> NDArray[np.int64]:
        """Counts the items of each class: (class,)."""
        return np.bincount(self.targets[self.targets != NO_TARGET], minlength=len(self.classes))

    def class_weights(self) -> NDArray[np.float32]:
        """Computes weights with which every class counts the same in a loss.

        Returns:
            (class,) items / (classes * items of the class), where classes without an item are not
            counted; 0 for a class without an item. King, Zeng 2001, as scikit-learn's
            `class_weight="balanced"`.
        """
        counts = self.class_counts()
        weights = np.zeros(len(counts), np.float32)
        there = counts > 0
        weights[there] = counts.sum() / (there.sum() * counts[there])
        return weights

    @cached_property
    def _sources(self) -> dict[int, dict[str, ClipTracks]]:
        """Variant -> feature -> its tracks; opened by each process for itself."""
        return {
            variant: {name: self._source(stored) for name, stored in names.items()}
            for variant, names in self._names.items()
        }

    def _source(self, name: str) -> ClipTracks:
        if self._fold is not None:
            return self.store.tracks(name, *self._fold)
        if plain_name(name) in self.store.snapshot.fitted:
            raise ValueError(
                f"{name} is fitted for each fold of a split; name a scheme, a fold and a role"
            )
        return self.store[name]

    def _track(self, source: ClipTracks, clip_id: str) -> Track:
        if self._missing == "mask" and clip_id not in source:
            values = np.empty((0, *source.spec.shape), source.spec.dtype)
            return Track(values, np.empty(0), np.empty(0, np.bool_))
        return source[clip_id]

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

    def _choose(self, labelled: bool) -> tuple[tuple[tuple[str, int], ...], dict[str, str]]:
        """The items that stay, and the clips that are left out with what each lacks."""
        items = [(clip_id, variant) for clip_id in self._group_of for variant in self._names]
        lacks = {item: what for item in items if (what := self._lacking(*item, labelled))}
        left_out = lacks if self._missing == "drop" else {}
        kept = tuple(item for item in items if item not in left_out)
        if lacks and (self._missing == "error" or not kept):
            never = {item[0] for item in lacks if self._never_had(*item)}
            raise ValueError(_too_little(lacks, len(self._group_of), len(never)))
        if not kept:
            raise ValueError(f"{self.store.location} has no clip; build the store first")
        return kept, {clip_id: what for (clip_id, _), what in left_out.items()}

    def _lacking(self, clip_id: str, variant: int, labelled: bool) -> str:
        sources = self._sources[variant].values()
        lacking = [
            f"{source.spec.name} (never had {what})"
            if (what := source.absent.get(clip_id))
            else source.spec.name
            for source in sources
            if clip_id not in source
        ]
        if labelled and clip_id not in self._label_of:
            lacking.append("label")
        return ", ".join(lacking)

    def _never_had(self, clip_id: str, variant: int) -> bool:
        return any(clip_id in source.absent for source in self._sources[variant].values())


def _check_given(features: Sequence[str], variants: Sequence[int], missing: str | None) -> None:
    if missing is None:
        raise MissingNotChosen(
            "missing was not given, so nobody knows what becomes of a clip that lacks a feature or "
            "a label; give missing='drop' to leave it out, 'mask' to keep it with zero rows, or "
            "'error' to stop there"
        )
    if missing not in get_args(Missing):
        raise ValueError(f"missing is {missing!r}, expected one of {', '.join(get_args(Missing))}")
    if isinstance(features, str):
        raise ValueError(
            f"features is the text {features!r}, expected a list of names, such as [{features!r}]"
        )
    if isinstance(variants, int) or not variants:
        raise ValueError(
            f"variants is {variants!r}, expected a list of numbers such as (0, 1); 0 is the "
            "clip as it is"
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
        sources = ", ".join(space.sources if space else ())
        reads = f", nor labels that the space {name} reads ({sources})" if space else ""
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
    """Clip id -> group, of the clips of one role of one fold, or of all; in the order of ids."""
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
    for column, value, what in (
        ("scheme", scheme, "split scheme"),
        ("fold", fold, f"fold of {scheme}"),
        ("role", role, f"role in fold {fold} of {scheme}"),
    ):
        known = {getattr(row, column) for row in rows}
        if value not in known:
            raise _absent(what, value, known)
        rows = [row for row in rows if getattr(row, column) == value]
    return {row.clip_id: row.group_id for row in rows}


def _absent(what: str, given: object, known: Collection[Any], more: str = "") -> NotInStore:
    hint = did_you_mean(str(given), map(str, known))
    return NotInStore(
        f"the store has no {what} {given!r}{more}; {hint}there are "
        f"{', '.join(map(str, sorted(known))) or 'none'}"
    )


def _too_little(lacks: Mapping[tuple[str, int], str], wanted: int, absent: int) -> str:
    """For an error: how many clips lack what."""
    some = "; ".join(f"{clip_id} lacks {what}" for (clip_id, _), what in list(lacks.items())[:3])
    clips = len({clip_id for clip_id, _ in lacks})
    rule = f", {absent} of them by the rule of their corpus" * bool(absent)
    return (
        f"{clips} of {wanted} clips lack a feature or a label{rule} ({some}); choose "
        "missing='drop' or 'mask', or other features"
    )
