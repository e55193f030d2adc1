"""TCS while the clip is still running: pictures and 100 ms of sound in, a decision out.

    live = Live(sound, faces, encoder, fusion)
    live.step(frame, samples)     -> Decision, from all that came so far
    live.finish()                 -> what was still waiting for sound

Four parts, each of which keeps what it needs of the past: `LiveSound` (log-mel), `LiveFaces`
(detection and crop), `LiveEncoder` (the ResNet of the faces) and `LiveFusion` (the state of the
LSTM, and q_t). They are the store's own extractors and states, row by row, so that a clip is
decided as it would be from a store; only the box of the face is found without knowing what comes.
Where 100 ms bring no picture, the last face stays.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from examples.not_ready import NotReady
from examples.tcs2026 import SLICE_S, GatedFusion
from extractors.base import Rgb
from extractors.crops import Crops, cut_square
from extractors.detectors import DETECTORS, Box
from extractors.faces import Faces
from extractors.fitted.base import State
from extractors.fitted.finetune import Finetuned
from extractors.follow import linked
from extractors.frames import as_rgb, encode_jpeg
from extractors.logmel import LogMel
from extractors.mel import mel_decibels
from extractors.network import build, fold
from extractors.stft import power_spectrum
from extractors.weights import load_state
from manifests.tracks import Track

Samples = NDArray[np.float32]
STAGES = ("face", "resnet", "logmel", "network")
"""What the time of a step is spent on, in the order of the way."""


class LiveFrame(NamedTuple):
    """A picture of a stream."""

    seconds: float
    rgb: Rgb | None
    """(height, width, 3) of a whole frame, or of a crop; None for a frame that shows no face."""


@dataclass(frozen=True, eq=False)
class Decision:
    """Of one step of 100 ms."""

    probabilities: NDArray[np.float32]
    """(class,) p_t."""
    smoothed: NDArray[np.float32]
    """(class,) q_t, whose greatest is the decision."""
    gates: NDArray[np.float32]
    """(2,) of face and sound."""
    latency_s: dict[str, float] = field(default_factory=dict)
    """Seconds by stage; `whole` is from the call to the decision."""


class LiveSound:
    """Sound -> slices of log-mel rows, (windows, mel), in deviations of the training clips."""

    def __init__(
        self, logmel: LogMel, state: State, windows: int, before: Samples | None = None
    ) -> None:
        """before: what was heard before the first slice; None: the sound begins with it."""
        self._logmel, self._state, self._windows = logmel, state, windows
        stft = logmel.stft
        self._slice, self._hop = round(SLICE_S * logmel.rate_hz), stft.hop_samples
        if not logmel.centre or self._slice % self._hop or windows * self._hop > self._slice:
            raise NotReady(
                f"{windows} rows every {stft.hop_s:g} s were asked of each {SLICE_S:g} s, centred: "
                f"{logmel.centre}; expected centred rows, a whole number of them to a slice"
            )
        # A window lies within its frame of the transform: what is beyond is multiplied by 0.
        self._stft = replace(stft, centre=False)
        self._margin = stft.fft_samples // 2
        early = np.zeros(0, np.float32) if before is None else before[-self._margin :]
        self._kept = np.concatenate([np.zeros(self._margin - len(early), np.float32), early])
        """The samples from a margin before the next slice on."""

    def push(self, samples: Samples) -> Iterator[NDArray[np.float32]]:
        """Takes sound of any length, and gives each slice whose windows it completes."""
        self._kept = np.concatenate([self._kept, samples])
        reach = (self._windows - 1) * self._hop + -(-self._stft.window_samples // 2)
        while len(self._kept) - self._margin >= reach:
            yield self._next()

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """The slices whose windows reach beyond the end of the sound: there is silence."""
        while len(self._kept) - self._margin >= (self._windows - 1) * self._hop:
            yield self._next()

    def _next(self) -> NDArray[np.float32]:
        size = (self._windows - 1) * self._hop + self._stft.fft_samples
        there = self._kept[:size]
        self._kept = self._kept[self._slice :]
        power = power_spectrum(np.pad(there, (0, size - len(there))), self._stft)
        rows = mel_decibels(power, self._logmel.mel)
        return np.asarray((rows - self._state["mean"]) / self._state["scale"], np.float32)


@dataclass
class _Followed:
    """A face that was found a moment ago."""

    box: Box
    seconds: float
    weight: float


class LiveFaces:
    """Frames -> the crop of the one face that is followed: the largest so far, area times time, of
    those that were found within `missing_s`; while it is missing nobody takes its place."""

    def __init__(self, faces: Faces, crops: Crops) -> None:
        self._faces, self._crops = faces, crops
        self._detect = DETECTORS[faces.detector].detect
        self._known: list[_Followed] = []

    def push(self, seconds: float, rgb: Rgb) -> Rgb | None:
        """The crop as the store would give it back; None where the face is not found."""
        box = self._follow(seconds, self._detect(rgb, self._faces.min_score))
        if box is None:
            return None
        picture = cut_square(rgb, box, self._crops.margin, self._crops.size)
        if self._crops.pixels == "raw":
            return picture
        return as_rgb(encode_jpeg(picture, self._crops.quality))

    def _follow(self, seconds: float, boxes: Sequence[Box]) -> Box | None:
        missing_s = self._faces.missing_s
        self._known = [one for one in self._known if seconds - one.seconds <= missing_s + 1e-6]
        before = dict(linked(boxes, [one.box for one in self._known]))
        for number, box in enumerate(boxes):
            if number in before:
                one = self._known[before[number]]
                one.box, one.seconds, one.weight = box, seconds, one.weight + box.area
            else:
                self._known.append(_Followed(box, seconds, box.area))
        main = max(self._known, key=lambda one: one.weight, default=None)
        return main.box if main is not None and main.seconds == seconds else None


class LiveEncoder:
    """A crop -> its embedding, one at a time."""

    def __init__(self, tuned: Finetuned, state: State) -> None:
        """state: the weights that tuning changed; those that it began with count for the rest."""
        begun = load_state(tuned.depth, tuned.weights, tuned.start.seed)
        weights = {**begun, **{name: np.array(array) for name, array in state.items()}}
        self._tuned = tuned
        self.network = fold(build(tuned.depth, weights), tuned.depth)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, crop: Rgb) -> NDArray[np.float32]:
        one = Track(crop[np.newaxis], np.zeros(1), np.ones(1, np.bool_))
        images = torch.from_numpy(self._tuned.start.images(one).values)
        with torch.inference_mode():
            found: NDArray[np.float32] = self.network(images)[0].numpy()
        return found


class LiveFusion:
    """A face and a slice of sound -> p_t and q_t."""

    def __init__(self, model: GatedFusion) -> None:
        if model.hears != "past":
            raise NotReady(
                "a model that hears the whole clip cannot decide before its end; take the one with "
                "the forward LSTM"
            )
        self._model = model.eval()
        self._lstm: Any = None
        self._smoothed: torch.Tensor | None = None

    @torch.inference_mode()
    def step(self, face: NDArray[np.float32] | None, rows: NDArray[np.float32]) -> Decision:
        """face: (dim,) its embedding; None where there is none, which is a row of zeros in a batch.
        rows: (windows, mel)."""
        model = self._model
        slices = torch.from_numpy(rows).unsqueeze(0)
        heard, self._lstm = model.lstm.rnn(
            model.cnn(slices.transpose(1, 2)).unsqueeze(0), self._lstm
        )
        seen = torch.zeros(1, model.face.in_features)
        if face is not None:
            seen[0] = torch.from_numpy(face)
        fusion = model.fuse(heard[:, 0], seen)
        steps, alpha = fusion["steps"], model.smoothing
        if self._smoothed is None:
            self._smoothed = steps
        self._smoothed = alpha * self._smoothed + (1 - alpha) * steps  # equation (5)
        return Decision(steps[0].numpy(), self._smoothed[0].numpy(), fusion["gates"][0].numpy())


class Live:
    """All four, and what each takes."""

    def __init__(
        self,
        sound: LiveSound,
        faces: LiveFaces | None,
        encoder: LiveEncoder,
        fusion: LiveFusion,
    ) -> None:
        """faces: None where the pictures are crops of a face already."""
        self._sound, self._faces, self._encoder, self._fusion = sound, faces, encoder, fusion
        self._seen: deque[NDArray[np.float32] | None] = deque()
        """The face of each step that still waits for sound."""
        self._last: NDArray[np.float32] | None = None

    def step(self, frame: LiveFrame | None, samples: Samples) -> list[Decision]:
        """Takes what 100 ms have brought, and gives a decision.

        frame: the last that came, whole or as a crop; None where there was none.
        samples: the sound of the same 100 ms, at the rate of the features.

        One decision, but where the windows of a slice reach beyond it: then none at first, and the
        others come a step late.
        """
        clock = _Clock()
        with clock.stage("face"):
            crop = None if frame is None else self._crop(frame)
        with clock.stage("resnet"):
            if frame is not None:
                self._last = None if crop is None else self._encoder(crop)
        self._seen.append(self._last)
        with clock.stage("logmel"):
            slices = list(self._sound.push(samples))
        return self._decided(slices, clock)

    def finish(self) -> list[Decision]:
        """Ends the clip: decides the steps that waited for sound that never came."""
        return self._decided(list(self._sound.finish()), _Clock())

    def _crop(self, frame: LiveFrame) -> Rgb | None:
        if self._faces is None or frame.rgb is None:
            return frame.rgb
        return self._faces.push(frame.seconds, frame.rgb)

    def _decided(self, slices: Sequence[NDArray[np.float32]], clock: "_Clock") -> list[Decision]:
        found = []
        for rows in slices:
            if self._seen:
                with clock.stage("network"):
                    decision = self._fusion.step(self._seen.popleft(), rows)
                found.append(replace(decision, latency_s=clock.read()))
        return found


class _Clock:
    """How long the stages of one step take."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._stages = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._stages[name] = time.perf_counter() - began

    def read(self) -> dict[str, float]:
        return {**self._stages, "whole": time.perf_counter() - self._began}
