"""CaFE: the Canadian French Emotional dataset.

Gournay P. et al. (2018), ACM MMSys, 399-402 (zenodo.org/records/1478765); names: EmoBox 2024,
data/cafe.

    Joie/Fort/04-J-2-1.wav
              |  | | sentence 1 to 6
              |  | intensity 1 weak, 2 strong
              |  emotion C anger, D disgust, J happiness, N neutral, P fear, S surprise, T sadness
              actor 01 to 12; odd numbers are men, even numbers women
"""

from manifests.audits import Severity
from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "c": "angry",
    "d": "disgust",
    "j": "happy",
    "n": "neutral",
    "p": "fearful",
    "s": "surprised",
    "t": "sad",
}
_SEXES = {f"{actor:02d}": "male" if actor % 2 else "female" for actor in range(1, 13)}

CAFE = NamedCorpus(
    name="cafe",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>0[1-9]|1[0-2])-(?P<emotion>[CDJNPST])-(?P<intensity>[12])-"
            r"(?P<sentence>[1-6])",
        ),
        clip="{speaker}-{emotion}-{intensity}-{sentence}",
        emotions=_EMOTIONS,
        sexes=_SEXES,
        text="{sentence}",
    ),
    population=counted(
        "cafe",
        {word: 72 if word == "neutral" else 144 for word in _EMOTIONS.values()},
        12,
        _EMOTIONS,
    ),
    severities={"L7": Severity.INFO},  # six sentences: every split shares them
)
