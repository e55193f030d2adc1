"""What the paper of `tucker2025` prints: its tables and figures."""

from examples import figures
from examples.printed import Cell, Printed, PrintedFigure, PrintedTable, by_class, turned

MODEL, OF_MEANS = "Tucker fusion", "Tucker fusion, pooled by means"
"""Names of the paper's model and of the variant whose bilinear pooling is cheaper."""

_SCORES = ("precision", "recall", "f1")


def _table(number: int, corpus: str, begins: str, names: str, values: str) -> PrintedTable:
    """names: the paper's classes and ours, `Anger:anger`; values: three lines of numbers."""
    words = dict(pair.split(":") for pair in names.split())
    lines = [[float(value) for value in line.split()] for line in values.strip().splitlines()]
    printed = dict(zip(words, zip(*lines, strict=True), strict=True))
    rows = by_class(MODEL, _SCORES, printed, words, begins)
    return PrintedTable(
        f"Table {number}. {corpus} (%)",
        tuple(words),
        turned(rows, ("Precision", "Recall", "F1-score")),
    )


def _both(corpus: str, balanced: float, plain: float | None) -> tuple[Cell, Cell]:
    return (
        Cell(balanced, MODEL, ("balanced_accuracy",), corpus),
        Cell(plain, MODEL, ("accuracy",), corpus),
    )


_OTHERS: tuple[tuple[int, str, dict[str, float], float], ...] = (
    (
        5,
        "RAVDESS",
        {
            "Self-attention [82]": 75.76,
            "Late fusion [83]": 86.70,
            "Concatenation [46]": 66.90,
            "Cross-attention [45]": 89.25,
            "Cross-attention [84]": 82.42,
        },
        92.46,
    ),
    (
        6,
        "CREMA-D",
        {
            "Multi-branch attention [48]": 72.45,
            "Cross-attention [45]": 84.57,
            "Conformer encoder [47]": 77.9,
        },
        87.31,
    ),
    (7, "IEMOCAP", {"Hybrid multi-attention fusion [85]": 75.39}, 83.22),
)
"""Number of a table, its corpus, what others are printed with, and the paper itself."""


def _compared(number: int, corpus: str, others: dict[str, float], proposed: float) -> PrintedTable:
    begins = corpus.lower().replace("-", "")
    return PrintedTable(
        f"Table {number}. {corpus}, accuracy (%); the paper's own is what table 4 calls weighted",
        ("All clips alike", "Mean over classes"),
        {
            **{name: (Cell(value), Cell(None)) for name, value in others.items()},
            "Proposed": tuple(reversed(_both(begins, proposed, None))),
        },
    )


PRINTED = Printed(
    tables=(
        _table(
            1,
            "RAVDESS",
            "ravdess",
            "Angry:angry Calm:calm Disgust:disgust Fearful:fearful Happy:happy Neutral:neutral "
            "Sad:sad Surprise:surprised",
            """
            92.12 92.8 91.47 93.2 93.85 91.47 91.17 93.6
            92.8 93.91 91.64 91.06 93.12 93.5 91.55 91.55
            92.46 93.35 91.55 92.12 93.49 92.47 91.36 92.56
            """,
        ),
        _table(
            2,
            "CREMA-D",
            "cremad",
            "Anger:anger Disgust:disgust Fear:fear Happy:happy Neutral:neutral Sad:sad",
            """
            86.5 88.8 87.93 87.39 85.62 85.62
            85.23 88.46 87.4 87.83 85.08 88.88
            85.86 88.63 87.67 87.61 85.35 87.22
            """,
        ),
        _table(
            3,
            "IEMOCAP",
            "iemocap",
            "Anger:ang Happiness:hap Sadness:sad Neutral:neu Excited:exc Frustration:fru "
            "Surprise:sur Fear:fea",
            """
            83.87 84.22 82.85 83.14 81.38 85.87 84.75 82.62
            85.08 82.42 84.45 84.64 82.11 82.89 82.41 83.94
            84.47 83.31 83.64 83.88 81.74 84.36 83.56 83.27
            """,
        ),
        PrintedTable(
            "Table 4. Weighted (the mean over classes, as the text says) and unweighted (all clips "
            "alike) accuracy (%)",
            ("Weighted", "Unweighted"),
            {
                "RAVDESS": _both("ravdess", 92.46, 88.74),
                "CREMA-D": _both("cremad", 87.31, 84.27),
                "IEMOCAP": _both("iemocap", 83.22, 79.63),
            },
        ),
        *(_compared(*one) for one in _OTHERS),
        PrintedTable(
            "Section A.4. What pooling of the whole core is worth (%); not in the paper",
            ("Accuracy", "Macro F1"),
            {
                name: tuple(Cell(None, name, (score,)) for score in ("accuracy", "macro_f1"))
                for name in (MODEL, OF_MEANS)
            },
        ),
    ),
    figures=(
        *(
            PrintedFigure(f"Figure {number}. Confusion matrix", figures.confusion, (MODEL,), corpus)
            for number, corpus in enumerate(("ravdess", "cremad", "iemocap"), 5)
        ),
        PrintedFigure(
            "Figure 8. Attention of steps of the picture to steps of the sound",
            figures.before_and_after,
            (MODEL,),
        ),
        PrintedFigure(
            "Figure 8 in several clips. Steps of the sound that are looked at",
            figures.looked_at("audio"),
            (MODEL,),
        ),
        PrintedFigure(
            "Figure 9. Steps of the picture that are looked at in several clips",
            figures.looked_at("frames"),
            (MODEL,),
        ),
        PrintedFigure("Figure 10. Cross-modal attention", figures.attention, (MODEL,)),
        PrintedFigure(
            "Figure 11. Correlation of numbers of sound and picture", figures.correlation, (MODEL,)
        ),
    ),
)
