"""Multipart bodies: whatever the chunks, the parts are the same."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebank.errors import Invalid
from imagebank.http.multipart import (
    Begin,
    Data,
    End,
    MediaType,
    Splitter,
    boundary_of,
    closing,
    media_type,
    part_head,
)

Parts = list[tuple[dict[str, str], bytes]]


def parts_of(body: bytes, boundary: bytes, cuts: list[int] | None = None) -> Parts:
    """Split a body that comes in chunks cut at these places."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts or ())})
    splitter, parts = Splitter(boundary), []
    headers: dict[str, str] = {}
    content = b""
    whole = True
    for start, end in pairwise(places):
        for event in splitter.feed(body[start:end]):
            match event:
                case Begin(found):
                    assert whole
                    headers, content, whole = dict(found), b"", False
                case Data(data):
                    assert data
                    content += data
                case End():
                    parts.append((headers, content))
                    whole = True
    for event in splitter.close():
        content += event.content if isinstance(event, Data) else b""
        parts += [(headers, content)] if isinstance(event, End) else []
    return parts


def a_body(boundary: bytes, contents: list[bytes], newline: bytes = b"\r\n", before: bytes = b"") -> bytes:
    pieces = [before]
    for number, content in enumerate(contents):
        pieces.append(
            newline + b"--" + boundary + newline + b"Content-Type: text/x-%d" % number + newline * 2 + content
        )
    return b"".join([*pieces, newline + b"--" + boundary + b"--" + newline]).removeprefix(newline)


# Bytes that look like boundaries much more often than chance would have it.
nasty = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"-", b"--", b"B", b"\r\n--B", b"\n--B", b"\r\n--Bx", b"\r\n--B-", b" ", b"a", b"\0"]
    ),
    max_size=12,
).map(b"".join)


def is_plain(content: bytes, newline: bytes) -> bool:
    """Whether no line of the content is a boundary line by itself, whichever way its line ends are written."""
    text = newline + content + newline
    at = -1
    while (at := text.find(b"\n--B", at + 1)) >= 0:
        rest = text[at + 4 :].lstrip(b" \t")
        if rest.startswith((b"--", b"\r\n", b"\n")) or not rest:
            return False
    return True


@given(st.lists(nasty, max_size=4), st.lists(st.integers(0, 500), max_size=40), st.sampled_from([b"\r\n", b"\n"]))
def test_the_parts_are_the_same_whatever_the_chunks(contents: list[bytes], cuts: list[int], newline: bytes) -> None:
    contents = [content for content in contents if is_plain(content, newline)]
    body = a_body(b"B", contents, newline)

    assert parts_of(body, b"B", cuts) == parts_of(body, b"B")
    assert [content for _, content in parts_of(body, b"B")] == contents


@given(st.lists(nasty, min_size=1, max_size=4), st.data())
def test_a_body_that_is_cut_off_is_refused_and_keeps_its_whole_parts(
    contents: list[bytes], data: st.DataObject
) -> None:
    contents = [content for content in contents if is_plain(content, b"\r\n")]
    body = a_body(b"B", contents)
    cut = data.draw(st.integers(0, len(body) - 5))
    splitter = Splitter(b"B")

    ends = sum(isinstance(event, End) for event in splitter.feed(body[:cut]))

    with pytest.raises(Invalid):
        splitter.close()
    assert ends <= len(contents)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_noise_is_refused_and_never_breaks_the_splitter(noise: bytes, cuts: list[int]) -> None:
    try:
        parts = parts_of(b"--B\r\n" + noise, b"B", cuts)
    except Invalid:
        return

    assert len(parts) <= noise.count(b"--B") + 1


@pytest.mark.parametrize(
    ("head", "between", "last"),
    [
        ("\r\n", "\n", "\n"),
        ("\r\n", "\n", "\r\n"),
        ("\n", "\r\n", "\r\n"),
        ("\n", "\r\n", "\n"),
        ("\n", "\n", "\r\n"),
        ("\r\n", "\r\n", "\n"),
    ],
)
@pytest.mark.parametrize("tail", ["", "\n", "\r\n"])
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 200), max_size=20))
def test_no_part_is_lost_or_gets_a_byte_where_line_ends_are_mixed(
    head: str, between: str, last: str, tail: str, cuts: list[int]
) -> None:
    tail = last if tail else tail
    text = f"--B{head}A: b{head}{head}one{between}--B{between}A: c{between}{between}two{last}--B--{tail}"

    parts = parts_of(text.encode(), b"B", cuts)

    returns = b"\r" if (between, last, tail) == ("\n", "\r\n", "") else b""
    assert parts == [({"a": "b"}, b"one"), ({"a": "c"}, b"two" + returns)]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_a_carriage_return_at_the_end_of_content_stays_where_lines_have_none(cuts: list[int]) -> None:
    body = b"--B\nA: b\n\none\r\n--B\n\ntwo\r\n--B--"

    assert [content for _, content in parts_of(body, b"B", cuts)] == [b"one\r", b"two\r"]


def test_a_preamble_and_an_epilogue_are_borne() -> None:
    body = a_body(b"B", [b"one", b"two"], before=b"This is a message with several parts.") + b"epilogue\r\n--B\r\n"

    assert [content for _, content in parts_of(body, b"B")] == [b"one", b"two"]


def test_a_part_may_be_empty_or_without_a_header() -> None:
    body = b"--B\r\n\r\n\r\n--B\r\nContent-Type: a/b\r\n\r\n--B\r\n\r\nx\r\n--B--"

    assert parts_of(body, b"B") == [({}, b""), ({"content-type": "a/b"}, b""), ({}, b"x")]


def test_a_header_is_read_with_folded_lines_and_any_case() -> None:
    body = b'--B\r\nCONTENT-TYPE: multipart/x;\r\n type="y"\r\nContent-Location:  u \r\n\r\nz\r\n--B--\r\n'

    assert parts_of(body, b"B") == [({"content-type": 'multipart/x; type="y"', "content-location": "u"}, b"z")]


def test_a_boundary_that_does_not_occur_is_named_as_the_fault() -> None:
    splitter = Splitter(b"other")
    list(splitter.feed(a_body(b"B", [b"one"])))

    with pytest.raises(Invalid, match="does not occur"):
        splitter.close()


def test_an_endless_preamble_is_refused() -> None:
    splitter = Splitter(b"B")

    with pytest.raises(Invalid, match="does not occur"):
        list(splitter.feed(b"x" * (80 << 10)))


def test_an_endless_header_is_refused() -> None:
    with pytest.raises(Invalid, match="16 KiB"):
        list(Splitter(b"B").feed(b"--B\r\nName: " + b"x" * (17 << 10)))


def test_what_is_written_reads_back() -> None:
    head = part_head(b"B", [("Content-Type", "a/b"), ("Content-Location", "http://h/x")])
    body = head + b"content" + part_head(b"B", []) + closing(b"B")

    expected = [({"content-type": "a/b", "content-location": "http://h/x"}, b"content"), ({}, b"")]
    assert parts_of(body, b"B") == expected


@pytest.mark.parametrize(
    "text",
    [
        'multipart/related; type="application/dicom"; boundary=B',
        "multipart/related; type=application/dicom; boundary=B",
        'Multipart/Related;boundary="B";TYPE="application/dicom"',
        'multipart/related; boundary=B; start="<a;b>"; type=application/dicom;',
    ],
)
def test_the_type_is_read_with_and_without_quotes(text: str) -> None:
    found = media_type(text)

    assert (found.name, found.kind, boundary_of(found)) == ("multipart/related", "application/dicom", b"B")


@pytest.mark.parametrize("boundary", ["", "x" * 201, "ends in space ", "a\tb", "ü"])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(Invalid):
        boundary_of(MediaType("multipart/related", {"boundary": boundary}))


@given(st.text(max_size=80))
def test_any_text_can_be_read_as_a_media_type(text: str) -> None:
    assert media_type(text).name == media_type(text).name.lower()
