"""FERV39k: 38,935 clips of 22 kinds of scenes.

Wang Y. et al. (2022), CVPR, 20922-20931; names: MAE-DFER, saved/data/ferv39k
(github.com/sunlicai/MAE-DFER), and DFER-CLIP, annotation (github.com/zengqunzhao/DFER-CLIP).

    2_ClipsforFaceCrop/Interview/Happy/0118
                       |         |     number
                       |         emotion, one of seven
                       kind of scene

A name says no person and no film; a kind of scene is neither.
"""

from manifests.corpora.naming import ACTED, NamedCorpus, NamingRule

_EMOTION = "Angry|Disgust|Fear|Happy|Neutral|Sad|Surprise"
_WORDS = {word: ACTED.get(word, word) for word in _EMOTION.casefold().split("|")}

FERV39K = NamedCorpus(
    name="ferv39k",
    marks=("ferv39k", "2_clipsforfacecrop"),
    rule=NamingRule(
        patterns=(rf"(?P<scene>[A-Z][A-Za-z]+)/(?P<emotion>{_EMOTION})/(?P<number>[0-9]{{4}})",),
        clip="{scene}/{emotion}/{number}",
        emotions=_WORDS,
    ),
)
