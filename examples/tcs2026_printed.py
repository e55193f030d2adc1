"""What Alkawaz and Al-Arbo 2026 print: tables and figures, with the names of the models that they
are of. Figures and sections are the paper's."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from examples import figures
from examples.printed import Cell, Models, Printed, PrintedFigure, PrintedTable, by_class

WHOLE, WITHOUT = "gated fusion with TCS", "without the loss"
CLIP, FORWARD = "one sound embedding a clip", "forward LSTM"
MODELS = (WHOLE, WITHOUT, CLIP, FORWARD)
MEAN = "mean of the steps"
"""The other decision: the distribution of the clip that 3.4.3 learns by, not smoothed."""

_WORDS = {
    "Neutral/Calm": "neutral",
    "Happy": "happy",
    "Sad": "sad",
    "Angry": "angry",
    "Fearful": "fearful",
    "Surprised": "surprised",
    "Disgusted": "disgust",
}
_TABLE = {
    "Neutral/Calm": (95.20, 98.64, 96.89, 221),
    "Happy": (97.22, 95.24, 96.22, 147),
    "Sad": (96.45, 91.89, 94.12, 148),
    "Angry": (95.97, 97.28, 96.62, 147),
    "Fearful": (89.38, 97.28, 93.16, 147),
    "Surprised": (98.46, 86.49, 92.09, 74),
    "Disgusted": (92.86, 87.84, 90.28, 74),
}


def _mean(average: str, values: tuple[float, ...]) -> tuple[Cell, ...]:
    scores = (*(f"{average}_{score}" for score in ("precision", "recall", "f1")), "clips")
    return tuple(Cell(v, WHOLE, (s,), "ravdess") for s, v in zip(scores, values, strict=True))


_SMOOTHED = "decided by the last q_t"
_ABLATION = {
    f"with the loss, {_SMOOTHED}": WHOLE,
    f"with the loss, {MEAN}": f"{WHOLE}, {MEAN}",
    f"without the loss, {_SMOOTHED}": WITHOUT,
    f"without the loss, {MEAN}": f"{WITHOUT}, {MEAN}",
}


def _gain(printed: float | None, model: str, less: str) -> tuple[Cell, ...]:
    return (
        Cell(None, model, ("accuracy",), less=less),
        Cell(printed, model, ("macro_f1",), less=less),
    )


def _live(printed: float | None, name: str) -> Cell:
    return Cell(printed, FORWARD, ("look", f"live_{name}"))


def _tables() -> tuple[PrintedTable, ...]:
    return (
        PrintedTable(
            "Table 1. Classes of the test (%)",
            ("Precision", "Recall", "F1-score", "Support"),
            {
                **by_class(
                    WHOLE, ("precision", "recall", "f1", "support"), _TABLE, _WORDS, "ravdess"
                ),
                "Macro average": _mean("macro", (95.08, 93.52, 94.20, 958)),
                "Weighted average": _mean("weighted", (95.00, 94.89, 94.86, 958)),
                "Accuracy": (
                    Cell(94.89, WHOLE, ("accuracy",), "ravdess"),
                    Cell(None),
                    Cell(None),
                    Cell(958, WHOLE, ("clips",), "ravdess"),
                ),
            },
        ),
        PrintedTable(
            "Section 4.5. Area under the ROC curve; the paper: 0.988 to 0.998",
            ("Area",),
            {
                **{
                    name: (Cell(None, WHOLE, ("roc_auc", word), "ravdess"),)
                    for name, word in _WORDS.items()
                },
                "Mean": (Cell(0.993, WHOLE, ("roc_auc", "macro"), "ravdess"),),
            },
            scale=1.0,
        ),
        PrintedTable(
            "Sections 3.3, 5 and 6. What the consistency loss and smoothing change (%)",
            ("Accuracy", "Macro F1"),
            {
                **{
                    row: (Cell(None, model, ("accuracy",)), Cell(None, model, ("macro_f1",)))
                    for row, model in _ABLATION.items()
                },
                "gain of the loss": _gain(None, WHOLE, WITHOUT),
                "gain of loss and smoothing": _gain(0.6, WHOLE, f"{WITHOUT}, {MEAN}"),
            },
        ),
        PrintedTable(
            "Section 3.3. Jitter: changes of the decision a second; the paper: reduced, no number",
            ("As it is", "Smoothed"),
            {
                model: tuple(Cell(None, model, ("look", "jitter", kind)) for kind in "01")
                for model in MODELS
            },
            scale=1.0,
        ),
        PrintedTable(
            "Section 3.2. Gates over all steps, 0 to 1; the paper: they vary, no number",
            ("Face, mean", "Face, deviation", "Sound, mean", "Sound, deviation"),
            {
                model: tuple(
                    Cell(None, model, ("look", "gate", part, number))
                    for part in "01"
                    for number in "01"
                )
                for model in MODELS
            },
            scale=1.0,
        ),
        PrintedTable(
            "Section 3.2. Other readings: one sound embedding a clip; a forward LSTM, for streams "
            '(%). The paper, of the forward LSTM alone: "the difference was negligible"',
            ("Accuracy", "Macro F1"),
            {
                model: (Cell(None, model, ("accuracy",)), Cell(None, model, ("macro_f1",)))
                for model in MODELS
                if model != WITHOUT
            },
        ),
        PrintedTable(
            "Section 3.4.7. Size, the ResNet of the faces included",
            ("Parameters (millions)", "Size (MB)"),
            {
                model: (
                    Cell(14, model, ("timing", "parameters_millions")),
                    Cell(55, model, ("timing", "size_mb")),
                )
                for model in MODELS
            },
            scale=1.0,
        ),
        PrintedTable(
            "Abstract and section 6. Live: one decision, from the frame and its 100 ms of sound; "
            "the paper's on an RTX 3060",
            ("FPS", "Median (ms)", "95th percentile (ms)"),
            {FORWARD: (_live(22, "fps"), _live(None, "median_ms"), _live(None, "slow_ms"))},
            scale=1.0,
        ),
    )


def gates_of_classes(models: Models, name: str) -> Figure:
    """The mean gates of face and sound over the clips of each class, of all folds and seeds."""
    model = models[name]
    found = [(one.predictions()[0].targets, one.arrays()) for one in model.folders]
    if not all("gates_of_clips" in arrays for _, arrays in found):
        raise KeyError(f"gates of {name}")
    targets = np.concatenate([targets for targets, _ in found])
    gates = np.concatenate([arrays["gates_of_clips"] for _, arrays in found])
    means: dict[str, NDArray[np.float64]] = {
        what: np.array([
            gates[targets == number, column].mean() if (targets == number).any() else np.nan
            for number in range(len(model.classes))
        ])
        for column, what in enumerate(("face", "sound"))
    }  # fmt: skip
    return figures.grouped_bars(model.classes, means, "gate")


def live(models: Models, name: str) -> Figure:
    """A clip as it was decided while it was played: frames, smoothed probabilities, latency."""
    model = models[name]
    arrays = next((a for a in (one.arrays() for one in model.folders) if "live_smoothed" in a), {})
    if not arrays:
        raise KeyError(
            f"clip that {name!r} has decided live; run python -m examples.stream CLIP --store "
            "STORE --run RUN --scheme SCHEME"
        )
    smoothed, latency = arrays["live_smoothed"], arrays["live_latency_ms"]
    shown = arrays["live_frames"]
    figure = Figure(figsize=(9, 6.5), dpi=100, layout="constrained")
    grid = figure.add_gridspec(3, len(shown), height_ratios=(1, 2, 1))
    for column, (picture, step) in enumerate(zip(shown, arrays["live_frame_steps"], strict=True)):
        axis = figure.add_subplot(grid[0, column])
        axis.imshow(picture)
        axis.set_axis_off()
        axis.set_title(model.classes[int(smoothed[step].argmax())], fontsize="small")
    seconds = np.arange(1, len(smoothed) + 1) / 10
    axis = figure.add_subplot(grid[1, :])
    lines = axis.plot(seconds, smoothed)
    axis.set(ylabel="q_t", ylim=(0, 1))
    axis.legend(lines, model.classes, fontsize="small", loc="upper left", ncols=4)
    axis = figure.add_subplot(grid[2, :])
    axis.bar(seconds, latency, width=0.08)
    axis.set(xlabel="seconds", ylabel="latency (ms)")
    return figure


PRINTED = Printed(
    tables=_tables(),
    figures=(
        PrintedFigure("Figure 3. Accuracy and loss", figures.curves, (WHOLE,)),
        PrintedFigure("Figure 4. Macro-averaged scores", figures.means, (WHOLE,)),
        PrintedFigure("Figure 5. Scores of the classes", figures.class_bars, (WHOLE,)),
        PrintedFigure("Figure 6. F1 of the classes", figures.radar, (WHOLE,)),
        PrintedFigure("Figure 7. Confusion matrix", figures.confusion, (WHOLE,)),
        PrintedFigure("Figure 8. ROC curves", figures.roc, (WHOLE,)),
        PrintedFigure("Figure 9. Predictions over time", figures.over_time, (WHOLE,)),
        PrintedFigure("Figure 10. A clip, live", live, (FORWARD,)),
        PrintedFigure("Gates over time", figures.gates, (WHOLE,)),
        PrintedFigure("Gates of the classes", gates_of_classes, (WHOLE,)),
        PrintedFigure("Jitter", figures.jitter, (WHOLE,)),
    ),
)
