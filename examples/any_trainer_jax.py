"""Any trainer will do: a small network in JAX, on the padded batches that torch gets too. Its
masked mean needs nothing but the mask.

python -m examples.any_trainer_jax STORE logmel64_z ravdess8 subject_kfold
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from examples.metrics import Scores
from manifests.folds import FOLDS
from stores import Batch, FeatureDataset, FeatureStore

Params = list[tuple[jax.Array, jax.Array]]


def forward(params: Params, values: jax.Array, mask: jax.Array) -> jax.Array:
    """(clip, time, d), (clip, time) -> (clip, class): a layer on each row, the mean over valid
    rows, a layer on the clip."""
    (w1, b1), (w2, b2) = params
    rows = jax.nn.relu(values @ w1 + b1) * mask[..., None]
    return rows.sum(axis=1) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1) @ w2 + b2


def loss(params: Params, values: jax.Array, mask: jax.Array, targets: jax.Array) -> jax.Array:
    return -jax.nn.log_softmax(forward(params, values, mask))[
        jnp.arange(len(targets)), targets
    ].mean()


@partial(jax.jit, donate_argnums=0)
def step(params: Params, values: jax.Array, mask: jax.Array, targets: jax.Array) -> Params:
    slopes = jax.grad(loss)(params, values, mask, targets)
    updated: Params = jax.tree.map(lambda p, slope: p - 0.1 * slope, params, slopes)
    return updated


def arrays(clips: FeatureDataset, feature: str) -> tuple[Any, Any, Any]:
    batch: Batch = clips.collate([clips[i] for i in range(len(clips))])
    return batch["values"][feature].astype(np.float32), batch["mask"][feature], batch["targets"]


def run(
    root: Path,
    feature: str,
    labels: str,
    scheme: str,
    steps: int = 300,
    width: int = 64,
    seed: int = 0,
) -> list[Scores]:
    """Of each fold. The feature should be of about unit size, such as the store's own
    z-normalisation for that fold."""
    found = []
    for fold in sorted(
        {row.fold for row in FeatureStore(root).rows(FOLDS) if row.scheme == scheme}
    ):
        train, test = (
            FeatureDataset(
                root,
                features=[feature],
                labels=labels,
                scheme=scheme,
                fold=fold,
                role=role,
                missing="drop",
            )
            for role in ("train", "test")
        )
        values, mask, targets = arrays(train, feature)
        first, second = jax.random.split(jax.random.key(seed))
        sizes = ((first, values.shape[-1], width), (second, width, len(train.classes)))
        params: Params = [
            (jax.random.normal(key, (m, n)) / m**0.5, jnp.zeros(n)) for key, m, n in sizes
        ]
        for _ in range(steps):
            params = step(params, values, mask, targets)
        values, mask, targets = arrays(test, feature)
        decided = np.asarray(forward(params, values, mask).argmax(axis=1), np.int64)
        found.append(Scores(targets, decided, len(test.classes)))
        print(
            f"fold {fold}: accuracy {found[-1].accuracy:.3f}, macro-F1 {found[-1].macro_f1:.3f}, "
            f"chance {found[-1].chance:.3f}"
        )
    return found


if __name__ == "__main__":
    store, feature, labels, scheme = sys.argv[1:]
    run(Path(store), feature, labels, scheme)
