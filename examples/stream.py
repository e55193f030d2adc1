"""Plays clips as a camera and a microphone would give them, and decides every 100 ms.

    python -m examples.stream CLIP [CLIP ...]                           what it costs, untrained
    python -m examples.stream CLIP [CLIP ...] --store STORE --run RUN   the trained model of a run

Each step takes the frame and the 100 ms of sound that have just come: face detection, crop, ResNet,
log-mel, and the network with the forward LSTM of tcs2026. It prints each change of the decision,
and of each stage the median and the 95th percentile of its time. With a run, what Figure 10 shows
is kept in the model's folder: the first clip, and the time of all steps.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from examples.command import ending
from examples.device import choose
from examples.kept import KeptModel, open_run
from examples.live import (
    STAGES,
    Decision,
    Live,
    LiveEncoder,
    LiveFaces,
    LiveFrame,
    LiveFusion,
    LiveSound,
    Samples,
)
from examples.not_ready import NotReady
from examples.run_folder import LIVE, ModelFolder
from examples.tcs2026 import AUDIO, FACES, PAPER, SLICE_S, GatedFusion, TcsSettings, build
from examples.tcs2026_printed import FORWARD
from extractors.architecture import embedding_dim
from extractors.audio import Audio
from extractors.base import Extractor, Rgb
from extractors.crops import Crops
from extractors.faces import Faces
from extractors.fitted.base import State
from extractors.fitted.finetune import Finetuned
from extractors.frames import Frames, resize
from extractors.logmel import LogMel
from extractors.media import Limits, decode
from extractors.weights import RANDOM
from flows.recipe import Recipe, load, parse
from manifests.clips import Clip
from manifests.label_spaces import SPACES
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores import FeatureStore
from stores.fitted_state import read_state
from stores.made import TRAINING, note_made
from stores.resampling import TOLERANCE_S

Kind = TypeVar("Kind", bound=Extractor)
_SHOWN, _SIDE = 6, 96
"""Frames of Figure 10, and their side in pixels."""


@dataclass(frozen=True)
class Parts:
    """A recipe's extractors on the way from a clip to a decision, a model, and what was fitted."""

    recipe: Recipe
    model: GatedFusion
    windows: int
    classes: tuple[str, ...]
    scale: State
    """Mean and scale of the log-mel bands."""
    tuned: State
    """Weights of the ResNet that tuning changed."""
    folder: ModelFolder | None = None
    """Of the run that the model is of."""

    @cached_property
    def encoder(self) -> LiveEncoder:
        return LiveEncoder(self._fitted(FACES, Finetuned), self.tuned)

    @property
    def logmel(self) -> LogMel:
        return self._feature(self.recipe.fitted[AUDIO].needs["input"], LogMel)

    @property
    def audio(self) -> Audio:
        return self._feature(self.logmel.audio, Audio)

    @property
    def crops(self) -> Crops:
        return self._feature(self._fitted(FACES, Finetuned).input, Crops)

    @property
    def faces(self) -> Faces:
        return self._feature(self.crops.faces, Faces)

    @property
    def frames(self) -> Frames:
        return self._feature(self.crops.frames, Frames)

    def live(self, before: Samples | None = None, crops: bool = False) -> Live:
        """What decides one clip.

        before: the sound before its first step; crops: it is given crops, and finds no faces.
        """
        return Live(
            LiveSound(self.logmel, self.scale, self.windows, before),
            None if crops else LiveFaces(self.faces, self.crops),
            self.encoder,
            LiveFusion(self.model),
        )

    def _feature(self, name: str, kind: type[Kind]) -> Kind:
        return _of_kind(name, self.recipe.features[name].extractor, kind)

    def _fitted(self, name: str, kind: type[Kind]) -> Kind:
        return _of_kind(name, self.recipe.fitted[name], kind)


def _of_kind(name: str, found: Extractor, kind: type[Kind]) -> Kind:
    if isinstance(found, kind):
        return found
    raise NotReady(
        f"{name} is made by {found.name} in this store, expected {kind.name}: a stream is decided "
        f"by the features of the recipe {PAPER.recipe}"
    )


def untrained() -> Parts:
    """The recipe as it is shipped, of full size, with untrained networks: what it costs is real,
    what it says means nothing."""
    recipe = load(PAPER.recipe)
    tuned = replace(recipe.fitted[FACES], weights=RANDOM)  # type: ignore[type-var]
    recipe = recipe.model_copy(update={"fitted": {**recipe.fitted, FACES: tuned}})
    classes = SPACES[PAPER.labels[0]].values
    bands = {"mean": np.zeros(1), "scale": np.ones(1)}
    model = _model(recipe, PAPER.settings, len(classes))
    return Parts(recipe, model, PAPER.settings.windows, classes, bands, {})


def trained(root: Path, run: Path, scheme: str | None = None, fold: int | None = None) -> Parts:
    """The model of a run and what was fitted for its fold; NotReady where there is none.

    scheme, fold: None for the first that the run has.
    """
    store, kept = FeatureStore(root), open_run(run)
    if kept.facts.get("recipe") != PAPER.recipe:
        raise NotReady(f"{run} is a run of {kept.facts.get('recipe')}, expected {PAPER.recipe}")
    schemes = {name: models[FORWARD] for name, models in kept.schemes.items() if FORWARD in models}
    scheme = next(iter(schemes), "") if scheme is None else scheme
    folders = _folders(schemes[scheme]) if scheme in schemes else {}
    fold = min(folders, default=0) if fold is None else fold
    weights = folders[fold].weights() if fold in folders else None
    if weights is None:
        raise NotReady(
            f"{run} has no {FORWARD!r} of fold {fold} of {scheme or 'any scheme'}; train it: "
            f"python -m examples.train {PAPER.recipe} {root} --out {run}"
        )
    recipe = parse(dict(store.snapshot.recipe), f"the recipe of {root}")
    settings = TypeAdapter(TcsSettings).validate_python(kept.facts["settings"])
    model = _model(recipe, settings, len(schemes[scheme].classes))
    of_model, tuned = parted(weights) if "joint" in kept.facts["settings"] else (weights, None)
    model.load_state_dict(of_model)
    scale = _state(store, AUDIO, scheme, fold)
    tuned = _state(store, FACES, scheme, fold) if tuned is None else tuned
    classes = schemes[scheme].classes
    return Parts(recipe, model, settings.windows, classes, scale, tuned, folders[fold])


def parted(weights: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], State]:
    """The weights of a run end to end: of the model, and of the ResNet of the faces before it."""
    heads = ("net.", f"networks.{FACES}.")
    of_model, of_faces = (
        {name.removeprefix(head): one for name, one in weights.items() if name.startswith(head)}
        for head in heads
    )
    if not of_model or not of_faces:
        raise NotReady(
            f"the weights of this run end to end lack names that begin with {' or '.join(heads)}, "
            "expected those of the model and of the ResNet of the faces; train it once more with "
            "--joint"
        )
    return of_model, {name: one.numpy() for name, one in of_faces.items()}


def _folders(model: KeptModel) -> dict[int, ModelFolder]:
    """Fold -> its folder, of the first seed."""
    pairs = zip(model.metrics["runs"], model.folders, strict=True)
    return {run["fold"]: folder for run, folder in reversed([*pairs])}


def _model(recipe: Recipe, settings: TcsSettings, classes: int) -> GatedFusion:
    dim = embedding_dim(_of_kind(FACES, recipe.fitted[FACES], Finetuned).depth)
    return build(settings, {"values": {FACES: np.zeros((1, 1, dim))}}, classes, "past").eval()


def _state(store: FeatureStore, name: str, scheme: str, fold: int) -> State:
    entry = store.snapshot.fitted[name]
    record = entry.state(scheme, fold)
    if record is None:
        raise NotReady(
            f"{name} is not fitted for fold {fold} of {scheme}; run `affectstore fit "
            f"{store.location} {scheme}`"
        )
    return read_state(store.location, record.file, entry.spec, record).state


@dataclass
class Played:
    """A clip that was played."""

    classes: tuple[str, ...]
    decisions: list[Decision] = field(default_factory=list)
    pictures: list[Rgb | None] = field(default_factory=list)
    """The frame of each step, small; None where there was none."""

    def changes(self) -> Iterator[tuple[float, str, float]]:
        """When the decision changed, to what, and how sure it was."""
        last = None
        for number, one in enumerate(self.decisions, 1):
            if (now := int(one.smoothed.argmax())) != last:
                yield number * SLICE_S, self.classes[now], float(one.smoothed[now])
            last = now


class Player:
    """Gives a clip's frames and sound to a `Live`, step by step, as they would come.

    The steps are those of `stores.align.Clock`: the first begins where both streams have begun.
    """

    def __init__(self, parts: Parts, sound: Track, crops: bool = False) -> None:
        self._parts, self._sound, self._crops = parts, sound, crops
        self.played = Played(parts.classes)
        self._live: Live | None = None
        self._start_s, self._first, self._step = 0.0, 0, 0
        self._frame: LiveFrame | None = None

    def push(self, seconds: float, rgb: Rgb | None) -> None:
        """Takes the next frame; what comes before it is decided."""
        live = self._live or self._begin(seconds)
        step = int((seconds - self._start_s + TOLERANCE_S) // SLICE_S)
        while self._step < step:
            self._decide(live)
        if step >= 0:
            self._frame = LiveFrame(seconds, rgb)

    def finish(self) -> Played:
        if self._live is not None:
            self._decide(self._live)
            self._keep(self._live.finish())
        return self.played

    def _begin(self, seconds: float) -> Live:
        heard_s = float(self._sound.seconds[0])
        self._start_s = max(seconds, heard_s)
        logmel = self._parts.logmel
        hop_s, hop = logmel.stft.row_s, logmel.stft.hop_samples
        self._first = hop * int(np.ceil((self._start_s - heard_s - TOLERANCE_S) / hop_s))
        self._live = self._parts.live(self._sound.values[: self._first], self._crops)
        return self._live

    def _decide(self, live: Live) -> None:
        size = round(SLICE_S * self._parts.logmel.rate_hz)
        at = self._first + self._step * size
        rgb = None if self._frame is None else self._frame.rgb
        self.played.pictures.append(None if rgb is None else resize(rgb, _SIDE))
        self._keep(live.step(self._frame, self._sound.values[at : at + size]))
        self._frame, self._step = None, self._step + 1

    def _keep(self, decisions: list[Decision]) -> None:
        self.played.decisions += decisions


def play(path: Path, parts: Parts) -> Played:
    """Plays a file; NotReady, in one sentence, for one that has not both sound and pictures."""
    clip = Clip(path.stem, "file", None, None, path.stem, None, path.name, "", path.stat().st_size)
    limits = parts.recipe.decoding.limits
    try:
        heard = decode(clip, path, audio=True, grids={}, limits=limits).pcm
        if heard is None:
            raise NotReady(f"{path} has no sound; give a clip with sound and pictures")
        player = Player(parts, parts.audio.convert(clip, heard))
        _watch(clip, path, parts.frames, player.push, limits)
        played = player.finish()
    except BadClip as bad:
        raise NotReady(f"{path} cannot be played: {bad.detail}") from bad
    if not played.decisions:
        raise NotReady(f"{path} has no 100 ms of sound and pictures together; give a longer clip")
    return played


def _watch(
    clip: Clip, path: Path, frames: Frames, push: Callable[[float, Rgb], None], limits: Limits
) -> None:
    decode(clip, path, audio=False, grids={frames.cadence: push}, limits=limits)


def latencies(decisions: Sequence[Decision]) -> dict[str, NDArray[np.float64]]:
    """Stage, or `whole` -> (decision,) milliseconds."""
    return {
        stage: 1000 * np.array([one.latency_s[stage] for one in decisions])
        for stage in (*STAGES, "whole")
    }


def kept_arrays(first: Played, times: NDArray[np.float64]) -> dict[str, Any]:
    """What `live.npz` holds: the first clip, and the times of all of them."""
    shown = [step for step in range(len(first.decisions)) if first.pictures[step] is not None]
    steps = np.array(shown)[np.unique(np.linspace(0, len(shown) - 1, _SHOWN).round().astype(int))]
    return {
        "live_smoothed": np.stack([one.smoothed for one in first.decisions]),
        "live_latency_ms": latencies(first.decisions)["whole"],
        "live_frames": np.array([first.pictures[step] for step in steps]),
        "live_frame_steps": steps,
        "live_fps": 1000 / times.mean(),
        "live_median_ms": np.median(times),
        "live_slow_ms": np.percentile(times, 95),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.stream",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--store", type=Path, help="the store that the run was trained on")
    parser.add_argument("--run", type=Path, help="the folder that examples.train --out has filled")
    parser.add_argument("--scheme", help="of the run; else the first")
    parser.add_argument("--fold", type=int, help="of the run; else the first")
    parser.add_argument("--threads", type=int, help="of the networks; else one for each core")
    given = parser.parse_args(arguments)
    if (given.store is None) != (given.run is None):
        parser.error("--store and --run go together: the fitted states, and the trained model")
    with ending("examples.stream"):
        stream(given)


def stream(given: argparse.Namespace) -> None:
    """Plays all clips and prints what was decided, and how long it took."""
    device = choose("cpu", threads=given.threads)
    if given.run is None:
        parts = untrained()
        print("UNTRAINED networks of full size: the times are real, the decisions mean nothing")
    else:
        parts = trained(given.store, given.run, given.scheme, given.fold)
    of_face, of_network = (
        sum(one.numel() for name, one in net.named_parameters() if not name.startswith("fc."))
        for net in (parts.encoder.network, parts.model)
    )
    print(
        f"{PAPER.recipe}, {FORWARD}, on {device.title}: {(of_face + of_network) / 1e6:.1f} million "
        f"parameters, {of_face / 1e6:.1f} of them in the ResNet (the paper: 14)"
    )
    _warm(parts)
    played = [play(path, parts) for path in given.clips]
    for path, one in zip(given.clips, played, strict=True):
        print(f"\n{path.name}, {len(one.decisions)} decisions")
        for seconds, name, sure in one.changes():
            print(f"  {seconds:5.1f} s  {name} ({sure:.2f})")
    times = latencies([decision for one in played for decision in one.decisions])
    print(f"\n{'stage':<10}{'median':>12}{'95 %':>12}")
    for stage, values in times.items():
        median, slow = np.percentile(values, (50, 95))
        print(f"{stage:<10}{median:>9.1f} ms{slow:>9.1f} ms")
    print(f"{1000 / times['whole'].mean():.1f} FPS; the paper: 22 on an RTX 3060; 10 are needed")
    if parts.folder is not None:
        # The run may lie elsewhere than where it was trained: with pictures of a clip it is listed.
        facts = open_run(given.run).facts
        note_made(given.store, TRAINING, given.run, facts.get("made_of", ""), facts["snapshot"])
        parts.folder.write_arrays(LIVE, kept_arrays(played[0], times["whole"]))


def _warm(parts: Parts) -> None:
    """Loads what is loaded at first use, which is no step's own time."""
    blank = np.zeros((360, 640, 3), np.uint8)
    LiveFaces(parts.faces, parts.crops).push(0.0, blank)
    for _ in range(2):
        parts.encoder(np.zeros((parts.crops.size, parts.crops.size, 3), np.uint8))
    silence = np.zeros(round(SLICE_S * parts.logmel.rate_hz), np.float32)
    parts.live(crops=True).step(None, silence)


if __name__ == "__main__":
    main()
