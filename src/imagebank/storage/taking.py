"""Taking what is to be kept, part by part, from wherever it lies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import IO

from imagebank.errors import Invalid


@contextmanager
def plain(content: IO[bytes]) -> Iterator[Callable[[int], bytes | memoryview]]:
    """A way to take the next so many bytes of content; of what lies in memory without a copy."""
    if type(content) is not BytesIO:
        yield partial(_exactly, content)
        return
    at = content.tell()
    with content.getbuffer() as held:

        def take(size: int) -> bytes | memoryview:
            nonlocal at
            at += size
            if at > len(held):
                raise _too_short()
            return held[at - size : at]

        yield take


def _too_short() -> Invalid:
    return Invalid("the object ended before its declared size")


def _exactly(content: IO[bytes], size: int) -> bytes:
    plain = content.read(size)
    while len(plain) < size:
        more = content.read(size - len(plain))
        if not more:
            raise _too_short()
        plain += more
    return plain
