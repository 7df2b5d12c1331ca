"""Delete a study, series or instance. Not in the standard; the routes are those that other archives offer."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import remove
from imagebank.dicomweb.edge import Call
from imagebank.http.auth import proven_caller


async def delete(call: Call) -> Response:
    """204 when it is gone, with the keys of its bytes. Needs a fresh proof of who a browser's user is."""
    await proven_caller(call.request)
    await run_in_threadpool(remove.remove, call.bank, call.selection, call.principal, call.address)
    return Response(None, 204)
