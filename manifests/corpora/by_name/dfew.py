"""DFEW: clips of films, 16,372 clips.

Jiang X. et al. (2020), ACM Multimedia, 2881-2889; names: DFER-CLIP, annotation
(github.com/zengqunzhao/DFER-CLIP), and MAE-DFER, saved/data/dfew (github.com/sunlicai/MAE-DFER).

    DFEW_Frame_Face/00147       a number of five digits

A name says no person and no film, and is a number of any corpus: it is taken for one of this where
its path, or its table's, has the word DFEW.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

DFEW = NamedCorpus(
    name="dfew",
    marks=("dfew",),
    rule=NamingRule(patterns=(r"(?P<clip>[0-9]{5})",), clip="{clip}"),
)
