"""Golden numbers: what each version of each extractor gives on a small fixed input."""

import pytest

from extractors.catalog import EXTRACTORS
from extractors.logmel import LogMel
from tests.support.golden import CASES, differences, entry, from_sound, load, numbers


def test_every_extractor_has_golden_numbers() -> None:
    assert set(CASES) == set(EXTRACTORS), (
        "each extractor of the catalog needs one line in CASES of tests/support/golden.py"
    )
    assert set(load()) == set(EXTRACTORS), (
        "run `python -m tests.support.golden` to write the missing entries of tests/golden.json"
    )


@pytest.mark.parametrize("name", CASES)
def test_numbers_move_only_with_the_version(name: str) -> None:
    golden, kind, case = load()[name], EXTRACTORS[name], CASES[name]
    assert golden["version"] == kind.version, (
        f"{kind.__name__}.version is {kind.version}, tests/golden.json holds version "
        f"{golden['version']}; run `python -m tests.support.golden` to write the new numbers"
    )
    moved = differences(numbers(case.track()), golden["numbers"], case.tolerance)
    assert not moved, (
        f"{name} version {kind.version} gives other numbers than it used to: {'; '.join(moved)}. "
        f"If they are meant to change, raise {kind.__name__}.version and run `python -m "
        "tests.support.golden`, so that stores build the feature anew; if not, undo the change"
    )


def test_a_number_that_moves_is_named() -> None:
    golden = numbers(from_sound(LogMel()))
    other = numbers(from_sound(LogMel(window="hamming")))
    assert differences(golden, golden, 1e-4) == []
    assert any(line.startswith("mean_in_place is [") for line in differences(other, golden, 1e-4))
    assert differences(numbers(from_sound(LogMel(hop_s=0.02))), golden, 1e-4)[0].startswith(
        "shape is [51"
    )


def test_an_entry_is_what_the_file_holds() -> None:
    found, stored = entry("frames_digest"), load()["frames_digest"]
    assert (found.keys(), found["version"]) == (stored.keys(), stored["version"])
    assert differences(found["numbers"], stored["numbers"], 1e-4) == []
