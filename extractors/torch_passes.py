"""Passes of a torch network: rows go to its device and come back while it works on others.

    host                                 device
    pictures, slot 0  ── copying ──►  slot 0 ── computing ──►  embeddings  ──►  slot 0, on the host
    pictures, slot 1  ── copying ──►  slot 1      (after slot 0)

Two slots, so that one is filled while the network works on the other. On CUDA the host's memory is
pinned, which alone lets copies run beside the computing, and both have streams of their own. On the
CPU the same steps run one after another.

Imports torch: import it only where a network is run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.network import ResNetModule

_SLOTS = 2


class _Slot:
    """What a pass needs, on the host and on the device."""

    def __init__(self, device: str, shape: tuple[int, ...], numbers: int) -> None:
        on_gpu = device == "cuda"
        self.given = torch.zeros(shape, dtype=torch.uint8, pin_memory=on_gpu)
        self.pictures = torch.empty(shape, dtype=torch.uint8, device=device)
        self.found = torch.empty((shape[0], numbers), pin_memory=on_gpu)
        self.copied, self.ended = (_event() if on_gpu else None for _ in range(2))

    def wait(self) -> None:
        """Waits until the device is done with it."""
        if self.ended is not None:
            self.ended.synchronize()


class TorchPasses:
    """Runs a network on passes of one size, the last rows of which may be padding."""

    def __init__(
        self,
        network: ResNetModule,
        device: str,
        shape: tuple[int, int, int, int],
        numbers: int,
        is_map: bool,
    ) -> None:
        """Takes memory on the host and on the device.

        Args:
            network: The network, as `computing_in` gave it.
            device: `cuda` or `cpu`.
            shape: (rows, size, size, 3) of a pass.
            numbers: That the network gives of a row.
            is_map: The output of the last block is wanted, not its mean.
        """
        if device == "cuda":
            torch.cuda.empty_cache()  # what a larger pass that failed has left there
        self._network: ResNetModule = network.to(  # type: ignore[call-overload]
            device=device, memory_format=torch.channels_last
        )
        self._is_map = is_map
        self._slots = [_Slot(device, shape, numbers) for _ in range(_SLOTS)]
        self._next = 0
        self._copying, self._computing = (_stream() if device == "cuda" else None for _ in range(2))

    def begin(self, rows: NDArray[np.uint8]) -> partial[NDArray[np.float32]]:
        """Begins a pass; the one before the last must have been waited for.

        Args:
            rows: (rows, size, size, 3), as many as a pass has or fewer.

        Returns:
            What waits for the pass and gives (rows, dim).
        """
        slot = self._slots[self._next]
        self._next = (self._next + 1) % _SLOTS
        slot.wait()  # where whoever began the last pass in it did not
        given = slot.given.numpy()
        given[: len(rows)], given[len(rows) :] = rows, 0
        with self._on(self._copying):
            slot.pictures.copy_(slot.given, non_blocking=True)
            _record(slot.copied, self._copying)
        with self._on(self._computing):
            if self._computing is not None and slot.copied is not None:
                self._computing.wait_event(slot.copied)
            slot.found.copy_(self._run(slot.pictures), non_blocking=True)
            _record(slot.ended, self._computing)
        return partial(_end, slot, len(rows))

    def _run(self, pictures: Tensor) -> Tensor:
        if not self._is_map:
            found: Tensor = self._network(pictures)
            return found
        return self._network.maps(pictures).permute(0, 2, 3, 1).flatten(1)

    @contextmanager
    def _on(self, stream: Any) -> Iterator[None]:
        # TF32 would keep ten bits of float32's 23, and the fastest algorithm is not the same one
        # every time.
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), exact, torch.cuda.stream(stream):
            yield


def _event() -> Any:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


def _stream() -> Any:
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


def _record(event: Any, stream: Any) -> None:
    if event is not None:
        event.record(stream)


def _end(slot: _Slot, rows: int) -> NDArray[np.float32]:
    slot.wait()
    return slot.found.numpy()[:rows]
