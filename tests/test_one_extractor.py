"""An extractor is one file, one line of the catalog and one golden entry: all else finds it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from extractors.catalog import EXTRACTORS
from extractors.plan import Media, measure
from flows.recipe import RecipeError, parse
from flows.variants import expand
from manifests.clips import Clip
from manifests.tracks import Track
from tests.support.commands import Python
from tests.support.loudness import Loudness
from tests.support.media_made import Writer, a_clip

FEATURES = {
    "audio": {"extractor": "audio"},
    "loud": {"extractor": "loudness", "row_s": 0.25},
    "wild": {"extractor": "loudness", "audio": "audio"},
}
GOLDEN = [-6.0206, -20.0, -100.0, -100.0]
"""What version 1 gives for a second of sound: half of full scale, a tenth, then silence."""


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, Loudness.name, Loudness)


@dataclass
class OneSound:
    track: Track

    def __getitem__(self, role: str) -> Track:
        return {"audio": self.track}[role]

    def once(self, key: object, compute: object) -> None:
        raise AssertionError("nothing is shared")


def test_its_golden_numbers_are_a_list_beside_its_version() -> None:
    levels = np.repeat(np.array([0.5, 0.1, 0.0, 0.0], np.float32), 4000)
    sound = Track(levels, np.arange(16000) / 16000, np.ones(16000, np.bool_))
    clip = Clip("made/a", "made", None, None, "a", None, "a.wav", "0" * 64, 1)
    found = Loudness(row_s=0.25).extract(clip, OneSound(sound))
    np.testing.assert_allclose(found.values, GOLDEN, atol=1e-4)
    assert found.seconds.tolist() == [0.0, 0.25, 0.5, 0.75]


def test_without_its_line_in_the_catalog_nobody_knows_it() -> None:
    with pytest.raises(RecipeError, match="there is no extractor 'loudness'; there are audio"):
        parse({"name": "mine", "features": FEATURES}, "mine")


@pytest.mark.usefixtures("catalog")
def test_a_recipe_knows_it_and_its_graph_orders_describes_and_keys_it() -> None:
    recipe = parse({"name": "mine", "features": FEATURES}, "mine")
    assert recipe.stored == ("loud", "wild")
    assert parse(recipe.resolved(), "mine").resolved() == recipe.resolved()
    assert recipe.graph.order.index("audio") < recipe.graph.order.index("loud")
    loud, wild = recipe.graph.specs["loud"], recipe.graph.specs["wild"]
    assert (loud.extractor, loud.version, loud.hop_s) == ("loudness", 1, 0.25)
    assert loud.needs == wild.needs == (recipe.graph.specs["audio"].fingerprint,)
    assert loud.fingerprint != wild.fingerprint
    with pytest.raises(RecipeError, match=r"unknown key features\.loud\.row; .*known here: audio"):
        parse({"name": "mine", "features": {"loud": {"extractor": "loudness", "row": 1}}}, "mine")


@pytest.mark.usefixtures("catalog")
def test_a_build_measures_it_beside_the_others_and_variants_inherit(write_media: Writer) -> None:
    recipe = parse({"name": "mine", "features": FEATURES}, "mine")
    path = write_media("a.mp4", audio_s=1.0)
    tracks = measure(recipe.graph, recipe.stored, a_clip(path), path, Media())
    assert all(isinstance(track, Track) and len(track) for track in tracks.values())
    louder = {"extractor": "augment_audio", "shift_s": 0.01}
    assert {"loud~1", "wild~1"} <= set(expand(FEATURES, {"1": {"audio": louder}}))


def test_the_shared_suites_collect_it_and_ask_for_its_golden_entry(
    python: Python, tmp_path: Path
) -> None:
    """The suites run in a process whose catalog has one line more."""
    (tmp_path / "one_more.py").write_text(
        "from extractors.catalog import EXTRACTORS\n"
        "from tests.support.loudness import Loudness\n"
        "EXTRACTORS[Loudness.name] = Loudness\n",
        encoding="utf-8",
    )
    suites = ["tests/test_variants.py", "tests/test_golden.py"]
    chosen = "loudness or every_extractor_has_golden_numbers"
    done = python(
        *("-m", "pytest", "-p", "one_more", "-n0", "-vv", *suites, "-k", chosen),
        environment={"PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert "called_as_their_roles[loudness] PASSED" in done.stdout, done.stdout
    assert "each extractor of the catalog needs one line in CASES" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
