"""How every process writes its log: one event a line, whatever callers have put into it."""

import logging
import re
from typing import Final

# C0, DEL and C1, what else ends a line, and what turns the direction of text (Unicode TR36 2.7).
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# They print what a peer has sent, or a patient's data; what we want to be known of it we log ourselves.
_TALKATIVE: Final = ("pydicom", "pynetdicom", "py.warnings")


class OneLine(logging.Formatter):
    """Control characters are shown as Python writes them; a traceback follows its line, indented.

    So no text of a stranger begins a line or moves a terminal.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in the standard library
        return shown(super().formatMessage(record))

    def formatException(self, ei: "logging._SysExcInfoType") -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


def shown(text: str) -> str:
    """A text on one line, with its control characters written out."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _indented(text: str) -> str:
    return "\n".join("    " + shown(line) for line in text.split("\n"))


def begin(level: int, form: str, *, anew: bool = False) -> None:
    """Log to the standard error in this process from now on; unless anew, only where nothing is set up yet."""
    if logging.getLogger().handlers and not anew:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
