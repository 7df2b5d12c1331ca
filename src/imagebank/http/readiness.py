"""Whether everything answers that callers count on: the database, and every role where one supervisor runs them all."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from imagebank.actions import journal
from imagebank.bank import Bank

_NOTE: Final = "role-down"
# What a supervisor leaves that was killed itself says nothing for longer than this.
_GOOD_FOR: Final = timedelta(seconds=10)


def note_down(data: Path, *, is_down: bool) -> None:
    """For the supervisor, again and again: whether a role has died and does not run well yet."""
    with suppress(OSError):  # a folder that cannot be written to must not end those that run
        if is_down:
            (data / _NOTE).touch()
        else:
            (data / _NOTE).unlink(missing_ok=True)


def is_ready(bank: Bank) -> bool:
    """The database answers and has the schema that this program needs, and no role is down."""
    return bank.index.is_ready() and not _is_noted(bank)


def degraded(bank: Bank) -> str:
    """What does not stop the bank and should be looked after, in words; empty for nothing."""
    return journal.complaint(bank)


def _is_noted(bank: Bank) -> bool:
    try:
        noted_at = (bank.settings.data / _NOTE).stat().st_mtime
    except OSError:
        return False
    return bank.now() - datetime.fromtimestamp(noted_at, UTC) < _GOOD_FOR
