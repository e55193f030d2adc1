"""The arithmetic audit: can the counts that a paper prints arise from the corpus and the split that
it describes?

It needs no data, only printed numbers. What it says is about numbers, never about intent: "the
printed counts are inconsistent with the described split" has many causes, of which most are a
sentence that was forgotten.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from itertools import product

import numpy as np

from manifests.audit.populations import Population, population, ravdess
from manifests.audit.terms import Seen, Severity, Unjudged
from manifests.audits import ALL_FOLDS, Finding
from manifests.corpora.ravdess import CHANNELS, MODALITIES

VERDICT = "the printed counts are inconsistent with the described split"
_STEPS = {
    "random over clips": (
        "L1",
        Severity.ERROR,
        "a random split over clips puts each subject on both sides",
    ),
    "no list of subjects": (
        "L1",
        Severity.NOT_JUDGED,
        "no list says which subjects are in which fold, so it cannot be verified",
    ),
    "random over frames": (
        "L8",
        Severity.ERROR,
        "a split over frames puts neighbouring frames of one clip on both sides",
    ),
    "selected before the split": (
        "L10",
        Severity.ERROR,
        "features were chosen by labels before the split, so the choice has seen the test",
    ),
    "fitted before the split": (
        "L10",
        Severity.ERROR,
        "something was fitted before the split, so it has seen the test",
    ),
    "no validation": (
        "L11",
        Severity.WARN,
        "no validation side is described, so the test may have chosen when to stop",
    ),
    "evaluated on training clips": (
        "L12",
        Severity.ERROR,
        "the set that results are reported on holds the clips that were trained on",
    ),
}
"""What a paper says was done -> the rule that it concerns, how grave that is, and why."""
_MOST_CLIPS = 20000
"""Test sets up to this size are tried."""


class WrongPaper(ValueError):
    """A paper's numbers cannot be audited as they are written; the message says which and what was
    expected."""


@dataclass(frozen=True)
class Printed:
    """A share as it was printed, such as `94.89 %` or `0.89834`: what it stands for lies within
    half a unit of its last digit."""

    text: str
    value: float
    half: float

    @staticmethod
    def parse(text: str) -> "Printed":
        found = re.fullmatch(r"([0-9]*)\.?([0-9]*)\s*(%?)", text.strip())
        if not found or not (found[1] or found[2]):
            raise WrongPaper(
                f"{text!r} is no share; expected it as printed, in quotes, such as '94.89 %' or "
                "'0.89834'"
            )
        scale = 100 if found[3] else 1
        return Printed(
            text.strip(),
            float(f"{found[1] or 0}.{found[2] or 0}") / scale,
            0.5 * 10.0 ** -len(found[2]) / scale,
        )

    def meets(self, value: float) -> bool:
        return abs(value - self.value) <= self.half * (1 + 1e-9) + 1e-12

    def write(self, value: float) -> str:
        """A value in the same form, with the same number of digits."""
        percent = self.text.endswith("%")
        digits = len(self.text.rstrip("% ").partition(".")[2])
        exact = Decimal(
            f"{value * (100 if percent else 1):.9f}"
        )  # halves are rounded up, as people do
        return (
            f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}{' %' if percent else ''}"
        )


@dataclass(frozen=True)
class Claim:
    """What one passage or table says. Each field is a printed fact; leave out what is not
    printed."""

    where: str
    """Table, figure or section."""
    corpus: str
    modality: tuple[str, ...] = ()
    """RAVDESS: of full-AV, video-only, audio-only; none: all."""
    channel: tuple[str, ...] = ()
    """RAVDESS: of speech, song; none: both."""
    singers_only: bool = False
    """RAVDESS: without the actor who did not sing."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The paper's class -> the corpus's labels in it; none: the corpus's own."""
    quote: str = ""
    """How the split is described, in a few words of the paper."""
    clips: int | None = None
    """Clips of the corpus that are said to be used."""
    test_share: str = ""
    """Part of the clips in the test, as printed."""
    test_subjects: int | None = None
    """Subjects in the test."""
    steps: tuple[str, ...] = ()
    """What is said to have been done: of the keys of `_STEPS`."""
    support: Mapping[str, int] = field(default_factory=dict)
    """Class -> test clips."""
    matrix: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Class -> its row of the confusion matrix, columns in the order of the rows."""
    recalls: Mapping[str, str] = field(default_factory=dict)
    """Class -> share found, as printed."""
    correct: Mapping[str, int] = field(default_factory=dict)
    """Class -> clips found."""
    accuracies: tuple[str, ...] = ()
    """As printed, all on the same test; the first is the one that the other numbers of this claim
    belong to."""

    @cached_property
    def population(self) -> Population:
        whole = population(self.corpus, self.modality, self.channel, self.singers_only)
        return whole.merged(self.classes) if self.classes else whole

    @cached_property
    def counts(self) -> dict[str, int]:
        """Class -> test clips, from the support or the rows of the matrix."""
        printed = dict(self.support) or {label: sum(row) for label, row in self.matrix.items()}
        return {self.label(label): count for label, count in printed.items()}

    def label(self, word: str) -> str:
        known = self.population.label(word)
        if known is None:
            raise WrongPaper(
                f"{self.where}: {word!r} is no class of this claim; expected "
                f"{', '.join(self.population.classes)}"
            )
        return known


@dataclass(frozen=True)
class Paper:
    name: str
    """Short, as findings name it."""
    title: str
    claims: tuple[Claim, ...]


def audit_paper(paper: Paper) -> list[Finding]:
    """Every check on every claim, sorted as AUDITS is. WrongPaper, or UnknownFilter, where a claim
    cannot be understood."""
    return sorted(_findings(paper), key=lambda one: (one.rule, one.scheme, one.fold, one.what))


def _findings(paper: Paper) -> Iterator[Finding]:
    for claim in paper.claims:
        _check_claim(claim)
        for name, (rule, check) in ARITHMETIC.items():
            for seen in check(claim):
                if isinstance(seen, Unjudged):
                    continue  # a claim prints what it prints: only what is there is judged
                severity = (seen.severity or Severity.ERROR) if seen.count else Severity.HELD
                what = f"{claim.where}: {seen.what or name}"
                yield Finding(
                    rule,
                    severity,
                    paper.name,
                    ALL_FOLDS,
                    what,
                    seen.count,
                    "\n".join(seen.examples),
                    seen.detail,
                )
        yield from _told_steps(paper, claim)


def _check_claim(claim: Claim) -> None:
    rows = set(map(len, claim.matrix.values()))
    if claim.matrix and rows != {len(claim.matrix)}:
        raise WrongPaper(
            f"{claim.where}: the matrix has {len(claim.matrix)} rows of {sorted(rows)} numbers; "
            "expected a square"
        )
    unknown = [step for step in claim.steps if step not in _STEPS]
    if unknown:
        raise WrongPaper(
            f"{claim.where}: there is no step {unknown[0]!r}; there are {', '.join(_STEPS)}"
        )


def _told_steps(paper: Paper, claim: Claim) -> Iterator[Finding]:
    """What a paper says of itself that makes a leak, whatever its numbers are."""
    for step in claim.steps:
        rule, severity, why = _STEPS[step]
        said = (
            f'it says "{claim.quote}": {why}{_odds(claim) if step == "random over clips" else ""}'
        )
        yield Finding(rule, severity, paper.name, ALL_FOLDS, f"{claim.where}: {step}", 1, "", said)


def _odds(claim: Claim) -> str:
    """How many subjects a random split can be expected to keep out of the training: sum of share **
    clips of each."""
    holds, share = (
        claim.population,
        Printed.parse(claim.test_share).value if claim.test_share else 0.0,
    )
    if not share or not holds.subjects or (holds.cells is None and holds.corpus == "meld"):
        return ""
    clips = (
        [holds.clips / holds.subjects] * holds.subjects
        if holds.cells is None
        else holds.cells.sum(axis=1).tolist()
    )
    expected = sum(share**count for count in clips)
    alone = "fewer than one in a billion" if expected < 1e-9 else f"{expected:.2g}"
    each = f"about {holds.clips / holds.subjects:.0f} clips each"
    return (
        f"; of {holds.subjects} subjects with {each}, {alone} can be expected to be in the "
        "test alone"
    )


def stated_clips(claim: Claim) -> Iterator[Seen | Unjudged]:
    """The number of clips that is said to be used is the number that there is."""
    if claim.clips is None:
        return
    there = claim.population.clips
    grave = Severity.WARN if abs(claim.clips - there) <= there / 100 else Severity.ERROR
    said = (
        f"{claim.clips} clips are said to be used; {_part(claim)} has {there}{_others_with(claim)}"
    )
    yield Seen("clips", abs(claim.clips - there), said, severity=grave)


def _others_with(claim: Claim) -> str:
    """The parts of RAVDESS that do have the stated number of clips."""
    if claim.corpus != "ravdess" or claim.clips == claim.population.clips:
        return ""
    renderings = (MODALITIES[:1], MODALITIES[:2], MODALITIES)
    parts = [
        (
            f"{' + '.join(modality)}, "
            f"{' + '.join(channel)}{', without the actor who did not sing' if singers else ''}"
        )
        for modality, channel, singers in product(
            renderings, (CHANNELS[:1], CHANNELS), (False, True)
        )
        if ravdess(modality, channel, singers).clips == claim.clips
    ]
    return (
        f"; {claim.clips} is what {' or '.join(parts)} comes to"
        if parts
        else "; no part of the corpus comes to that number"
    )


def _part(claim: Claim) -> str:
    filters = [" + ".join(some) for some in (claim.modality, claim.channel) if some]
    filters += ["without the actor who did not sing"] if claim.singers_only else []
    filters += (
        [f"classes {', '.join(claim.classes)}"]
        if claim.classes and len(claim.population.classes) < 4
        else []
    )
    return f"{claim.corpus} ({', '.join(filters)})" if filters else claim.corpus


def subjects_supply(claim: Claim) -> Iterator[Seen | Unjudged]:
    """So many test clips, of each class and in all, that the test subjects have."""
    holds, subjects = claim.population, claim.test_subjects
    if subjects is None or not claim.counts or holds.cells is None:
        return
    total, over, excess = _excess(claim, subjects)
    said = (
        f"{total} test clips are printed; {subjects} subjects of {_part(claim)} have at most "
        f"{holds.most(subjects)}"
    )
    said += "".join(f"; {label} {count}, at most {bound}" for label, (count, bound) in over.items())
    yield Seen("subjects", excess, f"{_verdict(claim)}: {said}" if excess else said, tuple(over))


def _excess(claim: Claim, subjects: int) -> tuple[int, dict[str, tuple[int, int]], int]:
    """(test clips, class -> printed and possible where too many are printed, how many too many)."""
    bounds = {
        label: (count, claim.population.most(subjects, label) or 0)
        for label, count in claim.counts.items()
    }
    over = {label: pair for label, pair in bounds.items() if pair[0] > pair[1]}
    total = sum(claim.counts.values())
    return (
        total,
        over,
        max(
            total - (claim.population.most(subjects) or 0),
            sum(count - bound for count, bound in over.values()),
            0,
        ),
    )


def random_draw(claim: Claim) -> Iterator[Seen | Unjudged]:
    """A test that its subjects cannot supply and that is, class by class, what a stratified random
    draw over clips gives.

    In a balanced corpus the clips of whole subjects have the same proportions, so possible counts
    say nothing of a draw.
    """
    holds = claim.population
    if (
        claim.test_subjects is None
        or holds.cells is None
        or set(claim.counts) != set(holds.classes)
    ):
        return
    total, _, excess = _excess(claim, claim.test_subjects)
    share = Printed.parse(claim.test_share).value if claim.test_share else total / holds.clips
    expected = {label: share * count for label, count in holds.classes.items()}
    if not excess or any(abs(claim.counts[label] - clips) > 1 for label, clips in expected.items()):
        return
    wanted = ", ".join(
        f"{label} {claim.counts[label]} ({clips:.1f})" for label, clips in expected.items()
    )
    draw = f"a stratified random {100 * share:.3g} % of all {holds.clips} clips"
    said = (
        f"the test is said to be {claim.test_subjects} subjects; {draw} gives its counts "
        f"within one clip of each class: {wanted}"
    )
    yield Seen("random draw", total, said)


def share_supplies(claim: Claim) -> Iterator[Seen | Unjudged]:
    """As many test clips, in all and of each class, as the described share of the corpus comes
    to."""
    if not claim.test_share or claim.test_subjects is not None:
        return
    share, holds = Printed.parse(claim.test_share), claim.population
    size, how = _test_size(claim)
    if size is None:
        return
    expected = share.value * holds.clips
    slack = 1 + 0.02 * expected
    said = (
        f"{size} test clips {how}; {share.text} of the {holds.clips} clips of {_part(claim)} "
        f"is {expected:.0f}"
    )
    said += (
        f" ({share.value * claim.clips:.0f} of the {claim.clips} that are stated)"
        if claim.clips not in (None, holds.clips)
        else ""
    )
    said += f", and {size} is {share.text} of {size / share.value:.0f}"
    apart = abs(size - expected) > slack
    yield Seen(
        "share",
        round(abs(size - expected)) if apart else 0,
        f"{_verdict(claim)}: {said}" if apart else said,
    )


def classes_supply(claim: Claim) -> Iterator[Seen | Unjudged]:
    """No more test clips of a class than the described share of it, or than the corpus has at
    all."""
    printed = claim.counts or {claim.label(label): count for label, count in claim.correct.items()}
    if not printed or claim.test_subjects is not None:
        return
    holds = claim.population
    share = Printed.parse(claim.test_share).value if claim.test_share else 1.0
    bounds = {label: share * holds.classes[label] for label in printed}
    over = {label: count for label, count in printed.items() if count > bounds[label] * 1.1 + 1}
    kind = "test clips" if claim.counts else "correct test clips"
    parts = [
        f"{count} {kind} of {label}, where there are {holds.classes[label]} in "
        f"all{_with_silent(claim, label)} "
        f"and {bounds[label]:.0f} in {100 * share:.3g} %"
        for label, count in over.items()
    ]
    said = (
        f"{_verdict(claim)}; of {_part(claim)}: {'; '.join(parts)}"
        if over
        else "no class has more test clips than there can be"
    )
    yield Seen(
        "classes",
        round(sum(count - bounds[label] for label, count in over.items())),
        said,
        tuple(over),
    )


def _with_silent(claim: Claim, label: str) -> str:
    """How many it would be if the silent renderings of RAVDESS were counted too."""
    if claim.corpus != "ravdess" or claim.modality != MODALITIES[:1] or claim.classes:
        return ""
    return f" ({ravdess(MODALITIES[:2], claim.channel or CHANNELS, claim.singers_only).classes[label]} with the silent renderings)"


def _verdict(claim: Claim) -> str:
    return f'{VERDICT} ("{claim.quote}")' if claim.quote else VERDICT


def _test_size(claim: Claim) -> tuple[int | None, str]:
    """How many clips the test must have had, and how that is known."""
    if claim.counts:
        return sum(claim.counts.values()), "are printed"
    if claim.correct and claim.accuracies:
        size = _nearest_size(claim)
        return size, f"are implied by the accuracies {', '.join(claim.accuracies)}"
    return None, ""


def _sizes(accuracies: Iterable[str]) -> Sequence[int]:
    """Sizes of a test, up to _MOST_CLIPS, at which every printed accuracy is a whole number of
    clips."""
    sizes = np.arange(1, _MOST_CLIPS + 1)
    good = np.ones(len(sizes), np.bool_)
    for text in accuracies:
        printed = Printed.parse(text)
        low = np.ceil((printed.value - printed.half) * sizes - 1e-9)
        good &= low <= (printed.value + printed.half) * sizes + 1e-9
    return [int(size) for size in sizes[good]]


def _nearest_size(claim: Claim) -> int | None:
    """The size nearest to correct / accuracy that all accuracies allow."""
    near = sum(claim.correct.values()) / Printed.parse(claim.accuracies[0]).value
    sizes = _sizes(claim.accuracies)
    return min(sizes, key=lambda size: abs(size - near)) if sizes else None


def accuracy_arises(claim: Claim) -> Iterator[Seen | Unjudged]:
    """The printed accuracy is the printed correct clips over the printed test clips, or some whole
    number over them."""
    if not claim.accuracies:
        return
    printed, size = Printed.parse(claim.accuracies[0]), sum(claim.counts.values())
    found = sum(claim.correct.values()) or sum(
        row[at] for at, row in enumerate(claim.matrix.values())
    )
    if size:
        right = found or round(printed.value * size)
        fits = printed.meets(right / size)
        said = f"{right} of {size} is {printed.write(right / size)}; {printed.text} is printed"
        yield Seen(
            "accuracy",
            0 if fits else 1,
            said
            if fits
            else f"the printed accuracy does not follow from the printed counts: {said}",
        )
    elif claim.correct:
        fitting = [size for size in range(found, _MOST_CLIPS) if printed.meets(found / size)]
        nearest = _nearest_size(claim)
        arise = ", ".join(
            f"{round(Printed.parse(text).value * (nearest or 0))} ({text})"
            for text in claim.accuracies
        )
        said = (
            f"the printed correct clips come to {found}, and no whole number of test clips "
            f"makes that {printed.text}"
        )
        said += (
            f"; the nearest size at which all accuracies arise is {nearest}, with {arise} correct"
        )
        yield Seen("accuracy", 0 if fitting else 1, said, severity=Severity.WARN)


def recalls_arise(claim: Claim) -> Iterator[Seen | Unjudged]:
    """Each printed recall is the matrix's; or, with a support alone, a whole number of clips, and
    all of them make the accuracy."""
    printed = {claim.label(label): Printed.parse(text) for label, text in claim.recalls.items()}
    if not printed or not claim.counts:
        return
    if claim.matrix:
        rows = {
            claim.label(label): row[at] / sum(row)
            for at, (label, row) in enumerate(claim.matrix.items())
        }
        off = {label: rows[label] for label, one in printed.items() if not one.meets(rows[label])}
        parts = [
            f"{label} {printed[label].text}, by the matrix {share:.3f}"
            for label, share in off.items()
        ]
        said = (
            f"printed recalls are not the matrix's: {'; '.join(parts)}"
            if off
            else "the printed recalls are the matrix's"
        )
        yield Seen("recalls", len(off), said, tuple(off), Severity.WARN)
        return
    whole = {label: round(one.value * claim.counts[label]) for label, one in printed.items()}
    off = {
        label: right / claim.counts[label]
        for label, right in whole.items()
        if not printed[label].meets(right / claim.counts[label])
    }
    said = (
        f"the recalls stand for {sum(whole.values())} correct of {sum(claim.counts.values())} clips"
    )
    yield Seen(
        "recalls",
        len(off),
        f"{said}; no whole number gives {', '.join(off)}" if off else said,
        tuple(off),
        Severity.WARN,
    )


def mean_of_recalls(claim: Claim) -> Iterator[Seen | Unjudged]:
    """Without counts: with every clip of the corpus tested once, accuracy is the mean of the
    recalls weighed by class size."""
    if claim.counts or not claim.recalls or not claim.accuracies:
        return
    holds, printed = claim.population, Printed.parse(claim.accuracies[0])
    shares = {
        claim.label(label): Printed.parse(text).value for label, text in claim.recalls.items()
    }
    plain = math.fsum(shares.values()) / len(shares)
    weighed = math.fsum(share * holds.classes[label] for label, share in shares.items()) / sum(
        holds.classes[label] for label in shares
    )
    # Each rate is rounded, so a mean of them can be off by as much as one of them.
    near_plain, near_weighed = (
        abs(value - printed.value) <= 2 * printed.half for value in (plain, weighed)
    )
    said = (
        f"the class rates average {printed.write(plain)} plainly and {printed.write(weighed)} "
        "weighed by class size; "
    )
    said += f"{printed.text} is printed"
    if near_weighed:
        yield Seen("mean", 0, said)
    elif near_plain:
        yield Seen(
            "mean",
            1,
            "the printed accuracy is the plain mean over classes, not the share of correct "
            f"clips: {said}",
            (),
            Severity.WARN,
        )
    else:
        yield Seen(
            "mean", 1, f"the printed accuracy is inconsistent with the printed class rates: {said}"
        )


ARITHMETIC: dict[str, tuple[str, Callable[[Claim], Iterator[Seen | Unjudged]]]] = {
    "clips": ("L15", stated_clips),
    "subjects": ("L15", subjects_supply),
    "random draw": ("L1", random_draw),
    "share": ("L15", share_supplies),
    "classes": ("L15", classes_supply),
    "accuracy": ("L15", accuracy_arises),
    "recalls": ("L15", recalls_arise),
    "mean": ("L15", mean_of_recalls),
}
"""Check -> the rule that it serves, and the function that judges one claim."""
