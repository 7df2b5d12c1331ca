"""How long a request may be silent in the midst of its body: a piece of ASGI before every route."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagebank.http.errors import say


class Patience:
    """Gives up on a body of which no byte comes for `idle_s` seconds: 408 (RFC 9110 15.5.9), and the connection ends.

    For the routes it is as if the sender had hung up, so that they let go of what they hold. A body that is slow and
    moves is waited for, however long it takes.
    """

    def __init__(self, app: ASGIApp, idle_s: float) -> None:
        self._app = app
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(receive, send, self._idle_s)
        try:
            await self._app(scope, request.receive, request.send)
        except ClientDisconnect:
            if not request.is_silent:
                return  # nobody is left to answer
        if request.is_silent and not request.is_answered:
            await _given_up(self._idle_s)(scope, receive, send)


class _Request:
    """One request: whether its body is here, whether it fell silent, and whether its answer has begun."""

    def __init__(self, receive: Receive, send: Send, idle_s: float) -> None:
        self._receive = receive
        self._send = send
        self._idle_s = idle_s
        self._is_whole = False
        self.is_silent = False
        self.is_answered = False

    async def receive(self) -> Message:
        # Afterwards an application only waits to hear that the client is gone.
        if self._is_whole or self.is_answered:
            return await self._receive()
        if not self.is_silent:
            try:
                message = await asyncio.wait_for(self._receive(), self._idle_s)
            except TimeoutError:
                self.is_silent = True
            else:
                self._is_whole = not message.get("more_body", False)
                return message
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        # What a route says to somebody who hung up is not what is to be said to somebody who fell silent.
        if not self.is_silent or self.is_answered:
            self.is_answered = True
            await self._send(message)


def _given_up(idle_s: float) -> ASGIApp:
    words = f"no byte of the body came for {idle_s:g} s; send it again: what was kept meanwhile is not kept twice"
    return say(408, "RequestTimeout", words, {"Connection": "close"})
