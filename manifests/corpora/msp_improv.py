"""MSP-IMPROV: an acted corpus of dyadic interactions.

Busso C. et al. (2017), IEEE Transactions on Affective Computing 8(1): 67-80; names: HiCMAE,
saved/data/msp-improv (github.com/sunlicai/HiCMAE). The layout:

    Audio/session1/S01A/S/MSP-IMPROV-S01A-F01-S-FM01.wav
    Video/session1/S01A/S/UTD-IMPROV-S01A-F01-S-FM01.avi
                                     |  | |   | || turn
                                     |  | |   | |who listens, F or M
                                     |  | |   | who speaks, F or M of this session
                                     |  | |   S improvisation, T its target sentence, R the target
                                     |  | |     sentence read, P talk between the recordings
                                     |  | the actor whose target sentence it is; his or her number
                                     |  |   is the session's, 1 to 6
                                     |  emotion of the scenario: A anger, H happiness, N neutral,
                                     |    S sadness
                                     target sentence 01 to 20
    Evalution.txt       what raters heard and saw, a line a clip; also Evaluation.txt

    UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000;

The letter is A, H, N, S, O for another emotion or X where raters did not agree. The names of six
women and six men are F01 to M06; two of one number share a session, and every dialogue of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.clips import Clip
from manifests.corpora.base import INTENDED, VOTE, Found, Identity
from manifests.corpora.named_media import NamedMediaCorpus
from manifests.corpora.naming import SEXES, NamingRule, counted
from manifests.corpora.text_files import read_text
from manifests.label_maps import DROPPED, own_space
from manifests.labels import Label
from manifests.schemes.assignment import Scheme
from manifests.schemes.listed import listed

_EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
_VOTES = _EMOTIONS | {"O": "other", "X": "other"}
_DIMENSIONS = {"A": "activation", "V": "valence", "D": "dominance"}
_TABLES = ("Evalution.txt", "Evaluation.txt")
_MEAN = r"\s*{code}:(?P<{code}>[0-9]+(?:\.[0-9]+)?)\s*;"
_LINE = re.compile(
    r"(?P<clip>[A-Z]+-IMPROV-[^.;\s]+)(?:\.\w+)?\s*;\s*(?P<vote>[AHNSOX])\s*;"
    rf"{''.join(_MEAN.format(code=code) for code in _DIMENSIONS)}.*"
)
_SENTENCE = "S(?:0[1-9]|1[0-9]|20)"
_NAME = (
    r"(?:MSP|UTD)-IMPROV-(?P<target>{target})(?P<emotion>[AHNS])-"
    r"(?P<lead>[FM])(?P<pair>0[1-6])-(?P<kind>{kinds})-(?P<speaker>[FM])(?P<hearer>[FM])"
    r"(?P<turn>[0-9]{{2}})"
)


class WrongMspEvaluation(ValueError):
    """The table of votes cannot be understood; the message names file and line."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MspImprov(NamedMediaCorpus):
    """MSP-IMPROV by its names, and by its table of votes where that is below the root.

    `subject_id` is who speaks, `group_id` the session: nobody can be tested without the other.
    Labels: `msp_improv` (the vote) and `msp_improv_activation`, `_valence` and `_dominance` (means
    of ratings from 1 to 5, as numbers) by annotator `vote`; `msp_improv_target`, the emotion of the
    scenario, by annotator `intended`.
    """

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Yields:
            The clips.

        Raises:
            WrongMspEvaluation: The table of votes cannot be understood.
        """
        votes: Mapping[str, tuple[tuple[str, str], ...]] | None = None
        for found in super().find(root):
            votes = _votes(root) if votes is None else votes
            said = votes.get(found.clip.take_id, ())
            labels = (Label(found.clip.clip_id, scheme, VOTE, value) for scheme, value in said)
            yield Found(found.clip, (*labels, *found.labels), found.bad)

    def labels(self, clip: Clip, identity: Identity) -> tuple[Label, ...]:
        parts = self.rule.read(identity.take_id)
        target = _EMOTIONS[parts["emotion"]] if parts else ""
        return (Label(clip.clip_id, "msp_improv_target", INTENDED, target),)


def _votes(root: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Take -> (label scheme, value) of each vote; lines of single raters are let be."""
    votes: dict[str, tuple[tuple[str, str], ...]] = {}
    for table in _tables(root):
        text = read_text(table, WrongMspEvaluation, "a line for each clip")
        for number, line in enumerate(text.splitlines(), 1):
            if "-IMPROV-" not in line:
                continue
            match = _LINE.fullmatch(line.strip())
            identity = MSP_IMPROV.identify(match["clip"]) if match else None
            if match is None or identity is None:
                raise WrongMspEvaluation(
                    f"{table}: line {number} is {line[:80]!r}; expected a clip, a letter and three "
                    "numbers, such as UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.0; V:3.5; D:3.0;"
                )
            means = ((f"msp_improv_{word}", match[code]) for code, word in _DIMENSIONS.items())
            votes[identity.take_id] = (
                ("msp_improv", _VOTES[match["vote"]]),
                *((scheme, f"{float(mean):g}") for scheme, mean in means),
            )
    return votes


def _tables(root: Path) -> list[Path]:
    found = sorted(path for name in _TABLES for path in root.rglob(name))
    inside = [path for path in found if path.resolve().is_relative_to(root.resolve())]
    return inside[:1]


MSP_IMPROV = MspImprov(
    name="msp_improv",
    licence="Only for those who signed the licence of UT Dallas: pass on neither media nor labels.",
    licence_source="https://www.lab-msp.com/MSP/MSP-Improv.html",
    withheld="its licence is signed by each institution that gets the corpus",
    label_schemes=(
        "msp_improv",
        "msp_improv_target",
        *(f"msp_improv_{word}" for word in _DIMENSIONS.values()),
    ),
    shared_words={word: word for word in _EMOTIONS.values()} | {"other": DROPPED},
    label_spaces=(own_space("msp_improv4", "msp_improv", " ".join(_EMOTIONS.values()), "other"),),
    own_files=tuple(pattern for name in _TABLES for pattern in (name, f"*/{name}")),
    rule=NamingRule(
        patterns=(
            # The words are fixed where the target sentence is said or read.
            _NAME.format(target=f"(?P<text>{_SENTENCE})", kinds="[RT]"),
            _NAME.format(target=_SENTENCE, kinds="[SP]"),
        ),
        clip="MSP-IMPROV-{target}{emotion}-{lead}{pair}-{kind}-{speaker}{hearer}{turn}",
        subject="{speaker}{pair}",
        session="session{pair}",
        group="session{pair}",
        sexes=SEXES,
        text="{text}",
    ),
    example="Audio/session1/S01A/S/MSP-IMPROV-S01A-F01-S-FM01.wav",
    suffixes=(".avi", ".wav"),
    # The paper: 8,438 turns, of which 7,798 have one of four emotions.
    population=counted(
        "msp_improv",
        {"neutral": 3477, "happy": 2644, "sad": 885, "angry": 792, "other": 640},
        12,
        {code.casefold(): word for code, word in _VOTES.items()},
        renderings=2,
    ),
    schemes=(
        Scheme(
            "msp_improv_session_6fold",
            listed(*(f"F0{session} M0{session}" for session in range(1, 7)), first=1),
            "MSP-IMPROV, one session tested in each fold: the usual six-fold protocol (HiCMAE); "
            "fold i tests session i, from 1.",
            corpus="msp_improv",
            published=True,
        ),
    ),
)
