"""Tables and figures of a run: the paper's numbers, ours beside them, and no empty figure."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from examples import donatus2026, figures, kirar2024, satvik2025, tables
from examples.complete import whats_empty
from examples.kept import KeptModel, open_run
from examples.not_ready import NotReady
from examples.plan import Predictions
from examples.printed import (
    Cell,
    Printed,
    PrintedFigure,
    PrintedTable,
    figures_of,
    models_of,
    text_of,
)
from examples.protocol import Protocol
from examples.results import Result, report
from examples.run_folder import ModelFolder
from examples.satvik2025_printed import LEAKING_AUDIO
from examples.train import RECIPES, paper_of, run
from flows.recipe import load
from tests.support.stores_made import make_store
from tests.support.trainers_made import CHOICE, PAPER

TABLE = PrintedTable(
    "Table 1. Made",
    ("accuracy", "F1 of calm", "clips"),
    {
        "others": (Cell(50.0), Cell(None), Cell(None)),
        "ours": (
            Cell(91.22, "small", ("accuracy",), "made"),
            Cell(80.0, "small", ("per_class", "calm", "f1")),
            Cell(7, "small", ("clips",)),
        ),
        "elsewhere": (
            Cell(87.32, "small", ("accuracy",), "cremad"),
            Cell(1.0, "large", ()),
            Cell(0),
        ),
    },
)
ELSEWHERE = PrintedTable(
    "Table 2. Of another corpus",
    ("F1",),
    {"ours": (Cell(87.32, "small", ("macro_f1",), "cremad"),)},
)
OF_OTHERS = PrintedTable(
    "Table 3. Of a model that no scheme runs",
    ("F1",),
    {"ours": (Cell(1.0, "huge", ("macro_f1",)),)},
)
MADE = replace(
    PAPER,
    printed=Printed(
        (TABLE, ELSEWHERE, OF_OTHERS),
        (
            PrintedFigure("Figure 1. Confusion", figures.confusion, ("large", "small")),
            PrintedFigure("Figure 2. Curves", figures.curves, ("small",)),
            PrintedFigure("Figure 3. ROC", figures.roc, ("small",)),
            PrintedFigure("Figure 4. Radar", figures.radar, ("small",)),
            PrintedFigure("Figure 5. Bars", figures.class_bars, ("small",)),
            PrintedFigure("Figure 6. Heat", figures.class_heat, ("small",)),
            PrintedFigure(
                "Figure 7. Both",
                figures.compared(("small", "Small, again"), "weighted"),
                ("small",),
            ),
            PrintedFigure("Figure 8. Accuracy", figures.curve("accuracy"), ("small",), "made"),
        ),
        said=lambda recipe: f"made by {recipe['name']}",
    ),
)
ELSE = PrintedFigure("Figure 9. Of another corpus", figures.confusion, ("small",), "cremad")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ran")
    make_store(root / "store")
    run(MADE, root / "store", replace(CHOICE, models=()), root / "run")
    return root / "run"


def test_each_cell_has_the_papers_number_and_ours(ran: Path) -> None:
    kept = open_run(ran)
    models = kept.schemes["thirds"]
    lines = text_of(TABLE, models, "made3").splitlines()
    cells = {
        row[1].strip(): [cell.strip() for cell in row[2:-1]]
        for row in (line.split("|") for line in lines[4:])
    }
    pooled = models["small"].metrics["pooled"]
    assert cells["others"] == ["50", "-", "-"]
    assert cells["ours"] == [
        f"91.22 / {100 * pooled['accuracy']:.2f}",
        f"80 / {100 * pooled['per_class']['calm']['f1']:.2f}",
        f"7 / {pooled['clips']:.0f}",
    ]
    assert cells["elsewhere"] == ["87.32", "1 / (not run)", "0"]


def test_tables_and_figures_are_written_and_none_is_empty(
    ran: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = replace(MADE, printed=replace(MADE.printed, figures=(*MADE.printed.figures, ELSE)))
    assert tables.write_all(both, open_run(ran)) == []
    folder = ran / "tables" / "thirds"
    assert "Table 1. Made; made by made (paper / here)" in (folder / "tables.md").read_text()
    printed = capsys.readouterr().out
    assert "Table 1. Made; made by made (paper / here)" in printed
    assert "Table 2. Of another corpus; made by made (paper; this run is of made3)" in printed
    assert "87.32 /" not in printed.partition("Table 2. ")[2]
    assert "Table 3. " not in printed
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == len(MADE.printed.figures) == len(list(folder.glob("*.svg")))
    for path in pictures:
        picture = cv2.imread(str(path))
        assert picture is not None
        below = picture[len(picture) // 5 :]  # the title apart
        assert len(np.unique(below.reshape(-1, 3), axis=0)) > 20, path.name


def test_what_is_of_another_corpus_is_not_missed_and_a_title_may_say_more(ran: Path) -> None:
    figures_too = (*MADE.printed.figures, ELSE)
    printed = replace(MADE.printed, tables=(TABLE, ELSEWHERE), figures=figures_too)
    paper, kept = replace(MADE, printed=printed), open_run(ran)
    tables.write_all(paper, kept)
    assert whats_empty(paper, kept) == [
        "Table 1, elsewhere, F1 of calm is empty under thirds",  # of a model that was not run
        "no model was timed",
    ]


def test_what_a_run_does_not_have_is_named(ran: Path) -> None:
    lacking = replace(
        MADE, printed=Printed((), (PrintedFigure("Figure 9. Gates", figures.gates, ("small",)),))
    )
    assert tables.write_all(lacking, open_run(ran)) == [
        "Figure 9. Gates of thirds: the run has no gates of small"
    ]


def test_a_mean_over_epochs_goes_as_far_as_the_longest_training(tmp_path: Path) -> None:
    for fold, loss in enumerate(([3.0, 2.0, 1.0, 0.5], [5.0, 4.0])):
        (tmp_path / str(fold)).mkdir()
        history = pd.DataFrame({"loss": loss, "validation_loss": [np.nan] * len(loss)})
        history.to_parquet(tmp_path / str(fold) / "history.parquet")
    model = KeptModel("made", (ModelFolder(tmp_path / "0"), ModelFolder(tmp_path / "1")), {})
    (axis,) = figures.curve("loss")({"made": model}, "made").axes
    (drawn,) = [line for line in axis.lines if line.get_label() == "loss"]
    assert np.asarray(drawn.get_xdata()).tolist() == [1, 2, 3, 4]
    assert np.asarray(drawn.get_ydata()).tolist() == [4, 3, 1, 0.5]


def test_a_class_without_a_test_is_no_zero_of_the_radar() -> None:
    scores = {"a": {"f1": 0.5}, "b": {"support": 0}, "c": {"f1": 0.0}}
    metrics = {"pooled": {"classes": list(scores), "per_class": scores}}
    (axis,) = figures.radar({"made": KeptModel("made", (), metrics)}, "made").axes
    values = np.asarray(axis.lines[0].get_ydata(), float)
    np.testing.assert_array_equal(values, [0.5, np.nan, 0, 0.5])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b (no test)", "c"]


def test_a_class_that_is_predicted_and_not_tested_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for sure, named in ([0.1, 0.9], True), ([0.9, 0.1], False):
        found = Predictions(("made/1",), np.array([0]), np.array([sure]))
        protocol = Protocol("thirds", own=False, folds=(0,), shared=0, tested=1)
        report(Result(protocol, 0, "made", 0, found, ("calm", "angry")))
        assert ("predicted and not tested: angry\n" in capsys.readouterr().out) == named


def test_a_folder_that_is_no_run_or_of_another_recipe_is_one_sentence(
    ran: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotReady, match=r"has no run\.json: no run has ended in it"):
        open_run(tmp_path)
    with pytest.raises(NotReady, match="is a run of made; give that recipe"):
        tables.write_all(donatus2026.PAPER, open_run(ran))


def test_titles_of_kirar_say_on_which_clips_the_features_were_selected() -> None:
    for changes, said in (
        ((), "features selected on the training clips of each fold"),
        (("fitted.selected.fitter=iza_leaking",), "LEAKS: features selected on all clips"),
    ):
        recipe = load("kirar2024", changes).resolved()
        found = kirar2024.PRINTED.said(recipe)
        assert found.startswith(said)
        for table in kirar2024.PRINTED.tables:
            assert f"; {found} (paper / here)" in text_of(table, {}, "kirar3", found)


def test_tables_of_satvik_that_leak_say_so() -> None:
    tables = satvik2025.PRINTED.tables
    assert [("LEAKS" in table.title) for table in tables] == [True, True, True, False, False]
    for table in tables:
        cells = [cell for row in table.rows.values() for cell in row]
        honest = {str(cell.model) for cell in cells} <= {"frames", "audio", "more confident"}
        assert honest == ("LEAKS" not in table.title), table.title
        assert not honest or {cell.printed for cell in cells} == {None}, "the paper's numbers leak"
    classes = next(table for table in tables if table.title.startswith("Figures 7 and 8"))
    assert models_of(classes, "ravdess8") == {LEAKING_AUDIO}


def test_each_corpus_has_the_confusion_matrix_of_its_own_figure() -> None:
    def numbers(labels: str) -> list[str]:
        drawn = figures_of(donatus2026.PRINTED, labels)
        return [one.title.partition(".")[0] for one in drawn if one.models == (donatus2026.WHOLE,)]

    assert numbers("ravdess8") == ["Figure 5"]
    assert numbers("cremad6") == ["Figure 6"]


def test_scores_of_a_table_are_those_that_are_measured(ran: Path) -> None:
    model: Mapping[str, KeptModel] = open_run(ran).schemes["thirds"]
    for recipe in RECIPES:
        for table in paper_of(recipe).printed.tables:
            for cells in table.rows.values():
                for cell in cells:
                    if cell.model and len(cell.score) == 1:
                        assert model["small"].score(*cell.score) is not None, cell
