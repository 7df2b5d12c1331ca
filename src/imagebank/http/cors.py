"""Which other sites' pages may speak to the interfaces for programs: none, but those that the settings name."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagebank.settings import SettingsError

_FOR_PROGRAMS: Final = re.compile(r"/(api|dicom-web|wado|fhir|cds-services)(/|$)")
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
# The last ones are those of tus 1.0, by which uploads go on.
_SENT: Final = (
    "Accept, Authorization, Content-Type, If-None-Match, Prefer, Range, Tus-Resumable, Upload-Length, Upload-Metadata, "
    "Upload-Offset"
)
_SEEN: Final = (
    b"Content-Disposition, Content-Location, Content-Range, ETag, Location, Retry-After, Warning, WWW-Authenticate, "
    b"Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Expires, Upload-Length, Upload-Offset"
)
_AGE_S: Final = 600


class Cors:
    """Answers pages of the named origins as the Fetch standard asks; all others meet the browser's own wall.

    A cookie is never good for another site's page: those send a bearer token. Raises SettingsError for an origin that
    is none.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(f"cors_origins holds origins such as https://viewer.example, and not {origin!r}")
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = self._origin(scope) if self._origins and scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_allowing(origin)]
            await send(message)

        asked = dict(scope["headers"]).get(b"access-control-request-method")
        app = _preflight() if scope["method"] == "OPTIONS" and asked else self._app
        await app(scope, receive, sent)

    def _origin(self, scope: Scope) -> bytes | None:
        if not _FOR_PROGRAMS.match(scope["path"]):
            return None
        given = [value for name, value in scope["headers"] if name == b"origin"]
        return given[0] if len(given) == 1 and given[0] in self._origins else None


def _allowing(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _SEEN),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"vary", b"Origin"),
    ]


def _preflight() -> Response:
    allowed = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _SENT,
        "Access-Control-Max-Age": str(_AGE_S),
    }
    return Response(None, 204, allowed)
