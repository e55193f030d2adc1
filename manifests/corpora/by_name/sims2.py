"""CH-SIMS v2.0: opinions in Chinese films, series and shows.

Liu Y. et al. (2022), ICMI, 247-258 (github.com/thuiar/ch-sims-v2); names: the paths in which
several public repositories read its folder `Raw`.

    Raw/aqgy3_0001/00016.mp4    clip 16 of a video; also aqgy3_0001_00016

A name says the video and not the person. The first part of a video's name is the same for many
videos; what it means is not published.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

SIMS2 = NamedCorpus(
    name="sims2",
    rule=NamingRule(
        patterns=(r"(?P<video>[a-z]{3,8}[0-9]{0,2}_[0-9]{4})[_/](?P<clip>[0-9]{5})",),
        clip="{video}/{clip}",
    ),
)
