"""`/api/v1` and health: Imagebank's own REST interface."""

import tempfile
from collections.abc import Sequence
from typing import IO, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from imagebank.actions import ingest, quarantine
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of, caller, caller_if_any, proven_caller
from imagebank.http.errors import NotSignedIn
from imagebank.http.readiness import is_ready
from imagebank.http.search import search
from imagebank.http.tokens import token_routes
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.imaging import Quarantined, Receipt, Source

_MAX_DIGITS = 19


async def healthz(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The bank can serve: its database answers and has the right schema, and no role is down."""
    ready = await run_in_threadpool(is_ready, bank_of(request))
    return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


async def session(request: Request) -> Response:
    """204 while the caller is signed in, 401 afterwards. It prolongs nothing; the viewer asks every few seconds."""
    if await caller_if_any(request, prolongs=False) is None:
        raise NotSignedIn
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def deposit(request: Request) -> Response:
    """Files of any kind as `multipart/form-data`, field `file` repeated; one outcome a file."""
    principal = await caller(request)
    principal.require(Right.STORE)
    source = Source("api", principal.name, principal.organization, address_of(request))
    try:
        async with request.form(max_files=bank_of(request).settings.max_parts, max_fields=16) as form:
            uploads = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
            if not uploads:
                raise Invalid("send files in the form field `file`, which may be repeated")
            receipts = await run_in_threadpool(_deposit, bank_of(request), uploads, source, principal.joins)
    except HTTPException as error:
        # How Starlette says that it cannot read a form.
        raise Invalid(error.detail) from error
    kept = all(receipt.is_kept for receipt in receipts)
    return JSONResponse({"outcomes": [_receipt(one) for one in receipts]}, 200 if kept else 207)


def _deposit(bank: Bank, uploads: Sequence[UploadFile], source: Source, joins: Scope) -> list[Receipt]:
    arrivals = []
    for upload in uploads:
        size = upload.size or 0
        arrivals.append(ingest.Arrival(_rewound(upload), size, upload.filename or ""))
    return ingest.receive(bank, arrivals, source, sees=joins)


def _rewound(upload: UploadFile) -> IO[bytes]:
    """The file behind an upload; Starlette spools large ones to disk."""
    spooled = upload.file
    assert isinstance(spooled, tempfile.SpooledTemporaryFile)
    spooled.seek(0)
    # Until it has rolled over to disk, `_file` is a BytesIO; afterwards a real file. There is no public name for it.
    return spooled._file  # noqa: SLF001


def _receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON."""
    found: dict[str, Any] = {"file": receipt.name, "outcome": receipt.outcome}
    for name in ("study", "series", "uid", "sop_class", "quarantine"):
        if (value := getattr(receipt, name)) is not None:
            found[name] = value
    if receipt.warnings:
        found["warnings"] = list(receipt.warnings)
    if receipt.error is not None:
        found["error"] = {"kind": type(receipt.error).__name__, "message": str(receipt.error)}
    return found


async def quarantine_list(request: Request) -> Response:
    """What lies in quarantine, with the reasons."""
    principal = await caller(request)
    found = await run_in_threadpool(quarantine.listed, bank_of(request), principal, address_of(request))
    return JSONResponse({"quarantine": [_quarantined(one) for one in found]})


async def quarantine_content(request: Request) -> Response:
    """An object from quarantine, with the preamble that leaves; `imagebank quarantine get` gives the original."""
    principal, number = await _quarantine_call(request)
    pieces = await run_in_threadpool(quarantine.content, bank_of(request), number, principal, address_of(request))
    headers = {
        "Content-Disposition": f'attachment; filename="quarantine-{number}.dcm"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)


async def quarantine_submit(request: Request) -> Response:
    """Send an object in again; it leaves quarantine when it is kept."""
    principal, number = await _quarantine_call(request)
    receipt = await run_in_threadpool(quarantine.submit_again, bank_of(request), number, principal, address_of(request))
    return JSONResponse(_receipt(receipt), 200 if receipt.is_kept else 409)


async def quarantine_delete(request: Request) -> Response:
    """Delete an object from quarantine for good. Needs a fresh proof of who a browser's user is."""
    await proven_caller(request)
    principal, number = await _quarantine_call(request)
    await run_in_threadpool(quarantine.let_go, bank_of(request), number, principal, address_of(request))
    return Response(status_code=204)


async def _quarantine_call(request: Request) -> tuple[Principal, int]:
    principal, text = await caller(request), request.path_params["number"]
    # Python reads no more than 4,300 digits.
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise NotFound("nothing lies in quarantine under this number")
    return principal, int(text)


def _quarantined(one: Quarantined) -> dict[str, Any]:
    return {
        "number": one.id,
        "reason": one.reason,
        "file": one.name,
        "way": one.source.way,
        "from": one.source.principal,
        "organization": one.source.organization,
        "received_at": one.received_at.isoformat(),
        "bytes": one.location.size,
        "digest": str(one.digest),
    }


def api_routes() -> list[BaseRoute]:
    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        *token_routes(),
        Route("/api/v1/session", session),
        Route("/api/v1/search", search),
        Route("/api/v1/deposits", deposit, methods=["POST"]),
        Route("/api/v1/quarantine", quarantine_list),
        Route("/api/v1/quarantine/{number}", quarantine_delete, methods=["DELETE"]),
        Route("/api/v1/quarantine/{number}/content", quarantine_content),
        Route("/api/v1/quarantine/{number}/submit", quarantine_submit, methods=["POST"]),
    ]
