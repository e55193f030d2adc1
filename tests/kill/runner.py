"""Commands in processes of their own, and what becomes of them."""

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.kill.calls import Control
from tests.kill.cases import Case
from tests.support.commands import living_in_session

SERVER = "AFFECTSTORE_KILL_PREFECT"
"""The variable that names the Prefect server, for those commands that are to find it."""
OUT = "out"
"""What a command makes outside the store lies by this name beside it."""
_LONGEST_S = 120.0
_ENDING_S = 15.0
"""How long workers may take to end after their command was killed."""


class Runner:
    """Runs commands in forks of this process, which has imported what they need."""

    def __init__(self, folder: Path, inputs: Path, tamper: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._inputs, self._tamper = folder, inputs, tamper
        self.control = Control(folder / "control")
        self.log = folder / "calls"

    def watch(self, disk: Path, log: bool = True) -> None:
        """Counts from zero, and writes down what is done."""
        self.control.watch(disk, self._inputs, self.log if log else None)

    def start(self, case: Case, store: str) -> int:
        """Starts the command of a case: its process, which leads a session."""
        beside = self.folder / "disk" if "://" in store else Path(store).parent
        words = [
            word.replace("OUT", str(beside / OUT))
            .replace("STORE", store)
            .replace("CORPUS", str(self._inputs / case.corpus))
            .replace("RECIPE", str(self._inputs / f"{case.recipe}.toml"))
            for word in case.words
        ]
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._become(words, case.is_recorded)
        return pid

    def _become(self, words: list[str], is_recorded: bool) -> None:
        code = 70
        try:
            if is_recorded:
                os.environ["PREFECT_API_URL"] = os.environ[SERVER]
            os.setsid()
            said = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            self.control.page.session = os.getpid()
            from flows.__main__ import run

            if self._tamper:
                from tests.kill.tamper import TAMPERS

                TAMPERS[self._tamper]()
            run(words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with suppress(BaseException):
                threading._shutdown()  # type: ignore[attr-defined]
                atexit._run_exitfuncs()  # multiprocessing's, which ends its processes
            os._exit(code)

    def wait(self, pid: int) -> int:
        """The exit code, negative for a signal."""
        end = time.monotonic() + _LONGEST_S
        try:
            while time.monotonic() < end:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.005)
        except KeyboardInterrupt:
            self.end(pid)
            raise
        self.end(pid)
        os.waitpid(pid, 0)
        return 75

    def left(self, session: int) -> int:
        """Processes of a command that are there though it has ended, and time to end; they are
        ended now."""
        end = time.monotonic() + _ENDING_S
        while (living := living_in_session(session)) and time.monotonic() < end:
            time.sleep(0.02)
        self.end(session)
        return len(living)

    def end(self, session: int) -> None:
        """Kills what is there of a session."""
        for pid in living_in_session(session):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """The last line of what the command has printed."""
        lines = (self.folder / "said").read_text(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "nothing")
