"""The sample corpus: what it consists of.

Names follow RAVDESS, so that every rule of that corpus holds; nobody acted them.

`flows.sample.pictures` draws the media; here is only the list, and the scan (RAVDESS's own, under
another name).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from manifests.corpora.ravdess import ACTORS, EMOTIONS, Ravdess

MOST_TAKES = 4
_ORDER = ("neutral", "happy", "sad", "angry", "calm", "fearful", "disgust", "surprised")
"""The first n of these are the n emotions of a sample."""


class Defect(StrEnum):
    """What a clip of the sample lacks, on purpose."""

    NO_FACE = "no_face"
    """A background with nobody in front."""
    NO_SOUND = "no_sound"
    """No audio stream; modality 02, video-only."""
    TRUNCATED = "truncated"
    """The first half of a sound file's bytes: the header opens and declares twice what is there."""


@dataclass(frozen=True)
class SampleClip:
    """One clip of the sample: numbers as RAVDESS's names have them, and the emotion in words."""

    actor: int
    emotion: str
    intensity: int
    statement: int
    repetition: int
    defect: Defect | None = None

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        modality = 2 if self.defect is Defect.NO_SOUND else 1
        emotion = EMOTIONS.index(self.emotion) + 1
        fields = (modality, 1, emotion, self.intensity, self.statement, self.repetition, self.actor)
        return "-".join(f"{field:02d}" for field in fields)

    @property
    def path(self) -> str:
        """Of the file, below the corpus root."""
        return f"Actor_{self.actor:02d}/{self.stem}.mp4"


def sample_clips(actors: int = 6, emotions: int = 4, takes: int = 2) -> list[SampleClip]:
    """Lists the clips of a sample.

    Takes are repetitions 01 and 02 of statement 01, then of statement 02. The clips with a defect
    are further takes (strong intensity).

    Args:
        actors: Number of actors.
        emotions: Number of emotions.
        takes: Clips of each actor and emotion, at most MOST_TAKES.

    Returns:
        actors x emotions x takes sound clips, then one clip for each defect.

    Raises:
        ValueError: RAVDESS has no names for so many.
    """
    for what, given, most in (
        ("actors", actors, ACTORS),
        ("emotions", emotions, len(EMOTIONS)),
        ("takes", takes, MOST_TAKES),
    ):
        if not 1 <= given <= most:
            raise ValueError(
                f"a sample of {given} {what} was asked for; RAVDESS names allow 1 to {most}"
            )
    return [*_sound_clips(actors, emotions, takes), *_defect_clips(actors)]


def _sound_clips(actors: int, emotions: int, takes: int) -> Iterator[SampleClip]:
    for actor in range(1, actors + 1):
        for emotion in _ORDER[:emotions]:
            for take in range(takes):
                yield SampleClip(
                    actor, emotion, intensity=1, statement=take // 2 + 1, repetition=take % 2 + 1
                )


def _defect_clips(actors: int) -> Iterator[SampleClip]:
    for number, (defect, emotion) in enumerate(zip(Defect, ("happy", "sad", "angry"), strict=True)):
        yield SampleClip(
            number % actors + 1, emotion, intensity=2, statement=1, repetition=1, defect=defect
        )


SAMPLE = Ravdess(
    name="sample",
    licence="Made by this software from a portrait in the public domain; free for any use.",
    withheld="",
    has_own_names=False,
)
