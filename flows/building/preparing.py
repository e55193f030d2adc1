"""The first thing that a build does: it has the libraries of its workers imported.

That takes a second, in which the command imports its own, checks what it was given, and lists the
corpora. So this module imports little.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows.building.libraries import libraries_for
from flows.recipe import load
from flows.workers import fork_server
from stores.location import Place, locate
from stores.pointer import newest


@contextmanager
def workers_prepared(
    store: Place, recipe: str, changes: Sequence[str], dask: str | None
) -> Iterator[None]:
    """Prepares for workers where a build is sure to need them: it makes a new store, here.

    Args:
        store: As for `run_build`, like the others.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        dask: Address of a Dask scheduler, or local:N.

    Yields:
        Nothing; the build is to be run meanwhile.
    """
    graph, location = load(recipe, tuple(changes)).graph, locate(store)
    is_folder = location.is_local and not location.folder.is_file()
    if dask or not is_folder or newest(location) is not None:
        yield
        return
    fork_server.start(libraries_for(graph))
    try:
        yield
    finally:
        fork_server.stop()
