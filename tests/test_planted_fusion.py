"""Fusion on planted signals: in the sound, in the picture, or in whether the two agree."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from examples import donatus2026, tcs2026, tucker2025
from examples.parts import Net, Tensors

CLIPS, TIME, WIDTH = 192, 6, 4
SIGNALS = ("sound", "picture", "agreement")


def planted(signal: str, seed: int, audio: tuple[int, ...], name: tuple[str, str]) -> Tensors:
    """Two classes. Each modality has a sign of its own, written on all of its numbers amid noise;
    the class is one of the signs, or whether they are the same."""
    chance = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (2, CLIPS), generator=chance)
    targets = {"sound": signs[0], "picture": signs[1], "agreement": signs[0] ^ signs[1]}[signal]

    def values(sign: Tensor, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(CLIPS, *shape, generator=chance)
        return noise + 2.5 * (2.0 * sign - 1).reshape(-1, *[1] * len(shape))

    found = {name[0]: values(signs[0], audio), name[1]: values(signs[1], (TIME, WIDTH))}
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


def accuracy(build: Callable[[Tensors], Net], learnt: Tensors, asked: Tensors, steps: int) -> float:
    """Of a model that is trained on one batch, on another one."""
    torch.manual_seed(0)
    model = build(learnt)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        rows = torch.randint(0, CLIPS, (48,))
        batch = taken(learnt, rows)
        optimizer.zero_grad()
        model.loss(model.stages(batch), batch).backward()
        optimizer.step()
    with torch.no_grad():
        decided = model.eval()(asked).argmax(dim=1)
    return float((decided == asked["targets"]).float().mean())


def taken(batch: Any, rows: Tensor) -> Any:
    if isinstance(batch, dict):
        return {name: taken(value, rows) for name, value in batch.items()}
    return batch[rows]


DONATUS = replace(donatus2026.PAPER.small, units=8, dropout=0.0)
TCS = replace(tcs2026.PAPER.small, units=8, width=32, dropout=0.0)
TUCKER = replace(
    tucker2025.PAPER.small, mel_frames=24, video_frames=TIME, channels=8, steps=6, latent=8,
    core=(3, 4, 4), fused=16, dropout=0.0,
)  # fmt: skip
FUSIONS: dict[str, tuple[Callable[[Tensors], Net], tuple[int, ...], tuple[str, str], int]] = {
    "donatus2026": (
        lambda batch: donatus2026.build(donatus2026.WHOLE, DONATUS, batch, 2),
        (TIME, WIDTH),
        (donatus2026.AUDIO, donatus2026.FACES),
        80,
    ),
    "tcs2026": (
        lambda batch: tcs2026.build(TCS, batch, 2),
        (TIME, 5, 16),
        (tcs2026.AUDIO, tcs2026.FACES),
        240,
    ),
    "tucker2025": (
        lambda batch: tucker2025.build(tucker2025.MODEL, TUCKER, batch, 2),
        (24, 128),
        (tucker2025.AUDIO, tucker2025.FRAMES),
        80,
    ),
}


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_finds_the_signal_wherever_it_lies_and_one_modality_does_not(
    name: str, signal: str
) -> None:
    build, audio, features, steps = FUSIONS[name]
    learnt, asked = (planted(signal, seed, audio, features) for seed in (1, 2))
    both, heard, shown = (
        accuracy(build, without(learnt, one), without(asked, one), steps)
        for one in (None, features[1], features[0])
    )
    assert both > 0.9
    alone = {"sound": shown, "picture": heard, "agreement": max(heard, shown)}[signal]
    assert alone < 0.65
