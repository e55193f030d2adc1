"""A store's content without somebody: shards written anew, and one snapshot without a past."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from flows.auditing.store import StoreContent, audit_store
from flows.forgetting.plan import ForgetPlan, ShardCut
from flows.workers.pool import cores
from manifests.audits import AUDITS
from manifests.features import INDEX, IndexRow
from manifests.quarantine import BadClip
from stores.location import Location
from stores.paths import key_of
from stores.publish import publish
from stores.records import ShardRecord, StoredFeature
from stores.shard import Shard, open_shard
from stores.shard_writer import ShardWriter
from stores.snapshot import Snapshot
from stores.uploads import finished_record


def publish_without(plan: ForgetPlan) -> Snapshot:
    """Publishes what is left, and ends the store's history there.

    Args:
        plan: What stays.

    Returns:
        The new snapshot.
    """
    location, before = plan.location, plan.snapshot
    with ThreadPoolExecutor(cores()) as threads:  # which read, hash and write; no Python in between
        made = list(threads.map(lambda cut: _cut_shard(plan, cut), plan.cuts))
    new = {cut.record.file: record for cut, record in zip(plan.cuts, made, strict=True)}
    tables = {**plan.tables, "index": INDEX.build(_moved(plan, new))}
    features = _features(plan, new)
    fitted = {
        name: replace(entry, states=plan.fitted[name]) for name, entry in before.fitted.items()
    }
    found = audit_store(StoreContent(location, tables, features, fitted))
    return publish(
        location,
        parent=before,
        recipe=plan.recipe,
        tables={**tables, "audits": AUDITS.build(found)},
        features=features,
        fitted=fitted,
        versions=before.versions,
        schemes={name: made for name, made in before.schemes.items() if name not in plan.schemes},
        listed=plan.listed,
        forgotten=plan.target.forgotten,
        ends_history=True,
    )


def _cut_shard(plan: ForgetPlan, cut: ShardCut) -> ShardRecord:
    """Writes what stays of a shard, bit for bit; one that a killed run has finished is taken."""
    location, spec = plan.location, plan.snapshot.features[cut.feature].spec
    folder, _, name = cut.record.file.rpartition("/")
    key = key_of({"of": name.removesuffix(".h5"), "clips": list(cut.kept)})
    file = f"{folder}/{key}.h5"
    if location.exists(file):
        return finished_record(location, file)
    shard = open_shard(location, spec, cut.record)
    with ShardWriter(location, file, spec) as writer:
        for clip_id in cut.kept:
            outcome = shard.outcome(clip_id)
            if isinstance(outcome, BadClip):
                detail = plan.target.scrub(outcome.detail)
                writer.refuse(BadClip(clip_id, outcome.reason, detail))
            else:
                writer.add(clip_id, outcome)
    return writer.record if location.upload(writer.record) else finished_record(location, file)


def _moved(plan: ForgetPlan, new: Mapping[str, ShardRecord]) -> list[IndexRow]:
    """The rows of the index that stay, by where they lie now."""
    starts = {old: _starts(plan.location, record) for old, record in new.items()}

    def move(row: IndexRow) -> IndexRow:
        if row.shard is None or row.shard not in new:
            return row
        return replace(row, shard=new[row.shard].file, start=starts[row.shard][row.clip_id])

    return [*map(move, plan.rows)]


def _starts(location: Location, record: ShardRecord) -> dict[str, int]:
    return {one.clip_id: one.start for one in Shard(location, record.file).entries}


def _features(plan: ForgetPlan, new: Mapping[str, ShardRecord]) -> dict[str, StoredFeature]:
    """Each feature with the shards that rows which stay lie in."""
    used = plan.used
    return {
        name: StoredFeature(
            feature.spec,
            tuple(new.get(one.file, one) for one in feature.shards if one.file in used),
        )
        for name, feature in plan.snapshot.features.items()
    }
