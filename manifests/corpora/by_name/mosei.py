"""CMU-MOSEI: opinions in videos of two sites.

Zadeh A. et al. (2018), ACL, 2236-2246; videos: CMU-MultimodalSDK, cmu_mosei_std_folds.py
(github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK); names: nkululeko, data/cmu-mosei.

    -3g5yACwYnA_0       segment 0 of a video; also -3g5yACwYnA[0], -3g5yACwYnA$_$0,
                        -3g5yACwYnA/0; or the video alone
    100178_4            of a review site, with numbers for ids: 459 of its 3,228 videos, all of them
                        videos of POM too

A name says the video and not the person. The corpus says that it has some 1,000 people, so several
videos are of one: videos that lie apart do not keep the people apart.
"""

from manifests.corpora.by_name.mosi import SEGMENT
from manifests.corpora.naming import NamedCorpus, NamingRule

MOSEI = NamedCorpus(
    name="mosei",
    marks=("mosei",),
    rule=NamingRule(
        patterns=(rf"(?P<video>[A-Za-z0-9_-]{{11}}|[0-9]{{4,6}}){SEGMENT}",),
        clip="{video}/{segment}",
        site="web",
    ),
)
