"""`croissant`: Parquet files described by JSON-LD of the Croissant format 1.1, with its fields for
responsible use (RAI 1.0): https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.

    croissant.json                    each part of the split is a record set
    data/train-00000-of-00002.parquet ...
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from stores.exports.card import Export, readme
from stores.exports.parquet import columns, label_schemes, parquet_files
from stores.exports.source import Source
from stores.exports.target import ExportFile

_VERSION = "http://mlcommons.org/croissant/1.1"
_RAI = "http://mlcommons.org/croissant/RAI/1.0"
_PARQUET = "application/x-parquet"
_URL = "https://www.iana.org/help/example-domains"
"""A dataset that nobody has published has no address of its own, and the format demands one."""
_SPLITS = {
    "train": "cr:TrainingSplit",
    "valid": "cr:ValidationSplit",
    "test": "cr:TestSplit",
    "full": "sc:Dataset",
}
_READING = """import mlcroissant

data = mlcroissant.Dataset("OUT/croissant.json")
first = next(iter(data.records("PART")))"""
_DTYPES = {
    "string": "sc:Text",
    "bool": "sc:Boolean",
    "int64": "sc:Integer",
    "double": "sc:Float",
    "float": "sc:Float",
    "halffloat": "sc:Float",
}
_TERMS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isArray arrayShape isLiveDataset jsonPath key md5 parentField path recordSet "
    "references regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {term: f"cr:{term}" for term in _TERMS.split()}


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        The Parquet files, then their description.

    Raises:
        WrongExport: A feature has more dimensions than the readers of the files know.
    """
    yield from parquet_files(export.source)

    def write(path: Path) -> None:
        path.write_bytes(json.dumps(_description(export), indent=1).encode())

    yield ExportFile("croissant.json", write)
    yield readme(export, _READING)


def _description(export: Export) -> dict[str, Any]:
    source = export.source
    terms = " ".join(f"{corpus}: {words}" for corpus, words in export.terms.items())
    about = (
        f"Features of {len(source.clips)} clips of {', '.join(source.corpora)}, from snapshot "
        f"{source.store.snapshot.number} of a store of affectstore."
    )
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": f"affectstore-{'-'.join(source.corpora)}",
        "description": about,
        "conformsTo": [_VERSION, _RAI],
        "license": terms,
        "url": _URL,
        "citeAs": f"The publications of {', '.join(source.corpora)}.",
        "version": f"{source.store.snapshot.number}.0.0",
        **_responsible(source, terms),
        "distribution": [*_files(export)],
        "recordSet": [_parts(source), *(_records(source, part) for part in source.parts)],
    }


def _responsible(source: Source, terms: str) -> dict[str, str]:
    """The fields of RAI 1.0 that the store knows the answer to."""
    extractors = ", ".join(
        f"{name}: {spec.extractor} {spec.version} {spec.params}"
        for name, spec in source.specs.items()
    )
    schemes = ", ".join(label_schemes(source)) or "none"
    return {
        "rai:dataCollection": f"Clips of {', '.join(source.corpora)}, as published.",
        "rai:dataPreprocessingProtocol": f"Decoded once by affectstore; {extractors}.",
        "rai:dataAnnotationProtocol": f"Labels as the corpora publish them, by scheme: {schemes}.",
        "rai:dataCollectionMissingData": "Where a clip has no track of a feature, its three "
        "columns are empty; where nothing was measured, such as a frame without a face, NAME.valid "
        "is false.",
        "rai:dataLimitations": "Acted and posed emotions differ from felt ones. Clips of one "
        "person must stay on one side of a split: subject_id and group_id say whose they are.",
        "rai:dataBiases": "The people, languages and cultures are those of the corpora alone.",
        "rai:personalSensitiveInformation": "Faces and voices are biometric data, and the features "
        "are derived from them; a person may ask to be taken out.",
        "rai:dataUseCases": "Research on emotion recognition, under the terms of the corpora. "
        f"{terms}",
    }


def _files(export: Export) -> Iterator[dict[str, Any]]:
    """The Parquet files with their hashes, then a set of them for each part."""
    for name, written in sorted(export.written.items()):
        if name.startswith("data/"):
            yield {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{written.bytes} B",
                "encodingFormat": _PARQUET,
                "sha256": written.sha256,
            }
    for part in export.source.parts:
        yield {
            "@type": "cr:FileSet",
            "@id": f"files-{part}",
            "name": f"files-{part}",
            "encodingFormat": _PARQUET,
            "includes": f"data/{part}-*.parquet",
        }


def _parts(source: Source) -> dict[str, Any]:
    """The names of the parts, each with what Croissant calls it."""
    return {
        "@type": "cr:RecordSet",
        "@id": "parts",
        "name": "parts",
        "dataType": "cr:Split",
        "key": {"@id": "parts/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"parts/{name}", "name": name, "dataType": kind}
            for name, kind in (("name", "sc:Text"), ("url", "sc:URL"))
        ],
        "data": [{"parts/name": part, "parts/url": _SPLITS[part]} for part in source.parts],
    }


def _records(source: Source, part: str) -> dict[str, Any]:
    fields = []
    for name, (kind, _) in columns(source).items():
        shape = []
        leaf = kind
        while pa.types.is_list(leaf):
            shape.append(-1)
            leaf = leaf.value_type
        if pa.types.is_struct(leaf):
            continue  # labels and pictures: a reader of Croissant takes no list of records
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{part}/{name}",
            "name": name,
            "source": {"fileSet": {"@id": f"files-{part}"}, "extract": {"column": name}},
        }
        if shape:
            sizes = source.specs[name].shape if name in source.specs else ()
            shape[1:] = sizes
            field |= {"isArray": True, "arrayShape": ",".join(map(str, shape))}
        fields.append(
            field
            | {
                "dataType": "sc:ImageObject"
                if pa.types.is_struct(leaf)
                else _DTYPES.get(str(leaf), "sc:Integer")
            }
        )
    return {
        "@type": "cr:RecordSet",
        "@id": part,
        "name": part,
        "description": f"The clips of the part {part}, one a record.",
        "key": {"@id": f"{part}/clip_id"},
        "field": fields,
    }
