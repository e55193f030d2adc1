"""Rules on what lies on two sides of a fold: L1, L2, L3, L4, L7, L8, L9 and L12.

Every rule yields an `Observation` for whatever it looked at, with `count` 0 where nothing was
found, and with the rows that it could judge; and `NotJudged` with the reason where the listing
lacks what it needs. Results are reported on the test side, or on the validation side where there is
no test; that side is compared with the training. Where all three exist, what training and
validation, or validation and test, share is a warning: it touches how a model was chosen, not what
is reported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from manifests.audit.fold_view import Bools, FoldView, Ints, between
from manifests.audit.listing import ROLES, TEST, TRAIN, VALID
from manifests.audit.name_columns import NameColumn
from manifests.audit.observations import Judgement, NotJudged, Observation
from manifests.audits import Severity

HASHES = {"sha256": "file", "pcm": "sound", "frames": "picture"}
"""Column of hashes -> what it is the hash of."""

TOGETHER = {
    "session": ("session", "sessions"),
    "dialogue": ("dialogue", "dialogues"),
    "episode": ("episode", "episodes"),
    "series": ("series", "series"),
    "video": ("source video", "source videos"),
}
"""Column of what was recorded together -> one of it and several, in words."""


def shared_subjects(view: FoldView) -> Iterator[Judgement]:
    """L1: who speaks or is shown in training must not be tested.

    Nor must what else a group ties together, where groups are more than subjects. Groups that no
    two sides share say nothing of subjects that nobody knows.

    Args:
        view: One fold.

    Yields:
        One observation for each pair of sides; its count is the number of subjects they share.
    """
    yield from _shared_unit(view, "subject", "subject", "subjects")
    group = view.names("group")
    # A group that is the subject is judged already, and one that is the session is L2's.
    others = (view.names(unit) for unit in ("subject", "clip", "take", *TOGETHER))
    if group is not None and not any(_same_parts(other, group) for other in others if other):
        yield from _shared_unit(view, "group", "group", "groups", known=view.has("subject"))


def episodes_and_sessions(view: FoldView) -> Iterator[Judgement]:
    """L2: what was recorded together sounds and looks alike.

    A shared dialogue is an error, a shared session, episode, series or video a warning; where no
    subject is known, they are what must not cross, and each is an error.

    Args:
        view: One fold.

    Yields:
        One observation for each unit that is known and each pair of sides; its count is the number
        of units that they share.
    """
    known = {unit: column for unit in TOGETHER if (column := view.names(unit)) is not None}
    units = [
        unit
        for unit, column in known.items()
        if not any(_same_parts(known[other], column) for other in known if other > unit)
    ]  # of units that tie the same rows together, one is enough
    subjects = view.has("subject")
    by_subject = all(subjects[view.role == side].any() for side in view.pairs[0])
    usual = {unit: None if unit == "dialogue" else Severity.WARN for unit in units}
    for unit in units:
        severity = usual[unit] if by_subject else Severity.ERROR
        yield from _shared_unit(view, unit, *TOGETHER[unit], severity)
    if not units:
        yield _unknown(view, "session, dialogue, episode, series or source video")


def take_twins(view: FoldView) -> Iterator[Judgement]:
    """L3: renderings of one performance (with sound, silent, audio alone) under several clip ids.

    Args:
        view: One fold.

    Yields:
        One observation for each pair of sides; its count is the number of takes they share.
    """
    how = "renderings of a take of which another rendering is"
    if view.names("take") is None:
        yield _unknown(view, "the take of a clip")
        return
    yield from _shared_apart(view, "take", how, "takes")


def exact_duplicates(view: FoldView) -> Iterator[Judgement]:
    """L4: the same bytes, samples or frames under several clip ids.

    Args:
        view: One fold.

    Yields:
        One observation for each hash that is known and each pair of sides; its count is the number
        of hashes they share.
    """
    units = [unit for unit in HASHES if view.names(unit) is not None]
    hashed = np.any([view.has(unit) for unit in HASHES], axis=0)  # a silent clip has no sound
    for unit in units:
        kind = HASHES[unit]
        how = f"identical, {kind} for {kind}, to a clip that is"
        for observation in _shared_apart(view, unit, how, f"{kind}s"):
            yield replace(observation, known=hashed, needs="a hash")
    for unit, why in view.listing.unmeasured.items():
        if unit in HASHES:
            yield NotJudged(why)
    if not units:
        yield NotJudged(
            "no column holds a hash of the files (sha256), of their sound (pcm_sha256) or of "
            "their frames (frames_sha256)"
        )


def same_text(view: FoldView) -> Iterator[Judgement]:
    """L7: a model of words, or of the sentence's melody, has met the test's sentences.

    Args:
        view: One fold.

    Yields:
        One observation; its count is the number of judged clips whose text is also in the training,
        texts compared verbatim.
    """
    column = view.names("text")
    if column is None:
        yield _unknown(view, "what is said")
        return
    sides = view.pairs[0]
    texts, rows = _shared(view, "text", sides)
    detail = (
        f"{view.share_of(rows, view.judged)} {view.listing.text_shared} that is also in train "
        f"({_many(len(texts), 'text')})"
    )
    yield Observation(
        between(sides),
        rows,
        detail,
        _clips_with(view, "text", texts, view.role == view.judged),
        known=view.has("text"),
        needs="a text",
        sides=sides,
    )


def windows_across(view: FoldView) -> Iterator[Judgement]:
    """L8: neighbouring windows or frames are all but copies of each other.

    Args:
        view: One fold.

    Yields:
        One observation for each pair of sides; its count is the number of clips that both have
        windows of.
    """
    how = "windows or frames of a clip of which others are"
    yield from _parts_across(view, "window", how, "its rows are whole clips")


def copies_across(view: FoldView) -> Iterator[Judgement]:
    """L9: a clip changed a little, or drawn twice, is not a new clip.

    Copies within the training alone are no fault.

    Args:
        view: One fold.

    Yields:
        One observation for each pair of sides; its count is the number of clips that both have
        copies of.
    """
    how = "copies, or the original, of a clip of which another copy is"
    yield from _parts_across(view, "copy", how, "no row is said to be a copy")


def shared_clips(view: FoldView) -> Iterator[Judgement]:
    """L12: a clip that was trained on is no test.

    Windows and copies of one clip are judged by L8 and L9. A list of subjects names all of their
    clips: these are apart where the subjects are, which L1 judges.

    Args:
        view: One fold.

    Yields:
        One observation for each pair of sides; its count is the number of clips they share.
    """
    known = (view.clip.codes >= 0) | view.has("subject")
    there = {side: int((view.counts("clip", side) > 0).sum()) for side in (TRAIN, VALID, TEST)}
    units = ("clips", there) if view.clip.known else None
    for one in _clips_across(view, "also", ~view.is_part, known, units):
        is_same = one.sides == (VALID, TEST) and _are_one_list(view)
        detail = f"the validation list is the test list: {one.detail}"
        yield replace(one, detail=detail) if is_same else one


def _are_one_list(view: FoldView) -> bool:
    """The validation and the test side have the same clips."""
    first, second = (view.counts("clip", side) > 0 for side in (VALID, TEST))
    return view.clip.known and np.array_equal(first, second)


def _shared_unit(
    view: FoldView,
    unit: str,
    one: str,
    many: str,
    severity: Severity | None = None,
    known: Bools | None = None,
) -> Iterator[Judgement]:
    """How many of a unit are on two sides, and the clips that they bring to the judged side."""
    if view.names(unit) is None:
        yield NotJudged(
            f"no {one} is known for {view.corpora}: neither the table nor the naming rule tells it"
        )
        return
    there = {side: int(view.there(unit, side).sum()) for side in (TRAIN, VALID, TEST)}
    for sides in view.pairs:
        teaches, measured = sides
        shared, rows = _shared(view, unit, sides)
        detail = (
            f"{len(shared)} of {there[measured]} {ROLES[measured]} {many} are also in "
            f"{ROLES[teaches]} ({view.share_of(rows, measured)})"
        )
        yield Observation(
            f"{many}, {between(sides)}",
            len(shared),
            detail,
            view.shown(unit, shared),
            severity,
            minor=sides != view.pairs[0],
            known=view.has(unit) if known is None else known,
            needs=f"{'an' if one[0] in 'aeiou' else 'a'} {one}",
            sides=sides,
            units=(many, there),
        )


def _shared_apart(view: FoldView, unit: str, how: str, many: str) -> Iterator[Observation]:
    """How many of a unit that ties unlike clips are on two sides.

    A clip that is itself on both is another rule's.
    """
    for sides in view.pairs:
        teaches, measured = sides
        apart = ~view.rows_with("clip", view.shared("clip", sides))
        shared, rows = _shared(view, unit, sides, apart)
        yield Observation(
            f"{many}, {between(sides)}",
            len(shared),
            f"{view.share_of(rows, measured)} are {how} in {ROLES[teaches]} ({len(shared)} {many})",
            _clips_with(view, unit, shared, apart & (view.role == measured)),
            minor=sides != view.pairs[0],
            known=view.has(unit),
            needs=f"a {unit}",
            sides=sides,
        )


def _parts_across(view: FoldView, part: str, how: str, otherwise: str) -> Iterator[Judgement]:
    """Clips whose parts lie on two sides, `part` being the column that distinguishes them."""
    marked, known = view.has(part), view.clip.codes >= 0
    if not marked.any():
        yield Observation("clips", 0, otherwise, known=known, needs="a clip", sides=view.pairs[0])
        return
    of_marked = np.isin(view.clip.codes, view.clip.codes[marked])
    yield from _clips_across(view, how, of_marked & (marked | (part == "copy")), known)


def _clips_across(
    view: FoldView,
    how: str,
    mask: Bools,
    known: Bools,
    units: tuple[str, Mapping[int, int]] | None = None,
) -> Iterator[Observation]:
    """Clips on two sides, among some rows."""
    for sides in view.pairs:
        teaches, measured = sides
        shared, rows = _shared(view, "clip", sides, mask)
        clips = "" if rows == len(shared) else f" ({_many(len(shared), 'clip')})"
        detail = f"{view.share_of(rows, measured)} are {how} in {ROLES[teaches]}{clips}"
        yield Observation(
            between(sides),
            len(shared),
            detail,
            view.shown("clip", shared),
            minor=sides != view.pairs[0],
            known=known,
            needs="a clip",
            sides=sides,
            units=units,
        )


def _shared(
    view: FoldView, unit: str, sides: tuple[int, int], mask: Bools | None = None
) -> tuple[Ints, int]:
    """Codes of the values on both sides, and how many rows of the measured side have one."""
    shared = view.shared(unit, sides, mask)
    rows = view.rows_with(unit, shared, mask)
    return shared, int(rows[view.role == sides[1]].sum())


def _clips_with(view: FoldView, unit: str, codes: Ints, mask: Bools) -> tuple[str, ...]:
    """Examples of the clips in `mask` that have one of the values."""
    return view.clips(view.rows_with(unit, codes, mask))


def _same_parts(one: NameColumn, other: NameColumn) -> bool:
    """Both columns tie the same rows together."""
    distinct = [np.count_nonzero(np.bincount(column.codes + 1)) for column in (one, other)]
    if distinct[0] != distinct[1]:
        return False
    partner = np.zeros(len(one.values) + 1, np.int32)  # the last is for rows without a name
    partner[one.codes] = other.codes
    return bool((partner[one.codes] == other.codes).all())


def _unknown(view: FoldView, what: str) -> NotJudged:
    return NotJudged(f"neither the table nor the naming rule of {view.corpora} tells {what}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
