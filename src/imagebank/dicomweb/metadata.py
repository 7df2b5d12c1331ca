"""Retrieve metadata of a study, series or instance (PS3.18 10.4.1.1.2)."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import orjson
import zstandard
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import CACHING, Call
from imagebank.dicomweb.streaming import streamed
from imagebank.dicomweb.tables import JSON, ROOT
from imagebank.http.ranges import entity_tag, has_it, not_modified
from imagebank.model.uid import Uid

_REFERENCE: Final = b'"BulkDataURI":"'
_VARY: Final = "Accept-Encoding, Sec-Fetch-Mode"


async def retrieve_metadata(call: Call) -> Response:
    """Every attribute but bulk data, as a JSON array.

    BulkDataURIs are absolute. Only a browser, which knows where it is, gets the series's ready-made body as it lies in
    the index, with addresses that begin at the server's root.
    """
    call.prefers.require([Offer(JSON)])
    selection = call.selection
    versions = await call.quickly(retrieve.versions, call.bank, selection, call.principal.scope)
    marks = [(f"{series} {version}".encode(), selection.instance or "") for _, series, version in versions]
    etag = "W/" + entity_tag([*marks, (call.base.encode(), "")])
    headers = {"ETag": etag, "Cache-Control": CACHING, "Vary": _VARY}
    instances = await call.select()
    await call.reading(instances, "WADO-RS metadata")
    if has_it(call.request, etag):
        return not_modified(etag, headers)
    coding = _coding(call.request.headers.get("accept-encoding", ""))
    series = [one for _, one, _ in versions]
    if selection.instance is not None:
        attributes = await run_in_threadpool(retrieve.attributes, call.bank, instances[0])
        return await _packed(call, iter([orjson.dumps([attributes])]), coding, headers)
    if len(series) == 1 and coding == "zstd" and "sec-fetch-mode" in call.request.headers:
        body = await run_in_threadpool(retrieve.series_metadata, call.bank, series[0], call.principal.scope)
        return Response(body, 200, {**headers, "Content-Encoding": "zstd"}, JSON)
    return await _packed(call, _arrays(call, series), coding, headers)


def _arrays(call: Call, series: Sequence[Uid]) -> Iterator[bytes]:
    """One array of many, a series at a time."""
    begins = b"["
    for one in series:
        packed = retrieve.series_metadata(call.bank, one, call.principal.scope)
        plain = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(packed)
        inner = plain[1:-1]
        if inner:
            yield begins + inner
            begins = b","
    yield b"[]" if begins == b"[" else b"]"


async def _packed(call: Call, pieces: Iterator[bytes], coding: str, headers: dict[str, str]) -> Response:
    base = orjson.dumps(call.base)[1:-1]  # within a text
    absolute = (piece.replace(_REFERENCE + ROOT.encode() + b"/", _REFERENCE + base + b"/") for piece in pieces)
    if coding == "identity":
        return await streamed(absolute, JSON, headers)
    packing = _zstd(absolute) if coding == "zstd" else _gzip(absolute)
    return await streamed(packing, JSON, {**headers, "Content-Encoding": coding})


def _zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(level=1, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _coding(header: str) -> str:
    """The content coding to use: zstd is by far the cheapest, then gzip, else none (RFC 9110 12.5.3)."""
    accepted = {}
    for element in header.split(","):
        name, _, parameter = element.partition(";")
        accepted[name.strip().lower()] = parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    for name in ("zstd", "gzip"):
        if accepted.get(name, False):
            return name
    return "identity"
