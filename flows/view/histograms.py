"""Distributions as pictures in SVG."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from manifests.visible import shortened, visible

if TYPE_CHECKING:
    from flows.reporting.facts import Distribution

_BINS = 40
_MOST_PARTS = 6
"""Corpora with a colour of their own; the rest share one."""
_LONGEST = 30


def histogram(shown: "Distribution") -> bytes:
    """Draws how many clips have which number, the corpora on top of each other.

    Args:
        shown: The numbers; there is at least one.

    Returns:
        An SVG file with letters drawn as shapes, which needs no font.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    parts = _few(shown.parts)
    whole = Figure(figsize=(5.2, 2.5), layout="constrained")
    axis = whole.subplots()
    names = [visible(shortened(name, _LONGEST)) for name in parts]
    axis.hist([*parts.values()], bins=_edges(shown).tolist(), stacked=True, label=names)
    axis.set_xlabel(shown.unit, parse_math=False)
    axis.set_ylabel("clips")
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    if len(parts) > 1:
        legend = whole.legend(loc="outside upper right", ncols=3, frameon=False, fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "report"}):  # the same numbers give the same bytes
        whole.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _few(parts: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """The largest parts, and all others as one."""
    order = sorted(parts, key=lambda name: -len(parts[name]))
    few = {name: parts[name] for name in order[:_MOST_PARTS]}
    if rest := order[_MOST_PARTS:]:
        few["others"] = np.concatenate([parts[name] for name in rest])
    return few


def _edges(shown: "Distribution") -> NDArray[np.float64]:
    values = shown.values
    if shown.unit == "%":
        return np.linspace(0, 100, _BINS + 1)
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def bars(values: NDArray[np.float64], bins: int = 24) -> str:
    """The outline of a small histogram.

    Args:
        values: The numbers; there is at least one.
        bins: How many bars there are.

    Returns:
        The path of an SVG picture of `bins` by 10 units.
    """
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, bins, (low, high if high > low else low + 1))
    heights = 10 * counts / counts.max()
    return "".join(
        f"M{at} 10v-{height:.1f}h.9v{height:.1f}z" for at, height in enumerate(heights) if height
    )


def outline(wave: tuple[float, ...]) -> str:
    """The outline of a sound, the same above and below its middle.

    Args:
        wave: Amplitudes from 0 to 1.

    Returns:
        The path of an SVG picture of `len(wave)` by 20 units.
    """
    heights = [max(0.2, 9.5 * one) for one in wave]
    above = "".join(f"L{at} {10 - height:.1f}" for at, height in enumerate(heights))
    below = "".join(f"L{at} {10 + height:.1f}" for at, height in [*enumerate(heights)][::-1])
    return f"M0 10{above}{below}z"
