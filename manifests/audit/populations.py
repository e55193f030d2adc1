"""How much of each class every corpus has, as the corpora themselves say."""

from manifests.corpora.catalog import CORPORA
from manifests.corpora.population import CorpusPart, Population, UnknownFilter

_EVERYTHING = CorpusPart()


def populations() -> dict[str, Population]:
    """All clips of every corpus whose clips are counted.

    Returns:
        Name of the corpus -> its clips, as takes where a take is published in several renderings.
    """
    return {name: corpus.population for name, corpus in CORPORA.items() if corpus.population}


def population(corpus: str, part: CorpusPart = _EVERYTHING) -> Population:
    """The clips of a corpus, or of a part of it.

    Args:
        corpus: Name of the corpus.
        part: The part; as files, where the corpus has filters.

    Returns:
        The clips.

    Raises:
        UnknownFilter: The clips of the corpus are not counted, or it has no such part.
    """
    known = populations()
    if corpus not in known:
        raise UnknownFilter(
            f"the counts of the corpus {corpus!r} are not known; those of {', '.join(known)} are"
        )
    found = CORPORA[corpus].part(part)
    if found is None and part != _EVERYTHING:
        filtered = [name for name in known if CORPORA[name].part(_EVERYTHING)]
        raise UnknownFilter(
            f"modality, channel and singers_only are filters of {', '.join(filtered)}; {corpus} "
            "is taken whole"
        )
    return found or known[corpus]
