"""How slowly a caller may send a request or take its answer: a piece of ASGI before every route."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagebank.http.begun import begun
from imagebank.http.errors import say
from imagebank.http.guard import is_upload
from imagebank.settings import Settings

FORM_S: Final = 30.0
"""A body that brings no objects is here within this time, in all."""
LEAST_BYTES_PER_S: Final = 1024
"""An upload brings so many, over each span of the silence that it is allowed."""
_PIECE: Final = 512 << 10
_UNDIVIDED: Final = 1 << 20


class Patience:
    """Gives up on a body that comes too slowly: 408 (RFC 9110 15.5.9), and the connection ends.

    Too slowly is: no byte for `upload_idle_s` seconds, a form that takes longer than `FORM_S`, an upload with less than
    `LEAST_BYTES_PER_S`. For the routes it is as if the sender had hung up, so that they let go of what they hold. The
    same for whoever takes half a mebibyte of an answer in more than `download_idle_s` seconds: the connection ends.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._settings.upload_idle_s, is_upload=is_upload(scope))
        answer = _Answer(send, body, self._settings.download_idle_s)
        try:
            await self._app(scope, answer.receive, answer.send)
        except (ClientDisconnect, _NotTaken):
            if not body.is_given_up:
                return  # nobody is left to answer
        if body.is_given_up and not answer.has_begun:
            await _given_up()(scope, receive, send)


class _NotTaken(OSError):
    """Nobody takes the answer. An OSError is how a server says so (ASGI 2.4)."""


class _Body:
    """The body of one request: whether it is here, and whether it was given up."""

    def __init__(self, receive: Receive, idle_s: float, *, is_upload: bool) -> None:
        self._receive = receive
        self._idle_s = idle_s
        self._is_upload = is_upload
        self._waited_s = 0.0
        self._came = 0
        self.is_whole = False
        self.is_given_up = False

    async def next(self) -> Message:
        """What comes next; that the sender hung up when it was waited for too long."""
        if not self.is_given_up:
            left_s = self._idle_s if self._is_upload else min(self._idle_s, FORM_S - self._waited_s)
            clock = asyncio.get_running_loop().time
            begun = clock()
            try:
                async with asyncio.timeout(left_s):
                    message = await self._receive()
            except TimeoutError:
                self.is_given_up = True
            else:
                self.is_whole = not message.get("more_body", False)
                self._note(clock() - begun, len(message.get("body", b"")))
        return {"type": "http.disconnect"} if self.is_given_up else message

    async def end(self) -> Message:
        """Whatever comes behind the body."""
        return await self._receive()

    def _note(self, waited_s: float, came: int) -> None:
        """Only waiting counts: how long we take ourselves is no fault of the sender's."""
        self._waited_s += waited_s
        self._came += came
        if not self._is_upload or self._waited_s < self._idle_s:
            return
        self.is_given_up = not self.is_whole and self._came < LEAST_BYTES_PER_S * self._waited_s
        self._waited_s, self._came = 0.0, 0


class _Answer:
    """The answer to one request: whether it has begun."""

    def __init__(self, send: Send, body: _Body, idle_s: float) -> None:
        self._send = send
        self._body = body
        self._idle_s = idle_s
        self.has_begun = False

    async def receive(self) -> Message:
        # After the body an application only waits to hear that the client is gone.
        if self._body.is_whole or self.has_begun:
            return await self._body.end()
        return await self._body.next()

    async def send(self, message: Message) -> None:
        # What a route says to somebody who hung up is not what is to be said to somebody who fell silent.
        if self._body.is_given_up and not self.has_begun:
            return
        self.has_begun = True
        if message["type"] == "http.response.start":
            await self._send(message)  # it leaves with the first bytes of the body
            return
        content = message.get("body", b"")
        if len(content) <= _UNDIVIDED:
            await self._taken(message)
            return
        for start in range(0, len(content), _PIECE):
            has_more = start + _PIECE < len(content) or message.get("more_body", False)
            piece = bytes(content[start : start + _PIECE])
            await self._taken({"type": message["type"], "body": piece, "more_body": has_more})

    async def _taken(self, message: Message) -> None:
        rest = begun(self._send(message))
        if rest is None:
            return
        try:
            async with asyncio.timeout(self._idle_s):
                await rest
        except TimeoutError:
            raise _NotTaken from None


def _given_up() -> ASGIApp:
    words = "the body came too slowly, or stopped; send it again: what was kept meanwhile is not kept twice"
    return say(408, "RequestTimeout", words, {"Connection": "close"})
