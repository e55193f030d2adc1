"""TurEV-DB: six speakers of Turkish.

Canpolat S. F. et al. (2020), TRILL (github.com/Xeonen/TurEV-DB); names: EmoBox 2024, data/turevdb.

    Sound Source/Angry/1984_kz_konuk.wav
                 |     |    |  word
                 |     |    phonological frame
                 |     speaker
                 emotion angry, calm, happy or sad, of the folder alone
"""

from manifests.corpora.naming import NamedCorpus, NamingRule, counted

_EMOTIONS = {"angry": "angry", "calm": "calm", "happy": "happy", "sad": "sad"}
_NAME = r"(?P<speaker>[0-9]{4})_(?P<frame>[a-z]{2})_(?P<word>[a-z]+[0-9]?)"

TUREVDB = NamedCorpus(
    name="turevdb",
    rule=NamingRule(
        patterns=(rf"(?P<emotion>Angry|Calm|Happy|Sad)/{_NAME}", _NAME),
        clip="{speaker}_{frame}_{word}",
        emotions=_EMOTIONS,
        text="{word}",
    ),
    population=counted(
        "turevdb", {"angry": 487, "sad": 483, "calm": 408, "happy": 357}, 6, _EMOTIONS
    ),
)
