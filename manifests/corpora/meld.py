"""MELD: the Multimodal EmotionLines Dataset, turns of a television series.

Poria S. et al. (2019), ACL, 527-536; tables: github.com/declare-lab/MELD, data/MELD. Three tables
name the turns of the three splits, and the media lie in three folders, two of which have odd names:

    train_sent_emo.csv    train_splits/dia0_utt0.mp4
    dev_sent_emo.csv      dev_splits_complete/dia0_utt0.mp4
    test_sent_emo.csv     output_repeated_splits_test/dia0_utt0.mp4

The folders (or `train`, `dev`, `test`) and the tables may lie anywhere below the root. Dialogues
are numbered from 0 in EACH split, so the split is a part of every id: `meld/train/dia0_utt0`.

What the tables do not say, and what must be known before trusting a split of MELD:

- A speaker is a name in a script. `Nurse` of two episodes may be two people, `All` is several at
  once. `subject_id` is the name as it
  stands.
- The official splits are disjoint in nothing: they share speakers, episodes, lines, and even the
  same seconds of an episode.
- Every dialogue ties its speakers, and six of them speak 83 % of the turns. A split that kept
  speakers AND dialogues together would have
  one part. So `group_id` is the speaker alone (see `person`); dialogue and episode are columns of
  the clip, for an audit to count.
- Several faces are in most frames, and no table says whose the turn is.
- Most files have six channels of sound (5.1), where the centre channel holds the speech and the
  others music and laughter: a recipe should
  ask for `channels = "centre"`. That quarantines the stereo files; `channels = "mean"` keeps them,
  and mixes the speech with the rest.

The tables are UTF-8 in the repository's current version; copies of it hold characters of the
Windows code page 1252, as single bytes or as control characters, for apostrophes, dashes and
accents. `decode` reads them all as the same text. Transcripts are never stored: `text_id` is a
hash, equal for turns with the same words (a guessed sentence can be tried against it).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.clips import Clip
from manifests.corpora.base import VOTE, Found, Identity, MediaFile, list_media, refused
from manifests.corpora.published_csv import WrongPublishedTable, read_lines, wrong
from manifests.labels import Label
from manifests.quarantine import BadClip, Reason

SPLITS = ("train", "dev", "test")
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SENTIMENTS = ("negative", "neutral", "positive")

FOLDERS = {
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
_SPLIT_OF = {folder: split for split, folder in FOLDERS.items()} | {
    split: split for split in SPLITS
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
_STEM = r"dia(0|[1-9][0-9]*)_utt(0|[1-9][0-9]*)"
_NUMBER = re.compile("0|[1-9][0-9]*")
_TIME = re.compile("([0-9]{1,2}):([0-5][0-9]):([0-5][0-9]),([0-9]{1,3})")
_SAME_ACTOR = {"Ursula": "Phoebe", "Dr. Drake Remoray": "Joey", "Dr. Stryker Ramoray": "Joey"}


class MissingMeldTable(FileNotFoundError):
    """There are clips of a split whose table is not there, so nobody knows who speaks in them."""


def _cp1252(byte: int) -> str:
    """The code page leaves five bytes without a meaning; they stay the control characters that they
    are in Unicode."""
    return bytes([byte]).decode("cp1252", "replace").replace("\N{REPLACEMENT CHARACTER}", chr(byte))


_MENDED = {0xDC00 + byte: _cp1252(byte) for byte in range(0x80, 0x100)} | {
    byte: _cp1252(byte) for byte in range(0x80, 0xA0)
}
"""Bytes that are no UTF-8 (as Python's surrogateescape shows them) and control characters -> what
code page 1252 means by them."""


def decode(data: bytes) -> str:
    """A table's text: UTF-8 with or without a byte order mark, and each byte or control character
    of code page 1252 in it."""
    return data.decode("utf-8-sig", "surrogateescape").translate(_MENDED)


@dataclass(frozen=True)
class Turn:
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
        return f"dia{self.dialogue}_utt{self.utterance}"

    @property
    def clip_id(self) -> str:
        return f"meld/{self.split}/{self.stem}"

    def clip(self, path: str | None = None) -> Clip:
        """`path`: of its file; without one, where the published corpus has it."""
        return Clip(
            clip_id=self.clip_id,
            corpus="meld",
            subject_id=f"meld/{self.speaker}",
            group_id=f"meld/{person(self.speaker)}",
            take_id=self.clip_id,
            sex=None,
            path=path or f"{FOLDERS[self.split]}/{self.stem}.mp4",
            sha256="",
            bytes=0,
            text_id=self.text_id,
            dialogue_id=f"meld/{self.split}/dia{self.dialogue}",
            episode_id=f"meld/s{self.season:02d}e{self.episode:02d}",
            episode_start_s=self.start_s,
            episode_end_s=self.end_s,
        )

    def labels(self) -> tuple[Label, ...]:
        return Label(self.clip_id, "meld7", VOTE, self.emotion), Label(
            self.clip_id, "meld3", VOTE, self.sentiment
        )


def person(speaker: str) -> str:
    """Who is on the screen under this name, as far as one group can say it.

    `Joey/Drake` is Joey in a role, `Phoebe Sr.` is also written without the point, and three names
    are second roles of an actor of another name. `Ross and Rachel` goes with Ross: no single group
    can also keep it from Rachel's side. `All`, `Both`, `Nurse` and the like stay as they are: the
    tables do not say who they were.
    """
    first = speaker.partition("/")[0].partition(" and ")[0].strip()
    return _SAME_ACTOR.get(first, first).rstrip(".")


def read_turns(path: Path, split: str) -> list[Turn]:
    """All lines of a split's table, in its order; WrongPublishedTable, with file and line, for one
    that cannot be understood."""
    turns = []
    line_of: dict[tuple[int, int], int] = {}
    for line, cells in read_lines(path, _COLUMNS, decode):
        turn = _turn(path, line, cells, split)
        first = line_of.setdefault((turn.dialogue, turn.utterance), line)
        if first != line:
            raise wrong(path, line, f"names {turn.stem}, as line {first} does; keep one of the two")
        turns.append(turn)
    return turns


def _turn(path: Path, line: int, cells: Mapping[str, str], split: str) -> Turn:
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
        hours, minutes, whole, millis = (int(part) for part in match.groups())
        # What follows the comma counts milliseconds: in three lines its leading zeros are lost
        # (00:06:47,28).
        return (((hours * 60 + minutes) * 60 + whole) * 1000 + millis) / 1000

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
    return Turn(
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
    """A hash of the words, whatever their case and the blanks between them."""
    plain = " ".join(words.casefold().split())
    return f"meld/text-{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Meld:
    """MELD by its tables; see the module's text for ids and groups.

    A line of a table is a clip, also where its file is missing: it is then refused (unreadable). A
    split without a single file is not there, and its lines are not listed. A file in no split's
    folder, with another name (`final_videos_testdia101_utt0.mp4`) or without a line is refused
    (unknown_name). Where a clip has several files, it is the .mp4, then the one in the fewest
    folders, then the first by path; each other is refused (duplicate).
    """

    name: str = "meld"
    licence: str = (
        "GPL-3.0 for the tables; the footage is copyrighted television: pass on "
        "neither media nor transcripts."
    )
    label_schemes: tuple[str, ...] = ("meld7", "meld3")

    def scan(self, root: Path) -> list[Found]:
        """As `Corpus.scan`; MissingMeldTable for clips of a split without its table,
        WrongPublishedTable for a broken one."""
        found: list[Found] = []
        files: dict[str, dict[str, list[MediaFile]]] = {}
        for file in list_media(root, self.name):
            why = file.fault or _strange(file)
            if why:
                found.append(refused(self.name, file, *why))
            else:
                files.setdefault(_split_of(file.path) or "", {}).setdefault(file.stem, []).append(
                    file
                )
        for split, by_stem in files.items():
            found += self._of_split(root, split, by_stem)
        return sorted(found, key=lambda one: one.clip.clip_id)

    def identify(self, name: str) -> Identity | None:
        """What a file name, a path or an id says, with or without folders and suffix; also
        `dia0_utt0-train`. None for another name.

        A name without its split (`dia0_utt0`) can mean three clips: its clip_id is then
        `meld/dia0_utt0`, which no clip has, and the dialogue is not known. The speaker is in no
        name.
        """
        match = _IDENTITY.fullmatch(name.replace("\\", "/"))
        if not match:
            return None
        folders, stem, dialogue, after = (
            match["folders"] or "",
            match["stem"],
            match[3],
            match["after"],
        )
        split = after or _split_of(folders)
        clip_id = f"meld/{split}/{stem}" if split else f"meld/{stem}"
        return Identity(
            clip_id=clip_id,
            subject_id=None,
            group_id=None,
            take_id=clip_id,
            dialogue_id=f"meld/{split}/dia{dialogue}" if split else None,
        )

    def _of_split(
        self, root: Path, split: str, files: Mapping[str, Sequence[MediaFile]]
    ) -> Iterator[Found]:
        table = _find_table(root, split)
        turns = {turn.stem: turn for turn in read_turns(table, split)}
        for turn in turns.values():
            yield from self._of_turn(turn, files.get(turn.stem, ()))
        for stem in files.keys() - turns.keys():
            detail = (
                f"{table.name} has no line for {stem}, so nobody knows who speaks; remove the file"
            )
            yield from (
                refused(self.name, file, Reason.UNKNOWN_NAME, detail) for file in files[stem]
            )

    def _of_turn(self, turn: Turn, files: Iterable[MediaFile]) -> Iterator[Found]:
        ordered = sorted(
            files, key=lambda file: (file.suffix != ".mp4", file.path.count("/"), file.path)
        )
        if not ordered:
            detail = (
                f"{turn.split}_sent_emo.csv has a line for {turn.stem}, and there is no such "
                f"file; expected {turn.clip().path}"
            )
            yield Found(
                turn.clip(), turn.labels(), BadClip(turn.clip_id, Reason.UNREADABLE, detail)
            )
            return
        yield Found(turn.clip(ordered[0].path), turn.labels())
        for copy in ordered[1:]:
            yield refused(
                self.name,
                copy,
                Reason.DUPLICATE,
                f"a second file of {turn.clip_id}; the clip is {ordered[0].path}",
            )


_IDENTITY = re.compile(
    rf"(?P<folders>.*/)?(?P<stem>{_STEM})(?:-(?P<after>{'|'.join(SPLITS)}))?(?:\.[A-Za-z0-9.]+)?"
)


def _split_of(path: str) -> str | None:
    """Split of the innermost folder that names one."""
    return next(
        (_SPLIT_OF[folder] for folder in reversed(path.split("/")[:-1]) if folder in _SPLIT_OF),
        None,
    )


def _strange(file: MediaFile) -> tuple[Reason, str] | None:
    """Why the file's name is none of the corpus."""
    if not re.fullmatch(_STEM, file.stem):
        return (
            Reason.UNKNOWN_NAME,
            f"the name is {file.stem!r}; expected a dialogue and an utterance, such as dia0_utt0",
        )
    if _split_of(file.path) is None:
        folders = ", ".join(FOLDERS.values())
        return (
            Reason.UNKNOWN_NAME,
            f"the file is in no folder of a split ({folders}); give the folder above these as the "
            "corpus",
        )
    return None


def _find_table(root: Path, split: str) -> Path:
    name = f"{split}_sent_emo.csv"
    tables = sorted(
        (
            path
            for path in root.rglob(name)
            if not any(part.startswith(".") for part in path.relative_to(root).parts)
        ),
        key=lambda path: (len(path.parts), path),
    )
    if not tables:
        raise MissingMeldTable(
            f"{root} holds clips of the split {split} and no {name}; copy that table of MELD's "
            f"data/MELD into {root}"
        )
    for other in tables[1:]:
        if other.read_bytes() != tables[0].read_bytes():
            raise WrongPublishedTable(
                f"{other} and {tables[0]} are not the same table; keep one of them"
            )
    return tables[0]


MELD = Meld()
