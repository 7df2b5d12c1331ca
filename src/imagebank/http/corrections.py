"""`/api/v1`: corrections of a study, and the versions of an instance."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from imagebank.actions import correct, versions
from imagebank.dicom.changes import element_of_text, keyword_of
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.correction import Correction, State, Values, Version
from imagebank.model.imaging import Element, Selection
from imagebank.model.uid import Uid

_NO_STORE: Final = {"Cache-Control": "no-store"}
_MAX_DIGITS: Final = 9


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """New values by keyword or tag: a text, an element of the DICOM JSON model, or null to take the attribute out."""

    attributes: dict[str, str | dict[str, Any] | None]
    reason: str = ""
    series: str = ""
    instance: str = ""
    dry_run: bool = False


class Undoing(msgspec.Struct, forbid_unknown_fields=True):
    """Why a correction is undone."""

    reason: str


async def list_corrections(request: Request) -> Response:
    """The corrections of a study, newest first: who, when, why, and what it said before and after."""
    principal, study = await caller(request), Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(correct.listed, bank_of(request), study, principal, address_of(request))
    return JSONResponse({"corrections": [_told(one) for one in found]}, 200, _NO_STORE)


async def write_correction(request: Request) -> Response:
    """Change attributes of a study, or of a series or an instance of it; with `dry_run`, say what would change."""
    principal, study = await caller(request), Uid.parse(request.path_params["study"])
    given = typed(await body_of(request), Wish)
    series, instance = (Uid.parse(text) if text else None for text in (given.series, given.instance))
    selection = Selection(study, series, instance)
    changes = {name: _element(name, value) for name, value in given.attributes.items()}
    bank, address = bank_of(request), address_of(request)
    if not changes:
        raise Invalid("name the attributes that are to change")
    if given.dry_run:
        seen = await run_in_threadpool(correct.preview, bank, selection, changes, principal, address)
        body = _values(seen.before, seen.after) | {"count": seen.count, "total": seen.total}
        return JSONResponse(body, 200, _NO_STORE)
    made = await run_in_threadpool(correct.correct, bank, selection, changes, principal, given.reason, address)
    return _made(made)


async def undo_correction(request: Request) -> Response:
    """Give the attributes of a correction the values again that they had before it, by a new correction."""
    principal, study = await caller(request), Uid.parse(request.path_params["study"])
    reason = typed(await body_of(request), Undoing).reason
    made = await run_in_threadpool(
        correct.undo,
        bank_of(request),
        study,
        request.path_params["correction"],
        principal,
        reason,
        address_of(request),
    )
    return _made(made)


async def list_versions(request: Request) -> Response:
    """The versions of an instance, oldest first; the last one is given out."""
    principal, uid = await caller(request), Uid.parse(request.path_params["instance"])
    found = await run_in_threadpool(versions.listed, bank_of(request), uid, principal)
    return JSONResponse({"versions": [_version(*pair) for pair in enumerate(found, 1)]}, 200, _NO_STORE)


async def get_version(request: Request) -> Response:
    """A version of an instance as it was kept, but for a preamble."""
    principal, uid = await caller(request), Uid.parse(request.path_params["instance"])
    text = request.path_params["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise NotFound("the instance has no such version")
    version, pieces = await run_in_threadpool(
        versions.content, bank_of(request), uid, int(text), principal, address_of(request)
    )
    headers = {
        "Content-Disposition": f'attachment; filename="version-{int(text)}.dcm"',
        "Content-Length": str(version.location.size),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(pieces, media_type="application/dicom", headers=headers)


def _element(name: str, value: str | dict[str, Any] | None) -> Element | None:
    return element_of_text(name, value) if isinstance(value, str) else value


def _made(one: Correction) -> Response:
    return JSONResponse(_told(one), 201 if one.state is State.DONE else 202, _NO_STORE)


def _told(one: Correction) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": one.at.isoformat(),
        "by": one.principal,
        "organization": one.organization,
        "reason": one.reason,
        "series": one.series,
        "instance": one.instance,
        "undoes": one.undoes,
        "state": str(one.state),
        "fault": one.fault,
        "count": one.count,
        "total": one.total,
        **_values(one.before, one.after),
    }


def _values(before: Values, after: Values) -> dict[str, Any]:
    each = (
        {"tag": key, "keyword": keyword_of(key), "before": before[key], "after": after.get(key, [])} for key in before
    )
    return {"attributes": list(each)}


def _version(number: int, one: Version) -> dict[str, Any]:
    return {
        "number": number,
        "received_at": one.received_at.isoformat(),
        "bytes": one.location.size,
        "digest": str(one.digest),
        "superseded_by": one.superseded_by,
    }


_STUDY: Final = "/api/v1/studies/{study}/corrections"
_INSTANCE: Final = "/api/v1/instances/{instance}/versions"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _STUDY: {"GET": list_corrections, "POST": write_correction},
    f"{_STUDY}/{{correction}}/undo": {"POST": undo_correction},
    _INSTANCE: {"GET": list_versions},
    f"{_INSTANCE}/{{number}}": {"GET": get_version},
}
"""What is done at each address, by method."""


def correction_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
