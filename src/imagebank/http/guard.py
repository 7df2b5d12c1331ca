"""What holds for every request and every answer of every HTTP edge: a piece of ASGI before all others."""

import asyncio
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagebank.http import certificates
from imagebank.http.errors import say
from imagebank.settings import Settings

UPLOADS: Final = re.compile(
    r"/(dicom-web/studies(/|$)|api/v1/deposits$|api/v1/uploads(/[0-9a-f]+)?$|upload$|my/deposit$)"
)
"""Paths whose bodies are objects; every other body is a form or a few words."""

# RFC 9110 7.2 and RFC 3986 3.2.2, less what no name of a machine has.
_HOST: Final = re.compile(rb"(\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._~-]+)(?::(\d{0,5}))?")
_LAST_PORT: Final = 65535
_YEAR_S: Final = 365 * 86400
_DEFAULTS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# Opened as a page by itself, an answer for programs is saved and shows nothing of what somebody has put into it.
_FOR_PROGRAMS: Final = (b"content-disposition", b'attachment; filename="answer.json"')
# A 304 brings no policy: it would take the place of the one that was sent with the content (RFC 9110 15.4.5).
_NOT_MODIFIED: Final = 304
_MOST_DRAINED: Final = 8 << 20
DRAINED_S: Final = 10.0
"""How long what nobody wants is still read, so that its sender hears why."""
_log = logging.getLogger(__name__)


class Guard:
    """Refuses what is too large or names no host, puts the missing safety fields on every answer, catches the rest.

    What a route sets itself stays: these are for what it did not think of.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._proxies = frozenset(settings.trusted_proxies)
        self._fields = _DEFAULTS
        if settings.public_url.startswith("https:") or settings.http_tls_cert is not None:
            self._fields += ((b"strict-transport-security", f"max-age={_YEAR_S}".encode()),)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._fields)
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        is_proxied = bool(self._proxies and scope["client"] and scope["client"][0] in self._proxies)
        certificates.take(scope, is_believed=is_proxied)
        if is_proxied:
            scope["client"] = (_behind(headers, self._proxies) or scope["client"][0], 0)
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, answer.send)
            return
        body = _Body(receive, self._limit(scope))
        try:
            if body.is_declared_within(headers):
                await self._app(scope, body.receive if _has_body(headers) else receive, answer.send)
            else:
                raise _TooLarge  # noqa: TRY301 - one place answers it, whether it was declared or found out
        except _TooLarge:
            await body.drain()
            await _once(answer, _too_large(body.limit), scope, receive)
        except Exception:
            _log.exception("%s failed", scope["method"])  # no path: it may name a patient's study
            if answer.has_begun:
                raise
            await _once(answer, _failed(), scope, receive)

    def _refused(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> Response | None:
        size = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        hosts = []
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts.append(value)
        if size > self._settings.max_header_bytes:
            words = f"the address and the header fields may have {self._settings.max_header_bytes} bytes together"
            return say(431, "RequestHeaderFieldsTooLarge", words, {"Connection": "close"})
        if len(hosts) > 1 or not all(map(_is_host, hosts)):
            return say(400, "Invalid", "the Host field names no host")
        return None

    def _limit(self, scope: Scope) -> int:
        return self._settings.max_upload_bytes if is_upload(scope) else self._settings.max_form_bytes


def is_upload(scope: Scope) -> bool:
    """Whether the body of a request brings objects."""
    return scope["method"] in ("POST", "PATCH") and UPLOADS.match(scope["path"]) is not None


def _is_host(value: bytes) -> bool:
    """Whether a Host field names one, so that an address with it can be read: brackets hold IPv6, and ports end."""
    found = _HOST.fullmatch(value)
    if found is None or int(found[3] or 0) > _LAST_PORT:
        return False
    try:
        return not found[2] or isinstance(ip_address(found[2].decode()), IPv6Address)
    except ValueError:
        return False


def _behind(headers: Iterable[tuple[bytes, bytes]], proxies: frozenset[str]) -> str:
    """The address that the nearest proxy took a call from: the last that is no proxy of ours. Empty for none.

    Whatever stands before it may be made up by the caller.
    """
    named = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    others = [address for part in named.split(",") if (address := part.strip()) not in proxies]
    try:
        return str(ip_address(others[-1]))
    except (IndexError, ValueError):
        return ""


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


class _TooLarge(Exception):
    """The body has more bytes than its route takes."""


class _Body:
    """The body of a request, counted."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._read = 0
        self._has_more = True
        self.limit = limit

    def is_declared_within(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        lengths = [value for name, value in headers if name == b"content-length"]
        return all(not length.isdigit() or (len(length) < 19 and int(length) <= self.limit) for length in lengths)

    async def receive(self) -> Message:
        message = await self._take()
        if self._read > self.limit:
            raise _TooLarge
        return message

    async def drain(self) -> None:
        """Read on for a while: a connection that is closed on unread bytes loses the answer, too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_S):
                while self._has_more and self._read < self.limit + _MOST_DRAINED:
                    await self._take()

    async def _take(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        self._has_more = message["type"] == "http.request" and message.get("more_body", False)
        return message


class _Answer:
    """The answer on its way out."""

    def __init__(self, send: Send, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._fields = fields
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message["headers"] = self._completed(message["status"], list(message.get("headers", ())))
        await self._send(message)

    def _completed(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        there = {name.lower() for name, _ in headers}
        if status == _NOT_MODIFIED:
            there.add(b"content-security-policy")
        if b"content-disposition" not in there and _is_json(headers):
            headers.append(_FOR_PROGRAMS)
        headers += [field for field in self._fields if field[0] not in there]
        return headers


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    return bool(kinds) and kinds[0].partition(b";")[0].endswith(b"json")


async def _once(answer: _Answer, response: Response, scope: Scope, receive: Receive) -> None:
    if not answer.has_begun:
        await response(scope, receive, answer.send)


def _too_large(limit: int) -> Response:
    words = f"a request like this may have {limit} bytes; send less at a time"
    return say(413, "ContentTooLarge", words, {"Connection": "close"})


def _failed() -> Response:
    words = "something went wrong here, and stands in the server's log; what was acknowledged before is safe"
    return say(500, "InternalError", words)
