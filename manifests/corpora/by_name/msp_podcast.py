"""MSP-Podcast: turns cut from podcasts.

Lotfian R., Busso C. (2019), IEEE Transactions on Affective Computing 10(4): 471-483; names: EmoBox
2024, data/msppodcast, and nkululeko, data/msp-podcast.

    MSP-PODCAST_0407_0051.wav           a turn of podcast 0407
    MSP-PODCAST_1369_0002_0116.wav      the same with a part of the podcast between

Who speaks is in a table of the corpus (Speaker_ids.txt) and in no name; the podcast is. Two clips
of one podcast may have the same speaker, so a podcast on two sides is a leak.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

MSP_PODCAST = NamedCorpus(
    name="msp_podcast",
    prefixes=("msppodcast",),
    rule=NamingRule(
        patterns=(
            r"MSP-PODCAST_(?P<video>[0-9]{4})(?P<part>_[0-9]{4})?_(?P<number>[0-9]{4}(?:_[0-9]+)?)",
        ),
        clip="MSP-PODCAST_{video}{part}_{number}",
    ),
)
