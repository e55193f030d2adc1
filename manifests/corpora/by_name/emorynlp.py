"""EmoryNLP: turns of the series Friends.

Zahiri S. M., Choi J. D. (2018), AAAI workshops, 44-52; ids: github.com/emorynlp/character-mining;
names: nkululeko, data/emorynlp (github.com/felixbur/nkululeko).

    sea1_ep15_sc10_utt1.mp4     season, episode, scene, turn
    s01_e15_c10_u001            the same in the ids of the corpus

Who speaks is in no name. MELD has turns of the same series: the episodes of both are named alike.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

EMORYNLP = NamedCorpus(
    name="emorynlp",
    world="friends",
    rule=NamingRule(
        patterns=(
            r"sea0*(?P<season>[0-9]+)_ep0*(?P<number>[0-9]+)_sc0*(?P<scene>[0-9]+)_"
            r"utt0*(?P<turn>[0-9]+)",
            r"s0*(?P<season>[0-9]+)_e0*(?P<number>[0-9]+)_c0*(?P<scene>[0-9]+)_u0*(?P<turn>[0-9]+)",
        ),
        clip="s{season:0>2}e{number:0>2}_c{scene}_u{turn}",
        dialogue="s{season:0>2}e{number:0>2}_c{scene}",
        episode="s{season:0>2}e{number:0>2}",
    ),
)
