"""The page about a store in Python: its examples run, and label schemes that it names are there."""

import re
from pathlib import Path

import pytest

from manifests.clips import CLIPS, Clip
from manifests.corpora.catalog import CORPORA
from manifests.folds import FOLDS, Fold, Role
from manifests.label_spaces import SPACES
from manifests.labels import LABELS, Label
from tests.support.commands import ROOT
from tests.support.stores_made import SPEC, clip_ids, make_store, spec_of

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def write_store(root: Path) -> None:
    """Of the names that the page uses: 24 clips of four people, a fold, four emotions."""
    ids = clip_ids(24)
    people = [f"made/s{number % 4}" for number in range(24)]
    sexes = ["female", "male"] * 12
    clips = [
        Clip(clip_id, "made", who, who, clip_id, sex, f"{clip_id}.mp4", "0" * 64, 1, duration_s=2.0)
        for clip_id, who, sex in zip(ids, people, sexes, strict=True)
    ]
    emotions = ("happy", "sad", "angry", "calm")
    labels = [Label(c, "ravdess8", "intended", emotions[i // 6]) for i, c in enumerate(ids)]
    roles = {"made/s0": Role.TRAIN, "made/s1": Role.TRAIN, "made/s2": Role.VALID}
    folds = [
        Fold("subject_kfold", 0, clip_id, who, roles.get(who, Role.TEST))
        for clip_id, who in zip(ids, people, strict=True)
    ]
    pictures = spec_of("crops", "uint8", (4, 4, 3))
    features = (SPEC, spec_of("resnet18"), spec_of("faces", shape=(6,)), pictures)
    tables = {"clips": CLIPS.build(clips), "labels": LABELS.build(labels)}
    make_store(root, 24, features, **tables, folds=FOLDS.build(folds))


def test_the_examples_run_in_their_order(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed, which one of the examples needs")
    pytest.importorskip("xarray", reason="xarray is not installed, which one example needs")
    write_store(tmp_path)
    assert len(BLOCKS) > 8
    names: dict[str, object] = {"__name__": "page"}
    for block in BLOCKS:
        text = block.replace('"demo/store"', repr(str(tmp_path)))
        exec(compile(text, "docs/python.md", "exec"), names)
    assert len(names["both"]) > len(names["train"])  # type: ignore[arg-type]


def test_label_schemes_that_the_page_names_are_those_of_corpora() -> None:
    known = {scheme for corpus in CORPORA.values() for scheme in corpus.label_schemes}
    named = set(re.findall(r'"((?:cremad|iemocap|ravdess)\w*)"', PAGE))
    assert named
    assert named <= known | SPACES.keys()
