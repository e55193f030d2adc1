"""Satvik et al. 2025: CNN on single frames, CNN and LSTM on MFCC, and the answer of whichever is
more confident.

Sections are the paper's. What it leaves open is marked `ours`; docs/papers.md has the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from examples.loop import Rows
from examples.parts import Net, Stages, Tensors, adam, mean_over_time, real
from examples.plan import (
    Example,
    Fitting,
    Look,
    Opener,
    Paper,
    Plateau,
    Predictions,
    Trainer,
    Trial,
)
from examples.satvik2025_printed import (
    ALL,
    LEAKING_AUDIO,
    PRINTED,
    STEADY_AUDIO,
    TESTED_FRAMES,
)
from manifests.schemes.catalog import frames_at_random

FRAMES, AUDIO = "frames64", "mfcc_padded"


@dataclass(frozen=True)
class SatvikSettings:
    """III.B for frames, III.C for audio."""

    frames_epochs: int = 25
    """III.B; the figures show 50."""
    frames_batch: int = 8
    """Frames, of many clips."""
    frames_rate: float = 1e-4
    frames_filters: tuple[int, int, int, int] = (32, 64, 128, 256)
    frames_dense: tuple[int, int] = (256, 128)
    """Ours: two dense layers, of which no size is given."""
    frames_tested: float = 0.2
    """The part of all frames that its own protocol tests (III.B)."""
    frames_dropout: float = 0.5
    """Ours."""
    audio_epochs: int = 50
    audio_batch: int = 32
    audio_rate: float = 1e-3
    """Ours: III.C names Adam alone; Keras' default."""
    audio_filters: tuple[int, int, int] = (64, 128, 256)
    audio_units: tuple[int, int, int] = (256, 128, 64)
    audio_dense: int = 64
    audio_dropout: float = 0.3
    """Ours."""
    plateau_factor: float = 0.5
    plateau_epochs: int = 3


class FrameCnn(Net):
    """III.B: four convolutions of 32, 64, 128 and 256 filters, 3x3, each pooled 2x2; flattened; two
    dense layers with dropout; 8 classes.

    Stages for (batch, time, 64, 64, 3) uint8 frames, each on its own: pictures (n, 3, 64, 64) in
    [0, 1], conv1 to conv4 (n, 32, 31, 31), (n, 64, 14, 14), (n, 128, 6, 6), (n, 256, 2, 2), flat
    (n, 1024). Ours: no padding, as is Keras' custom; dense layers of 256 and 128, dropout of 0.5; a
    clip's distribution is the mean of its frames'.
    """

    def __init__(
        self,
        classes: int,
        filters: tuple[int, ...],
        dense: tuple[int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2))
            for inputs, outputs in zip((3, *filters[:-1]), filters, strict=True)
        )
        self.classify = nn.Sequential(
            nn.LazyLinear(dense[0]),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(*dense),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(dense[1], classes),
        )

    def stages(self, batch: Tensors) -> Stages:
        frames = batch["values"][FRAMES]
        found: Stages = {"pictures": frames.flatten(0, 1).permute(0, 3, 1, 2).float() / 255}
        at = found["pictures"]
        for number, conv in enumerate(self.convs, 1):
            found[f"conv{number}"] = at = conv(at)
        found["flat"] = at.flatten(1)
        each = self.classify(found["flat"]).unflatten(0, frames.shape[:2])
        # One frame gives its own logits back, but for a constant, which no softmax sees.
        mean = mean_over_time(each.softmax(dim=-1), batch["mask"][FRAMES])
        return {**found, "each": each, "logits": mean.clamp(min=1e-12).log()}


class AudioCnnLstm(Net):
    """III.C: convolutions of 64 and 128 (each with batch normalisation), pooling, dropout; 256,
    pooling, dropout; LSTM of 256, 128 and 64 units; a dense layer of 64.

    Stages for (batch, time, n_mfcc): mfcc (batch, 1, time, n_mfcc), conv (batch, 256, time / 4,
    n_mfcc / 4), sequence (batch, time / 4, 256 * n_mfcc / 4), lstm1 to lstm3 with 256, 128 and 64
    units, of the last of which the final state counts. Ours: padded convolutions of 3x3 with ReLU,
    2x2 pooling, dropout of 0.3, and each step's channels and bins side by side as the input of the
    LSTM.
    """

    def __init__(
        self,
        n_mfcc: int,
        classes: int,
        filters: tuple[int, int, int],
        units: tuple[int, int, int],
        dense: int,
        dropout: float,
    ) -> None:
        super().__init__()
        a, b, c = filters
        self.conv = nn.Sequential(
            nn.Conv2d(1, a, 3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(a),
            nn.Conv2d(a, b, 3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(b),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
        )
        sizes = zip((c * (n_mfcc // 4), *units[:2]), units, strict=True)
        self.lstms = nn.ModuleList(
            nn.LSTM(inputs, outputs, batch_first=True) for inputs, outputs in sizes
        )
        self.classify = nn.Sequential(
            nn.Linear(units[2], dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, classes)
        )

    def stages(self, batch: Tensors) -> Stages:
        mfcc = real(batch, AUDIO).unsqueeze(1)
        conv = self.conv(mfcc)
        found: Stages = {"mfcc": mfcc, "conv": conv, "sequence": conv.transpose(1, 2).flatten(2)}
        at = found["sequence"]
        for number, lstm in enumerate(self.lstms, 1):
            found[f"lstm{number}"] = at = lstm(at)[0]
        return {**found, "logits": self.classify(at[:, -1])}


def more_confident(frames: Predictions, audio: Predictions) -> Predictions:
    """III.D: of each clip, the distribution whose highest probability is higher. Ours: the audio
    model's where they are equal, and clips that lack one of the two are left out."""
    _, at, also_at = np.intersect1d(frames.clip_ids, audio.clip_ids, return_indices=True)
    seen, heard = frames.probabilities[at], audio.probabilities[also_at]
    visual = seen.max(axis=1) > heard.max(axis=1)
    clip_ids = tuple(frames.clip_ids[i] for i in at)
    note = f"the frames decide {visual.mean():.0%} of the clips"
    return Predictions(
        clip_ids,
        frames.targets[at],
        np.where(visual[:, np.newaxis], seen, heard),
        Look((note,)),
    )


def combine(predictions: Mapping[str, Predictions]) -> dict[str, Predictions]:
    if not predictions.keys() >= {"frames", "audio"}:
        return {}
    return {"more confident": more_confident(predictions["frames"], predictions["audio"])}


class WatchedRows(Rows):
    """Rows whose loss is looked at after each epoch, as the loop looks at clips."""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.clips.classes

    @property
    def dropped(self) -> dict[str, str]:
        return self.clips.dropped

    def collate(self, batch: Sequence[Example]) -> Any:
        return self.clips.collate(batch)


def published(clips: Opener, trainer: Trainer, settings: SatvikSettings) -> dict[str, Predictions]:
    """The paper's own evaluation, which leaks four times: frames of one clip are on both sides
    (III.B: 80 / 20, stratified), so are the actors of the sound (III.C), whose rate is halved on
    the loss of the test, and all three are evaluated on all clips, those of the training included
    (IV.C)."""
    frames, audio = trials(settings)
    frames = replace(frames, name=TESTED_FRAMES)
    every = clips(frames, None)
    items = [every[i] for i in range(len(every))]
    labels = {clip_id: str(label) for clip_id, _, label in items}
    rows = {clip_id: len(tracks[FRAMES]) for clip_id, tracks, _ in items}
    tested = frames_at_random(rows, labels, test=settings.frames_tested, seed=trainer.seed)
    trained = {clip_id: ~rows for clip_id, rows in tested.items()}
    # Figures 13 and 14 show the tested frames along the training; nothing is chosen by them.
    shown = WatchedRows(every, tested)
    see = trainer.train(frames, every, shown, examples=Rows(every, trained))
    heard, asked = clips(audio, "train"), clips(audio, "test")
    steady = replace(audio, name=STEADY_AUDIO)
    hear = trainer.train(steady, heard)
    # III.C halves the rate by a validation loss, and has no other clips than those of the test.
    leaking = replace(audio, name=LEAKING_AUDIO)
    hear_leaking = trainer.train(leaking, heard, asked)
    leaking_tested = trainer.predict(hear_leaking, leaking, asked)
    seen_all = trainer.predict(see, frames, every)
    heard_all = join(leaking_tested, trainer.predict(hear_leaking, leaking, heard))
    return {
        TESTED_FRAMES: trainer.predict(see, frames, every, Rows(every, tested)),
        STEADY_AUDIO: trainer.predict(hear, steady, asked),
        LEAKING_AUDIO: leaking_tested,
        f"frames {ALL}": seen_all,
        f"audio {ALL}": heard_all,
        f"more confident {ALL}": more_confident(seen_all, heard_all),
    }


def join(a: Predictions, b: Predictions) -> Predictions:
    probabilities = np.concatenate([a.probabilities, b.probabilities])
    return Predictions(
        a.clip_ids + b.clip_ids, np.concatenate([a.targets, b.targets]), probabilities
    )


def build_frames(settings: SatvikSettings, batch: Tensors, classes: int) -> FrameCnn:
    model = FrameCnn(
        classes, settings.frames_filters, settings.frames_dense, settings.frames_dropout
    )
    with torch.no_grad():
        model(batch)  # LazyLinear learns its width
    return model


def build_audio(settings: SatvikSettings, batch: Tensors, classes: int) -> AudioCnnLstm:
    return AudioCnnLstm(
        batch["values"][AUDIO].shape[-1],
        classes,
        settings.audio_filters,
        settings.audio_units,
        settings.audio_dense,
        settings.audio_dropout,
    )


def trials(settings: SatvikSettings) -> list[Trial]:
    """III.B, and III.C with its rate halved after 3 epochs without a gain."""
    frames = Fitting(settings.frames_epochs, settings.frames_batch, adam(settings.frames_rate))
    audio = Fitting(
        settings.audio_epochs,
        settings.audio_batch,
        adam(settings.audio_rate),
        plateau=Plateau(settings.plateau_factor, settings.plateau_epochs, 0.0),
    )
    return [
        Trial("frames", (FRAMES,), partial(build_frames, settings), frames, rows=True),
        Trial("audio", (AUDIO,), partial(build_audio, settings), audio),
    ]


PAPER = Paper(
    recipe="satvik2025",
    labels=("ravdess8",),
    own=("satvik2025_audio_85_15_leaking", "random_80_20_leaking"),
    settings=SatvikSettings(),
    small=SatvikSettings(
        frames_epochs=30,
        frames_batch=16,
        frames_rate=5e-4,
        frames_filters=(16, 32, 64, 128),
        audio_epochs=40,
        audio_batch=8,
        audio_filters=(8, 16, 32),
        audio_units=(32, 32, 32),
    ),
    trials=trials,
    printed=PRINTED,
    combine=combine,
    published=published,
)
