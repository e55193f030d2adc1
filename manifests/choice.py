"""Choosing clips: conditions on the columns of clips and labels, all of which must hold.

    modality=full-AV        the value is this one
    subject=01,02           or one of several; a comma of the value itself is `\\,`
    label!=calm             it is another one
    duration=0.5..10        it lies between, both ends counted; one end may be left out: 0.5..

A recipe has the same as a table, `column = "value"`, `["several", "values"]`, `"!= value"` or
`"0.5..10"`. There is no expression language: what needs more than this is done in Python, by the
tables of the store.

A column is one of `manifests.clips.Clip` (ids and units may be left off: `subject`, `duration`), a
label scheme (`ravdess8`; its corpus may be left off: `modality` is `ravdess_modality` of a RAVDESS
clip and `cremad_modality` of a CREMA-D one), or `label`, the main scheme of each clip's corpus,
whoever judged it. A clip has one value at most in each: of several labels that with the highest
total weight, and none where two tie, as in `stores.FeatureDataset`. A clip that has no value in a
column is not chosen by it, neither by `=` nor by `!=`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.clips import HEADER_FACTS
from manifests.columns import positions
from manifests.conditions import (
    CLIP_COLUMNS,
    Condition,
    WrongChoice,
    escaped,
    name_of,
    short_name,
)
from manifests.suggestions import did_you_mean

__all__ = ["EVERY_CLIP", "Choice", "ClipColumns", "Condition", "Where", "WrongChoice", "reads"]

LABEL = "label"
"""The column that holds the label of each clip in the main scheme of its corpus."""
FROM_FILES = frozenset({"sha256", "bytes", *HEADER_FACTS})
"""Columns of clips that are known only when the file has been read."""
Where = str | Sequence[str] | Mapping[str, Any]
"""A choice as it is given: conditions as text, or a table of column -> value, values or text."""
Chosen = NDArray[np.bool_]
"""(clip,) True for a clip that is chosen."""


@dataclass(frozen=True)
class Choice:
    """Conditions, all of which must hold; none chooses every clip."""

    conditions: tuple[Condition, ...] = ()

    @classmethod
    def of(cls, given: Where) -> "Choice":
        """Reads a choice.

        Args:
            given: A condition, several, or a table of column -> a value, a list of values, or a
                text such as `!= calm` and `0.5..10`.

        Returns:
            The choice; the same for all ways to write it.

        Raises:
            WrongChoice: A condition has another form.
        """
        if isinstance(given, str):
            given = (given,)
        if not isinstance(given, Mapping | Sequence):
            raise WrongChoice(
                f"clips is {given!r}; expected a table of columns, such as sex = 'female'"
            )
        texts = (
            [_of_table(column, value) for column, value in given.items()]
            if isinstance(given, Mapping)
            else list(given)
        )
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise WrongChoice(f"{wrong[0]!r} chooses no clips; expected text such as sex=female")
        by_text = {one.text: one for one in map(Condition.parse, texts)}
        return cls(tuple(by_text[text] for text in sorted(by_text)))

    def __bool__(self) -> bool:
        return bool(self.conditions)

    @property
    def texts(self) -> tuple[str, ...]:
        """The conditions, each as text, sorted; `of` gives the same choice again."""
        return tuple(one.text for one in self.conditions)

    @property
    def words(self) -> str:
        """The choice for people, such as `channel speech, modality full-AV`."""
        return ", ".join(one.words for one in self.conditions)

    def narrowed(self, more: Where) -> "Choice":
        """Adds conditions.

        Args:
            more: What else must hold.

        Returns:
            The narrower choice.

        Raises:
            WrongChoice: A condition has another form.
        """
        return Choice.of((*self.texts, *Choice.of(more).texts))

    @property
    def by_name(self) -> "Choice":
        """The conditions that are judged without a look at any file."""
        return Choice(tuple(one for one in self.conditions if one.column not in FROM_FILES))

    @property
    def by_header(self) -> "Choice":
        """The conditions on columns that are known only when the files have been read."""
        return Choice(tuple(one for one in self.conditions if one.column in FROM_FILES))


EVERY_CLIP = Choice()


class ClipColumns:
    """What clips can be chosen by: the columns of a table of clips, and their labels."""

    def __init__(self, clips: pa.Table, labels: Callable[[], pa.Table]) -> None:
        """Takes the tables; nothing is read of the labels before a column of them is asked for.

        Args:
            clips: Rows of CLIPS in any order, `clip_id`, `corpus` and the columns to choose by.
            labels: Gives the labels: at least clip_id, scheme, value and weight of LABELS.
        """
        self._clips, self._read_labels = clips, labels

    @cached_property
    def _labels(self) -> pa.Table:
        return self._read_labels()

    @cached_property
    def _schemes(self) -> frozenset[str]:
        return frozenset(self._labels.column("scheme").unique().to_pylist())

    def chosen(self, choice: Choice, strict: bool = True) -> Chosen:
        """Finds the clips for which every condition holds.

        Args:
            choice: The conditions.
            strict: Refuse conditions that name what no clip has; else these choose no clip.

        Returns:
            (clip,)

        Raises:
            WrongChoice: A column or a value is unknown, or no clip is left.
        """
        found = np.ones(self._clips.num_rows, np.bool_)
        for one in choice.conditions:
            column = self._column(one.column)
            if column is None:
                if strict:
                    raise self._unknown(one)
                return np.zeros(self._clips.num_rows, np.bool_)
            holds = _holds(one, column, strict)
            if strict and not holds.any():
                raise WrongChoice(f"no clip is chosen: there is none with {one.words}")
            found &= holds
        if strict and choice and not found.any():
            raise WrongChoice(
                f"no clip is chosen: there is none with {choice.words}, though each of these is "
                "true of some clip; leave one out"
            )
        return found

    def _column(self, name: str) -> pa.Array | None:
        """The value of each clip; None for a column that there is not."""
        if name in CLIP_COLUMNS:
            column = self._clips.column(name)
            return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        wanted = sorted(scheme for scheme in self._schemes if reads(name, scheme))
        return self._one_label_each(wanted) if wanted else None

    def _one_label_each(self, schemes: Sequence[str]) -> pa.Array:
        """The value with the greatest total weight of each clip; none where two tie."""
        is_wanted = pc.is_in(
            self._labels.column("scheme").cast(pa.string()), pa.array(schemes, pa.string())
        )
        labels = self._labels.filter(is_wanted)
        clip = positions(labels.column("clip_id"), self._clips.column("clip_id")).astype(np.int64)
        there = clip >= 0
        values = labels.column("value").cast(pa.string()).combine_chunks().dictionary_encode()
        value = values.indices.to_numpy()[there].astype(np.int64)
        several = max(1, len(values.dictionary))
        pairs, pair = np.unique(clip[there] * several + value, return_inverse=True)
        total = np.bincount(pair, labels.column("weight").to_numpy()[there], len(pairs))
        row, code = np.divmod(pairs, several)
        greatest = np.full(self._clips.num_rows, -np.inf)
        np.maximum.at(greatest, row, total)
        is_best = total > greatest[row] - 1e-9
        codes = np.full(len(greatest), -1, np.int32)
        codes[row[is_best]] = code[is_best]
        codes[np.bincount(row[is_best], minlength=len(codes)) > 1] = -1
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), values.dictionary)

    def _unknown(self, condition: Condition) -> WrongChoice:
        from manifests.corpora.catalog import CORPORA

        names = {LABEL, *map(short_name, CLIP_COLUMNS), *self._schemes}
        for corpus in CORPORA:
            names |= {
                scheme.removeprefix(f"{corpus}_")
                for scheme in self._schemes
                if scheme.startswith(f"{corpus}_")
            }
        known = sorted(names)
        return WrongChoice(
            f"there is no column {condition.column!r} to choose clips by; "
            f"{did_you_mean(condition.column, known)}there are {', '.join(known)}"
        )


def reads(column: str, scheme: str) -> bool:
    """Says whether a column that is none of the clips' holds the labels of a scheme.

    Args:
        column: As a condition names it.
        scheme: A label scheme.

    Returns:
        True where the scheme is the column, with or without the name of its corpus, or where the
        column is `label` and the scheme a corpus's main one.
    """
    from manifests.corpora.catalog import CORPORA

    if column == LABEL:
        return any(scheme in corpus.label_schemes[:1] for corpus in CORPORA.values())
    return scheme in {column, *(f"{corpus}_{column}" for corpus in CORPORA)}


def _holds(condition: Condition, column: pa.Array, strict: bool) -> Chosen:
    """(clip,) whether a condition holds; it is asked once for each distinct value."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = coded.dictionary.to_pylist()
    codes = pc.fill_null(coded.indices, -1).to_numpy()
    if strict:
        there = np.unique(codes[codes >= 0])
        condition.check([values[code] for code in there.tolist() if values[code] is not None])
    answers = np.array([*map(condition.holds, values), False], np.bool_)
    chosen: Chosen = answers[codes]
    return chosen


def _of_table(column: str, value: object) -> str:
    """A condition as text, of a line of a table."""
    if isinstance(value, bool):
        return f"{column}={str(value).lower()}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"{column}={','.join(escaped(name_of(one)) for one in value)}"
    text = name_of(value).strip()
    return f"{column}{text}" if text.startswith("!=") else f"{column}={text}"
