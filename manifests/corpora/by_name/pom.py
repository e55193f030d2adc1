"""POM: the Persuasive Opinion Multimedia corpus, film reviews of one site.

Park S. et al. (2014), ICMI, 50-57; videos: CMU-MultimodalSDK, pom_std_folds.py
(github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK).

    100367      one of 903 videos, named by number; 459 of them are videos of CMU-MOSEI too

A name says the video and not the person.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

POM = NamedCorpus(
    name="pom",
    marks=("pom",),
    rule=NamingRule(patterns=(r"(?P<video>[0-9]{4,6})",), clip="{video}", site="web"),
)
