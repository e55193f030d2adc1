"""Oreau: 32 speakers of French.

Kerkeni L. et al. (2020), zenodo.org/records/4405783; names: EmoBox 2024, data/oreau, and nkululeko,
data/oreau2 (github.com/felixbur/nkululeko).

    m/sessj/38a03Ja.wav
    |       | |  ||
    |       | |  |take
    |       | |  emotion C anger, D disgust, J happiness, N neutral, P fear, S surprise, T sadness
    |       | sentence
    |       speaker
    sex, where the folders are there
"""

from manifests.corpora.naming import SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "c": "angry",
    "d": "disgust",
    "j": "happy",
    "n": "neutral",
    "p": "fearful",
    "s": "surprised",
    "t": "sad",
}
_NAME = r"(?P<speaker>[0-4][0-9])(?P<sentence>[az][012][0-9])(?P<emotion>[CDJNPST])(?P<take>[a-d])"

OREAU = NamedCorpus(
    name="oreau",
    rule=NamingRule(
        patterns=(rf"(?P<sex>[fm])/sess[a-z]/{_NAME}", _NAME),
        clip="{speaker}{sentence}{emotion}{take}",
        emotions=_EMOTIONS,
        sexes=SEXES,
        text="{emotion}{sentence}",
    ),
    population=counted(
        "oreau",
        {
            "neutral": 70,
            "disgust": 67,
            "angry": 67,
            "sad": 55,
            "happy": 62,
            "surprised": 62,
            "fearful": 51,
        },
        32,
        _EMOTIONS,
    ),
)
