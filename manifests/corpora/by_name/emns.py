"""EMNS: the Emotive Narrative Storytelling corpus, one speaker of English.

Noriy K. A. et al. (2023), arXiv:2305.13137 (openslr.org/136); names: EmoBox 2024, data/emns.

    cleaned_webm/recorded_audio_6EvwghX.webm        seven letters and digits, once none

All clips are of one woman, so no split of the corpus parts speakers.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

EMNS = NamedCorpus(
    name="emns",
    rule=NamingRule(
        patterns=(r"(?P<clip>recorded_audio(?:_[A-Za-z0-9]{7})?)",), clip="{clip}", only_speaker="3"
    ),
)
