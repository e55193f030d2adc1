"""JSON Schemas of what programs read: `audit --json`, and the two JSON files of a store.

Those of a store are derived from the records that the reader parses the files by, so that both say
the same. That of the audit is written here by hand.
"""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from manifests.audit import Answer
from manifests.audits import Severity
from stores.pointer import FORMAT_VERSION
from stores.snapshot import Snapshot

Schema = dict[str, Any]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = {bool: "boolean", int: "integer", str: "string", float: "number"}
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": "number"}


def of_record(kind: type[Any]) -> Schema:
    """The schema of a dataclass, as `stores.parsing` reads it: every field and no other; one whose
    default is None may be left out."""
    hints, said = typing.get_type_hints(kind), _said(kind)
    fields = dataclasses.fields(kind)
    properties = {
        field.name: {
            **_of_type(hints[field.name]),
            **({"description": said[field.name]} if field.name in said else {}),
        }
        for field in fields
    }
    required = [field.name for field in fields if field.default is not None]
    return _object(properties, required)


def _of_type(kind: Any) -> Schema:
    if dataclasses.is_dataclass(kind):
        return of_record(typing.cast(type[Any], kind))
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _of_type(arguments[0])}
    if typing.get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _of_type(arguments[1])}
    if typing.get_origin(kind) is types.UnionType and len(arguments) == 2:
        return {"anyOf": [_of_type(arguments[0]), {"type": "null"}]}
    return {}  # Json: anything


def _said(kind: type[Any]) -> dict[str, str]:
    """Field -> the string that stands under it in the code."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    lines = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in pairwise(lines)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _object(properties: Schema, required: Sequence[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }


def _array(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _one_of(words: Sequence[str]) -> Schema:
    return {"enum": list(words)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _about(schema: Schema, words: str) -> Schema:
    return {**schema, "description": words}


def _pointer() -> Schema:
    hashes = {"type": "object", "additionalProperties": {"type": "string"}}
    return _object(
        {
            "format_version": _about(
                {"type": "integer", "minimum": 1, "maximum": FORMAT_VERSION},
                "Of the layout; a reader refuses one that is newer than it knows.",
            ),
            "snapshot": _about({"type": "integer", "minimum": 1}, "Number of the newest snapshot."),
            "sha256": _about(
                hashes, "Path of a snapshot's file -> its sha256. Stores of old versions have none."
            ),
            "oldest": _about(
                {"type": "integer", "minimum": 2},
                "Number of the oldest snapshot that was kept; left out where none was removed.",
            ),
        },
        ["format_version", "snapshot"],
    )


def _audit() -> Schema:
    sides = _object({"train": _COUNT, "valid": _COUNT, "test": _COUNT})
    answers = _one_of([answer.value for answer in Answer])
    finding = _object(
        {
            "rule": _about({"type": "string", "pattern": "^L[0-9]+$"}, "See the page of rules."),
            "severity": _one_of([severity.value for severity in Severity]),
            "scheme": _TEXT,
            "fold": _about(_or_null(_COUNT), "null: it holds for every fold, or is of none."),
            "what": _about(_TEXT, "What is counted, such as subjects."),
            "count": _COUNT,
            "example_ids": _about(_TEXTS, "Some of what was counted."),
            "detail": _about(_TEXT, "The finding in a sentence."),
            "judged": _about(_or_null(sides), "Rows of each side that the rule could judge."),
            "unjudged": _about(_or_null(sides), "Rows of each side that it could not."),
        }
    )
    return _object(
        {
            "verdict": _about(answers, "The gravest of the verdicts."),
            "why": _TEXT,
            "verdicts": _array(_object({"verdict": answers, "scheme": _TEXT, "why": _TEXT})),
            "source": _about(_TEXT, "What was audited."),
            "read_as": _about(_TEXT, "How a published list was read; empty for others."),
            "corpora": _TEXTS,
            "folds": _COUNT,
            "failed": _about({"type": "boolean"}, "The split leaks, or the counts are impossible."),
            "findings": _about(_array(finding), "The gravest first."),
            "notes": _TEXTS,
            "probe": _about(_probe(), "With --probe alone."),
        },
        [
            *("verdict", "why", "verdicts", "source", "read_as", "corpora", "folds", "failed"),
            *("findings", "notes"),
        ],
    )


def _probe() -> Schema:
    measured = _object(dict.fromkeys(("value", "low", "high"), _SHARE))
    compared = _object(dict.fromkeys(("leaking", "disjoint", "inflation_points"), measured))
    return _object(
        {
            "features": _TEXTS,
            "labels": _TEXT,
            "classes": _TEXTS,
            "scheme": _TEXT,
            "scheme_is_stored": {"type": "boolean"},
            "folds": _COUNT,
            "clips": _COUNT,
            "clusters": _about(_COUNT, "Subjects, or groups that cannot be parted."),
            "seed": _COUNT,
            "interval": _about(_TEXT, "How `low` and `high` were found."),
            "accuracy": compared,
            "balanced_accuracy": compared,
        }
    )


def _titled(title: str, schema: Schema) -> Schema:
    return {"$schema": _DRAFT, "title": title, **schema}


SCHEMAS: dict[str, Schema] = {
    "audit.schema.json": _titled("What `affectstore audit --json` prints", _audit()),
    "dataset.schema.json": _titled("STORE/dataset.json", _pointer()),
    "snapshot.schema.json": _titled("STORE/snapshots/NNNNNN.json", of_record(Snapshot)),
}
"""File in docs/schemas -> its schema."""
