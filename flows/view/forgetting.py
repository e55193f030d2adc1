"""What was taken out of a store, in lines for the terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flows.view.console import coloured, say

if TYPE_CHECKING:
    from flows.forgetting.collect import Collected
    from flows.forgetting.run import ForgetResult

_MOST = 20


def print_collected(store: str, found: "Collected") -> None:
    """Prints what no kept snapshot named.

    Args:
        store: The name of the store.
        found: What was removed, or would be.
    """
    if not found.is_done:
        for file in found.files:
            say(file)
    kept = f"kept: {_numbers(found.kept)}"
    gone = f"; removed: {_numbers(found.gone)}" if found.gone else ""
    verb = "removed" if found.is_done else "to be removed (--dry-run: nothing was)"
    say(f"{store}: {_many(len(found.files), 'file')}, {found.bytes / 1e6:,.1f} MB, {verb}")
    say(f"{kept}{gone if found.is_done else gone.replace('removed', 'to be removed')}")
    if found.held:
        say(
            coloured(
                "yellow",
                f"{_numbers(found.held)} stays for now: a reader on this machine has it open; run "
                "this again when it has ended",
            )
        )
    if found.in_use:
        say(coloured("yellow", f"in use and left: {_some(found.in_use)}"))


def print_forgotten(store: str, found: "ForgetResult") -> None:
    """Prints what was taken out of a store.

    Args:
        store: The name of the store.
        found: What was taken out, or would be.
    """
    facts = found.facts
    if found.is_over:
        say(f"{store} has forgotten this {facts.kind} already; nothing is left to do")
        return
    for clip_id in found.clip_ids if not found.is_done else ():
        say(clip_id)
    rows = ", ".join(f"{name} {count}" for name, count in sorted(facts.rows.items()) if count)
    if not found.is_done:
        say(f"--dry-run: nothing was done to {store}; without it, this would be:")
    went = f"rows that went: {rows}" if rows else "no row of the newest snapshot was of them"
    say(f"{store}: {_many(facts.clips, 'clip')} forgotten; {went}")
    anew = f"{_many(facts.shards, 'shard')} written anew; " if facts.shards else ""
    say(f"{anew}older snapshots removed: {_numbers(facts.snapshots)}")
    for scheme, command in sorted(facts.schemes.items()):
        say(f"folds dropped: {scheme}; deal them again with: {command}")
    if facts.states:
        say(f"fitted states dropped: {_some(facts.states)}; fit them again after the split")
    for one, outcome in found.outcomes.items():
        say(f"{one.kind} {one.place}: {outcome}")
    if facts.runs:
        say(f"runs and pages on the Prefect server that name one of the ids: {facts.runs}, removed")
    if facts.shared:
        say(
            coloured(
                "yellow",
                f"{_many(facts.shared, 'clip')} of others in one file with a forgotten one: left, "
                "as is the sha256 of that file",
            )
        )
    if found.unread:
        say(
            coloured(
                "yellow",
                f"{_many(found.unread, 'refused file')} with a name that says nothing: left, since "
                "nobody has read what is in it; the next build does, and leaves out copies",
            )
        )
    if found.left:
        say(coloured("yellow", f"not affectstore's, and left: {_some(found.left)}"))
    if found.receipt:
        say(f"receipt, with what no command can reach: {found.receipt}")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _numbers(snapshots: Iterable[int]) -> str:
    numbers = sorted(snapshots)
    return f"{'snapshots' if len(numbers) != 1 else 'snapshot'} {', '.join(map(str, numbers))}"


def _some(texts: Iterable[str]) -> str:
    """The first of many."""
    every = list(texts)
    more = f" and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return f"{', '.join(every[:_MOST])}{more}"
