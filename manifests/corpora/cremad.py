"""CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset.

Cao H. et al. (2014), IEEE Transactions on Affective Computing 5(4): 377-390; files:
github.com/CheyneyComputerScience/CREMA-D. A file's name says who, what and how:

    1001_IEO_ANG_HI.flv
    |    |   |   level LO, MD, HI; XX where none was asked for. Only IEO has levels, and neutral
    |    |   |     never has one
    |    |   emotion ANG, DIS, FEA, HAP, NEU, SAD, as the actor was asked to show it
    |    sentence, one of 12
    actor 1001 to 1091

Each take lies there three times, in VideoFlash/*.flv, AudioMP3/*.mp3 and AudioWAV/*.wav: three
renderings of one take. Beside them lie

    VideoDemographics.csv               each actor's age, sex, race and ethnicity
    processedResults/summaryTable.csv   what raters chose from voice alone, face alone and both,
                                        such as A, or A:D for a tie

Names alone are enough for the intended labels. The two tables are looked for in the corpus root,
summaryTable.csv also in processedResults below it; where the root is one of the three published
folders, the same places of the folder above are looked at as well. Without VideoDemographics.csv
the sex is not known; without summaryTable.csv there are no voted labels.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path

import numpy as np

from manifests.audits import Severity
from manifests.corpora.base import (
    BY_CORPUS,
    INTENDED,
    VOTE,
    Corpus,
    Found,
    Identity,
    clip_of,
    file_name,
    refused,
)
from manifests.corpora.cremad_tables import (
    EMOTIONS,
    PEOPLE,
    SUMMARIES,
    VOTES,
    CremadActor,
    CremadTables,
    read_tables,
)
from manifests.corpora.media_files import AUDIO_SUFFIXES, MediaFile, list_media
from manifests.corpora.population import Population
from manifests.label_maps import own_space
from manifests.labels import Label
from manifests.quarantine import Reason
from manifests.schemes.assignment import Scheme
from manifests.schemes.holdouts import of_shape

ACTORS = range(1001, 1092)
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
_PUBLISHED_SUFFIXES = (".flv", ".mp3", ".wav")
_RULE = re.compile("([0-9]{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})")
_MISPRINTS = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
"""Copies made before the name was mended have the left form."""


class NotACremadName(ValueError):
    """The name breaks the published rule; the message says where."""


@dataclass(frozen=True)
class CremadName:
    """The four fields of a name, as codes."""

    actor: int
    sentence: str
    emotion: str
    level: str

    @property
    def stem(self) -> str:
        """The name, as the corpus writes it."""
        return f"{self.actor}_{self.sentence}_{self.emotion}_{self.level}"


def parse(stem: str) -> CremadName:
    """Reads a name.

    Args:
        stem: A file's name without its suffix.

    Returns:
        Its fields.

    Raises:
        NotACremadName: The published corpus cannot contain the name.
    """
    match = _RULE.fullmatch(_MISPRINTS.get(stem, stem))
    if not match:
        raise NotACremadName(
            f"the name is {stem!r}; expected actor, sentence, emotion and level, such as "
            "1001_DFA_ANG_XX"
        )
    name = CremadName(int(match[1]), match[2], match[3], match[4])
    if name.actor not in ACTORS:
        raise NotACremadName(
            f"the actor in the name {stem} is {name.actor}; expected {ACTORS[0]} to {ACTORS[-1]}"
        )
    for field, code, known in (
        ("sentence", match[2], SENTENCES),
        ("emotion", match[3], EMOTIONS),
        ("level", match[4], LEVELS),
    ):
        if code not in known:
            raise NotACremadName(
                f"the {field} in the name {stem} is {code}; expected one of {', '.join(known)}"
            )
    if (name.level != "XX") != (name.sentence == "IEO" and name.emotion != "NEU"):
        raise NotACremadName(
            f"the name {stem} has the level {name.level}; the corpus has LO, MD and HI for IEO "
            "alone, XX for all else"
        )
    return name


@dataclass(frozen=True, eq=False)
class Cremad(Corpus):
    """A corpus that follows the CREMA-D naming rule, in the published folders or any others.

    - `clip_id` is `cremad/stem` for a video, and `cremad/stem.wav` or `cremad/stem.mp3` (any audio
      suffix) for sound alone, whatever other files there are. `take_id` is `cremad/stem`,
      `subject_id` and `group_id` are `cremad/1001` (the actor).
    - Labels: `cremad6` and `cremad_level` by annotator `intended`; `cremad_sentence`,
      `cremad_modality` (`full-AV` for a video, `audio-only` for sound alone), `cremad_rendering`
      (the suffix of the file, such as flv, mp3 or wav), `cremad_age` (years), `cremad_race` and
      `cremad_ethnicity` by annotator `corpus`; `cremad6_voice`,
      `cremad6_face` and `cremad6_multimodal` by annotator `vote`: a tie is several labels of equal
      weight, so that the reader chooses what to do with it.
    - A name that the corpus cannot contain is a refused clip (unknown_name), with its path as its
      id.
    - Where several files have one id, the clip is the one with a published suffix, then the one in
      the fewest folders, then the first by path. Each other is a refused clip (duplicate), with its
      path as its id.
    """

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Yields:
            The clips.

        Raises:
            WrongPublishedTable: A table of the corpus cannot be taken as it is.
        """
        media = list_media(root, self.name)
        tables = read_tables(root)
        named: list[tuple[str, MediaFile, CremadName]] = []
        for file in media:
            try:
                name = parse(file.stem)
            except NotACremadName as error:
                unknown = (Reason.UNKNOWN_NAME, str(error))
                yield refused(self.name, file, *(file.fault or unknown))
                continue
            if file.fault:
                like = self._found(file, name, tables)
                yield refused(self.name, file, *file.fault, named=like)
            else:
                named.append((self._identity(name, _rendering(file.path)).clip_id, file, name))
        named.sort(key=lambda one: (one[0], one[1].rank(*_PUBLISHED_SUFFIXES)))
        for clip_id, files in groupby(named, key=lambda one: one[0]):
            (_, file, name), *copies = files
            yield self._found(file, name, tables)
            sentence = f"a second file of the clip {clip_id}, which is {file.path}"
            for _, copy, _ in copies:
                like = self._found(copy, name, tables)
                yield refused(self.name, copy, Reason.DUPLICATE, sentence, named=like)

    def identify(self, name: str) -> Identity | None:
        """What the naming rule says of a name.

        Args:
            name: A file name, a path or an id, with or without folders and suffix;
                `cremad-1001-DFA-ANG-XX`, the form of EmoBox's tables, is read as well.

        Returns:
            What is known of the clip, the sex aside: a name does not say it. None where the name
            breaks the rule.
        """
        file = file_name(name, self.name)
        stem = file.partition(".")[0].replace("-", "_")
        try:
            return self._identity(parse(stem), _rendering(file))
        except NotACremadName:
            return None

    def _identity(self, name: CremadName, rendering: str) -> Identity:
        actor, take = f"{self.name}/{name.actor}", f"{self.name}/{name.stem}"
        text = f"{self.name}/{name.sentence}"
        return Identity(
            f"{take}{rendering}", actor, actor, take, text_id=text, label=EMOTIONS[name.emotion]
        )

    def _found(self, file: MediaFile, name: CremadName, tables: CremadTables) -> Found:
        identity = self._identity(name, _rendering(file.path))
        actor = tables.actors.get(name.actor, CremadActor(None, ()))
        clip = replace(clip_of(identity, self.name, file.path), sex=actor.sex)
        return Found(
            clip, tuple(_labels(clip.clip_id, file, name, actor, tables.votes.get(name.stem, {})))
        )


def _rendering(path: str) -> str:
    """What a file's suffix adds to the id: sound alone has ids of its own."""
    suffix = "." + path.rpartition(".")[2].lower()
    return suffix if suffix in AUDIO_SUFFIXES else ""


def _modality(path: str) -> str:
    """In RAVDESS's words, so that one choice serves both."""
    return "audio-only" if _rendering(path) else "full-AV"


def _labels(
    clip_id: str,
    file: MediaFile,
    name: CremadName,
    actor: CremadActor,
    votes: Mapping[str, tuple[str, ...]],
) -> Iterator[Label]:
    yield Label(clip_id, "cremad6", INTENDED, EMOTIONS[name.emotion])
    yield Label(clip_id, "cremad_level", INTENDED, LEVELS[name.level])
    yield Label(clip_id, "cremad_sentence", BY_CORPUS, name.sentence)
    yield Label(clip_id, "cremad_modality", BY_CORPUS, _modality(file.path))
    yield Label(clip_id, "cremad_rendering", BY_CORPUS, file.suffix.removeprefix("."))
    for scheme, value in actor.facts:
        yield Label(clip_id, scheme, BY_CORPUS, value)
    for scheme, emotions in votes.items():
        yield from (
            Label(clip_id, scheme, VOTE, emotion, 1 / len(emotions)) for emotion in emotions
        )


def _is_name(stem: str) -> bool:
    try:
        return parse(stem).stem == stem
    except NotACremadName:
        return False


def _population() -> Population:
    """7,442 takes.

    An actor without a gap has 82, and five have fewer: cells are of the full 82, so bounds from
    above.
    """
    full = [
        sum(
            _is_name(f"{ACTORS[0]}_{sentence}_{emotion}_{level}")
            for sentence, level in product(SENTENCES, LEVELS)
        )
        for emotion in EMOTIONS
    ]
    aliases = {code.casefold(): word for code, word in EMOTIONS.items()} | {
        "anger": "angry",
        "fear": "fearful",
        "happiness": "happy",
        "sadness": "sad",
        "disgusted": "disgust",
    }
    # Counted from the published list of files.
    classes = {word: 1087 if word == "neutral" else 1271 for word in EMOTIONS.values()}
    cells = np.tile(np.array(full, np.int64), (len(ACTORS), 1))
    return Population("cremad", classes, cells, 3, aliases, len(ACTORS))


CREMAD = Cremad(
    name="cremad",
    licence="ODbL 1.0, DbCL 1.0: name source and authors; a derived database is shared alike.",
    licence_source="https://github.com/CheyneyComputerScience/CREMA-D/blob/master/LICENSE.txt",
    withheld="",
    label_schemes=(
        "cremad6",
        "cremad_level",
        "cremad_sentence",
        "cremad_modality",
        "cremad_rendering",
        *VOTES,
        *PEOPLE,
    ),
    shared_words={word: word for word in EMOTIONS.values()},
    label_spaces=(own_space("cremad6", "cremad6", " ".join(EMOTIONS.values())),),
    population=_population(),
    own_files=("VideoDemographics.csv", *SUMMARIES),
    severities={"L7": Severity.INFO},  # twelve sentences: every split shares them
    schemes=(
        Scheme(
            "cremad_56_18_17",
            of_shape(56, 18, 17),
            "Drawn by seed in audEERING's numbers of speakers (56 / 18 / 17), not their list.",
            corpus="cremad",
        ),
        Scheme(
            "cremad_63_9_19",
            of_shape(63, 9, 19),
            "Drawn by seed in the numbers of speakers that TFDS crema_d must have for its 5,144 / "
            "738 / 1,556 clips; not its list of speakers.",
            corpus="cremad",
        ),
    ),
)
