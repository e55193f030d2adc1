"""AFEW: clips of films, of the challenges EmotiW.

Dhall A. et al. (2012), IEEE MultiMedia 19(3): 34-41; names: Emotion-FAN, Code and data/face
(github.com/Open-Debin/Emotion-FAN).

    Train_AFEW/Angry/000223480.avi      a number of nine digits, below the emotion and the side

A name says no person and no film, and is a number of any corpus: it is taken for one of this where
its path, or its table's, has the word AFEW.
"""

from manifests.corpora.naming import ACTED, NamedCorpus, NamingRule

_EMOTION = "Angry|Disgust|Fear|Happy|Neutral|Sad|Surprise"
_WORDS = {word: ACTED.get(word, word) for word in _EMOTION.casefold().split("|")}

AFEW = NamedCorpus(
    name="afew",
    marks=("afew",),
    rule=NamingRule(
        patterns=(rf"(?P<emotion>{_EMOTION})/(?P<clip>[0-9]{{9}})", r"(?P<clip>[0-9]{9})"),
        clip="{clip}",
        emotions=_WORDS,
    ),
)
