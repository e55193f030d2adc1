"""What a leak costs, in points: one plain classifier, tested on the same clips under folds that
leak and under folds that do not.

The disjoint folds are the store's own, or made here. The leaking folds are those very folds with
the clips of each class shuffled: as many folds, as many clips and as many of each class in every
training and test: all that differs is who speaks where. Nothing is stored. Each clip is the mean
and the standard deviation of its valid rows, standardised by the training clips of the fold, and
goes into a logistic regression. Validation clips take no part, for nothing is chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flows.auditing.intervals import Comparison, Floats, Ints, compare_shares
from flows.auditing.probe_input import NothingToProbe, check_probe, refuse_unfit, unfit
from flows.workers.progress import ProgressBar
from manifests.clips import CLIPS, Clip
from manifests.corpora.catalog import CORPORA
from manifests.features import FeatureSpec
from manifests.folds import FOLDS, Fold, Role
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.schemes.catalog import EVERYTHING, SCHEMES, SplitError, group_clips
from manifests.tracks import Track
from stores.dataset import FeatureDataset
from stores.location import Place
from stores.reader import FeatureStore

_PREFERRED = ("mfcc", "logmel", "resnet")
"""Extractors whose features a probe reads if none is named, the first that the store holds."""
_FOLDS = 5
_TRAIN, _TEST = 1, 2


@dataclass(frozen=True)
class ProbePlan:
    """What is to be trained and tested."""

    features: tuple[str, ...]
    labels: str
    scheme: str
    """Of the disjoint folds."""
    is_stored: bool
    """The store holds these folds; else they were made for the probe."""
    seed: int
    """Of the shuffle, and of folds that were made."""
    classes: tuple[str, ...]
    values: Floats
    """(clip, column)"""
    truth: Ints
    """(clip,) which of the classes."""
    sides: Ints
    """(fold, clip) _TRAIN, _TEST, or 0 for neither; each clip is tested in one fold."""
    clusters: Ints
    """(clip,) subject, or group of subjects that cannot be parted, by number."""

    @property
    def folds(self) -> int:
        return len(self.sides)

    @property
    def clips(self) -> int:
        return len(self.truth)


@dataclass(frozen=True)
class LeakProbe:
    """What came out."""

    plan: ProbePlan
    accuracy: Comparison
    balanced_accuracy: Comparison
    """Mean of the classes' recalls."""


def run_leak_probe(
    sources: Sequence[Place],
    scheme: str | None,
    labels: str | None,
    features: Sequence[str],
    where: Sequence[str] = (),
) -> LeakProbe:
    """Probes a store, and shows the progress.

    Args:
        sources: One store.
        scheme: As for `plan_probe`, like the others.
        labels: A label scheme or space.
        features: Names of features.
        where: Conditions on the clips that take part.

    Returns:
        What came out.

    Raises:
        NothingToProbe: The source is not one store, or the store lacks what a probe needs.
    """
    check_probe(sources)
    plan = plan_probe(sources[0], scheme, labels, features, where=where)
    with ProgressBar("testing the probe", 2 * plan.clips) as progress:
        return run_probe(plan, progress.advance)


def plan_probe(
    place: Place,
    scheme: str | None = None,
    labels: str | None = None,
    features: Sequence[str] = (),
    seed: int = 0,
    where: Sequence[str] = (),
) -> ProbePlan:
    """Chooses folds, labels and features of a store, and reads them.

    Clips that lack a feature or a label take no part.

    Args:
        place: Folder or URL of the store.
        scheme: Disjoint folds of the store that test every clip once; if None, the fewest folds of
            that kind that the store holds, else `subject_kfold`.
        labels: A label scheme of the store or a label space; if None, the corpus's main one.
        features: Names of features; if none, the first made by one of _PREFERRED.
        seed: Of the shuffle, and of folds that are made.
        where: Conditions on the clips that take part.

    Returns:
        What is to be trained and tested.

    Raises:
        NothingToProbe: These do not go together.
        NotInStore: A name is unknown.
    """
    store = FeatureStore(place)
    names = tuple(features) or (_default_feature(store.features),)
    refuse_unfit({name: store[name].spec for name in names})
    scale = labels or _default_labels(store)
    table = _summarise(_dataset(store, names, scale, where))
    clips = {clip.clip_id: clip for clip in store.rows(CLIPS) if clip.clip_id in table}
    stored = _stored_folds(store, clips, scheme)
    chosen, dealt = stored or ("subject_kfold", _made(store, clips, seed))
    ids = sorted({row.clip_id for row in dealt})
    classes, truth = np.unique([table[clip_id][1] for clip_id in ids], return_inverse=True)
    sides = _sides(dealt, ids)
    _refuse_few(chosen, sides, truth)
    values = np.stack([table[clip_id][0] for clip_id in ids])
    clusters = _clusters([clips[clip_id] for clip_id in ids])
    return ProbePlan(
        names,
        scale,
        chosen,
        stored is not None,
        seed,
        tuple(map(str, classes)),
        values,
        truth,
        sides,
        clusters,
    )


def run_probe(plan: ProbePlan, on_clips: Callable[[int], None] = lambda clips: None) -> LeakProbe:
    """Trains and tests under both schemes; the same plan gives the same numbers.

    Args:
        plan: What is to be trained and tested.
        on_clips: Called with each number of clips tested, 2 x plan.clips in all.

    Returns:
        What came out.
    """
    shuffled = plan.sides[:, _shuffle_within(plan.truth, plan.seed)]
    right = [
        _test(plan.values, plan.truth, sides, on_clips) == plan.truth
        for sides in (shuffled, plan.sides)
    ]
    one_stratum = np.zeros_like(plan.truth)
    return LeakProbe(
        plan,
        compare_shares(right, one_stratum, plan.clusters),
        compare_shares(right, plan.truth, plan.clusters),
    )


def _default_feature(specs: Mapping[str, FeatureSpec]) -> str:
    plain = {
        name: spec for name, spec in sorted(specs.items()) if not spec.variant and not unfit(spec)
    }
    ranked = sorted(
        plain, key=lambda name: (*(plain[name].extractor != kind for kind in _PREFERRED), name)
    )
    if not ranked:
        raise NothingToProbe(
            f"the store has no feature of numbers to probe, it has {', '.join(specs) or 'none'}; "
            "build mfcc, or another"
        )
    return ranked[0]


def _default_labels(store: FeatureStore) -> str:
    """The corpus's main scheme; for several corpora, the first label space that reads the main
    scheme of each."""
    corpora = sorted({clip.corpus for clip in store.rows(CLIPS)})
    mains = {CORPORA[name].label_schemes[0] for name in corpora if name in CORPORA}
    fitting = (
        [*mains]
        if len(mains) == 1
        else [name for name, space in SPACES.items() if mains and mains <= space.sources.keys()]
    )
    if not fitting:
        known = ", ".join(sorted({label.scheme for label in store.rows(LABELS)})) or "none"
        raise NothingToProbe(
            f"no labels go for all of {', '.join(corpora)}; name some with --labels (the store "
            f"has {known})"
        )
    return fitting[0]


def _dataset(
    store: FeatureStore, features: Sequence[str], labels: str, where: Sequence[str]
) -> FeatureDataset:
    try:
        return FeatureDataset(
            store.location,
            features=features,
            labels=labels,
            target="class",
            missing="drop",
            snapshot=store.snapshot.number,
            where=tuple(where),
        )
    except ValueError as error:
        raise NothingToProbe(f"{', '.join(features)} with {labels}: {error}") from error


def _summarise(dataset: FeatureDataset) -> dict[str, tuple[Floats, str]]:
    """clip id -> mean and standard deviation of its valid rows, end to end for all features, and
    its label."""
    table: dict[str, tuple[Floats, str]] = {}
    for clip_id, tracks, label in (dataset[i] for i in range(len(dataset))):
        if label is not None and all(track.valid.any() for track in tracks.values()):
            row = np.concatenate([_moments(track) for track in tracks.values()])
            table[clip_id] = row, str(label)
    return table


def _moments(track: Track) -> Floats:
    rows = np.asarray(track.values[track.valid], np.float64).reshape(int(track.valid.sum()), -1)
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0)])


def _stored_folds(
    store: FeatureStore, clips: Mapping[str, Clip], scheme: str | None
) -> tuple[str, list[Fold]] | None:
    """Name and rows, the latter of the given clips alone; None where no scheme is named and none
    serves."""
    by_scheme: dict[str, list[Fold]] = {}
    for row in store.rows(FOLDS):
        by_scheme.setdefault(row.scheme, []).extend([row] if row.clip_id in clips else [])
    if scheme is not None:
        if scheme not in by_scheme:
            raise NothingToProbe(
                f"the store has no folds of {scheme!r}; it has {', '.join(by_scheme) or 'none'}"
            )
        if why := _not_a_baseline(by_scheme[scheme], clips):
            raise NothingToProbe(
                f"{scheme} {why}; a probe compares with folds that share no subject and test each "
                "clip once"
            )
        return scheme, by_scheme[scheme]
    sound = [name for name, rows in by_scheme.items() if not _not_a_baseline(rows, clips)]
    chosen = min(
        sound, key=lambda name: (len({row.fold for row in by_scheme[name]}), name), default=None
    )
    return None if chosen is None else (chosen, by_scheme[chosen])


def _made(store: FeatureStore, clips: Mapping[str, Clip], seed: int) -> list[Fold]:
    try:
        groups = len(group_clips(clips.values(), EVERYTHING))
        labels = [label for label in store.rows(LABELS) if label.clip_id in clips]
        return SCHEMES["subject_kfold"](
            clips.values(), labels, folds=max(3, min(_FOLDS, groups)), seed=seed
        )
    except SplitError as error:
        raise NothingToProbe(
            f"the {len(clips)} clips cannot be dealt to disjoint folds to compare with: {error}"
        ) from error


def _not_a_baseline(rows: Sequence[Fold], clips: Mapping[str, Clip]) -> str | None:
    """Why folds cannot stand for what a classifier can truly do; None where they can."""
    tested = [row.clip_id for row in rows if row.role == Role.TEST]
    if len(tested) != len(set(tested)) or set(tested) != {row.clip_id for row in rows} or not rows:
        return "does not test each of its clips once"
    group_of = {
        clip.clip_id: group
        for group, members in group_clips(clips.values(), EVERYTHING).items()
        for clip in members
    }
    sides = {
        role: {(row.fold, group_of[row.clip_id]) for row in rows if row.role == role}
        for role in (Role.TRAIN, Role.TEST)
    }
    return "has subjects or groups on both sides" if sides[Role.TRAIN] & sides[Role.TEST] else None


def _sides(rows: Sequence[Fold], ids: Sequence[str]) -> Ints:
    fold_of = {fold: number for number, fold in enumerate(sorted({row.fold for row in rows}))}
    clip_of = {clip_id: number for number, clip_id in enumerate(ids)}
    sides = np.zeros((len(fold_of), len(ids)), np.int64)
    for row in rows:
        sides[fold_of[row.fold], clip_of[row.clip_id]] = {Role.TRAIN: _TRAIN, Role.TEST: _TEST}.get(
            row.role, 0
        )
    return sides


def _shuffle_within(truth: Ints, seed: int) -> Ints:
    """(clip,) a permutation of the clips that leaves each class where it was."""
    generator = np.random.Generator(np.random.PCG64(seed))
    order = np.empty(len(truth), np.int64)
    for value in np.unique(truth):
        there = np.flatnonzero(truth == value)
        order[there] = generator.permutation(there)
    return order


def _refuse_few(scheme: str, sides: Ints, truth: Ints) -> None:
    if any(len(np.unique(truth[side == _TRAIN])) < 2 for side in sides):
        raise NothingToProbe(
            f"a fold of {scheme} has fewer than two classes to train on; use other labels or "
            "folds, or add clips"
        )


def _test(values: Floats, truth: Ints, sides: Ints, on_clips: Callable[[int], None]) -> Ints:
    """(clip,) the class that each clip is given by the classifier that was trained on the other
    folds' clips."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    given = np.full(len(truth), -1, np.int64)
    for train, test in ((side == _TRAIN, side == _TEST) for side in sides if _TEST in side):
        # Fitted within the fold, the scaling too: what it measures over test clips would leak as
        # well.
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(
            values[train], truth[train]
        )
        given[test] = classifier.predict(values[test])
        on_clips(int(test.sum()))
    return given


def _clusters(clips: Sequence[Clip]) -> Ints:
    """(clip,) number of the cluster that each clip is of, in the order given."""
    members = group_clips(clips, EVERYTHING).values()
    number = {clip.clip_id: cluster for cluster, held in enumerate(members) for clip in held}
    return np.array([number[clip.clip_id] for clip in clips], np.int64)
