"""ASED: the Amharic Speech Emotion Dataset.

Retta E. A. et al. (2023), ACM TALLIP 22(5) (github.com/wgwangang/ASED_V1); names: EmoBox 2024,
data/ased, and nkululeko, data/ased (github.com/felixbur/nkululeko).

    04Sad/s4-07-02-01-31.wav
          |  |  |  |  speaker 1 to 65
          |  |  |  sex 01 woman, 02 man
          |  |  repetition
          |  sentence
          emotion n neutral, f fear, h happiness, s sadness, a anger, and its number
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {"n": "neutral", "f": "fearful", "h": "happy", "s": "sad", "a": "angry"}

ASED = NamedCorpus(
    name="ased",
    rule=NamingRule(
        patterns=(
            r"(?P<emotion>[nfhsaS])(?P<kind>[1-5])-(?P<sentence>[0-9]{2})-(?P<repetition>[0-9]{2})-"
            r"(?P<sex>0[12])-(?P<speaker>[0-9]{2})",
        ),
        clip="{emotion}{kind}-{sentence}-{repetition}-{sex}-{speaker}",
        emotions=_EMOTIONS,
        sexes={"01": "female", "02": "male"},
        text="{emotion}{sentence}",
    ),
    population=counted(
        "ased",
        {"neutral": 522, "fearful": 510, "happy": 486, "angry": 486, "sad": 470},
        65,
        _EMOTIONS,
    ),
)
