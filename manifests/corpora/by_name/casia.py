"""CASIA: four actors of Mandarin, the part that is passed on freely.

Institute of Automation, Chinese Academy of Sciences (2005); names: EmoBox 2024, data/casia, whose
keys are `casia-241-wangzhe-neutral`.

    wangzhe/neutral/241.wav
    |       |       sentence, the same words in every emotion up to 250
    |       emotion, one of six
    speaker liuchanhg, wangzhe, zhaoquanyin or zhaozuoxiang
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "angry": "angry",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}
_SPEAKER = r"(?P<speaker>liuchanhg|wangzhe|zhaoquanyin|zhaozuoxiang)"
_EMOTION = rf"(?P<emotion>{'|'.join(_EMOTIONS)})"

CASIA = NamedCorpus(
    name="casia",
    rule=NamingRule(
        patterns=(
            rf"{_SPEAKER}/{_EMOTION}/(?P<number>[0-9]{{3}})",
            rf"(?P<number>[0-9]{{3}})-{_SPEAKER}-{_EMOTION}",
        ),
        clip="{number}-{speaker}-{emotion}",
        emotions=_EMOTIONS,
    ),
    population=counted("casia", dict.fromkeys(_EMOTIONS.values(), 200), 4, _EMOTIONS),
)
