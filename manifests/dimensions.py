"""Dimensions of emotion: which label schemes are ratings on a scale, and not names of classes."""

from manifests.corpora.catalog import CORPORA

_WORDS = {"valence": "valence", "arousal": "activation", "dominance": "dominance"}
"""Dimension -> how the corpora call it."""
_FROM_1_TO_5 = ("iemocap", "msp_improv")
"""Corpora whose ratings have one scale, so that their clips may be learned from together."""

DIMENSIONS: dict[str, tuple[str, ...]] = {
    dimension: tuple(f"{corpus}_{word}" for corpus in _FROM_1_TO_5)
    for dimension, word in _WORDS.items()
}
"""Dimension -> the label schemes that rate it, all of them from 1 to 5."""
RATED: frozenset[str] = frozenset(
    scheme
    for corpus in CORPORA.values()
    for scheme in corpus.label_schemes
    if scheme.rpartition("_")[2] in _WORDS.values()
)
"""All label schemes of corpora whose values are ratings; those of single raters among them."""
