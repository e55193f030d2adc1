"""Satvik et al. 2025: CNN on single frames, CNN and LSTM on MFCC, and the answer of whichever is
more confident.

Sections are the paper's. What it leaves open is marked `ours`; docs/papers.md has the list.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from examples import loop
from examples.parts import Net, Stages, Tensors, mean_over_time, real
from examples.plan import Fitting, Opener, Paper, Predictions, Trial
from manifests.schemes.catalog import frames_at_random

FRAMES, AUDIO = "frames64", "mfcc_padded"


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
        filters: tuple[int, ...] = (32, 64, 128, 256),
        dense: tuple[int, int] = (256, 128),
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2))
            for inputs, outputs in zip((3, *filters[:-1]), filters, strict=True)
        )
        self.classify = nn.Sequential(
            nn.LazyLinear(dense[0]),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(*dense),
            nn.ReLU(),
            nn.Dropout(0.5),
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
        filters: tuple[int, int, int] = (64, 128, 256),
        units: tuple[int, int, int] = (256, 128, 64),
        dropout: float = 0.3,
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
            nn.Linear(units[2], 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, classes)
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
        clip_ids, frames.targets[at], np.where(visual[:, np.newaxis], seen, heard), (note,)
    )


def combine(predictions: Mapping[str, Predictions]) -> dict[str, Predictions]:
    return {"more confident": more_confident(predictions["frames"], predictions["audio"])}


def published(clips: Opener, small: bool, seed: int) -> dict[str, Predictions]:
    """The paper's own evaluation, which leaks three times: frames of one clip are on both sides
    (III.B: 80 / 20, stratified), so are the actors of the sound (III.C), and the fusion is
    evaluated on all clips, those of the training included (IV.C)."""
    frames, audio = trials(small)
    every = clips(frames, None)
    items = [every[i] for i in range(len(every))]
    labels = {clip_id: str(label) for clip_id, _, label in items}
    tested = frames_at_random(
        {clip_id: len(tracks[FRAMES]) for clip_id, tracks, _ in items}, labels, test=0.2, seed=seed
    )
    trained = {clip_id: ~rows for clip_id, rows in tested.items()}
    see = loop.train(frames, every, None, seed, small, loop.Rows(every, trained))
    heard = clips(audio, "train")
    hear = loop.train(audio, heard, None, seed, small)
    audio_tested = loop.predict(hear, audio, clips(audio, "test"))
    audio_all = join(audio_tested, loop.predict(hear, audio, heard))
    return {
        "frames (tested frames)": loop.predict(see, frames, every, loop.Rows(every, tested)),
        "audio": audio_tested,
        "more confident (all clips, trained ones too)": more_confident(
            loop.predict(see, frames, every), audio_all
        ),
    }


def join(a: Predictions, b: Predictions) -> Predictions:
    probabilities = np.concatenate([a.probabilities, b.probabilities])
    return Predictions(
        a.clip_ids + b.clip_ids, np.concatenate([a.targets, b.targets]), probabilities
    )


def build_frames(batch: Tensors, classes: int, small: bool) -> FrameCnn:
    model = FrameCnn(classes, *(((16, 32, 64, 128), (256, 128)) if small else ()))
    with torch.no_grad():
        model(batch)  # LazyLinear learns its width
    return model


def build_audio(batch: Tensors, classes: int, small: bool) -> AudioCnnLstm:
    sizes = ((8, 16, 32), (32, 32, 32)) if small else ((64, 128, 256), (256, 128, 64))
    return AudioCnnLstm(batch["values"][AUDIO].shape[-1], classes, *sizes)


def adam_frames(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-4)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """III.C names Adam alone; ours is Keras' default rate."""
    return torch.optim.Adam(model.parameters(), lr=1e-3)


def adam_small(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=5e-4)


def trials(small: bool) -> list[Trial]:
    """III.B: 25 epochs, batches of 8 frames, 1e-4. III.C: 50 epochs, batches of 32 clips, rate
    halved after 3 epochs without a gain."""
    frames = Fitting(30, 16, adam_small) if small else Fitting(25, 8, adam_frames)
    audio = Fitting(40, 8, adam) if small else Fitting(50, 32, adam, plateau=(0.5, 3, 0.0))
    return [
        Trial("frames", (FRAMES,), build_frames, frames, rows=True),
        Trial("audio", (AUDIO,), build_audio, audio),
    ]


PAPER = Paper(
    recipe="satvik2025",
    labels=("ravdess8",),
    own=("satvik_audio_85_15_leaking", "random_80_20_leaking"),
    trials=trials,
    combine=combine,
    published=published,
)
