"""Kirar et al. 2024: BiLSTM, BiLSTM with self-attention, and CNN on the selected features of sound
and summary picture, and on the picture's feature map.

Sections and equations are the paper's. What it leaves open is marked `ours`; docs/papers.md has the
list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples import figures
from examples.parts import Net, Recurrent, Stages, Tensors, adam, real
from examples.plan import Fitting, Paper, Trial
from examples.printed import Cell, Printed, PrintedFigure, PrintedTable

SELECTED = "selected"
"""Autoencoder features beside ResNet-50 features of the summary picture, after selection: one row a
clip."""
MAP = "conv5_3"
"""What ResNet-50 sees at each place of the summary picture: one map a clip."""


@dataclass(frozen=True)
class KirarSettings:
    """Ours: how the models of Table 1 were trained, and how wide they are, is not said."""

    epochs: int = 100
    batch: int = 32
    rate: float = 1e-3
    piece: int = 32
    """Ours: the numbers in a piece of the selected vector, for the models that read it in pieces,
    in their order."""
    units: int = 128
    """Of the LSTM in each direction, and channels of the CNN."""
    heads: int = 4
    dense: int = 64
    dropout: float = 0.5


def _head(settings: KirarSettings, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(settings.dropout),
        nn.Linear(width, settings.dense),
        nn.ReLU(),
        nn.Linear(settings.dense, classes),
    )


class SelfAttention(nn.Module):
    """Equations (4) to (9): h heads of width d / h, their projection R, and layerNorm(X + R)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries, self.keys, self.values = (
            nn.Linear(width, width, bias=False) for _ in range(3)
        )
        self.out = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            f(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for f in (self.queries, self.keys, self.values)
        )
        weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(dim=-1)  # equation (7)
        joined = (weights @ v).transpose(1, 2).flatten(2)
        normed: Tensor = self.norm(x + self.out(joined))
        return normed


class Response(nn.Module):
    """Equation (1), or (2): o_t = sigmoid(W x_t + U h_(t-1) + b), the output gate of an LSTM along
    one direction, which the paper calls its response: (n, t, inputs) -> (n, t, units)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lstm = self.lstm
        before = functional.pad(lstm(x)[0], (0, 0, 1, 0))[:, :-1]
        # torch keeps the four gates one below the other; the output gate is the last.
        w, u, b, c = (part[3 * lstm.hidden_size :] for part in lstm.all_weights[0])
        return torch.sigmoid(x @ w.T + before @ u.T + b + c)


class TwoDirections(nn.Module):
    """Equations (1) to (3): each row is read from left to right and each column from top to bottom,
    and at each place both responses are added: (n, rows, columns, d) -> the same with `units`."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.right, self.down = Response(inputs, units), Response(inputs, units)

    def forward(self, places: Tensor) -> Tensor:
        n, rows, columns, _ = places.shape
        right = self.right(places.flatten(0, 1)).unflatten(0, (n, rows))
        down = self.down(places.transpose(1, 2).flatten(0, 1)).unflatten(0, (n, columns))
        found: Tensor = right + down.transpose(1, 2)
        return found


def _places(batch: Tensors) -> Tensor:
    """(batch, rows, columns, channels + selected): what conv5_3 sees at each place (2.1), and
    beside it the selected vector of sound and picture, which 3.6 feeds to the BiLSTM too. Ours:
    that both meet so."""
    places, vector = real(batch, MAP)[:, 0], real(batch, SELECTED)[:, 0]
    spread = vector[:, None, None].expand(-1, *places.shape[1:3], -1)
    return torch.cat([places, spread], dim=3)


class MapLstm(Net):
    """Stages: places (batch, rows, columns, channels + selected), response (batch, rows * columns,
    units), and where it attends, attended of the same form. Ours: the mean over places in the
    end."""

    def __init__(self, settings: KirarSettings, classes: int, inputs: int, attends: bool) -> None:
        super().__init__()
        self.lstm = TwoDirections(inputs, settings.units)
        self.attend = SelfAttention(settings.units, settings.heads) if attends else None
        self.classify = _head(settings, settings.units, classes)

    def stages(self, batch: Tensors) -> Stages:
        found: Stages = {"places": _places(batch)}
        found["response"] = last = self.lstm(found["places"]).flatten(1, 2)
        if self.attend is not None:
            found["attended"] = last = self.attend(last)
        return {**found, "logits": self.classify(last.mean(dim=1))}


class MapCnn(Net):
    """The baseline of Table 1, of which is said that it "relied on spatial feature extraction
    without sequence modelling" (4.1). Ours: two convolutions of 3 x 3. Stages: places as of
    MapLstm, conv (batch, units, rows, columns)."""

    def __init__(self, settings: KirarSettings, classes: int, inputs: int) -> None:
        super().__init__()
        width = settings.units
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.classify = _head(settings, width, classes)

    def stages(self, batch: Tensors) -> Stages:
        places = _places(batch)
        conv = self.conv(places.permute(0, 3, 1, 2))
        return {"places": places, "conv": conv, "logits": self.classify(conv.mean(dim=(2, 3)))}


def _pieces(batch: Tensors, size: int) -> Tensor:
    """The clip's one vector as a sequence: (batch, pieces, size), zeros at the end."""
    vector = real(batch, SELECTED)[:, 0]
    padded = functional.pad(vector, (0, -vector.shape[1] % size))
    return padded.reshape(len(padded), -1, size)


class PiecesLstm(Net):
    """Another reading of 3.6, which does not say along what the selected vector is a sequence: in
    pieces, without the map. Stages: pieces (batch, p, settings.piece), lstm (batch, p, 2 * units),
    and where it attends, attended of the same form."""

    def __init__(self, settings: KirarSettings, classes: int, inputs: int, attends: bool) -> None:
        super().__init__()
        self.piece = inputs
        self.lstm = Recurrent(nn.LSTM, inputs, settings.units)
        self.attend = SelfAttention(2 * settings.units, settings.heads) if attends else None
        self.classify = _head(settings, 2 * settings.units, classes)

    def stages(self, batch: Tensors) -> Stages:
        found: Stages = {"pieces": _pieces(batch, self.piece)}
        whole = torch.ones(
            found["pieces"].shape[:2], dtype=torch.bool, device=found["pieces"].device
        )
        found["lstm"] = last = self.lstm(found["pieces"], whole)
        if self.attend is not None:
            found["attended"] = last = self.attend(last)
        return {**found, "logits": self.classify(last.mean(dim=1))}


class PiecesCnn(Net):
    """Two convolutions along the pieces. Stages: pieces as of PiecesLstm, conv (batch, p,
    units)."""

    def __init__(self, settings: KirarSettings, classes: int, inputs: int) -> None:
        super().__init__()
        self.piece, width = inputs, settings.units
        self.conv = nn.Sequential(
            nn.Conv1d(inputs, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.classify = _head(settings, width, classes)

    def stages(self, batch: Tensors) -> Stages:
        pieces = _pieces(batch, self.piece)
        conv = self.conv(pieces.transpose(1, 2)).transpose(1, 2)
        return {"pieces": pieces, "conv": conv, "logits": self.classify(conv.mean(dim=1))}


OF_MAP: dict[str, Callable[[KirarSettings, int, int], Net]] = {
    "BiLSTM with self-attention": partial(MapLstm, attends=True),
    "BiLSTM": partial(MapLstm, attends=False),
    "CNN": MapCnn,
}
"""The models of Table 1, by equations (1) to (3)."""
OF_PIECES: dict[str, Callable[[KirarSettings, int, int], Net]] = {
    "BiLSTM with self-attention, in pieces": partial(PiecesLstm, attends=True),
    "BiLSTM, in pieces": partial(PiecesLstm, attends=False),
    "CNN, in pieces": PiecesCnn,
}
"""The same of the selected vector alone."""
MODELS = {**OF_MAP, **OF_PIECES}


def build(name: str, settings: KirarSettings, batch: Tensors, classes: int) -> Net:
    inputs = _places(batch).shape[-1] if name in OF_MAP else settings.piece
    return MODELS[name](settings, classes, inputs)


def trials(settings: KirarSettings) -> list[Trial]:
    fitting = Fitting(settings.epochs, settings.batch, adam(settings.rate))
    return [
        Trial(
            name,
            (SELECTED, MAP) if name in OF_MAP else (SELECTED,),
            partial(build, name, settings),
            fitting,
        )
        for name in MODELS
    ]


_TABLE = {
    "BiLSTM with self-attention": (0.89834, 0.89833, 0.898, 0.898),
    "BiLSTM": (0.85151, 0.85165, 0.85151, 0.85152),
    "CNN": (0.8687, 0.86877, 0.8687, 0.86867),
}
_SCORES = ("accuracy", "weighted_precision", "weighted_recall", "weighted_f1")


def _results(models: Mapping[str, Sequence[float | None]]) -> dict[str, tuple[Cell, ...]]:
    return {
        model: tuple(
            Cell(value, model, (score,)) for score, value in zip(_SCORES, values, strict=True)
        )
        for model, values in models.items()
    }


_COLUMNS = ("Accuracy", "Precision", "Recall", "F1-score")


def selection(recipe: Mapping[str, Any]) -> str:
    """What the titles say: on which clips the features were selected."""
    fitter = recipe.get("fitted", {}).get(SELECTED, {}).get("fitter")
    return {
        "iza": "features selected on the training clips of each fold",
        "iza_leaking": "LEAKS: features selected on all clips, those of the test too, as 3.5 says",
    }.get(fitter, "")


PRINTED = Printed(
    tables=(
        PrintedTable(
            # Its recall is its accuracy, which is so of the weighted mean alone.
            "Table 1. Results; means over classes are weighted by their clips",
            _COLUMNS,
            _results(_TABLE),
            scale=1.0,
        ),
        PrintedTable(
            "Section 3.6. The same of the selected vector in pieces; not in the paper",
            _COLUMNS,
            _results({model: (None,) * len(_SCORES) for model in OF_PIECES}),
            scale=1.0,
        ),
    ),
    figures=(
        *(
            PrintedFigure(f"Figure {number}. Confusion matrix", figures.confusion, (model,))
            for number, model in enumerate(OF_MAP, 4)
        ),
        PrintedFigure(
            "Figure 7. Comparison of the models",
            figures.compared(tuple(OF_MAP), "weighted"),
            ("those of Table 1",),
        ),
        PrintedFigure(
            "The same of the selected vector in pieces",
            figures.compared(tuple(OF_PIECES), "weighted"),
            ("those in pieces",),
        ),
    ),
    said=selection,
)

PAPER = Paper(
    recipe="kirar2024",
    labels=("kirar3",),
    # 3.5: 80 / 20, after the features were selected, on the clips of the test too; those of this
    # recipe are selected on training clips alone.
    own=("kirar2024_random_80_20_leaking", "random_80_20_leaking"),
    settings=KirarSettings(),
    small=KirarSettings(epochs=40, batch=8, units=32),
    trials=trials,
    printed=PRINTED,
)
