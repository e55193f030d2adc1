"""Is the state of a fitted feature what was recorded, and was it fitted on the training clips of
its fold?"""

from collections.abc import Iterator
from dataclasses import replace

from stores.fitted_state import WrongState, read_state
from stores.location import Location
from stores.records import FoldState, StoredFeature, StoredFitted, WrongRecord, sha256_of
from stores.training_clips import TrainingClips


def state_problems(
    location: Location, entry: StoredFitted, state: FoldState, trainings: TrainingClips
) -> Iterator[str]:
    """One sentence for each thing that is wrong with a state, but for the shards of its tracks."""
    what = f"{entry.spec.name} of fold {state.fold} of {state.scheme}"
    yield from _file_problems(location, entry, state, what)
    again = f"run `affectstore fit {location} {state.scheme}`"
    if trainings.of(entry.spec.name, state.scheme, state.fold).sha256 != state.training_sha256:
        yield (
            f"{what} was fitted on other clips than "
            f"{'the clips' if entry.sees_all else 'the training clips'} of that fold; {again}"
        )
    elif state.encoded_sha256 not in (
        None,
        trainings.able_sha256(entry.spec.name, state.scheme, state.fold),
    ):
        yield f"{what} has tracks of other clips than those that have its inputs; {again}"
    for one in state.variants:
        if one.encoded_sha256 != trainings.able_sha256(
            entry.spec.name, state.scheme, state.fold, one.variant
        ):
            whose = f"{entry.by_variant[one.variant].name} of fold {state.fold} of {state.scheme}"
            yield (
                f"{whose} has tracks of other clips than the training clips that have its "
                f"inputs; {again}"
            )


def _file_problems(
    location: Location, entry: StoredFitted, state: FoldState, what: str
) -> Iterator[str]:
    try:
        name, path = location.display(state.file), location.path(state.file)
        if (size := path.stat().st_size, found := sha256_of(path)) != (state.bytes, state.sha256):
            yield (
                f"{name} has {size} bytes, sha256 {found}, but the snapshot recorded "
                f"{state.bytes}, {state.sha256}; fit again without it"
            )
        held = read_state(location, state.file)
    except (WrongState, WrongRecord, OSError) as error:
        yield str(error)
        return
    wanted = (
        entry.spec.name,
        entry.spec.fingerprint,
        state.scheme,
        state.fold,
        state.training_sha256,
    )
    if (held.name, held.fingerprint, held.scheme, held.fold, held.training_sha256) != wanted:
        yield (
            f"{name} holds {held.name} of fold {held.fold} of {held.scheme}, or of other clips, "
            f"where the snapshot recorded {what}"
        )


def encoded(entry: StoredFitted, state: FoldState) -> dict[int, StoredFeature]:
    """The features that a network made by one state: 0 of the clips as they are, then those of the
    variants."""
    shards = {0: state.shards, **{one.variant: one.shards for one in state.variants}}
    return {
        variant: StoredFeature(replace(entry.by_variant[variant], shape=state.shape), each)
        for variant, each in shards.items()
    }


def track_problems(
    entry: StoredFitted,
    state: FoldState,
    variant: int,
    clip_ids: set[str],
    trainings: TrainingClips,
) -> Iterator[str]:
    """`clip_ids`: those that the shards of a state hold in a variant, where 0 is the clips as they
    are."""
    spec = entry.by_variant[variant]
    what = f"{spec.name} of fold {state.fold} of {state.scheme}"
    if spec.variant and (others := sorted(clip_ids - trainings.trained(state.scheme, state.fold))):
        yield (
            f"{what} holds augmented tracks of {len(others)} clips that are not to be trained on "
            f"in that fold, such as {others[0]}; "
            "remove its shards and fit again"
        )
    one = state.in_variant(variant)
    able = trainings.able(entry.spec.name, state.scheme, state.fold, variant)
    wanted = able - set(one.lost if one else state.lost)
    if state.encoded_sha256 is not None and clip_ids != wanted:
        missing, extra = len(wanted - clip_ids), len(clip_ids - able)
        yield (
            f"{what} lacks the tracks of {missing} clips, and has those of {extra} that it "
            "should not have; fit again"
        )
