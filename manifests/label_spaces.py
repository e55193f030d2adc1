"""Label spaces: which labels of which corpus mean the same, as data.

A space maps every value of the schemes that it reads to one of its own values, or drops it. Every
corpus brings its own spaces, and the words that its main scheme shares with the other corpora. Two
decisions that papers leave open are made there and stand in the hash: RAVDESS's calm counts as
neutral wherever there is no calm, and IEMOCAP's excited as happy wherever there is no excited.
"""

from collections.abc import Iterable

from manifests.corpora.catalog import CORPORA
from manifests.label_maps import DROPPED, LabelSpace, UnmappedLabel, map_labels

__all__ = ["DROPPED", "SPACES", "LabelSpace", "UnmappedLabel", "map_labels"]

_COMMON = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""RAVDESS's words; the first four have enough clips in every corpus, and CREMA-D has no surprise.
"""
_MEANING = {
    corpus.label_schemes[0]: corpus.shared_words
    for corpus in CORPORA.values()
    if corpus.shared_words
}
"""Main scheme of each corpus -> all its values -> the word that corpora share."""


def _shared(name: str, words: tuple[str, ...], schemes: Iterable[str]) -> LabelSpace:
    """Some of the words that corpora share, read from some of their schemes; others are dropped."""
    sources = {
        scheme: {
            value: word if word in words else DROPPED for value, word in _MEANING[scheme].items()
        }
        for scheme in schemes
    }
    return LabelSpace(name, words, sources)


_ALL = (
    *(_shared(f"common{classes}", _COMMON[:classes], _MEANING) for classes in (4, 6, 7)),
    *(space for corpus in CORPORA.values() for space in corpus.label_spaces),
    # The three that Kirar et al. 2024 distinguish, in MELD; and in RAVDESS, so that the sample
    # corpus has them.
    _shared("kirar3", ("happy", "sad", "surprised"), ("meld7", "ravdess8")),
)

SPACES: dict[str, LabelSpace] = {space.name: space for space in _ALL}
"""Label spaces by name. Those of one corpus are called as in its literature; the common ones read
the main scheme of every corpus."""
