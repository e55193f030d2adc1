"""All corpora, by the name that a user types."""

from manifests.corpora.base import Corpus, CorpusNotFound, CorpusUnreadable, EmptyCorpus, Found
from manifests.corpora.cremad import CREMAD
from manifests.corpora.folder import FOLDER
from manifests.corpora.iemocap import IEMOCAP
from manifests.corpora.meld import MELD
from manifests.corpora.ravdess import RAVDESS
from manifests.corpora.sample import SAMPLE

__all__ = ["CORPORA", "Corpus", "CorpusNotFound", "CorpusUnreadable", "EmptyCorpus", "Found"]

_ALL: tuple[Corpus, ...] = (
    RAVDESS,
    CREMAD,
    IEMOCAP,
    MELD,
    FOLDER,
    SAMPLE,
)

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _ALL}
