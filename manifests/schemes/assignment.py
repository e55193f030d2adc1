"""What every split scheme has in common: it assigns each group of clips to one side of a fold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from manifests.clips import Clip
from manifests.folds import Fold, Role
from manifests.labels import Label
from manifests.schemes.groups import EVERYTHING, SplitError, group_clips

LEAKING = "_leaking"
"""How the name of a scheme ends that keeps nothing together."""

_FEWEST = 3
"""Folds of a scheme that tests one part, validates on the next and trains on the rest."""
Assignment = Mapping[int, Mapping[str, Role]]
"""Fold -> group -> role."""


@dataclass(frozen=True)
class SplitRequest:
    """What is to be assigned, and what the caller asks for."""

    scheme: "Scheme"
    members: Mapping[str, Sequence[Clip]]
    """Group -> its clips, both in the order of ids."""
    labels: Sequence[Label]
    folds: int | None
    seed: int
    test: tuple[str, ...]
    """Subjects that the caller wants in the test."""
    valid: tuple[str, ...]
    """Subjects that the caller wants in the validation."""


@dataclass(frozen=True)
class Scheme:
    """A split scheme: clips and labels -> the rows of all folds.

    Raises:
        ValueError: A scheme keeps nothing together and does not say so: its name ends in
            `_leaking`, unless it is the name under which others published the split.
    """

    name: str
    assign: Callable[[SplitRequest], Assignment]
    """The side of each group in each fold. SplitError where the groups cannot be split so."""
    about: str
    """What it does, and where it comes from, in a sentence."""
    keeps: tuple[str, ...] = EVERYTHING
    """Columns of a clip of which no value stands on two sides of a fold: the scheme's claim, which
    is checked before it is stored."""
    options: frozenset[str] = frozenset()
    """Of `folds`, `test` and `valid`, those that it heeds; the others are refused."""
    corpus: str | None = None
    """The only corpus whose clips it splits; None for those of all."""
    published: bool = False
    """Others published the split under this name."""

    def __post_init__(self) -> None:
        if not (self.keeps or self.published or self.name.endswith(LEAKING)):
            raise ValueError(
                f"the scheme {self.name} keeps nothing together; its name must end in {LEAKING}, "
                "so that nobody is misled"
            )

    @property
    def disjoint(self) -> bool:
        """It claims that no subject, group or take is on two sides."""
        return set(self.keeps) == set(EVERYTHING)

    def of(self, clips: Iterable[Clip]) -> list[Clip]:
        """Chooses the clips that the scheme splits.

        Args:
            clips: Any clips.

        Returns:
            Those of its corpus, in the order of ids.

        Raises:
            SplitError: The scheme is of a corpus that none of the clips is of.
        """
        clips = sorted(clips, key=lambda clip: clip.clip_id)
        own = [clip for clip in clips if self.corpus in (None, clip.corpus)]
        if clips and not own:
            found = ", ".join(sorted({clip.corpus for clip in clips}))
            raise SplitError(
                f"{self.name} is a split of {self.corpus} and the clips are of {found}; choose "
                "another scheme"
            )
        return own

    def __call__(
        self,
        clips: Iterable[Clip],
        labels: Iterable[Label],
        folds: int | None = None,
        seed: int = 0,
        test: Sequence[str] = (),
        valid: Sequence[str] = (),
    ) -> list[Fold]:
        """Assigns clips to folds. The order of what is given changes nothing.

        Args:
            clips: The clips to split.
            labels: Their labels, of any schemes.
            folds: Number of folds; None for the scheme's own.
            seed: Chooses among assignments that are drawn.
            test: Subjects to test.
            valid: Subjects to validate on.

        Returns:
            The rows of all folds, sorted by fold and clip.

        Raises:
            SplitError: These clips cannot be split so, or the scheme does not heed an option.
        """
        self.refuse_options(folds, test, valid)
        members = group_clips(self.of(clips), self.keeps)
        request = SplitRequest(self, members, [*labels], folds, seed, tuple(test), tuple(valid))
        role_of = self.assign(request)
        placed = sorted((clip.clip_id, group) for group, own in members.items() for clip in own)
        return [
            Fold(self.name, fold, clip_id, group, role_of[fold][group])
            for fold in sorted(role_of)
            for clip_id, group in placed
        ]

    def refuse_options(self, folds: int | None, test: Sequence[str], valid: Sequence[str]) -> None:
        """Refuses options that the scheme does not heed, or cannot do without.

        Args:
            folds: Number of folds; None for the scheme's own.
            test: Subjects to test.
            valid: Subjects to validate on.

        Raises:
            SplitError: One is given and not heeded, is missing, or is too small.
        """
        if folds is not None and "folds" not in self.options:
            raise SplitError(
                f"{folds} folds were asked for; {self.name} has its own number of them, so leave "
                "out the number of folds"
            )
        for option, given in (("test", test), ("valid", valid)):
            if given and option not in self.options:
                raise SplitError(
                    f"{self.name} chooses its subjects itself; leave out the {option} subjects, "
                    "or use the scheme holdout"
                )
        if folds is not None and folds < _FEWEST:
            raise SplitError(
                f"{folds} folds were asked for; at least {_FEWEST} are needed, so that training, "
                "validation and test share no subject"
            )
        if "test" in self.options and not test:
            raise SplitError(
                f"{self.name} tests the subjects that you name and none is named; add --test with "
                "their ids, such as --test 23,24"
            )


def rotate(part_of: Mapping[str, int], parts: int) -> dict[int, dict[str, Role]]:
    """Makes one fold for each part: fold i tests part i, validates on the next, trains on the rest.

    After the last part comes the first.

    Args:
        part_of: Group -> its part, from 0.
        parts: Number of parts.

    Returns:
        The assignment.
    """
    roles = {0: Role.TEST, 1: Role.VALID}
    return {
        fold: {
            group: roles.get((part - fold) % parts, Role.TRAIN) for group, part in part_of.items()
        }
        for fold in range(parts)
    }
