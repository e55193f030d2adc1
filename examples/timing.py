"""What each model of a recipe costs once it is trained: parameters, bytes, and the time of a clip.

    python -m examples.timing tcs2026 STORE [--device cuda]

One clip at a time, from the store's features to the probabilities, as many clips as --clips says;
the first ten are not counted. FPS is rows of the picture's feature, or of the one feature, a
second. Weights are as they are begun: they change no time.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from examples import loop
from examples.device import Device, choose
from examples.not_ready import NotReady
from examples.plan import Paper, Trial
from examples.train import RECIPES, labels_of, paper_of
from stores import FeatureDataset, FeatureStore

_WARM = 10
_LINE = "{:<34} {:>12} {:>12} {:>10} {:>10} {:>10}"


@dataclass(frozen=True)
class Timing:
    """Of one model."""

    model: str
    parameters: int
    size_bytes: int
    """Of its weights and buffers, as they are stored."""
    seconds: tuple[float, ...]
    """Of each clip."""
    rows: int
    """Of all clips."""

    def __str__(self) -> str:
        median, slow = np.percentile(self.seconds, (50, 95))
        return _LINE.format(
            self.model,
            f"{self.parameters:,}",
            f"{self.size_bytes / 1e6:,.1f} MB",
            f"{1000 * median:.1f} ms",
            f"{1000 * slow:.1f} ms",
            f"{self.rows / sum(self.seconds):,.0f}",
        )


def timings(
    paper: Paper[Any], root: Path, settings: Any, device: Device, clips: int
) -> Iterator[Timing]:
    """Times each model of a paper."""
    labels = labels_of(paper, FeatureStore(root))
    for trial in paper.trials(settings):
        dataset = FeatureDataset(
            root, features=trial.features, labels=labels, missing="drop", align=trial.align
        )
        if not len(dataset):
            raise NotReady(f"{root} has no clip with all of {', '.join(trial.features)}")
        yield _timed(trial, dataset, device, clips)


def _timed(trial: Trial, dataset: FeatureDataset, device: Device, clips: int) -> Timing:
    model = loop.begun(trial, dataset, dataset, device).eval()
    seconds, rows = [], 0
    for number in range(_WARM + clips):
        item = dataset[number % len(dataset)]
        began = time.perf_counter()
        (batch,) = loop.tensors(dataset, [item], 1, device=device)
        with torch.inference_mode(), device.autocast():
            model(batch).softmax(dim=1).cpu()
        if number >= _WARM:
            seconds.append(time.perf_counter() - began)
            rows += len(item[1][trial.features[-1]].values)
    state = model.state_dict().values()
    return Timing(
        trial.name,
        sum(one.numel() for one in model.parameters()),
        sum(one.numel() * one.element_size() for one in state),
        tuple(seconds),
        rows,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.timing",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("store", type=Path)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--small", action="store_true", help="the narrow models")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="else CUDA where torch finds it")
    given = parser.parse_args(arguments)
    paper = paper_of(given.recipe)
    try:
        device = choose(given.device)
        print(f"{paper.recipe} on {device.title}, {given.clips} clips one by one")
        print(_LINE.format("model", "parameters", "size", "median", "95 %", "FPS"))
        settings = paper.small if given.small else paper.settings
        for timing in timings(paper, given.store, settings, device, given.clips):
            print(timing, flush=True)
    except (NotReady, LookupError, FileNotFoundError) as error:
        sys.exit(f"examples.timing: {error.args[0] if error.args else error}")


if __name__ == "__main__":
    main()
