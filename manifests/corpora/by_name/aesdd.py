"""AESDD: the Acted Emotional Speech Dynamic Database, in Greek.

Vryzas N. et al. (2018), Journal of the Audio Engineering Society 66(6): 457-467; names: EmoBox
2024, data/aesdd, whose keys are `aesdd-f01-2`.

    fear/f01 (2).wav
         ||   speaker 1 to 6; a further clip has a zero before, or a letter after, the number
         |utterance
         emotion a anger, d disgust, f fear, h happiness, s sadness

The paper has five actors; the copies that are passed on have the names of a sixth.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {"a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "s": "sad"}

AESDD = NamedCorpus(
    name="aesdd",
    rule=NamingRule(
        patterns=(
            r"(?P<emotion>[adfhs])(?P<sentence>[0-9]{2})(?: ?\(|-)(?P<zero>0?)(?P<speaker>[1-6])"
            r"\)?(?P<again>[ab]?)",
        ),
        clip="{emotion}{sentence}-{zero}{speaker}{again}",
        emotions=_EMOTIONS,
        text="{emotion}{sentence}",
    ),
    population=counted(
        "aesdd",
        {"sad": 122, "disgust": 122, "angry": 121, "fearful": 120, "happy": 119},
        6,
        _EMOTIONS,
    ),
)
