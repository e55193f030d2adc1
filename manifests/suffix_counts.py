"""Files counted by their suffixes, in words."""

from collections.abc import Mapping


def count_text(others: Mapping[str, int], most: int = 20) -> str:
    """Says how many files of each suffix there are.

    Args:
        others: Suffix -> files.
        most: How many suffixes are named, at most.

    Returns:
        Such as `14 .sph, 3 .txt`; the most frequent first.
    """
    ordered = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count} {suffix or 'without suffix'}" for suffix, count in ordered[:most]]
    more = sum(count for _, count in ordered[most:])
    return ", ".join([*named, f"{more} others"] if more else named)
