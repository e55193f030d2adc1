"""What a process does that works for another, before it imports a library: it is imported for that.

It uses one thread, since the last bits of a network's output may depend on their number; leaves
interrupts to its parent; and looks for garbage less often, for what is imported is none.
"""

import gc
import os
import signal

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
signal.signal(signal.SIGINT, signal.SIG_IGN)
gc.set_threshold(100_000)
