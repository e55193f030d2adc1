"""Log-mel spectrogram."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from extractors.base import Inputs, Layout
from extractors.mel import MelFeature
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track


@dataclass(frozen=True, kw_only=True)
class LogMel(MelFeature):
    """Log power in `n_mels` bands.

    values: (time, mel) float32, dB of the STFT's power re 1.0 for samples of full scale 1.0, from
        -100 dB (digital silence) up: `librosa.power_to_db(librosa.feature.melspectrogram(...),
        ref=1.0, top_db=None)`. Row i is centred at i * hop_s (see `centre`).
    valid: True throughout.

    librosa's default `top_db=80` would raise what is 80 dB below the loudest value of the clip, so
    that a quiet moment's numbers depended on a loud one elsewhere.
    """

    name: ClassVar[str] = "logmel"
    version: ClassVar[int] = 1

    n_mels: int = 64

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        self.check_input(needs)
        return Layout(
            "float32", ("time", "mel"), (self.n_mels,), "dB re 1.0 (power)", self.stft.row_s
        )

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Measures one clip.

        Args:
            clip: The clip.
            inputs: Its sound, under the role `audio`.

        Returns:
            The log power; see the class for its form.

        Raises:
            BadClip: TOO_SHORT for a clip without a whole frame.
        """
        decibels = self.decibels(clip, inputs)
        return self.track(decibels, inputs)
