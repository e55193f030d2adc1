"""Grouped folds of CREMA-D's 91 speakers, ours beside scikit-learn's StratifiedGroupKFold: `python
-m benchmarks.folds`.

The clips are made from the corpus's published counts, so nothing need be at hand: 91 speakers, 48
men and 43 women; 86 have 14 clips of each emotion and 12 of neutral, two lack one neutral clip,
three lack one clip of each class. Which speakers those are is drawn by the seed.
"""

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from manifests.clips import Clip
from manifests.folds import Role
from manifests.labels import Label
from manifests.schemes.catalog import SCHEMES, weigh

CLASSES = {"anger": 14, "disgust": 14, "fear": 14, "happy": 14, "neutral": 12, "sad": 14}
Corpus = tuple[list[Clip], list[Label]]
Parts = list[list[str]]


def make_corpus(seed: int) -> Corpus:
    """7,442 clips and one label each."""
    chance = random.Random(seed)
    sexes = ["male"] * 48 + ["female"] * 43
    chance.shuffle(sexes)
    lacking = dict(zip(chance.sample(range(91), 5), ["all"] * 3 + ["neutral"] * 2, strict=True))
    clips, labels = [], []
    for actor, sex in enumerate(sexes):
        for name, full in CLASSES.items():
            for number in range(full - (lacking.get(actor) in ("all", name))):
                speaker, clip_id = (
                    f"cremad/{1001 + actor}",
                    f"cremad/{1001 + actor}_{number:02d}_{name}",
                )
                clips.append(
                    Clip(clip_id, "cremad", speaker, speaker, clip_id, sex, f"{clip_id}.flv", "", 0)
                )
                labels.append(Label(clip_id, "cremad6", "intended", name))
    return clips, labels


def ours(corpus: Corpus, parts: int, seed: int) -> Parts:
    rows = SCHEMES["subject_kfold"](*corpus, parts, seed)
    return [
        [row.clip_id for row in rows if row.fold == fold and row.role == Role.TEST]
        for fold in range(parts)
    ]


def sklearns(corpus: Corpus, parts: int, seed: int) -> Parts:
    clips, labels = corpus
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    classes, groups = (
        np.array([label.value for label in labels]),
        np.array([clip.subject_id for clip in clips]),
    )
    return [
        [clips[at].clip_id for at in test] for _, test in splitter.split(classes, classes, groups)
    ]


def worst(parts: Parts, mark: dict[str, str]) -> float:
    """The largest deviation of a part from its even share of a mark's clips, as a share of that
    share."""
    totals = Counter(mark.values())
    held = [Counter(mark[clip_id] for clip_id in part) for part in parts]
    return max(
        abs(counts[name] * len(parts) / total - 1)
        for counts in held
        for name, total in totals.items()
    )


def worst_share(parts: Parts, mark: dict[str, str]) -> float:
    """The largest difference between the share of a mark in a part and in the corpus, in points of
    a hundred."""
    totals, everything = Counter(mark.values()), len(mark)
    held = [Counter(mark[clip_id] for clip_id in part) for part in parts]
    return (
        max(
            abs(counts[name] / counts.total() - total / everything)
            for counts in held
            for name, total in totals.items()
        )
        * 100
    )


def compare(
    name: str, split: Callable[[Corpus, int, int], Parts], parts: int, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """One line of the table; the figures of each seed."""
    figures = []
    for seed in seeds:
        corpus = make_corpus(seed)
        label_of = {label.clip_id: label.value for label in corpus[1]}
        sex_of = {clip.clip_id: str(clip.sex) for clip in corpus[0]}
        start = time.perf_counter()
        dealt = split(corpus, parts, seed)
        seconds = time.perf_counter() - start
        figures.append(
            {
                "class": 100 * worst(dealt, label_of),
                "share": worst_share(dealt, label_of),
                "sex": 100 * worst(dealt, sex_of),
                "size": 100 * worst(dealt, dict.fromkeys(label_of, "")),
                "empty": float(sum(not part for part in dealt)),
                "seconds": seconds,
            }
        )
    cells = [
        f"{statistics.mean(f[key] for f in figures):8.2f} {max(f[key] for f in figures):8.2f}"
        for key in ("class", "share", "sex", "size")
    ]
    print(
        f"{parts:3} {name:22} {' |'.join(cells)} | {sum(f['empty'] for f in figures):5.0f} | "
        f"{max(f['seconds'] for f in figures):6.2f}"
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    print(
        "91 speakers, mean and worst over the seeds of each split's worst part: % off the even "
        "share (class, sex, size);"
    )
    print(
        "share: points between a class's share of a part and of the corpus; empty parts of all "
        "seeds; slowest seed in seconds"
    )
    print(
        f"{'k':>3} {'':22} {'class':>17} |{'share':>17} |{'sex':>17} |{'size':>17} | empty | "
        "seconds"
    )
    for parts in (3, 5, 10):
        ahead = compare("affectstore", ours, parts, seeds)
        behind = compare("StratifiedGroupKFold", sklearns, parts, seeds)
        pairs = list(zip(ahead, behind, strict=True))
        for key in ("class", "share"):
            better, equal = (
                sum(a[key] < b[key] - 1e-9 for a, b in pairs),
                sum(abs(a[key] - b[key]) <= 1e-9 for a, b in pairs),
            )
            print(
                f"    worst {key}: ours is less in {better} of {len(pairs)} seeds, equal in {equal}"
            )
        rows = SCHEMES["subject_kfold"](*make_corpus(0), parts, 0)
        balance = weigh(rows, *make_corpus(0))
        if balance is not None:
            print(
                f"    imbalance {100 * balance.imbalance:.3f} %, no deal under "
                f"{100 * balance.bound:.3f} %: gap {100 * balance.gap:.2f} %"
            )


if __name__ == "__main__":
    main()
