"""Byte ranges and validators."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from imagebank.http.ranges import Span, has_it, ranged, spans

CONTENT = bytes(range(100))
ETAG = '"e1"'

pieces = st.one_of(
    st.tuples(st.integers(0, 150), st.integers(0, 150)).map(lambda ends: f"{min(ends)}-{max(ends)}"),
    st.integers(0, 150).map(lambda start: f"{start}-"),
    st.integers(0, 150).map(lambda count: f"-{count}"),
)


def a_request(method: str = "GET", **headers: str) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": fields, "path": "/", "query_string": b""})


def read(start: int, end: int) -> Iterator[bytes]:
    yield CONTENT[start:end]


def answer(**headers: str) -> tuple[Response, bytes]:
    """What the whole answer is, with its body."""
    response = ranged(a_request(**headers), len(CONTENT), ETAG, "a/b", read, {"Cache-Control": "private"})
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.sleep(3600)

    scope = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}
    asyncio.run(response(scope, receive, send))
    return response, b"".join(message.get("body", b"") for message in sent)


def bytes_asked(piece: str) -> set[int]:
    """The positions that one range means, by the words of RFC 9110 14.1.2."""
    first, _, last = piece.partition("-")
    if not first:
        return set(range(max(0, len(CONTENT) - int(last)), len(CONTENT)))
    return set(range(int(first), min(int(last) + 1 if last else len(CONTENT), len(CONTENT))))


@given(st.lists(pieces, min_size=1, max_size=8))
def test_the_spans_cover_exactly_what_is_asked(asked: list[str]) -> None:
    found = spans("bytes=" + ", ".join(asked), len(CONTENT))

    assert found is not None
    covered = [position for span in found for position in range(span.start, span.end)]
    assert set(covered) == set().union(*(bytes_asked(piece) for piece in asked))
    assert covered == sorted(set(covered))


@given(st.text(max_size=40), st.integers(0, 10**20))
def test_any_range_field_is_read_or_ignored(text: str, size: int) -> None:
    for header in (text, "bytes=" + text):
        assert all(0 <= span.start < span.end <= size for span in spans(header, size) or [])


@pytest.mark.parametrize("header", ["bytes=0-1,", "bytes=,0-1", "bytes= , 0-1 ,, ", "bytes=0-1,\t,"])
def test_empty_elements_of_a_list_are_passed_over(header: str) -> None:
    assert spans(header, 100) == [Span(0, 2)]


def test_a_field_that_comes_twice_is_one_list() -> None:
    fields = [(b"if-none-match", b'"other"'), (b"if-none-match", b'W/"e0", "e1"')]
    twice = Request({"type": "http", "method": "GET", "headers": fields, "path": "/", "query_string": b""})

    assert has_it(twice, ETAG)


@pytest.mark.parametrize(
    "header",
    ["items=0-1", "bytes", "bytes=", "bytes=,", "bytes= , ", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1-2,x"],
)
def test_a_range_that_is_none_is_ignored(header: str) -> None:
    assert spans(header, 100) is None


def test_more_pieces_than_are_worth_serving_are_ignored() -> None:
    assert spans("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(17)), 100) is None


def test_nothing_lies_within_an_empty_representation() -> None:
    assert spans("bytes=0-", 0) == []
    assert spans("bytes=-5", 100) == [Span(95, 100)]


def test_without_a_range_all_is_given() -> None:
    response, body = answer()

    assert (response.status_code, body) == (200, CONTENT)
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == "100"


def test_one_range_is_given_alone() -> None:
    response, body = answer(range="bytes=10-19")

    assert (response.status_code, body) == (206, CONTENT[10:20])
    assert response.headers["content-range"] == "bytes 10-19/100"
    assert response.headers["content-type"] == "a/b"


def test_several_ranges_come_as_parts() -> None:
    response, body = answer(range="bytes=0-1,-2")

    assert response.status_code == 206
    assert response.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert b"Content-Range: bytes 0-1/100\r\n\r\n\x00\x01\r\n" in body
    assert b"Content-Range: bytes 98-99/100\r\n\r\n\x62\x63\r\n" in body


def test_a_range_outside_is_416_with_the_length() -> None:
    response, body = answer(range="bytes=100-")

    assert (response.status_code, body) == (416, b"")
    assert response.headers["content-range"] == "bytes */100"


@pytest.mark.parametrize(("validator", "status"), [(ETAG, 206), ('"other"', 200), ('W/"e1"', 200)])
def test_a_range_holds_only_if_the_representation_is_the_same(validator: str, status: int) -> None:
    assert answer(range="bytes=0-9", if_range=validator)[0].status_code == status


@pytest.mark.parametrize("known", [ETAG, 'W/"e1"', '"x", "e1"', "*"])
def test_what_the_caller_has_is_not_sent_again(known: str) -> None:
    response, body = answer(if_none_match=known, range="bytes=0-9")

    assert (response.status_code, body) == (304, b"")
    assert response.headers["etag"] == ETAG
    assert response.headers["cache-control"] == "private"


def test_a_different_validator_is_not_the_same() -> None:
    assert not has_it(a_request(if_none_match='"e2"'), ETAG)
    assert not has_it(a_request(), ETAG)
