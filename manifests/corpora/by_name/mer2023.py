"""MER2023: clips of Chinese films and series, of a challenge.

Lian Z. et al. (2023), ACM Multimedia, 9610-9614; names: EmoBox 2024, data/mer2023, and MERTools
(github.com/zeroQiaoba/MERTools).

    sample_00000236.avi     a number; in the test MER-SEMI samplenew_00030806

A name says no person and no film.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

MER2023 = NamedCorpus(
    name="mer2023",
    rule=NamingRule(patterns=(r"(?P<clip>sample(?:new)?_[0-9]{8})",), clip="{clip}"),
)
