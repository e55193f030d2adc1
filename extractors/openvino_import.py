"""OpenVINO without its telemetry: every module that runs OpenVINO gets its core from here."""

import functools
import sys
from typing import Any


@functools.cache
def core() -> Any:
    """Gives the process's one `openvino.Core`.

    `import openvino` alone reports to an analytics host, without asking, when the package
    openvino_telemetry is there, and OpenVINO depends on it. Where that package cannot be imported
    OpenVINO uses a silent stand-in of its own: so it is made impossible first.

    Returns:
        The core.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()
