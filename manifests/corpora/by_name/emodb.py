"""EmoDB: the Berlin Database of Emotional Speech.

Burkhardt F. et al. (2005), Interspeech, 1517-1520; names: EmoBox 2024, data/emodb
(github.com/emo-box/EmoBox).

    03a01Fa.wav
    | |  ||
    | |  |version a to f
    | |  emotion W anger, L boredom, E disgust, A fear, F happiness, T sadness, N neutral
    | sentence a01 a02 a04 a05 a07 b01 b02 b03 b09 b10
    speaker, one of ten: 03 10 11 12 15 are men, 08 09 13 14 16 women
"""

from manifests.audits import Severity
from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "w": "angry",
    "l": "boredom",
    "e": "disgust",
    "a": "fearful",
    "f": "happy",
    "t": "sad",
    "n": "neutral",
}
_SEXES = dict.fromkeys(("03", "10", "11", "12", "15"), "male") | dict.fromkeys(
    ("08", "09", "13", "14", "16"), "female"
)

EMODB = NamedCorpus(
    name="emodb",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>03|08|09|1[0-6])(?P<sentence>a0[12457]|b0[1239]|b10)"
            r"(?P<emotion>[WLEAFTN])(?P<version>[a-f])",
        ),
        clip="{speaker}{sentence}{emotion}{version}",
        emotions=_EMOTIONS,
        sexes=_SEXES,
        text="{sentence}",
    ),
    population=counted(
        "emodb",
        {
            "angry": 127,
            "boredom": 81,
            "neutral": 79,
            "happy": 71,
            "fearful": 69,
            "sad": 62,
            "disgust": 46,
        },
        10,
        _EMOTIONS | {"boredem": "boredom"},
    ),
    severities={"L7": Severity.INFO},  # ten sentences: every split shares them
)
