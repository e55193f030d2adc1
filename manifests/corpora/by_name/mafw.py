"""MAFW: clips of films, series and news, 10,045 clips.

Liu Y. et al. (2022), ACM Multimedia, 24-32; names: MAE-DFER, saved/data/mafw
(github.com/sunlicai/MAE-DFER), and DFER-CLIP, annotation (github.com/zengqunzhao/DFER-CLIP).

    MAFW/data/frames/00025      a number of five digits

A name says no person and no film, and is a number of any corpus: it is taken for one of this where
its path, or its table's, has the word MAFW.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

MAFW = NamedCorpus(
    name="mafw",
    marks=("mafw",),
    rule=NamingRule(patterns=(r"(?P<clip>[0-9]{5})",), clip="{clip}"),
)
