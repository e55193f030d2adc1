"""SAVEE: the Surrey Audio-Visual Expressed Emotion database.

Haq S., Jackson P. J. B. (2010), Machine Audition, IGI Global, 398-423
(kahlan.eps.surrey.ac.uk/savee); names: EmoBox 2024, data/savee (github.com/emo-box/EmoBox), and
nkululeko, data/savee (github.com/felixbur/nkululeko). The layout:

    AudioVisualClip/DC/a01.avi
    AudioData/DC/a01.wav        also DC_a01.wav, in one folder
              |  ||
              |  |sentence of this emotion: 1 to 15, of neutral 1 to 30
              |  emotion a anger, d disgust, f fear, h happiness, n neutral, sa sadness, su surprise
              speaker DC, JE, JK or KL, all men

Sentences are numbered within an emotion; the first are the same in all of them, which no name says.
"""

from manifests.audits import Severity
from manifests.corpora.named_media import NamedMediaCorpus
from manifests.corpora.naming import NamingRule, counted
from manifests.label_maps import own_space
from manifests.schemes.assignment import Scheme
from manifests.schemes.listed import listed

_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
_CLIPS = {word: 120 if word == "neutral" else 60 for word in _EMOTIONS.values()}

SAVEE = NamedMediaCorpus(
    name="savee",
    licence="For research alone, and free on registration; name the authors.",
    licence_source="http://kahlan.eps.surrey.ac.uk/savee/",
    withheld="it is given to those alone who register for research",
    label_schemes=("savee7",),
    shared_words={word: word for word in _CLIPS},
    label_spaces=(own_space("savee7", "savee7", " ".join(_CLIPS)),),
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>DC|JE|JK|KL)[_/-](?P<emotion>sa|su|[adfhn])"
            r"(?P<number>0?[1-9]|1[0-5]|(?<=n)(?:1[6-9]|2[0-9]|30))",
        ),
        clip="{speaker}_{emotion}{number:0>2}",
        emotions=_EMOTIONS,
        sexes=dict.fromkeys(("dc", "je", "jk", "kl"), "male"),
        text="{emotion}{number:0>2}",
    ),
    example="AudioVisualClip/DC/a01.avi or AudioData/DC/a01.wav",
    suffixes=(".avi", ".wav"),
    population=counted("savee", _CLIPS, 4, _EMOTIONS, renderings=2),
    severities={"L7": Severity.INFO},  # all four say the same sentences
    schemes=(
        Scheme(
            "savee_4fold",
            listed("JE", "KL", "DC", "JK", first=1),
            "SAVEE, one speaker tested in each fold: EmoBox 2024, data/savee; folds 1 to 4 as "
            "there.",
            corpus="savee",
            published=True,
        ),
    ),
)
