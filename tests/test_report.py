"""The report of a store: what it counts and shows, what it keeps back, and that it is one page that
asks nobody for anything."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from flows.auditing.run import run_audit
from flows.auditing.store import publish_audited
from flows.reporting.class_tables import class_tables
from flows.reporting.facts import ReportFacts
from flows.reporting.place import default_folder, made_before
from flows.reporting.run import gather, write_report
from flows.reporting.sights import envelope
from flows.splitting.run import run_split
from flows.view.report import report_page
from flows.view.run_summary import artifact_key, report_block
from manifests.audit import Answer
from manifests.clips import CLIPS, Clip
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores import FeatureStore
from stores.location import Place, locate
from stores.snapshot import load_snapshot
from tests.support import fitted_made
from tests.support.browser import open_page
from tests.support.commands import Command, refusal
from tests.support.prefect_server import Server
from tests.support.stores_made import (
    CROPS,
    commit,
    make_store,
    spec_of,
    tables_in,
    tracks_for,
)
from tests.support.watched import refused, watched

HOSTILE = "<img src=x onerror=alert(1)>{{ 7 * 7 }}\"'&amp;</script>\x1b[31m\u202e"
COLUMNS = ["scheme", "fold", "clip_id", "role"]
LOGMEL = spec_of("logmel", shape=(6,), hop_s=0.01)
FACES = spec_of("faces", shape=(6,), hop_s=0.1)
FACES = replace(FACES, units="left px, top px, right px, bottom px, score, faces seen")


def boxes(rows: int, missing: tuple[int, ...] = (), twice: int = 0) -> Track:
    """Boxes of 40 pixels; in the first rows two faces are seen."""
    values = np.tile(np.float32([10, 20, 50, 60, 0.9, 1]), (rows, 1))
    values[:twice, 5] = 2
    values[list(missing), :5] = np.nan
    valid = ~np.isnan(values[:, 0])
    return Track(values, np.arange(rows) / 10, valid, ("many_faces",) if twice else ())


def facts_of(place: Place) -> ReportFacts:
    return gather(FeatureStore(place))


def page_of(place: Place) -> str:
    return report_page(facts_of(place))


def by_faces(root: Path) -> Path:
    tracks = {f"made/{n:02d}": boxes(10, missing=(1, 2), twice=n) for n in range(7)}
    make_store(root, specs=(FACES,), tracks=tracks)
    return root


# What is counted


def clip(number: int, subject: str, sex: str | None) -> Clip:
    name = f"made/{number}"
    return Clip(name, "made", subject, subject, name, sex, name, "0" * 64, 1)


def test_clips_are_counted_by_class_and_subject_sex_and_fold() -> None:
    clips = [clip(0, "made/a", "female"), clip(1, "made/a", "female"), clip(2, "made/b", None)]
    values = ("joy", "sad", "sad")
    labels = [Label(c.clip_id, "mood", "x", v) for c, v in zip(clips, values, strict=True)]
    roles = {"made/a": Role.TRAIN, "made/b": Role.TEST}
    folds = [(f.scheme, f.fold, f.clip_id, str(f.role)) for f in _folds(clips, roles)]
    frame = pd.DataFrame(folds, columns=COLUMNS)
    (tables,), left_out = class_tables(clips, labels, frame)
    assert tables.classes == ("joy", "sad")
    assert [(r.heads, r.counts) for r in tables.sexes.rows] == [
        (("female",), (1, 1)),
        (("unknown",), (0, 1)),
    ]
    assert [(r.heads, r.counts, r.tested) for r in tables.subjects.rows] == [
        (("made/a",), (1, 1), ("",)),
        (("made/b",), (0, 1), ("3",)),
    ]
    assert [(r.heads, r.counts) for r in tables.folds["one"].rows] == [
        (("3", "train"), (1, 1)),
        (("3", "test"), (0, 1)),
    ]
    assert (tables.unlabelled, left_out) == (0, ())


def _folds(clips: list[Clip], roles: dict[str, Role]) -> list[Fold]:
    return [Fold("one", 3, c.clip_id, str(c.group_id), roles[str(c.subject_id)]) for c in clips]


def test_a_tie_of_labels_counts_for_no_class_and_is_said() -> None:
    clips = [clip(0, "made/a", "male"), clip(1, "made/a", "male")]
    labels = [Label("made/0", "mood", who, v) for who, v in (("x", "joy"), ("y", "sad"))]
    labels.append(Label("made/1", "mood", "x", "sad"))
    (tables,), _ = class_tables(
        clips, labels, pd.DataFrame(columns=["scheme", "role", "fold", "clip_id"])
    )
    assert tables.subjects.rows[0].counts == (0, 1)
    assert tables.unlabelled == 1


def test_tables_are_cut_where_the_page_would_grow_too_large() -> None:
    clips = [clip(n, f"made/{n:04}", "male") for n in range(5000)]
    labels = [
        Label(f"made/{n}", f"mood{scheme}", "x", str(n % 28))
        for n in range(5000)
        for scheme in "ab"
    ]
    folds = [("one", n, f"made/{n}", "test") for n in range(5000)]
    tables, _ = class_tables(clips, labels, pd.DataFrame(folds, columns=COLUMNS))
    parts = [part for one in tables for part in (one.subjects, one.folds["one"])]
    assert [len(part.rows) for part in parts] == [400] * 4
    assert [part.left_out for part in parts] == [4600] * 4
    many = [replace(one, scheme=f"mood{n}") for n in range(6) for one in labels[::2]]
    splits = [(f"split{n}", *row[1:]) for n in range(3) for row in folds]
    tables, _ = class_tables(clips, many, pd.DataFrame(splits, columns=COLUMNS))
    rows = [row for one in tables for p in (one.subjects, *one.folds.values()) for row in p.rows]
    assert sum(len(row.counts) + 2 for row in rows) < 60_000
    assert tables[-1].subjects.rows == ()


def test_faces_are_measured_by_their_boxes(tmp_path: Path) -> None:
    shown = {one.name: one for one in facts_of(by_faces(tmp_path)).distributions}
    assert shown["Face found"].values.tolist() == pytest.approx([80.0] * 7)
    assert shown["Size of the face"].values.tolist() == pytest.approx([40.0] * 7)
    assert shown["Several faces"].values.tolist() == pytest.approx([10.0 * n for n in range(7)])
    notes = facts_of(tmp_path).features[0].notes
    assert notes == {"many_faces": 6}


def test_loudness_is_the_mean_power_in_decibels(tmp_path: Path) -> None:
    audio = spec_of("audio", shape=(), hop_s=1 / 16000)
    half = Track(np.full(160, 0.5, np.float32), np.arange(160) / 16000, np.ones(160, np.bool_))
    make_store(tmp_path, count=2, specs=(audio,), tracks={"made/00": half, "made/01": half})
    (levels,) = [one for one in facts_of(tmp_path).distributions if one.name == "Loudness"]
    assert levels.values.tolist() == pytest.approx([20 * np.log10(0.5)] * 2, abs=1e-3)


def test_an_outline_is_relative_to_the_loudest_part() -> None:
    assert envelope(np.repeat([0.0, 1.0, 4.0], 100))[[0, 60, -1]].tolist() == [0.0, 0.5, 1.0]
    assert envelope(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert envelope(np.zeros(0)).tolist() == []


# Pictures


def test_one_face_a_subject_where_the_store_has_pictures(tmp_path: Path) -> None:
    make_store(tmp_path, specs=(CROPS,))
    facts = facts_of(tmp_path)
    assert [(one.subject, one.clip_id) for one in facts.faces] == [
        ("made/s0", "made/00"),
        ("made/s1", "made/04"),  # the first of its clips, made/01, has no picture
        ("made/s2", "made/02"),
    ]
    decoded = cv2.imdecode(np.frombuffer(facts.faces[0].jpeg or b"", np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (96, 96, 3)
    assert page_of(tmp_path).count("data:image/jpeg") == 3


def test_a_store_without_pictures_gives_a_page_without_any(tmp_path: Path) -> None:
    make_store(tmp_path, specs=(LOGMEL,))
    page = page_of(tmp_path)
    assert "data:image/jpeg" not in page
    assert "keeps no pictures" in page


# Quarantine, leaks, history, fitted states


def test_quarantine_is_shown_by_reason_with_what_the_store_has_of_the_clip(tmp_path: Path) -> None:
    made = tracks_for(LOGMEL, 7)
    make_store(tmp_path, specs=(LOGMEL, CROPS))
    (reason,) = facts_of(tmp_path).quarantine
    assert (reason.reason, reason.clips, reason.features) == ("no_face", 1, ("crops",))
    ((line, seen),) = reason.shown
    assert line.clip_id == "made/01"
    assert seen.jpeg is None
    assert 0 < len(seen.wave) <= len(made["made/01"])  # type: ignore[arg-type]
    assert max(seen.wave) == 1.0


def leaking(root: Path) -> Path:
    """Seven clips of three subjects, those of the first on both sides of one fold."""
    make_store(root, specs=(LOGMEL, CROPS))
    old = load_snapshot(locate(root))
    roles = [Role.TEST if n in (0, 1) else Role.TRAIN for n in range(7)]
    folds = [
        Fold("odd", 0, f"made/{n:02d}", f"made/s{n % 3}", role) for n, role in enumerate(roles)
    ]
    commit(root, old.features, {**tables_in(root, old), "folds": FOLDS.build(folds)})
    now = load_snapshot(locate(root))
    tables = tables_in(root, now)
    publish_audited(locate(root), now, "odd", tables=tables, fitted={}, schemes=old.schemes)
    return root


def test_a_leak_is_shown_as_a_pair_of_clips_on_two_sides(tmp_path: Path) -> None:
    facts = facts_of(leaking(tmp_path))
    assert [one.answer for one in facts.verdicts] == [Answer.LEAKS]
    assert facts.verdicts[0].why == run_audit([tmp_path]).verdict.why
    first = next(pair for pair in facts.pairs if pair.finding.rule == "L1")
    (role, test_clip), (other, training) = first.sides
    assert (role, other) == ("test", "train")
    assert test_clip.subject == training.subject
    assert test_clip.clip_id in ("made/00", "made/01")
    assert training.clip_id not in ("made/00", "made/01")
    assert first.why == f"one subject: {test_clip.subject}"
    (copies,) = {p.why for p in facts.pairs if p.finding.rule == "L4"}
    assert copies == "one file, by sha256: 000000000000"


def test_each_snapshot_says_what_was_new_in_it(tmp_path: Path) -> None:
    lines = facts_of(leaking(tmp_path)).history
    assert [line.number for line in lines] == [3, 2, 1]
    assert lines[2].news == ("7 clips, 2 features",)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", line.written) for line in lines)


def test_an_older_snapshot_that_is_gone_ends_the_history(tmp_path: Path) -> None:
    leaking(tmp_path)
    (tmp_path / "snapshots" / "000001.json").unlink()
    assert [line.number for line in facts_of(tmp_path).history] == [3, 2]


def test_fitted_states_say_whom_they_saw(tmp_path: Path) -> None:
    fitted_made.make(tmp_path)
    fitted_made.fit(tmp_path)
    lines = [one for one in facts_of(tmp_path).fitted if one.feature == "z"]
    assert [(one.fold, one.clips, one.tested) for one in lines] == [
        (fold, len(set(fitted_made.training(fold)) - {fitted_made.SILENT}), 0) for fold in range(4)
    ]
    assert lines[0].subjects == ("made/s2", "made/s3")
    assert "made/s2, made/s3" in page_of(tmp_path)


# Hostile names


def hostile(root: Path) -> Path:
    """A store whose names, labels, notes and details are markup, templates and escapes."""
    tracks = tracks_for(CROPS, 7)
    bad = tracks["made/01"]
    assert isinstance(bad, BadClip)
    tracks["made/01"] = BadClip("made/01", bad.reason, HOSTILE)
    make_store(root, specs=(CROPS,), tracks=tracks)
    old = load_snapshot(locate(root))
    tables = tables_in(root, old)
    clips = [
        replace(one, subject_id=f"{HOSTILE}{n % 3}", sex=HOSTILE)
        for n, one in enumerate(CLIPS.rows(tables["clips"]))
    ]
    labels = [replace(one, value=HOSTILE * 40) for one in LABELS.rows(tables["labels"])]
    changed = {"clips": CLIPS.build(clips), "labels": LABELS.build(labels)}
    more: dict[str, Any] = {"versions": {HOSTILE: HOSTILE}, "recipe": {"name": HOSTILE}}
    commit(root, old.features, {**tables, **changed}, **more)
    return root


def test_names_from_outside_are_text_and_nothing_else(tmp_path: Path) -> None:
    page = page_of(hostile(tmp_path))
    assert "&lt;img src=x onerror=alert(1)&gt;{{ 7 * 7 }}" in page
    assert "<img src=x" not in page
    assert "</script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert r"\x1b[31m\u202e" in page
    assert len(page) < 200_000


def test_the_page_has_no_script_and_forbids_itself_the_network(tmp_path: Path) -> None:
    make_store(tmp_path, specs=(LOGMEL, CROPS))
    page = page_of(tmp_path)
    assert "<script" not in page
    assert "default-src 'none'; img-src data:" in page
    links = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert links
    assert [one[:30] for one in links if not one.startswith(("data:", "#"))] == []


# Where it lies


def test_the_page_lies_beside_the_store_unless_a_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.__main__ import run

    make_store(tmp_path / "store", specs=(LOGMEL,))
    assert made_before(locate(tmp_path / "store")) is None
    for arguments, page in (
        ([], tmp_path / "store-report" / "report.html"),
        (["--out", tmp_path / "a" / "b"], tmp_path / "a" / "b" / "report.html"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(["report", str(tmp_path / "store"), *map(str, arguments)])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"{page}\n"
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    made = made_before(locate(tmp_path / "store"))
    assert made == tmp_path / "store-report" / "report.html"
    assert f"[{made}](file://{made})" in report_block(made)
    assert report_block(None) == ""


def test_what_cannot_be_reported_is_one_sentence(tmp_path: Path) -> None:
    make_store(tmp_path / "store", specs=(LOGMEL,))
    assert "holds no committed store" in refusal("report", tmp_path / "nothing")
    inside = refusal("report", tmp_path / "store", "--out", tmp_path / "store" / "page")
    assert "give another folder with --out" in inside


def test_a_damaged_picture_is_one_sentence(tmp_path: Path) -> None:
    pictures = np.array([b"no picture"] * 3, object)
    track = Track(pictures, np.arange(3) / 10, np.ones(3, np.bool_))
    make_store(
        tmp_path / "store", specs=(CROPS,), tracks={f"made/{n:02d}": track for n in range(7)}
    )
    sentence = refusal("report", tmp_path / "store")
    assert "a picture of made/00 in crops is no JPEG" in sentence
    assert f"run `affectstore verify {tmp_path / 'store'}`" in sentence


def test_a_store_of_the_present_folder_has_its_report_beside_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path / "store")
    assert default_folder(locate(".")) == (tmp_path / "store-report").resolve()


def test_a_store_behind_a_url_has_a_report_in_a_named_folder(url: str, tmp_path: Path) -> None:
    make_store(url, specs=(CROPS,))
    assert "name a folder of this machine" in refusal("report", url)
    page = write_report(url, tmp_path / "page").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3
    assert "not known" in page  # a copy has the time of its download
    assert url in page


# The page as a person meets it


@pytest.mark.parametrize("width_px", [1280, 390])
def test_a_browser_shows_the_page_without_complaint_and_without_any_request(
    processes: None, tmp_path: Path, width_px: int
) -> None:
    hostile(tmp_path / "store")
    run_split(tmp_path / "store", "random_80_20_leaking")
    page = open_page(write_report(tmp_path / "store"), width_px)
    assert page.complaints == []
    assert page.requests == []
    assert page.overflow_px == 0
    assert page.elements.get("script", 0) == 0
    assert page.elements["h2"] == 10
    assert "<img src=x onerror=alert(1)>{{ 7 * 7 }}" in page.texts


def test_a_browser_that_meets_a_fault_says_so(processes: None, tmp_path: Path) -> None:
    faulty = (
        '<p style="width:2000px">a</p><img src="http://127.0.0.1:9/x.png"><script>nope()</script>'
    )
    (tmp_path / "page.html").write_text(faulty, encoding="utf-8")
    page = open_page(tmp_path / "page.html", 390)
    assert page.requests == ["http://127.0.0.1:9/x.png"]
    assert any("nope is not defined" in one for one in page.complaints)
    assert page.overflow_px > 1000


def test_the_report_of_a_built_store_has_all_parts_opens_no_socket_and_starts_no_process(
    command: Command, store: Path, tmp_path: Path
) -> None:
    run_split(store, "subject_kfold", 3)
    environment = watched(tmp_path / "watched", imports=["prefect", "torch"], processes=False)
    done = command("report", store, "--out", tmp_path / "page", environment=environment)
    assert done.returncode == 0, done.stderr
    assert refused(tmp_path / "watched") == []
    page = Path(done.stdout.strip()).read_text(encoding="utf-8")
    for words in ("HOLDS", "ravdess8", "subject_kfold", "truncated", "no_face", "many_faces"):
        assert words in page
    assert page.count('<img class="graph"') == 5
    assert page.count('alt="face of') == 3


def test_runs_on_a_server_link_the_report_that_there_is(store: Path, recorded: Server) -> None:
    from flows.audit import audit
    from flows.split import split

    split(store, "subject_kfold", folds=3)
    page = write_report(store)
    split(store, "subject_kfold", folds=3, seed=1)
    audit([store])
    newer, older = recorded.pages(artifact_key("split", locate(store)))
    (of_the_audit,) = recorded.pages(artifact_key("audit", locate(store)))
    assert ["Report of the store" in one for one in (newer, older)] == [True, False]
    assert f"(file://{page})" in newer
    assert f"(file://{page})" in of_the_audit
