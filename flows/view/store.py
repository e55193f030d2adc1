"""What the command prints: tables for people, on standard output."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid

from flows.view.audit import in_one_line
from flows.view.fit import print_fitted, print_fitters
from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import FeatureSpec
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from stores.mirror import shown
from stores.snapshot import Snapshot, load_snapshot, read_table

if TYPE_CHECKING:
    from flows.building.commit import Result

_TERMINAL = Console()
_out = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)
_EXAMPLES = 5


def print_store(root: Path) -> None:
    """Everything that a store's current snapshot holds."""
    snapshot = load_snapshot(root)
    recipe = snapshot.recipe
    _out.print(f"[bold]{shown(root)}[/bold]  snapshot {snapshot.number}, recipe {recipe['name']}")
    print_clips(root, snapshot)
    print_features(snapshot)
    print_fitted(snapshot)
    _print_schemes(root, snapshot)
    print_quarantine(root, snapshot)


def print_clips(root: Path, snapshot: Snapshot) -> None:
    clips = read_table(root, snapshot, CLIPS)
    labels = read_table(root, snapshot, LABELS)
    grid = _grid("corpus", "clips", "subjects", "hours", "with sound", "with picture")
    for corpus in clips.column("corpus").unique().to_pylist():
        rows = [clip for clip in CLIPS.rows(clips) if clip.corpus == corpus]
        grid.add_row(
            corpus,
            str(len(rows)),
            str(len({clip.subject_id for clip in rows if clip.subject_id})),
            f"{sum(clip.duration_s or 0 for clip in rows) / 3600:.2f}",
            str(sum(clip.has_audio is True for clip in rows)),
            str(sum(clip.has_video is True for clip in rows)),
        )
    _out.print(grid)
    for scheme, values in _label_counts(labels).items():
        _out.print(
            f"labels {scheme}: "
            + ", ".join(f"{value} {count}" for value, count in sorted(values.items()))
        )


def _label_counts(labels: pa.Table) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for label in LABELS.rows(labels):
        counts.setdefault(label.scheme, Counter())[label.value] += 1
    return counts


def print_features(snapshot: Snapshot) -> None:
    grid = _grid("feature", "rows of a clip", "type", "clips", "rows", "MB")
    for name, feature in snapshot.features.items():
        grid.add_row(
            name,
            _shape(feature.spec),
            feature.spec.dtype
            if feature.spec.codec == "raw"
            else f"{feature.spec.dtype} {feature.spec.codec}",
            str(sum(shard.clips for shard in feature.shards)),
            str(sum(shard.rows for shard in feature.shards)),
            f"{sum(shard.bytes for shard in feature.shards) / 1e6:.1f}",
        )
    _out.print(grid)
    for name, feature in snapshot.features.items():
        if feature.spec.about:
            _out.print(f"[yellow]{name}: {feature.spec.about}[/yellow]")


def _shape(spec: FeatureSpec) -> str:
    return "(" + ", ".join([spec.dims[0], *map(str, spec.shape)]) + ")"


def _print_schemes(root: Path, snapshot: Snapshot) -> None:
    folds = read_table(root, snapshot, FOLDS)
    if folds.num_rows == 0:
        _out.print("no folds yet; make some with: affectstore split STORE subject_kfold --folds 5")
    for scheme in folds.column("scheme").unique().to_pylist():
        print_folds(root, scheme)


def print_folds(root: Path, scheme: str) -> None:
    """Clips and groups on each side of each fold of one scheme, and what the audit found in
    them."""
    snapshot = load_snapshot(root)
    counts: dict[int, dict[str, tuple[int, set[str]]]] = {}
    for fold in FOLDS.rows(read_table(root, snapshot, FOLDS)):
        if fold.scheme == scheme:
            clips, groups = counts.setdefault(fold.fold, {}).get(fold.role, (0, set()))
            counts[fold.fold][fold.role] = (clips + 1, groups | {fold.group_id})
    grid = _grid(scheme, "train", "valid", "test", "test groups")
    for number, roles in sorted(counts.items()):
        sides = [
            f"{roles[r][0]} clips, {len(roles[r][1])} groups" if r in roles else "-"
            for r in ("train", "valid", "test")
        ]
        tested = sorted(roles["test"][1]) if "test" in roles else []
        grid.add_row(
            f"fold {number}",
            *sides,
            ", ".join(tested[:_EXAMPLES]) + (" ..." if len(tested) > _EXAMPLES else ""),
        )
    _out.print(grid)
    _out.print(
        in_one_line(
            one for one in AUDITS.rows(read_table(root, snapshot, AUDITS)) if one.scheme == scheme
        )
    )


def print_quarantine(root: Path, snapshot: Snapshot) -> None:
    """What could not be measured: one line for each clip and reason."""
    rows = QUARANTINE.rows(read_table(root, snapshot, QUARANTINE))
    if not rows:
        _out.print("nothing in quarantine")
        return
    features: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        features.setdefault((row.reason, row.clip_id, row.detail), []).append(row.feature)
    grid = _grid("in quarantine", "reason", "missing features", "what was found")
    for (reason, clip_id, detail), names in sorted(features.items())[:50]:
        missing = "all" if len(names) == len(snapshot.features) else ", ".join(names)
        grid.add_row(clip_id, reason, missing, detail)
    _out.print(grid)
    if len(features) > 50:
        _out.print(
            f"... and {len(features) - 50} more; the table `quarantine` of the store has them all"
        )


def print_result(root: Path, result: "Result") -> None:
    """What a build did."""
    if not result.is_new:
        _out.print(
            f"nothing new: {shown(root)} is up to date, snapshot {result.snapshot.number}; no "
            "shard and no snapshot was written"
        )
    else:
        _out.print(
            f"[bold]{shown(root)}[/bold]  snapshot {result.snapshot.number} published, "
            f"{result.shards_written} new shards"
        )
        print_features(result.snapshot)
    if result.folds_dropped:
        _out.print(
            "[yellow]the clips have changed, so the old folds no longer fit and were left out; "
            "run affectstore split again[/yellow]"
        )
    print_quarantine(root, result.snapshot)


def print_verification(root: Path) -> bool:
    """True when the store is whole."""
    from stores.verify import verify

    report = verify(root)
    for problem in report.problems:
        _out.print(f"[red]{shown(problem)}[/red]")
    for remark in report.remarks:
        _out.print(f"[yellow]{remark}[/yellow]")
    _out.print(report.summary)
    return not report.problems


def print_recipes() -> None:
    from flows.recipe import shipped

    grid = _grid("recipe", "what it makes")
    for name, path in shipped().items():
        grid.add_row(name, tomllib.loads(path.read_text(encoding="utf-8"))["about"])
    _out.print(grid)


def print_recipe(name: str) -> None:
    """A recipe with every default written out, after its source and what it leaves open."""
    from flows.recipe import load

    recipe = load(name)
    _out.print(f"[bold]{recipe.name}[/bold]: {recipe.about}\nsource: {recipe.source}")
    for point in recipe.open_points:
        _out.print(f"open: {point}")
    for feature in recipe.graph.order:
        entry, spec = recipe.features[feature], recipe.graph.specs[feature]
        kept = "stored" if entry.store else "not stored"
        made = f"{entry.extractor.name} version {spec.version}, {kept}"
        _out.print(f"\n[bold]{feature}[/bold]  {made}, {_shape(spec)} {spec.dtype}, {spec.units}")
        for key, value in entry.extractor.params().items():
            _out.print(f"  {key} = {value!r}", highlight=False)
        if spec.about:
            _out.print(f"  [yellow]{spec.about}[/yellow]")
    print_fitters(recipe)


def _grid(first: str, *others: str) -> Grid:
    return Grid(first, *others, show_edge=False, pad_edge=False, header_style="bold")
