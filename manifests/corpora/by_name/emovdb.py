"""EmoV-DB: the Emotional Voices Database, four speakers of English.

Adigwe A. et al. (2018), arXiv:1806.09514; names: EmoBox 2024, data/emovdb, whose keys are
`emovdb-josh-Amused-0183`, and nkululeko, data/emov-db (github.com/felixbur/nkululeko).

    josh_Amused/amused_169-196_0183.wav
    |    |                     sentence of the CMU Arctic prompts
    |    emotion; its folder may also be one below the speaker's
    speaker bea, jenie (women), josh, sam (men)
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "amused": "amused",
    "angry": "angry",
    "disgust": "disgust",
    "disgusted": "disgust",
    "neutral": "neutral",
    "sleepy": "sleepy",
}
_SPEAKER = r"(?P<speaker>bea|jenie|josh|sam)"
_EMOTION = r"(?P<emotion>Amused|Angry|Disgust|Neutral|Sleepy)"

EMOVDB = NamedCorpus(
    name="emovdb",
    rule=NamingRule(
        patterns=(
            rf"{_SPEAKER}[_/]{_EMOTION}(?:ed)?/[A-Za-z]+_[0-9]+[-_][0-9]+_(?P<sentence>[0-9]{{4}})",
            rf"{_SPEAKER}-{_EMOTION}-(?P<sentence>[0-9]{{4}})",
        ),
        clip="{speaker}-{emotion}-{sentence}",
        emotions=_EMOTIONS,
        sexes={"bea": "female", "jenie": "female", "josh": "male", "sam": "male"},
        text="{sentence}",
    ),
    population=counted(
        "emovdb",
        {"sleepy": 1720, "neutral": 1566, "amused": 1315, "angry": 1267, "disgust": 1019},
        4,
        _EMOTIONS,
    ),
)
