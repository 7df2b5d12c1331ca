"""`/api/v1/uploads`: uploads that break off and go on, by tus 1.0 (creation, with upload, termination, expiration)."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import wraps
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import uploads
from imagebank.actions.uploads import Became, Upload
from imagebank.errors import BankError, Invalid
from imagebank.http import receipts
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.errors import NotSignedIn, on_not_signed_in, refusal, say
from imagebank.http.methods import METHODS, Endpoint, by_method
from imagebank.model.access import Principal
from imagebank.model.upload import SAID

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,expiration,termination"
TYPE: Final = "application/offset+octet-stream"
_MOST_DIGITS: Final = 19
_ALWAYS: Final = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}


def _tus(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose every answer names the version, refusals too, and that hears no other version."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        if request.headers.get("tus-resumable", VERSION) != VERSION:
            words = f"this server speaks version {VERSION} of the protocol"
            return say(412, "PreconditionFailed", words, {**_ALWAYS, "Tus-Version": VERSION})
        try:
            answer = await endpoint(request)
        except BankError as error:
            answer = refusal(error)
        except NotSignedIn as error:
            answer = await on_not_signed_in(request, error)
        answer.headers.update(_ALWAYS)
        return answer

    return answered


async def options(request: Request) -> Response:
    """What is offered: for anybody, as the protocol wants it."""
    most = str(uploads.most_bytes(bank_of(request)))
    offered = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": most}
    return Response(status_code=204, headers={**_ALWAYS, **offered})


@_tus
async def begin_upload(request: Request) -> Response:
    """Begin an upload of `Upload-Length` bytes; `Upload-Metadata` names the file and says what is known of it."""
    principal = await caller(request)
    bank, length = bank_of(request), _number(request, "Upload-Length")
    file, said = _metadata(request.headers.get("upload-metadata", ""))
    if length > uploads.most_bytes(bank):
        return say(413, "ContentTooLarge", f"an upload has at most {uploads.most_bytes(bank)} bytes")
    upload = await run_in_threadpool(uploads.begin, bank, principal, length, file, said)
    if _is_content(request):
        upload = await _filled(request, principal, upload)
    location = {"Location": f"{request.url.path}/{upload.name}"}
    return Response(status_code=201, headers={**location, **_fields(upload)})


@_tus
async def show_upload(request: Request) -> Response:
    """How far an upload is; the same by HEAD, in the header fields alone."""
    upload = await _called(request, await caller(request), uploads.find)
    shown = {"id": upload.name, "length": upload.length, "offset": upload.offset, "done": upload.is_done}
    return JSONResponse({**shown, "expires_at": upload.expires_at.isoformat()}, headers=_fields(upload))


@_tus
async def fill_upload(request: Request) -> Response:
    """The next bytes, from `Upload-Offset` on. What has come is kept, also when the line breaks."""
    principal = await caller(request)
    if not _is_content(request):
        return say(415, "UnsupportedMediaType", f"the bytes of an upload come as {TYPE}")
    offset = _number(request, "Upload-Offset")
    upload = await _called(request, principal, uploads.find)
    # Nothing at all is looked at, too: whoever is at another place has to hear it.
    if offset != upload.offset:
        upload = await _called(request, principal, uploads.append, offset, b"")
    upload = await _filled(request, principal, upload)
    return Response(status_code=204, headers=_fields(upload))


@_tus
async def end_upload(request: Request) -> Response:
    """Let go of an upload, finished or not; what the bank has taken in stays."""
    await _called(request, await caller(request), uploads.end)
    return Response(status_code=204)


@_tus
async def deposit_upload(request: Request) -> Response:
    """Take a whole upload into the bank, archives with all that they hold: what became of each object."""
    became = await _called(request, await caller(request), uploads.deposit, address_of(request))
    kept = all(one.receipt.is_kept for one in became)
    return JSONResponse({"outcomes": [as_json(one) for one in became]}, 200 if kept else 207)


async def _called(request: Request, principal: Principal, act: Callable[..., Any], *rest: Any) -> Any:
    return await run_in_threadpool(act, bank_of(request), request.path_params["upload"], principal, *rest)


async def _filled(request: Request, principal: Principal, upload: Upload) -> Upload:
    """Keep what comes, block by block; of a body that breaks off, what was there."""
    waiting = bytearray()

    async def keep() -> None:
        nonlocal upload
        if waiting:
            given = (upload.name, principal, upload.offset, bytes(waiting))
            waiting.clear()
            upload = await run_in_threadpool(uploads.append, bank_of(request), *given)

    try:
        async for chunk in request.stream():
            waiting += chunk
            if upload.offset + len(waiting) > upload.length:
                raise Invalid(f"more bytes than the {upload.length} that were announced")
            if len(waiting) >= uploads.PIECE:
                await keep()
    except ClientDisconnect:
        await keep()
        raise
    await keep()
    return upload


def _is_content(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == TYPE


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS):
        raise Invalid(f"{name} is a whole number of bytes, and has to be given")
    return int(text)


def _metadata(text: str) -> tuple[str, dict[str, str]]:
    """The file's name, and what was said of it. Other keys are for others."""
    said: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            said[name] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise Invalid("Upload-Metadata has pairs of a key and its value, UTF-8 in base64, with commas") from None
    return said.get("filename", ""), {name: said[name] for name in SAID if name in said}


def _fields(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": _http_date(upload.expires_at),
    }


def _http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def as_json(one: Became) -> dict[str, Any]:
    """What became of one object, in the form of a deposit's receipt."""
    found = receipts.as_json(one.receipt)
    if one.is_unidentified:
        found["unidentified"] = True
    return found


_ROOT: Final = "/api/v1/uploads"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"POST": begin_upload},
    f"{_ROOT}/{{upload}}": {"GET": show_upload, "PATCH": fill_upload, "DELETE": end_upload},
    f"{_ROOT}/{{upload}}/deposit": {"POST": deposit_upload},
}
"""What is done at each address, by method."""


def upload_routes() -> list[BaseRoute]:
    return [
        Route(path, by_method({**endpoints, "OPTIONS": options}), methods=METHODS)
        for path, endpoints in RESOURCES.items()
    ]
