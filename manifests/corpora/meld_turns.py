"""MELD's turns: the lines of its tables.

The tables are UTF-8 in the repository's current version; copies of it hold characters of the
Windows code page 1252, as single bytes or as control characters, for apostrophes, dashes and
accents. `decode` reads them all as the same text. Transcripts are never stored: `text_id` is a
hash, equal for turns with the same words (a guessed sentence can be tried against it).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from manifests.clips import Clip
from manifests.corpora.base import VOTE, Identity, clip_of
from manifests.corpora.published_csv import read_lines, wrong
from manifests.labels import Label

SPLITS = ("train", "dev", "test")
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SENTIMENTS = ("negative", "neutral", "positive")

FOLDERS = {
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
_COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
STEM = r"dia(0|[1-9][0-9]*)_utt(0|[1-9][0-9]*)"
_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_TIME = re.compile("([0-9]{1,2}):([0-5][0-9]):([0-5][0-9]),([0-9]{1,3})")
_SAME_ACTOR = {"Ursula": "Phoebe", "Dr. Drake Remoray": "Joey", "Dr. Stryker Ramoray": "Joey"}


def _cp1252(byte: int) -> str:
    """What the code page means by a byte.

    Five bytes have no meaning; they stay the control characters that they are in Unicode.
    """
    return bytes([byte]).decode("cp1252", "replace").replace("\N{REPLACEMENT CHARACTER}", chr(byte))


_MENDED = {0xDC00 + byte: _cp1252(byte) for byte in range(0x80, 0x100)} | {
    byte: _cp1252(byte) for byte in range(0x80, 0xA0)
}
"""Bytes that are no UTF-8 (as Python's surrogateescape shows them) and control characters -> what
code page 1252 means by them."""


def decode(data: bytes) -> str:
    """Decodes a table of mixed encoding.

    It is UTF-8 with or without a byte order mark, and each byte or control character of code page
    1252 in it.

    Args:
        data: The table's bytes.

    Returns:
        Its text.
    """
    return data.decode("utf-8-sig", "surrogateescape").translate(_MENDED)


@dataclass(frozen=True)
class MeldTurn:
    """One line of a table. `start_s` and `end_s` are seconds of the episode."""

    split: str
    dialogue: int
    utterance: int
    speaker: str
    emotion: str
    sentiment: str
    season: int
    episode: int
    start_s: float
    end_s: float
    text_id: str

    @property
    def stem(self) -> str:
        """Name of the file, without folder and suffix."""
        return f"dia{self.dialogue}_utt{self.utterance}"

    @property
    def clip_id(self) -> str:
        """Id of the clip, its split among it."""
        return f"meld/{self.split}/{self.stem}"

    def clip(self, path: str | None = None) -> Clip:
        """The clip of this turn.

        Args:
            path: Of its file; without one, where the published corpus has it.

        Returns:
            The clip, not yet read.
        """
        identity = Identity(
            self.clip_id,
            subject_id=f"meld/{self.speaker}",
            group_id=f"meld/{person(self.speaker)}",
            take_id=self.clip_id,
            text_id=self.text_id,
            dialogue_id=f"meld/{self.split}/dia{self.dialogue}",
            episode_id=f"meld/s{self.season:02d}e{self.episode:02d}",
        )
        return replace(
            clip_of(identity, "meld", path or f"{FOLDERS[self.split]}/{self.stem}.mp4"),
            episode_start_s=self.start_s,
            episode_end_s=self.end_s,
        )

    def labels(self) -> tuple[Label, ...]:
        """Its emotion and its sentiment."""
        return (
            Label(self.clip_id, "meld7", VOTE, self.emotion),
            Label(self.clip_id, "meld3", VOTE, self.sentiment),
        )


def person(speaker: str) -> str:
    """Says who is on the screen under a name, as far as one group can say it.

    `Joey/Drake` is Joey in a role, `Phoebe Sr.` is also written without the point, and three names
    are second roles of an actor of another name. `Ross and Rachel` goes with Ross: no single group
    can also keep it from Rachel's side. `All`, `Both`, `Nurse` and the like stay as they are: the
    tables do not say who they were.

    Args:
        speaker: The name, as a table has it.

    Returns:
        The person.
    """
    first = speaker.partition("/")[0].partition(" and ")[0].strip()
    return _SAME_ACTOR.get(first, first).rstrip(".")


def read_turns(path: Path, split: str) -> list[MeldTurn]:
    """Reads all lines of a split's table.

    Args:
        path: The table's file.
        split: The split, one of SPLITS.

    Returns:
        The turns, in the table's order.

    Raises:
        WrongPublishedTable: A line cannot be understood; with file and line.
    """
    turns = []
    line_of: dict[tuple[int, int], int] = {}
    for line, cells in read_lines(path, _COLUMNS, decode):
        turn = _turn(path, line, cells, split)
        first = line_of.setdefault((turn.dialogue, turn.utterance), line)
        if first != line:
            raise wrong(path, line, f"names {turn.stem}, as line {first} does; keep one of the two")
        turns.append(turn)
    return turns


def _turn(path: Path, line: int, cells: Mapping[str, str], split: str) -> MeldTurn:
    def number(column: str) -> int:
        if not _NUMBER.fullmatch(cells[column]):
            raise wrong(
                path, line, f"has {cells[column]!r} in the column {column}; expected a number"
            )
        return int(cells[column])

    def word(column: str, known: Sequence[str]) -> str:
        if cells[column] not in known:
            raise wrong(
                path,
                line,
                f"has {cells[column]!r} in the column {column}; expected {', '.join(known)}",
            )
        return cells[column]

    def seconds(column: str) -> float:
        match = _TIME.fullmatch(cells[column])
        if not match:
            raise wrong(
                path,
                line,
                f"has {cells[column]!r} in the column {column}; expected a time such as "
                "00:16:16,059",
            )
        hours, minutes, full, millis = (int(part) for part in match.groups())
        # What follows the comma counts milliseconds: in three lines its leading zeros are missing
        # (00:06:47,28).
        return (((hours * 60 + minutes) * 60 + full) * 1000 + millis) / 1000

    start_s, end_s = seconds("StartTime"), seconds("EndTime")
    if end_s < start_s:
        raise wrong(
            path,
            line,
            f"ends at {cells['EndTime']}, before it starts at {cells['StartTime']}; correct the "
            "times",
        )
    if not cells["Speaker"]:
        raise wrong(path, line, "has nothing in the column Speaker; expected a name")
    return MeldTurn(
        split=split,
        dialogue=number("Dialogue_ID"),
        utterance=number("Utterance_ID"),
        speaker=cells["Speaker"],
        emotion=word("Emotion", EMOTIONS),
        sentiment=word("Sentiment", SENTIMENTS),
        season=number("Season"),
        episode=number("Episode"),
        start_s=start_s,
        end_s=end_s,
        text_id=text_id(cells["Utterance"]),
    )


def text_id(words: str) -> str:
    """Makes an id of words, whatever their case and the blanks between them.

    Args:
        words: What is said.

    Returns:
        The id, which holds a hash of the words.
    """
    plain = " ".join(words.casefold().split())
    return f"meld/text-{hashlib.sha256(plain.encode()).hexdigest()[:16]}"
