"""`/shl`: a card followed as a SMART Health Link: its manifest, its files, and the single file of flag U."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import wraps
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import health_links, jwe
from imagebank.actions.health_links import NotThePasscode, Opened
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, TooOften
from imagebank.fhir import bundle
from imagebank.fhir.edge import ROOT
from imagebank.fhir.resources import Resource
from imagebank.fhir.values import instant_of
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.http.errors import refusal, say
from imagebank.model.health_link import Access, Flag

FHIR: Final = "application/fhir+json"
ACCESS: Final = "application/smart-api-access"
SCOPE: Final = "patient/ImagingStudy.rs patient/Patient.rs patient/DiagnosticReport.rs patient/DocumentReference.rs"
_JOSE: Final = "application/jose"
_EMBEDDED: Final = 1 << 20
"""What is embedded of a file where its receiver names no bound, in characters."""
_MOST_BODY: Final = 16 << 10
# Any viewer in any browser may follow a link: its secrets are in what it asks, and never in a cookie.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Expose-Headers": "Retry-After",
    "Access-Control-Max-Age": "600",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for a manifest says."""

    recipient: str
    passcode: str | None
    embedded_most: int
    knows_access: bool = False
    """Whether the receiver has named files of access tokens among what it accepts."""


def for_viewers(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for viewers anywhere, with refusals in the words of health links."""

    @wraps(answer)
    async def answered(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(None, HTTPStatus.NO_CONTENT, _CORS)
        try:
            response = await answer(request)
        except NotThePasscode as error:
            response = JSONResponse({"remainingAttempts": error.remaining}, HTTPStatus.UNAUTHORIZED)
        except BankError as error:
            response = refusal(error)
            if isinstance(error, TooOften):
                response.headers["Retry-After"] = str(int(health_links.POLLS_WITHIN.total_seconds()))
        response.headers.update(_CORS)
        return response

    return answered


@for_viewers
async def follow(request: Request) -> Response:
    """The manifest of a link, or by GET the single file of one with flag U."""
    if request.method == "POST":
        return await _manifest(request)
    if request.method != "GET":
        return _not_offered(request, "GET, OPTIONS, POST")
    given = (bank_of(request), request.path_params["secret"], request.query_params.get("recipient", ""))
    text = await run_in_threadpool(_single, *given, address_of(request), origin_of(request))
    return Response(text, media_type=_JOSE)


@for_viewers
async def fetch(request: Request) -> Response:
    """A file that a manifest named, once."""
    if request.method != "GET":
        return _not_offered(request, "GET, OPTIONS")
    content = await run_in_threadpool(health_links.fetch, bank_of(request), request.path_params["secret"])
    return Response(content, media_type=_JOSE)


def _not_offered(request: Request, allowed: str) -> Response:
    """HEAD is not, either: a program that looks ahead must use up nothing."""
    return say(405, "MethodNotAllowed", f"{request.method} is not offered here", {"Allow": allowed})


async def _manifest(request: Request) -> Response:
    wanted = replace(_read(await request.body()), knows_access=_knows_access(request.headers.get("accept", "")))
    given = (bank_of(request), request.path_params["secret"], wanted, address_of(request), origin_of(request))
    return JSONResponse(await run_in_threadpool(_told, *given))


def _read(body: bytes) -> Wanted:
    """Raises Invalid for what is no request of the standard's."""
    try:
        said = orjson.loads(body[:_MOST_BODY])
    except orjson.JSONDecodeError:
        raise Invalid("send a JSON object with recipient and, where the link asks for one, passcode") from None
    if not isinstance(said, dict):
        raise Invalid("send a JSON object with recipient and, where the link asks for one, passcode")
    recipient, passcode, most = (said.get(name) for name in ("recipient", "passcode", "embeddedLengthMax"))
    if not isinstance(recipient, str):
        raise Invalid("say who you are, by `recipient`")
    if passcode is not None and not isinstance(passcode, str):
        raise Invalid("passcode is a text")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        raise Invalid("embeddedLengthMax is a whole number")
    return Wanted(recipient, passcode, _EMBEDDED if most is None else most)


def _knows_access(accept: str) -> bool:
    return ACCESS in (each.partition(";")[0].strip().lower() for each in accept.split(","))


def _told(bank: Bank, secret: str, wanted: Wanted, address: str, origin: str) -> Resource:
    opened = health_links.follow(bank, secret, wanted.recipient, wanted.passcode, address)
    collection = _collection(bank, opened, origin, address)
    files = [_file(bank, opened, wanted, orjson.dumps(collection), FHIR, origin)]
    access = opened.link.access
    if access is Access.FILE or (access is Access.ENDPOINT and wanted.knows_access):
        granted = orjson.dumps(_access(bank, opened, origin, bundle.first_patient(collection)))
        files.append(_file(bank, opened, wanted, granted, ACCESS, origin))
    return {"files": files}


def _collection(bank: Bank, opened: Opened, origin: str, address: str) -> Resource:
    token = opened.token if opened.link.access is Access.ENDPOINT else ""
    return bundle.collection(bank, opened.principal, origin, address, token)


def _access(bank: Bank, opened: Opened, origin: str, patient: str) -> dict[str, Any]:
    """A token of exactly the card's scope, as a token endpoint would answer it, and for which server it is."""
    return {
        "aud": origin + ROOT,
        "access_token": opened.token,
        "token_type": "Bearer",
        "expires_in": int((opened.ends_at - bank.now()).total_seconds()),
        "scope": SCOPE,
        **({"patient": patient} if patient else {}),
    }


def _file(bank: Bank, opened: Opened, wanted: Wanted, content: bytes, kind: str, origin: str) -> dict[str, Any]:
    """An entry of a manifest: the sealed file itself, or where it is got once."""
    text = jwe.sealed(content, kind, opened.key)
    if len(text) <= wanted.embedded_most:
        where = {"embedded": text}
    else:
        where = {"location": f"{origin}{health_links.PATH}files/{health_links.leave(bank, opened, text)}"}
    status = "can-change" if Flag.LONG_TERM in opened.link.flags else "finalized"
    version = {"fhirVersion": "4.0.1"} if kind == FHIR else {}
    return {"contentType": kind, **where, "lastUpdated": instant_of(bank.now()), "status": status, **version}


def _single(bank: Bank, secret: str, recipient: str, address: str, origin: str) -> str:
    opened = health_links.follow(bank, secret, recipient, None, address, is_file=True)
    return jwe.sealed(orjson.dumps(_collection(bank, opened, origin, address)), FHIR, opened.key)


_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def health_link_routes() -> list[BaseRoute]:
    return [
        Route("/shl/files/{secret}", fetch, methods=_METHODS),
        Route("/shl/{secret}", follow, methods=_METHODS),
    ]
