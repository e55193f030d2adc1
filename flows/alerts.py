"""A word to an address that the user has named, where a build by the clock fails.

Nothing is sent anywhere else, and nothing at all where no address was named. What is sent is the
name of the schedule and how its run ended. Not the sentence behind it: that may name clips, people
and paths, and stands in the run's log.
"""

import json
import logging
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

ALERT = "AFFECTSTORE_ALERT"
"""Variable with the address. Not a parameter of the runs: Prefect keeps those, and an address may
hold a token."""
_TIMEOUT_S = 10.0
_log = logging.getLogger("affectstore")


class WrongAddress(ValueError):
    """An alert cannot be sent to such an address."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The word goes to the address that was named, and to no other that it leads to."""

    def redirect_request(self, *given: Any, **more: Any) -> None:
        return None


def check_address(url: str) -> None:
    """Refuses what is no address of the web.

    Args:
        url: Where alerts are to go.

    Raises:
        WrongAddress: It does not begin with http:// or https://, or names no machine.
    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise WrongAddress(
            "--alert is not an address of the web; expected one such as "
            "https://hooks.example/T0/B0, to which a failed build is reported"
        )


def send(schedule: str, ending: str) -> bool:
    """Sends one word to the address in AFFECTSTORE_ALERT.

    Whatever goes wrong is a line of the log: a build does not fail for its alert.

    Args:
        schedule: Name of the schedule, or of the flow.
        ending: How its run ended, such as `failed`.

    Returns:
        Whether it was taken; False where no address is set.
    """
    url = os.environ.get(ALERT)
    if not url:
        return False
    text = f"affectstore: {schedule} {ending}; its log says why"
    body = json.dumps({"text": text, "schedule": schedule, "ending": ending}).encode()
    try:
        check_address(url)
        request = urllib.request.Request(  # noqa: S310
            url, body, {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S):
            return True
    except (OSError, HTTPException, ValueError) as error:
        said = error.code if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        _log.warning("the alert was not taken: %s; see AFFECTSTORE_ALERT or --alert", said)
        return False
