"""Fusion on planted signals: in the sound, in the picture, or in whether the two agree; and for the
model that takes the more confident of two answers, in either of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from examples import donatus2026, kirar2024, satvik2025, tcs2026, tucker2025
from examples.parts import Net, Tensors
from examples.plan import Predictions
from examples.train import RECIPES

CLIPS, TIME, WIDTH = 192, 6, 4
SIGNALS = ("sound", "picture", "agreement")


def planted(
    signal: str,
    seed: int,
    audio: tuple[int, ...],
    name: tuple[str, str],
    picture: tuple[int, ...] = (TIME, WIDTH),
) -> Tensors:
    """Two classes. Each modality has a sign of its own, written on all of its numbers amid noise;
    the class is one of the signs, or whether they are the same. `either`: both signs are that of
    the class, and each clip has one of the modalities alone, the other is noise."""
    chance = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (2, CLIPS), generator=chance)
    there = torch.ones(2, CLIPS)
    if signal == "either":
        signs[1] = signs[0]
        there[0] = torch.randint(0, 2, (CLIPS,), generator=chance)
        there[1] = 1 - there[0]
    targets = {"picture": signs[1], "agreement": signs[0] ^ signs[1]}.get(signal, signs[0])

    def values(sign: Tensor, is_there: Tensor, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(CLIPS, *shape, generator=chance)
        return noise + (2.5 * is_there * (2.0 * sign - 1)).reshape(-1, *[1] * len(shape))

    found = {
        name[0]: values(signs[0], there[0], audio),
        name[1]: values(signs[1], there[1], picture),
    }
    lengths = {one: v.shape[1] for one, v in found.items()}
    return {
        "values": found,
        "mask": {one: torch.ones(CLIPS, n, dtype=torch.bool) for one, n in lengths.items()},
        "lengths": {one: torch.full((CLIPS,), n) for one, n in lengths.items()},
        "targets": targets,
    }


def without(batch: Tensors, feature: str | None) -> Tensors:
    """A batch in which one modality says nothing."""
    if feature is None:
        return batch
    return {**batch, "values": {**batch["values"], feature: batch["values"][feature] * 0}}


def trained(build: Callable[[Tensors], Net], learnt: Tensors, steps: int, rate: float) -> Net:
    """A model that is trained on one batch."""
    torch.manual_seed(0)
    model = build(learnt)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        batch = taken(learnt, torch.randint(0, CLIPS, (48,)))
        optimizer.zero_grad()
        model.loss(model.stages(batch), batch).backward()
        optimizer.step()
    return model.eval()


def accuracy(model: Net, asked: Tensors) -> float:
    with torch.no_grad():
        decided = model(asked).argmax(dim=1)
    return float((decided == asked["targets"]).float().mean())


def taken(batch: Any, rows: Tensor) -> Any:
    if isinstance(batch, dict):
        return {name: taken(value, rows) for name, value in batch.items()}
    return batch[rows]


def same(batch: Tensors) -> Tensors:
    return batch


def side_by_side(batch: Tensors) -> Tensors:
    """What Kirar et al. learn from: both modalities in one vector of a clip, and, of the same
    numbers of the picture, a map of two by two places."""
    sound, picture = (batch["values"][name].flatten(1) for name in ("sound", "picture"))
    places = picture[:, None, None, None].expand(-1, 1, 2, 2, -1)
    one = torch.ones(len(sound), 1, dtype=torch.bool)
    values = {"selected": torch.cat([sound, picture], dim=1)[:, None], "conv5_3": places}
    return {**batch, "values": values, "mask": dict.fromkeys(values, one)}


DONATUS = replace(donatus2026.PAPER.small, units=8, dropout=0.0)
TCS = replace(tcs2026.PAPER.small, units=8, width=32, dropout=0.0)
TUCKER = replace(
    tucker2025.PAPER.small, mel_frames=24, video_frames=TIME, channels=8, steps=6, latent=8,
    core=(3, 4, 4), fused=16, dropout=0.0,
)  # fmt: skip
KIRAR = replace(kirar2024.PAPER.small, piece=24, units=8, heads=2, dense=16, dropout=0.0)
SATVIK = replace(
    satvik2025.PAPER.small, frames_filters=(2, 4, 4, 8), frames_dense=(8, 8), frames_dropout=0.0,
    audio_filters=(2, 4, 4), audio_units=(8, 8, 8), audio_dropout=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Fusion:
    """A model of both modalities, in a small size."""

    build: Callable[[Tensors], Net]
    audio: tuple[int, ...]
    features: tuple[str, str]
    steps: int
    form: Callable[[Tensors], Tensors] = same


FUSIONS: dict[tuple[str, str], Fusion] = {
    **{
        ("donatus2026", name): Fusion(
            lambda batch, name=name: donatus2026.build(name, DONATUS, batch, 2),  # type: ignore[misc]
            (TIME, WIDTH),
            (model.features[0], model.features[1]),
            80,
        )
        for name, model in donatus2026.MODELS.items()
        if len(model.features) == 2
    },
    **{
        ("tcs2026", hears): Fusion(
            lambda batch, hears=hears: tcs2026.build(TCS, batch, 2, hears),  # type: ignore[misc]
            (TIME, 5, 16),
            (tcs2026.AUDIO, tcs2026.FACES),
            240,
        )
        for hears in ("step", "clip", "past")
    },
    **{
        ("tucker2025", name): Fusion(
            lambda batch, name=name: tucker2025.build(name, TUCKER, batch, 2),  # type: ignore[misc]
            (24, 128),
            (tucker2025.AUDIO, tucker2025.FRAMES),
            80,
        )
        for name in tucker2025.MODELS
    },
    **{
        ("kirar2024", name): Fusion(
            partial(kirar2024.build, name, KIRAR, classes=2),
            (TIME, WIDTH),
            ("sound", "picture"),
            120,
            side_by_side,
        )
        for name in kirar2024.MODELS
    },
}
FIRST = dict(reversed(FUSIONS))
"""Of each paper the model that it proposes; the others must find the hardest signal too."""


@pytest.mark.parametrize(
    ("paper", "name", "signal"),
    [pytest.param(paper, name, signal, marks=[pytest.mark.long] * (FIRST[paper] != name))
     for paper, name in FUSIONS for signal in SIGNALS
     if signal == "agreement" or FIRST[paper] == name],
)  # fmt: skip
def test_a_fusion_finds_the_signal_wherever_it_lies_and_one_modality_does_not(
    paper: str, name: str, signal: str
) -> None:
    one = FUSIONS[paper, name]
    learnt, asked = (planted(signal, seed, one.audio, one.features) for seed in (1, 2))

    def score(silent: str | None) -> float:
        batches = (one.form(without(batch, silent)) for batch in (learnt, asked))
        return accuracy(trained(one.build, next(batches), one.steps, 5e-3), next(batches))

    silent = {"sound": one.features[:1], "picture": one.features[1:]}.get(signal, one.features)
    assert score(None) > (0.9 if FIRST[paper] == name else 0.75)
    assert max(score(feature) for feature in silent) < 0.65


def test_the_more_confident_of_two_is_right_where_one_of_them_knows() -> None:
    features = (satvik2025.AUDIO, satvik2025.FRAMES)

    def clips(seed: int) -> Tensors:
        batch = planted("either", seed, (8, 4), features, (1, 64, 64, 3))
        pictures = batch["values"][satvik2025.FRAMES]
        # The sign of one number a clip, as strong as in the sound: the mean of many is too clear.
        grey = pictures.mean(dim=(1, 2, 3, 4), keepdim=True).expand_as(pictures)
        batch["values"][satvik2025.FRAMES] = (128 + 24 * grey).clamp(0, 255).to(torch.uint8)
        return batch

    learnt, asked = clips(1), clips(2)
    found = []
    for build in (satvik2025.build_frames, satvik2025.build_audio):
        model = trained(lambda batch, build=build: build(SATVIK, batch, 2), learnt, 60, 5e-3)  # type: ignore[misc]
        with torch.no_grad():
            probabilities = model(asked).double().softmax(dim=1).numpy()
        ids = tuple(f"made/{number:03d}" for number in range(CLIPS))
        found.append(Predictions(ids, asked["targets"].numpy(), probabilities))
    fused = satvik2025.more_confident(*found)
    frames, audio, both = (
        float(np.mean(one.probabilities.argmax(axis=1) == one.targets)) for one in (*found, fused)
    )
    assert both > 0.9
    assert max(frames, audio) < 0.85


def test_every_paper_has_a_fusion_that_is_tried() -> None:
    assert {paper for paper, _ in FUSIONS} | {"satvik2025"} == {*RECIPES}
