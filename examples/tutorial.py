"""Runs the notebook of the tutorial, docs/tutorial.ipynb, and keeps what it prints.

    python -m examples.tutorial

Run it after a change of what a command prints. A test runs the notebook too, and fails where what
is printed is no longer what stands in it.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.command import ending
from examples.places import ROOT
from stores.atomic import write_bytes

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
_PATIENCE_S = 300


def run() -> Any:
    """The notebook (of nbformat) with what it prints now; in a folder of its own, which is removed.

    Raises:
        CellExecutionError: A cell fails; the message is its traceback.
    """
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as folder, _environment(Path(folder)):
        # Sockets that are files: no port is opened.
        kernel = AsyncKernelManager(
            kernel_name="python3", transport="ipc", ip=str(Path(folder) / "socket")
        )
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=_PATIENCE_S,
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        client.execute(cleanup_kc=True)  # the manager is ours, so that it ends the kernel
    for cell in notebook.cells:
        # What goes to the side, such as progress, is another at each run.
        cell["outputs"] = [one for one in cell.get("outputs", ()) if one.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """The command on the PATH, this code before any other, tables as wide as a page, and nothing
    kept in the user's home."""
    given = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "TMPDIR": str(folder),
        **{
            name: str(folder / name)
            for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
        },
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def to_text(notebook: Any) -> str:
    """The notebook as a file; the same whoever ran it."""
    import nbformat

    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return str(nbformat.writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.tutorial",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.parse_args(arguments)
    with ending("examples.tutorial"):
        text = to_text(run())
    write_bytes(NOTEBOOK, text.encode())
    print(f"{NOTEBOOK} written")


if __name__ == "__main__":
    main()
