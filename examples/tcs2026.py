"""Alkawaz and Al-Arbo 2026: gated fusion at 10 Hz, a loss on changing predictions, and exponential
smoothing; jitter is measured.

Sections and equations are the paper's. What it leaves open is marked `ours`; docs/papers.md has the
list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.parts import Net, Recurrent, Stages, Tensors, mean_over_time, real
from examples.plan import Fitting, Look, Paper, Plateau, Trial
from examples.tcs2026_printed import CLIP, FORWARD, MEAN, PRINTED, WHOLE, WITHOUT
from stores import Track, align, resampling

AUDIO, FACES = "logmel64_z", "face_embedding"
SLICE_S = 0.1
"""3.1.3: one audio slice and one face for every 100 ms."""


@dataclass(frozen=True)
class TcsSettings:
    """Sections 3.2 to 3.4."""

    epochs: int = 60
    batch: int = 8
    rate: float = 1e-4
    """Half of it on the visual branch (3.4.1)."""
    weight_decay: float = 1e-5
    """Not on the LSTM (3.4.4)."""
    patience: int | None = 5
    plateau_factor: float = 0.5
    plateau_epochs: int = 3
    lowest_rate: float = 1e-6
    clip_norm: float | None = 5.0
    units: int = 128
    width: int = 128
    filters: tuple[int, int, int] = (32, 32, 64)
    """Of the convolutions of a slice of sound (3.2)."""
    dropout: float = 0.3
    consistency: float = 0.1
    """Weight of the loss on changing predictions (3.3)."""
    smoothing: float = 0.8
    """Equation (5): how much of the last output stays."""
    windows: int = 5
    """Of 40 ms at 20 ms, in a slice; the paper's "9-10" are reached with a hop of 10 ms."""
    variants: tuple[int, ...] = (0, 1)
    """The recipe's augmented variant is trained on too."""


@dataclass(frozen=True)
class SliceClock:
    """Slices of sound and faces, one of each for every 100 ms (3.1.3); a function of the tracks of
    a clip, see `stores.align`.

    Ours: the face is the last one that was seen before the slice ended, so that a step knows
    nothing of what comes; where 100 ms bring no picture, it is that of an earlier step.
    """

    windows: int
    """Rows of sound in a slice."""

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        clock = align.Clock(SLICE_S, how={AUDIO: self.windows, FACES: "nearest"})
        found, faces = clock(tracks), tracks[FACES]
        middles = found[FACES].seconds
        ends = middles + SLICE_S / 2 - resampling.TOLERANCE_S
        rows = np.searchsorted(faces.seconds, ends) - 1
        shown = Track(faces.values[rows], middles, faces.valid[rows], faces.notes)
        return {**found, FACES: shown}


class SliceCnn(nn.Module):
    """(n, 64, N) log-mel slices -> (n, 64): three convolutions of 32, 32 and 64 filters at stride
    2, each pooled 2x2 (3.2).

    Ours: everything is padded. A slice of 40 ms windows at 20 ms has N = 5 (the paper's 9 to 10
    would need 10 ms), and even ten columns halved six times would leave none.
    """

    def __init__(self, filters: tuple[int, int, int] = (32, 32, 64)) -> None:
        super().__init__()
        sizes = zip((1, *filters[:2]), filters, (5, 3, 3), strict=True)
        self.layers = nn.Sequential(
            *(
                layer
                for inputs, outputs, kernel in sizes
                for layer in _conv(inputs, outputs, kernel)
            )
        )

    def forward(self, slices: Tensor) -> Tensor:
        found: Tensor = self.layers(slices.unsqueeze(1))
        return found.flatten(1)


def _conv(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2)
    return conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(), nn.MaxPool2d(2, ceil_mode=True)


Hears = Literal["step", "clip", "past"]
"""What of the sound a step is given: the output of the bidirectional LSTM at this step (3.1.3 has
one audio feature for every 0.1 s), its final output for all steps alike (3.2: one embedding for the
whole clip), or the output of a forward LSTM, which knows the past alone (3.2, for live streams)."""


class GatedFusion(Net):
    """Stages: slices (batch, time, N, 64), faces (batch, time, 512), slice_cnn (batch, time, 64),
    lstm (batch, time, 256; 128 where it goes forward alone), audio and face embeddings (batch,
    time, 128), gates (batch, time, 2), fused (batch, time, 128), steps and smoothed (batch, time,
    classes) probabilities p_t and q_t, clip (batch, classes). The decision is the last q_t (3.3).

    Ours: 3.2 takes one audio embedding for the whole clip and 3.3 a prediction for every frame, so
        each step has the LSTM's output there, see `Hears` for the other readings; and the
        distribution of the clip that 3.4.3 learns by is the mean of its steps'.
    """

    def __init__(
        self,
        face_dim: int,
        classes: int,
        units: int = 128,
        width: int = 128,
        consistency: float = 0.1,
        dropout: float = 0.3,
        smoothing: float = 0.8,
        hears: Hears = "step",
        filters: tuple[int, int, int] = (32, 32, 64),
    ) -> None:
        super().__init__()
        self.consistency, self.smoothing, self.hears = consistency, smoothing, hears
        both = hears != "past"
        self.cnn = SliceCnn(filters)
        self.lstm = Recurrent(
            nn.LSTM, filters[-1], units, layers=2, dropout=dropout, bidirectional=both
        )
        self.after_lstm = nn.Dropout(dropout)
        self.audio = nn.Linear((1 + both) * units, width)
        self.face = nn.Linear(face_dim, width)
        self.gates = nn.Linear(2 * width, 2)
        self.classify = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width // 2, classes),
        )

    def stages(self, batch: Tensors) -> Stages:
        slices, faces, mask = real(batch, AUDIO), real(batch, FACES), steps_of(batch)
        n, time = mask.shape
        cnn = self.cnn(slices.flatten(0, 1).transpose(1, 2)).unflatten(0, (n, time))
        lstm = self.lstm(cnn, mask)
        fusion = self.fuse(self._heard(lstm, mask), faces)
        steps = fusion["steps"]
        smoothed = smooth(steps.detach(), self.smoothing)  # 3.3: no part of the training
        decided = smoothed[torch.arange(n, device=mask.device), last_of(mask)]
        return {
            "slices": slices,
            "faces": faces,
            "slice_cnn": cnn,
            "lstm": lstm,
            **fusion,
            "smoothed": smoothed,
            "clip": mean_over_time(steps, mask),
            "logits": decided.clamp(min=_LEAST).log(),
        }

    def fuse(self, lstm: Tensor, faces: Tensor) -> Stages:
        """From the output of the LSTM, (..., 256), and a face, (..., 512), to probabilities."""
        audio = self.audio(self.after_lstm(lstm))
        face = functional.normalize(self.face(faces), dim=-1)
        gates = torch.sigmoid(self.gates(torch.cat([face, audio], dim=-1)))  # equation (1)
        fused = gates[..., :1] * face + gates[..., 1:] * audio  # equation (2)
        steps = self.classify(fused).softmax(dim=-1)
        return {"audio": audio, "face": face, "gates": gates, "fused": fused, "steps": steps}

    def _heard(self, lstm: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, 256) what each step is given of the LSTM's outputs."""
        if self.hears != "clip":
            return lstm
        # The final output of each direction: forward at the last step, backward at the first.
        forward, backward = lstm.chunk(2, dim=-1)
        rows = torch.arange(len(lstm), device=mask.device)
        final = torch.cat([forward[rows, last_of(mask)], backward[:, 0]], dim=-1)
        return final.unsqueeze(1).expand_as(lstm)

    def loss(self, stages: Stages, batch: Tensors) -> Tensor:
        """Equations (4) and (7)."""
        return functional.cross_entropy(
            stages["clip"].clamp(min=_LEAST).log(), batch["targets"]
        ) + self.consistency * change(stages["steps"], steps_of(batch))


_LEAST = 1e-8
"""A probability is at least this before its logarithm is taken."""


def steps_of(batch: Tensors) -> Tensor:
    """(batch, time): steps at which there is sound; a face that is missing is a row of zeros, which
    the gate may close on."""
    mask: Tensor = batch["mask"][AUDIO]
    return mask


def last_of(mask: Tensor) -> Tensor:
    """(batch,) each clip's last step."""
    steps = torch.arange(mask.shape[1], device=mask.device)
    return (mask * steps).argmax(dim=1)


def change(steps: Tensor, mask: Tensor) -> Tensor:
    """Equation (3): the mean over steps, then clips, of the squared distance between successive
    predictions."""
    pairs = mask[:, 1:] & mask[:, :-1]
    squared = (steps[:, 1:] - steps[:, :-1]).square().sum(dim=-1) * pairs
    return (squared.sum(dim=1) / pairs.sum(dim=1).clamp(min=1)).mean()


def smooth(steps: Tensor, alpha: float) -> Tensor:
    """Equation (5): q_t = alpha q_(t-1) + (1 - alpha) p_t, (batch, time, classes) -> the same;
    ours: q_1 = p_1."""
    smoothed = [steps[:, 0]]
    for t in range(1, steps.shape[1]):
        smoothed.append(alpha * smoothed[-1] + (1 - alpha) * steps[:, t])
    return torch.stack(smoothed, dim=1)


def _pairs(mask: Tensor) -> Tensor:
    """(batch, t - 1) whether a step and the next are both there."""
    return mask[:, 1:] & mask[:, :-1]


def jitter(steps: Tensor, mask: Tensor) -> float:
    """How often a second the predicted class changes, over all clips."""
    labels, pairs = steps.argmax(dim=-1), _pairs(mask)
    changes = (labels[:, 1:] != labels[:, :-1]) & pairs
    return float(changes.sum() / (pairs.sum().clamp(min=1) * SLICE_S))


_DRAWN = 6
"""Figure 9 shows six clips."""


def look(model: Net, batches: list[Tensors]) -> Look:
    """Jitter of the raw and of the smoothed predictions, the gates, what the mean of the steps
    would decide, and some clips over time, spread over the test."""
    found = [model.stages(batch) for batch in batches]
    masks = [steps_of(batch) for batch in batches]
    pairs = [int(_pairs(mask).sum()) for mask in masks]
    jitters = np.average(
        [
            [jitter(stages[kind].float(), mask) for kind in ("steps", "smoothed")]
            for stages, mask in zip(found, masks, strict=True)
        ],
        axis=0,
        weights=pairs if any(pairs) else None,
    )
    of_clip = [
        mean_over_time(stages["gates"].float(), mask)
        for stages, mask in zip(found, masks, strict=True)
    ]
    every = torch.cat([stages["gates"][mask] for stages, mask in zip(found, masks, strict=True)])
    gate = torch.stack([every.float().mean(dim=0), every.float().std(dim=0)], dim=1)
    mean = torch.cat([stages["clip"] for stages in found]).double().cpu().numpy()
    (face, face_varies), (sound, sound_varies) = gate.tolist()
    notes = (
        f"jitter {jitters[0]:.2f} changes of class a second, smoothed {jitters[1]:.2f}",
        f"gate of the face {face:.2f} ± {face_varies:.2f}, of the sound "
        f"{sound:.2f} ± {sound_varies:.2f}",
    )
    arrays = {
        "jitter": jitters,
        "gate": gate.cpu().numpy(),
        "gates_of_clips": torch.cat(of_clip).cpu().numpy(),
    }
    return Look(notes, arrays | _over_time(found, masks), {MEAN: mean})


def _over_time(found: list[Stages], masks: list[Tensor]) -> dict[str, Any]:
    """Predictions and gates of some clips, each array under its name and the clip's number."""
    places = [(batch, row) for batch, mask in enumerate(masks) for row in range(len(mask))]
    chosen = np.unique(np.linspace(0, len(places) - 1, _DRAWN).round().astype(int))
    return {
        f"{kind}_{number}": found[batch][kind][row][masks[batch][row]].float().cpu().numpy()
        for number in chosen.tolist()
        for batch, row in [places[number]]
        for kind in ("steps", "smoothed", "gates")
    }


def build(
    settings: TcsSettings, batch: Tensors, classes: int, hears: Hears = "step"
) -> GatedFusion:
    return GatedFusion(
        batch["values"][FACES].shape[-1],
        classes,
        settings.units,
        settings.width,
        settings.consistency,
        settings.dropout,
        settings.smoothing,
        hears,
        settings.filters,
    )


def adam(settings: TcsSettings, model: nn.Module) -> torch.optim.Optimizer:
    """3.4.1: half the rate on the visual branch; 3.4.4: weight decay on convolutions and fully
    connected layers, not on the LSTM and on batch normalisations."""
    faces = [*model.get_submodule("face").parameters()]
    decayed = [
        parameter
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for parameter in layer.parameters()
        if not any(parameter is one for one in faces)
    ]
    known = {id(parameter) for parameter in (*faces, *decayed)}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    decay = settings.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": faces, "lr": settings.rate / 2, "weight_decay": decay},
        {"params": decayed, "weight_decay": decay},
        {"params": others},
    ]
    return torch.optim.Adam(groups, lr=settings.rate)


def trials(settings: TcsSettings) -> list[Trial]:
    """The second model is the ablation of section 1: no loss on changing predictions. The others
    are two more readings of 3.2."""
    plateau = Plateau(settings.plateau_factor, settings.plateau_epochs, settings.lowest_rate)
    fitting = Fitting(
        settings.epochs,
        settings.batch,
        partial(adam, settings),
        settings.patience,
        plateau,
        settings.clip_norm,
    )
    clock = SliceClock(settings.windows)
    models: dict[str, tuple[TcsSettings, Hears]] = {
        WHOLE: (settings, "step"),
        WITHOUT: (replace(settings, consistency=0.0), "step"),
        CLIP: (settings, "clip"),
        FORWARD: (settings, "past"),
    }
    return [
        Trial(
            name,
            (AUDIO, FACES),
            partial(build, one, hears=hears),
            fitting,
            clock,
            settings.variants,
            look=look,
        )
        for name, (one, hears) in models.items()
    ]


PAPER = Paper(
    recipe="tcs2026",
    labels=("ravdess7",),
    # 3.1.1: 15 / 5 / 4 actors. The printed counts are those of a fifth of the clips, drawn over all
    # actors: --scheme random_80_20_leaking.
    own=("tcs2026_15_5_4", "random_80_20_leaking"),
    settings=TcsSettings(),
    small=TcsSettings(epochs=15, rate=2e-3, patience=None, units=32, variants=(0,)),
    trials=trials,
    printed=PRINTED,
)
