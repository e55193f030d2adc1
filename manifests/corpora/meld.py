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
  once. `subject_id` is the name as it stands.
- The official splits are disjoint in nothing: they share speakers, episodes, lines, and even the
  same seconds of an episode.
- Every dialogue ties its speakers, and six of them speak 83 % of the turns. A split that kept
  speakers AND dialogues together would have one part. So `group_id` is the speaker alone (see
  `person`); dialogue and episode are columns of the clip, for an audit to count.
- Several faces are in most frames, and no table says whose the turn is.
- Most files have six channels of sound (5.1), where the centre channel holds the speech and the
  others music and laughter: a recipe should ask for `channels = "centre"`. That quarantines the
  stereo files; `channels = "mean"` keeps them, and mixes the speech with the rest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.corpora.base import Corpus, Found, Identity, refused
from manifests.corpora.media_files import MediaFile, list_media
from manifests.corpora.meld_turns import FOLDERS, SPLITS, STEM, MeldTurn, read_turns
from manifests.corpora.population import Population
from manifests.corpora.published_csv import WrongPublishedTable
from manifests.folds import Role
from manifests.given_files import read_file
from manifests.label_maps import own_space
from manifests.quarantine import BadClip, Reason
from manifests.schemes.assignment import LEAKING, Assignment, Scheme, SplitRequest
from manifests.schemes.groups import SplitError
from manifests.schemes.holdouts import at_random

_SPLIT_OF = {folder: split for split, folder in FOLDERS.items()} | {
    split: split for split in SPLITS
}


class MissingMeldTable(FileNotFoundError):
    """There are clips of a split whose table is not there, so nobody knows who speaks in them."""


@dataclass(frozen=True, eq=False)
class Meld(Corpus):
    """MELD by its tables; see the module's text for ids and groups.

    A line of a table is a clip, also where its file is missing: it is then refused (unreadable). A
    split without a single file is not there, and its lines are not listed. A file in no split's
    folder, with another name (`final_videos_testdia101_utt0.mp4`) or without a line is refused
    (unknown_name). Where a clip has several files, it is the .mp4, then the one in the fewest
    folders, then the first by path; each other is refused (duplicate).
    """

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Yields:
            The clips.

        Raises:
            MissingMeldTable: There are clips of a split without its table.
            WrongPublishedTable: A table is broken.
        """
        files: dict[str, dict[str, list[MediaFile]]] = {}
        for file in list_media(root, self.name):
            why = file.fault or _name_fault(file)
            if why:
                yield refused(self.name, file, *why)
            else:
                of_split = files.setdefault(_split_of(file.path) or "", {})
                of_split.setdefault(file.stem, []).append(file)
        for split, by_stem in files.items():
            yield from self._of_split(root, split, by_stem)

    def identify(self, name: str) -> Identity | None:
        """What the naming rule says of a name.

        A name without its split (`dia0_utt0`) can mean three clips: its clip_id is then
        `meld/dia0_utt0`, which no clip has, and the dialogue is not known. The speaker is in no
        name.

        Args:
            name: A file name, a path or an id, with or without folders and suffix; also
                `dia0_utt0-train`.

        Returns:
            What is known of the clip; None where the name breaks the rule.
        """
        match = _IDENTITY.fullmatch(name.replace("\\", "/").removeprefix("meld-"))
        if not match:
            return None
        split = match["after"] or _split_of(match["folders"] or "")
        clip_id = f"meld/{split}/{match['stem']}" if split else f"meld/{match['stem']}"
        dialogue = f"meld/{split}/dia{match[3]}" if split else None
        return Identity(clip_id, None, None, take_id=clip_id, dialogue_id=dialogue)

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

    def _of_turn(self, turn: MeldTurn, files: Iterable[MediaFile]) -> Iterator[Found]:
        ordered = sorted(files, key=lambda file: file.rank(".mp4"))
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
    rf"(?P<folders>.*/)?(?P<stem>{STEM})(?:-(?P<after>{'|'.join(SPLITS)}))?(?:\.[A-Za-z0-9.]+)?"
)


def _split_of(path: str) -> str | None:
    """Split of the innermost folder that names one."""
    return next(
        (_SPLIT_OF[folder] for folder in reversed(path.split("/")[:-1]) if folder in _SPLIT_OF),
        None,
    )


def _name_fault(file: MediaFile) -> tuple[Reason, str] | None:
    """Why the file's name is none of the corpus."""
    if not re.fullmatch(STEM, file.stem):
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
        if read_file(other) != read_file(tables[0]):
            raise WrongPublishedTable(
                f"{other} and {tables[0]} are not the same table; keep one of them"
            )
    return tables[0]


_ROLES = {"train": Role.TRAIN, "dev": Role.VALID, "test": Role.TEST}


def _official(request: SplitRequest) -> Assignment:
    """The split is part of a clip's id, `meld/train/dia0_utt0`, as dialogue numbers restart."""
    splits = {clip: clip.split("/")[1] for clip in request.members}
    unknown = sorted(clip for clip, split in splits.items() if split not in _ROLES)
    if unknown:
        raise SplitError(
            f"the id {unknown[0]} names no split of MELD; expected meld/train/..., meld/dev/... "
            "or meld/test/..."
        )
    missing = sorted(_ROLES.keys() - set(splits.values()))
    if missing:
        raise SplitError(
            "meld_official needs the clips of train, dev and test, and there are none of "
            f"{', '.join(missing)}; add them"
        )
    return {0: {clip: _ROLES[split] for clip, split in splits.items()}}


MELD = Meld(
    name="meld",
    licence="GPL-3.0 for the tables; the footage is copyrighted television: pass on "
    "neither media nor transcripts.",
    licence_source="https://github.com/declare-lab/MELD",
    withheld="its footage is television whose makers have not licensed it",
    label_schemes=("meld7", "meld3"),
    shared_words={
        "anger": "angry",
        "disgust": "disgust",
        "fear": "fearful",
        "joy": "happy",
        "neutral": "neutral",
        "sadness": "sad",
        "surprise": "surprised",
    },
    label_spaces=(
        own_space("meld7", "meld7", "anger disgust fear joy neutral sadness surprise"),
        own_space("meld3", "meld3", "negative neutral positive"),
    ),
    text_shared="say, word for word, a text",
    world="friends",
    own_files=tuple(f"*{split}_sent_emo.csv" for split in SPLITS),
    # Counted from the three tables.
    population=Population(
        "meld",
        {
            "neutral": 6436,
            "joy": 2308,
            "surprise": 1636,
            "anger": 1607,
            "sadness": 1002,
            "disgust": 361,
            "fear": 358,
        },
        None,
        aliases={
            "happy": "joy",
            "sad": "sadness",
            "angry": "anger",
            "surprised": "surprise",
            "fearful": "fear",
        },
        subjects=304,
        subjects_are_people=False,
    ),
    schemes=(
        Scheme(
            "meld_official",
            _official,
            "MELD as published (Poria et al. 2019): train, dev and test. It leaks: they share "
            "speakers, episodes and overlapping spans.",
            keeps=(),
            corpus="meld",
            published=True,
        ),
        Scheme(
            f"kirar2024_random_80_20{LEAKING}",
            at_random(0.2),
            "Kirar 2024: 80 / 20, after features were selected on all clips, which leaks once "
            "more. No validation.",
            keeps=(),
            corpus="meld",
        ),
    ),
)
