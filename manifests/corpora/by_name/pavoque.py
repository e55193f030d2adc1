"""PAVOQUE: one actor of German in five styles.

Steiner I. et al. (2013), arXiv:1304.0969 (github.com/marytts/pavoque-data); keys: EmoBox 2024,
data/pavoque.

    pavoque-m0380-angry     prompt and style, a span of the recording of this style:
    pavoque-angry.flac

All clips are of one man, so no split of the corpus parts speakers.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_STYLES = {
    "neutral": "neutral",
    "poker": "poker",
    "happy": "happy",
    "angry": "angry",
    "sad": "sad",
}

PAVOQUE = NamedCorpus(
    name="pavoque",
    rule=NamingRule(
        patterns=(
            r"(?P<prompt>(?:[aem]|obadiah|poker_[adfn]|poppy|prudence|spike)[0-9]+[a-k]?)-"
            rf"(?P<emotion>{'|'.join(_STYLES)})",
            rf"(?:pavoque-)?(?P<emotion>{'|'.join(_STYLES)}|outtakes)",
        ),
        clip="{emotion}/{prompt}",
        only_speaker="stefan",
        emotions=_STYLES,
        text="{prompt}",
    ),
    population=counted(
        "pavoque",
        {"neutral": 4344, "poker": 819, "happy": 746, "angry": 724, "sad": 701},
        1,
        _STYLES,
    ),
)
