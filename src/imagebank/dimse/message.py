"""DIMSE messages (PS3.7 6.3.1), and where their data sets go while they arrive."""

import contextlib
import errno
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from imagebank.actions.ahead import Ahead
from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.dimse import command as commands
from imagebank.dimse.command import Command
from imagebank.dimse.negotiation import Context
from imagebank.errors import BankError, Invalid, OutOfSpace, Unavailable

# Identifiers, and lists of references for storage commitment: 100,000 references take 20 MiB.
MAX_MESSAGE_BYTES: Final = 32 << 20
IN_MEMORY_BYTES: Final = 16 << 20


class Spool:
    """A data set as it arrives: in memory while it is small, else in a file without a name, which no crash leaves behind.

    `content` begins with `head`. What goes wrong while it fills is kept in `error`, and the rest is passed over, so
    that the peer gets an answer. `ahead` looks at each piece behind the head as it comes.
    """

    def __init__(self, limit: int, head: bytes = b"", folder: Path | None = None, ahead: Ahead | None = None) -> None:
        self.content: BinaryIO = io.BytesIO()
        self.size = 0
        self.error: BankError | None = None
        self._limit = limit
        self._folder = folder
        self._head = len(head)
        self._is_file = False
        self.ahead: Ahead | None = None
        self.write(head)
        self.ahead = ahead

    def write(self, data: bytes | memoryview) -> None:
        """Append, unless something went wrong before."""
        if self.error is not None:
            return
        self.size += len(data)
        if self.size > self._limit:
            self._give_up(Invalid(f"larger than the {self._limit} bytes that are taken here"))
            return
        try:
            if self.size > IN_MEMORY_BYTES and not self._is_file:
                self._move_to_file()
            write_all(self.content, data)
            if self.ahead is not None:
                self.ahead.take(data, self.content, self.size)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self._give_up(Unavailable("the spool folder does not take what arrives"))
            else:
                self._give_up(OutOfSpace("there is no room to receive it; nothing of it was kept"))

    def read(self) -> bytes:
        """All of it. Raises what went wrong while it came."""
        if self.error is not None:
            raise self.error
        self.content.seek(0)
        return self.content.read()

    def start(self, length: int) -> bytes:
        """The first bytes behind the head."""
        self.content.seek(self._head)
        return self.content.read(length)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.content.close()

    def _move_to_file(self) -> None:
        memory = cast(io.BytesIO, self.content)
        self.content, self._is_file = unnamed_file(self._folder), True
        write_all(self.content, memory.getbuffer())

    def _give_up(self, error: BankError) -> None:
        self.error = error
        self.close()
        self.content = io.BytesIO()


@dataclass(frozen=True, slots=True)
class Message:
    """One DIMSE message. `data` is closed by whoever asked for the message."""

    context: Context
    command: Command
    data: Spool | None = None

    @property
    def kind(self) -> int:
        return commands.number(self.command, "CommandField")

    @property
    def id(self) -> int:
        return commands.number(self.command, "MessageID")

    def read(self) -> bytes:
        """The data set as bytes; empty when there is none. Raises what went wrong while it came."""
        return self.data.read() if self.data is not None else b""

    def close(self) -> None:
        if self.data is not None:
            self.data.close()


OpenSpool = Callable[[Context, Command], Spool]
"""Where the data set that follows a command goes."""


def small_spool(_context: Context, _command: Command) -> Spool:
    return Spool(MAX_MESSAGE_BYTES)
