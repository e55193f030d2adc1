"""What the models share: batches as tensors, masks, recurrent layers over clips of unequal length,
and attention.

A batch is what `FeatureDataset.collate` gives, as tensors: `values`, `mask` and `lengths` are dicts
by feature, `targets` is (batch,). Padded rows and rows without a measurement hold 0, and their mask
is False.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Tensors = dict[str, Any]
"""A `stores.Batch` whose arrays are tensors."""
Stages = dict[str, Tensor]
"""Name of a stage -> what the model holds there, (batch, ...)."""


class Net(nn.Module):
    """A model whose stages can be looked at; `logits` is the last: (batch, classes), whose softmax
    is the prediction of the clip."""

    def stages(self, batch: Tensors) -> Stages:
        raise NotImplementedError

    def forward(self, batch: Tensors) -> Tensor:
        return self.stages(batch)["logits"]

    @property
    def behind(self) -> "Net":
        """The model behind the networks that make its embeddings; itself, where it reads stored
        ones."""
        return self

    def embedded(self, batch: Tensors) -> Tensors:
        """A batch as `behind` reads it."""
        return batch

    def loss(self, stages: Stages, batch: Tensors) -> Tensor:
        """Of what `stages` found in the batch: categorical cross-entropy, the loss of all five
        papers; clips without a label do not count."""
        return functional.cross_entropy(stages["logits"], batch["targets"])


def real(batch: Tensors, feature: str) -> Tensor:
    """Values of a feature in float32, (batch, time, ...)."""
    values: Tensor = batch["values"][feature]
    return values.float()


def seen(mask: Tensor) -> Tensor:
    """The mask (batch, time), but all True for a clip without a valid row: softmax over nothing is
    NaN, so its zeros are looked at."""
    return mask | ~mask.any(dim=1, keepdim=True)


def mean_over_time(values: Tensor, mask: Tensor) -> Tensor:
    """(batch, time, d), (batch, time) -> (batch, d): the mean of the valid rows, 0 where there is
    none."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def adam(rate: float, weight_decay: float = 0.0) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """Makes the optimiser of all five papers for a model."""
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate, weight_decay=weight_decay)


class Recurrent(nn.Module):
    """An LSTM or GRU that ends at each clip's own last valid row: (batch, time, d) -> (batch, time,
    2 * units), or units where it goes forward alone."""

    def __init__(
        self,
        kind: type[nn.LSTM] | type[nn.GRU],
        inputs: int,
        units: int,
        layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        self.rnn = kind(
            inputs, units, layers, batch_first=True, bidirectional=bidirectional, dropout=dropout
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        steps = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        lengths = (mask * steps).amax(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        # cuDNN and the CPU want the padding gone; what comes back has the old number of steps, with
        # zeros after the end.
        return pad_packed_sequence(
            self.rnn(packed)[0], batch_first=True, total_length=mask.shape[1]
        )[0]


class Attention(nn.Module):
    """Multi-head scaled dot-product attention of one sequence to another: (batch, t, d) by (batch,
    s, d) -> (batch, t, d)."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        attended: Tensor = self.heads(
            queries, keys, keys, key_padding_mask=~seen(mask), need_weights=False
        )[0]
        return attended

    def weights(
        self, queries: Tensor, keys: Tensor, mask: Tensor, each_head: bool = False
    ) -> Tensor:
        """(batch, t, s): how much each query looks at each key, the mean over heads; or of each
        head, (batch, head, t, s)."""
        found: Tensor = self.heads(
            queries, keys, keys, key_padding_mask=~seen(mask), average_attn_weights=not each_head
        )[1]
        return found
