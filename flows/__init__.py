"""In what order: recipes, steps, the Prefect flows and the command.

Prefect reads its settings when it is imported, so they are set here. The clips are biometric data:
its usage statistics are off. What the steps log goes to a run's log on the server. Whoever wants
it otherwise sets the variables to other values.
"""

import logging
import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "affectstore")
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
logging.getLogger("affectstore").setLevel(logging.INFO)
