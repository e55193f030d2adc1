"""URDU: speech of talk shows.

Latif S. et al. (2018), FIT, 88-93 (github.com/siddiquelatif/urdu-dataset); names: EmoBox 2024,
data/urdu.

    Neutral/SM20_F1_N05.wav
            |    |  |clip
            |    |  emotion A anger, H happiness, N neutral, S sadness
            |    file
            speaker: SF woman, SM man, and a number
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}

URDU = NamedCorpus(
    name="urdu",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>S(?P<sex>[FM])[0-9]{1,2})_(?P<file>F[0-9]+)_(?P<emotion>[AHNS])"
            r"(?P<number>[0-9]+)",
        ),
        clip="{speaker}_{file}_{emotion}{number}",
        emotions=_EMOTIONS,
        sexes={"f": "female", "m": "male"},
    ),
    population=counted("urdu", dict.fromkeys(_EMOTIONS.values(), 100), 29, _EMOTIONS),
)
