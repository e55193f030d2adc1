"""Suggestions for a name that is not known."""

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str], most: int = 1) -> str:
    """Suggests the names that resemble a name, for a message.

    Args:
        given: The name that is not known.
        known: The names that are, the preferred ones of equal likeness first.
        most: Names that are suggested at most.

    Returns:
        Such as `did you mean mfcc? `, with a blank behind it; empty where no name is near.
    """
    near = difflib.get_close_matches(given, list(known), n=most)
    return f"did you mean {' or '.join(near)}? " if near else ""
