"""Emotions in Polish speech recordings: five speakers.

Gdansk University of Technology (2018), doi:10.34808/h46c-hm37; names: EmoBox 2024, data/polish, and
nkululeko, data/polish (github.com/felixbur/nkululeko).

    m3.n_oddaj_4.wav
    |  | |     repetition
    |  | word
    |  state n neutral, s fear, a anger
    speaker m1 to m5, all men
"""

from manifests.corpora.naming import SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {"n": "neutral", "s": "fearful", "a": "angry"}

POLISH = NamedCorpus(
    name="polish",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>m[1-5])\.(?P<emotion>[nsa])_(?P<word>[a-z]+)_(?P<repetition>[0-9])",
        ),
        clip="{speaker}.{emotion}_{word}_{repetition}",
        emotions=_EMOTIONS,
        sexes=SEXES,
        text="{word}",
    ),
    population=counted("polish", dict.fromkeys(_EMOTIONS.values(), 150), 5, _EMOTIONS),
)
