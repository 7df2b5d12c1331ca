"""One's own statement as a Bundle of AuditEvents, to be kept or given to an app."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import statement, trail
from imagebank.actions.statement import Wanted
from imagebank.bank import Bank
from imagebank.fhir.edge import as_json, for_programs
from imagebank.fhir.resources import Resource, audit_event
from imagebank.fhir.values import instant_of
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal


@for_programs
async def own_events(request: Request, principal: Principal) -> Response:
    """Everything that happened to the images that the caller's account holds, newest first."""
    body = await run_in_threadpool(_bundle, bank_of(request), principal, address_of(request))
    return as_json(body, headers={"Content-Disposition": 'attachment; filename="statement.json"'})


def _bundle(bank: Bank, principal: Principal, address: str) -> Resource:
    lines = [entry.line for entry in statement.whole(bank, Wanted(), principal, address)]
    events = [audit_event(one) for one in trail.entries(bank, lines)]
    entries = [{"fullUrl": f"urn:imagebank:ledger:{one['id']}", "resource": one} for one in events]
    return {"resourceType": "Bundle", "type": "collection", "timestamp": instant_of(bank.now()), "entry": entries}
