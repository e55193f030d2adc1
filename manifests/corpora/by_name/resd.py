"""RESD: Russian dialogues of two emotions each.

Lubenets I. et al. (2022), huggingface.co/datasets/Aniemore/resd_annotated; names: EmoBox 2024,
data/resd.

    happiness_enthusiasm_32/32_happiness_enthusiasm_h_110.wav
                            |  |                    | turn
                            |  |                    which of the two emotions is shown, its letter
                            |  the two emotions, one of each of two people
                            dialogue

The published lists count every clip as a speaker. A name says the dialogue, which two people share,
and not the person.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

_EMOTION = "anger|disgust|enthusiasm|fear|happiness|neutral|sadness"

RESD = NamedCorpus(
    name="resd",
    rule=NamingRule(
        patterns=(
            rf"(?P<clip>(?P<dialogue>[0-9]{{2}}_(?:{_EMOTION})_(?:{_EMOTION}))[ _][a-z][ _].+)",
        ),
        clip="{clip}",
    ),
)
