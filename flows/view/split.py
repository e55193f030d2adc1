"""What a split claims and how even it is, in sentences for the terminal."""

from typing import Any

from flows.view.console import say
from manifests.choice import Choice
from manifests.schemes.catalog import SCHEMES

_SENTENCES = 5


def print_claims(scheme: str, facts: Any) -> None:
    """Prints what a split claims.

    Args:
        scheme: The split scheme.
        facts: What the snapshot says of its folds.
    """
    for sentence in claims(scheme, facts):
        say(sentence)


def claims(scheme: str, facts: Any) -> list[str]:
    """Where a scheme is from, what it leaks, how even it is, and which tests lack a class.

    Args:
        scheme: The split scheme.
        facts: What the snapshot says of its folds.

    Returns:
        Sentences.
    """
    sentences = [SCHEMES[scheme].about]
    if where := facts.get("where"):
        sentences.append(f"Its folds are of the clips with {Choice.of(where).words} alone.")
    if not facts["disjoint"]:
        kept = ", ".join(name.removesuffix("_id") for name in facts["keeps"]) or "nothing"
        sentences.append(
            f"This split leaks: of subject, group and take it keeps {kept} on one side. Use it "
            "for comparison only."
        )
    if facts["imbalance"] is not None:
        least, found = 100 * facts["least_imbalance"], 100 * facts["imbalance"]
        sentences.append(
            f"The tested parts are off an even share by {found:.2f} % (weighted root mean "
            f"square); no deal is under {least:.2f} %."
        )
    empty = facts["empty_classes"]
    more = [f"and {len(empty) - _SENTENCES} more such sentences"] if len(empty) > _SENTENCES else []
    return [*sentences, *empty[:_SENTENCES], *more]
