"""The ratios of a run of the bench, kept, compared and held against what is asked for.

`benchmarks/baseline.json` holds those of one quiet machine: ratios of rows that were measured in
turn carry over to another one, seconds do not.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, cpu_ratio, of_ours, ratio, wrapped

BASELINE = Path(__file__).with_name("baseline.json")
MAY_FALL = 0.15
"""Of a ratio, between two runs."""
CPU = " | CPU"
"""Ends the name of a ratio of processor times."""


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Of every row with a row of the product beside it, `<what> | <name>`; above 1 where the
    product is better."""
    found = {}
    for row in rows:
        if (ours := of_ours(row, rows)) is None:
            continue
        found[f"{row.what} | {row.name}"] = ratio(ours, row)
        if row.cpu_s and ours.cpu_s:
            found[f"{row.what} | {row.name}{CPU}"] = cpu_ratio(ours, row)
    return found


def fallen(before: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    """A line for every ratio that fell by more than `MAY_FALL`, or was not measured."""
    for name, was in before.items():
        if (times := now.get(name)) is None:
            yield f"not measured: {name}, was {was:.2f}x"
        elif times < was * (1 - MAY_FALL):
            yield f"fell by {1 - times / was:.0%}: {name}, was {was:.2f}x, is {times:.2f}x"


def against_goals(
    now: Mapping[str, float], goals: Mapping[str, float], profiles: Mapping[str, str]
) -> Iterator[str]:
    """A line for every goal: reached, missed by how much, or not measured; below a missed one what
    its time goes into, where the profile of its table is known."""
    for name, least in goals.items():
        if (times := now.get(name)) is None:
            yield f"not measured: {name}, {least:.2f}x asked"
        elif times < least:
            short = f"{1 - times / least:.0%} short"
            yield from wrapped(f"MISSED:  {name}: {times:.2f}x, {least:.2f}x asked, {short}", 9)
            if limits := profiles.get(name.partition(" | ")[0]):
                yield from wrapped(f"         limited by: {limits}", 9)
        else:
            yield from wrapped(f"reached: {name}: {times:.2f}x, {least:.2f}x asked", 9)


def write(path: Path, machine: Mapping[str, str], found: Mapping[str, float]) -> None:
    """Keep the ratios of a run, and which machine they are of."""
    rounded = {name: round(times, 3) for name, times in found.items()}
    text = json.dumps({"machine": machine, "ratios": rounded}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, float]:
    """The ratios of a kept run. ValueError where the file holds something else."""
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(times) for name, times in kept["ratios"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no kept run of the bench ({error}); write one with --write"
        ) from error
