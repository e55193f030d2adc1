"""MESD: the Mexican Emotional Speech Database.

Duville M. M. et al. (2021), EMBC, 1644-1647, doi:10.17632/cy34mh68j9; names: EmoBox 2024,
data/mesd.

    Anger_M_A_abajo.wav
    |     | | word
    |     | corpus A or B
    |     voice F woman, M man, C child
    emotion, one of six

The voice is a kind and no person: 11 people spoke, as EmoBox counts, and no name says who.
"""

from manifests.corpora.naming import ACTED, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    word: ACTED.get(word, word)
    for word in ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
}

MESD = NamedCorpus(
    name="mesd",
    rule=NamingRule(
        patterns=(
            r"(?P<emotion>Anger|Disgust|Fear|Happiness|Neutral|Sadness)_(?P<sex>[FMC])_"
            r"(?P<corpus>[AB])_(?P<word>.+)",
        ),
        clip="{emotion}_{sex}_{corpus}_{word}",
        emotions=_EMOTIONS,
        sexes={"f": "female", "m": "male"},
        text="{word}",
    ),
    population=counted(
        "mesd",
        {word: 143 if word in ("neutral", "angry") else 144 for word in _EMOTIONS.values()},
        11,
        _EMOTIONS,
    ),
)
