"""Parts of a representation, and whether the caller has it already (RFC 9110 chapters 8.8, 13 and 14)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from imagebank.http.multipart import closing, new_boundary, part_head

_MAX_RANGES: Final = 16
_RANGE = re.compile(r"(\d*)-(\d*)", re.ASCII)
_MAX_DIGITS: Final = 18
_ETAGS = re.compile(r'(W/)?"([^"]*)"')


class Span(NamedTuple):
    """Bytes from `start` up to `end`."""

    start: int
    end: int


def spans(header: str, size: int) -> list[Span] | None:
    """The byte ranges that a Range field asks for, overlapping ones joined and in rising order.

    None when the field is to be ignored: another unit, not well formed, or more pieces than are worth serving. Empty
    when no range lies within the `size` bytes (416).
    """
    unit, equals, text = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    found: list[Span] = []
    # RFC 9110 5.6.1: a list may have empty elements, and has to have another.
    pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
    for piece in pieces:
        match = _RANGE.fullmatch(piece)
        if match is None or not any(match.groups()) or max(map(len, match.groups())) > _MAX_DIGITS:
            return None
        span = _span(match[1], match[2], size)
        if span is None:
            return None
        if span.start < span.end:
            found.append(span)
        if len(found) > _MAX_RANGES:
            return None
    return _joined(found) if pieces else None


def _span(first: str, last: str, size: int) -> Span | None:
    """One range within the size; empty when it lies outside, None when its ends are the wrong way round."""
    if not first:
        return Span(max(0, size - int(last)), size)
    if not last:
        return Span(int(first), size)
    if int(last) < int(first):
        return None
    return Span(int(first), min(int(last) + 1, size))


def _joined(found: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in sorted(found):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def entity_tag(parts: Sequence[tuple[bytes, str]]) -> str:
    """A strong validator from digests of content and what was made of it."""
    digest = blake2b(digest_size=16)
    for content, form in parts:
        digest.update(content + form.encode() + b"\0")
    return f'"{digest.hexdigest()}"'


def has_it(request: Request, etag: str) -> bool:
    """Whether If-None-Match says that the caller holds this representation; weak comparison (RFC 9110 13.1.2)."""
    header = ",".join(request.headers.getlist("if-none-match"))
    if header.strip() == "*":
        return True
    return _opaque(etag) in {text for _, text in _ETAGS.findall(header)}


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def not_modified(etag: str, headers: Mapping[str, str]) -> Response:
    """304, with the fields that a cache keeps true by it (RFC 9110 15.4.5)."""
    kept = {name: value for name, value in headers.items() if name.lower() in {"cache-control", "vary", "expires"}}
    return Response(status_code=304, headers={"ETag": etag, **kept})


def ranged(
    request: Request,
    size: int,
    etag: str,
    content_type: str,
    read: Callable[[int, int], Iterator[bytes]],
    headers: Mapping[str, str],
) -> Response:
    """The whole of `size` bytes or the part that is asked for: 200, 206, 304 or 416.

    `read` gives the bytes from a start up to an end; it is called in a thread. `etag` is a strong one.
    """
    common = {**headers, "ETag": etag, "Accept-Ranges": "bytes"}
    if has_it(request, etag):
        return not_modified(etag, common)
    asked = _asked(request, size, etag)
    if asked is None:
        common["Content-Length"] = str(size)
        return StreamingResponse(read(0, size), 200, {**common, "Content-Type": content_type})
    if not asked:
        return Response(status_code=416, headers={**common, "Content-Range": f"bytes */{size}"})
    if len(asked) == 1:
        start, end = asked[0]
        common |= {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
        return StreamingResponse(read(start, end), 206, {**common, "Content-Type": content_type})
    boundary = new_boundary()
    common["Content-Type"] = f"multipart/byteranges; boundary={boundary.decode()}"
    return StreamingResponse(_pieces(asked, size, boundary, content_type, read), 206, common)


def _asked(request: Request, size: int, etag: str) -> list[Span] | None:
    header = request.headers.get("range")
    if header is None or request.method != "GET":
        return None
    condition = request.headers.get("if-range")
    # RFC 9110 13.1.5: only a strong validator that is equal lets the range through.
    if condition is not None and condition.strip() != etag:
        return None
    return spans(header, size)


def _pieces(
    asked: list[Span], size: int, boundary: bytes, content_type: str, read: Callable[[int, int], Iterator[bytes]]
) -> Iterator[bytes]:
    for start, end in asked:
        yield part_head(
            boundary, [("Content-Type", content_type), ("Content-Range", f"bytes {start}-{end - 1}/{size}")]
        )
        yield from read(start, end)
    yield closing(boundary)
