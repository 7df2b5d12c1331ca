"""Where parts of a request wait until they are whole: memory while they are small, an unnamed file when not."""

import errno
import io
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool

from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.errors import BankError, Invalid, OutOfSpace, Unavailable

IN_MEMORY: Final = 8 << 20
_BLOCK: Final = 1 << 20
Buffer = bytes | memoryview
_SHELF_MEMORY: Final = 64 << 20
# Far below the usual limit of 1,024 open files.
_SHELF_FILES: Final = 64
_FREE_EXPANSION: Final = 64 << 20
_MAX_RATIO: Final = 200


class TooLarge(Exception):
    """The request is longer than this bank takes (413)."""


def no_place(error: OSError) -> BankError:
    """Why something could not be put down: no descriptors, which passes, no room, or a disk that fails."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable("too many files are open here at this moment; try again, with less at a time")
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable("the disk did not take this in; try again")
    return OutOfSpace("there is no room on the disk to take this in")


class Spool:
    """The content of one part, as it comes.

    Past `limit` bytes nothing more is kept, and only the length is counted. `content` is at its start after `finish`.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.size = 0
        self.content: BinaryIO = io.BytesIO()
        self._folder = folder
        self._limit = limit
        self._waiting: list[Buffer] = []
        self._waiting_bytes = 0

    async def write(self, data: Buffer) -> None:
        """Take the next bytes. Raises OutOfSpace when the disk has no room for them, Unavailable without a descriptor."""
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
                self.content = unnamed_file(self._folder)
                write_all(self.content, small.getbuffer())
            write_all(self.content, block)
        except OSError as error:
            raise no_place(error) from error


@dataclass(frozen=True, slots=True)
class Section:
    """Some bytes of a file that several parts may share: from `start`, `size` of them."""

    content: BinaryIO
    start: int
    size: int

    def read(self, at: int, length: int) -> bytes:
        """`length` bytes from byte `at` on, or as many as there are."""
        self.content.seek(self.start + at)
        return self.content.read(max(0, min(length, self.size - at)))

    def pieces(self, skip: int = 0) -> Iterator[bytes]:
        """The bytes after the first `skip`, at most 1 MiB at a time."""
        at, end = self.start + skip, self.start + self.size
        while at < end:
            self.content.seek(at)
            piece = self.content.read(min(_BLOCK, end - at))
            if not piece:
                return
            at += len(piece)
            yield piece


class Shelf:
    """Keeps many parts until all are there: few in memory or in files of their own, the others in one file together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_memory = 0
        self._held: list[Spool] = []
        self._shared: BinaryIO | None = None
        self._end = 0

    def put(self, spool: Spool) -> Section:
        """Take a whole part over. Raises as `Spool.write` does."""
        is_small = isinstance(spool.content, io.BytesIO)
        if self._in_memory + spool.size <= _SHELF_MEMORY if is_small else len(self._held) < _SHELF_FILES:
            self._in_memory += spool.size if is_small else 0
            self._held.append(spool)
            return Section(spool.content, 0, spool.size)
        try:
            self._shared = self._shared or unnamed_file(self._folder)
            self._shared.seek(self._end)
            for piece in Section(spool.content, 0, spool.size).pieces():
                write_all(self._shared, piece)
        except OSError as error:
            raise no_place(error) from error
        finally:
            spool.close()
        self._end += spool.size
        return Section(self._shared, self._end - spool.size, spool.size)

    def close(self) -> None:
        for spool in self._held:
            spool.close()
        if self._shared is not None:
            self._shared.close()


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
