"""TESS: the Toronto Emotional Speech Set.

Pichora-Fuller M. K., Dupuis K. (2020), doi:10.5683/SP2/E8H2MF; names: EmoBox 2024, data/tess, and
nkululeko, data/tess (github.com/felixbur/nkululeko).

    OAF_pool_disgust.wav
    |   |    emotion angry, disgust, fear, happy, neutral, ps (pleasant surprise), sad
    |   one of 200 words, in the carrier "Say the word ..."
    speaker: OAF the older (64), YAF the younger (26) woman

Older copies have `OA_bite_neutral`, a slip for OAF.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}

TESS = NamedCorpus(
    name="tess",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>[OY]A)F?[-_](?P<word>[a-z]+)[-_]"
            r"(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
        ),
        clip="{speaker}F_{word}_{emotion}",
        subject="{speaker}F",
        emotions=_EMOTIONS,
        sexes={"oa": "female", "ya": "female"},
        text="{word}",
    ),
    population=counted(
        "tess",
        dict.fromkeys(_EMOTIONS.values(), 400),
        2,
        _EMOTIONS | {"pleasant surprise": "surprised"},
    ),
)
