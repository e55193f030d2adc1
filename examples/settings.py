"""Settings: every number of a trainer that is a choice, by name, with its type. A paper's module
has one dataclass of them; `--set name=value` changes one."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
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
            wrong = f"there is no setting {name}" if equals else "expected name=value"
            raise NotReady(f"--set {change}: {wrong}; {hint}names here: {', '.join(known)}")
        values[name] = _value(name, text)
    kind: type[Settings] = type(settings)
    try:
        found = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise NotReady(
            f"--set {name}={first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}; the "
            f"value here is {getattr(settings, name)!r}"
        ) from error
    for name in known:
        if wanted := _refused(name, dataclasses.asdict(found)):  # type: ignore[call-overload]
            raise NotReady(
                f"--set {name}={getattr(found, name)!r}: expected {wanted}; the value here is "
                f"{getattr(settings, name)!r}"
            )
    return found


_MAY_BE_0 = ("weight_decay", "consistency", "lowest_rate", "variants", "dropout", "smoothing")
_BELOW_1 = ("dropout", "smoothing", "plateau_factor", "frames_tested")
_AT_LEAST = {"batch": 2, "channels": 4}
"""Batch normalisation needs two examples; a quarter of the channels is a layer's width."""


def _refused(name: str, values: Mapping[str, Any]) -> str | None:
    """What is expected of a setting instead of its value; None where it may be that. A number is
    positive unless its name is above."""
    value = values[name]
    numbers = value if isinstance(value, tuple | list) else () if value is None else (value,)
    least = next((one for end, one in _AT_LEAST.items() if name.endswith(end)), None)
    if least is not None and min(numbers, default=least) < least:
        return f"at least {least}"
    if isinstance(value, tuple | list) and not numbers:
        return "at least one number"
    may_be_0 = name.endswith(_MAY_BE_0)
    if not all(math.isfinite(one) and (one > 0 or (may_be_0 and one == 0)) for one in numbers):
        return "no negative number" if may_be_0 else "a positive number"
    if name.endswith(_BELOW_1) and not all(one < 1 for one in numbers):
        return "a number below 1"
    if name == "heads" and (width := values.get("units", values.get("latent"))) % value:
        return f"a divisor of the width of {width}"
    return None


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
