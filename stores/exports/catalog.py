"""All formats by the name that a user types. A format is one file and one line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stores.exports import (
    audformat,
    croissant,
    csv_tables,
    huggingface,
    lhotse,
    npy_files,
    numpy_maps,
    webdataset,
)
from stores.exports.card import Export
from stores.exports.target import ExportFile


@dataclass(frozen=True)
class Format:
    """One form of files that other tools read."""

    about: str
    files: Callable[[Export], Iterator[ExportFile]]
    """Lists the files, each of which is written when it is its turn."""
    has_features: bool = True
    """False: it holds the tables alone."""


FORMATS: dict[str, Format] = {
    "huggingface": Format("Parquet files and a card, for `datasets`", huggingface.files),
    "webdataset": Format("tar files, for WebDataset", webdataset.files),
    "numpy": Format("three large NumPy files a feature, for memory maps", numpy_maps.files),
    "npy": Format("a NumPy file for each feature of each clip", npy_files.files),
    "lhotse": Format("cut manifests and NumPy files, for lhotse", lhotse.files),
    "audformat": Format("a database of tables, for audformat", audformat.files),
    "csv": Format("the tables as CSV: clips, labels, folds; no features", csv_tables.files, False),
    "croissant": Format("Parquet files described in Croissant 1.1", croissant.files),
}
