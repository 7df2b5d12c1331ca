"""Long answers: sent in blocks, the next one being read while one is on its way."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from imagebank.dicomweb.tables import RELATED
from imagebank.errors import BankError
from imagebank.http.multipart import closing, new_boundary, part_head

_BLOCK: Final = 2 << 20

Piece = tuple[Sequence[tuple[str, str]], Iterator[bytes]]
"""A part: its header fields, and its content."""


async def streamed(
    pieces: Iterator[bytes], content_type: str, headers: Mapping[str, str], status: int = 200
) -> Response:
    """An answer that is never held as a whole. The first block is read before, so that a refusal still has a status."""
    blocks = _blocks(pieces)
    first = await run_in_threadpool(next, blocks, b"")
    if len(first) < _BLOCK:
        rest = await run_in_threadpool(next, blocks, None)
        if rest is None:
            return Response(first, status, {**headers, "Content-Type": content_type})
        first += rest
    return StreamingResponse(_ahead(first, blocks), status, {**headers, "Content-Type": content_type})


async def related(
    parts: Iterator[Piece], kind: str, headers: Mapping[str, str], status: int = 200, parameters: str = ""
) -> Response:
    """A multipart/related answer whose parts are of media type `kind`."""
    boundary = new_boundary()
    content_type = related_type(kind, boundary) + parameters
    return await streamed(multipart(parts, boundary), content_type, headers, status)


def related_type(kind: str, boundary: bytes) -> str:
    return f'{RELATED}; type="{kind}"; boundary={boundary.decode()}'


def multipart(parts: Iterator[Piece], boundary: bytes) -> Iterator[bytes]:
    """The body of a multipart answer, in pieces."""
    for headers, content in parts:
        yield part_head(boundary, headers)
        yield from content
    yield closing(boundary)


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of some 2 MiB: fewer hops to a thread, fewer calls of the server."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def _ahead(first: bytes, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    coming = asyncio.ensure_future(run_in_threadpool(next, blocks, None))
    try:
        yield first
        while (block := await coming) is not None:
            coming = asyncio.ensure_future(run_in_threadpool(next, blocks, None))
            yield block
    finally:
        # When the caller goes away a block may still be read; nobody else must wait for its error.
        with suppress(BankError, asyncio.CancelledError):
            await coming
