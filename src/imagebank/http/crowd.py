"""How many requests of one address may be in progress: a piece of ASGI behind the guard, which knows the address."""

from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from imagebank.http.errors import RETRY_AFTER_S, say
from imagebank.settings import Settings

# Whoever watches the bank may do so from a crowded address.
_ALWAYS: Final = frozenset({"/healthz", "/readyz"})


class Crowd:
    """Refuses an address that holds too many requests open at once: 429, and the connection ends.

    A proxy is no caller: what it hands on without an address of its own is not counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._most = settings.max_requests_per_address
        self._proxies = frozenset(settings.trusted_proxies)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope["type"] == "http" and scope.get("client") else ""
        if not address or address in self._proxies or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        if self._open[address] >= self._most:
            await _crowded(self._most)(scope, receive, send)
            return
        self._open[address] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def _crowded(most: int) -> ASGIApp:
    words = f"{most} requests from your address are being answered; wait until one of them is"
    return say(429, "TooOften", words, {"Connection": "close", "Retry-After": str(RETRY_AFTER_S)})
