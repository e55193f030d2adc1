"""A split: the clips of a store assigned to folds, and published with what an audit finds."""

from collections.abc import Mapping, Sequence

from flows.auditing.store import publish_audited
from manifests.choice import Choice
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, Json, State
from manifests.folds import FOLDS, Fold
from manifests.labels import LABELS, Label
from manifests.schemes.catalog import (
    SCHEMES,
    Scheme,
    SplitError,
    empty_classes,
    refuse_leaks,
    weigh,
)
from manifests.suggestions import did_you_mean
from stores.atomic import sweep
from stores.choosing import chosen_ids
from stores.location import Place, locate
from stores.snapshot import Snapshot, load_snapshot, read_tables
from stores.training_clips import carry


def check_split(
    store: Place,
    scheme: str,
    folds: int | None = None,
    seed: int = 0,
    test: Sequence[str] = (),
    valid: Sequence[str] = (),
    where: Sequence[str] = (),
) -> None:
    """Refuses what no clips would allow; reads no table.

    Args:
        store: Folder or URL of the store.
        scheme: Name of a split scheme.
        folds: Number of folds.
        seed: Any number.
        test: Subjects to test on.
        valid: Subjects to validate on.
        where: Conditions on the clips.

    Raises:
        WrongChoice: A condition has another form.
        SplitError: There is no such scheme, or the options do not go with it.
        NotCommitted: There is no store.
    """
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, SCHEMES)
        raise SplitError(
            f"there is no split scheme {scheme!r}; {hint}there are {', '.join(SCHEMES)}"
        )
    SCHEMES[scheme].refuse_options(folds, test, valid)
    Choice.of(tuple(where))
    load_snapshot(locate(store))


def run_split(
    store: Place,
    scheme: str,
    folds: int | None = None,
    seed: int = 0,
    test: Sequence[str] = (),
    valid: Sequence[str] = (),
    where: Sequence[str] = (),
) -> Snapshot:
    """Assigns the clips that have at least one stored feature to folds.

    Folds of the same scheme are replaced, those of others stay. What the scheme claims to keep on
    one side is checked before anything is stored.

    Args:
        store: Folder or URL of the store.
        scheme: Name of a split scheme.
        folds: Number of folds, where the scheme leaves it open.
        seed: Another seed assigns the groups in another way.
        test: Subjects to test on, for the scheme holdout.
        valid: Subjects to validate on, for the scheme holdout.
        where: Conditions on the clips, such as `channel=speech`; no others are assigned.

    Returns:
        The new snapshot.

    Raises:
        WrongChoice: A condition names what there is not, or leaves no clip.
        SplitError: There is no such scheme, or the clips do not allow it.
        LeakingSplit: The scheme does not keep what it claims to keep.
        StoreBusy: Another process is writing to the store.
    """
    check_split(store, scheme, folds, seed, test, valid, where)
    location, choice = locate(store), Choice.of(tuple(where))
    with location.lock():
        sweep(location.folder)
        snapshot = load_snapshot(location)
        tables = read_tables(location, snapshot)
        index = INDEX.rows(tables["index"])
        stored = {row.clip_id for row in index if row.state == State.STORED}
        stored &= chosen_ids(tables["clips"], tables["labels"], choice)
        clips = [clip for clip in CLIPS.rows(tables["clips"]) if clip.clip_id in stored]
        labels = LABELS.rows(tables["labels"])
        assigned = SCHEMES[scheme](clips, labels, folds, seed, tuple(test), tuple(valid))
        facts = _facts(SCHEMES[scheme], assigned, clips, labels)
        others = [row for row in FOLDS.rows(tables["folds"]) if row.scheme != scheme]
        tables |= {"folds": FOLDS.build([*others, *assigned])}
        fitted = carry(
            snapshot.fitted, snapshot.fitted, lambda table: table.rows(tables[table.name])
        )
        made_with: Mapping[str, Json] = {
            "folds": folds,
            "seed": seed,
            "test": list(test),
            "valid": list(valid),
            **facts,
            **({"where": list(choice.texts)} if choice else {}),
        }
        return publish_audited(
            location,
            snapshot,
            scheme,
            tables=tables,
            fitted=fitted,
            schemes={**snapshot.schemes, scheme: dict(made_with)},
        )


def _facts(
    scheme: Scheme, assigned: Sequence[Fold], clips: Sequence[Clip], labels: Sequence[Label]
) -> dict[str, Json]:
    """What the snapshot says of the folds of a scheme, once its claim has been checked."""
    its_clips = scheme.of(clips)
    refuse_leaks(assigned, its_clips, scheme.keeps)
    balance = weigh(assigned, its_clips, labels) if scheme.disjoint else None
    return {
        "disjoint": scheme.disjoint,
        "keeps": list(scheme.keeps),
        "imbalance": balance.imbalance if balance else None,
        "least_imbalance": balance.bound if balance else None,
        "empty_classes": list(empty_classes(assigned, its_clips, labels)),
    }
