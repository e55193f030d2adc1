"""Recipes: which features to make, and how, as one TOML file.

A recipe is parsed once, at the door, and refused whole when a key is unknown or a value has the
wrong type. What comes out is frozen. Its resolved form, every default written out, is stored in the
snapshot.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.functional_validators import BeforeValidator, field_validator, model_validator

from extractors.base import Extractor, FromFrames, Waveform
from extractors.catalog import EXTRACTORS
from extractors.fitted.base import Fitter
from extractors.fitted.catalog import FITTERS
from extractors.frames import Frames
from extractors.media import Limits
from extractors.plan import Graph, Media, PlanError
from flows.shipped import recipes
from flows.variants import expand
from manifests.choice import EVERY_CLIP, Choice
from manifests.features import FeatureSpec, Json
from manifests.given_files import MOST_TOML_BYTES, WrongText, parse_toml, read_file
from manifests.suggestions import did_you_mean
from manifests.variant_names import MARK
from stores.records import check_spec

Kind = TypeVar("Kind", bound=Extractor)


class RecipeError(ValueError):
    """The recipe cannot be used; the message names the key, what was found and what was
    expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MediaTable(_Strict):
    """`[media]`: how clips are decoded and what is refused. It changes no number."""

    decoder: Literal["pyav", "ffmpeg"] = "pyav"
    max_pixels: int = Field(default=Limits.max_pixels, gt=0, le=1 << 31)
    max_duration_s: float = Field(default=Limits.max_duration_s, gt=0, le=1e6)
    timeout_s: float = Field(default=Limits.timeout_s, gt=0, le=1e6)
    max_memory_mb: int = Field(default=Limits.max_memory_mb, gt=0, le=10_000_000)
    strict: bool = False
    """True: damage in the picture costs a clip its sound as well, and the other way round."""
    keep_damaged: bool = False
    """True: of a damaged clip that is stored which can be decoded, and the index notes it."""

    @model_validator(mode="after")
    def _choose(self) -> Self:
        if self.strict and self.keep_damaged:
            raise ValueError(
                "media.strict and media.keep_damaged are both true: one refuses what the other "
                "keeps; leave one out"
            )
        return self


class EncodeTable(_Strict):
    """`[encode]`: where networks run. It changes no number beyond 1e-5 relative."""

    engine: Literal["auto", "torch", "openvino"] = "auto"
    batch: int | None = Field(default=None, gt=0)
    """Images collected for one pass on a GPU; None: what suits the device."""


class Feature(_Strict):
    """`[features.NAME]`: one extractor and its parameters."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    extractor: Extractor
    store: bool
    """False: made only for the features that need it, and never written."""


class Recipe(_Strict):
    """Which features to make of each clip, and how; frozen, and checked to the last key."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    about: str = ""
    source: str = ""
    open_points: tuple[str, ...] = ()
    """What the source leaves open or contradicts, and what was chosen here."""
    clips_per_shard: int = Field(default=32, gt=0)
    max_bad_fraction: float = Field(default=0.1, ge=0, le=1)
    """A build in which a larger share of the clips is damaged publishes nothing."""
    ignore_known_issues: tuple[str, ...] = ()
    """Corpora or clip ids whose entries in the registry of known-bad files do not count: these
    clips are measured all the same."""
    clips: Annotated[Choice, BeforeValidator(Choice.of)] = EVERY_CLIP
    """`[clips]`: of which clips; see `manifests.choice`."""
    media: MediaTable = MediaTable()
    encode: EncodeTable = EncodeTable()
    features: dict[str, Feature]
    fitted: dict[str, Fitter] = {}
    """`[fitted.NAME]`: what is learned from the training clips of each fold, once there are folds;
    see `flows.fitting.plan`."""

    @field_validator("open_points", "ignore_known_issues", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("features", mode="before")
    @classmethod
    def _build_features(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not value:
            raise ValueError("a recipe needs at least one [features.NAME] table")
        return {
            name: table if isinstance(table, Feature) else _feature(name, table, value)
            for name, table in value.items()
        }

    @field_validator("fitted", mode="before")
    @classmethod
    def _build_fitted(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"fitted is {value!r}, expected tables [fitted.NAME]")
        return {
            name: table if isinstance(table, Fitter) else _fitter(name, table, value)
            for name, table in value.items()
        }

    @cached_property
    def graph(self) -> Graph:
        return Graph({name: feature.extractor for name, feature in self.features.items()})

    @cached_property
    def fitted_graph(self) -> Graph:
        """The features and what is fitted on them, by name."""
        return Graph({**self.graph.extractors, **self.fitted})

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the features that end in the store, every input before what needs it."""
        return tuple(name for name in self.graph.order if self.features[name].store)

    @property
    def decoding(self) -> Media:
        table = self.media.model_dump()
        decoder, strict = table.pop("decoder"), table.pop("strict")
        return Media(decoder, Limits(**table), strict)

    def resolved(self) -> dict[str, Json]:
        """The recipe with every default written out; `parse` gives the same recipe again."""
        made = {"features", "fitted", "clips"}
        plain: dict[str, Json] = self.model_dump(mode="json", exclude=made)
        plain |= {"clips": list(self.clips.texts)} if self.clips else {}  # without: as of old
        plain["features"] = {
            name: {
                "extractor": feature.extractor.name,
                "store": feature.store,
                **feature.extractor.params(),
            }
            for name, feature in self.features.items()
        }
        plain["fitted"] = {
            name: {"fitter": fitter.name, **fitter.params()} for name, fitter in self.fitted.items()
        }
        return plain


def descriptions() -> dict[str, str]:
    """What each shipped recipe makes, by its own words.

    Returns:
        Name -> its `about`; an empty text where it has none.
    """
    tables = {name: tomllib.loads(path.read_text("utf-8")) for name, path in recipes().items()}
    return {name: str(table.get("about", "")) for name, table in tables.items()}


def load(name_or_file: str, changes: tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe.

    Args:
        name_or_file: The name of a shipped recipe, or a TOML file.
        changes: Changes to it, each key.path=value, in their order.

    Returns:
        The recipe.

    Raises:
        RecipeError: There is no such recipe, or something in it is wrong.
    """
    known = recipes()
    path = known.get(name_or_file, Path(name_or_file))
    try:
        text = read_file(path, MOST_TOML_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = did_you_mean(name_or_file, known)
        raise RecipeError(
            f"there is no recipe {name_or_file!r}: {hint}give one of {', '.join(known)}, or the "
            "path of a TOML file"
        ) from error
    except OSError as error:
        raise RecipeError(
            f"the recipe {path} cannot be read ({error.strerror}); give one of {', '.join(known)}, "
            "or the path of a TOML file"
        ) from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
    try:
        table = parse_toml(text)
    except WrongText as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
    for change in changes:
        _apply(table, change)
    table.setdefault("name", path.stem)
    return parse(table, where=path.name)


def parse(table: Mapping[str, Any], where: str) -> Recipe:
    """Makes a recipe of plain values: every need is met, every stored feature can be stored.

    Args:
        table: As TOML or a snapshot has it.
        where: What messages name it by.

    Returns:
        The recipe.

    Raises:
        RecipeError: Something in it is wrong.
    """
    try:
        recipe = Recipe.model_validate(_expanded(table))
        _check_storable(recipe)
        _check_fitted(recipe)
    except ValidationError as error:
        raise RecipeError(f"{where}: {_sentence(error, Recipe)}") from error
    except ArithmeticError as error:
        raise RecipeError(
            f"{where}: a number in it is too large or too small to compute with ({error})"
        ) from error
    except (PlanError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error
    return recipe


def _expanded(table: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with what its variants make among its features."""
    plain = dict(table)
    features, variants = plain.get("features"), plain.pop("variants", {})
    if not isinstance(variants, Mapping):
        raise ValueError(f"variants is {variants!r}, expected tables [variants.N]")
    if variants and isinstance(features, Mapping):
        plain["features"] = expand(features, variants)
    return plain


def _check_storable(recipe: Recipe) -> None:
    for name in recipe.stored:
        extractor = recipe.features[name].extractor
        if isinstance(extractor, Frames) and extractor.size is None:
            raise ValueError(
                f"features.{name} is stored, so its frames need one size; set size, such as size "
                "= 224"
            )
        if isinstance(extractor, FromFrames):
            recipe.graph.cadence(name)
    if not recipe.stored:
        raise ValueError(
            "no feature is stored; set store = true in at least one [features.NAME] table"
        )
    recipe.graph.specs  # noqa: B018  (raises when an input has the wrong form)


def _check_fitted(recipe: Recipe) -> None:
    for name, fitter in recipe.fitted.items():
        if name in recipe.features or MARK in name:
            raise ValueError(
                f"fitted.{name} needs a name of its own without `{MARK}`; there is a feature of "
                "that name, or a variant's"
            )
        for need in fitter.needs.values():
            if need in recipe.features and not recipe.features[need].store:
                raise ValueError(
                    f"fitted.{name} is fitted on {need}, which is not stored; set store = true in "
                    f"[features.{need}]"
                )
    specs = dict(recipe.graph.specs)
    for name in recipe.fitted_graph.order:
        if name in recipe.fitted:
            specs[name] = _spec(name, recipe.fitted[name], specs)


def _spec(name: str, fitter: Fitter, specs: Mapping[str, FeatureSpec]) -> FeatureSpec:
    try:
        return check_spec(
            fitter.spec(name, {role: specs[need] for role, need in fitter.needs.items()})
        )
    except ValueError as error:
        raise ValueError(f"fitted.{name}: {error}") from error


def _apply(table: dict[str, Any], change: str) -> None:
    """One `key.path=value`; the value as TOML would read it, else as text."""
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise RecipeError(f"--set {change!r} is not key.path=value, as features.mfcc.n_mfcc=20 is")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except WrongText as error:
        if not isinstance(error.__cause__, tomllib.TOMLDecodeError):
            raise RecipeError(f"--set {path}: {error}") from error
        value = text
    *parents, last = path.split(".")
    at = table
    for key in parents:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise RecipeError(f"--set {change!r}: {key} is a value, not a table")
    at[last] = value


def _feature(name: str, table: Any, others: Mapping[str, Any]) -> Feature:
    if not isinstance(table, Mapping) or "extractor" not in table:
        raise ValueError(_nothing_to_make(f"features.{name}", "extractor", others, EXTRACTORS))
    params = {key: value for key, value in table.items() if key not in {"extractor", "store"}}
    kind = EXTRACTORS.get(str(table["extractor"]))
    if kind is None:
        hint = did_you_mean(str(table["extractor"]), EXTRACTORS)
        raise ValueError(
            f"features.{name}: there is no extractor {table['extractor']!r}; {hint}there are "
            f"{', '.join(EXTRACTORS)}"
        )
    extractor = _with_params(f"features.{name}", kind, params, {"store"})
    store = table.get("store", not isinstance(extractor, Waveform | Frames))
    if not isinstance(store, bool):
        raise ValueError(f"features.{name}.store is {store!r}, expected true or false")
    return Feature(extractor=extractor, store=store)


def _fitter(name: str, table: Any, others: Mapping[str, Any]) -> Fitter:
    if not isinstance(table, Mapping) or "fitter" not in table:
        raise ValueError(_nothing_to_make(f"fitted.{name}", "fitter", others, FITTERS))
    kind = FITTERS.get(str(table["fitter"]))
    if kind is None:
        raise ValueError(
            f"fitted.{name}: there is no fitter {table['fitter']!r}; there are {', '.join(FITTERS)}"
        )
    params = {key: value for key, value in table.items() if key != "fitter"}
    return _with_params(f"fitted.{name}", kind, params, {"fitter"})


def _with_params(where: str, kind: type[Kind], params: Mapping[str, Any], others: set[str]) -> Kind:
    """An extractor from the keys of its table; `others`: keys that are known there and are none of
    its parameters."""
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in params:
        if key not in known:
            raise ValueError(_unknown(f"{where}.{key}", key, known | others))
    try:
        return TypeAdapter(kind).validate_python(params)
    except ValidationError as error:
        raise ValueError(f"{where}.{_sentence(error, kind)}") from error


def _sentence(error: ValidationError, model: type) -> str:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parent: type = {"media": MediaTable, "encode": EncodeTable}.get(str(first["loc"][0]), model)
        return _unknown(key, str(first["loc"][-1]), set(getattr(parent, "model_fields", {})))
    if first["type"] == "missing":
        return f"the key {key} is missing"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"{key} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _nothing_to_make(key: str, what: str, others: Iterable[str], known: Iterable[str]) -> str:
    """A table that does not say what it makes, most often because its name is misspelt."""
    name = key.partition(".")[2]
    hint = did_you_mean(name, [one for one in others if one != name])
    needs = f"needs a key {what}, one of {', '.join(known)}"
    return f"{key} is new: {hint}a new table {needs}" if hint else f"{key} {needs}"


def _unknown(key: str, last: str, known: set[str]) -> str:
    hint = did_you_mean(last, sorted(known))
    return f"unknown key {key}; {hint}known here: {', '.join(sorted(known))}"
