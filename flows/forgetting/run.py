"""`affectstore forget`: a subject or a clip is taken out of a store, for good.

    journal  ->  shards anew  ->  one snapshot without a past  ->  what was made of the store
             ->  every file that the snapshot does not list  ->  receipt  ->  no journal

Killed at any moment, the same command goes on: before the snapshot is published nothing has
changed, and after it the subject is among those that the store has forgotten.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.forgetting.clean import foreign, remove_copies, remove_files, unlisted
from flows.forgetting.plan import ForgetPlan
from flows.forgetting.receipt import (
    ForgetFacts,
    check_stays,
    hashes,
    journal_file,
    now,
    place_of_receipt,
    read_journal,
    stays,
    try_receipt,
    write_journal,
    write_receipt,
)
from flows.forgetting.rewrite import publish_without
from flows.forgetting.target import (
    CLIP,
    SUBJECT,
    ForgetError,
    ForgetTarget,
    all_snapshots,
    find_target,
)
from flows.forgetting.things import Thing, found_things, outlook, remove_things, things_of
from stores.atomic import sweep
from stores.location import Location, Place, locate
from stores.made import Made, made_things
from stores.pointer import POINTER
from stores.snapshot import Snapshot, load_snapshot

OnServer = Callable[[Location, ForgetTarget, bool], int]
"""(store, who is to be forgotten, whether to remove) -> runs and pages that name one of the ids."""


@dataclass(frozen=True)
class ForgetResult:
    """What was taken out, or would be."""

    facts: ForgetFacts
    clip_ids: tuple[str, ...]
    outcomes: dict[Thing, str]
    """What became of each thing that was made of the store."""
    left: tuple[str, ...]
    """Files in the store's folder that are not affectstore's."""
    receipt: Path | None
    """None where nothing was done: by wish, or since nothing was left to do."""
    is_done: bool
    is_over: bool = False
    """The store had forgotten it before."""
    unread: int = 0
    """Refused files that stay, since nobody knows what they hold."""


def nothing_on_a_server(location: Location, target: ForgetTarget, remove: bool) -> int:
    """What is asked of a server where none is configured.

    Args:
        location: Where the store lies.
        target: Who is to be forgotten.
        remove: Whether to remove what is found.

    Returns:
        No run.
    """
    return 0


def run_forget(
    store: Place,
    subject: str | None = None,
    clip: str | None = None,
    dry_run: bool = False,
    receipt: Path | None = None,
    on_server: OnServer = nothing_on_a_server,
) -> ForgetResult:
    """Takes a subject, or a clip, out of a store and out of what was made of it.

    Args:
        store: Folder or URL of the store.
        subject: Who is to be forgotten, `corpus/subject`, or without its corpus where that is one.
        clip: Or which clip.
        dry_run: Change nothing.
        receipt: Where the receipt is to lie, outside the store; None: beside it.
        on_server: Finds and removes runs of a Prefect server.

    Returns:
        What was taken out.

    Raises:
        ForgetError: The store knows nobody of this name, no clip would be left, or the receipt
            would lie in the store.
        NotCommitted: There is no store.
        StoreBusy: Another process is writing to the store.
    """
    if (subject is None) == (clip is None):
        raise ForgetError("name whom to forget: --subject ID, or --clip ID, and not both")
    location = locate(store)
    load_snapshot(location)  # no folder is made where there is no store
    with location.lock():
        if not dry_run:
            sweep(location.folder)
        files = sorted(location.list())
        newest, snapshots = load_snapshot(location), all_snapshots(location, files)
        kind, name = (SUBJECT, subject) if subject is not None else (CLIP, clip)
        target = find_target(location, newest, snapshots, kind, str(name))
        path = place_of_receipt(location, target, receipt)
        work = _Work(location, newest, target, snapshots, files, on_server)
        return work.look() if dry_run else work.run(path)


@dataclass(frozen=True)
class _Work:
    """One run, under the lock of the store."""

    location: Location
    newest: Snapshot
    target: ForgetTarget
    snapshots: Sequence[Snapshot]
    files: Collection[str]
    on_server: OnServer

    def look(self) -> ForgetResult:
        """Says what a run would do."""
        facts = read_journal(self.location, self.target)
        if facts is None and self._is_over:
            return self._over()
        without = self.newest.number if self._is_published else None
        facts, things = self._with_made(facts or self._facts(), self.files, without)
        return self._result(facts, outlook(things, facts.found or (), self.target), None)

    def run(self, receipt: Path) -> ForgetResult:
        """Forgets, or goes on with it."""
        facts = read_journal(self.location, self.target)
        if facts is None and self._is_over:
            return self._over()
        check_stays(receipt, made_things(self.location, self.files).values())
        try_receipt(receipt, len(self.files))
        if facts is None:
            facts, _ = self._with_made(self._facts(), self.files, None)
            write_journal(self.location, self.target, facts)
        snapshot = self.newest if self._is_published else publish_without(self._plan())
        # Also what was made since, before a run that was killed or while this one was at work.
        before = facts
        facts, things = self._with_made(before, sorted(self.location.list()), snapshot.number)
        if facts != before:
            write_journal(self.location, self.target, facts)
        outcomes, over = remove_things(things, facts.found or (), self.target)
        self.on_server(self.location, self.target, True)
        gone = {(one.kind, one.place, one.host) for one in over}
        self._clean(snapshot, [one for one in facts.made if one.key in gone])
        after = hashes(self.location, {POINTER, *stays(snapshot)}, [snapshot])
        write_receipt(receipt, facts, outcomes, after, self.target)
        self.location.remove(journal_file(self.target))
        self.location.settle([POINTER])
        return self._result(facts, outcomes, receipt)

    @property
    def _is_over(self) -> bool:
        return self.target.is_known and not self.target.clips

    def _over(self) -> ForgetResult:
        return replace(self._result(self._facts(), {}, None), is_over=True)

    @property
    def _is_published(self) -> bool:
        is_out = self.target.is_known and not self.target.is_there
        return is_out and self.newest.parent is None

    def _plan(self) -> ForgetPlan:
        return ForgetPlan(self.location, self.newest, self.target)

    def _facts(self) -> ForgetFacts:
        target, location = self.target, self.location
        plan = None if self._is_published else self._plan()
        sha256s = {clip.sha256 for clip in target.clips if clip.sha256}
        return ForgetFacts(
            kind=target.kind,
            salt=target.before.salt,
            sha256=target.sha256,
            begun=now(),
            store=str(location),
            clips=len(target.clips),
            rows=plan.removed_rows if plan else {},
            shards=len(plan.cuts) if plan else 0,
            schemes=plan.schemes if plan else {},
            states=tuple(plan.states) if plan else (),
            snapshots=tuple(one.number for one in self.snapshots),
            made=(),
            runs=self.on_server(location, target, False),
            shared=sum(plan.has_file_of(sha256s)) if plan else 0,
            before=hashes(location, self.files, self.snapshots),
        )

    def _with_made(
        self, facts: ForgetFacts, files: Collection[str], without: int | None
    ) -> tuple[ForgetFacts, list[Thing]]:
        """The facts with what the store's list has now, and the things that these are; `without`:
        the number of the snapshot that has nothing of who is forgotten any more."""
        listed = set(made_things(self.location, files).values())
        later = {one for one in listed if without is not None and one.snapshot == without}
        made = sorted({*facts.made, *(listed - later)}, key=lambda one: (one.key, one.mark))
        things = things_of(made, later)
        found = {*(facts.found or ()), *found_things(things, self.target)}
        return replace(facts, made=tuple(made), found=tuple(sorted(found))), things

    def _clean(self, snapshot: Snapshot, over: Collection[Made]) -> None:
        """Removes every file that the snapshot does not list, and what is listed no more."""
        location, listed = self.location, {POINTER, *stays(snapshot)}
        files = sorted(location.list())
        lists = made_things(location, files)
        done = [
            file for file, made in lists.items() if made in over or self.target.is_in(made.place)
        ]
        seen = [file for file in files if file == ".seen.parquet"]
        remove_files(location, [*unlisted(location, files, listed), *done, *seen])
        remove_copies(location, listed)

    def _result(
        self, facts: ForgetFacts, outcomes: dict[Thing, str], receipt: Path | None
    ) -> ForgetResult:
        clip_ids = tuple(sorted(self.target.clip_ids))
        left = tuple(foreign(self.files)) if self.location.is_local else ()
        is_done, unread = receipt is not None, self.target.unread
        return ForgetResult(facts, clip_ids, outcomes, left, receipt, is_done, unread=unread)
