"""MEAD: talking faces of 48 actors in three levels.

Wang K. et al. (2020), ECCV, 700-717; names: EmoBox 2024, data/mead.

    M011/audio/contempt/level_2/013.m4a     also M011/video/front/contempt/level_2/013.mp4
    |          |        |       sentence of this emotion and level
    |          |        level 1 to 3
    |          emotion, one of eight
    actor: M man, W woman, and a number

The keys of EmoBox are `mead-M011-contempt-level-2-013`.
"""

from manifests.corpora.naming import ACTED, SEXES, NamedCorpus, NamingRule

_EMOTION = "angry|contempt|disgusted|fear|happy|neutral|sad|surprised"
_WORDS = {word: word for word in _EMOTION.split("|")}

MEAD = NamedCorpus(
    name="mead",
    rule=NamingRule(
        patterns=(
            rf"(?P<speaker>[MW][0-9]{{3}})/(?:audio|video/(?P<view>[a-z0-9_]+))/"
            rf"(?P<emotion>{_EMOTION})/level_(?P<level>[123])/(?P<number>[0-9]{{3}})",
            rf"(?P<speaker>[MW][0-9]{{3}})-(?P<emotion>{_EMOTION})-level-(?P<level>[123])-"
            r"(?P<number>[0-9]{3})",
        ),
        clip="{speaker}-{emotion}-{level}-{number}/{view}",
        take="{speaker}-{emotion}-{level}-{number}",
        emotions=_WORDS | {word: ACTED[word] for word in ("disgusted", "fear")},
        sexes=SEXES,
    ),
)
