"""IEMOCAP: the Interactive Emotional Dyadic Motion Capture database.

Busso C. et al. (2008), Language Resources and Evaluation 42(4): 335-359. Five sessions of one woman
and one man each. The layout:

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt                    turns of a dialogue: times, labels, what each rater said
    Session1/dialog/avi/DivX/Ses01F_impro01.avi                         the dialogue: both speakers side by side
    Session1/dialog/wav/Ses01F_impro01.wav                              its sound
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav       the sound of one turn

and a turn's name, `Ses01F_impro01_M003`, `Ses05M_script01_1b_F012`:

    Ses01F            session 1; F: she wears the markers for motion capture in this dialogue
          _impro01    improvisation 1; or script01_1: script 1, part 1
                  _M003   he speaks, turn 3

The speaker is the session and the letter of the LAST token; the first letter is the actor with
markers, who is on the left half of the picture, while the other one is on the right.

A clip is one turn: a span of the dialogue's video, and the half of the frame that shows its
speaker. It is cut by decoding, so that the span is exact to the sample (a stream copy begins at the
key frame before).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from manifests.corpora.base import (
    AUDIO_SUFFIXES,
    VOTE,
    Found,
    Identity,
    MediaFile,
    clip_of,
    list_media,
    refused,
)
from manifests.labels import Label
from manifests.quarantine import BadClip, Reason

EMOTIONS = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
"""`xxx`: the raters did not agree; `oth`: they agreed that it is none of the others."""
DIMENSIONS = {"val": "valence", "act": "activation", "dom": "dominance"}

_DIALOGUE = r"(Ses0[1-5])([FM])_(impro[0-9]{2}[a-z]?|script[0-9]{2}_[0-9][a-z]?)"
_TURN = rf"{_DIALOGUE}_([FM])([0-9]{{3}})"
_SEX = {"F": "female", "M": "male"}
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_HEAD = re.compile(
    rf"\[({_NUMBER}) - ({_NUMBER})\]\s+(\S+)\s+(\S+)\s+\[({_NUMBER}), ({_NUMBER}), ({_NUMBER})\]"
)
_RATER = re.compile(r"(C|A)-([EFM])([0-9]*):(.*?)(?:\(.*\)?)?")
_JUDGED = re.compile(rf"(val|act|dom)\s*({_NUMBER})?")
_KIND = {"E": "evaluators", "F": "self", "M": "self"}
_FOLDER = "EmoEvaluation"


class MissingEvaluation(FileNotFoundError):
    """There are clips of IEMOCAP and no EmoEvaluation file, so nobody knows where a turn begins."""


class WrongEvaluation(ValueError):
    """An EmoEvaluation file cannot be understood; the message names file and line."""


@dataclass(frozen=True)
class Name:
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
        return f"{self.session}{self.markers}_{self.scene}"

    @property
    def stem(self) -> str:
        return f"{self.dialogue}_{self.speaker}{self.number}"

    @property
    def region(self) -> str:
        """The half of the dialogue's frame that shows who speaks."""
        return "left" if self.speaker == self.markers else "right"

    @property
    def text_id(self) -> str | None:
        """The part of a script, which several sessions act; None for an improvisation. More can be
        told from transcripts alone."""
        return f"iemocap/{self.scene}" if self.scene.startswith("script") else None

    def identity(self) -> Identity:
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


def parse(stem: str) -> Name | None:
    """A turn's name -> its parts; None where it breaks the rule."""
    match = re.fullmatch(_TURN, stem)
    return Name(*match.groups()) if match else None


@dataclass(frozen=True)
class Turn:
    """One turn, as its EmoEvaluation file has it. Seconds are of the dialogue."""

    name: Name
    start_s: float
    end_s: float
    labels: tuple[Label, ...]


def read_turns(path: Path) -> list[Turn]:
    """All turns of one dialogue, in the file's order; WrongEvaluation for a line that is none of
    these:

        % a comment
        [6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]     valence, activation, dominance: means
        C-E2:<tab>Neutral; Other;<tab>(a remark)                                           one rater's categories, in the rater's words
        A-E3:<tab>val 3; act 2; dom  2;<tab>(a remark)                                     one rater's numbers; any may be missing

    Raters E1, E2, ... listened; F1 and M1 are the actors, who judged themselves.
    """
    turns: list[Turn] = []
    line_of: dict[str, int] = {}
    for line, text in enumerate(_text(path).split("\n"), 1):
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


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongEvaluation(
            f"{path}: the file cannot be read ({error.strerror}); expected the turns of a dialogue"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _wrong(
            path, line, f"is not UTF-8 (byte {data[error.start]:#04x}); save the file as UTF-8"
        ) from error


def _turn(path: Path, line: int, text: str) -> Turn:
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
    return Turn(
        name, float(start), float(end), (Label(clip_id, "iemocap", VOTE, emotion), *numbers)
    )


def _ratings(path: Path, line: int, text: str, name: Name) -> Iterator[Label]:
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


def _rated(turn: Turn, ratings: Iterable[Label]) -> Turn:
    """With the ratings; of the same judgement twice, the first."""
    judged = {(label.scheme, label.annotator, label.value) for label in turn.labels}
    new = (label for label in ratings if (label.scheme, label.annotator, label.value) not in judged)
    return replace(turn, labels=(*turn.labels, *new))


def _plain(number: str) -> str:
    return f"{float(number):g}"


def _wrong(path: Path, line: int, what: str) -> WrongEvaluation:
    return WrongEvaluation(f"{path}: line {line} {what}")


@dataclass(frozen=True)
class Iemocap:
    """IEMOCAP by its EmoEvaluation files; see the module's text for ids, spans and halves.

    - A turn's file is the dialogue's video where there is one (a span and a half of it), else the
      sentence's own sound file, else the
      dialogue's sound (a span of it). The other renderings of a turn that has a clip are no clips,
      and are not listed.
    - `group_id` is the session: its two speakers share every dialogue, so nobody can be tested
      without the other.
    - Labels: `iemocap` (the category) and `iemocap_valence`, `iemocap_activation`,
      `iemocap_dominance` (means of ratings from 1 to 5, as
      numbers) by annotator `vote`. What each rater said is in schemes of its own, under the rater's
      id in the file (`C-E2`, `A-E3`,
      `C-F1`): `iemocap_evaluators` for those who listened, `iemocap_self` for the actors, and the
      same with `_valence`, `_activation`
      and `_dominance`. Where a rater chose several categories, each has an equal share of the
      weight.
    - A turn without any file is refused (unreadable); a session without a single file is not there,
      and its turns are not listed.
    - A file that no turn stands for, or with another name, is refused (unknown_name); so is a video
      of one turn, since nobody knows how it
      was cut. Of several files of one name and kind, the clip is the .avi or .wav, then the one in
      the fewest folders, then the first by
      path; each other is refused (duplicate).
    """

    name: str = "iemocap"
    licence: str = (
        "Only for those who signed the release form of USC SAIL: pass on neither media "
        "nor transcripts; treat features alike."
    )
    label_schemes: tuple[str, ...] = (
        "iemocap",
        *(f"iemocap_{dimension}" for dimension in DIMENSIONS.values()),
        *(
            f"iemocap_{kind}{dim}"
            for kind in ("evaluators", "self")
            for dim in ("", *(f"_{word}" for word in DIMENSIONS.values()))
        ),
    )

    def scan(self, root: Path) -> list[Found]:
        """As `Corpus.scan`; MissingEvaluation where there are clips and no EmoEvaluation file,
        WrongEvaluation for a broken one."""
        media = list_media(root, self.name)
        found: list[Found] = []
        files: dict[tuple[str, str], MediaFile] = {}
        for key, same in groupby(
            sorted(media, key=_rank), key=lambda file: (_kind(file), file.stem)
        ):
            found += self._choose(key, same, files)
        if files:
            evaluations = _evaluations(root)
            turns = {
                turn.name.stem: turn for path in evaluations.values() for turn in read_turns(path)
            }
            sessions = {stem[:5] for _, stem in files}
            found += [
                self._found(turn, files) for turn in turns.values() if turn.name.session in sessions
            ]
            found += self._without_turn(files, turns, evaluations)
        return sorted(found, key=lambda one: one.clip.clip_id)

    def identify(self, name: str) -> Identity | None:
        """What a file name, a path or an id says, with or without folders and suffix; None when it
        is no turn's name."""
        parsed = parse(name.replace("\\", "/").rpartition("/")[2].partition(".")[0])
        return parsed.identity() if parsed else None

    def _choose(
        self,
        key: tuple[str, str],
        same: Iterable[MediaFile],
        files: dict[tuple[str, str], MediaFile],
    ) -> Iterator[Found]:
        """Refuses what is no file of the corpus, and adds the best of the others to `files`."""
        kind, stem = key
        for file in same:
            if file.fault:
                yield refused(self.name, file, *file.fault)
            elif kind == _STRANGE:
                detail = (
                    f"the name is {file.path!r}; expected a dialogue (Ses01F_impro01.avi) or "
                    "the sound of a turn (Ses01F_impro01_F000.wav)"
                )
                yield refused(self.name, file, Reason.UNKNOWN_NAME, detail)
            elif key in files:
                yield refused(
                    self.name,
                    file,
                    Reason.DUPLICATE,
                    f"a second file of the name {stem}; the clip is {files[key].path}",
                )
            else:
                files[key] = file

    def _found(self, turn: Turn, files: Mapping[tuple[str, str], MediaFile]) -> Found:
        name = turn.name
        video, sentence, sound = (
            files.get(key)
            for key in ((_VIDEO, name.dialogue), (_SENTENCE, name.stem), (_SOUND, name.dialogue))
        )
        file = video or sentence or sound
        spanned = file is not sentence
        session = f"Session{name.session[-1]}"
        clip = replace(
            clip_of(
                name.identity(),
                self.name,
                file.path if file else f"{session}/dialog/avi/DivX/{name.dialogue}.avi",
            ),
            start_s=turn.start_s if spanned else None,
            end_s=turn.end_s if spanned else None,
            region=name.region if video else None,
        )
        detail = (
            f"{name.dialogue}.txt has the turn {name.stem}, and there is no file of it; "
            f"expected {clip.path}"
        )
        return Found(
            clip, turn.labels, None if file else BadClip(clip.clip_id, Reason.UNREADABLE, detail)
        )

    def _without_turn(
        self,
        files: Mapping[tuple[str, str], MediaFile],
        turns: Mapping[str, Turn],
        evaluations: Mapping[str, Path],
    ) -> Iterator[Found]:
        for (kind, stem), file in files.items():
            if kind == _SENTENCE and stem not in turns:
                yield refused(
                    self.name,
                    file,
                    Reason.UNKNOWN_NAME,
                    f"no {_FOLDER} file has the turn {stem}, so it has no label",
                )
            elif kind != _SENTENCE and stem not in evaluations:
                detail = (
                    f"there is no {_FOLDER}/{stem}.txt, so nobody knows where its turns "
                    "begin; copy that file into the corpus"
                )
                yield refused(self.name, file, Reason.UNKNOWN_NAME, detail)


_VIDEO, _SOUND, _SENTENCE, _STRANGE = "dialogue video", "dialogue sound", "sentence", "strange"


def _kind(file: MediaFile) -> str:
    audio = file.suffix in AUDIO_SUFFIXES
    if re.fullmatch(_DIALOGUE, file.stem):
        return _SOUND if audio else _VIDEO
    return _SENTENCE if audio and parse(file.stem) else _STRANGE


def _rank(file: MediaFile) -> tuple[str, str, bool, int, str]:
    return (
        _kind(file),
        file.stem,
        file.suffix not in {".avi", ".wav"},
        file.path.count("/"),
        file.path,
    )


def _evaluations(root: Path) -> dict[str, Path]:
    """Dialogue -> its EmoEvaluation file."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob(f"{_FOLDER}/*.txt"), key=lambda path: (len(path.parts), path)):
        if not re.fullmatch(_DIALOGUE, path.stem) or any(
            part.startswith(".") for part in path.relative_to(root).parts
        ):
            continue
        first = found.setdefault(path.stem, path)
        if first != path and first.read_bytes() != path.read_bytes():
            raise WrongEvaluation(f"{path} and {first} are not the same file; keep one of them")
    if not found:
        raise MissingEvaluation(
            f"{root} holds clips of IEMOCAP and no {_FOLDER} folder; give the folder that holds "
            "Session1 to Session5, where it is "
            f"Session1/dialog/{_FOLDER}"
        )
    return found


IEMOCAP = Iemocap()
