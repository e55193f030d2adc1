"""The rules of the audit, one function each: a fold in, what was seen out.

Each function yields `Seen` for whatever it judged, with `count` 0 where nothing was found, and
`Unjudged` with the reason where the listing lacks what it needs. Results are reported on the test
side, or on the validation side where there is no test; that side is compared with the training.
Where all three exist, what training and validation, or validation and test, share is a warning: it
touches how a model was chosen, not what is reported.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.listing import ROLES, TEST, TRAIN, VALID, Fit, Names, Sides
from manifests.audit.populations import POPULATIONS
from manifests.audit.terms import Seen, Severity, Unjudged

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def shared_subjects(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L1: who is heard or seen in training must not be tested; nor what else a group ties together,
    where groups are more than subjects."""
    subject, group, session = (sides.names(unit) for unit in ("subject", "group", "session"))
    if subject is not None or group is None:
        yield from _shared_unit(sides, "subject", "spoken by a subject who is", "subjects")
    # A group that is the subject is judged already, and one that is the session is L2's.
    if group is not None and not any(
        _same_parts(other, group) for other in (subject, session) if other is not None
    ):
        yield from _shared_unit(sides, "group", "of a group that is", "groups")


def _same_parts(one: Names, other: Names) -> bool:
    """Both columns tie the same rows together."""
    pairs = len(np.unique(one.codes.astype(np.int64) << 32 | (other.codes + 1)))
    return pairs == len(np.unique(one.codes)) == len(np.unique(other.codes))


def episodes_and_sessions(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L2: what was recorded together sounds and looks alike. A shared dialogue is an error, a
    shared session or episode a warning."""
    units = [unit for unit in ("session", "dialogue", "episode") if sides.names(unit) is not None]
    for unit in units:
        grave = None if unit == "dialogue" else Severity.WARN
        yield from _shared_unit(sides, unit, f"from {_a(unit)} that is", f"{unit}s", grave)
    if not units:
        yield Unjudged(
            f"neither the table nor the naming rule of {_corpora(sides)} tells session, dialogue "
            "or episode"
        )


def take_twins(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L3: renderings of one performance (with sound, silent, audio alone) under several clip
    ids."""
    yield from _shared_apart(
        sides, "take", "renderings of a take of which another rendering is", "takes"
    )


def exact_duplicates(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L4: the same bytes, samples or frames under several clip ids."""
    units = [unit for unit in ("sha256", "pcm", "frames") if sides.names(unit) is not None]
    for unit in units:
        kind = {"sha256": "file", "pcm": "sound", "frames": "picture"}[unit]
        yield from _shared_apart(
            sides, unit, f"identical, {kind} for {kind}, to a clip that is", f"{kind}s"
        )
    yield from (
        Unjudged(why) for unit, why in sides.listing.unmeasured.items() if unit in ("pcm", "frames")
    )
    if not units:
        yield Unjudged(
            "no column holds a hash of the files (sha256), of their sound (pcm_sha256) or of "
            "their frames (frames_sha256)"
        )


def span_overlaps(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L6: two clips cut from the same stretch of one recording. Pairs that share more than half of
    the shorter, on any two sides."""
    found = sides.listing.overlaps
    if found is None:
        yield Unjudged(
            "no columns tell start, end and the recording (episode or dialogue) that a clip was "
            "cut from"
        )
        return
    row_of_span = np.full(found.spans + 1, -1, np.int64)  # the last is for rows without a span
    row_of_span[found.span_of_row[sides.dealt.rows]] = np.arange(len(sides.role))
    pairs = row_of_span[found.pairs]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    pairs = pairs[sides.role[pairs[:, 0]] != sides.role[pairs[:, 1]]]
    ids = tuple(f"{_clip(sides, first)} and {_clip(sides, second)}" for first, second in pairs[:5])
    sums = _by_sides(sides.role[pairs[:, 0]], sides.role[pairs[:, 1]])
    said = (
        f"{len(pairs)} pairs of clips on two sides show the same stretch of one recording "
        f"({found.unit})"
    )
    yield Seen(
        "pairs",
        len(pairs),
        f"{said} ({sums}){_other_labels(sides, pairs)}" if len(pairs) else said,
        ids,
    )
    too_long = np.isin(sides.dealt.rows, found.too_long)
    said = (
        f"{int(too_long.sum())} clips have times that no turn of speech lasts; they were left "
        "out of the comparison"
    )
    yield Seen("wrong times", int(too_long.sum()), said, sides.clips(too_long), Severity.INFO)


def same_text(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L7: a model of words, or of the sentence's melody, has met the test's sentences. Counts
    clips, texts compared verbatim."""
    column = sides.names("text")
    if column is None:
        yield Unjudged(
            f"neither the table nor the naming rule of {_corpora(sides)} tells what is said"
        )
        return
    shared = _shared(sides, "text", TRAIN, sides.judged)
    clips = int(sides.counts("text", sides.judged)[shared].sum())
    said = (
        f"{_of(sides, clips, sides.judged)} say, word for word, a text that is also in train "
        f"({_many(len(shared), 'text')})"
    )
    yield Seen(
        _sides(TRAIN, sides.judged), clips, said, _examples(sides, "text", shared, sides.judged)
    )


def windows_across(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L8: neighbouring windows or frames are all but copies of each other."""
    yield from _parts_across(
        sides,
        "window",
        "windows or frames of a clip of which others are",
        "its rows are whole clips",
    )


def copies_across(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L9: a clip changed a little, or drawn twice, is not a new clip. Copies within the training
    alone are no fault."""
    yield from _parts_across(
        sides,
        "copy",
        "copies, or the original, of a clip of which another copy is",
        "no row is said to be a copy",
    )


def fitted_state(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L10: scaling, selection, padding, encoders and backbones are fitted on training clips
    alone."""
    fitted, fits = sides.flag("fitted"), sides.listing.fits
    if fitted is not None:
        saw = fitted & (sides.role == sides.judged)
        said = f"{_of(sides, int(saw.sum()), sides.judged)} were seen by what was fitted before"
        yield Seen("fitted", int(saw.sum()), said, sides.clips(saw))
    elif fits is None:
        yield Unjudged(
            "no column `fitted` says which clips a scaling, a selection, a padding or a backbone "
            "was fitted on"
        )
    else:
        yield Seen(
            "fitted", 0, ""
        )  # what is stored and not fitted is made clip by clip, with weights from elsewhere
        yield from (
            _fitted_on(sides, fit) for fit in fits.get((sides.dealt.scheme, sides.dealt.fold), ())
        )


def _fitted_on(sides: Sides, fit: Fit) -> Seen:
    """A state of a store against the training clips of its fold."""
    column = sides.names("clip")
    ids = (
        np.asarray(column.values)[column.codes[sides.role == sides.judged]].tolist()
        if column is not None
        else []
    )
    tested = fit.saw & set(ids)
    strange, missing = fit.saw - fit.meant - tested, fit.meant - fit.saw
    wrong = sorted(tested) + sorted(strange) + sorted(missing) + sorted(fit.changed - tested)
    said = (
        f"{fit.feature} was fitted on {len(fit.saw)} clips: {len(tested)} of them are "
        f"{ROLES[sides.judged]} clips, {len(strange)} others "
        f"are no training clips with its inputs, {len(fit.changed)} have changed since, and "
        f"{len(missing)} training clips are missing"
    )
    return Seen(f"fitted {fit.feature}", len(set(wrong)), said, tuple(wrong[:5]))


def selection(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L11: choosing the best epoch by the test reports the luck of the choice."""
    chosen = sides.flag("selected")
    if chosen is not None:
        saw = chosen & (sides.role == sides.judged)
        said = f"{_of(sides, int(saw.sum()), sides.judged)} took part in choosing the model"
        yield Seen("selected", int(saw.sum()), said, sides.clips(saw), Severity.ERROR)
        return
    judged = sides.judged
    lacking = min(sides.sizes[VALID], sides.sizes[TEST]) == 0
    other = "validation" if judged == TEST else "test"
    said = (
        f"there is no {other} side: only train and {ROLES[judged]} exist, so epochs and settings "
        f"are chosen by the {sides.sizes[judged]} "
        "clips that results are reported on, or blindly"
    )
    yield Seen("sides", sides.sizes[judged] if lacking else 0, said)


def shared_clips(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L12: a clip that was trained on is no test. Windows and copies of one clip are told by L8 and
    L9."""
    plain = ~(_has(sides, "window") | _has(sides, "copy"))
    for a, b in _pairs(sides):
        clips = _shared(sides, "clip", a, b, plain)
        rows = int(_count(sides, "clip", b, plain)[clips].sum())
        said = f"{_of(sides, rows, b)} are also in {ROLES[a]} ({_many(len(clips), 'clip')})"
        yield Seen(
            _sides(a, b), len(clips), said, sides.shown("clip", clips), minor=_minor(sides, b, a)
        )


def label_conflicts(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L13: of byte-identical clips with different labels, all but one label are wrong."""
    label = sides.names("label")
    units = [unit for unit in ("sha256", "pcm", "frames") if sides.names(unit) is not None]
    if label is None or not units:
        yield Unjudged(
            "it needs a label and a hash of the files (sha256), of their sound (pcm_sha256) or of "
            "their frames (frames_sha256)"
        )
        return
    for unit in units:
        column = sides.names(unit)
        if column is not None:
            yield _conflicts(sides, unit, column.codes, label.codes)


def _conflicts(
    sides: Sides, unit: str, hashes: NDArray[np.int32], labels: NDArray[np.int32]
) -> Seen:
    known = (hashes >= 0) & (labels >= 0)
    pairs = np.unique(hashes[known].astype(np.int64) << 32 | labels[known])
    times = np.bincount(pairs >> 32)
    torn = np.flatnonzero(times > 1)
    rows = known & np.isin(hashes, torn)
    said = (
        f"{len(torn)} sets of clips have the same {unit} and different labels "
        f"({int(rows.sum())} rows)"
    )
    return Seen(unit, len(torn), said, sides.clips(rows))


def impossible_counts(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L15: more rows of a class, or in all, than the corpus has files."""
    populations = [POPULATIONS[corpus] for corpus in sides.corpora if corpus in POPULATIONS]
    if len(populations) != 1 or len(sides.corpora) != 1:
        yield Unjudged(f"how many files {_corpora(sides)} should have is not known")
        return
    if (_has(sides, "window") | _has(sides, "copy")).any():
        yield Unjudged("the rows are windows or copies, of which there may be any number")
        return
    holds = populations[0]
    said = (
        f"{len(sides.role)} rows in this fold; {holds.corpus} has {holds.files} files, all "
        "renderings taken together"
    )
    yield Seen("rows", max(0, len(sides.role) - holds.files), said)
    label = sides.names("label")
    for code, count in enumerate(
        ()
        if label is None
        else np.bincount(label.codes[label.codes >= 0], minlength=len(label.values))
    ):
        value = "" if label is None else str(label.values[code])
        most = holds.files_of(value)
        if most is not None:
            said = (
                f"{count} rows are labelled {value}; {holds.corpus} has {most} such files, all "
                "renderings taken together"
            )
            yield Seen(f"label {value}", max(0, int(count) - most), said)


def class_and_sex(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L16: a class without a training clip cannot be learnt, one without a test clip is not tested;
    results on one sex are of that sex."""
    label, sex = sides.names("label"), sides.names("sex")
    if label is None and sex is None:
        yield Unjudged("neither labels nor the subjects' sex are known")
    if label is not None:
        yield from _empty_classes(sides, "", np.ones(len(sides.role), np.bool_))
        for features, stored in _stored(sides).items():
            yield from _empty_classes(
                sides, f" with the feature {features}", np.frombuffer(stored, np.bool_)
            )
    if sex is not None:
        yield from _one_sex(sides)
    else:
        yield Unjudged("the subjects' sex is not known")


def _stored(sides: Sides) -> dict[str, bytes]:
    """Features that the same clips of this fold have -> those clips."""
    alike: dict[bytes, list[str]] = {}
    for name in sides.listing.flags:
        stored = sides.flag(name)
        if name.startswith("stored ") and stored is not None:
            alike.setdefault(stored.tobytes(), []).append(name.removeprefix("stored "))
    return {" or ".join(features): clips for clips, features in alike.items()}


def _empty_classes(sides: Sides, among: str, mask: Bools) -> Iterator[Seen]:
    """Classes that a side lacks among the clips in `mask`; with a mask, only those that it has
    otherwise."""
    everywhere = _everywhere(sides, "label")
    for role in (TRAIN, sides.judged):
        had = everywhere if mask.all() else sides.counts("label", role) > 0
        empty = np.flatnonzero(had & (_count(sides, "label", role, mask) == 0))
        names = sides.shown("label", empty)
        said = (
            f"{ROLES[role]} has no clip{among} of {len(empty)} of {int(everywhere.sum())} "
            f"classes: {', '.join(names)}"
        )
        yield Seen(f"classes in {ROLES[role]}{among}", len(empty), said, names)


def _one_sex(sides: Sides) -> Iterator[Seen]:
    everywhere = _everywhere(sides, "sex")
    for role in (TRAIN, sides.judged):
        present = sides.counts("sex", role) > 0
        lacking = np.flatnonzero(everywhere & ~present) if present.any() else np.zeros(0, np.int64)
        subjects = sides.names("subject")
        alone = subjects is not None and int((sides.counts("subject", role) > 0).sum()) == 1
        said = (
            f"all clips in {ROLES[role]} are of one sex: no "
            f"{', '.join(sides.shown('sex', lacking))} subject is in it"
        )
        yield Seen(
            f"sex in {ROLES[role]}", len(lacking), said, severity=Severity.INFO if alone else None
        )


def _shared_unit(
    sides: Sides, unit: str, how: str, many: str, grave: Severity | None = None
) -> Iterator[Seen | Unjudged]:
    """How many of a unit are on two sides, and the clips that they bring to the side that is
    judged."""
    if sides.names(unit) is None:
        yield Unjudged(
            f"neither the table nor the naming rule of {_corpora(sides)} tells the {unit} of a clip"
        )
        return
    for a, b in _pairs(sides):
        shared = _shared(sides, unit, a, b)
        there = int((sides.counts(unit, b) > 0).sum())
        clips = int(sides.counts(unit, b)[shared].sum())
        said = (
            f"{_of(sides, clips, b)} are {how} also in {ROLES[a]} ({len(shared)} of {there} "
            f"{ROLES[b]} {many})"
        )
        yield Seen(
            f"{many}, {_sides(a, b)}",
            len(shared),
            said,
            sides.shown(unit, shared),
            grave,
            _minor(sides, b, a),
        )


def _shared_apart(sides: Sides, unit: str, how: str, many: str) -> Iterator[Seen | Unjudged]:
    """As `_shared_unit`, for units that tie unlike clips: a clip that is itself on both sides is
    another rule's."""
    if sides.names(unit) is None:
        yield Unjudged(
            f"neither the table nor the naming rule of {_corpora(sides)} tells the {unit} of a clip"
        )
        return
    for a, b in _pairs(sides):
        both = np.zeros(len(sides.counts("clip", a)), np.bool_)
        both[_shared(sides, "clip", a, b)] = True
        clip = sides.names("clip")
        apart = np.ones(len(sides.role), np.bool_) if clip is None else ~both[clip.codes]
        shared = _shared(sides, unit, a, b, apart)
        clips = int(_count(sides, unit, b, apart)[shared].sum())
        said = f"{_of(sides, clips, b)} are {how} in {ROLES[a]} ({len(shared)} {many})"
        yield Seen(
            f"{many}, {_sides(a, b)}",
            len(shared),
            said,
            _examples(sides, unit, shared, b, apart),
            minor=_minor(sides, b, a),
        )


def _parts_across(sides: Sides, part: str, how: str, otherwise: str) -> Iterator[Seen | Unjudged]:
    """Clips whose parts lie on two sides, `part` being the column that tells them apart."""
    marked, clip = _has(sides, part), sides.names("clip")
    if clip is None or not marked.any():
        yield Seen("clips", 0, otherwise)
        return
    of_part = np.zeros(len(clip.values), np.bool_)
    of_part[clip.codes[marked]] = True
    mask = of_part[clip.codes] & (marked | (part == "copy"))
    for a, b in _pairs(sides):
        shared = _shared(sides, "clip", a, b, mask)
        rows = int(_count(sides, "clip", b, mask)[shared].sum())
        said = f"{_of(sides, rows, b)} are {how} in {ROLES[a]} ({_many(len(shared), 'clip')})"
        yield Seen(
            _sides(a, b), len(shared), said, sides.shown("clip", shared), minor=_minor(sides, b, a)
        )


def _pairs(sides: Sides) -> list[tuple[int, int]]:
    """(side that teaches, side that is measured) for all sides that have rows."""
    pairs = [(TRAIN, sides.judged)]
    if sides.sizes[VALID] and sides.sizes[TEST]:
        pairs += [(TRAIN, VALID), (VALID, TEST)]
    return pairs


def _minor(sides: Sides, measured: int, teaches: int) -> bool:
    """The pair is not the one that results rest on."""
    return (teaches, measured) != (TRAIN, sides.judged)


def _count(sides: Sides, unit: str, role: int, mask: Bools) -> Ints:
    column = sides.names(unit)
    if column is None:
        return np.zeros(0, np.int64)
    codes = column.codes[mask & (sides.role == role)]
    return np.bincount(codes[codes >= 0], minlength=len(column.values))


def _everywhere(sides: Sides, unit: str) -> Bools:
    """Values that some side has."""
    there: Bools = (
        np.stack([sides.counts(unit, role) for role in (TRAIN, VALID, TEST)]).sum(axis=0) > 0
    )
    return there


def _shared(sides: Sides, unit: str, a: int, b: int, mask: Bools | None = None) -> Ints:
    """Codes of the values that are on both sides."""
    there = [
        sides.counts(unit, role) if mask is None else _count(sides, unit, role, mask)
        for role in (a, b)
    ]
    return np.flatnonzero((there[0] > 0) & (there[1] > 0))


def _has(sides: Sides, unit: str) -> Bools:
    column = sides.names(unit)
    return np.zeros(len(sides.role), np.bool_) if column is None else column.codes >= 0


def _examples(
    sides: Sides, unit: str, shared: Ints, role: int, mask: Bools | None = None
) -> tuple[str, ...]:
    """Clips on one side that have one of the values."""
    column = sides.names(unit)
    if column is None:
        return ()
    found = np.zeros(len(column.values) + 1, np.bool_)  # the last is for rows without a value
    found[shared] = True
    return sides.clips(
        found[column.codes] & (sides.role == role) & (True if mask is None else mask)
    )


def _clip(sides: Sides, row: int) -> str:
    column = sides.names("clip")
    return "" if column is None else str(column.values[column.codes[row]])


def _other_labels(sides: Sides, pairs: Ints) -> str:
    label = sides.names("label")
    return (
        ""
        if label is None
        else f", {int((label.codes[pairs[:, 0]] != label.codes[pairs[:, 1]]).sum())} of them with "
        "different labels"
    )


def _by_sides(first: NDArray[np.int8], second: NDArray[np.int8]) -> str:
    pairs = ((TRAIN, TEST), (TRAIN, VALID), (VALID, TEST))
    counted = [
        (a, b, int((((first == a) & (second == b)) | ((first == b) & (second == a))).sum()))
        for a, b in pairs
    ]
    return ", ".join(f"{ROLES[a]} and {ROLES[b]} {count}" for a, b, count in counted if count)


def _of(sides: Sides, count: int, role: int) -> str:
    whole = (_has(sides, "window") | _has(sides, "copy")).any()
    return f"{count} of {sides.sizes[role]} {ROLES[role]} {'rows' if whole else 'clips'}"


def _sides(a: int, b: int) -> str:
    return f"{ROLES[a]} and {ROLES[b]}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _a(unit: str) -> str:
    return f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"


def _corpora(sides: Sides) -> str:
    return ", ".join(sides.corpora) or "the corpus"
