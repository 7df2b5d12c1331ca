"""Callers who send slowly or take slowly, without a network."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from imagebank.http import patience
from imagebank.http.patience import Patience
from imagebank.settings import Settings

FORM, UPLOAD = "/sign-in/password", "/dicom-web/studies"
PAUSE_S = 0.02


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)}")(scope, receive, send)


def asked(
    path: str, pieces: Iterable[bytes], settings: Settings, *, app: object = read, takes: bool = True
) -> list[Message]:
    """What is sent to somebody who sends these pieces, each after a pause, and then nothing."""
    waiting, sent = iter(pieces), []

    async def receive() -> Message:
        await asyncio.sleep(PAUSE_S)
        piece = next(waiting, None)
        if piece is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": piece != b""}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not takes:
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(Patience(app, settings)(scope, receive, send))  # type: ignore[arg-type]
    return sent


def status(sent: list[Message]) -> int:
    return int(sent[0]["status"])


def test_a_form_that_trickles_is_given_up_however_steadily_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FORM_S", 10 * PAUSE_S)
    sent = asked(FORM, [b"x"] * 1000, Settings())

    assert status(sent) == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_form_that_is_here_in_time_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FORM_S", 1000 * PAUSE_S)

    assert status(asked(FORM, [b"x", b"y", b""], Settings())) == 200


@pytest.mark.parametrize(("size", "found"), [(1, 408), (100_000, 200)])
def test_an_upload_takes_as_long_as_it_needs_and_has_to_move(size: int, found: int) -> None:
    settings = Settings(upload_idle_s=50 * PAUSE_S)

    assert status(asked(UPLOAD, [*[b"x" * size] * 150, b""], settings)) == found


def test_an_upload_that_stops_is_given_up() -> None:
    assert status(asked(UPLOAD, [b"x" * 100_000], Settings(upload_idle_s=2 * PAUSE_S))) == 408


def test_an_answer_that_nobody_takes_ends() -> None:
    ended = []

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Response(b"x" * 100)(scope, receive, send)
        except OSError:
            ended.append("let go")
            raise

    sent = asked(FORM, [b""], Settings(download_idle_s=PAUSE_S), app=answering, takes=False)

    assert ended == ["let go"]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_large_answer_leaves_in_pieces_so_that_little_waits_for_a_slow_reader() -> None:
    content = bytes(range(256)) * 8200

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(content)(scope, receive, send)

    bodies = asked(FORM, [b""], Settings(), app=answering)[1:]

    assert b"".join(message["body"] for message in bodies) == content
    assert [message["more_body"] for message in bodies] == [True] * 4 + [False]
    assert max(len(message["body"]) for message in bodies) == 512 << 10


def test_whoever_hangs_up_is_not_answered() -> None:
    async def torn(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientDisconnect

    assert asked(FORM, [], Settings(), app=torn) == []


def test_what_is_no_request_goes_through() -> None:
    seen = []

    async def lifespan(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(Patience(lifespan, Settings())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
