"""Checks on the clips that a paper says it used and tested: can the described split supply them?"""

from collections.abc import Iterator

from manifests.audit.observations import Observation
from manifests.audit.papers import Claim
from manifests.audit.populations import population
from manifests.audits import Severity
from manifests.corpora.catalog import CORPORA

VERDICT = "the printed counts are inconsistent with the described split"


def stated_clips(claim: Claim) -> Iterator[Observation]:
    """The number of clips that is said to be used is the number that there is.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the difference.
    """
    if claim.clips is None:
        return
    there = claim.population.clips
    apart = abs(claim.clips - there)
    detail = (
        f"{claim.clips} clips are said to be used; {_part(claim)} has {there}{_others_with(claim)}"
    )
    severity = Severity.WARN if apart <= there / 100 else Severity.ERROR
    yield Observation("clips", apart, detail, severity=severity)


def _others_with(claim: Claim) -> str:
    """The parts of the corpus, if it has any, that do have the stated number of clips."""
    parts = CORPORA[claim.corpus].named_parts()
    if not parts or claim.clips == claim.population.clips:
        return ""
    clips_of = {words: population(claim.corpus, part).clips for words, part in parts.items()}
    found = [words for words, clips in clips_of.items() if clips == claim.clips]
    if not found:
        return "; no part of the corpus comes to that number"
    return f"; {claim.clips} is what {' or '.join(found)} comes to"


def _part(claim: Claim) -> str:
    filters = claim.part.words
    if claim.classes and len(claim.population.classes) < 4:
        filters.append(f"classes {', '.join(claim.classes)}")
    return f"{claim.corpus} ({', '.join(filters)})" if filters else claim.corpus


def subjects_supply(claim: Claim) -> Iterator[Observation]:
    """So many test clips, of each class and in all, that the test subjects have.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of clips too many.
    """
    supply, subjects = claim.population, claim.test_subjects
    if subjects is None or not claim.counts or supply.cells is None:
        return
    total, over, excess = _excess(claim, subjects)
    detail = (
        f"{total} test clips are printed; {subjects} subjects of {_part(claim)} have at most "
        f"{supply.most(subjects)}"
    )
    for label, (count, bound) in over.items():
        detail += f"; {label} {count}, at most {bound}"
    yield Observation("subjects", excess, _judged(claim, detail, excess > 0), tuple(over))


def _excess(claim: Claim, subjects: int) -> tuple[int, dict[str, tuple[int, int]], int]:
    """(test clips, class -> printed and possible where too many are printed, how many too many)."""
    bounds = {
        label: (count, claim.population.most(subjects, label) or 0)
        for label, count in claim.counts.items()
    }
    over = {label: pair for label, pair in bounds.items() if pair[0] > pair[1]}
    total = sum(claim.counts.values())
    in_all = total - (claim.population.most(subjects) or 0)
    return total, over, max(in_all, sum(count - bound for count, bound in over.values()), 0)


def random_draw(claim: Claim) -> Iterator[Observation]:
    """A test that its subjects cannot supply is what a stratified random draw over clips gives.

    It is compared class by class.

    In a balanced corpus the clips of whole subjects have the same proportions, so possible counts
    say nothing of a draw.

    Args:
        claim: One passage or table.

    Yields:
        One observation where it is so; its count is the size of the test.
    """
    supply, subjects = claim.population, claim.test_subjects
    if subjects is None or supply.cells is None or set(claim.counts) != set(supply.classes):
        return
    total, _, excess = _excess(claim, subjects)
    share = claim.share.value if claim.share else total / supply.clips
    expected = {label: share * count for label, count in supply.classes.items()}
    if not excess or any(abs(claim.counts[label] - clips) > 1 for label, clips in expected.items()):
        return
    wanted = ", ".join(
        f"{label} {claim.counts[label]} ({clips:.1f})" for label, clips in expected.items()
    )
    draw = f"a stratified random {100 * share:.3g} % of all {supply.clips} clips"
    detail = (
        f"the test is said to be {subjects} subjects; {draw} gives its counts "
        f"within one clip of each class: {wanted}"
    )
    yield Observation("random draw", total, detail)


def share_supplies(claim: Claim) -> Iterator[Observation]:
    """As many test clips, in all and of each class, as the described share of the corpus comes to.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the difference.
    """
    if claim.test_subjects is not None or claim.share is None:
        return
    share, supply = claim.share, claim.population
    if claim.counts:
        size, how = sum(claim.counts.values()), "are printed"
    elif claim.correct and claim.accuracies and claim.nearest_size is not None:
        size = claim.nearest_size
        how = f"are implied by the accuracies {', '.join(claim.accuracies)}"
    else:
        return
    expected = share.value * supply.clips
    stated = ""
    if claim.clips not in (None, supply.clips):
        stated = f" ({share.value * claim.clips:.0f} of the {claim.clips} that are stated)"
    detail = (
        f"{size} test clips {how}; {share.text} of the {supply.clips} clips of {_part(claim)} "
        f"is {expected:.0f}{stated}, and {size} is {share.text} of {size / share.value:.0f}"
    )
    apart = abs(size - expected)
    is_apart = apart > 1 + 0.02 * expected
    count = round(apart) if is_apart else 0
    yield Observation("share", count, _judged(claim, detail, is_apart))


def classes_supply(claim: Claim) -> Iterator[Observation]:
    """No more test clips of a class than the described share of it, or than the corpus has at all.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of clips too many.
    """
    printed = claim.counts or claim.labelled(claim.correct)
    if not printed or claim.test_subjects is not None:
        return
    supply = claim.population
    share = claim.share.value if claim.share else 1.0
    bounds = {label: share * supply.classes[label] for label in printed}
    over = {label: count for label, count in printed.items() if count > bounds[label] * 1.1 + 1}
    kind = "test clips" if claim.counts else "correct test clips"
    parts = [
        f"{count} {kind} of {label}, where there are {supply.classes[label]} in "
        f"all{_with_silent(claim, label)} "
        f"and {bounds[label]:.0f} in {100 * share:.3g} %"
        for label, count in over.items()
    ]
    detail = (
        f"{_verdict(claim)}; of {_part(claim)}: {'; '.join(parts)}"
        if over
        else "no class has more test clips than there can be"
    )
    excess = round(sum(count - bounds[label] for label, count in over.items()))
    yield Observation("classes", excess, detail, tuple(over))


def _with_silent(claim: Claim, label: str) -> str:
    """How many it would be if the silent renderings were counted too."""
    part = CORPORA[claim.corpus].with_silent(claim.part)
    if part is None or claim.classes:
        return ""
    clips = population(claim.corpus, part).classes[label]
    return f" ({clips} with the silent renderings)"


def _judged(claim: Claim, detail: str, is_fault: bool) -> str:
    return f"{_verdict(claim)}: {detail}" if is_fault else detail


def _verdict(claim: Claim) -> str:
    return f'{VERDICT} ("{claim.quote}")' if claim.quote else VERDICT
