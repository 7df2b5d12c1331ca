"""The parts of a request body, spooled one after another."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebank.errors import Invalid
from imagebank.http.multipart import Begin, Data, Event, MediaType, Splitter, boundary_of, media_type
from imagebank.http.spool import Spool, TooLarge


@dataclass(frozen=True, slots=True)
class Part:
    """One whole part. `number` counts from 1. Whoever takes it closes the spool."""

    number: int
    headers: Mapping[str, str]
    spool: Spool

    @property
    def media_type(self) -> MediaType:
        return media_type(self.headers.get("content-type", ""))

    @property
    def location(self) -> str:
        return self.headers.get("content-location", "").strip()


async def single(chunks: AsyncIterator[bytes], content_type: str, folder: Path, limit: int) -> AsyncIterator[Part]:
    """A body without parts, as the only one."""
    spool = Spool(folder, limit)
    try:
        async for chunk in chunks:
            await spool.write(chunk)
        await spool.finish()
    except BaseException:
        spool.close()
        raise
    if not spool.size:
        raise Invalid("the body is empty")
    yield Part(1, {"content-type": content_type}, spool)


def _check(number: int, most: int) -> None:
    if number > most:
        raise TooLarge(f"a request may have {most} parts")


async def related(
    chunks: AsyncIterator[bytes], content_type: MediaType, folder: Path, limit: int, most: int
) -> AsyncIterator[Part]:
    """The parts of a multipart body as each becomes whole.

    Raises Invalid where the body stops being multipart, after all whole parts were given; TooLarge past `most`
    parts.
    """
    splitter = Splitter(boundary_of(content_type))
    number = 0
    headers: Mapping[str, str] = {}
    spool = Spool(folder, limit)
    try:
        async for event in _events(chunks, splitter):
            if isinstance(event, Begin):
                number += 1
                _check(number, most)
                headers, spool = event.headers, Spool(folder, limit)
            elif isinstance(event, Data):
                await spool.write(event.content)
            else:
                await spool.finish()
                # From here on it belongs to whoever takes it.
                whole, spool = spool, Spool(folder, limit)
                yield Part(number, headers, whole)
    except BaseException:
        spool.close()
        raise


async def _events(chunks: AsyncIterator[bytes], splitter: Splitter) -> AsyncIterator[Event]:
    async for chunk in chunks:
        for event in splitter.feed(chunk):
            yield event
    for event in splitter.close():
        yield event
