"""LRS2-BBC: sentences cut from broadcasts.

Afouras T. et al. (2018), IEEE TPAMI, doi:10.1109/TPAMI.2018.2889052; the layout that its page
describes (robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html).

    main/5535415699068794046/00001.mp4      sentence 1 of a broadcast; `pretrain` beside `main`

A name says the broadcast and not the person.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

LRS2 = NamedCorpus(
    name="lrs2",
    rule=NamingRule(
        patterns=(r"(?:(?:main|pretrain)/)?(?P<video>[0-9]{19})/(?P<number>[0-9]{5})",),
        clip="{video}/{number}",
    ),
)
