"""Figures of the papers, drawn by matplotlib of what a run has kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import RocCurveDisplay

from examples.kept import KeptModel
from examples.printed import Models

_SCORES = ("precision", "recall", "f1")
Draw = Callable[[Models, str], Figure]
"""(models of a scheme, the model) -> its figure."""


def confusion(models: Models, name: str) -> Figure:
    """Raw counts, and shares of each true class."""
    model = models[name]
    counts = model.confusion
    shares = np.asarray(model.metrics["pooled"]["confusion_normalised"])
    figure, (left, right) = _panels(2, 6.5)
    _matrix(left, counts, model.classes, model.classes, "{:.0f}")
    _matrix(right, 100 * shares, model.classes, model.classes, "{:.0f}")
    left.set_title("clips")
    right.set_title("% of the true class")
    for axis in (left, right):
        axis.set(xlabel="predicted", ylabel="true")
    return figure


def curves(models: Models, name: str) -> Figure:
    """Loss and accuracy over epochs: each fold and seed faintly, and the mean of those that were
    still trained."""
    figure, axes = _panels(2, 4.0)
    for axis, score in zip(axes, ("loss", "accuracy"), strict=True):
        _over_epochs(axis, models[name], score)
    return figure


def curve(score: str) -> Draw:
    """A figure of `loss` or `accuracy` alone over epochs."""

    def draw(models: Models, name: str) -> Figure:
        figure, (axis,) = _panels(1, 4.0, width=6.0)
        _over_epochs(axis, models[name], score)
        return figure

    return draw


def roc(models: Models, name: str) -> Figure:
    """Each class against the rest, with its area."""
    model = models[name]
    figure, (axis,) = _panels(1, 5.0)
    found = model.predictions
    for number, word in enumerate(model.classes):
        is_it = found.targets == number
        if 0 < is_it.sum() < len(is_it):
            RocCurveDisplay.from_predictions(
                is_it, found.probabilities[:, number], name=word, ax=axis
            )
    axis.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    axis.set(xlabel="false positive rate", ylabel="true positive rate")
    return figure


def class_bars(models: Models, name: str) -> Figure:
    """Precision, recall and F1 of each class."""
    model = models[name]
    figure, (axis,) = _panels(1, 4.0, width=9.0)
    _bars(axis, model.classes, {score: _by_class(model, score) for score in _SCORES})
    return figure


def radar(models: Models, name: str) -> Figure:
    """F1 of each class on an axis of its own; the line has a gap at one that was in no test."""
    model = models[name]
    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    axis = figure.add_subplot(projection="polar")
    angles = np.linspace(0, 2 * np.pi, len(model.classes), endpoint=False)
    values = _by_class(model, "f1")
    axis.plot(np.append(angles, angles[0]), np.append(values, values[0]), marker=".")
    words = zip(model.classes, np.isnan(values), strict=True)
    axis.set_xticks(angles, [f"{word} (no test)" if absent else word for word, absent in words])
    axis.set_ylim(0, 1)
    return figure


def class_heat(models: Models, name: str) -> Figure:
    """Precision, recall and F1 of each class as colours."""
    model = models[name]
    figure, (axis,) = _panels(1, 5.0, width=6.5)
    values = np.stack([_by_class(model, score) for score in _SCORES], axis=1)
    _matrix(axis, values, model.classes, _SCORES, "{:.2f}")
    return figure


def means(models: Models, name: str) -> Figure:
    """Accuracy and the macro means of a model."""
    return _compared({name: models[name]}, "macro")


def compared(names: Sequence[str], average: str) -> Draw:
    """A figure of accuracy and the `macro` or `weighted` means of several models."""

    def draw(models: Models, name: str) -> Figure:
        del name
        if missing := [one for one in names if one not in models]:
            raise KeyError(f"scores of {', '.join(missing)}")
        return _compared({one: models[one] for one in names}, average)

    return draw


def attention(models: Models, name: str) -> Figure:
    """How much each step of one modality looks at each step of the other, in one tested clip."""
    arrays = models[name].arrays
    shown = [key for key in ("audio_to_frames", "frames_to_audio") if key in arrays]
    if not shown:
        raise KeyError(f"attention weights of {name}")
    figure, axes = _panels(len(shown), 4.5)
    for axis, key in zip(axes, shown, strict=True):
        _weights(axis, arrays[key])
        asking, _, asked = key.partition("_to_")
        axis.set(xlabel=f"step of {asked}", ylabel=f"step of {asking}")
    return figure


_PANELS = {
    "frames_to_audio_untrained": "before the training",
    "frames_to_audio": "trained, mean of the heads",
    "frames_to_audio_sharpest": "trained, the sharpest head",
}


def before_and_after(models: Models, name: str) -> Figure:
    """How much each step of the picture looks at each step of the sound, in one tested clip."""
    figure, axes = _panels(len(_PANELS), 4.0)
    for axis, (key, title) in zip(axes, _PANELS.items(), strict=True):
        _weights(axis, _array(models[name], key))
        axis.set(xlabel="step of audio", ylabel="step of frames", title=title)
    return figure


def looked_at(modality: str) -> Draw:
    """A figure of how much is looked at each step of one modality, in each clip that was kept."""

    def draw(models: Models, name: str) -> Figure:
        values = _array(models[name], f"looked_at_{modality}")
        figure, (axis,) = _panels(1, 3.0, width=9.0)
        _weights(axis, values)
        axis.set(xlabel=f"step of {modality}", ylabel="tested clip")
        return figure

    return draw


def correlation(models: Models, name: str) -> Figure:
    """Correlation of numbers of sound and picture over the tested clips."""
    values = _array(models[name], "correlation")
    figure, (axis,) = _panels(1, 5.0, width=6.0)
    image = axis.imshow(values, cmap="coolwarm", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axis, label="Pearson correlation")
    half = len(values) / 2
    for line in (axis.axhline, axis.axvline):
        line(half - 0.5, color="black", linewidth=0.8)
    axis.set_xticks([half / 2, 3 * half / 2], ["sound", "picture"])
    axis.set_yticks([half / 2, 3 * half / 2], ["sound", "picture"])
    return figure


def over_time(models: Models, name: str) -> Figure:
    """Probabilities at each step of some clips, above as they are and below smoothed."""
    model = models[name]
    clips = _numbers(model.arrays, "steps")
    if not clips:
        raise KeyError(f"steps of {name}")
    figure = Figure(figsize=(2.6 * len(clips), 4.5), dpi=100, layout="constrained")
    axes = figure.subplots(2, len(clips), squeeze=False, sharey=True)
    for column, i in enumerate(clips):
        for row, kind in enumerate(("steps", "smoothed")):
            values = model.arrays[f"{kind}_{i}"]
            axes[row, column].plot(np.arange(len(values)) / 10, values)
        axes[0, column].set_title(model.predictions.clip_ids[i].rpartition("/")[2], fontsize=7)
        axes[1, column].set_xlabel("seconds")
    axes[0, 0].set_ylabel("probability")
    axes[1, 0].set_ylabel("smoothed")
    figure.legend(model.classes, loc="outside lower center", ncols=len(model.classes))
    return figure


def gates(models: Models, name: str) -> Figure:
    """Weights of face and sound at each step of some clips."""
    arrays = models[name].arrays
    clips = _numbers(arrays, "gates")
    if not clips:
        raise KeyError(f"gates of {name}")
    figure, axes = _panels(len(clips), 2.5, width=2.6 * len(clips))
    for axis, i in zip(axes, clips, strict=True):
        lines = axis.plot(np.arange(len(arrays[f"gates_{i}"])) / 10, arrays[f"gates_{i}"])
        axis.set(xlabel="seconds", ylim=(0, 1.05))
    figure.legend(lines, ("face", "sound"), loc="outside lower center", ncols=2)
    return figure


def jitter(models: Models, name: str) -> Figure:
    """Changes of the predicted class a second, of every model that was asked for it."""
    del name
    found = {
        one: model.arrays["jitter"] for one, model in models.items() if "jitter" in model.arrays
    }
    if not found:
        raise KeyError("jitter")
    figure, (axis,) = _panels(1, 3.5, width=7.0)
    _bars(axis, list(found), {
        kind: np.array([values[i] for values in found.values()])
        for i, kind in enumerate(("as it is", "smoothed"))
    })  # fmt: skip
    axis.set_ylabel("changes a second")
    return figure


def grouped_bars(
    names: Sequence[str], groups: dict[str, NDArray[Any]], ylabel: str, width: float = 9.0
) -> Figure:
    """A bar of each group for each name."""
    figure, (axis,) = _panels(1, 4.0, width=width)
    _bars(axis, names, groups)
    axis.set_ylabel(ylabel)
    return figure


def _numbers(arrays: Mapping[str, Any], kind: str) -> list[int]:
    """Numbers of the tested clips of which there is such an array, `kind_NUMBER`."""
    ends = [name.rpartition("_")[2] for name in arrays if name.rpartition("_")[0] == kind]
    return sorted(int(end) for end in ends if end.isdigit())


def _over_epochs(axis: Axes, model: KeptModel, score: str) -> None:
    histories = model.histories
    if not histories:
        raise KeyError(f"a history of {model.name}")
    epochs = np.arange(1, max(len(one) for one in histories) + 1)
    for column, colour in ((score, "C0"), (f"validation_{score}", "C1")):
        each = np.full((len(histories), len(epochs)), np.nan)
        for row, one in zip(each, histories, strict=True):
            row[: len(one)] = one[column].to_numpy(float)
        if np.isnan(each).all():
            continue
        axis.plot(epochs, each.T, color=colour, alpha=0.2)
        axis.plot(epochs, np.nanmean(each, axis=0), color=colour, label=column.replace("_", " "))
    axis.set(xlabel="epoch", ylabel=score)
    axis.legend()


def _array(model: KeptModel, key: str) -> NDArray[Any]:
    if key not in model.arrays:
        raise KeyError(f"{key} of {model.name}")
    values: NDArray[Any] = model.arrays[key]
    return values


def _by_class(model: KeptModel, score: str) -> NDArray[np.float64]:
    """(class,) NaN for a class that was in no test."""
    values = [model.score("per_class", word, score) for word in model.classes]
    return np.array([np.nan if value is None else value for value in values])


def _compared(models: Models, average: str) -> Figure:
    figure, (axis,) = _panels(1, 4.0, width=9.0)
    scores = ("accuracy", *(f"{average}_{score}" for score in _SCORES))
    _bars(axis, list(models), {
        score.replace("_", " "): np.array([one.metrics["pooled"][score] for one in models.values()])
        for score in scores
    })  # fmt: skip
    return figure


def _panels(count: int, height: float, width: float | None = None) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width or height * count, height), dpi=100, layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _matrix(
    axis: Axes, values: NDArray[Any], rows: Sequence[str], columns: Sequence[str], text: str
) -> None:
    axis.imshow(values, cmap="Blues", aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    dark = np.nanmax(values) / 2 if np.isfinite(values).any() else 0
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value > dark else "black"
            axis.text(column, row, text.format(value), ha="center", va="center", color=colour)


def _weights(axis: Axes, values: NDArray[Any]) -> None:
    axis.figure.colorbar(axis.imshow(values, cmap="viridis", aspect="auto"), ax=axis)


def _bars(axis: Axes, names: Sequence[str], groups: dict[str, NDArray[Any]]) -> None:
    at, width = np.arange(len(names)), 0.8 / len(groups)
    for number, (label, values) in enumerate(groups.items()):
        axis.bar(at + (number - (len(groups) - 1) / 2) * width, values, width, label=label)
    axis.set_xticks(at, names, rotation=20, ha="right")
    axis.margins(x=0.1)
    axis.figure.legend(loc="outside lower center", ncols=len(groups), fontsize="small")
