"""All corpora, by the name that a user types. A corpus is one file and one line here."""

from manifests.corpora.base import Corpus, Found
from manifests.corpora.by_name.aesdd import AESDD
from manifests.corpora.by_name.afew import AFEW
from manifests.corpora.by_name.ased import ASED
from manifests.corpora.by_name.asvpesd import ASVPESD
from manifests.corpora.by_name.cafe import CAFE
from manifests.corpora.by_name.casia import CASIA
from manifests.corpora.by_name.dfew import DFEW
from manifests.corpora.by_name.emns import EMNS
from manifests.corpora.by_name.emodb import EMODB
from manifests.corpora.by_name.emorynlp import EMORYNLP
from manifests.corpora.by_name.emovdb import EMOVDB
from manifests.corpora.by_name.emovo import EMOVO
from manifests.corpora.by_name.emozionalmente import EMOZIONALMENTE
from manifests.corpora.by_name.esd import ESD
from manifests.corpora.by_name.ferv39k import FERV39K
from manifests.corpora.by_name.grid import GRID
from manifests.corpora.by_name.jlcorpus import JLCORPUS
from manifests.corpora.by_name.lrs2 import LRS2
from manifests.corpora.by_name.lrs3 import LRS3
from manifests.corpora.by_name.m3ed import M3ED
from manifests.corpora.by_name.mafw import MAFW
from manifests.corpora.by_name.mead import MEAD
from manifests.corpora.by_name.mer2023 import MER2023
from manifests.corpora.by_name.mesd import MESD
from manifests.corpora.by_name.mosei import MOSEI
from manifests.corpora.by_name.mosi import MOSI
from manifests.corpora.by_name.msp_podcast import MSP_PODCAST
from manifests.corpora.by_name.oreau import OREAU
from manifests.corpora.by_name.pavoque import PAVOQUE
from manifests.corpora.by_name.polish import POLISH
from manifests.corpora.by_name.pom import POM
from manifests.corpora.by_name.resd import RESD
from manifests.corpora.by_name.shemo import SHEMO
from manifests.corpora.by_name.sims import SIMS
from manifests.corpora.by_name.sims2 import SIMS2
from manifests.corpora.by_name.subesco import SUBESCO
from manifests.corpora.by_name.tess import TESS
from manifests.corpora.by_name.turevdb import TUREVDB
from manifests.corpora.by_name.urdu import URDU
from manifests.corpora.by_name.voxceleb import VOXCELEB
from manifests.corpora.cremad import CREMAD
from manifests.corpora.enterface05 import ENTERFACE05
from manifests.corpora.folder import FOLDER
from manifests.corpora.iemocap import IEMOCAP
from manifests.corpora.media_files import CorpusNotFound, CorpusUnreadable, EmptyCorpus
from manifests.corpora.meld import MELD
from manifests.corpora.msp_improv import MSP_IMPROV
from manifests.corpora.ravdess import RAVDESS
from manifests.corpora.sample import SAMPLE
from manifests.corpora.savee import SAVEE

__all__ = [
    "CORPORA",
    "Corpus",
    "CorpusNotFound",
    "CorpusUnreadable",
    "EmptyCorpus",
    "Found",
    "with_media",
]

_ALL: tuple[Corpus, ...] = (
    RAVDESS,
    CREMAD,
    IEMOCAP,
    MELD,
    SAVEE,
    ENTERFACE05,
    MSP_IMPROV,
    FOLDER,
    SAMPLE,
    # By their names alone, for the tables of others:
    AESDD,
    AFEW,
    ASED,
    ASVPESD,
    CAFE,
    CASIA,
    DFEW,
    EMNS,
    EMODB,
    EMORYNLP,
    EMOVDB,
    EMOVO,
    EMOZIONALMENTE,
    ESD,
    FERV39K,
    GRID,
    JLCORPUS,
    LRS2,
    LRS3,
    M3ED,
    MAFW,
    MEAD,
    MER2023,
    MESD,
    MOSEI,
    MOSI,
    MSP_PODCAST,
    OREAU,
    PAVOQUE,
    POLISH,
    POM,
    RESD,
    SHEMO,
    SIMS,
    SIMS2,
    SUBESCO,
    TESS,
    TUREVDB,
    URDU,
    VOXCELEB,
)

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _ALL}


def with_media() -> dict[str, Corpus]:
    """Chooses the corpora whose files are scanned, so that a store can be built of them.

    Returns:
        Name -> corpus.
    """
    return {name: corpus for name, corpus in CORPORA.items() if corpus.reads_media}
