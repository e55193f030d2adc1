"""RAVDESS: the Ryerson Audio-Visual Database of Emotional Speech and Song.

Livingstone S. R., Russo F. A. (2018), PLoS ONE 13(5): e0196391; files: Zenodo 1188976. A file's
name describes it fully:

    01-02-05-02-01-02-12.mp4
    |  |  |  |  |  |  actor 01 to 24; odd numbers are men, even numbers women
    |  |  |  |  |  repetition 01, 02
    |  |  |  |  statement 01 "Kids are talking by the door", 02 "Dogs are sitting by the door"
    |  |  |  intensity 01 normal, 02 strong (neutral is never strong)
    |  |  emotion 01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgust,
    |  |          08 surprised (07 and 08 are never sung)
    |  channel 01 speech, 02 song (actor 18 did not sing)
    modality 01 full-AV, 02 video-only, 03 audio-only: three renderings of ONE take

So a take is named by the last six fields, and a split that looks at names alone puts twins on both
sides.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby, product
from pathlib import Path

import numpy as np

from manifests.audits import Severity
from manifests.clips import StreamKind
from manifests.corpora.base import (
    BY_CORPUS,
    INTENDED,
    PICTURES_ALONE,
    SOUND_ALONE,
    Corpus,
    Found,
    Identity,
    clip_of,
    file_name,
    refused,
)
from manifests.corpora.media_files import MediaFile, list_media
from manifests.corpora.population import CorpusPart, Population, UnknownFilter
from manifests.label_maps import own_space
from manifests.labels import Label
from manifests.quarantine import Reason
from manifests.schemes.assignment import LEAKING, Scheme
from manifests.schemes.holdouts import at_random, of_shape
from manifests.schemes.listed import listed

MODALITIES = ("full-AV", "video-only", "audio-only")
CHANNELS = ("speech", "song")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
ACTORS = 24
NEVER_SANG = 18

_SUFFIX = {"full-AV": ".mp4", "video-only": ".mp4", "audio-only": ".wav"}
_LACKS = {
    "full-AV": frozenset[StreamKind](),
    "video-only": PICTURES_ALONE,
    "audio-only": SOUND_ALONE,
}
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
        """Of the actor."""
        return "male" if self.actor % 2 else "female"


def parse(stem: str) -> RavdessName:
    """Reads a name.

    Args:
        stem: A file's name without its suffix.

    Returns:
        Its fields.

    Raises:
        NotARavdessName: The published corpus cannot contain the name.
    """
    match = _RULE.fullmatch(stem)
    if not match:
        raise NotARavdessName(
            f"the name is {stem!r}; expected seven numbers of two digits, such as "
            "01-01-03-02-01-01-12"
        )
    codes = [int(code) for code in match.groups()]
    for code, (kind, last) in zip(codes, _FIELDS.items(), strict=True):
        if not 1 <= code <= last:
            raise NotARavdessName(
                f"the {kind} in the name {stem} is {code:02d}; expected 01 to {last:02d}"
            )
    name = _of_codes(codes)
    if why := _why_impossible(name):
        raise NotARavdessName(f"the name {stem} says {why}")
    return name


def _of_codes(codes: Sequence[int]) -> RavdessName:
    modality, channel, emotion, intensity, statement, repetition, actor = codes
    return RavdessName(
        MODALITIES[modality - 1],
        CHANNELS[channel - 1],
        EMOTIONS[emotion - 1],
        INTENSITIES[intensity - 1],
        STATEMENTS[statement - 1],
        repetition,
        actor,
    )


def _why_impossible(name: RavdessName) -> str:
    """Why the corpus has no such clip; "" where it may have one."""
    if name.emotion == "neutral" and name.intensity == "strong":
        return "strong neutral; the corpus has neutral in normal intensity only"
    if name.channel == "song" and name.emotion in ("disgust", "surprised"):
        return f"a song with {name.emotion}; songs have the emotions 01 to 06 only"
    if name.channel == "song" and name.actor == NEVER_SANG:
        return f"a song by actor {NEVER_SANG}; that actor has speech only"
    return ""


_ALIASES = {
    "fear": "fearful",
    "surprise": "surprised",
    "disgusted": "disgust",
    "happiness": "happy",
    "anger": "angry",
    "sadness": "sad",
} | {f"{number:02d}": emotion for number, emotion in enumerate(EMOTIONS, 1)}
_FILTERS = {"modality": MODALITIES, "channel": CHANNELS}


@cache
def _names() -> tuple[RavdessName, ...]:
    """Every name that the rule allows: 7,356."""
    codes = product(*(range(1, last + 1) for last in _FIELDS.values()))
    return tuple(name for name in map(_of_codes, codes) if not _why_impossible(name))


@cache
def _count(part: CorpusPart) -> Population:
    """The clips of a part, by the naming rule."""
    for kind, known in _FILTERS.items():
        unknown = sorted(set(getattr(part, kind)) - set(known))
        if unknown:
            raise UnknownFilter(
                f"{unknown[0]!r} is no {kind} of RAVDESS; there are {', '.join(known)}"
            )
    cells = np.zeros((ACTORS, len(EMOTIONS)), np.int64)
    for name in _names():
        if (
            name.modality in (part.modality or MODALITIES)
            and name.channel in (part.channel or CHANNELS)
            and not (part.singers_only and name.actor == NEVER_SANG)
        ):
            cells[name.actor - 1, EMOTIONS.index(name.emotion)] += 1
    cells = cells[cells.sum(axis=1) > 0]
    counts = dict(zip(EMOTIONS, cells.sum(axis=0).tolist(), strict=True))
    return Population(
        "ravdess",
        {label: count for label, count in counts.items() if count},
        cells[:, cells.sum(axis=0) > 0],
        aliases=_ALIASES,
        often_merged={"calm": "neutral"},
        subjects=len(cells),
    )


@dataclass(frozen=True, eq=False)
class Ravdess(Corpus):
    """A corpus that follows the RAVDESS naming rule, in the published folders or any others.

    - `clip_id` is `name/stem`, `subject_id` and `group_id` are `name/NN` (the actor), `take_id` is
      `name/` and the last six fields.
    - All seven fields are labels or columns: `ravdess8` (the emotion) and `ravdess_intensity` by
      annotator `intended`, the others by annotator `corpus`; the actor is the subject.
    - By its name a video-only file never had sound, and an audio-only one never had pictures.
    - A name that the corpus cannot contain is a refused clip (unknown_name), with its path as its
      id.
    - Where one name occurs twice (some copies of the corpus hold the speech files once more in an
      inner folder), the clip is the file with the published suffix, then the one in the fewest
      folders, then the first by path. Each other is a refused clip (duplicate), with its path as
      its id.
    """

    label_schemes: tuple[str, ...] = (
        "ravdess8",
        "ravdess_intensity",
        "ravdess_modality",
        "ravdess_channel",
        "ravdess_statement",
        "ravdess_repetition",
    )
    severities: Mapping[str, Severity] = field(
        # Two sentences: every split shares them.
        default_factory=lambda: {"L7": Severity.INFO}
    )

    def find(self, root: Path) -> Iterator[Found]:
        by_stem = sorted(list_media(root, self.name), key=lambda file: file.stem)
        for stem, files in groupby(by_stem, key=lambda file: file.stem):
            yield from self._of_one_name(stem, files)

    def lacks(self, path: str) -> frozenset[StreamKind]:
        modality = parse(file_name(path).rpartition(".")[0]).modality
        return _LACKS[modality] | super().lacks(path)  # sound was cut out of some copies' videos

    def identify(self, name: str) -> Identity | None:
        stem = file_name(name, "ravdess").partition(".")[0]
        try:
            return self._identity(stem, parse(stem))
        except NotARavdessName:
            return None

    def part(self, part: CorpusPart) -> Population:
        """Counts the clips of a part of the corpus, by the naming rule.

        Speech clips with sound and picture: 1,440. With song: 2,452. Speech with picture, sound or
        not: 2,880; with song 4,904, of which 4,784 by the 23 actors who sang.

        Args:
            part: The part.

        Returns:
            The clips.

        Raises:
            UnknownFilter: A filter is not among the corpus's own.
        """
        return _count(part)

    def named_parts(self) -> Mapping[str, CorpusPart]:
        parts = (
            CorpusPart(modality, channel, singers)
            for modality, channel, singers in product(
                (MODALITIES[:1], MODALITIES[:2], MODALITIES),
                (CHANNELS[:1], CHANNELS),
                (False, True),
            )
        )
        return {", ".join(part.words): part for part in parts}

    def with_silent(self, part: CorpusPart) -> CorpusPart | None:
        return replace(part, modality=MODALITIES[:2]) if part.modality == MODALITIES[:1] else None

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
        try:
            name = parse(stem)
        except NotARavdessName as wrong:
            unknown = (Reason.UNKNOWN_NAME, str(wrong))
            yield from (refused(self.name, file, *(file.fault or unknown)) for file in files)
            return
        sound = []
        for file in files:
            if file.fault:
                yield refused(self.name, file, *file.fault, named=self._found(file, name))
            else:
                sound.append(file)
        sound.sort(key=lambda file: file.rank(_SUFFIX[name.modality]))
        for copy in sound[1:]:
            yield refused(
                self.name,
                copy,
                Reason.DUPLICATE,
                f"a second file of the name {stem}; the clip is {sound[0].path}",
                named=self._found(copy, name),
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
    licence_source="https://zenodo.org/records/1188976",
    withheld="",
    shared_words={emotion: emotion for emotion in EMOTIONS} | {"calm": "neutral"},
    label_spaces=(
        own_space("ravdess8", "ravdess8", "neutral calm happy sad angry fearful disgust surprised"),
        own_space(
            "ravdess7",
            "ravdess8",
            "neutral happy sad angry fearful disgust surprised",
            merged={"calm": "neutral"},
        ),
    ),
    # As takes: each is published with sound and picture, without sound, and as sound alone.
    population=replace(_count(CorpusPart(MODALITIES[:1])), cells=None, renderings=len(MODALITIES)),
    schemes=(
        Scheme(
            "tcs2026_15_5_4",
            of_shape(15, 5, 4),
            "15 / 5 / 4 actors as the text of TCS 2026 says, drawn by seed since none are named; "
            "its printed test counts fit no 4 actors.",
            corpus="ravdess",
        ),
        Scheme(
            "luna_jimenez_5fold",
            listed(
                "02 05 14 15 16",
                "03 06 07 13 18",
                "10 11 12 19 20",
                "08 17 21 23 24",
                "01 04 09 22",
            ),
            "RAVDESS, five folds of actors: Luna-Jimenez et al. 2021, README of "
            "cristinalunaj/MMEmotionRecognition; folds 0 to 4 as there.",
            corpus="ravdess",
            published=True,
        ),
        Scheme(
            "emobox_6fold",
            listed(
                "01 11 20 21",
                "04 10 12 14",
                "08 09 19 23",
                "03 05 07 24",
                "02 15 16 18",
                "06 13 17 22",
                first=1,
            ),
            "RAVDESS, six folds of four actors: EmoBox 2024, data/ravdess; folds 1 to 6 as there. "
            "Fold 2 tests women only.",
            corpus="ravdess",
            published=True,
        ),
        Scheme(
            f"satvik2025_audio_85_15{LEAKING}",
            at_random(0.15),
            "Satvik: audio clips 85 / 15, actors on both sides. No validation.",
            keeps=(),
            corpus="ravdess",
        ),
    ),
)
