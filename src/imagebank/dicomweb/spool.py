"""Where parts of a request wait until they are whole: memory while they are small, an unnamed file when not."""

import io
import tempfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool

from imagebank.errors import Invalid, OutOfSpace

IN_MEMORY: Final = 8 << 20
_BLOCK: Final = 1 << 20
_FREE_EXPANSION: Final = 64 << 20
_MAX_RATIO: Final = 200


class TooLarge(Exception):
    """The request is longer than this bank takes (413)."""


class Spool:
    """The content of one part, as it comes.

    Past `limit` bytes nothing more is kept, and only the length is counted. `content` is at its start after `finish`.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.size = 0
        self.content: BinaryIO = io.BytesIO()
        self._folder = folder
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises OutOfSpace when the disk has no room for them."""
        self.size += len(data)
        if self.size > self._limit:
            return
        if isinstance(self.content, io.BytesIO) and self.size <= IN_MEMORY:
            self.content.write(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _BLOCK:
            await self._pour()

    async def finish(self) -> None:
        """Everything is here."""
        if self._waiting:
            await self._pour()
        self.content.seek(0)

    def close(self) -> None:
        self.content.close()

    async def _pour(self) -> None:
        block, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
        await run_in_threadpool(self._append, block)

    def _append(self, block: bytes) -> None:
        try:
            if isinstance(self.content, io.BytesIO):
                small = self.content
                # Unbuffered, so that whoever maps the file sees all of it.
                self.content = unnamed_file(self._folder)
                write_all(self.content, small.getbuffer())
            write_all(self.content, memoryview(block))
        except OSError as error:
            raise OutOfSpace("there is no room on the disk to take this in") from error


def unnamed_file(folder: Path) -> BinaryIO:
    """A file that is gone when it is closed, or when the program ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write everything: an unbuffered file may take less at a time."""
    data = memoryview(data)
    done = 0
    while done < len(data):
        done += file.write(data[done:])


async def expanded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """A request body without its Content-Encoding; the expansion of gzip is bounded.

    Raises Invalid for broken gzip, TooLarge for a body that expands beyond all measure.
    """
    if encoding in ("", "identity"):
        async for chunk in chunks:
            yield chunk
        return
    inflate = zlib.decompressobj(wbits=31)
    taken = given = 0
    async for chunk in chunks:
        taken += len(chunk)
        rest = chunk
        while rest:
            try:
                piece = inflate.decompress(rest, _BLOCK)
            except zlib.error:
                raise Invalid("the body says that it is gzip and is not") from None
            rest = inflate.unconsumed_tail
            given += len(piece)
            if given > _FREE_EXPANSION and given > taken * _MAX_RATIO:
                raise TooLarge("the gzip body expands beyond all measure")
            yield piece
    yield inflate.flush()
    if not inflate.eof:
        raise Invalid("the gzip body is cut off")
