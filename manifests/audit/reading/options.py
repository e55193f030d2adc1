"""What a user says of a published list, where it does not say so itself."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import COLUMNS
from manifests.audit.reading.sides import ROLE_OF
from manifests.suggestions import did_you_mean

MEANING_OF = {"clip": "name", "side": "role", **{meaning: meaning for meaning in COLUMNS}}
"""What a column is called in `--column` -> the key of COLUMNS."""


@dataclass(frozen=True)
class ReadingOptions:
    """The guesses that a user has set."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Meaning (a key of COLUMNS) -> the column's name, or its number from 1."""
    sides: Mapping[str, int] = field(default_factory=dict)
    """What stands in a column, or the name of a file, folder or key -> TRAIN, VALID or TEST."""
    unused: frozenset[str] = frozenset()
    """What stands in a column, or the name of a file, folder or key, for what is on no side."""
    subject: re.Pattern[str] | None = None
    """Finds the speaker in the name of a clip: its group, or all of it where there is none."""

    @staticmethod
    def parse(
        columns: Sequence[str] = (), sides: Sequence[str] = (), subject: str | None = None
    ) -> "ReadingOptions":
        """Reads the options of the command.

        Args:
            columns: Each MEANING=COLUMN, such as `clip=3`.
            sides: Each SIDE=VALUE, such as `test=2`; `none=VALUE` for what is on no side.
            subject: A regular expression.

        Returns:
            The options.

        Raises:
            WrongForeignTable: An option is not of its form, or the expression is broken.
        """
        values = [_side(option) for option in sides]
        return ReadingOptions(
            dict(_column(option) for option in columns),
            {value: side for value, side in values if side is not None},
            frozenset(value for value, side in values if side is None),
            _pattern(subject),
        )


def _column(option: str) -> tuple[str, str]:
    meaning, equals, column = (part.strip() for part in option.partition("="))
    if not (meaning and equals and column):
        raise WrongForeignTable(
            f"--column {option} is not of the form MEANING=COLUMN, such as --column clip=3 or "
            "--column label=emo"
        )
    if meaning not in MEANING_OF:
        raise WrongForeignTable(
            f"--column {option}: there is no meaning {meaning!r}; "
            f"{did_you_mean(meaning, MEANING_OF)}expected one of {', '.join(MEANING_OF)}"
        )
    return MEANING_OF[meaning], column


def _side(option: str) -> tuple[str, int | None]:
    side, equals, value = (part.strip() for part in option.partition("="))
    if equals and value and side.casefold() == "none":
        return value.casefold(), None
    if not (equals and value and side.casefold() in ROLE_OF):
        raise WrongForeignTable(
            f"--side {option} is not of the form SIDE=VALUE with train, valid, test or none, "
            "such as --side test=2"
        )
    return value.casefold(), ROLE_OF[side.casefold()]


def _pattern(subject: str | None) -> re.Pattern[str] | None:
    if subject is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of `[[`, which is no set of sets yet
            pattern = re.compile(subject)
    except (re.error, RecursionError, OverflowError) as error:
        raise WrongForeignTable(
            f"--subject {subject}: this is no regular expression ({error}); expected one such as "
            r"'Actor_(\d+)', whose group is the speaker"
        ) from error
    if pattern.groups > 1:
        raise WrongForeignTable(
            f"--subject {subject} has {pattern.groups} groups; expected one, the speaker, and "
            "(?:...) for others"
        )
    try:
        pc.match_substring_regex(pa.array([""]), f"({subject})")
    except UnicodeEncodeError as error:
        raise WrongForeignTable(
            f"--subject {subject}: it holds half of a character; expected text such as "
            r"'Actor_(\d+)'"
        ) from error
    except pa.ArrowInvalid as error:
        what = str(error).removeprefix("Invalid regular expression: ")
        raise WrongForeignTable(
            f"--subject {subject}: this could search a name for ever ({what}); expected a regular "
            r"expression without look-around and back-references, such as 'Actor_(\d+)'"
        ) from error
    return pattern
