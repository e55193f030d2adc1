"""Cross-modal attention with a Tucker layer, 2025: 2D-CNN on log-mel, BiGRU on ResNet-18, attention
both ways, Tucker, bilinear pooling.

Sections are the paper's. What it leaves open is marked `ours`; docs/papers.md has the list.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from examples.parts import Attention, Net, Recurrent, Stages, Tensors, adam, real, seen
from examples.plan import Fitting, Look, Paper, Trial
from examples.tucker2025_printed import MODEL, OF_MEANS, PRINTED
from stores import align

AUDIO, FRAMES = "logmel128_z", "frame_embedding"


@dataclass(frozen=True)
class TuckerSettings:
    """A.4 and table A1."""

    epochs: int = 100
    """Table A1: "50-100"."""
    batch: int = 128
    rate: float = 1e-4
    """Ours: the lower end of table A1's "0.0001 to 0.001"."""
    weight_decay: float = 1e-4
    dropout: float = 0.5
    mel_frames: int = 256
    video_frames: int = 90
    channels: int = 128
    """Width of an audio step."""
    steps: int = 60
    """The common number of time steps."""
    latent: int = 256
    core: tuple[int, int, int] = (30, 128, 128)
    """Ranks of time, audio and picture."""
    fused: int = 512
    heads: int = 4
    factors: int = 2
    """Ours: of the factorised bilinear pooling."""
    variants: tuple[int, ...] = (0, 1)
    """The recipe's augmented variant is trained on too."""


class AudioCnn(nn.Module):
    """(batch, 256, 128) log-mel -> (batch, 60, 128), by 3x3 kernels, batch normalisation, ReLU and
    3x3 max pooling at stride 2 (2.2, A1).

    Ours, for the paper only gives both ends: two padded convolutions, each pooled, take 256 frames
    to 128 and 64; two without padding take them to 62 and 60; the 28 bands that are left are
    averaged, and 128 channels remain.
    """

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        half, quarter = channels // 2, channels // 4
        self.layers = nn.Sequential(
            *_conv(1, quarter, padding=1), nn.MaxPool2d(3, 2, padding=1),
            *_conv(quarter, half, padding=1), nn.MaxPool2d(3, 2, padding=1),
            *_conv(half, channels, padding=0),
            *_conv(channels, channels, padding=0),
        )  # fmt: skip

    def forward(self, mel: Tensor) -> Tensor:
        found: Tensor = self.layers(mel.unsqueeze(1)).mean(dim=3).transpose(1, 2)
        return found if found.shape[1] == self.steps else resample(found, self.steps)


def _conv(inputs: int, outputs: int, padding: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()


def resample(values: Tensor, steps: int) -> Tensor:
    """(batch, time, d) -> (batch, steps, d) by linear interpolation (A.3: the visual sequence is
    taken to 60 steps so)."""
    return functional.interpolate(
        values.transpose(1, 2), steps, mode="linear", align_corners=True
    ).transpose(1, 2)


class Tucker(nn.Module):
    """Algorithm A2 on the outer products of algorithm A1: (batch, T, a) and (batch, T, v) -> core
    (batch, K_t, K_a, K_v).

    X[t] = a_t v_t' has rank one, so that its projections along audio and picture are
    (A'a_t)(V'v_t)': the (T, a, v) tensor of a clip, 60 x 256 x 256, need never be held. The three
    factor matrices are learned with the rest.
    """

    def __init__(self, steps: int, latent: int, core: tuple[int, int, int]) -> None:
        super().__init__()
        self.time, self.audio, self.picture = (
            nn.Parameter(nn.init.orthogonal_(torch.empty(size, rank)))
            for size, rank in zip((steps, latent, latent), core, strict=True)
        )

    def forward(self, audio: Tensor, picture: Tensor) -> Tensor:
        weighted = torch.einsum("nta,tk->nkat", audio @ self.audio, self.time)
        return torch.einsum("nkat,ntv->nkav", weighted, picture @ self.picture)


def _normalised(pooled: Tensor) -> Tensor:
    """Signed square root and unit length, which go with bilinear pooling."""
    # The small number keeps the slope of the root finite at 0.
    rooted = pooled.sign() * (pooled.abs() + 1e-8).sqrt()
    return functional.normalize(rooted, dim=1)


class CorePooling(nn.Module):
    """Factorised bilinear pooling of the whole core to `outputs` numbers (A.4): each is the sum
    over some factors of t'C(a, v), a bilinear form of the core's audio and picture modes, whose
    slices t weighs."""

    def __init__(
        self, core: tuple[int, int, int], outputs: int, dropout: float, factors: int = 2
    ) -> None:
        super().__init__()
        self.factors = factors
        self.time, self.audio, self.picture = (
            nn.Linear(rank, outputs * factors, bias=False) for rank in core
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tucker: Tucker, audio: Tensor, picture: Tensor) -> Tensor:
        """The core is a sum over steps of products of one number a mode, and so is every form of
        it: this is the pooled core, and takes a thousandth of its work."""
        time = self.time(tucker.time)
        heard, shown = self.audio(audio @ tucker.audio), self.picture(picture @ tucker.picture)
        forms = self.dropout((time * heard * shown).sum(dim=1))
        return _normalised(forms.unflatten(1, (-1, self.factors)).sum(dim=2))


class MeansPooling(nn.Module):
    """The same of two vectors, the core's means over the picture and over the audio mode: what a
    library's bilinear pooling can be given."""

    def __init__(
        self, core: tuple[int, int, int], outputs: int, dropout: float, factors: int = 2
    ) -> None:
        super().__init__()
        self.factors = factors
        time, audio, picture = core
        self.left = nn.Linear(time * audio, outputs * factors)
        self.right = nn.Linear(time * picture, outputs * factors)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tucker: Tucker, audio: Tensor, picture: Tensor) -> Tensor:
        core = tucker(audio, picture)
        left, right = core.mean(dim=3).flatten(1), core.mean(dim=2).flatten(1)
        product = self.dropout(self.left(left) * self.right(right))
        return _normalised(product.unflatten(1, (-1, self.factors)).sum(dim=2))


class TuckerFusion(Net):
    """Stages: mel (batch, 256, 128), frames (batch, 90, 512), audio (batch, 60, 128), gru (batch,
    90, 512), then both in 256 dimensions, both attended (batch, 60, 256), fused (batch, 512).
    The core, (batch, 30, 128, 128), is what `tucker` makes of both attended."""

    def __init__(
        self,
        embedding: int,
        classes: int,
        settings: TuckerSettings,
        pooling: type[CorePooling | MeansPooling] = CorePooling,
    ) -> None:
        super().__init__()
        self.arguments = (embedding, classes, settings, pooling)
        self.sizes = sizes = settings
        self.audio = AudioCnn(sizes.channels, sizes.steps)
        self.gru = Recurrent(
            nn.GRU, embedding, embedding // 2
        )  # equation (3): the width of a frame stays
        self.audio_latent, self.frames_latent = (
            nn.Linear(sizes.channels, sizes.latent),
            nn.Linear(embedding, sizes.latent),
        )
        self.audio_to_frames, self.frames_to_audio = (
            Attention(sizes.latent, sizes.heads),
            Attention(sizes.latent, sizes.heads),
        )
        self.tucker = Tucker(sizes.steps, sizes.latent, sizes.core)
        self.pool = pooling(sizes.core, sizes.fused, sizes.dropout, sizes.factors)
        self.classify = nn.Sequential(nn.Dropout(sizes.dropout), nn.Linear(sizes.fused, classes))

    def stages(self, batch: Tensors) -> Stages:
        mel, frames = real(batch, AUDIO), real(batch, FRAMES)
        audio = self.audio(mel)
        gru = self.gru(frames, batch["mask"][FRAMES])
        audio_latent, frames_latent = self.audio_latent(audio), self.frames_latent(gru)
        # A.3 projects first and takes 90 steps to 60 then; no step is masked after that, for each
        # is a mixture of two frames.
        frames_aligned = resample(frames_latent, self.sizes.steps)
        whole = seen(torch.ones(frames_aligned.shape[:2], dtype=torch.bool, device=frames.device))
        # Section 4: the context is "fused back into the audio representation"; ours: so is that of
        # the picture, and each by a residual connection.
        audio_attended = audio_latent + self.audio_to_frames(audio_latent, frames_aligned, whole)
        frames_attended = frames_aligned + self.frames_to_audio(frames_aligned, audio_latent, whole)
        fused = self.pool(self.tucker, audio_attended, frames_attended)
        return {
            "mel": mel,
            "frames": frames,
            "audio": audio,
            "gru": gru,
            "audio_latent": audio_latent,
            "frames_latent": frames_latent,
            "frames_aligned": frames_aligned,
            "audio_attended": audio_attended,
            "frames_attended": frames_attended,
            "fused": fused,
            "logits": self.classify(fused),
        }


_KEPT = 8
"""Clips of which it is kept what the attention looks at."""
_CORRELATED = 32
"""Numbers of each modality whose correlation is kept."""


def untrained(model: TuckerFusion) -> TuckerFusion:
    """The same network with new weights, always the same ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = TuckerFusion(*model.arguments)
    return found.to(next(model.parameters()).device).eval()


def attended(model: TuckerFusion, stages: Stages) -> tuple[NDArray[Any], NDArray[Any]]:
    """What each step of the sound looks at in the picture, and the other way: (clip, head, asking,
    asked) both."""
    audio, frames = stages["audio_latent"], stages["frames_aligned"]
    whole = torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)
    to_frames = model.audio_to_frames.weights(audio, frames, whole, each_head=True)
    to_audio = model.frames_to_audio.weights(frames, audio, whole, each_head=True)
    return to_frames.float().cpu().numpy(), to_audio.float().cpu().numpy()


def looks(model: TuckerFusion, batch: Tensors, stages: Stages) -> dict[str, NDArray[Any]]:
    """Attention both ways in the first clip, before and after the training, and what is looked at
    in some clips (the mean over what asks)."""
    to_frames, to_audio = attended(model, stages)
    new = untrained(model)
    _, before = attended(new, new.stages(batch))
    sharpest = to_audio[0].max(axis=2).mean(axis=1).argmax()
    return {
        "audio_to_frames": to_frames[0].mean(axis=0),
        "frames_to_audio": to_audio[0].mean(axis=0),
        "frames_to_audio_untrained": before[0].mean(axis=0),
        "frames_to_audio_sharpest": to_audio[0, sharpest],
        "looked_at_audio": to_audio[:_KEPT].mean(axis=(1, 2)),
        "looked_at_frames": to_frames[:_KEPT].mean(axis=(1, 2)),
    }


def look(model: Net, batches: list[Tensors]) -> Look:
    """Attention in some clips, and how the numbers of sound and picture that are fused go together
    over all clips: the mean over time of each."""
    tucker = cast("TuckerFusion", model)
    numbers: list[NDArray[np.float64]] = []
    found: dict[str, NDArray[Any]] = {}
    for batch in batches:
        stages = model.stages(batch)
        means = (stages[f"{one}_attended"].mean(dim=1) for one in ("audio", "frames"))
        both = torch.cat([one[:, :_CORRELATED] for one in means], dim=1)
        numbers.append(both.double().cpu().numpy())
        found = found or looks(tucker, batch, stages)
    values = np.concatenate(numbers)
    spread = np.where(values.std(axis=0) > 0, values.std(axis=0), 1.0)
    scaled = (values - values.mean(axis=0)) / spread
    found["correlation"] = scaled.T @ scaled / len(scaled)
    return Look(arrays=found)


MODELS: dict[str, type[CorePooling | MeansPooling]] = {
    MODEL: CorePooling,
    OF_MEANS: MeansPooling,
}


def build(name: str, settings: TuckerSettings, batch: Tensors, classes: int) -> TuckerFusion:
    return TuckerFusion(batch["values"][FRAMES].shape[-1], classes, settings, MODELS[name])


def trials(settings: TuckerSettings) -> list[Trial]:
    fitting = Fitting(settings.epochs, settings.batch, adam(settings.rate, settings.weight_decay))
    length = align.Length({AUDIO: settings.mel_frames, FRAMES: settings.video_frames})
    return [
        Trial(
            name,
            (AUDIO, FRAMES),
            partial(build, name, settings),
            fitting,
            length,
            variants=settings.variants,
            look=look,
        )
        for name in MODELS
    ]


PAPER = Paper(
    recipe="tucker2025",
    # A.4 ends in 7 classes, tables 1 to 3 have 8, 6 and 8, the text counts 9 of IEMOCAP. Ours: the
    # tables' classes; --labels iemocap9 and ravdess7 are the other counts.
    labels=("ravdess8", "cremad6", "iemocap8", "iemocap9", "ravdess7"),
    own=("tucker2025_random_80_20_leaking",),
    settings=TuckerSettings(),
    small=TuckerSettings(
        epochs=40,
        batch=4,
        rate=1e-3,
        video_frames=30,
        channels=32,
        steps=20,
        latent=32,
        core=(10, 16, 16),
        fused=64,
        variants=(0,),
    ),
    trials=trials,
    printed=PRINTED,
)
