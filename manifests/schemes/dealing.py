"""What a split is: roles, the table of folds, and what every scheme has in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from manifests.clips import Clip
from manifests.labels import Label
from manifests.schemes.groups import EVERYTHING, SplitError, group_clips
from manifests.table import Table


class Role(StrEnum):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Fold:
    scheme: str
    fold: int
    clip_id: str
    group_id: str
    """The group that the scheme kept together: the clip's own, or the first of those that a shared
    subject or take ties to it."""
    role: Role


FOLDS = Table("folds", Fold, key=("scheme", "fold", "clip_id"))

LEAKING = "_leaking"
"""How the name of a scheme ends that keeps nothing together."""


@dataclass(frozen=True)
class Deck:
    """What is dealt, and what the caller asks for."""

    members: Mapping[str, Sequence[Clip]]
    """Group -> its clips, both in the order of ids."""
    labels: Sequence[Label]
    """In the order of their keys."""
    folds: int | None
    seed: int
    test: tuple[str, ...]
    """Subjects that the caller wants in the test."""
    valid: tuple[str, ...]


Dealt = Mapping[int, Mapping[str, Role]]
"""Fold -> group -> role."""


@dataclass(frozen=True)
class Scheme:
    """Clips and labels -> the rows of all folds, sorted by fold and clip. The order of what is
    given changes nothing.

    ValueError for a scheme that keeps nothing together and does not say so: its name ends in
    `_leaking`, unless it is the name under which others published the split.
    """

    name: str
    deal: Callable[[Deck], Dealt]
    about: str
    """What it does, and where it comes from, in a sentence."""
    keeps: tuple[str, ...] = EVERYTHING
    """Columns of a clip of which no value stands on two sides of a fold: the scheme's claim, which
    is checked before it is stored."""
    options: frozenset[str] = frozenset()
    """Of `folds`, `test` and `valid`, those that it heeds; the others are refused."""
    corpus: str | None = None
    """The only corpus whose clips it deals; None for those of all."""
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
        """The clips that the scheme deals, in the order of ids; SplitError when it is of a corpus
        that none of them is of."""
        clips = sorted(clips, key=lambda clip: clip.clip_id)
        mine = [clip for clip in clips if self.corpus in (None, clip.corpus)]
        if clips and not mine:
            found = ", ".join(sorted({clip.corpus for clip in clips}))
            raise SplitError(
                f"{self.name} is a split of {self.corpus} and the clips are of {found}; choose "
                "another scheme"
            )
        return mine

    def __call__(
        self,
        clips: Iterable[Clip],
        labels: Iterable[Label],
        folds: int | None = None,
        seed: int = 0,
        test: Sequence[str] = (),
        valid: Sequence[str] = (),
    ) -> list[Fold]:
        """SplitError where these clips cannot be split so, or for an option that the scheme does
        not heed."""
        self._refuse_options(folds=folds, test=test, valid=valid)
        members = group_clips(self.of(clips), self.keeps)
        ordered = sorted(
            labels, key=lambda label: (label.clip_id, label.scheme, label.annotator, label.value)
        )
        dealt = self.deal(Deck(members, ordered, folds, seed, tuple(test), tuple(valid)))
        placed = sorted((clip.clip_id, group) for group, held in members.items() for clip in held)
        return [
            Fold(self.name, fold, clip_id, group, dealt[fold][group])
            for fold in sorted(dealt)
            for clip_id, group in placed
        ]

    def _refuse_options(self, folds: int | None, test: Sequence[str], valid: Sequence[str]) -> None:
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


def rotate(part_of: Mapping[str, int], parts: int) -> dict[int, dict[str, Role]]:
    """Fold i: part i is the test, part i + 1 (the first after the last) the validation, the rest
    the training."""
    roles = {0: Role.TEST, 1: Role.VALID}
    return {
        fold: {
            group: roles.get((part - fold) % parts, Role.TRAIN) for group, part in part_of.items()
        }
        for fold in range(parts)
    }
