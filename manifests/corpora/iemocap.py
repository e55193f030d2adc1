"""IEMOCAP: the Interactive Emotional Dyadic Motion Capture database.

Busso C. et al. (2008), Language Resources and Evaluation 42(4): 335-359. Five sessions of one woman
and one man each. The layout:

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt
        turns of a dialogue: times, labels, what each rater said
    Session1/dialog/avi/DivX/Ses01F_impro01.avi
        the dialogue: both speakers side by side
    Session1/dialog/wav/Ses01F_impro01.wav
        its sound
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav
        the sound of one turn

How turns are named and what is known of them: `manifests.corpora.iemocap_turns`.

A clip is one turn: a span of the dialogue's video, and the half of the frame that shows its
speaker. It is cut by decoding, so that the span is exact to the sample (a stream copy begins at the
key frame before).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from manifests.corpora.base import Corpus, Found, Identity, clip_of, file_name, refused
from manifests.corpora.iemocap_lists import which_list
from manifests.corpora.iemocap_turns import (
    DIALOGUE,
    DIMENSIONS,
    IemocapTurn,
    WrongEvaluation,
    parse,
    read_turns,
)
from manifests.corpora.media_files import AUDIO_SUFFIXES, MediaFile, list_media
from manifests.corpora.population import Population
from manifests.given_files import read_file
from manifests.label_maps import DROPPED, own_space
from manifests.quarantine import BadClip, Reason
from manifests.schemes.assignment import Scheme
from manifests.schemes.listed import listed

_FOLDER = "EmoEvaluation"


class MissingEvaluation(FileNotFoundError):
    """There are clips of IEMOCAP and no EmoEvaluation file, so nobody knows where a turn begins."""


@dataclass(frozen=True, eq=False)
class Iemocap(Corpus):
    """IEMOCAP by its EmoEvaluation files; see the module's text for ids, spans and halves.

    - A turn's file is the dialogue's video where there is one (a span and a half of it), else the
      sentence's own sound file, else the dialogue's sound (a span of it). The other renderings of a
      turn that has a clip are no clips, and are not listed.
    - `group_id` is the session: its two speakers share every dialogue, so nobody can be tested
      without the other.
    - Labels: `iemocap` (the category) and `iemocap_valence`, `iemocap_activation`,
      `iemocap_dominance` (means of ratings from 1 to 5, as numbers) by annotator `vote`. What each
      rater said is in schemes of its own, under the rater's id in the file (`C-E2`, `A-E3`,
      `C-F1`): `iemocap_evaluators` for those who listened, `iemocap_self` for the actors, and the
      same with `_valence`, `_activation` and `_dominance`. Where a rater chose several categories,
      each has an equal share of the weight.
    - A turn without any file is refused (unreadable); a session without a single file is not there,
      and its turns are not listed.
    - A file that no turn stands for, or with another name, is refused (unknown_name); so is a video
      of one turn, since nobody knows how it was cut. Of several files of one name and kind, the
      clip is the .avi or .wav, then the one in the fewest folders, then the first by path; each
      other is refused (duplicate).
    """

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Yields:
            The clips.

        Raises:
            MissingEvaluation: There are clips and no EmoEvaluation file.
            WrongEvaluation: An EmoEvaluation file is broken.
        """
        files: dict[tuple[str, str], MediaFile] = {}
        media = sorted(
            list_media(root, self.name),
            key=lambda file: (_kind(file), file.stem, file.rank(".avi", ".wav")),
        )
        for key, same in groupby(media, key=lambda file: (_kind(file), file.stem)):
            yield from self._choose(key, same, files)
        if not files:
            return
        evaluations = _evaluations(root)
        turns = {turn.name.stem: turn for path in evaluations.values() for turn in read_turns(path)}
        sessions = {stem[:5] for _, stem in files}
        for turn in turns.values():
            if turn.name.session in sessions:
                yield self._found(turn, files)
        yield from self._without_turn(files, turns, evaluations)

    def identify(self, name: str) -> Identity | None:
        parsed = parse(file_name(name, self.name).partition(".")[0])
        return parsed.identity() if parsed else None

    def about_list(self, clip_ids: Collection[str]) -> str | None:
        return which_list({clip_id.partition("/")[2] for clip_id in clip_ids})

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
            elif kind == _UNKNOWN:
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

    def _found(self, turn: IemocapTurn, files: Mapping[tuple[str, str], MediaFile]) -> Found:
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
        turns: Mapping[str, IemocapTurn],
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


_VIDEO, _SOUND, _SENTENCE, _UNKNOWN = "dialogue video", "dialogue sound", "sentence", "unknown"


def _kind(file: MediaFile) -> str:
    audio = file.suffix in AUDIO_SUFFIXES
    if re.fullmatch(DIALOGUE, file.stem):
        return _SOUND if audio else _VIDEO
    return _SENTENCE if audio and parse(file.stem) else _UNKNOWN


def _evaluations(root: Path) -> dict[str, Path]:
    """Dialogue -> its EmoEvaluation file."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob(f"{_FOLDER}/*.txt"), key=lambda path: (len(path.parts), path)):
        if not re.fullmatch(DIALOGUE, path.stem) or any(
            part.startswith(".") for part in path.relative_to(root).parts
        ):
            continue
        first = found.setdefault(path.stem, path)
        if first != path and read_file(first) != read_file(path):
            raise WrongEvaluation(f"{path} and {first} are not the same file; keep one of them")
    if not found:
        raise MissingEvaluation(
            f"{root} holds clips of IEMOCAP and no {_FOLDER} folder; give the folder that holds "
            "Session1 to Session5, where it is "
            f"Session1/dialog/{_FOLDER}"
        )
    return found


_SESSIONS = tuple(f"Ses0{session}F Ses0{session}M" for session in range(1, 6))
_SPEAKERS = " ".join(_SESSIONS).split()

IEMOCAP = Iemocap(
    name="iemocap",
    licence="Only for those who signed the release form of USC SAIL: pass on neither media "
    "nor transcripts; treat features alike.",
    licence_source="https://sail.usc.edu/iemocap/iemocap_release.htm",
    withheld="its release form is signed by each person who gets the corpus",
    label_schemes=(
        "iemocap",
        *(f"iemocap_{dimension}" for dimension in DIMENSIONS.values()),
        *(
            f"iemocap_{kind}{dimension}"
            for kind in ("evaluators", "self")
            for dimension in ("", *(f"_{word}" for word in DIMENSIONS.values()))
        ),
    ),
    shared_words={
        "ang": "angry",
        "dis": "disgust",
        "exc": "happy",
        "fea": "fearful",
        "fru": DROPPED,
        "hap": "happy",
        "neu": "neutral",
        "oth": DROPPED,
        "sad": "sad",
        "sur": "surprised",
        "xxx": DROPPED,
    },
    label_spaces=(
        own_space(
            "iemocap4", "iemocap", "ang hap neu sad", "dis fea fru oth sur xxx", {"exc": "hap"}
        ),
        own_space("iemocap6", "iemocap", "ang exc fru hap neu sad", "dis fea oth sur xxx"),
        # Kumar et al. 2025 test eight (their table 3) and speak of nine. Neither `xxx`, on which
        # the raters did not agree, nor `oth` is a class; disgust, the ninth, has two turns.
        own_space("iemocap8", "iemocap", "ang exc fea fru hap neu sad sur", "dis oth xxx"),
        own_space("iemocap9", "iemocap", "ang dis exc fea fru hap neu sad sur", "oth xxx"),
    ),
    text_shared="act a part of a script",
    own_files=(f"{_FOLDER}/*.txt", f"*/{_FOLDER}/*.txt"),
    # Counted from the EmoEvaluation lines.
    population=Population(
        "iemocap",
        {
            "fru": 1849,
            "neu": 1708,
            "ang": 1103,
            "sad": 1084,
            "exc": 1041,
            "hap": 595,
            "sur": 107,
            "fea": 40,
            "oth": 3,
            "dis": 2,
            "xxx": 2507,
        },
        None,
        aliases={
            "frustration": "fru",
            "frustrated": "fru",
            "neutral": "neu",
            "anger": "ang",
            "angry": "ang",
            "sadness": "sad",
            "excited": "exc",
            "excitement": "exc",
            "happy": "hap",
            "happiness": "hap",
            "surprise": "sur",
            "surprised": "sur",
            "fear": "fea",
            "fearful": "fea",
            "other": "oth",
            "disgust": "dis",
        },
        often_merged={"exc": "hap"},
        subjects=10,
    ),
    schemes=(
        Scheme(
            "iemocap_session_5fold",
            listed(*_SESSIONS, first=1),
            "IEMOCAP, one session tested in each fold: the usual five-fold protocol; fold i tests "
            "session i, from 1.",
            corpus="iemocap",
            published=True,
        ),
        Scheme(
            "iemocap_speaker_10fold",
            listed(*_SPEAKERS, first=1, paired=True),
            "IEMOCAP, one speaker tested in each fold and the partner of the same session "
            "validated on: the usual ten-fold protocol. "
            "Test and validation share dialogues; training shares none with them.",
            keeps=("subject_id",),
            corpus="iemocap",
            published=True,
        ),
    ),
)
