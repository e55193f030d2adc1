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

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.choice import Where
from manifests.clips import CLIPS, Clip
from manifests.features import FeatureSpec
from manifests.folds import Role
from manifests.tracks import Track
from manifests.variant_names import plain_name
from stores.align import Alignment
from stores.batch import ClipItem, Target
from stores.choosing import keep_chosen
from stores.clip_dataset import ClipDataset
from stores.clip_tracks import ClipTracks, NotInStore, unknown
from stores.fold_clips import RoleName, groups_of, role_of
from stores.location import Place
from stores.reader import FeatureStore
from stores.targets import TargetKind, open_targets
from stores.variants import names_in

Missing = Literal["drop", "error", "mask"]
"""What becomes of a clip that lacks a feature or a label."""
Transform = Callable[[ClipItem], ClipItem]
"""Changes an item after the alignment; worker processes that are not forked get it pickled."""


class LeakError(ValueError):
    """Rows of an augmented variant were asked for by another role than training."""


class MissingNotChosen(TypeError, ValueError):
    """Nobody said what becomes of clips that lack a feature or a label."""


class FeatureDataset(ClipDataset):
    """The clips of one role of one fold, in the order of their ids, pinned to one snapshot.

    `dataset[i]` is (clip_id, {feature: Track}, label). The label is by `target`:

    class   the value with the highest total weight over a clip's annotators, so one label of
            weight 1 is itself and equal votes decide by majority; where two values tie, the clip
            counts as having none.
    votes   the share of each class in the weights of all annotators, (class,) float32; they sum to
            1 over the classes, and votes for what is no class are left out.
    value   a number: the mean over the annotators by their weights, on the scale of the corpus.
            Several, (value,) float32 in the order of `labels`, of clips that have them all.
    """

    store: FeatureStore

    def __init__(
        self,
        store: Place | FeatureStore,
        *,
        features: Sequence[str],
        labels: str | Sequence[str] | None,
        scheme: str | None = None,
        fold: int | None = None,
        role: RoleName | Role | None = None,
        missing: Missing | None = None,
        target: TargetKind | None = None,
        snapshot: int | None = None,
        variants: Sequence[int] = (0,),
        align: Alignment | Sequence[Alignment] | None = None,
        transform: Transform | None = None,
        metadata: bool = False,
        verify: bool = False,
        where: Where | None = None,
    ) -> None:
        """Opens a store and chooses clips.

        Args:
            store: A folder, a URL, a location, or an open store, whose snapshot is kept.
            features: Stored ones, and fitted ones, whose state is that of the fold.
            labels: A label scheme of the store; else a label space such as `common4`, to which the
                store's labels are mapped; else `valence`, `arousal` or `dominance`, rated from 1 to
                5; a list of schemes or dimensions that are numbers; None: no labels.
            scheme: A split scheme; None: all clips of the store.
            fold: Number of the fold.
            role: train, valid or test; val, validation and dev are valid.
            missing: What becomes of a clip that lacks a feature or a label. `drop`: it is left out,
                see `dropped`. `error`: ValueError. `mask`: it stays, with a track of zero rows, and
                None for a label. There is no default: one of them must be chosen.
            target: `class`, `votes` or `value`, see above; None: numbers of dimensions, and of
                label schemes that a corpus rates them in, and of all others classes.
            snapshot: Number of the snapshot; None: the newest.
            variants: 0 is the clip as it is; in variant 1 of a clip, NAME is the stored or fitted
                NAME~1, and NAME itself where it is made from nothing that is augmented. Its label
                and its group are the clip's.
            align: One of `stores.align`, or several that follow one another; what is stored stays
                as it is.
            transform: Called with each item, (clip_id, {feature: Track}, label), after the
                alignment; what it returns is the item. DataLoader workers that are spawned need one
                that can be pickled: a function of a module, not a lambda.
            metadata: Each item has `item.metadata`, a dict of the columns of its clip, and a batch
                has a list of them under `metadata`.
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
        self.store = _opened(store, snapshot, verify)
        self.features = tuple(features)
        steps = () if align is None else align if isinstance(align, Sequence) else (align,)
        self.align = tuple(steps)
        self._missing = missing
        self._fold = None if scheme is None or fold is None else (scheme, fold)
        if transform is not None and not callable(transform):
            raise ValueError(f"transform is {transform!r}, expected a function of an item, or None")
        self._transform = transform
        self._targets = open_targets(self.store, labels, target)
        given = self._role = role_of(role)
        groups = groups_of(self.store, scheme, fold, given)
        self._group_of = keep_chosen(self.store.location, self.store.snapshot, groups, where)
        self._names = {
            variant: names_in(self.store.snapshot, self.features, variant) for variant in variants
        }
        self._refuse_leaks(given)
        self.items, self.dropped = self._choose(labels is not None)
        self.clip_ids = tuple(clip_id for clip_id, _ in self.items)
        self._metadata = self._clips if metadata else None
        self.has_metadata = bool(metadata)

    def lengths(self, feature: str) -> NDArray[np.int64]:
        if feature not in self.features:
            raise NotInStore(unknown("feature", feature, self.features, "dataset"))
        sources = {variant: names[feature] for variant, names in self._sources.items()}
        return np.array([sources[v].stored_rows(clip_id) for clip_id, v in self.items], np.int64)

    def _item(self, i: int) -> ClipItem:
        clip_id, variant = self.items[i]
        sources = self._sources[variant]
        if self._missing == "mask":
            tracks = {name: _track_or_no_rows(sources[name], clip_id) for name in sources}
        else:
            tracks = {name: source[clip_id] for name, source in sources.items()}
        for step in self.align:
            tracks = step(tracks)
        item = ClipItem(clip_id, tracks, self._targets.of.get(clip_id))
        if self._metadata is not None:
            item.metadata = _columns(self._metadata[clip_id])
        return item if self._transform is None else self._transformed(item, self._transform)

    def _transformed(self, item: ClipItem, transform: Transform) -> ClipItem:
        made = transform(item)
        if self._metadata is None or not isinstance(made, tuple) or len(made) != len(item):
            return made
        if not isinstance(made, ClipItem):
            made = ClipItem(*made)
        if not hasattr(made, "metadata"):
            made.metadata = item.metadata
        return made

    def _label(self, i: int) -> Target:
        return self._targets.of.get(self.clip_ids[i])

    def _row(self, i: int) -> dict[str, Any]:
        clip_id, variant = self.items[i]
        return {**_columns(self._clips[clip_id]), "label": self._label(i), "variant": variant}

    @property
    def _from(self) -> tuple[str, ...]:
        place = f"{self.store.location}, snapshot {self.store.snapshot.number}"
        of = (
            "all clips" if self._fold is None else "{}, fold {}, {}".format(*self._fold, self._role)
        )
        return place, of

    @property
    def _specs(self) -> dict[str, FeatureSpec]:
        sources = next(iter(self._sources.values()))
        return {name: source.spec for name, source in sources.items()}

    def _feature_keys(self) -> dict[str, tuple[object, ...]]:
        return {name: self._key(name) for name in self.features}

    def _key(self, name: str) -> tuple[object, ...]:
        """The fingerprint, and of a fitted feature the file of its state."""
        entry = self.store.snapshot.fitted.get(plain_name(name))
        if entry is None or self._fold is None:
            return (self.store.snapshot.features[name].spec.fingerprint,)
        state = entry.state(*self._fold)
        return entry.spec.fingerprint, state and state.file

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """(item,) what an inner split must keep on one side; an unknown group is one by itself."""
        return tuple(self._group_of[clip_id] for clip_id in self.clip_ids)

    @cached_property
    def subjects(self) -> tuple[str | None, ...]:
        """(item,) who speaks, as `subject_id` of the clip; None where nobody knows."""
        return tuple(self._clips[clip_id].subject_id for clip_id in self.clip_ids)

    @cached_property
    def _clips(self) -> dict[str, Clip]:
        rows = self.store.rows(CLIPS)
        return {clip.clip_id: clip for clip in rows if clip.clip_id in self._group_of}

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
        if labelled and clip_id not in self._targets.of:
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
    if not features:
        raise ValueError("features is empty, so that items would hold nothing; name at least one")
    if isinstance(variants, int) or not variants:
        raise ValueError(
            f"variants is {variants!r}, expected a list of numbers such as (0, 1); 0 is the "
            "clip as it is"
        )


def _opened(store: Place | FeatureStore, snapshot: int | None, verify: bool) -> FeatureStore:
    if not isinstance(store, FeatureStore):
        return FeatureStore(store, snapshot, verify)
    if snapshot not in (None, store.snapshot.number) or (verify and not store.verify):
        raise ValueError(
            f"the open store is at snapshot {store.snapshot.number} with verify={store.verify}, "
            f"and snapshot={snapshot} with verify={verify} was asked for; open it so: "
            f"FeatureStore(..., snapshot={snapshot}, verify={verify})"
        )
    return store


def _track_or_no_rows(source: ClipTracks, clip_id: str) -> Track:
    if clip_id in source:
        return source[clip_id]
    values = np.empty((0, *source.spec.shape), source.spec.dtype)
    return Track(values, np.empty(0), np.empty(0, np.bool_))


def _columns(clip: Clip) -> dict[str, Any]:
    return {name: getattr(clip, name) for name in CLIPS.schema.names}


def _too_little(lacks: Mapping[tuple[str, int], str], wanted: int, absent: int) -> str:
    """For an error: how many clips lack what."""
    some = "; ".join(f"{clip_id} lacks {what}" for (clip_id, _), what in list(lacks.items())[:3])
    clips = len({clip_id for clip_id, _ in lacks})
    rule = f", {absent} of them by the rule of their corpus" * bool(absent)
    return (
        f"{clips} of {wanted} clips lack a feature or a label{rule} ({some}); choose "
        "missing='drop' or 'mask', or other features"
    )
