"""The tables that CREMA-D publishes beside its clips: who the actors are, and what raters voted."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.corpora.published_csv import WrongPublishedTable, read_lines, wrong

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
VOTES = {
    "cremad6_voice": "VoiceVote",
    "cremad6_face": "FaceVote",
    "cremad6_multimodal": "MultiModalVote",
}
"""Label scheme -> column of summaryTable.csv."""
PEOPLE = ("cremad_age", "cremad_race", "cremad_ethnicity")
SUMMARIES = ("summaryTable.csv", "processedResults/summaryTable.csv")
_LETTERS = {code[0]: word for code, word in EMOTIONS.items()}
_PUBLISHED_FOLDERS = ("VideoFlash", "AudioMP3", "AudioWAV")
_ACTOR = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class CremadActor:
    """What VideoDemographics.csv says of an actor."""

    sex: str | None
    facts: tuple[tuple[str, str], ...]
    """(label scheme, value)"""


@dataclass(frozen=True)
class CremadTables:
    """What the published tables say; empty where there is none."""

    actors: Mapping[int, CremadActor]
    votes: Mapping[str, Mapping[str, tuple[str, ...]]]
    """stem -> label scheme -> emotions with the most votes, in words"""


def read_tables(root: Path) -> CremadTables:
    """Reads the tables of a corpus, as far as they are there.

    Args:
        root: The corpus's folder, or one of the three published folders in it.

    Returns:
        What they say.

    Raises:
        WrongPublishedTable: A table cannot be taken as it is.
    """
    demographics = _find(root, "VideoDemographics.csv")
    summary = _find(root, *SUMMARIES)
    return CremadTables(
        _actors(demographics) if demographics else {}, _votes(summary) if summary else {}
    )


def _find(root: Path, *names: str) -> Path | None:
    """The first file of these names in the root; None without any.

    Where the root is a published folder, the folder above is looked at as well.

    WrongPublishedTable for a link that leads out of these folders.
    """
    root = root.absolute()  # the name of "." is "", and a linked root keeps the folder it is in
    top = root.parent if root.name in _PUBLISHED_FOLDERS else root
    for path in (folder / name for folder in dict.fromkeys((root, top)) for name in names):
        if not os.path.lexists(path):
            continue
        if not path.resolve().is_relative_to(top.resolve()):
            raise WrongPublishedTable(
                f"{path} is a link to {path.resolve()}, outside the corpus; copy the file into "
                "the corpus"
            )
        return path
    return None


_DEMOGRAPHICS = ("ActorID", "Age", "Sex", "Race", "Ethnicity")


def _actors(path: Path) -> dict[int, CremadActor]:
    actors: dict[int, CremadActor] = {}
    for line, cells in read_lines(path, _DEMOGRAPHICS):
        sex = cells["Sex"].lower()
        if not _ACTOR.fullmatch(cells["ActorID"]) or int(cells["ActorID"]) in actors:
            raise wrong(
                path,
                line,
                f"has the ActorID {cells['ActorID']!r}; expected a number that no other line has",
            )
        if sex not in ("male", "female"):
            raise wrong(path, line, f"has the Sex {cells['Sex']!r}; expected Male or Female")
        facts = (
            (f"cremad_{column.lower()}", cells[column].lower())
            for column in ("Age", "Race", "Ethnicity")
        )
        actors[int(cells["ActorID"])] = CremadActor(
            sex, tuple((scheme, value) for scheme, value in facts if value not in ("", "unknown"))
        )
    return actors


def _votes(path: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    votes: dict[str, dict[str, tuple[str, ...]]] = {}
    for line, cells in read_lines(path, ("FileName", *VOTES.values())):
        if cells["FileName"] in votes:
            raise wrong(
                path, line, f"names {cells['FileName']} once more; expected one line for each clip"
            )
        votes[cells["FileName"]] = {
            scheme: _emotions(path, line, column, cells[column]) for scheme, column in VOTES.items()
        }
    return votes


def _emotions(path: Path, line: int, column: str, cell: str) -> tuple[str, ...]:
    letters = cell.split(":")
    if len(set(letters)) < len(letters) or not set(letters) <= _LETTERS.keys():
        raise wrong(
            path,
            line,
            f"has {cell!r} in the column {column}; expected letters of {''.join(_LETTERS)}, such "
            "as A or A:D",
        )
    return tuple(_LETTERS[letter] for letter in letters)
