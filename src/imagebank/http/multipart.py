"""Multipart bodies (RFC 2046 5.1, RFC 2387): taken apart as they arrive, put together as they leave."""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagebank.errors import Invalid

_MAX_HEADER_BYTES: Final = 16 << 10
_MAX_PREAMBLE_BYTES: Final = 64 << 10
# RFC 2046 5.1.1 allows 70; Orthanc writes two UUIDs, which are 73.
_MAX_BOUNDARY: Final = 200
_MAX_PADDING: Final = 64
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"]*)')
_NO_HEADER: Final = re.compile(rb"(\r?\n)")
_BLANK_LINE: Final = re.compile(rb"\n(\r?\n)")
_LINE_END: Final = re.compile(rb"\r?\n")
_PADDED_LINE_END: Final = re.compile(rb"[ \t]*(\r?\n)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters; names are in lower case, values as they came without their quotes."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The `type` parameter of a multipart/related body: what its parts are."""
        return self.parameters.get("type", "").lower()

    def __str__(self) -> str:
        return "; ".join([self.name, *(f'{name}="{value}"' for name, value in self.parameters.items())])


def media_type(text: str) -> MediaType:
    """Read a Content-Type, or one element of an Accept field. `type=application/dicom` may lack its quotes."""
    name, _, rest = text.partition(";")
    parameters: dict[str, str] = {}
    for key, value in _PARAMETER.findall(";" + rest):
        parameters.setdefault(key.lower(), _unquoted(value.strip()))
    return MediaType(name.strip().lower(), parameters)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def boundary_of(content_type: MediaType) -> bytes:
    """The boundary that a multipart Content-Type names. Raises Invalid when it has none, or none that is allowed."""
    text = content_type.parameters.get("boundary", "")
    if not text:
        raise Invalid("the Content-Type names no boundary; add boundary=… and put it between the parts")
    if len(text) > _MAX_BOUNDARY or not _BOUNDARY.fullmatch(text):
        raise Invalid(
            "the boundary is not one: letters, digits and '()+_,-./:=? are allowed, at most 70 (RFC 2046 5.1.1)"
        )
    return text.encode("ascii")


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins. Header names are in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """The next bytes of the part; a view is good for as long as anybody holds it."""

    content: bytes | memoryview


@dataclass(frozen=True, slots=True)
class End:
    """The part is whole."""


Event = Begin | Data | End


class Splitter:
    """Takes a multipart body apart, in whatever chunks it comes, with little memory.

    A preamble, an epilogue, and line ends without a carriage return are borne, also where a body mixes them. A carriage
    return before a boundary is content only where neither the part's header nor the boundary's line has one.
    """

    def __init__(self, boundary: bytes) -> None:
        self._first = b"--" + boundary
        self._delimiter = b"\n" + self._first
        self._newline = b""
        self._buffer = b""
        # What is dealt with stands before it, and is not moved: objects go through here by the gigabyte.
        self._at = 0
        self._step: Callable[[], Iterator[Event]] = self._preamble
        self._seen = 0
        self._has_begun = False
        self._is_over = False
        self._is_whole = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete. Raises Invalid when they cannot belong to a multipart body."""
        if self._is_over:
            return
        rest = self._buffer[self._at :]
        self._buffer, self._at = rest + chunk if rest else chunk, 0
        while not self._is_over:
            step, at = self._step, self._at
            yield from step()
            if step == self._step and at == self._at:
                return

    def close(self) -> list[Event]:
        """Say that nothing more comes: the last events. Raises Invalid when the closing boundary is missing."""
        self._is_whole = True
        events = list(self.feed(b""))
        if self._is_over:
            return events
        if not self._has_begun:
            raise Invalid("the boundary that the Content-Type names does not occur in the body")
        raise Invalid("the body ends in the middle of a part: the closing boundary is missing")

    def _preamble(self) -> Iterator[Event]:
        is_first = not self._seen and self._buffer.startswith(self._first, self._at)
        found = self._at if is_first else self._buffer.find(self._delimiter, self._at)
        start = found + len(self._first) + (self._buffer[found : found + 1] == b"\n")
        if found < 0:
            keep = len(self._first) + 1
            # The very start may still become a boundary, so nothing is dropped before that is decided.
            if len(self._buffer) - self._at > keep:
                self._seen += len(self._buffer) - self._at - keep
                self._at = len(self._buffer) - keep
            if self._seen > _MAX_PREAMBLE_BYTES:
                raise Invalid("the boundary that the Content-Type names does not occur in the body")
        elif (end := self._line_end(start)) is not None:
            self._has_begun = True
            self._is_over = self._buffer[start:end].lstrip().startswith(b"--")
            self._advance(end, self._headers)
        yield from ()

    def _line_end(self, start: int) -> int | None:
        """Where the line of a first boundary ends, once it is here."""
        if self._buffer[start : start + 2] == b"--":
            return start + 2
        end = self._buffer.find(b"\n", start)
        if end < 0:
            if len(self._buffer) - start > _MAX_PADDING:
                raise Invalid("the line of the first boundary does not end")
            return None
        if self._buffer[start:end].strip():
            raise Invalid("the first line that begins with the boundary holds something else, too")
        return end + 1

    def _headers(self) -> Iterator[Event]:
        blank = _NO_HEADER.match(self._buffer, self._at) or _BLANK_LINE.search(self._buffer, self._at)
        if (blank.start() if blank else len(self._buffer)) - self._at > _MAX_HEADER_BYTES:
            raise Invalid("the header of a part is longer than 16 KiB")
        if blank is None:
            return
        headers = _headers(self._buffer[self._at : blank.start()])
        self._newline = blank[1]
        # The blank line's own end stays: it may already belong to the next boundary (an empty part).
        self._advance(blank.start(1), self._body_start)
        yield Begin(headers)

    def _body_start(self) -> Iterator[Event]:
        delimiter = self._newline + self._first
        if len(self._buffer) - self._at < len(delimiter) and delimiter.startswith(self._buffer[self._at :]):
            return
        is_one = self._buffer.startswith(delimiter, self._at)
        boundary = self._boundary(self._at + len(delimiter)) if is_one else _NONE
        if boundary is None:
            return
        if boundary.end:
            yield from self._ended(boundary)
        else:
            self._advance(self._at + len(self._newline), self._body)

    def _body(self) -> Iterator[Event]:
        start = self._at
        while (found := self._buffer.find(self._delimiter, start)) >= 0:
            boundary = self._boundary(found + len(self._delimiter))
            has_return = found > self._at and self._buffer[found - 1 : found] == b"\r"
            is_open = has_return and boundary is not None and boundary.newline is None and self._newline == b"\n"
            if boundary is None or (is_open and not self._is_whole):
                break
            if boundary.end:
                yield from self._data(found - (has_return and b"\r\n" in (boundary.newline, self._newline)))
                yield from self._ended(boundary)
                return
            # What follows makes it no boundary, so it is content.
            start = found + 1
        ready = found if found >= 0 else self._safe_length()
        yield from self._data(ready - (ready > self._at and self._buffer[ready - 1 : ready] == b"\r"))

    def _data(self, end: int) -> Iterator[Event]:
        """What lies before `end` is content."""
        start, self._at = self._at, end
        if start < end:
            yield Data(memoryview(self._buffer)[start:end])

    def _safe_length(self) -> int:
        """Where the first byte is that can be the beginning of a boundary."""
        at = max(self._at, len(self._buffer) - len(self._delimiter) + 1)
        while (at := self._buffer.find(b"\n", at)) >= 0:
            if self._delimiter.startswith(self._buffer[at:]):
                return at
            at += 1
        return len(self._buffer)

    def _boundary(self, start: int) -> "_Boundary | None":
        """What a boundary's line comes to; an end of 0 when it is none after all, None when more bytes are needed."""
        rest = self._buffer[start : start + _MAX_PADDING + 2]
        if rest.startswith(b"--"):
            newline = _LINE_END.match(rest, 2)
            return _Boundary(start + 2, newline[0] if newline else None if len(rest) < 4 else b"", is_last=True)
        newline = _PADDED_LINE_END.match(rest)
        if newline:
            return _Boundary(start + newline.end(), newline[1])
        may_come = rest.lstrip(b" \t") in (b"", b"\r") or rest == b"-"
        return None if may_come and len(rest) <= _MAX_PADDING else _NONE

    def _ended(self, boundary: "_Boundary") -> Iterator[Event]:
        self._is_over = boundary.is_last
        self._advance(boundary.end, self._headers)
        yield End()

    def _advance(self, end: int, step: Callable[[], Iterator[Event]]) -> None:
        self._at = end
        self._step = step


@dataclass(frozen=True, slots=True)
class _Boundary:
    """Where content goes on after a boundary, and what its line ends with; None while that is not here yet."""

    end: int
    newline: bytes | None = b""
    is_last: bool = False


_NONE: Final = _Boundary(0)


def _headers(block: bytes) -> dict[str, str]:
    """Header fields of a part, folded lines joined. Raises Invalid for a line without a colon."""
    text = re.sub(r"\r?\n[ \t]+", " ", block.decode("utf-8", "replace"))
    headers: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        name, colon, value = line.partition(":")
        if not colon:
            raise Invalid("a part's header has a line without a colon")
        headers[name.strip().lower()] = value.strip()
    return headers


def new_boundary() -> bytes:
    """A boundary that no content holds by chance."""
    return b"imagebank-" + secrets.token_hex(16).encode()


def part_head(boundary: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """What stands before a part's content."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return b"\r\n--" + boundary + b"\r\n" + lines.encode() + b"\r\n"


def closing(boundary: bytes) -> bytes:
    """What stands behind the last part."""
    return b"\r\n--" + boundary + b"--\r\n"
