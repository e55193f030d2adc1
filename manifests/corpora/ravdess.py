"""RAVDESS: the Ryerson Audio-Visual Database of Emotional Speech and Song.

Livingstone S. R., Russo F. A. (2018), PLoS ONE 13(5): e0196391; files: Zenodo 1188976. A file's
name is its whole description:

    01-02-05-02-01-02-12.mp4
    |  |  |  |  |  |  actor 01 to 24; odd numbers are men, even numbers women
    |  |  |  |  |  repetition 01, 02
    |  |  |  |  statement 01 "Kids are talking by the door", 02 "Dogs are sitting by the door"
    |  |  |  intensity 01 normal, 02 strong (neutral is never strong)
    |  |  emotion 01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgust, 08 surprised (07 and 08 are never sung)
    |  channel 01 speech, 02 song (actor 18 did not sing)
    modality 01 full-AV, 02 video-only, 03 audio-only: three renderings of ONE take

So a take is named by the last six fields, and a split that looks at names alone puts twins on both
sides.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from manifests.corpora.base import (
    BY_CORPUS,
    INTENDED,
    Found,
    Identity,
    MediaFile,
    clip_of,
    list_media,
    refused,
)
from manifests.labels import Label
from manifests.quarantine import Reason

MODALITIES = ("full-AV", "video-only", "audio-only")
CHANNELS = ("speech", "song")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
ACTORS = 24
NEVER_SANG = 18

_SUFFIX = {"full-AV": ".mp4", "video-only": ".mp4", "audio-only": ".wav"}
_FIELDS = {
    "modality": 3,
    "channel": 2,
    "emotion": 8,
    "intensity": 2,
    "statement": 2,
    "repetition": 2,
    "actor": ACTORS,
}
_RULE = re.compile("-".join(["([0-9]{2})"] * len(_FIELDS)))


class NotARavdessName(ValueError):
    """The name breaks the published rule; the message says where."""


@dataclass(frozen=True)
class RavdessName:
    """The seven fields of a name, in words where the corpus has words."""

    modality: str
    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: int
    actor: int

    @property
    def sex(self) -> str:
        return "male" if self.actor % 2 else "female"


def parse(stem: str) -> RavdessName:
    """A file's name without its suffix -> its fields; NotARavdessName for any name that the
    published corpus cannot contain."""
    match = _RULE.fullmatch(stem)
    if not match:
        raise NotARavdessName(
            f"the name is {stem!r}; expected seven numbers of two digits, such as "
            "01-01-03-02-01-01-12"
        )
    codes = [int(code) for code in match.groups()]
    for code, (field, last) in zip(codes, _FIELDS.items(), strict=True):
        if not 1 <= code <= last:
            raise NotARavdessName(
                f"the {field} in the name {stem} is {code:02d}; expected 01 to {last:02d}"
            )
    modality, channel, emotion, intensity, statement, repetition, actor = codes
    name = RavdessName(
        MODALITIES[modality - 1],
        CHANNELS[channel - 1],
        EMOTIONS[emotion - 1],
        INTENSITIES[intensity - 1],
        STATEMENTS[statement - 1],
        repetition,
        actor,
    )
    _refuse_impossible(stem, name)
    return name


def _refuse_impossible(stem: str, name: RavdessName) -> None:
    if name.emotion == "neutral" and name.intensity == "strong":
        raise NotARavdessName(
            f"the name {stem} says strong neutral; the corpus has neutral in normal intensity only"
        )
    if name.channel == "song" and name.emotion in ("disgust", "surprised"):
        raise NotARavdessName(
            f"the name {stem} says a song with {name.emotion}; songs have the emotions 01 to 06 "
            "only"
        )
    if name.channel == "song" and name.actor == NEVER_SANG:
        raise NotARavdessName(
            f"the name {stem} says a song by actor {NEVER_SANG}; that actor has speech only"
        )


@dataclass(frozen=True)
class Ravdess:
    """A corpus that follows the RAVDESS naming rule, in the published folders or any others.

    - `clip_id` is `name/stem`, `subject_id` and `group_id` are `name/NN` (the actor), `take_id` is
      `name/` and the last six fields.
    - All seven fields are labels or columns: `ravdess8` (the emotion) and `ravdess_intensity` by
      annotator `intended`, the others by
      annotator `corpus`; the actor is the subject.
    - A name that the corpus cannot contain is a refused clip (unknown_name), with its path as its
      id.
    - Where one name occurs twice (some copies of the corpus hold the speech files once more in an
      inner folder), the clip is the file
      with the published suffix, then the one in the fewest folders, then the first by path. Each
      other is a refused clip (duplicate),
      with its path as its id.
    """

    name: str
    licence: str
    label_schemes: tuple[str, ...] = (
        "ravdess8",
        "ravdess_intensity",
        "ravdess_modality",
        "ravdess_channel",
        "ravdess_statement",
        "ravdess_repetition",
    )

    def scan(self, root: Path) -> list[Found]:
        by_stem = sorted(list_media(root, self.name), key=lambda file: file.stem)
        found = [
            one
            for stem, files in groupby(by_stem, key=lambda file: file.stem)
            for one in self._of_one_name(stem, files)
        ]
        return sorted(found, key=lambda one: one.clip.clip_id)

    def identify(self, name: str) -> Identity | None:
        """What a file name, a path or an id says, with or without folders and suffix; None when it
        breaks the naming rule."""
        stem = name.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        try:
            return self._identity(stem, parse(stem))
        except NotARavdessName:
            return None

    def _identity(self, stem: str, name: RavdessName) -> Identity:
        actor = f"{self.name}/{name.actor:02d}"
        return Identity(
            clip_id=f"{self.name}/{stem}",
            subject_id=actor,
            group_id=actor,
            take_id=f"{self.name}/{stem.partition('-')[2]}",
            sex=name.sex,
            text_id=f"{self.name}/{name.statement}",
            label=name.emotion,
        )

    def _of_one_name(self, stem: str, files: Iterable[MediaFile]) -> Iterator[Found]:
        sound = []
        for file in files:
            if file.fault:
                yield refused(self.name, file, *file.fault)
            else:
                sound.append(file)
        try:
            name = parse(stem)
        except NotARavdessName as wrong:
            yield from (refused(self.name, file, Reason.UNKNOWN_NAME, str(wrong)) for file in sound)
            return
        sound.sort(
            key=lambda file: (
                file.suffix != _SUFFIX[name.modality],
                file.path.count("/"),
                file.path,
            )
        )
        for copy in sound[1:]:
            yield refused(
                self.name,
                copy,
                Reason.DUPLICATE,
                f"a second file of the name {stem}; the clip is {sound[0].path}",
            )
        if sound:
            yield self._found(sound[0], name)

    def _found(self, file: MediaFile, name: RavdessName) -> Found:
        identity = self._identity(file.stem, name)
        clip = clip_of(identity, self.name, file.path)
        return Found(clip, tuple(_labels(clip.clip_id, name)))


def _labels(clip_id: str, name: RavdessName) -> Iterator[Label]:
    yield Label(clip_id, "ravdess8", INTENDED, name.emotion)
    yield Label(clip_id, "ravdess_intensity", INTENDED, name.intensity)
    yield Label(clip_id, "ravdess_modality", BY_CORPUS, name.modality)
    yield Label(clip_id, "ravdess_channel", BY_CORPUS, name.channel)
    yield Label(clip_id, "ravdess_statement", BY_CORPUS, name.statement)
    yield Label(clip_id, "ravdess_repetition", BY_CORPUS, str(name.repetition))


RAVDESS = Ravdess(
    name="ravdess",
    licence="CC BY-NC-SA 4.0: not for commercial use without a bought licence; name the authors; "
    "what is derived is shared alike.",
)
