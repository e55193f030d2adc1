"""Is the state of a fitted feature what was recorded, and was it fitted on the training clips of its fold?"""

from collections.abc import Iterator
from pathlib import Path

from stores.fitted import WrongState, read_state
from stores.records import FoldState, StoredFitted, WrongRecord, inside, sha256_of
from stores.trainings import Trainings


def state_problems(root: Path, entry: StoredFitted, state: FoldState, trainings: Trainings) -> Iterator[str]:
    """One sentence for each thing that is wrong with a state, but for the shards of its tracks."""
    what = f"{entry.spec.name} of fold {state.fold} of {state.scheme}"
    yield from _file_problems(root, entry, state, what)
    again = f"run `affectstore fit {root} {state.scheme}`"
    if trainings.of(entry.spec.name, state.scheme, state.fold).sha256 != state.training_sha256:
        yield f"{what} was fitted on other clips than {'the clips' if entry.sees_all else 'the training clips'} of that fold; {again}"
    elif state.encoded_sha256 not in (None, trainings.able_sha256(entry.spec.name, state.scheme, state.fold)):
        yield f"{what} has tracks of other clips than those that have its inputs; {again}"


def _file_problems(root: Path, entry: StoredFitted, state: FoldState, what: str) -> Iterator[str]:
    try:
        path = inside(root, state.file)
        if (size := path.stat().st_size, found := sha256_of(path)) != (state.bytes, state.sha256):
            yield f"{path} has {size} bytes, sha256 {found}, but the snapshot recorded {state.bytes}, {state.sha256}; fit again without it"
        held = read_state(root, state.file)
    except (WrongState, WrongRecord, OSError) as error:
        yield str(error)
        return
    wanted = entry.spec.name, entry.spec.fingerprint, state.scheme, state.fold, state.training_sha256
    if (held.name, held.fingerprint, held.scheme, held.fold, held.training_sha256) != wanted:
        yield f"{path} holds {held.name} of fold {held.fold} of {held.scheme}, or of other clips, where the snapshot recorded {what}"


def track_problems(entry: StoredFitted, state: FoldState, clip_ids: set[str], trainings: Trainings) -> Iterator[str]:
    """`clip_ids`: those that the shards of the state hold."""
    able = trainings.able(entry.spec.name, state.scheme, state.fold)
    if state.encoded_sha256 is not None and clip_ids != able - set(state.lost):
        missing, extra = len(able - set(state.lost) - clip_ids), len(clip_ids - able)
        what = f"{entry.spec.name} of fold {state.fold} of {state.scheme}"
        yield f"{what} lacks the tracks of {missing} clips, and has those of {extra} that it should not have; fit again"
