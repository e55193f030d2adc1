"""CH-SIMS: opinions in Chinese films, series and shows.

Yu W. et al. (2020), ACL, 3718-3727; names: MERTools, MER2023 (github.com/zeroQiaoba/MERTools).

    video_0018/0004.mp4     clip 4 of video 18, one of 60; also video_0018_0004

A name says the video and not the person.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

SIMS = NamedCorpus(
    name="sims",
    rule=NamingRule(
        patterns=(r"(?P<video>video_[0-9]{4})(?:[_/](?P<clip>[0-9]{4}))?",), clip="{video}/{clip}"
    ),
)
