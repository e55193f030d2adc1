"""MSP-Podcast: turns cut from podcasts.

Lotfian R., Busso C. (2019), IEEE Transactions on Affective Computing 10(4): 471-483; names: EmoBox
2024, data/msppodcast, and nkululeko, data/msp-podcast.

    MSP-PODCAST_0407_0051.wav           a turn of podcast 0407
    MSP-PODCAST_1369_0002_0116.wav      the same with a part of the podcast between

    MSP-PODCAST_test3_0001.wav          of the hidden test, without a podcast

Who speaks is in a table of the corpus (Speaker_ids.txt) and in no name. Several people speak in a
podcast, and the published partition parts people, not podcasts: so the podcast is no unit here.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

MSP_PODCAST = NamedCorpus(
    name="msp_podcast",
    prefixes=("msppodcast",),
    rule=NamingRule(
        patterns=(
            r"(?P<clip>MSP-PODCAST_(?:[0-9]{4}(?:_[0-9]{4})?_[0-9]{4}(?:_[0-9]+)?|test3_[0-9]{4}))",
        ),
        clip="{clip}",
    ),
)
