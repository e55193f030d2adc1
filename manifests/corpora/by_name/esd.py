"""ESD: the Emotional Speech Database.

Zhou K. et al. (2021), ICASSP, 920-924; names: EmoBox 2024, data/esd.

    0011/Angry/0011_000351.wav
    |          |    |
    |          |    sentence 1 to 350, once in each of five emotions: 000351 is sentence 1, angry
    |          speaker again
    speaker 0001 to 0010 speaks Mandarin, 0011 to 0020 English
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "neutral": "neutral",
    "angry": "angry",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
}
_NAME = r"(?P<speaker>00(?:0[1-9]|1[0-9]|20))[-_](?P<number>00[01][0-9]{3})"

ESD = NamedCorpus(
    name="esd",
    rule=NamingRule(
        patterns=(
            rf"00[0-2][0-9]/(?P<emotion>Neutral|Angry|Happy|Sad|Surprise)/(?:[a-z]+/)?{_NAME}",
            _NAME,
        ),
        clip="{speaker}_{number}",
        emotions=_EMOTIONS,
    ),
    population=counted("esd", dict.fromkeys(_EMOTIONS.values(), 7000), 20, _EMOTIONS),
)
