"""What a type checker knows of the public names in somebody's trainer."""

from pathlib import Path

import pytest

from tests.support.commands import ROOT, Python

TRAINER = """
from torch.utils.data import DataLoader

from affectstore import (
    BalancedSampler, Batch, FeatureDataset, FeatureStore, ClipItem, LengthBuckets, RoleName, concat,
)

store = FeatureStore("STORE")
for name in store:
    clips: int = len(store[name])


def opened(role: RoleName) -> FeatureDataset:
    return FeatureDataset(
        store, features=["mfcc"], labels="made3", scheme="thirds", fold=0, role=role, missing="drop"
    )


train = opened("train")
loader: DataLoader[ClipItem] = DataLoader(
    train, batch_size=8, sampler=BalancedSampler(train), collate_fn=train.collate
)
both = concat([train, opened("val")[:3]])
other = DataLoader(both, batch_sampler=LengthBuckets(both, 8), collate_fn=both.collate)
half: FeatureDataset = train.filter(sex="female").select([0, 1])
clip_id, tracks, label = train[0]
text: str = clip_id
batch: Batch = train.collate([train[0]])
table = tracks["mfcc"][:5].to_pandas()
"""
WRONG = {
    'opened("training")': "\"Literal['training']\"; expected \"Literal['train', 'valid'",
    "text = train[0]": 'expression has type "ClipItem"',
    "half = both": 'expression has type "JoinedDataset"',
    "table = 1": 'variable has type "DataFrame"',
    "train.no_such_method()": '"FeatureDataset" has no attribute "no_such_method"',
}


def test_a_trainer_passes_a_strict_type_checker_and_its_mistakes_do_not(
    python: Python, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed, whose Dataset is the base")
    pytest.importorskip("mypy", reason="mypy is not installed")
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(TRAINER, encoding="utf-8")
    wrong.write_text(TRAINER + "\n".join(WRONG), encoding="utf-8")
    done = python("-m", "mypy", right, wrong, check=False, cwd=ROOT)
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    first = TRAINER.count("\n") + 1
    # mypy remembers what it said of the same text in another folder.
    expected = [f"{wrong.name}:{first + number}: error: " for number in range(len(WRONG))]
    assert len(found) == len(expected), done.stdout + done.stderr
    for line, place, said in zip(found, expected, WRONG.values(), strict=True):
        assert place in line
        assert said in line
