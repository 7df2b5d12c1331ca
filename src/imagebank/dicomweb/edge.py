"""What every DICOMweb transaction shares: who asks, which address we answer under, refusals, common header fields."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, ParamSpec, TypeVar
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.dicomweb.accept import NotAcceptable, Preferences, preferences
from imagebank.dicomweb.tables import ROOT
from imagebank.errors import BankError, Invalid, Unsupported
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.errors import refusal, say
from imagebank.http.guard import DRAINED_S
from imagebank.http.quick import quickly
from imagebank.model.access import Principal
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid

P = ParamSpec("P")
T = TypeVar("T")

QUICK_BYTES: Final = 1 << 20
"""Up to here a read from local segments costs less than a hop to a thread (measured: 0.2 to 0.6 ms a hop)."""

_MOST_DRAINED: Final = 64 << 20
_CONTROL: Final = re.compile(r"[\x00-\x1f]")

CACHING: Final = "private, no-cache"
"""A browser may keep what it got, and has to ask each time whether it still may show it."""

SANDBOXED: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
"""Whatever an object holds opens in a world of its own: it runs nothing, and sees nothing of ours."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a known caller. `base` is the absolute address of the DICOMweb root."""

    request: Request
    bank: Bank
    principal: Principal
    address: str
    origin: str
    prefers: Preferences
    parameters: tuple[tuple[str, str], ...]

    @property
    def base(self) -> str:
        return self.origin + ROOT

    @property
    def selection(self) -> Selection:
        """The study, series and instance that the path names. Raises Invalid for a UID that is none."""
        given = self.request.path_params
        return Selection(
            *(Uid.parse(given[level]) if level in given else None for level in ("study", "series", "instance"))
        )

    def parameter(self, name: str) -> str | None:
        """A query parameter's value; None when it is not there. Raises Invalid when it is there twice."""
        values = [value for key, value in self.parameters if key == name]
        if len(values) > 1:
            raise Invalid(f"the parameter {name} may be given once")
        return values[0] if values else None

    def warning(self, text: str) -> str:
        """The value of a Warning field as PS3.18 8.4.3 has it."""
        return f"299 {self.base}: {text}"

    async def quickly(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short indexed read where it is done soonest."""
        return await quickly(self.bank, function, *args, **kwargs)

    async def select(self, selection: Selection | None = None) -> list[Instance]:
        """The instances that the path, or a selection, names. Raises NotFound."""
        return await self.quickly(retrieve.select, self.bank, selection or self.selection, self.principal.scope)

    async def reading(self, instances: list[Instance], way: str) -> None:
        """Put the read into the ledger, before its first byte. Raises NotAllowed.

        One that is answered from the caller's own cache is a read, too: somebody else may have filled that cache.
        """
        arguments = (self.bank, self.principal, instances, way, self.address)
        if not retrieve.reading_again(*arguments):
            # A first read waits for its event to be durable.
            await run_in_threadpool(retrieve.reading, *arguments)


def produced(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a form of stored bytes. Raises NotAcceptable where they cannot be decoded: the question was right."""
    try:
        return function(*args, **kwargs)
    except (Invalid, Unsupported) as error:
        raise NotAcceptable(str(error)) from error


def instance_url(base: str, instance: Instance) -> str:
    """Where an instance is retrieved."""
    return f"{base}/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}"


Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(answer: Callable[[Call], Awaitable[Response]]) -> Endpoint:
    """A transaction as an HTTP endpoint: the caller is known before, refusals are put into words after."""

    async def respond(request: Request) -> Response:
        try:
            response = await _heard_out(request, answer)
        except NotAcceptable as error:
            response = say(406, "NotAcceptable", str(error))
        except Unsupported as error:
            # PS3.18 8.5: what we understand and cannot produce is a form that we do not offer.
            response = say(406, "NotAcceptable", str(error))
        except BankError as error:
            response = refusal(error)
        response.headers.setdefault("Cache-Control", CACHING)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code != HTTPStatus.NOT_MODIFIED:  # else it would take the place of the policy that was sent
            response.headers.setdefault("Content-Security-Policy", SANDBOXED)
        return response if request.method != "HEAD" else _head(response)

    return respond


async def _heard_out(request: Request, answer: Callable[[Call], Awaitable[Response]]) -> Response:
    """The answer, after the rest of the body: a connection that is closed on unread bytes loses the answer, too."""
    try:
        return await answer(await _call(request))
    finally:
        if request.method == "POST":
            await _drain(request)


async def _drain(request: Request) -> None:
    read = 0
    # RuntimeError: it has been read to its end.
    with suppress(ClientDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(DRAINED_S):
            async for chunk in request.stream():
                read += len(chunk)
                if read > _MOST_DRAINED:
                    return


def _head(response: Response) -> Response:
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare


async def _call(request: Request) -> Call:
    principal = await caller(request)
    parameters = _parameters(request.scope["query_string"])
    wish = next((value for name, value in parameters if name == "accept"), None)
    prefers = preferences(_field(request.headers.getlist("accept")), wish)
    bank = bank_of(request)
    reached = _origin(request)
    origin = bank.settings.public_url.rstrip("/") or reached
    return Call(request, bank, principal, address_of(request), origin, prefers, parameters)


def _origin(request: Request) -> str:
    """How the caller reached us, for the addresses in our answers.

    Some clients (dicomweb-client) leave the port out of Host. When they name the very address of our socket, its port
    is meant; behind a proxy the setting `public_url` says how we are called. That Host names a host is known by now
    (`http.guard`).
    """
    scheme, server = request.scope["scheme"], request.scope.get("server")
    # Of the URL no more than is needed: to put one together takes as long as finding an object.
    netloc = request.headers.get("host") or request.url.netloc
    if server and netloc in (server[0], "localhost") and server[1] not in (None, {"http": 80, "https": 443}[scheme]):
        return f"{scheme}://{netloc}:{server[1]}"
    return f"{scheme}://{netloc}"


def _field(values: Iterable[str]) -> str | None:
    return ", ".join(values) or None


def _parameters(query: bytes) -> tuple[tuple[str, str], ...]:
    """Query parameters in their order. Raises Invalid when they are not UTF-8 or hold control characters."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=500)
    except UnicodeDecodeError:
        raise Invalid("query parameters are percent-encoded UTF-8") from None
    except ValueError:
        raise Invalid("there are too many query parameters") from None
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise Invalid("query parameters hold no control characters")
    return tuple(pairs)
