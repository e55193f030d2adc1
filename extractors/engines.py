"""The engines that run a ResNet: torch (CUDA or CPU) and OpenVINO (CPU).

In float32 the two agree within 1e-5, so the engine is no part of a fingerprint. Within one engine a
row gets the same bits whatever rows are beside it. OpenVINO gives them for any number of rows, so
its last pass has as many as are left. With torch every pass has the same number, the last one
padded; only where memory runs out do passes get smaller, and then its last bits may move.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors import openvino_import
from extractors.architecture import EPSILON, MEAN, STD, STEM, Conv, blocks, embedding_dim
from extractors.base import Runtime
from extractors.weights import Weights, folded, load_state

ENGINES = ("auto", "torch", "openvino")
"""What a recipe may ask for."""

Pass = Callable[[], NDArray[np.float32]]
"""A pass that was begun: waits for its end and gives (rows, dim); of maps row by row, channels
last."""
Begin = Callable[[NDArray[np.uint8]], Pass]
"""Begins a pass over (rows, size, size, 3), at most a batch of them."""

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


class NoSuchPrecision(ValueError):
    """A network cannot compute in the precision that a recipe names; one sentence."""


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


class _Begun(NamedTuple):
    """A pass that is under way."""

    end: Pass
    place: NDArray[np.float32]
    """Where its rows belong."""
    whole: NDArray[np.float32] | None
    """All rows of a batch, where this is its last pass."""


class Engine:
    """A loaded network, which runs any number of rows in passes of at most `batch`.

    `batch` is halved where memory runs out.
    """

    def __init__(
        self, compile_for: Callable[[int], Begin], batch: int, dim: int, ahead: int = 0
    ) -> None:
        """Plans an engine; its network is compiled for the first row.

        Args:
            compile_for: Compiles the network for passes of so many rows at most.
            batch: Rows of a pass, at most.
            dim: Numbers that the network gives of a row.
            ahead: How many passes are under way while the next rows are made.
        """
        self.batch, self._dim, self._ahead = batch, dim, ahead
        self._compile_for = compile_for
        self._begin: Begin | None = None

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return next(self.stream([images]), np.empty((0, self._dim), np.float32))

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Encodes batch after batch; where it may, the network works while the next one is made.

        Args:
            batches: (rows, size, size, 3) each, with at least one row.

        Yields:
            (rows, dim) of each, in order.
        """
        under_way: deque[_Begun] = deque()
        for images in batches:
            found = np.empty((len(images), self._dim), np.float32)
            start = 0
            while start < len(images):
                rows = images[start : start + self.batch]
                begun = self._try(rows)
                if begun is None:
                    yield from _ended(under_way, 0)
                    self._shrink()
                    continue
                end = start + len(rows)
                whole = found if end == len(images) else None
                under_way.append(_Begun(begun, found[start:end], whole))
                yield from _ended(under_way, self._ahead)
                start = end
        yield from _ended(under_way, 0)

    def _try(self, rows: NDArray[np.uint8]) -> Pass | None:
        """Begins a pass of at most `batch` rows; None where memory ran out."""
        try:
            if self._begin is None:
                self._begin = self._compile_for(self.batch)
            return self._begin(rows)
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
        self._begin = None


def _ended(under_way: deque[_Begun], most: int) -> Iterator[NDArray[np.float32]]:
    """Waits until no more than so many passes are under way; gives the batches that are whole."""
    while len(under_way) > most:
        begun = under_way.popleft()
        begun.place[:] = begun.end()
        if begun.whole is not None:
            yield begun.whole


@functools.cache
def load(spec: NetworkSpec, runtime: Runtime) -> Engine:
    """Loads a network, once a process.

    Args:
        spec: The network.
        runtime: Which engine runs it, with how many threads and rows at once.

    Returns:
        The engine.

    Raises:
        NoSuchPrecision: The engine cannot give the precision asked for.
        ValueError: The engine is unknown.
    """
    if resolve(runtime.engine) == "torch":
        state = functools.partial(_state, spec)
        return torch_engine(spec.depth, state, runtime, spec.precision, spec.size, spec.side)
    check_precision(spec.precision, runtime)
    return Engine(
        lambda batch: _openvino_begin(spec, runtime.threads, batch),
        _CPU_BATCH,
        _numbers(spec.depth, spec.side),
    )


def check_precision(precision: str, runtime: Runtime) -> None:
    """Refuses a precision that the processor or the device of this machine does not compute in.

    Args:
        precision: `float32`, `bfloat16` or `float16`.
        runtime: Which engine is to run.

    Raises:
        NoSuchPrecision: It would be emulated, slower than float32, or is not to be had at all.
    """
    if precision == "float32":
        return
    if resolve(runtime.engine) == "torch":
        _check_device(precision, _torch_device())
    elif precision != "bfloat16":
        _check_device(precision, "cpu")
    elif "BF16" not in openvino_import.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NoSuchPrecision(
            'precision = "bfloat16" needs a CUDA device or a processor that computes in it '
            '(AVX-512 BF16 or AMX), and this one does not; use "float32"'
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


def torch_engine(
    depth: int,
    state: Callable[[], Weights],
    runtime: Runtime,
    precision: str = "float32",
    size: int = 224,
    side: int = 0,
) -> Engine:
    """Makes an engine for weights that no file or seed gives; a new one at every call.

    Args:
        depth: Layers of the ResNet.
        state: Gives the weights; called at the first row.
        runtime: Rows at once.
        precision: `float32`, `bfloat16` or `float16`.
        size: Of the images; see `NetworkSpec`.
        side: Of the map, where that is wanted; see `NetworkSpec`.

    Returns:
        The engine, on a CUDA device where there is one.

    Raises:
        NoSuchPrecision: There is no CUDA device, and the precision needs one.
    """
    device = _torch_device()
    _check_device(precision, device)

    @functools.cache
    def network() -> Any:
        from extractors.network import build, computing_in, fold

        return computing_in(precision, fold(build(depth, state()), depth), depth)

    def compile_for(batch: int) -> Begin:
        from extractors.torch_passes import TorchPasses

        shape = (batch, size, size, 3)
        return TorchPasses(network(), device, shape, numbers, is_map=bool(side)).begin

    numbers = _numbers(depth, side)
    batch = runtime.batch or _CUDA_BATCH if device == "cuda" else _CPU_BATCH
    return Engine(compile_for, batch, numbers, ahead=1)


def _torch_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_device(precision: str, device: str) -> None:
    if precision != "float32" and device != "cuda":
        raise NoSuchPrecision(
            f'precision = "{precision}" needs the torch engine on a CUDA device, which is not to '
            'be had here; use "float32"'
        )


def _numbers(depth: int, side: int) -> int:
    """Of one row that a network gives."""
    return embedding_dim(depth) * (side * side or 1)


def _openvino_begin(spec: NetworkSpec, threads: int | None, batch: int) -> Begin:
    options: dict[str, Any] = {
        # The defaults would compute in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[spec.precision],
        "EXECUTION_MODE_HINT": "ACCURACY",
        "NUM_STREAMS": 1,
        # Pinned, the threads of all worker processes would share the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    core = openvino_import.core()  # before any other import of openvino
    graph = _openvino_graph(spec, _state(spec), batch)
    request = core.compile_model(graph, "CPU", options).create_infer_request()

    def begin(images: NDArray[np.uint8]) -> Pass:
        found: NDArray[np.float32] = request.infer([np.ascontiguousarray(images)])[0]
        return lambda: found.reshape(len(images), -1)

    return begin


def _openvino_graph(spec: NetworkSpec, state: Weights, batch: int) -> Any:
    """The network node by node, for any number of rows up to a batch.

    This needs no torch; `openvino.convert_model` would also report its use over the network.
    """
    import openvino
    from openvino import opset13 as ops

    rows = openvino.Dimension(1, batch)
    images = ops.parameter(openvino.PartialShape([rows, spec.size, spec.size, 3]), np.uint8)
    mean, scale = (
        np.array(numbers, np.float32)
        for numbers in (np.multiply(MEAN, 255), np.divide(1 / 255, STD))
    )
    x = ops.multiply(ops.subtract(ops.convert(images, "f32"), mean), scale)
    x = ops.relu(_openvino_conv(ops.transpose(x, np.array([0, 3, 1, 2])), STEM, state))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block in blocks(spec.depth):
        shortcut = x if block.shortcut is None else _openvino_conv(x, block.shortcut, state)
        for conv in block.branch[:-1]:
            x = ops.relu(_openvino_conv(x, conv, state))
        x = ops.relu(ops.add(_openvino_conv(x, block.branch[-1], state), shortcut))
    found = (
        ops.reduce_mean(x, np.array([2, 3]), False)
        if not spec.side
        else ops.transpose(x, np.array([0, 2, 3, 1]))
    )
    return openvino.Model([found], [images], f"resnet{spec.depth}")


def _openvino_conv(x: Any, conv: Conv, state: Weights) -> Any:
    from openvino import opset13 as ops

    kernel, bias = folded(state, conv, EPSILON)
    pads = [conv.padding, conv.padding]
    convolved = ops.convolution(x, kernel, [conv.stride, conv.stride], pads, pads, [1, 1])
    return ops.add(convolved, bias.reshape(1, -1, 1, 1))


def _state(spec: NetworkSpec) -> Weights:
    return load_state(spec.depth, spec.weights, spec.seed)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _OUT_OF_MEMORY
    )
