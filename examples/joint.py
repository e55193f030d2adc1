"""Training end to end: the ResNets whose embeddings a model reads are trained together with it,
from stored pictures and MFCC.

A store keeps embeddings, so that any trainer can be fed; the papers train through the network. The
store's recipe says which network made an embedding and from what; here the same network, begun from
the same weights, stands before the model. Pictures are augmented anew in each epoch.

A picture is 150 kB at 224 x 224 and what is kept of it for the gradient is some 100 MB of a
ResNet-50, so that a batch of 32 clips fits no memory at once. Parts of `at_once` pictures go
through the network one after the other, and once more on the way back, when their gradient is
computed. Batch normalisation sees one part at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from examples.not_ready import NotReady
from examples.parts import Net, Stages, Tensors
from examples.plan import Example, Trial
from extractors.architecture import embedding_dim
from extractors.augment_pictures import AugmentPictures, changed, table_of_levels
from extractors.augmentation import Draws
from extractors.fitted.finetune import Finetuned
from extractors.network import ResNetModule, build
from extractors.resnet import ResNet
from extractors.weights import WeightsError, load_state
from flows.recipe import parse
from manifests.tracks import Track
from stores import FeatureDataset, FeatureStore


@dataclass(frozen=True)
class JointSettings:
    """Of training end to end; `--set joint.NAME=VALUE` changes one."""

    at_once: int = 32
    """Pictures that go through a network at once; the same memory for any batch."""
    rate: float | None = None
    """Of the networks; None: as the recipe tunes them, and that of the model where it does not."""


@dataclass(frozen=True)
class Backbone:
    """The network before a model: how an embedding of the store was made."""

    encoder: ResNet
    rate: float | None
    weight_decay: float
    augmentation: AugmentPictures | None
    """Of training clips, drawn anew in each epoch."""


def backbones_of(store: FeatureStore, features: Sequence[str]) -> dict[str, Backbone]:
    """Those of the features that are embeddings of a ResNet, as the store's recipe makes them."""
    recipe = parse(store.snapshot.recipe, where=f"the recipe of {store.location}")
    found: dict[str, Backbone] = {}
    for name in features:
        fitter = recipe.fitted.get(name)
        measured = recipe.features[name].extractor if name in recipe.features else None
        if isinstance(fitter, Finetuned):
            found[name] = Backbone(
                fitter.start, fitter.learning_rate, fitter.weight_decay, fitter.augmentation
            )
        elif type(measured) is ResNet:  # a ResNetMap is of its kind, and no embedding
            found[name] = Backbone(measured, None, 0.0, None)
    return found


def end_to_end(trial: Trial, backbones: Mapping[str, Backbone], settings: JointSettings) -> Trial:
    """The trial with its networks before the model; NotReady where it reads no embedding."""
    if not backbones:
        raise NotReady(
            f"--joint: {trial.name!r} reads {', '.join(trial.features)}, none of which is the "
            "embedding of a network; leave --joint out"
        )
    rate = partial(_optimizer, trial, backbones, settings)
    return replace(
        trial,
        build=partial(_build, trial, backbones, settings),
        fitting=replace(trial.fitting, optimizer=rate),
    )


class EndToEndClips:
    """Clips whose embeddings are pictures still, under the embeddings' names: what a loader reads.

    Pictures are those of the clips as they are, augmented by draws of the clip, the seed and the
    epoch. What else the model reads is of one of its stored variants, drawn likewise.
    """

    def __init__(
        self,
        pictures: FeatureDataset,
        others: FeatureDataset | None,
        trial: Trial,
        backbones: Mapping[str, Backbone],
        seed: int | None,
    ) -> None:
        """pictures: with the inputs of the backbones; others: with the other features, in the
        variants of the trial; seed: None where nothing is drawn."""
        self.pictures, self.others, self.backbones = pictures, others, dict(backbones)
        self.trial_features, self.seed, self.epoch = trial.features, seed, 0
        self.steps = () if trial.align is None else (trial.align,)
        self.classes = pictures.classes
        self.dropped = {**pictures.dropped, **(others.dropped if others else {})}
        self.items: dict[str, list[int]] = {}
        for i, clip_id in enumerate(others.clip_ids if others else ()):
            self.items.setdefault(clip_id, []).append(i)
        self.numbers = [
            i for i, one in enumerate(pictures.clip_ids) if others is None or one in self.items
        ]

    def begin_epoch(self, number: int) -> None:
        """From now on other draws are made."""
        self.epoch = number

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> Example:
        clip_id, inputs, label = self.pictures[self.numbers[i]]
        draws = None if self.seed is None else Draws(self.seed, clip_id, self.epoch)
        found = {
            name: _images(backbone, inputs[backbone.encoder.input], draws)
            for name, backbone in self.backbones.items()
        }
        if self.others is not None:
            variants = self.items[clip_id]
            drawn = 0 if draws is None else int(draws.share("variant") * len(variants))
            found |= self.others[variants[drawn]][1]
        tracks = {name: found[name] for name in self.trial_features}
        for step in self.steps:
            tracks = step(tracks)
        return clip_id, tracks, label

    def collate(self, items: Sequence[Example]) -> Any:
        return self.pictures.collate(items)


def open_clips(
    opened: Callable[[Sequence[str], Sequence[int]], FeatureDataset],
    trial: Trial,
    backbones: Mapping[str, Backbone],
    role: str,
    seed: int,
) -> EndToEndClips:
    """The clips of a role; opened: gives those that have some features, in some variants."""
    inputs = list(dict.fromkeys(backbone.encoder.input for backbone in backbones.values()))
    rest = [name for name in trial.features if name not in backbones]
    trained = role == "train"
    others = opened(rest, trial.variants if trained else (0,)) if rest else None
    return EndToEndClips(opened(inputs, (0,)), others, trial, backbones, seed if trained else None)


def _images(backbone: Backbone, track: Track, draws: Draws | None) -> Track:
    """What the network takes, (time, size, size, 3) uint8."""
    images = backbone.encoder.images(track)
    if backbone.augmentation is None or draws is None:
        return images
    change = backbone.augmentation.change_of(draws)
    levels = table_of_levels(change.brightness, change.contrast)
    values: NDArray[Any] = images.values
    for row in np.flatnonzero(images.valid):
        values[row] = changed(values[row], change, levels)
    return images


class EndToEnd(Net):
    """A model and the networks before it."""

    def __init__(
        self, networks: Mapping[str, ResNetModule], of: Mapping[str, str], net: Net, at_once: int
    ) -> None:
        """networks: by name; of: feature -> name of its network."""
        super().__init__()
        self.networks, self.net = nn.ModuleDict(networks), net
        self.of, self.at_once = dict(of), at_once

    @property
    def behind(self) -> Net:
        return self.net

    def embedded(self, batch: Tensors) -> Tensors:
        values = dict(batch["values"])
        for feature, name in self.of.items():
            values[feature] = self._embed(name, values[feature], batch["mask"][feature])
        return {**batch, "values": values}

    def stages(self, batch: Tensors) -> Stages:
        return self.net.stages(self.embedded(batch))

    def loss(self, stages: Stages, batch: Tensors) -> Tensor:
        return self.net.loss(stages, batch)

    def _embed(self, name: str, pictures: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, size, size, 3) -> (batch, time, d), zeros where the mask is False."""
        network, flat = self.networks[name], pictures.flatten(0, 1)
        rows = mask.flatten().nonzero().squeeze(1)
        count = max(1, -(-len(rows) // self.at_once))
        if self.training and len(rows) == 1:
            rows = rows.repeat(2)  # batch normalisation needs two
        # Pictures are copied part by part: all of a batch are gigabytes.
        parts = [self._part(network, flat, part, count > 1) for part in rows.tensor_split(count)]
        values = torch.cat(parts)[: int(mask.sum())]
        found = values.new_zeros((*mask.shape, values.shape[1]))
        found[mask] = values
        return found

    @staticmethod
    def _part(network: nn.Module, pictures: Tensor, rows: Tensor, again: bool) -> Tensor:
        """again: nothing is kept for the gradient, which computes the part once more."""

        def embedded(rows: Tensor) -> Tensor:
            found: Tensor = network(pictures[rows])
            return found

        if not again or not torch.is_grad_enabled():
            return embedded(rows)
        found: Tensor = checkpoint(
            embedded,
            rows,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), _still(network)),
        )
        return found


@contextmanager
def _still(network: nn.Module) -> Iterator[None]:
    """Batch normalisations of the network learn no means: a part that is computed once more counts
    once."""
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, momentum in zip(norms, momenta, strict=True):
            one.momentum = momentum


def _build(
    trial: Trial,
    backbones: Mapping[str, Backbone],
    settings: JointSettings,
    batch: Tensors,
    classes: int,
) -> EndToEnd:
    values = dict(batch["values"])
    networks: dict[str, ResNetModule] = {}
    of: dict[str, str] = {}
    for feature, backbone in backbones.items():
        encoder = backbone.encoder
        of[feature] = "shared" if trial.one_network else feature
        if of[feature] not in networks:
            networks[of[feature]] = _network(encoder)
        steps = batch["mask"][feature].shape[:2]
        values[feature] = torch.zeros(*steps, embedding_dim(encoder.depth))
    net = trial.build({**batch, "values": values}, classes)
    return EndToEnd(networks, of, net, settings.at_once)


def _network(encoder: ResNet) -> ResNetModule:
    try:
        state = load_state(encoder.depth, encoder.weights, encoder.seed)
    except WeightsError as error:
        raise NotReady(str(error)) from error
    network = build(encoder.depth, state).requires_grad_(True)
    network.fc = nn.Identity()  # type: ignore[assignment]
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _optimizer(
    trial: Trial, backbones: Mapping[str, Backbone], settings: JointSettings, model: nn.Module
) -> torch.optim.Optimizer:
    """The model's own, with a group for the convolutions and one for the norms of each network."""
    if not isinstance(model, EndToEnd):
        raise TypeError(f"expected an EndToEnd, got a {type(model).__name__}")
    optimizer = trial.fitting.optimizer(model.net)
    feature_of = {name: feature for feature, name in model.of.items()}
    for name, network in model.networks.items():
        backbone = backbones[feature_of[name]]
        parameters = list(network.parameters())
        more = {"lr": settings.rate or backbone.rate or optimizer.defaults["lr"]}
        for decay, some in (
            (backbone.weight_decay, [one for one in parameters if one.ndim > 1]),
            (0.0, [one for one in parameters if one.ndim == 1]),
        ):
            optimizer.add_param_group({"params": some, "weight_decay": decay, **more})
            # The last group's rate is the one that is written down: the model's.
            optimizer.param_groups.insert(0, optimizer.param_groups.pop())
    return optimizer
