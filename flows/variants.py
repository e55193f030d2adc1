"""Augmented variants of a recipe's features, written out as features.

    [variants.1]
    audio = { extractor = "augment_audio", pitch_semitones = 1.0 }

means: in variant 1, `audio` is replaced by its augmentation, `audio~1`, and everything that is made
from `audio` is made once more from that, as `mfcc~1`, `logmel64~1`, ... Each has the parameters of
the feature that it is a variant of, and is stored where that one is.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from extractors.augmentation import Augmentation
from extractors.base import Extractor, FromFrames, Waveform
from extractors.catalog import EXTRACTORS
from extractors.frames import Frames
from manifests.suggestions import did_you_mean
from manifests.variant_names import MARK, variant_name

Table = Mapping[str, Any]
"""`extractor`, `store` and the extractor's parameters, as the recipe has them."""
_OURS = ("input", "variant", "store")
"""Keys of an augmentation that follow from where it stands."""


class VariantError(ValueError):
    """The variants do not fit the features; the message names the table, what was found and what
    was expected."""


def expand(features: Mapping[str, Table], variants: Mapping[str, Table]) -> dict[str, Any]:
    """Writes the variants of a recipe out as features.

    Args:
        features: The [features.NAME] tables. What is wrong with them is left to their parser.
        variants: The [variants.N] tables.

    Returns:
        All features, those of the variants last.

    Raises:
        VariantError: The variants' tables are wrong.
    """
    plain: dict[str, Any] = {
        name: dict(table) if isinstance(table, Mapping) else table
        for name, table in features.items()
    }
    needs = {name: _needs(table) for name, table in plain.items()}
    made: dict[str, dict[str, Any]] = {}
    for number, table in variants.items():
        made |= _variant(plain, needs, _whole(number), table)
    if taken := sorted(plain.keys() & made.keys()):
        raise VariantError(
            f"features.{taken[0]} has the name that a variant gives to what it makes; choose a "
            f"name without `{MARK}`"
        )
    return plain | made


def is_stored(table: Table) -> bool:
    """Whether a feature ends in the store.

    Args:
        table: Its [features.NAME] table.

    Returns:
        What its key `store` says; without one, False for sound and whole frames, which are made
        only for what needs them.
    """
    kind = _kind(table)
    return bool(table.get("store", kind is None or not issubclass(kind, Waveform | Frames)))


def _whole(number: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise VariantError(
            f"variants.{number} is not the number of a variant, expected a whole number from 1, "
            "such as [variants.1]"
        )
    return int(number)


def _variant(
    features: Mapping[str, dict[str, Any]],
    needs: Mapping[str, Mapping[str, str]],
    number: int,
    table: Any,
) -> dict[str, dict[str, Any]]:
    if not isinstance(table, Mapping) or not table:
        raise VariantError(
            f"variants.{number} augments nothing; name a feature in it, such as audio = {{ "
            f'extractor = "augment_audio" }}'
        )
    for name, change in table.items():
        _check_change(features, f"variants.{number}.{name}", name, change)
    followers = _followers(needs, set(table))
    for name in followers:
        _check_follower(features[name], f"variants.{number}", name, table, needs[name])
    made = {
        name: {**change, "input": name, "variant": number, "store": is_stored(features[name])}
        for name, change in table.items()
    }
    for name in followers:
        renamed = {
            role: variant_name(need, number)
            for role, need in needs[name].items()
            if need in table or need in followers
        }
        made[name] = {**features[name], **renamed, "store": is_stored(features[name])}
    return {variant_name(name, number): again for name, again in made.items()}


def _check_change(features: Mapping[str, Table], where: str, name: str, change: Any) -> None:
    if name not in features:
        hint = did_you_mean(name, features)
        raise VariantError(
            f"{where}: the recipe has no feature {name}; {hint}there are {', '.join(features)}"
        )
    kind = _kind(change)
    if kind is None or not issubclass(kind, Augmentation):
        known = ", ".join(
            name for name, kind in EXTRACTORS.items() if issubclass(kind, Augmentation)
        )
        raise VariantError(
            f"{where} is {change!r}, expected a table with an extractor that augments, one of "
            f"{known}"
        )
    if given := [key for key in _OURS if key in change]:
        raise VariantError(
            f"{where}.{given[0]} follows from the feature {name} and the number of the variant; "
            "leave it out"
        )
    keys = {field.name for field in dataclasses.fields(kind)} - set(_OURS)
    if unknown := sorted(set(change) - keys - {"extractor"}):
        hint = did_you_mean(unknown[0], sorted(keys))
        raise VariantError(
            f"unknown key {where}.{unknown[0]}; {hint}known here: {', '.join(sorted(keys))}"
        )


def _check_follower(
    feature: Table, where: str, name: str, table: Table, needs: Mapping[str, str]
) -> None:
    if name in table:
        raise VariantError(
            f"{where} augments {name} and also what {name} is made from; augment one of them"
        )
    if issubclass(EXTRACTORS[feature["extractor"]], FromFrames):
        made_from = ", ".join(needs.values())
        raise VariantError(
            f"{where}: {name} is made from {made_from} as they are decoded, which an augmentation "
            "comes too late for; "
            f"augment {name}, or give the pictures that are augmented a feature of their own"
        )


def _followers(needs: Mapping[str, Mapping[str, str]], names: set[str]) -> tuple[str, ...]:
    """All that is made from these features, directly or not."""
    found: set[str] = set()
    while more := {
        name
        for name, inputs in needs.items()
        if name not in found and (names | found) & set(inputs.values())
    }:
        found |= more
    return tuple(name for name in needs if name in found)


def _kind(table: Any) -> type[Extractor] | None:
    return EXTRACTORS.get(str(table.get("extractor"))) if isinstance(table, Mapping) else None


def _needs(table: Any) -> Mapping[str, str]:
    """Key of the table -> the feature that it names as an input. None for a table that its
    extractor refuses, which its parser will say."""
    kind = _kind(table)
    if kind is None:
        return {}
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{key: value for key, value in table.items() if key in known}).needs
    except (TypeError, ValueError):
        return {}
