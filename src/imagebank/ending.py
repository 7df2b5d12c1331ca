"""What a program says when it does not end well, and its exit status."""

from typing import Final

from imagebank.errors import BankError
from imagebank.settings import SettingsError

NOT_WELL: Final = 1
"""Something was refused, lost or altered."""
WRONG_USAGE: Final = 2


def told(error: BankError | SettingsError | OSError) -> tuple[str, int]:
    """What it says to whoever runs it, without a traceback, and the exit status."""
    if isinstance(error, SettingsError):
        return str(error), WRONG_USAGE
    if isinstance(error, BankError):
        return str(error), NOT_WELL
    return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part), NOT_WELL
