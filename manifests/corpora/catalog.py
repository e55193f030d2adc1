"""All corpora, by the name that a user types. A corpus is one file and one line here."""

from manifests.corpora.base import Corpus, Found
from manifests.corpora.cremad import CREMAD
from manifests.corpora.folder import FOLDER
from manifests.corpora.iemocap import IEMOCAP
from manifests.corpora.media_files import CorpusNotFound, CorpusUnreadable, EmptyCorpus
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
