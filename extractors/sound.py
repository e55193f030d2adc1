"""What extractors of sound share: the form of their rows, and their rate."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.base import Layout, form_of
from manifests.features import FeatureSpec
from manifests.tracks import Track


def same_sound(name: str, source: FeatureSpec, rate_hz: int | None = None) -> Layout:
    """Describes sound that is made from sound.

    Args:
        name: Name of the extractor.
        source: The spec of its input.
        rate_hz: The rate that the input must have; None for any.

    Returns:
        The layout of the input.

    Raises:
        ValueError: The input is no mono waveform, or has another rate.
    """
    if source.dims != ("time",) or source.dtype != "float32" or source.hop_s is None:
        raise ValueError(
            f"{name} works on sound, (time,) float32 at a fixed rate, but {form_of(source)}; name "
            "a feature of the extractor audio, or one made from it"
        )
    if rate_hz is not None and round(1 / source.hop_s) != rate_hz:
        raise ValueError(
            f"{name} has rate_hz = {rate_hz}, but its input {source.name} has "
            f"{1 / source.hop_s:g} Hz; give both the same rate"
        )
    return Layout.of(source)


def check_rate(name: str, rate_hz: int, source: FeatureSpec, source_name: str) -> None:
    """Refuses sound of another rate than the extractor's.

    Args:
        name: Name of the extractor.
        rate_hz: Its sampling rate.
        source: The spec of its input.
        source_name: Name of the input in the recipe.

    Raises:
        ValueError: The input has another rate, or none.
    """
    if source.hop_s is None or round(1 / source.hop_s) != rate_hz:
        found = "no fixed rate" if source.hop_s is None else f"{1 / source.hop_s:g} Hz"
        raise ValueError(
            f"{name} has rate_hz = {rate_hz}, but its input {source_name!r} has {found}; give "
            "both the same rate"
        )


def resampled(values: NDArray[np.float32], from_hz: float, to_hz: float) -> NDArray[np.float32]:
    """Resamples sound by soxr's HQ.

    Args:
        values: (time,) samples.
        from_hz: Their sampling rate.
        to_hz: The rate that is wanted.

    Returns:
        (time,) samples at that rate.
    """
    import soxr

    return np.asarray(soxr.resample(values, from_hz, to_hz, quality="HQ"))


def with_values(sound: Track, values: NDArray[Any]) -> Track:
    """Replaces the samples of sound.

    Args:
        sound: The sound.
        values: (time,) as many samples.

    Returns:
        The same times, validity and notes with other samples.
    """
    return Track(np.asarray(values, np.float32), sound.seconds, sound.valid, sound.notes)
