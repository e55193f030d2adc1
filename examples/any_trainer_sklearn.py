"""Any trainer will do: scikit-learn on the mean and deviation over time of any features. No torch,
no batch, no loop over epochs.

python -m examples.any_trainer_sklearn STORE logmel64 face_embedding --labels ravdess8 --scheme
subject_kfold
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from examples.metrics import Scores, table
from manifests.folds import FOLDS
from stores import FeatureDataset, FeatureStore, Track


def pooled(tracks: dict[str, Track]) -> NDArray[np.float64]:
    """One vector a clip: mean, then standard deviation over the valid rows of each feature; zeros
    where no row is valid."""
    parts = []
    for track in tracks.values():
        rows = track.values[track.valid].reshape(int(track.valid.sum()), -1).astype(np.float64)
        width = int(np.prod(track.values.shape[1:]))
        parts += [rows.mean(axis=0), rows.std(axis=0)] if len(rows) else [np.zeros(2 * width)]
    return np.concatenate(parts)


def table_of(clips: FeatureDataset) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(clip, number) and (clip,) class numbers."""
    items = [clips[i] for i in range(len(clips))]
    return np.stack([pooled(tracks) for _, tracks, _ in items]), np.array(
        [clips.classes.index(str(label)) for _, _, label in items]
    )


def run(root: Path, features: Sequence[str], labels: str, scheme: str) -> list[Scores]:
    """One linear discriminant analysis for each fold, with Ledoit and Wolf's shrinkage, which needs
    no scaled numbers."""
    found = []
    for fold in sorted(
        {row.fold for row in FeatureStore(root).rows(FOLDS) if row.scheme == scheme}
    ):
        train, test = (
            FeatureDataset(
                root,
                features=features,
                labels=labels,
                scheme=scheme,
                fold=fold,
                role=role,
                missing="drop",
            )
            for role in ("train", "test")
        )
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(*table_of(train))
        vectors, targets = table_of(test)
        scores = Scores(targets, np.asarray(model.predict(vectors), np.int64), len(test.classes))
        print(
            f"fold {fold}: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}, chance "
            f"{scores.chance:.3f}"
        )
        print(table(scores, test.classes))
        found.append(scores)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.any_trainer_sklearn")
    parser.add_argument("store", type=Path)
    parser.add_argument("features", nargs="+")
    parser.add_argument("--labels", default="ravdess8")
    parser.add_argument("--scheme", default="subject_kfold")
    given = parser.parse_args()
    run(given.store, given.features, given.labels, given.scheme)
