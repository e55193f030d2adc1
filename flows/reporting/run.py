"""The report of a store: read, counted, and written as one HTML page."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from flows.auditing.fitted_states import fits
from flows.reporting.class_tables import class_tables
from flows.reporting.facts import (
    CorpusLine,
    Distribution,
    FittedLine,
    QuarantineReason,
    ReportFacts,
    subject_of,
)
from flows.reporting.history import history, now
from flows.reporting.leak_pairs import LeakPairs
from flows.reporting.measures import durations, faces, feature_lengths, loudness
from flows.reporting.place import PAGE, ReportError, default_folder
from flows.reporting.sights import ClipSights
from flows.view.report import report_page
from manifests.audit import RULES, verdicts_of
from manifests.audits import AUDITS, Finding, Severity
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX
from manifests.folds import FOLDS, Role
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from stores import FeatureStore
from stores.atomic import make_folder, write_bytes
from stores.location import Place, is_inside
from stores.made import REPORT, mark_of, note_made
from stores.snapshot import read_compact, read_tables
from stores.summary import QuarantineSummary, quarantine_lines

_OF_A_REASON = 6
_ORDER = [severity.value for severity in Severity]


def write_report(store: Place, out: Path | None = None) -> Path:
    """Makes the report of the newest snapshot of a store.

    Args:
        store: Folder or URL of the store.
        out: Folder for the page, made if it is missing; None: the one beside the store.

    Returns:
        The page, which needs no other file.

    Raises:
        ReportError: The folder is the store or below it, or none was given for a URL.
        NotCommitted: There is no store.
    """
    opened = FeatureStore(store)
    folder = out or default_folder(opened.location)
    if is_inside(opened.location, folder):
        raise ReportError(
            f"{folder} is a folder of the store, which holds nothing but what commands keep there; "
            "give another folder with --out"
        )
    facts = gather(opened)
    page = report_page(facts)
    make_folder(folder)
    note_made(opened.location, REPORT, folder, facts.mark, opened.snapshot.number)
    write_bytes(folder / PAGE, page.encode())
    return folder / PAGE


def gather(store: FeatureStore) -> ReportFacts:
    """Reads all that a report says.

    Args:
        store: The store.

    Returns:
        The facts.
    """
    clips = store.rows(CLIPS)
    folds = _frame(store, FOLDS, "scheme", "fold", "clip_id", "role")
    index = _frame(store, INDEX, "clip_id", "feature", "state", "rows", "valid_rows", "notes")
    tables, left_out = class_tables(clips, store.rows(LABELS), folds)
    sights = ClipSights(store, clips)
    findings = sorted(store.rows(AUDITS), key=_gravity)
    shown, not_shown = _distributions(store, clips, index)
    return ReportFacts(
        store=str(store.location),
        mark=mark_of(store.location, store.snapshot),
        made=now(),
        snapshot=store.snapshot,
        verdicts=tuple(verdicts_of(findings)),
        findings=tuple(findings),
        rules={number: rule.title for number, rule in RULES.items()},
        corpora=tuple(_corpora(clips)),
        tables=tables,
        tables_left_out=left_out,
        distributions=tuple(shown),
        not_shown=tuple(not_shown),
        features=tuple(feature_lengths([*store.features], index)),
        has_pictures=sights.has_pictures,
        faces=tuple(sights.faces()),
        quarantine=tuple(_quarantine(store, sights)),
        pairs=LeakPairs(store, clips, folds, sights.of).of(findings),
        history=history(store.location, store.snapshot),
        fitted=tuple(_fitted(store, clips, folds)),
    )


def _frame(store: FeatureStore, table: Table[Any], *columns: str) -> pd.DataFrame:
    frame: pd.DataFrame = read_compact(store.location, store.snapshot, table, columns).to_pandas()
    return frame


def _gravity(one: Finding) -> tuple[int, int, str, int, str]:
    return _ORDER.index(one.severity), int(one.rule[1:]), one.scheme, one.fold, one.what


def _corpora(clips: Sequence[Clip]) -> Iterator[CorpusLine]:
    of_corpus: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        of_corpus[clip.corpus].append(clip)
    for name, some in of_corpus.items():
        yield CorpusLine(
            name,
            clips=len(some),
            subjects=len({clip.subject_id for clip in some if clip.subject_id}),
            hours=sum(clip.duration_s or 0 for clip in some) / 3600,
            with_sound=sum(clip.has_audio is True for clip in some),
            with_picture=sum(clip.has_video is True for clip in some),
        )


def _distributions(
    store: FeatureStore, clips: Sequence[Clip], index: pd.DataFrame
) -> tuple[list[Distribution], list[str]]:
    shown, not_shown = [durations(clips)], []
    if (levels := loudness(store, clips)) is not None:
        shown.append(levels)
    else:
        not_shown.append("Loudness is not shown: the store holds neither sound nor a log-mel.")
    if (of_faces := faces(store, clips, index)) is not None:
        shown += of_faces
    else:
        not_shown.append("Faces are not shown: the store holds no feature of the extractor faces.")
    return [one for one in shown if len(one.values)], not_shown


def _quarantine(store: FeatureStore, sights: ClipSights) -> Iterator[QuarantineReason]:
    by_reason: defaultdict[str, list[QuarantineSummary]] = defaultdict(list)
    for line in quarantine_lines(store.rows(QUARANTINE), len(store.features)):
        by_reason[line.reason].append(line)
    for reason, lines in sorted(by_reason.items(), key=lambda each: (-len(each[1]), each[0])):
        yield QuarantineReason(
            reason,
            len({line.clip_id for line in lines}),
            tuple(sorted({feature for line in lines for feature in line.features})),
            tuple((line, sights.of(line.clip_id)) for line in lines[:_OF_A_REASON]),
        )


def _fitted(
    store: FeatureStore, clips: Sequence[Clip], folds: pd.DataFrame
) -> Iterator[FittedLine]:
    fitted = store.snapshot.fitted
    if not any(entry.states for entry in fitted.values()):
        return
    subject = {clip.clip_id: subject_of(clip) for clip in clips}
    tables = read_tables(store.location, store.snapshot)
    tested = folds[folds["role"] == Role.TEST.value]
    for (scheme, fold), some in sorted(fits(store.location, tables, fitted).items()):
        of_fold = (tested["scheme"] == scheme) & (tested["fold"] == fold)
        test_clips = set(tested["clip_id"][of_fold])
        for one in some:
            seen = {subject.get(clip_id, "unknown") for clip_id in one.used}
            yield FittedLine(
                one.feature,
                scheme,
                fold,
                len(one.used),
                tuple(sorted(seen)),
                len(one.used & test_clips),
                fitted[one.feature].sees_all,
            )
