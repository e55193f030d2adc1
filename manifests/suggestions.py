"""What a misspelt name may have been meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(given: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Names that are spelt almost like a given one, in capitals or not.

    Args:
        given: The misspelt name.
        known: The names that there are.
        most: How many to give at most.

    Returns:
        The nearest first; none where nothing is near.
    """
    names = {name.lower(): name for name in reversed(list(known))}
    return [names[near] for near in get_close_matches(str(given).lower(), names, n=most)]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The start of a hint for an error message.

    Args:
        given: The misspelt name.
        known: The names that there are.

    Returns:
        Such as "did you mean mfcc? ", with a blank at its end; empty where nothing is near.
    """
    near = closest(given, known)
    return f"did you mean {near[0]}? " if near else ""
