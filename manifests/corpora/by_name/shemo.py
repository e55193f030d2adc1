"""ShEMO: the Sharif Emotional Speech Database, of Persian radio plays.

Mohamad Nezami O. et al. (2019), Language Resources and Evaluation 53: 1-16
(github.com/mansourehk/ShEMO); names: EmoBox 2024, data/shemo.

    female/F02S05.wav
           |  ||
           |  |clip of this speaker and emotion
           |  emotion A anger, F fear, H happiness, N neutral, S sadness, W surprise
           speaker: F woman, M man, and a number: 87 people
"""

from manifests.corpora.naming import SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "a": "angry",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "s": "sad",
    "w": "surprised",
}

SHEMO = NamedCorpus(
    name="shemo",
    rule=NamingRule(
        patterns=(r"(?P<speaker>[FM][0-9]{2})(?P<emotion>[AFHNSW])(?P<number>[0-9]{2,3})",),
        clip="{speaker}{emotion}{number}",
        emotions=_EMOTIONS,
        sexes=SEXES,
    ),
    # Table 4 of the paper: 3,000 clips.
    population=counted(
        "shemo",
        {
            "angry": 1059,
            "neutral": 1028,
            "sad": 449,
            "surprised": 225,
            "happy": 201,
            "fearful": 38,
        },
        87,
        _EMOTIONS,
    ),
)
