"""SUBESCO: the SUST Bangla Emotional Speech Corpus.

Sultana S. et al. (2021), PLoS ONE 16(4): e0250173 (zenodo.org/records/4526477); names: EmoBox 2024,
data/subesco.

    M_09_SHUMANTA_S_9_SURPRISE_5.wav
    | |           | | |        repetition 1 to 5
    | |           | | emotion, one of seven
    | |           sentence 1 to 10
    | number of the speaker within the sex, and a name
    sex F woman, M man
"""

from manifests.audits import Severity
from manifests.corpora.naming import ACTED, SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    word: ACTED.get(word, word)
    for word in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
}

SUBESCO = NamedCorpus(
    name="subesco",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>(?P<sex>[FM])_[0-9]{2})_(?P<person>[A-Z]+)_S_(?P<sentence>[0-9]{1,2})_"
            rf"(?P<emotion>{'|'.join(_EMOTIONS).upper()})_(?P<repetition>[0-9])\]?",
        ),
        clip="{speaker}_{person}_S_{sentence}_{emotion}_{repetition}",
        emotions=_EMOTIONS,
        sexes=SEXES,
        text="S_{sentence}",
    ),
    population=counted("subesco", dict.fromkeys(_EMOTIONS.values(), 1000), 20, _EMOTIONS),
    severities={"L7": Severity.INFO},  # ten sentences: every split shares them
)
