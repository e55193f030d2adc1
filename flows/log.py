"""The log of affectstore: what goes on beside the results; names in it are made visible."""

import logging

from manifests.visible import visible


class _Visible(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = visible(record.getMessage()), None
        return True


LOG = logging.getLogger("affectstore")
"""Warnings of it are on stderr, unless the program that imports affectstore says otherwise."""
LOG.addFilter(_Visible())
