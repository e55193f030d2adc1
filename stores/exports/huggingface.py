"""`huggingface`: Parquet files with typed columns and a dataset card, for the library `datasets`.

README.md                                card: its head names the files of each split
data/train-00000-of-00002.parquet ...    a row a clip; see `parquet.columns`
"""

import json
from collections.abc import Iterator

from stores.exports.card import Export, readme
from stores.exports.parquet import parquet_files
from stores.exports.source import Source
from stores.exports.target import ExportFile

_SPLITS = {"train": "train", "valid": "validation", "test": "test", "full": "full"}


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        The Parquet files, then the card.

    Raises:
        WrongExport: A feature has more dimensions than `datasets` reads.
    """
    source = export.source
    yield from parquet_files(source)
    reading = (
        "from datasets import load_dataset\n\n"
        f'data = load_dataset("OUT", split="{_SPLITS[next(iter(source.parts))]}")'
    )
    yield readme(export, reading, head=f"---\n{_head(source)}\n---\n\n")


def _head(source: Source) -> str:
    """The head of the card: JSON, which is YAML as well."""
    files = [{"split": _SPLITS[part], "path": f"data/{part}-*.parquet"} for part in source.parts]
    return json.dumps(
        {
            "license": "other",
            "license_name": "see-terms",
            "tags": ["emotion recognition", "affectstore", *source.corpora],
            "configs": [{"config_name": "default", "data_files": files}],
        },
        indent=1,
    )
