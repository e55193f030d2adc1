"""The tutorial runs from its first cell to its last, and prints what stands in it."""

import re
from typing import Any

import nbformat
import pytest

from examples import tutorial


def printed(notebook: Any) -> list[list[str]]:
    """What each cell of code prints; accuracies, which processors may differ in, as N %."""
    return [
        [
            re.sub(r"\d+% of", "N % of", one.get("text") or one["data"]["text/plain"])
            for one in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(tutorial.NOTEBOOK, as_version=4)


def test_the_notebook_names_no_place_of_the_machine_that_ran_it(stored: Any) -> None:
    text = tutorial.NOTEBOOK.read_text(encoding="utf-8")
    assert re.findall(r"/(?:home|tmp|root|work|Users)/\S*", text) == []
    assert tutorial.to_text(stored) == text


@pytest.mark.usefixtures("processes")
def test_the_notebook_runs_and_prints_what_stands_in_it(stored: Any) -> None:
    found = tutorial.run()
    assert [cell.source for cell in found.cells] == [cell.source for cell in stored.cells]
    assert printed(found) == printed(stored), "run python -m examples.tutorial"
    assert any("HOLDS" in text for cell in printed(found) for text in cell)
