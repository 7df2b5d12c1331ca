"""Tells the ledger to an audit record repository, and goes on where it stopped."""

import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from imagebank.actions import trail
from imagebank.actions.audit import SYSTEM
from imagebank.atna import syslog
from imagebank.atna.messages import Reporter, message
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.threads import beside

BATCH: Final = 500
IDLE_S: Final = 1.0
_PAUSES_S: Final = (1.0, 30.0)
_log = logging.getLogger(__name__)


@contextmanager
def telling(bank: Bank) -> Iterator[None]:
    """Tell what is written to the ledger, in a thread beside, while the block runs; nothing without `atna_host`.

    The spool is the ledger itself with a cursor for each lane. It moves on when a batch was taken, so a line may be
    told twice and none is left out. Raises SettingsError.
    """
    if not bank.settings.atna_host:
        yield
        return
    syslog.check(bank.settings)
    trail.begin_telling(bank)
    with beside("atna", partial(run, bank)):
        yield


def run(bank: Bank, stop: threading.Event) -> None:
    """Tell until `stop` is set; while the repository or the database is away, try again at growing pauses."""
    holder, pause_s = secrets.token_hex(8), 0.0
    while not stop.is_set():
        try:
            with syslog.Connection(bank.settings) as connection:
                while not stop.is_set():
                    is_all = _tell(bank, connection, holder) < BATCH
                    pause_s = 0.0
                    if is_all:
                        stop.wait(IDLE_S)
        except Exception as error:  # noqa: BLE001 - telling goes on for as long as the process does
            pause_s = min(max(_PAUSES_S[0], 2 * pause_s), _PAUSES_S[1])
            known = isinstance(error, BankError)
            _log.warning("events wait in the ledger, to be told in %.0f s: %s", pause_s, error, exc_info=not known)
            stop.wait(pause_s)


def _tell(bank: Bank, connection: syslog.Connection, holder: str) -> int:
    """Tell one batch; how many lines there were."""
    entries = trail.untold(bank, holder, BATCH)
    if not entries:
        # Seen now, and not only when there is something to tell.
        connection.check_open()
        return 0
    host = socket.gethostname()
    reporter = Reporter(SYSTEM, bank.settings.organization, host)
    connection.send([syslog.header(entry.at, host) + message(entry, reporter) for entry in entries])
    trail.told(bank, entries)
    return len(entries)
