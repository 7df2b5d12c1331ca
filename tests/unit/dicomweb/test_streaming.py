"""Long answers, and parts on their way in."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from imagebank.dicomweb.streaming import streamed
from imagebank.errors import Invalid, Unavailable
from imagebank.http.spool import IN_MEMORY, Shelf, Spool, TooLarge, expanded

MIB = 1 << 20


async def body_of(response: Response) -> bytes:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.sleep(3600)

    await response({"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}, receive, send)
    return b"".join(sent)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3 * MIB), max_size=5))
def test_a_long_answer_is_whole(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]

    async def answer() -> bytes:
        return await body_of(await streamed(iter(pieces), "a/b", {}))

    assert asyncio.run(answer()) == b"".join(pieces)


def test_a_short_answer_has_a_length() -> None:
    response = asyncio.run(streamed(iter([b"ab", b"c"]), "a/b", {}))

    assert response.headers["content-length"] == "3"


def test_a_refusal_before_the_first_byte_has_a_status_of_its_own() -> None:
    def fail() -> bytes:
        raise Unavailable("the store does not answer")

    with pytest.raises(Unavailable):
        asyncio.run(streamed((fail() for _ in range(1)), "a/b", {}))


def test_a_failure_in_the_middle_breaks_the_answer_off() -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(3 * MIB)
        raise Unavailable("the store does not answer")

    async def answer() -> bytes:
        return await body_of(await streamed(pieces(), "a/b", {}))

    with pytest.raises(Unavailable):
        asyncio.run(answer())


def test_a_caller_who_goes_away_stops_the_reading() -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield bytes(2 * MIB)

    async def leave() -> None:
        response: Any = await streamed(pieces(), "a/b", {})
        await anext(response.body_iterator)
        await response.body_iterator.aclose()

    asyncio.run(leave())

    assert len(read) <= 3


@pytest.mark.parametrize("size", [0, 1, IN_MEMORY, IN_MEMORY + 1, IN_MEMORY + 3 * MIB])
def test_a_part_waits_in_memory_or_in_a_file_that_nobody_can_find(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    spool = Spool(tmp_path / "spool", 1 << 40)

    async def fill() -> None:
        for start in range(0, size, 700_001):
            await spool.write(content[start : min(start + 700_001, size)])
        await spool.finish()

    asyncio.run(fill())

    assert spool.content.read() == content[:size]
    assert isinstance(spool.content, io.BytesIO) == (size <= IN_MEMORY)
    assert not list(tmp_path.glob("spool/*"))
    spool.close()


def test_more_than_the_limit_is_counted_and_not_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)

    async def fill() -> None:
        for _ in range(10):
            await spool.write(bytes(50))
        await spool.finish()

    asyncio.run(fill())

    assert spool.size == 500
    assert len(spool.content.read()) <= 100


def test_many_parts_share_memory_and_one_file(tmp_path: Path) -> None:
    shelf, kept = Shelf(tmp_path), []
    for number in range(100):
        spool = Spool(tmp_path, 1 << 40)
        asyncio.run(spool.write(bytes([number]) * (3 * MIB)))
        asyncio.run(spool.finish())
        kept.append(shelf.put(spool))

    assert [b"".join(section.pieces(1))[:2] for section in kept] == [bytes([number]) * 2 for number in range(100)]
    assert len({id(section.content) for section in kept}) == 22
    shelf.close()
    assert all(section.content.closed for section in kept)


async def chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def collected(data: bytes, encoding: str) -> bytes:
    return b"".join([piece async for piece in expanded(chunks(data), encoding)])


@settings(deadline=None)
@given(st.binary(max_size=5000), st.sampled_from(["", "identity", "gzip", "x-gzip"]))
def test_a_body_comes_out_as_it_was_before_its_encoding(data: bytes, encoding: str) -> None:
    packed = gzip.compress(data) if "gzip" in encoding else data

    assert asyncio.run(collected(packed, encoding)) == data


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"x" * 9999)[:-9], b""])
def test_gzip_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        asyncio.run(collected(data, "gzip"))


def test_a_bomb_is_stopped_early() -> None:
    with pytest.raises(TooLarge):
        asyncio.run(collected(gzip.compress(bytes(80 * MIB), 9), "gzip"))
