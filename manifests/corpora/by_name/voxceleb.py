"""VoxCeleb1 and VoxCeleb2: celebrities in videos of one site.

Nagrani A. et al. (2017), Interspeech, 2616-2620; Chung J. S. et al. (2018), Interspeech, 1086-1090;
names: av_hubert, preparation/data/vox-en.id (github.com/facebookresearch/av_hubert).

    dev/mp4/id05668/XWKC1JUM_ow/00053.mp4
            |       |           turn in this video
            |       video
            speaker
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

VOXCELEB = NamedCorpus(
    name="voxceleb",
    rule=NamingRule(
        patterns=(r"(?P<speaker>id[0-9]{5})/(?P<video>[A-Za-z0-9_-]{11})/(?P<number>[0-9]{5})",),
        clip="{speaker}/{video}/{number}",
        site="web",
    ),
)
