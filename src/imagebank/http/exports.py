"""`/api/v1/export` and `/api/v1/exports`: studies as an archive or a disc image, to be taken in any ranges."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import exporting
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.ranges import ranged
from imagebank.model.access import Principal
from imagebank.model.export import Progress, Wish

PATIENCE_S: Final = 20.0
"""How long a request waits for an export to be made, before it is told where to ask again."""
_SLICE_S: Final = 1.0
AT_ONCE: Final = 2
"""Requests of a process that make an export themselves: threads and decoders are there for viewers, too."""
AGAIN_S: Final = 3
_NO_STORE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
_MOST_BYTES: Final = 256 << 10
Translate = Callable[[str], tuple[str, Mapping[str, str]]]
"""From an Accept-Language field to a language and the texts of an export's pages in it."""


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    studies: list[str]
    format: str = ""
    reports: bool = True
    password: str = ""


def in_language(request: Request, wish: Wish) -> Wish:
    """The wish with the language that the caller's program asks for."""
    translate: Translate = request.app.state.translate
    language, words = translate(request.headers.get("accept-language", ""))
    return replace(wish, language=language, words=words)


async def take_export(request: Request) -> Response:
    """Studies as one file: `study` repeated, `format` zip, iso or pictures. 202 while it is still being made."""
    principal = await caller(request)
    given = request.query_params
    if unknown := sorted(set(given) - {"study", "format", "reports"}):
        raise Invalid(f"there is no parameter {', '.join(unknown)[:64]}; a password goes by POST")
    reports = given.get("reports", "true")
    if reports not in ("true", "false"):
        raise Invalid("reports is true or false")
    wish = Wish.parse(given.getlist("study"), given.get("format", ""), reports=reports == "true")
    return await _taken(request, principal, in_language(request, wish))


async def post_export(request: Request) -> Response:
    """The same of a JSON body, for many studies, or with a password for a ZIP file."""
    principal = await caller(request)
    return await _taken(request, principal, in_language(request, await _read(request)))


async def _taken(request: Request, principal: Principal, wish: Wish) -> Response:
    bank = bank_of(request)
    made = await run_in_threadpool(exporting.begin, bank, wish, principal)
    until = time.monotonic() + PATIENCE_S
    while not made.is_ready:
        if time.monotonic() >= until:
            return _told(made, 202)
        made = await _further(bank, made.name, principal)
    return await _file(request, principal, made.name)


class _Turns:
    """How many requests of this process make an export themselves at the moment."""

    taken = 0


async def _further(bank: Bank, name: str, principal: Principal) -> Progress:
    """Make an export for a second; where others do so already, wait as long for a worker."""
    if _Turns.taken >= AT_ONCE:
        await asyncio.sleep(_SLICE_S)
        return await run_in_threadpool(exporting.progress, bank, name, principal)
    _Turns.taken += 1
    try:
        return await run_in_threadpool(exporting.go_on, bank, name, principal, _SLICE_S)
    finally:
        _Turns.taken -= 1


async def begin_export(request: Request) -> Response:
    """Begin an export; `Location` says where to ask how far it is."""
    principal = await caller(request)
    wish = in_language(request, await _read(request))
    return _told(await run_in_threadpool(exporting.begin, bank_of(request), wish, principal), 202)


async def show_export(request: Request) -> Response:
    """How far an export is, and where its file is once it is ready."""
    principal = await caller(request)
    found = await run_in_threadpool(exporting.progress, bank_of(request), request.path_params["export"], principal)
    return _told(found, 200)


async def end_export(request: Request) -> Response:
    """Let go of an export; what it was made of stays."""
    principal = await caller(request)
    await run_in_threadpool(exporting.end, bank_of(request), request.path_params["export"], principal)
    return Response(status_code=204)


async def export_file(request: Request) -> Response:
    """The file of an export that is ready, also by byte ranges."""
    return await _file(request, await caller(request), request.path_params["export"])


async def _file(request: Request, principal: Principal, name: str) -> Response:
    return given(
        request, await run_in_threadpool(exporting.opened, bank_of(request), name, principal, address_of(request))
    )


def given(request: Request, export: exporting.Opened) -> Response:
    """An export as an answer: whole, or the ranges that are asked for."""
    headers = {**_NO_STORE, "Content-Disposition": f'attachment; filename="{export.file}"'}
    return ranged(request, export.size, export.tag, export.media_type, export.read, headers)


async def _read(request: Request) -> Wish:
    """The wish in a body. Raises Invalid."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST_BYTES:
            raise Invalid(f"this body has more than {_MOST_BYTES >> 10} KiB")
    try:
        body = msgspec.json.decode(data, type=_Body)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body is a JSON object with studies, format, reports and password: {error}") from None
    return Wish.parse(body.studies, body.format, reports=body.reports, password=body.password)


def _told(found: Progress, status: int) -> Response:
    address = f"{ROOT}/{found.name}"
    told: dict[str, Any] = {
        "id": found.name,
        "format": found.format,
        "done": found.done,
        "of": found.of,
        "is_ready": found.is_ready,
        "has_password": found.has_password,
        "expires_at": found.expires_at.isoformat(),
        "troubles": list(found.troubles),
    }
    headers = {**_NO_STORE, "Location": address} if status == 202 else dict(_NO_STORE)
    if found.is_ready:
        told |= {"bytes": found.bytes, "file": f"{address}/file"}
    else:
        headers["Retry-After"] = str(AGAIN_S)
    return JSONResponse(told, status, headers)


ROOT: Final = "/api/v1/exports"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    "/api/v1/export": {"GET": take_export, "POST": post_export},
    ROOT: {"POST": begin_export},
    f"{ROOT}/{{export}}": {"GET": show_export, "DELETE": end_export},
    f"{ROOT}/{{export}}/file": {"GET": export_file},
}
"""What is done at each address, by method."""


def export_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
