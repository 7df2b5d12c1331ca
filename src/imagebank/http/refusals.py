"""Refusals of every HTTP edge, for the ledger: a piece of ASGI before every route."""

from http import HTTPStatus
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagebank.bank import Bank
from imagebank.model.access import Principal

_WORDS: Final = {HTTPStatus.FORBIDDEN: "not allowed", HTTPStatus.UNAUTHORIZED: "unknown token"}


class Refusals:
    """Counts what was answered with 403, and with 401 to whoever sent something to be known by."""

    def __init__(self, app: ASGIApp, bank: Bank) -> None:
        self._app = app
        self._bank = bank

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _WORDS:
                self._note(HTTPConnection(scope), message["status"])
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)

    def _note(self, asked: HTTPConnection, status: int) -> None:
        if status == HTTPStatus.UNAUTHORIZED and "authorization" not in asked.headers:
            return
        caller = getattr(asked.state, "caller", None)
        who = (caller.name, caller.organization) if isinstance(caller, Principal) else ("", "")
        what = f"{asked.scope['method']} {_place(asked)}: {_WORDS[HTTPStatus(status)]}"
        self._bank.reads.refused(*who, what, asked.client.host if asked.client else "")


def _place(asked: HTTPConnection) -> str:
    """The path as the route has it: one line for all objects, and nothing in it that a stranger made up."""
    path = asked.url.path
    for name, value in asked.path_params.items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path
