"""JL corpus: four speakers of New Zealand English.

James J., Tian L., Watson C. (2018), Interspeech, 2768-2772; names: EmoBox 2024, data/jlcorpus.

    male2_happy_15b_2.wav
    |     |     |   repetition
    |     |     sentence 1 to 15, a or b
    |     emotion, one of ten
    speaker female1 female2 male1 male2
"""

from manifests.corpora.naming import SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "angry": "angry",
    "anxious": "anxious",
    "apologetic": "apologetic",
    "assertive": "assertive",
    "concerned": "concerned",
    "encouraging": "encouraging",
    "excited": "excited",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
}

JLCORPUS = NamedCorpus(
    name="jlcorpus",
    rule=NamingRule(
        patterns=(
            rf"(?P<speaker>(?:fe)?male[12])[-_](?P<emotion>{'|'.join(_EMOTIONS)})[-_]"
            r"(?P<sentence>[0-9]{1,2}[ab])[-_](?P<repetition>[0-9])",
        ),
        clip="{speaker}_{emotion}_{sentence}_{repetition}",
        emotions=_EMOTIONS,
        sexes=SEXES,
        text="{sentence}",
    ),
    population=counted("jlcorpus", dict.fromkeys(_EMOTIONS.values(), 240), 4, _EMOTIONS),
)
