"""`/api/v1` and health: Imagebank's own REST interface."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from imagebank.actions import archives, contributing, media, proposing, quarantine, uploads
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of, caller, caller_if_any, proven_caller
from imagebank.http.deposit import Deposit
from imagebank.http.errors import NotSignedIn, say
from imagebank.http.multipart import MediaType, media_type
from imagebank.http.parts import Part, related
from imagebank.http.readiness import degraded, is_ready
from imagebank.http.receipts import as_json
from imagebank.http.search import search
from imagebank.http.spool import TooLarge
from imagebank.http.tokens import token_routes
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Outcome, Quarantined, Receipt, Source
from imagebank.model.upload import PERSON, SAID, read_about

_MAX_DIGITS = 19
_WAY = "api"
_BLOCK = 1 << 20
_LONGEST_NAME = 4096
_NO_FILES = "send files in the form field `file`, which may be repeated"


async def healthz(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The bank can serve: its database answers and has the right schema, and no role is down.

    `degraded` says in words what does not stop it and should be looked after.
    """
    bank = bank_of(request)
    ready = await run_in_threadpool(is_ready, bank)
    words = await run_in_threadpool(degraded, bank)
    answer = {"status": "ready" if ready else "not ready"} | ({"degraded": words} if words else {})
    return JSONResponse(answer, 200 if ready else 503)


async def session(request: Request) -> Response:
    """204 while the caller is signed in, 401 afterwards. It prolongs nothing; the viewer asks every few seconds."""
    if await caller_if_any(request, prolongs=False) is None:
        raise NotSignedIn
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def deposit(request: Request) -> Response:
    """Files of any kind as `multipart/form-data`, field `file` repeated; one outcome a file.

    What is known of those that are not DICOM stands in fields before them. The owner of an account adds to the images of
    the person that the field `person` names, or of the first.
    """
    principal = await caller(request)
    bank, said, address = bank_of(request), dict[str, str](), address_of(request)
    if contributing.is_owner(principal):
        await run_in_threadpool(contributing.depositor, bank, principal, "", _WAY, address)
    else:
        principal.require(Right.STORE)
    source = Source(_WAY, principal.name, principal.organization, address)
    kind = media_type(request.headers.get("content-type", ""))
    if kind.name != "multipart/form-data":
        raise Invalid(_NO_FILES)

    def receive(batch: Iterable[Arrival]) -> list[Receipt]:
        if contributing.is_owner(principal):
            return _added(bank, principal, list(batch), said, address)
        receipts = media.receive(bank, batch, source, read_about(said), principal.joins)
        return proposing.told(principal, receipts)

    async with Deposit(receive) as deposit:
        try:
            fault = await deposit.take(_files(request, kind, said))
        except TooLarge as error:
            return say(413, "ContentTooLarge", str(error))
        receipts, wrong = deposit.receipts, fault or deposit.stopped
    if not receipts or (wrong is not None and not any(one.is_kept for one in receipts)):
        raise wrong or Invalid(_NO_FILES)
    if fault is not None:
        receipts.append(Receipt(Outcome.REFUSED, "", error=fault))
    kept = all(receipt.is_kept for receipt in receipts)
    return JSONResponse({"outcomes": [as_json(one) for one in receipts]}, 200 if kept else 207)


def _added(
    bank: Bank, principal: Principal, batch: Sequence[Arrival], said: Mapping[str, str], address: str
) -> list[Receipt]:
    """What the owner of an account adds to a person's images; archives are opened, as discs come in them."""
    if any(archives.may_be_one(one.name) for one in batch):
        each = [
            uploads.take(
                bank, iter(partial(one.content.read, _BLOCK), b""), one.size, one.name, said, principal, address
            )
            for one in batch
        ]
        return [became.receipt for some in each for became in some]
    who = contributing.depositor(bank, principal, said.get(PERSON, ""), _WAY, address)
    return contributing.receive(bank, batch, who, read_about(said))


async def _files(request: Request, kind: MediaType, said: dict[str, str]) -> AsyncIterator[Arrival]:
    """The files of a form as each becomes whole; what other fields say is put into `said`. Raises Invalid."""
    settings = bank_of(request).settings
    folder, limit = settings.data / "spool", settings.max_instance_bytes
    has_file = False
    async for part in related(request.stream(), kind, folder, limit, settings.max_parts):
        named = media_type(part.headers.get("content-disposition", "")).parameters
        if named.get("name") == "file" and "filename" in named:
            if len(named["filename"]) > _LONGEST_NAME:
                part.spool.close()
                raise Invalid(f"the name of a file may have {_LONGEST_NAME} characters")
            has_file = True
            yield Arrival(part.spool.content, part.spool.size, named["filename"])
        else:
            _hear(named.get("name", ""), part, said, is_late=has_file)


def _hear(name: str, part: Part, said: dict[str, str], *, is_late: bool) -> None:
    """One field of the form. It has to come before the files, which are taken in as they come."""
    try:
        if name not in SAID:
            return
        if is_late:
            raise Invalid(f"the field {name} has to come before the files that it speaks of")
        if part.spool.size > _LONGEST_NAME:
            raise Invalid(f"the field {name} is too long")
        try:
            said[name] = part.spool.content.read().decode()
        except UnicodeDecodeError:
            raise Invalid(f"the field {name} is not in UTF-8") from None
        read_about(said)
    finally:
        part.spool.close()


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
    return JSONResponse(as_json(receipt), 200 if receipt.is_kept else 409)


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
