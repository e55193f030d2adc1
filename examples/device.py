"""Where a model is trained: a GPU where torch finds one, else all cores of the processor."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from examples.not_ready import NotReady

_LOADERS = 4
"""Processes that read the store for a GPU; a processor has no time to spare for any."""


@dataclass(frozen=True)
class Device:
    """A device of torch and how it computes."""

    at: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bf16: bool = False
    """Matrix products in bfloat16 by autocast; weights, optimiser and losses stay in float32."""

    @property
    def title(self) -> str:
        """What is printed and written down."""
        width = "bfloat16 autocast" if self.bf16 else "float32"
        if self.at.type == "cuda":
            return f"cuda ({torch.cuda.get_device_name(self.at)}), {width}"
        threads = torch.get_num_threads()
        return f"cpu, {threads} {'thread' if threads == 1 else 'threads'}, {width}"

    @property
    def loading(self) -> dict[str, Any]:
        """Arguments of a DataLoader: a GPU is fed by processes, from pinned memory."""
        if self.at.type != "cuda":
            return {}
        workers = min(_LOADERS, os.cpu_count() or 1)
        return {"num_workers": workers, "pin_memory": True}

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which losses and predictions are computed."""
        return torch.autocast(self.at.type, torch.bfloat16, enabled=self.bf16)

    def put(self, batch: Any) -> Any:
        """A batch with its tensors on the device; what is no tensor stays as it is."""
        if isinstance(batch, Tensor):
            return batch.to(self.at, non_blocking=True)
        if isinstance(batch, Mapping):
            return {name: self.put(value) for name, value in batch.items()}
        return batch


CPU = Device()


def choose(name: str | None, bf16: bool = False, threads: int | None = None) -> Device:
    """The device of a name; None: CUDA where torch finds it. Sets torch's number of threads for a
    processor, all of its cores unless `threads` says otherwise. NotReady where there is no CUDA."""
    if name == "cuda" and not torch.cuda.is_available():
        raise NotReady(
            "--device cuda: this torch finds no CUDA device; install a build of torch with CUDA on "
            "a machine with an NVIDIA GPU, or leave --device out"
        )
    found = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if found == "cpu":
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    return Device(torch.device(found), bf16)
