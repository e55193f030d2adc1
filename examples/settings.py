"""Settings: every number of a trainer that is a choice, by name, with its type. A paper's module
has one dataclass of them; `--set name=value` changes one."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from examples.not_ready import NotReady
from manifests.given_files import WrongText, parse_toml
from manifests.suggestions import did_you_mean

Settings = TypeVar("Settings")


def changed(settings: Settings, changes: Sequence[str]) -> Settings:
    """The settings with some changed: each `name=value`, the value as TOML writes it, or `none`.
    NotReady, in one sentence, for a name that there is not or a value that does not fit."""
    known: dict[str, Any] = {one.name: one for one in dataclasses.fields(settings)}  # type: ignore[arg-type]
    values: dict[str, Any] = dataclasses.asdict(settings)  # type: ignore[call-overload]
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in known:
            hint = did_you_mean(name, sorted(known))
            raise NotReady(
                f"--set {change}: expected name=value; {hint}names here: {', '.join(known)}"
            )
        values[name] = _value(name, text)
    kind: type[Settings] = type(settings)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise NotReady(
            f"--set {name}={first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}; the "
            f"value here is {getattr(settings, name)!r}"
        ) from error


def _value(name: str, text: str) -> Any:
    if text == "none":
        return None
    try:
        return parse_toml(f"value = {text}")["value"]
    except WrongText as error:
        raise NotReady(
            f"--set {name}={text}: expected a number, true, false, none, or several numbers such "
            "as [32, 64]"
        ) from error
