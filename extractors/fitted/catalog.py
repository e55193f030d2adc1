"""Every fitter by name: one line each."""

from extractors.fitted.autoencoder import Autoencoder
from extractors.fitted.base import Fitter
from extractors.fitted.finetune import Finetuned
from extractors.fitted.iza import Iza, IzaLeaking
from extractors.fitted.pad import Pad
from extractors.fitted.pca import Pca
from extractors.fitted.pooled import Pooled
from extractors.fitted.zscore import ZScore

FITTERS: dict[str, type[Fitter]] = {
    kind.name: kind for kind in (ZScore, Pca, Pad, Autoencoder, Finetuned, Iza, IzaLeaking, Pooled)
}
"""Name of a fitter in a recipe -> its class."""
