"""Names of augmented variants: `mfcc~1` is the feature mfcc of variant 1."""

MARK = "~"
"""Between a feature's name and the number of the variant."""


def variant_name(feature: str, variant: int) -> str:
    """The name of a feature in a variant.

    Args:
        feature: Its plain name.
        variant: Number of the variant, from 1.

    Returns:
        Such as mfcc~1.
    """
    return f"{feature}{MARK}{variant}"


def plain_name(name: str) -> str:
    """The name of the feature that a variant is of.

    Args:
        name: Such as mfcc~1, or mfcc.

    Returns:
        Such as mfcc.
    """
    return name.partition(MARK)[0]
