"""In what order: recipes, steps, the Prefect flows and the command.

The clips are biometric data, so Prefect's usage statistics are off before it is imported; whoever
wants them sets the two variables to other values.
"""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
