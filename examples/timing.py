"""What each model of a recipe costs once it is trained: parameters, bytes, and the time of a clip.

    python -m examples.timing tcs2026 STORE [--device cuda]
    python -m examples.timing tcs2026 STORE --run RUN         with its settings, kept in its folder

One clip at a time, from the store's features to the probabilities, as many clips as --clips says;
the first ten are not counted. FPS is rows of the picture's feature, or of the one feature, a
second. Parameters and bytes are those of the model and of the ResNets that made its features;
beside them, in brackets, those of the model alone. Weights are as they are begun: they change no
time.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from examples import loop
from examples.command import ending
from examples.device import Device, choose
from examples.kept import open_run
from examples.not_ready import NotReady
from examples.plan import Paper, Trial
from examples.protocol import protocols
from examples.run_folder import write_json
from examples.train import RECIPES, labels_of, paper_of, store_of
from extractors.fitted.finetune import Finetuned
from extractors.network import ResNetModule
from extractors.plan import Graph
from extractors.resnet import ResNet
from flows.recipe import parse
from stores import FeatureDataset

_WARM = 10
_LINE = "{:<34} {:>24} {:>12} {:>10} {:>10} {:>10}"


@dataclass(frozen=True)
class Timing:
    """Of one model."""

    model: str
    parameters: int
    size_bytes: int
    """Of its weights and buffers, as they are stored."""
    encoders: tuple[int, ...]
    """Parameters of each ResNet that made its features."""
    seconds: tuple[float, ...]
    """Of each clip."""
    rows: int
    """Of all clips."""

    def __str__(self) -> str:
        found = self.numbers
        return _LINE.format(
            self.model,
            f"{self.parameters + sum(self.encoders):,} ({self.parameters:,})",
            f"{found['size_mb']:,.1f} MB",
            f"{found['median_ms']:.1f} ms",
            f"{found['slow_ms']:.1f} ms",
            f"{found['fps']:,.0f}",
        )

    @property
    def numbers(self) -> dict[str, float]:
        """What RUN/timing.json holds of the model; `slow_ms` is the 95th percentile."""
        median, slow = np.percentile(self.seconds, (50, 95))
        return {
            "parameters_millions": (self.parameters + sum(self.encoders)) / 1e6,
            "size_mb": (self.size_bytes + 4 * sum(self.encoders)) / 1e6,
            "median_ms": 1000 * float(median),
            "slow_ms": 1000 * float(slow),
            "fps": self.rows / sum(self.seconds),
        }


def timings(
    paper: Paper[Any], root: Path, settings: Any, device: Device, clips: int
) -> Iterator[Timing]:
    """Times each model of a paper, on the clips of one fold: fitted features are a fold's."""
    store = store_of(paper, root)
    (protocol, *_) = protocols(paper, store, ())
    labels = labels_of(paper, store)
    graph = parse(dict(store.snapshot.recipe), f"the recipe of {root}").fitted_graph
    for trial in paper.trials(settings):
        dataset = FeatureDataset(
            root,
            features=trial.features,
            labels=labels,
            scheme=protocol.scheme,
            fold=protocol.folds[0],
            role="test",
            missing="drop",
            align=trial.align,
        )
        yield _timed(trial, dataset, device, clips, encoders_of(graph, trial.features))


def encoders_of(graph: Graph, features: Sequence[str]) -> tuple[int, ...]:
    """Parameters of each ResNet on the way to some features, without the classifier."""
    made = [graph.extractors[name] for name in graph.closure(features)]
    depths = [one.depth for one in made if isinstance(one, ResNet | Finetuned)]
    with torch.device("meta"):
        networks = [ResNetModule(depth) for depth in depths]
    for network in networks:
        del network.fc
    return tuple(sum(one.numel() for one in network.parameters()) for network in networks)


def _timed(
    trial: Trial, dataset: FeatureDataset, device: Device, clips: int, encoders: tuple[int, ...]
) -> Timing:
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
        encoders,
        tuple(seconds),
        rows,
    )


def time_run(paper: Paper[Any], root: Path, run: Path, device: Device, clips: int) -> None:
    """Times the models of a run, by its settings, and keeps what is found in RUN/timing.json."""
    facts = open_run(run).facts
    if facts.get("recipe") != paper.recipe:
        raise NotReady(f"{run} is a run of {facts.get('recipe')}, expected {paper.recipe}")
    try:
        settings = TypeAdapter(type(paper.settings)).validate_python(facts["settings"])
    except ValidationError as error:
        raise NotReady(
            f"{run}/run.json has settings that are none of {paper.recipe}; run the training once "
            "more, in a new folder"
        ) from error
    found = _printed(paper, root, settings, device, clips)
    models = {timing.model: timing.numbers for timing in found}
    write_json(run / "timing.json", {"device": device.title, "clips": clips, "models": models})


def _printed(
    paper: Paper[Any], root: Path, settings: Any, device: Device, clips: int
) -> list[Timing]:
    print(f"{paper.recipe} on {device.title}, {clips} clips one by one")
    print(_LINE.format("model", "parameters", "size", "median", "95 %", "FPS"))
    found = []
    for timing in timings(paper, root, settings, device, clips):
        print(timing, flush=True)
        found.append(timing)
    return found


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
    parser.add_argument("--run", type=Path, help="the folder that examples.train --out has filled")
    given = parser.parse_args(arguments)
    paper = paper_of(given.recipe)
    with ending("examples.timing"):
        device = choose(given.device)
        if given.run is not None:
            time_run(paper, given.store, given.run, device, given.clips)
            return
        settings = paper.small if given.small else paper.settings
        _printed(paper, given.store, settings, device, given.clips)


if __name__ == "__main__":
    main()
