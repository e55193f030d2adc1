"""Sides as people write them: words and abbreviations of several languages, in cells and names.

    cells     train, Training set, trn, apprentissage, Test1, PublicTest, 训练 ...
    names     my_train.csv, test-set.txt, splitDev.json, fold1/valid/list.txt

Short words such as `tr` and `te` count in a name only where it has no longer one, and in small
letters, since capitals are the initials of speakers or a part of an id.
"""

import re
from collections.abc import Iterable

from manifests.audit.listing import TEST, TRAIN, VALID

_WORDS = {
    TRAIN: "train training trn tr learn learning trainset trainlist trainval pretrain "
    "apprentissage entrainement entraînement entrenamiento treino treinamento "
    "addestramento 训练 训练集 학습",
    VALID: "valid validation val vali vld vl cv dev devel development devset validset valset "
    "vallist publictest validacion validación validacao validação validazione "
    "validierung 验证 验证集 검증",
    TEST: "test testing tst te ts tt testset testlist eval evaluation evalset held_out "
    "heldout holdout privatetest prueba teste essai prova prüfung pruefung "
    "evaluacion evaluación 测试 测试集 시험",
}
ROLE_OF = {word: role for role, words in _WORDS.items() for word in words.split()}
"""Word -> side."""
_SHORT = {"tr", "te", "ts", "tt", "vl", "cv"}
_BESIDE = frozenset(
    (
        *("set", "split", "data", "list", "lists", "part", "subset", "partition"),
        *("file", "files", "id", "ids", "the", "only"),
    )
)
"""Words that may stand beside a side in a cell."""
_HOLDOUT = re.compile(r"h[eo]ld[_\- ]out", re.IGNORECASE)
_ABOUT = frozenset(
    (
        *("label", "labels", "emotion", "emotions", "target", "targets", "class", "classes", "y"),
        *(
            "text",
            "texts",
            "transcript",
            "transcripts",
            "size",
            "sizes",
            "ratio",
            "count",
            "counts",
        ),
        *("log", "logs", "config", "args", "readme", "stats", "results", "metrics"),
    )
)
"""Words for what is said of the clips of a side, and is no list of them."""
_WORD = re.compile(r"[A-Z]?[^\W\dA-Z_]+|[A-Z]+(?![^\W\dA-Z_])")


def words_of(name: str) -> list[str]:
    """The words of a name.

    Args:
        name: Such as `myTrain_split01`.

    Returns:
        Such as my, train, split.
    """
    return [word.casefold() for word in _WORD.findall(name)]


def side_of_cell(cell: str) -> int | None:
    """The side that a cell names.

    Args:
        cell: Such as `Training set` or `Test1`.

    Returns:
        TRAIN, VALID or TEST; None where it says something else, or more than a side.
    """
    whole = cell.strip().casefold()
    if whole in ROLE_OF:
        return ROLE_OF[whole]
    words = re.sub(r"[\W_]*\d{0,2}$", "", whole)
    if words in ROLE_OF:
        return ROLE_OF[words]
    parts = [part for part in re.split(r"[\W_]+", words) if part and part not in _BESIDE]
    found = {ROLE_OF.get(part) for part in parts}
    return found.pop() if len(found) == 1 else None


def sides_of_name(name: str) -> set[int]:
    """All sides whose words are in a name.

    Args:
        name: Of a file, folder, sheet or key.

    Returns:
        None, one, or several, which then say nothing.
    """
    words = _WORD.findall(_HOLDOUT.sub("holdout", name))
    long = (word.casefold() for word in words if word.casefold() not in _SHORT)
    return _sides(long) or _sides(word for word in words if word in _SHORT)


def _sides(words: Iterable[str]) -> set[int]:
    return {ROLE_OF[word] for word in words if word in ROLE_OF}


def without_sides(name: str) -> str:
    """A name without its words for sides and what stands between them.

    Args:
        name: Such as `savee_train_fold_1`.

    Returns:
        Such as `savee fold 1`; equal for the files of one fold.
    """
    one = _HOLDOUT.sub("holdout", name)
    kept = _WORD.sub(lambda found: " " if found[0].casefold() in ROLE_OF else found[0], one)
    return " ".join(re.split(r"[\W_]+", kept)).strip()


def says_clips(name: str) -> bool:
    """Says whether a name is that of a list of a side's clips, and not of what is said of them.

    Args:
        name: Of a file, folder, sheet or key.

    Returns:
        True for `test_hard`; False for `train_labels` and for names of no side.
    """
    return bool(sides_of_name(name)) and not is_about(name)


def is_about(name: str) -> bool:
    """Says whether a name is that of what is said of clips, such as their labels.

    Args:
        name: Of a file, folder, sheet or key.

    Returns:
        True for `labels` and `train_labels`.
    """
    return bool(_ABOUT & {*words_of(name)})
