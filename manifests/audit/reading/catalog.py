"""Every form of a list that is read: one file, and one line here."""

from collections.abc import Callable, Mapping

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.arrow_files import read_arrow, read_parquet
from manifests.audit.reading.delimited import read_delimited
from manifests.audit.reading.json_files import read_json, read_json_lines
from manifests.audit.reading.kaldi import KALDI, read_kaldi
from manifests.audit.reading.numpy_files import read_npy, read_npz
from manifests.audit.reading.python_files import read_python
from manifests.audit.reading.raw import RawTable
from manifests.audit.reading.sheets import read_sheets
from manifests.audit.reading.sources import SourceFile

Reader = Callable[[SourceFile], list[RawTable]]

FORMS: Mapping[str, Reader] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".lst", ".list", ".id", ".ids"), read_delimited),
    **dict.fromkeys((".scp", ".flist", ".tab", ".dat"), read_delimited),
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    ".json": read_json,
    ".parquet": read_parquet,
    **dict.fromkeys((".arrow", ".feather", ".ipc"), read_arrow),
    **dict.fromkeys((".xlsx", ".xlsm"), read_sheets),
    ".npz": read_npz,
    ".npy": read_npy,
    ".py": read_python,
}
"""Suffix -> what reads it."""

SUFFIXES = (*FORMS, ".zip")

_BEGINNINGS: Mapping[bytes, Reader] = {
    b"PAR1": read_parquet,
    b"ARROW1": read_arrow,
    b"\x93NUMPY": read_npy,
    b"{": read_json,
    b"[": read_json,
}
"""First bytes of a file whose suffix says nothing -> what reads it."""
_REFUSED = {
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".joblib"), "pickled objects"),
    **dict.fromkeys((".mat", ".h5", ".hdf5", ".rds", ".rda"), "arrays of another program"),
    **dict.fromkeys((".xls", ".ods", ".numbers"), "a workbook of another form"),
    **dict.fromkeys((".rar", ".7z", ".gz", ".tar", ".tgz", ".bz2", ".xz"), "a packed archive"),
    **dict.fromkeys((".wav", ".mp4", ".avi", ".flac", ".mp3"), "a recording"),
    **dict.fromkeys((".pdf", ".docx", ".doc", ".html"), "a page for people"),
}


def read_file_of(source: SourceFile) -> list[RawTable]:
    """Reads all tables of one file.

    Args:
        source: The file.

    Returns:
        Its tables.

    Raises:
        WrongForeignTable: It is of no form that is read, or broken.
    """
    if source.path.name in KALDI:
        return read_kaldi(source)
    if source.suffix in FORMS:
        return FORMS[source.suffix](source)
    if source.suffix in _REFUSED:
        raise WrongForeignTable(
            f"{source.path}: a {source.suffix} file holds {_REFUSED[source.suffix]}, and is not "
            f"opened; save the list as CSV, or give one of {', '.join(SUFFIXES)}"
        )
    begins = source.read()[:16].lstrip()
    reader = next((one for sign, one in _BEGINNINGS.items() if begins.startswith(sign)), None)
    return (reader or read_delimited)(source)
