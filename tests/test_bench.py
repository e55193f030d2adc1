"""The bench: rows, ratios, the baseline, and what it says where something is missing. What it
measures is run by tests/test_benchmarks.py."""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import adapted, baseline, bench, build, clips, engine, page, rows, watched
from benchmarks.adapted import FLOOR, in_process
from benchmarks.parts import GOALS, Part, profiles
from benchmarks.peers.install import REQUIREMENTS, wanted
from benchmarks.rows import OURS, Row, Setting, in_turn, ratio, spread, table
from tests.support.media_made import CLIPS

SCRIPT = "a script"
CREMAD = CLIPS / "CREMA-D" / "VideoFlash"


def pair(ours: Sequence[float], other: Sequence[float]) -> list[Row]:
    """The product and a script, with as many rounds, each at 100 and 150 ms of processor time."""
    return [
        Row("a build", OURS, "clips/s", tuple(ours), cpu_s=(0.1,) * len(ours)),
        Row("a build", SCRIPT, "clips/s", tuple(other), cpu_s=(0.15,) * len(other)),
    ]


def test_a_ratio_is_the_median_over_rounds_each_of_which_is_a_pair() -> None:
    ours, other = pair([20, 10, 30], [10, 10, 10])
    assert ratio(ours, other) == 2
    # Rounds in which the machine was slow were slow for both; the medians alone say 0.67.
    ours, other = pair([20, 2, 6], [10, 1, 9])
    assert ratio(ours, other) == 2
    assert spread([20, 10, 30]) == 1


def test_of_times_the_smaller_one_is_better() -> None:
    ours = Row("start", OURS, "s", (2.0, 2.0), less_is_better=True)
    assert ratio(ours, Row("start", SCRIPT, "s", (3.0, 3.0), less_is_better=True)) == 1.5


def test_no_way_always_comes_first(tmp_path: Path) -> None:
    order: list[str] = []

    def take(name: str) -> int:
        order.append(name)
        return len(order)

    found = in_turn({name: lambda name=name: take(name) for name in "ab"}, Setting(tmp_path, 1, 3))
    assert "".join(order) == "abbaab"
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_a_round_begins_only_where_the_budget_has_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(rows, "monotonic", lambda: clock[0])

    def rounds(budget_s: float, least: int = 1) -> int:
        count = 0
        for _ in rows.rounds_of(Setting(tmp_path, 1, 5, budget_s), least):
            clock[0] += 10
            count += 1
        return count

    assert [rounds(s) for s in (1, 19, 20, 39, 1000)] == [1, 1, 2, 3, 5]
    assert rounds(1, least=3) == 3


def test_a_table_shows_every_row_beside_the_products() -> None:
    left_out = Row("a build", "another tool", "", note="not installed")
    head, columns, ours, other, missing = table([*pair([20, 22], [10, 10]), left_out])
    assert head == "a build: median of 2"
    assert " ".join(columns.split()) == "ratio spread CPU ms ratio start s incl. busy"
    assert " ".join(ours.split()) == "affectstore 21 clips/s 10% 100"
    assert " ".join(other.split()) == "a script 10 clips/s 2.10x 0% 150 1.50x"
    assert " ".join(missing.split()) == "another tool - not installed"


def test_a_table_is_no_wider_than_a_page() -> None:
    many = {"clips": 9999, "wall_s": (1e9,), "start_s": (99.9,), "busy": (1.0,), "cpu_s": (9.999,)}
    wide = [Row(w, n, "clips/s", (0.1234,), **many) for w in "ab" for n in (OURS, "n" * 27)]
    lines = [*table(wide)]
    assert len(lines) == 8
    assert max(map(len, lines)) <= 100
    assert len({line.index("100%") for line in lines if "%" in line}) == 1


def test_ratios_are_of_rates_and_of_processor_times() -> None:
    two = [*pair([20], [10]), Row("a build", "another tool", "", note="not installed")]
    found = {"a build | a script": 2, "a build | a script | CPU": 1.5}
    assert baseline.ratios(two) == pytest.approx(found)


def test_only_what_fell_by_more_than_15_percent_is_named() -> None:
    before = {"even": 2.0, "rose": 2.0, "fell a little": 2.0, "fell": 2.0, "gone": 2.0}
    now = {"even": 2.0, "rose": 9.0, "fell a little": 1.71, "fell": 1.69, "new": 0.1}
    assert [*baseline.fallen(before, now)] == [
        "fell by 16%: fell, was 2.00x, is 1.69x",
        "not measured: gone, was 2.00x",
    ]


def test_a_goal_is_reached_missed_by_so_much_or_not_measured() -> None:
    goals = {"a": 2.0, "b | other": 2.0, "c": 0.85}
    profile = {"a": "nothing", "b": "decode 90%"}
    assert [*baseline.against_goals({"a": 2.0, "b | other": 1.5}, goals, profile)] == [
        "reached: a: 2.00x, 2.00x asked",
        "MISSED:  b | other: 1.50x, 2.00x asked, 25% short",
        "         limited by: decode 90%",
        "not measured: c, 0.85x asked",
    ]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a baseline, in which the product is twice as fast as the script; the bench has
    one part, which finds it 1.6 times as fast."""
    file = tmp_path / "baseline.json"
    baseline.write(file, {"date": "today"}, {"a build | a script": 2.0})
    monkeypatch.setattr(baseline, "BASELINE", file)
    part = Part("some", lambda setting: pair([16], [10]), 1)
    monkeypatch.setattr(bench, "PARTS", (part,))
    return file


def test_a_comparison_ends_with_1_where_something_fell(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([str(tmp_path), "--compare"]) == 1
    assert "fell by 20%: a build | a script, was 2.00x, is 1.60x" in capsys.readouterr().out
    baseline.write(kept, {}, {"a build | a script": 1.7, "elsewhere": 1.0})
    assert bench.main([str(tmp_path), "--compare"]) == 0
    assert "not measured: elsewhere" in capsys.readouterr().out
    kept_rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["values"] for row in kept_rows] == [[16], [10]]


def test_a_baseline_that_is_none_is_refused_in_a_sentence(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.write_text("[]")
    assert bench.main([str(tmp_path), "--compare"]) == 2
    assert "is no kept run of the bench" in (said := capsys.readouterr()).err
    assert "a build" not in said.out, "known before an hour is spent"


def test_a_run_is_kept_as_the_baseline_and_in_the_page(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = tmp_path / "performance.md"
    shown.write_text(f"Before\n\n{page.BEGIN}\nold\n{page.END}\n\nAfter\n")
    monkeypatch.setattr(bench, "PAGE", shown)
    assert bench.main([str(tmp_path), "--write"]) == 0
    assert baseline.read(kept)["a build | a script"] == 1.6
    text = shown.read_text()
    assert text.startswith(f"Before\n\n{page.BEGIN}\n")
    assert text.endswith(f"```\n{page.END}\n\nAfter\n")
    assert "old" not in text
    assert "1.60x" in text


def test_the_page_has_a_place_for_the_table(tmp_path: Path) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text.index(page.BEGIN) < text.index(page.END)
    (empty := tmp_path / "page.md").write_text("nothing")
    with pytest.raises(ValueError, match="has no line <!-- the table"):
        page.put_table(empty, {}, [])


def test_a_part_that_fails_is_a_row_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(setting: Setting) -> list[Row]:
        raise watched.CommandFailed("a command ended with exit code 2:\nits words")

    parts = Part("broken", fail, 1), Part("some", lambda s: pair([16], [10]), 1)
    monkeypatch.setattr(bench, "PARTS", parts)
    assert bench.main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "failed: a command ended with exit code 2" in said.out
    assert "1.60x" in said.out
    assert "its words" in said.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--write", "--only", "some"], "a baseline is of a whole run"),
        (["--write", "--quick"], "a baseline is of a whole run"),
        (["--cremad", "{folder}"], "there is no .flv below"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_what_makes_no_sense_is_refused_before_anything_runs(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        bench.main([str(tmp_path), *(word.format(folder=tmp_path) for word in given)])
    assert end.value.code == 2
    assert said in (printed := capsys.readouterr()).err
    assert not printed.out


def test_a_run_in_which_a_part_failed_is_no_baseline(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept.read_text()
    monkeypatch.setattr(bench, "PAGE", tmp_path / "no page")
    failed = Row("some", "some", "", note=f"{bench.FAILED}it did")
    monkeypatch.setattr(bench, "PARTS", (Part("some", lambda setting: [failed], 1),))
    assert bench.main([str(tmp_path), "--write"]) == 1
    assert kept.read_text() == before


def test_every_goal_is_of_a_table_that_a_part_makes() -> None:
    tables = {name(kind) for kind in build.SHOWN for name in (build.table_of, in_process)}
    tables |= {engine.WHAT, adapted.SOUND, adapted.READING, *map(adapted.aligned, adapted.ALIGNED)}
    tables |= {*adapted.SOUND_IN.values()}
    tables |= set(map(adapted.command, adapted.SHORT_COMMANDS))
    assert {goal.partition(" | ")[0] for goal in GOALS} <= tables


def test_what_limits_a_build_is_the_profile_of_one_process() -> None:
    floor = Row(in_process("meld"), FLOOR, "CPU ms", (1.0,), note="decode 90%")
    assert profiles([floor])[build.table_of("meld")] == "decode 90%"
    assert not profiles([floor])[build.table_of("ravdess")]


def test_a_build_is_told_what_the_bare_calls_alone_would_be() -> None:
    one, built = in_process("meld"), build.table_of("meld")
    rows = [
        Row(one, OURS, "CPU ms", (5.0,), less_is_better=True),
        Row(one, FLOOR, "CPU ms", (4.0,), less_is_better=True, note="decode 90%"),
        Row(built, OURS, "clips/s", (6.0,)),
        Row(built, build.title("fast"), "clips/s", (5.0,)),
    ]
    assert profiles(rows)[built] == "decode 90%; the bare calls alone: 1.50x"


def test_peers_are_pinned() -> None:
    named = [*wanted(REQUIREMENTS.read_text(encoding="utf-8"))]
    assert named
    assert [name for name, _ in named if "==" not in name] == []
    assert [*wanted("# nothing\n\na==1 --no-deps  # why\nb==2\n")] == [
        ("a==1", ["--no-deps"]),
        ("b==2", []),
    ]


def test_a_copy_of_a_clip_differs_in_a_number_that_nobody_reads() -> None:
    flv = b"FLV...\x00\x0dvideodatarate\x00\x40\x89\x20\x00\x00\x00\x00\x00rest"
    one = clips.marked(flv, 258)
    assert one == flv.replace(b"\x00\x00rest", b"\x01\x02rest")
    assert clips.marked(flv, 0) == flv
    with pytest.raises(ValueError, match="states no videodatarate"):
        clips.marked(b"FLV", 1)


def test_without_real_clips_their_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no \.flv below"):
        clips.copy_clips(tmp_path / "copies", tmp_path, 2)


@pytest.mark.usefixtures("real_clips")
def test_copies_of_real_clips_have_other_bytes_and_the_same_pictures(tmp_path: Path) -> None:
    copies = clips.copy_clips(tmp_path, CREMAD, 7)
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in copies}) == 7

    def pictures(path: Path) -> np.ndarray:
        with av.open(path) as container:
            assert container.streams.video[0].codec_context.name == "vp6f"
            return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])

    original = CREMAD / f"{copies[3].stem[:-5]}.flv"
    assert original.read_bytes() != copies[3].read_bytes()
    np.testing.assert_array_equal(pictures(copies[3]), pictures(original))


@pytest.mark.usefixtures("processes")
def test_work_of_a_process_that_outlives_its_parent_is_counted(tmp_path: Path) -> None:
    busy = "import time; [None for _ in iter(lambda: time.process_time() < 1, False)]"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])"
    done = watched.run([sys.executable, "-c", code], tmp_path / "log")
    assert done.cpu_s > 1
    assert done.seconds < done.cpu_s, "who started the command does not wait for it"


def test_no_line_of_a_table_is_longer_than_a_page_is_wide() -> None:
    long = "word " * 60
    rows = [
        Row("some", OURS, "clips/s", (1.0, 2.0), 3, (1.0,), (1.0,), (1.0,), (0.5,), note=long),
        Row("some", "n" * 31, "clips/s", (1.0, 2.0), 3, (1.0,), (1.0,), (1.0,), (0.5,)),
        Row("some", "not there", "", note=long),
    ]
    goals = baseline.against_goals({"some | n": 1.0}, {"some | n": 2.0}, {"some": long})
    lines = [*table(rows), *goals]
    assert max(map(len, lines)) == 100
    assert " ".join(lines).count("word") == 180
