"""Taking the objects of another archive, as WADO-RS gives them (PS3.18 10.4): part by part, each in a file without a name."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from imagebank.actions.arrival import Arrival
from imagebank.actions.other_bank import ENDED, Web
from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, OutOfSpace, Unavailable
from imagebank.http.fetch import fetch, streamed
from imagebank.http.multipart import Data, End, Splitter, boundary_of, media_type

LONGEST_DOCUMENT: Final = 32 << 20
"""Of a report, in bytes."""
ACCEPT: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def files(bank: Bank, address: str, headers: Mapping[str, str]) -> Iterator[Arrival]:
    """`actions.fetching.Files`: each object as it is whole. Whoever takes it closes its file."""
    with streamed(address, {**headers, "Accept": ACCEPT}) as answer:
        if answer.status in (401, 403, 404):
            raise NotFound("the other bank gives these images no more")
        if answer.status != 200:
            raise Unavailable("the other bank answered with status {status}", status=answer.status)
        try:
            yield from _parts(bank, answer.content_type, answer.pieces)
        except Invalid as error:
            raise Unavailable("the other bank did not answer to the end: {why}", why=error) from error


def document(address: str, headers: Mapping[str, str]) -> bytes:
    """`actions.other_bank.Document`."""
    with streamed(address, headers) as answer:
        if answer.status in (401, 403, 404):
            raise NotFound(ENDED)
        if answer.status != 200:
            raise Unavailable("the other bank answered with status {status}", status=answer.status)
        content = bytearray()
        for piece in answer.pieces:
            content += piece
            if len(content) > LONGEST_DOCUMENT:
                raise Invalid("a document of a report is longer than {most} bytes", most=LONGEST_DOCUMENT)
    return bytes(content)


def _parts(bank: Bank, content_type: str, pieces: Iterator[bytes]) -> Iterator[Arrival]:
    splitter = Splitter(boundary_of(media_type(content_type)))
    content, size = unnamed_file(bank.settings.data), 0
    try:
        for piece in pieces:
            for event in splitter.feed(piece):
                if isinstance(event, Data):
                    size += len(event.content)
                    # What is too large is counted and not kept: ingest refuses it by its size.
                    if size <= bank.settings.max_instance_bytes:
                        _write(content, event.content)
                elif isinstance(event, End):
                    content.seek(0)
                    whole, content = Arrival(content, size), unnamed_file(bank.settings.data)
                    size = 0
                    yield whole
        splitter.close()
    finally:
        content.close()


def _write(content: BinaryIO, data: bytes | memoryview) -> None:
    try:
        write_all(content, data)
    except OSError as error:
        raise OutOfSpace("there is no room on the disk for what another bank sends") from error


WEB: Final = Web(fetch, files, document)
"""How other banks are spoken to."""
