"""Writes an export: the files of a format, one after the other."""

from collections.abc import Callable, Mapping

from manifests.features import Json
from stores.exports.card import Export
from stores.exports.catalog import FORMATS
from stores.exports.source import Source
from stores.exports.target import target_of
from stores.location import Place
from stores.made import EXPORT, note_made
from stores.paths import key_of


def count_files(source: Source, name: str, terms: Mapping[str, str]) -> int:
    """Counts the files of an export; none is written.

    Args:
        source: What is exported.
        name: One of FORMATS.
        terms: Corpus -> its terms, in a sentence.

    Returns:
        Files, but for `export.json`.

    Raises:
        WrongExport: The format cannot hold a feature.
    """
    return sum(1 for _ in FORMATS[name].files(Export(source, terms, {})))


def write_export(
    source: Source,
    name: str,
    out: Place,
    terms: Mapping[str, str],
    progress: Callable[[str], None] = lambda file: None,
) -> Mapping[str, int]:
    """Writes what was chosen of a store in one format, or goes on where that was interrupted.

    Args:
        source: What is exported.
        name: One of FORMATS.
        out: A folder that is not there, or a URL where nothing lies.
        terms: Corpus -> its terms, in a sentence; they go along.
        progress: Told of every file that is there.

    Returns:
        File -> bytes, of all files.

    Raises:
        WrongExport: OUT is there, or the format cannot hold a feature.
        OSError: The disk fails, or is full; the same call goes on.
    """
    export_format = FORMATS[name]
    count_files(source, name, terms)  # what the format refuses is said before a folder is made
    described: Json = {"format": name, "terms": dict[str, Json](terms), **source.described()}
    target = target_of(out, described)
    store = source.store
    note_made(store.location, EXPORT, out, key_of(described), store.snapshot.number)
    for piece in export_format.files(Export(source, terms, target.written)):
        target.add(piece)
        progress(piece.file)
    target.finish()
    return {file: one.bytes for file, one in target.written.items()}
