"""Uploading what a node keeps until the object store has it."""

import logging
import threading
from typing import Final

from imagebank.bank import Bank

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_log = logging.getLogger(__name__)


def complaint(bank: Bank) -> str:
    """What is wrong with what waits for the object store, in words; empty when nothing is."""
    return "" if bank.journal is None else bank.journal.unuploaded().complaint(bank.now())


def keep_uploading(bank: Bank, stop: threading.Event) -> None:
    """Upload every second, until `stop` is set; more seldom while the object store does not take it."""
    pause_s = _PAUSE_S
    while bank.journal is not None and not stop.wait(pause_s):
        try:
            bank.journal.upload()
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not be the last try
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            _log.warning("what waits could not be uploaded; it is tried again in %d s: %s", pause_s, error)
        else:
            pause_s = _PAUSE_S
