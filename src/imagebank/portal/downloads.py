"""Objects, and the files that they were made of, for a person's own disk."""

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from imagebank.actions import media, retrieve
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from imagebank.portal.layout import for_the_signed_in

WAY = "portal"
OBJECT = "/studies/{study}/series/{series}/instances/{instance}"


def _headers(name: str, size: int) -> dict[str, str]:
    """Names are percent-encoded (RFC 6266, RFC 8187): whatever a file was called, it ends no field and begins none."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(size),
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }


def selected(request: Request) -> Selection:
    """What the path names. Raises Invalid for a UID that is none."""
    return Selection(*(Uid.parse(request.path_params[level]) for level in ("study", "series", "instance")))


@for_the_signed_in
async def download_object(request: Request, principal: Principal) -> Response:
    """The object as it arrived, byte for byte but for what hides in its preamble."""
    bank = bank_of(request)
    (instance,) = await run_in_threadpool(retrieve.select, bank, selected(request), principal.scope)
    principal.require_taking()
    await run_in_threadpool(retrieve.reading, bank, principal, [instance], WAY, address_of(request))
    headers = _headers(f"{instance.uid}.dcm", instance.location.size)
    return StreamingResponse(retrieve.stored(bank, instance), headers=headers, media_type="application/dicom")


@for_the_signed_in
async def download_file(request: Request, principal: Principal) -> Response:
    """The file that an object was made of, byte for byte."""
    bank, selection = bank_of(request), selected(request)
    principal.require_taking()
    found, pieces = await run_in_threadpool(media.original, bank, selection, principal, address_of(request))
    name = found.name.rpartition("/")[2] or str(found.uid)
    return StreamingResponse(pieces, headers=_headers(name, found.location.size), media_type=found.media_type)


def download_routes() -> list[BaseRoute]:
    return [
        Route(OBJECT + "/original", download_object, methods=["GET"]),
        Route(OBJECT + "/file", download_file, methods=["GET"]),
    ]
