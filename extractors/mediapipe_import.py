"""MediaPipe without its search for a microphone: a module that uses it imports it from here.

Its part for sound imports sounddevice, where that is installed, which has a compiler and a linker
look for PortAudio: processes of half a second in every worker. Where sounddevice cannot be
imported, MediaPipe does without.
"""

import sys

_is_hidden = sys.modules.setdefault("sounddevice", None) is None  # type: ignore[arg-type]
import mediapipe  # noqa: E402

if _is_hidden:
    del sys.modules["sounddevice"]

__all__ = ["mediapipe"]
