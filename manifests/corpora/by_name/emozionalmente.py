"""Emozionalmente: Italian sentences by 431 people.

Catania F. et al. (2023), zenodo.org/records/6569824; names: EmoBox 2024, data/emozionalmente, and
audeering's list of speakers (github.com/audeering/datasets).

    1613823356172.wav       the time of the recording, in milliseconds

Who speaks is in the corpus's table samples.csv and in no name; lists of its speakers have hashes of
64 hexadecimal digits.
"""

from manifests.corpora.naming import ACTED, NamedCorpus, NamingRule, counted

_EMOTIONS = {
    word: ACTED.get(word, word)
    for word in ("anger", "disgust", "fear", "joy", "neutrality", "sadness", "surprise")
}

EMOZIONALMENTE = NamedCorpus(
    name="emozionalmente",
    marks=("emozionalmente",),
    rule=NamingRule(patterns=(r"(?P<clip>16[0-9]{11})",), clip="{clip}"),
    population=counted("emozionalmente", dict.fromkeys(_EMOTIONS.values(), 986), 431, _EMOTIONS),
)
