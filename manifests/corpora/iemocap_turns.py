"""IEMOCAP's turns: how they are named, and what the EmoEvaluation files say of them.

A turn's name, `Ses01F_impro01_M003`, `Ses05M_script01_1b_F012`:

    Ses01F            session 1; F: she wears the markers for motion capture in this dialogue
          _impro01    improvisation 1; or script01_1: script 1, part 1
                  _M003   he speaks, turn 3

The speaker is the session and the letter of the LAST token; the first letter is the actor with
markers, who is on the left half of the picture, while the other one is on the right.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from manifests.corpora.base import VOTE, Identity
from manifests.corpora.text_files import read_text
from manifests.labels import Label

EMOTIONS = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
"""`xxx`: the raters did not agree; `oth`: they agreed that it is none of the others."""
DIMENSIONS = {"val": "valence", "act": "activation", "dom": "dominance"}

DIALOGUE = r"(Ses0[1-5])([FM])_(impro[0-9]{2}[a-z]?|script[0-9]{2}_[0-9][a-z]?)"
_TURN = rf"{DIALOGUE}_([FM])([0-9]{{3}})"
_SEX = {"F": "female", "M": "male"}
_NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]+)?"
_HEAD = re.compile(
    rf"\[({_NUMBER}) - ({_NUMBER})\]\s+(\S+)\s+(\S+)\s+\[({_NUMBER}), ({_NUMBER}), ({_NUMBER})\]"
)
_RATER = re.compile(r"(C|A)-([EFM])([0-9]*):(.*?)(?:\(.*\)?)?")
_JUDGED = re.compile(rf"(val|act|dom)\s*({_NUMBER})?")
_KIND = {"E": "evaluators", "F": "self", "M": "self"}


class WrongEvaluation(ValueError):
    """An EmoEvaluation file cannot be understood; the message names file and line."""


@dataclass(frozen=True)
class IemocapName:
    """A turn's name, in its parts."""

    session: str
    """`Ses01`"""
    markers: str
    """`F` or `M`: who wears the markers."""
    scene: str
    """`impro01` or `script01_1`."""
    speaker: str
    """`F` or `M`: who speaks."""
    number: str

    @property
    def dialogue(self) -> str:
        """The dialogue that the turn is of, as its files are named."""
        return f"{self.session}{self.markers}_{self.scene}"

    @property
    def stem(self) -> str:
        """The name, as the corpus writes it."""
        return f"{self.dialogue}_{self.speaker}{self.number}"

    @property
    def region(self) -> str:
        """The half of the dialogue's frame that shows who speaks."""
        return "left" if self.speaker == self.markers else "right"

    @property
    def text_id(self) -> str | None:
        """The part of a script, which several sessions act; None for an improvisation.

        More can be known from transcripts alone.
        """
        return f"iemocap/{self.scene}" if self.scene.startswith("script") else None

    def identity(self) -> Identity:
        """All that the name says of its clip."""
        return Identity(
            clip_id=f"iemocap/{self.stem}",
            subject_id=f"iemocap/{self.session}{self.speaker}",
            group_id=f"iemocap/{self.session}",
            take_id=f"iemocap/{self.stem}",
            sex=_SEX[self.speaker],
            text_id=self.text_id,
            session_id=f"iemocap/{self.session}",
            dialogue_id=f"iemocap/{self.dialogue}",
        )


def parse(stem: str) -> IemocapName | None:
    """Reads a turn's name.

    Args:
        stem: A name without suffix.

    Returns:
        Its parts; None where it breaks the rule.
    """
    match = re.fullmatch(_TURN, stem)
    return IemocapName(*match.groups()) if match else None


@dataclass(frozen=True)
class IemocapTurn:
    """One turn, as its EmoEvaluation file has it. Seconds are of the dialogue."""

    name: IemocapName
    start_s: float
    end_s: float
    labels: tuple[Label, ...]


def read_turns(path: Path) -> list[IemocapTurn]:
    """Reads all turns of one dialogue from its EmoEvaluation file, which has lines such as these:

        % a comment
        [6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]
        C-E2:<tab>Neutral; Other;<tab>(a remark)
        A-E3:<tab>val 3; act 2; dom  2;<tab>(a remark)

    The second begins a turn: its span, its name, its category, and the means of valence, activation
    and dominance. The third has one rater's categories, in the rater's words; the fourth one
    rater's numbers, of which any may be missing. Raters E1, E2, ... listened; F1 and M1 are the
    actors, who judged themselves.

    Args:
        path: The file.

    Returns:
        The turns, in the file's order.

    Raises:
        WrongEvaluation: The file cannot be read, or has another line.
    """
    content = read_text(path, WrongEvaluation, "the turns of a dialogue")
    turns: list[IemocapTurn] = []
    line_of: dict[str, int] = {}
    for line, text in enumerate(content.split("\n"), 1):
        if not text.strip() or text.startswith("%"):
            continue
        if text.startswith("["):
            turn = _turn(path, line, text.rstrip())
            first = line_of.setdefault(turn.name.stem, line)
            if first != line:
                raise _wrong(
                    path, line, f"names {turn.name.stem}, as line {first} does; keep one of the two"
                )
            turns.append(turn)
        elif not turns:
            raise _wrong(
                path,
                line,
                "comes before the first turn; expected a line like [6.2901 - 8.2357] and a turn's "
                "name",
            )
        else:
            turns[-1] = _rated(turns[-1], _ratings(path, line, text.strip(), turns[-1].name))
    return turns


def _turn(path: Path, line: int, text: str) -> IemocapTurn:
    match = _HEAD.fullmatch(text)
    if not match:
        example = (
            "[6.2901 - 8.2357], Ses01F_impro01_F000, neu and [2.5000, 2.5000, 2.5000], with "
            "tabs between"
        )
        raise _wrong(path, line, f"is {text[:100]!r}; expected four columns such as {example}")
    start, end, stem, emotion, *means = match.groups()
    name = parse(stem)
    if name is None or name.dialogue != path.stem:
        raise _wrong(
            path,
            line,
            f"names {stem!r}; expected a turn of this dialogue, such as {path.stem}_F000",
        )
    if emotion not in EMOTIONS:
        raise _wrong(path, line, f"has the emotion {emotion!r}; expected {', '.join(EMOTIONS)}")
    if not 0 <= float(start) < float(end):
        raise _wrong(
            path, line, f"goes from {start} s to {end} s; expected a span that ends after it starts"
        )
    clip_id = f"iemocap/{stem}"
    numbers = (
        Label(clip_id, f"iemocap_{dim}", VOTE, _plain(mean))
        for dim, mean in zip(DIMENSIONS.values(), means, strict=True)
    )
    return IemocapTurn(
        name, float(start), float(end), (Label(clip_id, "iemocap", VOTE, emotion), *numbers)
    )


def _ratings(path: Path, line: int, text: str, name: IemocapName) -> Iterator[Label]:
    match = _RATER.fullmatch(text)
    if not match:
        raise _wrong(
            path,
            line,
            f"is {text[:100]!r}; expected a turn, or a rater's line such as C-E2: Neutral; ()",
        )
    what, letter, number, judged = match.groups()
    rater, scheme = f"{what}-{letter}{number}", f"iemocap_{_KIND[letter]}"
    words = list(
        dict.fromkeys(word for word in (part.strip() for part in judged.split(";")) if word)
    )
    if what == "C":
        yield from (
            Label(f"iemocap/{name.stem}", scheme, rater, word, 1 / len(words)) for word in words
        )
        return
    for word in words:
        number_of = _JUDGED.fullmatch(word)
        if not number_of:
            raise _wrong(
                path, line, f"has {word!r} of {rater}; expected val, act or dom and a number"
            )
        if number_of[2]:
            yield Label(
                f"iemocap/{name.stem}",
                f"{scheme}_{DIMENSIONS[number_of[1]]}",
                rater,
                _plain(number_of[2]),
            )


def _rated(turn: IemocapTurn, ratings: Iterable[Label]) -> IemocapTurn:
    """With the ratings; of the same judgement twice, the first."""
    judged = {(label.scheme, label.annotator, label.value) for label in turn.labels}
    new = (label for label in ratings if (label.scheme, label.annotator, label.value) not in judged)
    return replace(turn, labels=(*turn.labels, *new))


def _plain(number: str) -> str:
    return f"{float(number):g}"


def _wrong(path: Path, line: int, what: str) -> WrongEvaluation:
    return WrongEvaluation(f"{path}: line {line} {what}")
