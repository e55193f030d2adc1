"""eNTERFACE'05: an audio-visual emotion database.

Martin O. et al. (2006), ICDE Workshops, doi:10.1109/ICDEW.2006.145 (enterface.net/enterface05);
names: EmoBox 2024, data/enterface (github.com/emo-box/EmoBox), and MAE-DFER, saved/data/enterface
(github.com/sunlicai/MAE-DFER). The layout:

    subject 1/anger/sentence 1/s1_an_1.avi
            |                   |  |  sentence 1 to 5 of this emotion
            |                   |  emotion an anger, di disgust, fe fear, ha happiness, sa sadness,
            |                   |    su surprise; no neutral
            |                   subject once more
            subject 1 to 44

What is odd in the published files, and how it is read:

- The files of the folder `subject 11` are named s12_an_1 and so on, as those of subject 12 are. The
  folder says who it is. A list of file names alone cannot tell the two apart.
- Files of subject 3 are in part named s_3_an_1; one of subject 16 has no point before its suffix.
- The clips of subject 6 are one file an emotion, not cut into sentences: s6_an.
- Three happy clips of subject 23 are not there.
"""

from manifests.audits import Severity
from manifests.corpora.named_media import NamedMediaCorpus
from manifests.corpora.naming import NamingRule, counted
from manifests.label_maps import own_space

_EMOTIONS = {
    "an": "angry",
    "di": "disgust",
    "fe": "fearful",
    "ha": "happy",
    "sa": "sad",
    "su": "surprised",
}
_CLIPS = {word: 213 if word == "happy" else 216 for word in _EMOTIONS.values()}
_SUBJECT = "[1-9]|[1-3][0-9]|4[0-4]"
_REST = r"_(?P<emotion>an|di|fe|ha|sa|su)(?P<sentence>_[1-5])?(?:avi)?"

ENTERFACE05 = NamedMediaCorpus(
    name="enterface05",
    prefixes=("enterface",),
    licence="Free for research; name the authors, and ask them before passing on media.",
    licence_source="https://enterface.net/enterface05/",
    withheld="its authors are to be asked first",
    label_schemes=("enterface6",),
    shared_words={word: word for word in _CLIPS},
    label_spaces=(own_space("enterface6", "enterface6", " ".join(_CLIPS)),),
    rule=NamingRule(
        patterns=(
            rf"subject[ _](?P<speaker>{_SUBJECT})/(?:[a-z]+/)?(?:[Ss]entence[ _][1-5]/)?"
            rf"s_?[0-9]{{1,2}}{_REST}",
            rf"s_?(?P<speaker>{_SUBJECT}){_REST}",
        ),
        clip="s{speaker}_{emotion}{sentence}",
        emotions=_EMOTIONS,
        text="{emotion}{sentence}",
    ),
    example="subject 1/anger/sentence 1/s1_an_1.avi",
    suffixes=(".avi",),
    # Counted from the lists of MAE-DFER and EmoBox: 43 folders with 30 clips each, of which 3 are
    # missing, and the 6 files of subject 6.
    population=counted("enterface05", _CLIPS, 44, _EMOTIONS, renderings=2),
    severities={"L7": Severity.INFO},  # all say the same sentences
)
