"""Checks that fitted states are what was recorded, and were fitted on the training clips."""

from collections.abc import Iterator
from dataclasses import replace

from stores.fitted_state import StateFile
from stores.location import Location
from stores.records import FoldState, StoredFeature, StoredFitted
from stores.training_clips import TrainingClips


def state_problems(
    location: Location,
    entry: StoredFitted,
    state: FoldState,
    found: StateFile | None,
    clips: TrainingClips,
) -> Iterator[str]:
    """Checks a state, but for the shards of its tracks.

    Args:
        location: Where the store lies.
        entry: The fitted feature.
        state: The record of its state for one fold.
        found: What its file holds; None where that cannot be read.
        clips: The training clips, by the tables of the store.

    Yields:
        One sentence for each thing that is wrong.
    """
    what = f"{entry.spec.name} of fold {state.fold} of {state.scheme}"
    if found is not None and not found.is_of(entry.spec, state):
        yield (
            f"{location.display(state.file)} holds {found.name} of fold {found.fold} of "
            f"{found.scheme}, or of other clips, where the snapshot recorded {what}"
        )
    fold = (entry.spec.name, state.scheme, state.fold)
    again = f"run `affectstore fit {location} {state.scheme}`"
    if clips.of(*fold).sha256 != state.training_sha256:
        yield (
            f"{what} was fitted on other clips than "
            f"{'the clips' if entry.sees_all else 'the training clips'} of that fold; {again}"
        )
    elif state.encoded_sha256 not in (None, clips.inputs_sha256(*fold)):
        yield f"{what} has tracks of other clips than those that have its inputs; {again}"
    for one in state.variants:
        if one.encoded_sha256 != clips.inputs_sha256(*fold, one.variant):
            whose = f"{entry.by_variant[one.variant].name} of fold {state.fold} of {state.scheme}"
            yield (
                f"{whose} has tracks of other clips than the training clips that have its "
                f"inputs; {again}"
            )


def encoded(entry: StoredFitted, state: FoldState) -> dict[int, StoredFeature]:
    """Lists the features whose tracks a network made by one state.

    Args:
        entry: The fitted feature.
        state: The record of its state for one fold.

    Returns:
        Under 0 that of the clips as they are, then the variants by number.
    """
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
    clips: TrainingClips,
) -> Iterator[str]:
    """Checks which clips the shards of a state hold.

    Args:
        entry: The fitted feature.
        state: The record of its state for one fold.
        variant: Number of the augmented variant; 0: the clips as they are.
        clip_ids: What the shards hold in this variant.
        clips: The training clips, by the tables of the store.

    Yields:
        One sentence for each thing that is wrong.
    """
    spec = entry.by_variant[variant]
    what = f"{spec.name} of fold {state.fold} of {state.scheme}"
    if spec.variant and (others := sorted(clip_ids - clips.trained(state.scheme, state.fold))):
        yield (
            f"{what} holds augmented tracks of {len(others)} clips that are not to be trained on "
            f"in that fold, such as {others[0]}; "
            "remove its shards and fit again"
        )
    one = state.in_variant(variant)
    complete = clips.with_inputs(entry.spec.name, state.scheme, state.fold, variant)
    wanted = complete - set(one.lost if one else state.lost)
    if state.encoded_sha256 is not None and clip_ids != wanted:
        missing, extra = len(wanted - clip_ids), len(clip_ids - complete)
        yield (
            f"{what} lacks the tracks of {missing} clips, and has those of {extra} that it "
            "should not have; fit again"
        )
