"""EMOVO: an Italian emotional speech corpus.

Costantini G. et al. (2014), LREC, 3501-3504; names: EmoBox 2024, data/emovo.

    f2/dis-f2-n1.wav
       |   |  sentence b1 b2 b3, l1 to l4, n1 to n5, d1 d2
       |   speaker m1 m2 m3 f1 f2 f3
       emotion neu neutral, dis disgust, gio joy, pau fear, rab anger, sor surprise, tri sadness
"""

from manifests.audits import Severity
from manifests.corpora.naming import SEXES, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    "neu": "neutral",
    "dis": "disgust",
    "gio": "happy",
    "pau": "fearful",
    "rab": "angry",
    "sor": "surprised",
    "tri": "sad",
}

EMOVO = NamedCorpus(
    name="emovo",
    rule=NamingRule(
        patterns=(
            r"(?P<emotion>neu|dis|gio|pau|rab|sor|tri)-(?P<speaker>[mf][123])-"
            r"(?P<sentence>b[1-3]|l[1-4]|n[1-5]|d[12])",
        ),
        clip="{emotion}-{speaker}-{sentence}",
        emotions=_EMOTIONS,
        sexes=SEXES,
        text="{sentence}",
    ),
    population=counted("emovo", dict.fromkeys(_EMOTIONS.values(), 84), 6, _EMOTIONS),
    severities={"L7": Severity.INFO},  # 14 sentences: every split shares them
)
