"""Trains a fused model, and is killed at random moments until it has ended by itself.

    python -m tests.support.killed_training FOLDER SEED

FOLDER/whole is the run of a training that nobody disturbed, FOLDER/killed that of one that was
killed and begun again; it prints how often, and in which model and epoch training went on.
"""

import contextlib
import io
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from examples import tcs2026
from examples.plan import Paper, Trial
from examples.printed import Printed
from examples.train import Choice, run
from manifests.folds import FOLDS, Fold, Role
from manifests.tracks import Track
from stores.records import StoredFeature
from tests.support.stores_made import clip_ids, commit, index_of, spec_of, tables_of, write_shards

CLIPS, STEPS = 18, 8
SPECS = {
    tcs2026.AUDIO: (spec_of(tcs2026.AUDIO, shape=(64,), hop_s=0.02), 0.02, 5 * STEPS),
    tcs2026.FACES: (spec_of(tcs2026.FACES, shape=(16,), hop_s=0.1), 0.1, STEPS),
}
MOST_KILLS = 12


def make_fused_store(root: Path) -> None:
    """Sound and faces of seeded noise; each fold trains on a third, and watches a third."""
    features = {}
    for name, (spec, hop_s, rows) in SPECS.items():
        tracks = {
            clip_id: Track(
                np.random.default_rng([number, rows]).normal(size=(rows, *spec.shape)).astype("f4"),
                np.arange(rows) * hop_s,
                np.ones(rows, np.bool_),
            )
            for number, clip_id in enumerate(clip_ids(CLIPS))
        }
        features[name] = StoredFeature(spec, tuple(write_shards(root, spec, tracks, per_shard=9)))
    tables = tables_of(CLIPS, *index_of(root, features.values()))
    roles = (Role.TEST, Role.VALID, Role.TRAIN)
    folds = [
        Fold("thirds", k, clip_id, f"made/s{i % 3}", roles[(i - k) % 3])
        for k in range(2)
        for i, clip_id in enumerate(clip_ids(CLIPS))
    ]
    commit(root, features, {**tables, "folds": FOLDS.build(folds)})


def fused_trials(settings: tcs2026.TcsSettings) -> list[Trial]:
    """Both directions and one."""
    models = (tcs2026.WHOLE, tcs2026.FORWARD)
    return [trial for trial in tcs2026.trials(settings) if trial.name in models]


SETTINGS = replace(
    tcs2026.PAPER.small, epochs=12, batch=3, units=8, width=16, patience=4, plateau_epochs=1
)
PAPER = Paper(
    "made", ("made3",), ("thirds",), SETTINGS, SETTINGS, fused_trials, Printed((), ())
)  # fmt: skip


def train(store: Path, out: Path) -> None:
    run(PAPER, store, Choice(SETTINGS), out)


def train_in_a_child(store: Path, out: Path) -> int:
    """Starts a child of this process, which has imported all: kills fall into its training."""
    if child := os.fork():
        return child
    code = 1
    try:
        with (out.parent / "said.txt").open("a") as file, contextlib.redirect_stdout(file):
            train(store, out)
        code = 0
    finally:
        os._exit(code)


def wait_for_an_epoch(out: Path, most_s: float) -> None:
    began = time.monotonic()
    while not any(out.rglob("checkpoint.pt")) and time.monotonic() < began + most_s:
        time.sleep(0.001)


def main(folder: Path, seed: int) -> None:
    torch.set_num_threads(1)
    store, chance = folder / "store", random.Random(seed)
    make_fused_store(store)
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        train(store, folder / "whole")
    took = time.monotonic() - began
    for kills in range(MOST_KILLS + 1):
        child = train_in_a_child(store, folder / "killed")
        if kills < MOST_KILLS:
            if not kills:  # the first one falls into a model that has epochs left
                wait_for_an_epoch(folder / "killed", 10 * took)
            time.sleep(chance.uniform(0, 0.4 if kills else 0.01) * took)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
    resumed = (folder / "said.txt").read_text().count("goes on after epoch")
    print(f"kills {kills} resumed {resumed} status {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
