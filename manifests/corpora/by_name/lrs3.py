"""LRS3-TED: sentences cut from talks.

Afouras T. et al. (2018), arXiv:1809.00496; names: av_hubert, preparation/data/lrs3-valid.id
(github.com/facebookresearch/av_hubert).

    trainval/UGtFXtnWME4/50021.mp4      sentence of a talk; `pretrain` and `test` beside `trainval`

A talk has one speaker; a speaker may have several talks. A name says the talk and not the person.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

LRS3 = NamedCorpus(
    name="lrs3",
    rule=NamingRule(
        patterns=(
            r"(?P<set>pretrain|trainval|test)/(?P<video>[A-Za-z0-9_-]{11})/(?P<number>[0-9]{5})",
        ),
        clip="{set}/{video}/{number}",
        site="web",
    ),
)
