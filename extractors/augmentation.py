"""What augmentations share: tracks of a clip, changed by numbers that are drawn for the clip.

A draw is a function of (seed, clip id, variant, what is drawn) and of nothing else: the first 53
bits of the SHA-256 of these four, as canonical JSON `[seed,"corpus/stem",variant,"what"]` in UTF-8,
taken as a binary fraction in [0, 1). So the same recipe draws the same numbers on every machine and
in any order of clips; what is drawn for one change does not move when another is switched on; and
one draw serves all rows of a clip.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.base import FromTracks
from manifests.clips import Clip
from manifests.features import FeatureSpec, canonical_json


@dataclass(frozen=True)
class Draws:
    """The numbers of one variant of one clip."""

    seed: int
    clip_id: str
    variant: int

    def _digest(self, what: str) -> bytes:
        return hashlib.sha256(
            canonical_json([self.seed, self.clip_id, self.variant, what]).encode()
        ).digest()

    def share(self, what: str) -> float:
        """Draws one number evenly from [0, 1).

        Args:
            what: Name of what is drawn.

        Returns:
            The number, always the same for the same clip, variant, seed and name.
        """
        return float(int.from_bytes(self._digest(what)[:8], "big") >> 11) * 2.0**-53

    def within(self, what: str, most: float) -> float:
        """Draws one number evenly from [-most, most).

        Args:
            what: Name of what is drawn.
            most: Greatest absolute value.

        Returns:
            The number.
        """
        return (2 * self.share(what) - 1) * most

    def generator(self, what: str) -> np.random.Generator:
        """Makes a source of many numbers: PCG64, seeded with all bits of the digest.

        Args:
            what: Name of what is drawn.

        Returns:
            A new generator that always gives the same numbers.
        """
        return np.random.Generator(np.random.PCG64(int.from_bytes(self._digest(what), "big")))


@dataclass(frozen=True, kw_only=True)
class Augmentation(FromTracks):
    """One variant of the clips, which only training may use.

    All that is measured on it is of the same variant. The strengths are limits: how strongly a clip
    is changed is drawn for it (see the module's text), evenly between them.
    """

    seed: int = 0
    """Seed of all draws."""
    variant: int = 1
    """Number of the variant, 1 or more; each draws other numbers."""

    strengths: ClassVar[tuple[str, ...]]
    """The fields that are 0 for no change."""

    def __post_init__(self) -> None:
        if self.variant < 1:
            raise ValueError(
                f"variant of {self.name} is {self.variant}, expected 1 or more; 0 is the clip as "
                "it is"
            )
        if not any(getattr(self, field) for field in self.strengths):
            raise ValueError(
                f"{self.name} would change nothing; give at least one of "
                f"{', '.join(self.strengths)}"
            )

    @property
    def variant_of_clip(self) -> int:
        return self.variant

    def draws(self, clip: Clip) -> Draws:
        """Makes the draws of one clip.

        Args:
            clip: The clip.

        Returns:
            The source of this variant's numbers for the clip.
        """
        return Draws(self.seed, clip.clip_id, self.variant)

    def check_plain(self, source: FeatureSpec) -> None:
        """Refuses an input that is a variant itself: the same draws would be made twice.

        Args:
            source: The spec of the input.

        Raises:
            ValueError: The input is a variant.
        """
        if source.variant:
            raise ValueError(
                f"{self.name} is given {source.name}, which is variant {source.variant} of its "
                "clips already; "
                "augment the feature as it is, with all strengths in one table"
            )

    def check_limits(self, **most: float) -> None:
        """Refuses strengths that make no sense.

        Args:
            **most: The greatest value of each strength, by the name of its field; the least is 0.

        Raises:
            ValueError: A strength is below 0 or above its greatest value.
        """
        for field, limit in most.items():
            self.check_range(field, 0, limit)
