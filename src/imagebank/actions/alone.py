"""One at a time works on what waits in a folder, whichever process it is in."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebank.errors import Conflict, NotFound


@contextmanager
def alone(file: Path, gone: NotFound, busy: Conflict) -> Iterator[None]:
    """Hold a file that is there. Raises `gone` when it is not, `busy` while somebody else holds it."""
    try:
        lock = file.open("rb")
    except OSError:
        raise gone from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
