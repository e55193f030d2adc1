"""How an object is shown in a terminal or a notebook: a title and a few facts, no arrays."""

from collections.abc import Mapping
from html import escape

from manifests.features import FeatureSpec
from manifests.visible import visible

Facts = Mapping[str, str | tuple[str, ...]]
"""Name of a fact, a word of ours -> its text, which may be anybody's; of several lines, each by
itself."""


def as_text(title: str, facts: Facts) -> str:
    """Writes facts for a terminal.

    Args:
        title: What the object is.
        facts: What is known of it; a fact without a text is left out.

    Returns:
        The title and a line for each fact, or more.
    """
    width = max((len(name) for name in facts), default=0)
    lines = [visible(title)]
    for name, text in _lines(facts):
        lines += [
            f"  {name if at == 0 else '':{width}}  {visible(line)}" for at, line in enumerate(text)
        ]
    return "\n".join(lines)


def as_html(title: str, facts: Facts) -> str:
    """Writes facts for a notebook.

    Args:
        title: What the object is.
        facts: What is known of it; a fact without a text is left out.

    Returns:
        A table.
    """
    rows = [
        '<tr><th style="text-align: left; vertical-align: top">'
        f'{name}</th><td style="text-align: left">'
        f"{'<br>'.join(escape(visible(line)) for line in text)}</td></tr>"
        for name, text in _lines(facts)
    ]
    return f"<table><caption>{escape(visible(title))}</caption>{''.join(rows)}</table>"


def _lines(facts: Facts) -> list[tuple[str, tuple[str, ...]]]:
    lines = [(name, (text,) if isinstance(text, str) else text) for name, text in facts.items()]
    return [(name, text) for name, text in lines if text and text != ("",)]


def rows_of(spec: FeatureSpec) -> str:
    """Says what a row of a feature is.

    Args:
        spec: The feature.

    Returns:
        Such as `(time, 120) float32, hop 0.01 s`.
    """
    shape = ", ".join(map(str, ("time", *spec.shape)))
    hop = "rows follow the clip's clock" if spec.hop_s is None else f"hop {spec.hop_s:g} s"
    codec = "" if spec.codec == "raw" else f" {spec.codec}"
    return f"({shape}{',' if not spec.shape else ''}) {spec.dtype}{codec}, {hop}"
