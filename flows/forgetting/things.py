"""What was made of a store and lies elsewhere, removed where it can be reached.

Only what is still the thing that was made is touched: of an export the files that it lists, of a
report its page, of drawings those of the clips that go, of a training run its folder.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.forgetting.target import ForgetTarget
from flows.reporting.place import PAGE
from stores.exports.target import DONE, UNFINISHED
from stores.made import DRAWINGS, EXPORT, REPORT, Made, is_marked
from stores.object_store import RemoteError, connect
from stores.parsing import WrongRecord
from stores.paths import check_names

REMOVED = "removed"
_RUN = "run.json"


def remove_things(things: Iterable[Made], target: ForgetTarget) -> dict[str, str]:
    """Removes what can be reached.

    Args:
        things: What the store's list has.
        target: Who is to be forgotten.

    Returns:
        Place -> what became of it: REMOVED, or why it could not be.
    """
    return {one.place: _outcome(one, target) for one in things}


def _outcome(made: Made, target: ForgetTarget) -> str:
    if not made.is_here:
        return f"not reached: it was made on another machine, {made.host}; remove it there"
    try:
        if "://" in made.place:
            return _remove_url(made)
        return _remove_local(made, Path(made.place), target)
    except (OSError, RemoteError) as error:
        why = getattr(error, "strerror", None) or error
        return f"not removed ({why}); remove it yourself"


def _remove_local(made: Made, path: Path, target: ForgetTarget) -> str:
    if made.kind == EXPORT:
        return _remove_export(made, path)
    if made.kind == DRAWINGS:
        from flows.view.draw import file_name  # with the libraries that draw

        _remove_files(path, [file_name(clip_id).as_posix() for clip_id in sorted(target.clip_ids)])
        return REMOVED
    if made.kind == REPORT:
        _remove_files(path, [PAGE])
        return REMOVED
    if not path.exists() or not _json(path / _RUN).get("recipe"):
        return REMOVED if not path.exists() else _another(path)
    _remove_tree(path, _RUN)
    return REMOVED


def _another(path: Path | str) -> str:
    return f"left: something else lies at {path} now; look whether it names who was forgotten"


def _remove_export(made: Made, path: Path) -> str:
    unfinished = path.with_name(f"{path.name}.unfinished")
    if is_marked(made.mark, _json(unfinished / UNFINISHED).get("export")):
        _remove_tree(unfinished, UNFINISHED)
    if not path.exists():
        return REMOVED
    said = _json(path / DONE)
    if not is_marked(made.mark, said.get("export")):
        return _another(path)
    _remove_files(path, [*_listed(said), DONE])
    return REMOVED if not path.exists() else f"its files were removed; others are left in {path}"


def _remove_url(made: Made) -> str:
    objects = connect(made.place)
    said = _parsed(objects.read(DONE) or objects.read(UNFINISHED) or b"{}")
    if not said:
        return REMOVED
    if not is_marked(made.mark, said.get("export")):
        return _another(made.place)
    # An upload that was killed may have sent files that it had not noted yet.
    sent = objects.sizes().keys() if objects.read(DONE) is None else set[str]()
    for file in [*sorted({*_listed(said), *sent} - {UNFINISHED, DONE}), UNFINISHED, DONE]:
        objects.remove(file)
    return REMOVED


def _listed(said: Mapping[str, Any]) -> list[str]:
    files = sorted(said.get("files", {}))
    with suppress(WrongRecord):
        check_names(files)
        return files
    return []


def _remove_tree(folder: Path, mark: str) -> None:
    """Removes a folder; the file by which it is known again last of all, for the next run."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != mark:
            path.unlink()
    (folder / mark).unlink()
    folder.rmdir()


def _remove_files(folder: Path, files: Iterable[str]) -> None:
    """Removes files of a folder, and each folder that is empty then."""
    above: set[Path] = {folder}
    for file in files:
        (folder / file).unlink(missing_ok=True)
        above |= {folder / one for one in Path(file).parents}
    for one in sorted(above, key=lambda each: -len(each.parts)):
        with suppress(OSError):  # it holds others, or is not there
            one.rmdir()


def _json(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return {}


def _parsed(data: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(found := json.loads(data), dict):
            return found
    return {}
