"""An export: what was chosen of a store, in the form of another tool, with its terms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.exporting.licences import check_sharing, own_licence, terms_of
from flows.workers.progress import ProgressBar
from manifests.choice import Choice
from manifests.clips import CLIPS
from manifests.labels import LABELS
from manifests.suggestions import did_you_mean
from stores import FeatureStore
from stores.choosing import chosen_ids
from stores.exports.catalog import FORMATS
from stores.exports.source import Request, Source, WrongExport
from stores.exports.write import count_files, write_export
from stores.location import Place, is_inside, locate
from stores.snapshot import read_table


@dataclass(frozen=True)
class ExportResult:
    """What an export holds."""

    clips: int
    features: tuple[str, ...]
    files: int
    bytes: int


def run_export(
    store: Place,
    name: str,
    out: str,
    request: Request,
    where: Sequence[str] = (),
    licence: str | None = None,
    may_share: bool = False,
) -> ExportResult:
    """Exports what was chosen of a store, or goes on where that was interrupted.

    Args:
        store: Folder or URL of the store.
        name: A format, of `stores.exports.catalog`.
        out: A folder that is not there, or a URL where nothing lies.
        request: What is wanted.
        where: Conditions on the clips, such as `channel=speech`.
        licence: The terms of the user's own clips, the corpus `folder`.
        may_share: The user says to have the right to share what a corpus's terms withhold; this is
            recorded.

    Returns:
        What was written.

    Raises:
        WrongExport: There is no such format, OUT is there, or the format cannot hold a feature.
        WithheldError: A corpus's terms do not let it be passed on.
        WrongChoice: A condition names what there is not, or leaves no clip.
        NotInStore: A feature, split scheme, fold or role is unknown.
    """
    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS)
        raise WrongExport(f"there is no format {name!r}; {hint}there are {', '.join(FORMATS)}")
    opened, choice = FeatureStore(store), Choice.of(tuple(where))
    if choice:
        clips, labels = (
            read_table(opened.location, opened.snapshot, table) for table in (CLIPS, LABELS)
        )
        request = replace(request, clip_ids=frozenset(chosen_ids(clips, labels, choice)))
    target = locate(out)
    if target.is_local and is_inside(opened.location, target.folder):
        raise WrongExport(f"{out} lies in the store itself; name a folder outside {store}")
    source = Source(opened, request)
    licence = own_licence(source, licence)
    features = source.specs if FORMATS[name].has_features else {}
    if not may_share:
        check_sharing(source.corpora, features, licence)
    terms = terms_of(source.corpora, licence)
    if may_share:
        terms["right to share"] = "whoever made this export said to have it."
    with ProgressBar("exporting", count_files(source, name, terms), "files") as progress:
        written = write_export(source, name, out, terms, lambda file: progress.advance(1))
    return ExportResult(len(source.clips), tuple(features), len(written), sum(written.values()))
