"""The engines that run a ResNet: torch (CUDA or CPU) and OpenVINO (CPU).

In float32 the two agree within 1e-5, so the engine is no part of a fingerprint. Within one engine a
row gets the same bits whatever rows are beside it: every pass has the same number of rows, the last
one padded. Only where memory runs out do passes get smaller, and then torch's last bits may move;
OpenVINO's do not.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors import openvino_import
from extractors.architecture import EPSILON, MEAN, STD, STEM, Conv, blocks, embedding_dim
from extractors.base import Runtime
from extractors.weights import Weights, folded, load_state

ENGINES = ("auto", "torch", "openvino")
"""What a recipe may ask for."""

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(batch, size, size, 3) -> (batch, dim); of maps row by row, channels last."""

_CPU_BATCH = 8
"""More at once gains nothing on a CPU. Never another number, since torch takes another way for a
batch of 1, with other last bits."""
_CUDA_BATCH = 256
"""Rows of one pass on a CUDA device where the runtime does not say."""

_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "bad_alloc",
    "failed to allocate",
)
"""How torch and OpenVINO say in a RuntimeError that memory ran out."""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network: all that its numbers depend on."""

    depth: int
    weights: str
    """A name or a path; see `extractors.weights`."""
    identity: str | None
    """Identity of the weights, so that a changed file is loaded anew."""
    seed: int | None
    """Seed of random weights; None for others."""
    size: int
    """Height and width of the images in pixels."""
    precision: str
    side: int = 0
    """Rows and columns of the map of the last block, where that is wanted; 0: its mean."""


class Engine:
    """A loaded network, which runs any number of rows in passes of `batch`.

    `batch` is halved where memory runs out.
    """

    def __init__(self, compile_for: Callable[[int], Forward], batch: int, dim: int) -> None:
        self.batch, self._dim = batch, dim
        self._compile_for = compile_for
        self._forward: Forward | None = None

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        out = np.empty((len(images), self._dim), np.float32)
        start = 0
        while start < len(images):
            rows = images[start : start + self.batch]
            found = self._try(rows)
            if found is None:
                self._shrink()
                continue
            out[start : start + len(rows)] = found
            start += len(rows)
        return out

    def _try(self, rows: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """The embeddings of at most `batch` rows, or None where memory ran out."""
        try:
            if self._forward is None:
                self._forward = self._compile_for(self.batch)
            return self._forward(_padded(rows, self.batch))[: len(rows)]
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if self.batch == 1:
                raise MemoryError(
                    "there is no memory left to encode even one image at a time; use fewer "
                    "workers or a smaller network"
                ) from error
            return None

    def _shrink(self) -> None:
        self.batch = (self.batch + 1) // 2
        self._forward = None


@functools.cache
def load(spec: NetworkSpec, runtime: Runtime) -> Engine:
    """Loads a network, once a process.

    Args:
        spec: The network.
        runtime: Which engine runs it, with how many threads and rows at once.

    Returns:
        The engine.

    Raises:
        ValueError: The engine cannot give the precision asked for, or is unknown.
    """
    if resolve(runtime.engine) == "torch":
        return _torch_engine(spec, runtime)
    _check_precision(spec.precision, "cpu")
    return Engine(
        functools.partial(_openvino_forward, spec, runtime.threads),
        _batch(runtime, "cpu"),
        _numbers(spec.depth, spec.side),
    )


def resolve(engine: str) -> str:
    """Decides which engine runs.

    Args:
        engine: One of `ENGINES`. For `auto` torch is asked for a CUDA device, and so imported, but
            for a torch that was built without CUDA.

    Returns:
        `torch` or `openvino`.

    Raises:
        ValueError: The engine is unknown.
    """
    if engine not in ENGINES:
        raise ValueError(f'engine = "{engine}" is unknown; expected {", ".join(ENGINES)}')
    if engine != "auto":
        return engine
    if version("torch").endswith("+cpu"):
        return "openvino"
    import torch

    return "torch" if torch.cuda.is_available() else "openvino"


def _torch_engine(spec: NetworkSpec, runtime: Runtime) -> Engine:
    return torch_engine(spec.depth, lambda: _state(spec), runtime, spec.precision, spec.side)


def torch_engine(
    depth: int,
    state: Callable[[], Weights],
    runtime: Runtime,
    precision: str = "float32",
    side: int = 0,
) -> Engine:
    """Makes an engine for weights that no file or seed gives; a new one at every call.

    Args:
        depth: Layers of the ResNet.
        state: Gives the weights; called at the first row.
        runtime: Rows at once.
        precision: `float32`, `bfloat16` or `float16`.
        side: Of the map, where that is wanted; see `NetworkSpec`.

    Returns:
        The engine, on a CUDA device where there is one.

    Raises:
        ValueError: There is no CUDA device, and the precision needs one.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    _check_precision(precision, device)
    forward = functools.cache(lambda: _torch_forward(depth, state(), precision, device, side))

    def compile_for(_: int) -> Forward:
        # The same network serves every batch; what a failed pass has left on the device is given
        # back first.
        if device == "cuda":
            torch.cuda.empty_cache()
        return forward()

    return Engine(compile_for, _batch(runtime, device), _numbers(depth, side))


def _numbers(depth: int, side: int) -> int:
    """Of one row that a network gives."""
    return embedding_dim(depth) * (side * side or 1)


def _torch_forward(depth: int, state: Weights, precision: str, device: str, side: int) -> Forward:
    import torch

    from extractors.network import build, fold

    network = fold(build(depth, state), depth)
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    half = None if precision == "float32" else getattr(torch, precision)

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        # TF32 would keep ten bits of float32's 23, and the fastest algorithm is not the same one
        # every time.
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with (
            torch.inference_mode(),
            exact,
            torch.autocast(device, dtype=half, enabled=half is not None),
        ):
            rows = torch.from_numpy(np.require(images, requirements=["C", "W"]))
            rows = (rows.pin_memory() if device == "cuda" else rows).to(device, non_blocking=True)
            encoded = network.maps(rows).permute(0, 2, 3, 1).flatten(1) if side else network(rows)
            found: NDArray[np.float32] = encoded.float().cpu().numpy()
            return found

    return forward


def _openvino_forward(spec: NetworkSpec, threads: int | None, batch: int) -> Forward:
    options: dict[str, Any] = {
        # The defaults would compute in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "NUM_STREAMS": 1,
        # Pinned, the threads of all worker processes would share the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    core = openvino_import.core()  # before any other import of openvino
    shape = (batch, spec.size, spec.size, 3)
    graph = _openvino_graph(spec.depth, _state(spec), shape, pooled=not spec.side)
    request = core.compile_model(graph, "CPU", options).create_infer_request()

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = request.infer([np.ascontiguousarray(images)])[0]
        return found.reshape(len(images), -1)

    return forward


def _openvino_graph(
    depth: int, state: Weights, shape: tuple[int, int, int, int], pooled: bool
) -> Any:
    """The network node by node.

    This needs no torch; `openvino.convert_model` would also report its use over the network.
    """
    import openvino
    from openvino import opset13 as ops

    images = ops.parameter(shape, np.uint8)
    mean, scale = (
        np.array(numbers, np.float32)
        for numbers in (np.multiply(MEAN, 255), np.divide(1 / 255, STD))
    )
    x = ops.multiply(ops.subtract(ops.convert(images, "f32"), mean), scale)
    x = ops.relu(_openvino_conv(ops.transpose(x, np.array([0, 3, 1, 2])), STEM, state))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block in blocks(depth):
        shortcut = x if block.shortcut is None else _openvino_conv(x, block.shortcut, state)
        for conv in block.branch[:-1]:
            x = ops.relu(_openvino_conv(x, conv, state))
        x = ops.relu(ops.add(_openvino_conv(x, block.branch[-1], state), shortcut))
    found = (
        ops.reduce_mean(x, np.array([2, 3]), False)
        if pooled
        else ops.transpose(x, np.array([0, 2, 3, 1]))
    )
    return openvino.Model([found], [images], f"resnet{depth}")


def _openvino_conv(x: Any, conv: Conv, state: Weights) -> Any:
    from openvino import opset13 as ops

    kernel, bias = folded(state, conv, EPSILON)
    pads = [conv.padding, conv.padding]
    convolved = ops.convolution(x, kernel, [conv.stride, conv.stride], pads, pads, [1, 1])
    return ops.add(convolved, bias.reshape(1, -1, 1, 1))


def _state(spec: NetworkSpec) -> Weights:
    return load_state(spec.depth, spec.weights, spec.seed)


def _check_precision(precision: str, device: str) -> None:
    if precision != "float32" and device != "cuda":
        raise ValueError(
            f'precision = "{precision}" needs the torch engine on a CUDA device, which is not to '
            'be had here; use "float32"'
        )


def _batch(runtime: Runtime, device: str) -> int:
    return runtime.batch or _CUDA_BATCH if device == "cuda" else _CPU_BATCH


def _padded(rows: NDArray[np.uint8], batch: int) -> NDArray[np.uint8]:
    if len(rows) == batch:
        return rows
    padded = np.zeros((batch, *rows.shape[1:]), np.uint8)
    padded[: len(rows)] = rows
    return padded


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _OUT_OF_MEMORY
    )
