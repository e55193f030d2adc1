"""A paper is made whole, from clips to tables and figures, and what is empty is found."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from examples import figures, prepare, reproduce, stream, tables
from examples.complete import empty_panels, whats_empty
from examples.device import CPU
from examples.kept import open_run
from examples.plan import Paper
from examples.printed import Cell, Models, Printed, PrintedFigure, PrintedTable, text_of
from examples.run_folder import write_json
from examples.train import RECIPES, Choice, paper_of, run
from flows.forgetting.run import run_forget
from manifests.corpora.sample import sample_clips
from tests.support.stores_made import make_store
from tests.support.trainers_made import CHOICE, PAPER, SmallSettings

MADE: Paper[SmallSettings] = replace(
    PAPER,
    printed=Printed(
        (
            PrintedTable(
                "Table 1. Made",
                ("accuracy", "F1 of calm"),
                {
                    "ours": (
                        Cell(91.2, "small", ("accuracy",), "made"),
                        Cell(80.0, "small", ("per_class", "calm", "f1")),
                    ),
                    "gain": (Cell(None, "small", ("accuracy",), less="small"), Cell(None)),
                    "elsewhere": (Cell(87.3, "large", ("accuracy",), "cremad"), Cell(0)),
                },
            ),
        ),
        (
            PrintedFigure("Figure 1. Confusion", figures.confusion, ("small",)),
            PrintedFigure("Figure 2. Radar", figures.radar, ("small",)),
            PrintedFigure("Figure 3. Bars", figures.class_bars, ("small",)),
            PrintedFigure("Figure 4. Curves", figures.curves, ("small",)),
            PrintedFigure("Figure 5. Elsewhere", figures.roc, ("small",), "cremad"),
        ),
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_store(root / "store")
    run(MADE, root / "store", CHOICE, root / "run")
    write_json(root / "run" / "timing.json", {"models": {"small": {"fps": 12.5}}})
    assert tables.write_all(MADE, open_run(root / "run")) == []
    return root / "run"


@pytest.fixture
def written(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_what_is_whole_is_not_complained_of(written: Path) -> None:
    assert whats_empty(MADE, open_run(written)) == []


@pytest.mark.parametrize(
    ("cell", "place"), [("91.2", "ours, accuracy"), ("80", "ours, F1 of calm")]
)
@pytest.mark.parametrize("emptied", ["-", "(not run)", "nan", ""])
def test_an_empty_cell_is_found(cell: str, place: str, emptied: str, written: Path) -> None:
    path = written / "tables" / "thirds" / "tables.md"
    text = path.read_text()
    emptied_text = re.sub(rf"\| {re.escape(cell)} / [\d.]+ *\|", f"| {cell} / {emptied} |", text)
    assert emptied_text != text
    path.write_text(emptied_text)
    assert whats_empty(MADE, open_run(written)) == [f"Table 1, {place} is empty under thirds"]


def test_a_table_a_figure_or_a_time_that_is_not_there_is_found(written: Path) -> None:
    kept, folder = open_run(written), written / "tables" / "thirds"
    (folder / "figure_3_bars.png").write_bytes(b"")
    (folder / "figure_4_curves.svg").unlink()
    (written / "timing.json").unlink()
    assert whats_empty(MADE, kept) == [
        "Figure 3. Bars is not there under thirds",
        "Figure 4. Curves is not there under thirds",
        "no model was timed",
    ]
    (folder / "tables.md").unlink()
    assert len(whats_empty(MADE, kept)) == 6


def nothing(models: Models, name: str) -> Figure:
    """Axes, ticks, a grid and a legend, and nothing in them."""
    del models, name
    figure = Figure()
    axis = figure.add_subplot()
    axis.plot([], [], label="nothing")
    axis.grid()
    axis.legend()
    return figure


def no_numbers(models: Models, name: str) -> Figure:
    del models, name
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.bar([0, 1], [float("nan")] * 2)
    left.plot([0, 1], [float("nan")] * 2)
    right.bar([0, 1], [1.0, 2.0])
    return figure


@pytest.mark.parametrize(
    ("draw", "said"), [(nothing, "axes_1"), (no_numbers, "axes_1")], ids=["nothing", "NaN"]
)
def test_an_empty_figure_is_found(
    draw: Callable[[Models, str], Figure], said: str, written: Path
) -> None:
    printed = replace(MADE.printed, figures=(PrintedFigure("Figure 9. Empty", draw, ("small",)),))
    paper, kept = replace(MADE, printed=printed), open_run(written)
    assert tables.write_all(paper, kept) == []
    assert whats_empty(paper, kept) == [f"Figure 9. Empty shows nothing in {said} under thirds"]


@pytest.mark.parametrize("kind", ["bar", "plot", "imshow", "pcolormesh", "scatter", "fill_between"])
def test_a_panel_that_shows_something_is_not_empty(kind: str, tmp_path: Path) -> None:
    figure = Figure()
    data = ([[1, 2], [3, 4]],) if kind in ("imshow", "pcolormesh") else ([0, 1], [1, 2])
    getattr(figure.add_subplot(), kind)(*data)
    figure.savefig(tmp_path / "it.svg")
    assert empty_panels(tmp_path / "it.svg") == []
    Figure().savefig(tmp_path / "none.svg")
    assert empty_panels(tmp_path / "none.svg") == ["it"]


def test_gains_times_and_what_was_looked_at_stand_in_tables(written: Path) -> None:
    models = open_run(written).schemes["thirds"]
    (folder, *_) = models["small"].folders
    for number, one in enumerate(models["small"].folders):
        one.write_arrays("look.npz", {"gate": [[0.5, 0.25 + number]]})
    folder.write_arrays("live.npz", {"live_fps": 7.0})
    table = PrintedTable(
        "Table 2. Made",
        ("a", "b", "c", "d"),
        {
            "row": (
                Cell(1, "small", ("accuracy",), less="large"),
                Cell(2, "small", ("look", "gate", "0", "1")),
                Cell(3, "small", ("timing", "fps")),
                Cell(4, "small", ("look", "live_fps")),
            )
        },
        scale=1.0,
    )
    models = open_run(written).schemes["thirds"]
    row = text_of(table, models, "made3").splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        "1 / -", "2 / 1.2500", "3 / 12.5000", "4 / 7.0000"
    ]  # fmt: skip
    gain = text_of(MADE.printed.tables[0], models, "made3")
    assert re.search(r"\| gain +\| - / 0\.00 ", gain)


def test_clips_are_drawn_once_and_are_of_every_class(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    largest = max((prepare.size_of(recipe) for recipe in RECIPES), key=lambda size: size[0])
    for clip in sample_clips(*largest):
        path = tmp_path / "clips" / clip.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(clip.stem.encode())
    for _ in range(2):  # the second time all is there
        reproduce.draw_clips(tmp_path, RECIPES)
    for recipe in RECIPES:
        folder = prepare.clips_of(tmp_path / recipe / "store")
        found = {path.name for path in folder.rglob("*.mp4")}
        wanted = sample_clips(*prepare.size_of(recipe))
        assert found == {f"{clip.stem}.mp4" for clip in wanted}
        assert all(path.stat().st_nlink > len(RECIPES) - 1 for path in folder.rglob("*06.mp4"))
        assert len({clip.emotion for clip in wanted}) == 8


def test_an_unknown_paper_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["out", "tcs2027"])
    assert ended.value.code == 2
    assert "expected some of donatus2026, tucker2025, tcs2026" in capsys.readouterr().err


@pytest.mark.usefixtures("networks_of_real_size", "processes")
def test_a_paper_is_made_whole_and_an_empty_part_is_found_and_its_run_goes_with_the_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = paper_of("tcs2026")
    monkeypatch.setitem(prepare.SIZES, paper.recipe, (3, 8, 1))
    # Of so few clips, the one that is cut off on purpose is a large part.
    brief = (*prepare.SMALL[paper.recipe], "max_bad_fraction=0.2", "features.crops.size=64")
    monkeypatch.setitem(prepare.SMALL, paper.recipe, brief)
    choice = Choice(replace(paper.small, epochs=2, units=8), folds=(0,), device=CPU)
    assert reproduce.reproduce(paper, tmp_path, workers=1, choice=choice) == []
    kept = open_run(tmp_path / "run")
    assert len(kept.schemes) == 2
    for scheme in kept.schemes:
        folder = tmp_path / "run" / "tables" / scheme
        assert len(list(folder.glob("*.svg"))) == len(paper.printed.figures)
    assert "decisions" in capsys.readouterr().out
    for model in ("gated_fusion_with_tcs", "forward_lstm"):
        for path in (tmp_path / "run").rglob(f"{model}/0/l*.npz"):
            path.unlink()
    kept = open_run(tmp_path / "run")
    missing = [*tables.write_all(paper, kept), *whats_empty(paper, kept)]
    for part in ("Figure 10. A clip, live of", "Section 3, gated fusion with TCS, As it is",
                 "forward LSTM, FPS is empty"):  # fmt: skip
        assert any(part in sentence for sentence in missing), (part, missing)
    # Moved, it is on the list again as soon as a clip is played by it.
    moved, store = (tmp_path / "run").rename(tmp_path / "moved"), tmp_path / "store"
    clip = next(prepare.clips_of(store).rglob("01-*.mp4"))
    options = ("--store", store, "--run", moved, "--threads", 1)
    stream.main([str(one) for one in (clip, *options)])
    assert [*moved.rglob("live.npz")]
    done = run_forget(store, subject="01")
    said = {Path(one.place).name: what.partition(":")[0] for one, what in done.outcomes.items()}
    assert said == {"run": "not found", "moved": "removed"}
    assert not moved.exists()
