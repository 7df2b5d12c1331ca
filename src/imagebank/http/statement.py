"""`/api/v1/statement`: one's own statement for programs; `/api/v1/checkpoints/latest`: what it is held against, for everybody."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from imagebank.actions import actors, ledger, own, statement, statement_proof
from imagebank.actions.actors import Actor
from imagebank.actions.statement import Entry, Theme, Wanted
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http import csv_lines
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.access import Principal
from imagebank.model.audited import MORE
from imagebank.model.imaging import DataSet
from imagebank.model.ledger import Checkpoint, Line, digest_of

_ROOT: Final = "/api/v1"
MOST: Final = 500
USUAL: Final = 100
FORMATS: Final = ("json", "csv", "proof")
_KNOWN: Final = frozenset({"format", "person", "theme", "since", "until", "after", "limit"})
_TEXTS: Final = (
    *("at", "entry", "theme", "act", "who", "who_is", "organization", "address", "study", "study_date"),
    *("description", "way", "purpose", "reason", "review"),
)
COLUMNS: Final = (*_TEXTS, "count", "is_own")
"""What is told of an entry."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
Who = Callable[[Line], Actor]


def cursor(place: tuple[int, str, int]) -> str:
    """Where a page ended, as an address has it: a place in the ledger, and nothing of anybody."""
    at, lane, position = place
    return base64.urlsafe_b64encode(f"{at}.{position}.{lane}".encode()).decode().rstrip("=")


def place_of(text: str) -> tuple[int, str, int]:
    """The place again. Raises Invalid for what is none."""
    try:
        at, position, lane = (
            base64.b64decode(text[:200] + "=" * (-len(text) % 4), b"-_", validate=True).decode().split(".", 2)
        )
        place = int(at), lane, int(position)
    except (ValueError, binascii.Error):
        place = (-1, "", 0)
    if not (0 <= place[0] < 2**63 and 0 <= place[2] < 2**63):
        raise Invalid("this is not where a page ended; begin with the first page")
    return place


async def get_statement(request: Request) -> Response:
    """What happened to the images that the caller's account holds, newest first, in pages; as CSV or as a proof all of it."""
    principal = await caller(request)
    bank, params, address = bank_of(request), request.query_params, address_of(request)
    if not set(params) <= _KNOWN or params.get("format", "json") not in FORMATS:
        raise Invalid("this takes format (json, csv or proof), person, theme, since, until, after and limit")
    wanted = await run_in_threadpool(_wanted, bank, principal, params)
    if params.get("format") == "proof":
        parts = await run_in_threadpool(statement_proof.proof, bank, wanted, principal, address)
        return StreamingResponse(parts, headers=_NO_STORE, media_type="application/jsonl")
    if params.get("format") == "csv":
        body = await run_in_threadpool(_csv, bank, wanted, principal, address)
        return Response(body, headers=_NO_STORE, media_type=csv_lines.TYPE)
    found = await run_in_threadpool(statement.statement, bank, wanted, principal, address)
    told = await run_in_threadpool(_told, found.entries, actors.who(bank, principal))
    following = cursor(found.next) if found.next else None
    newest = await run_in_threadpool(ledger.newest, bank)
    seal = None if newest is None else _checkpoint(newest)
    return JSONResponse({"entries": told, "next": following, "checkpoint": seal}, headers=_NO_STORE)


async def get_latest_checkpoint(request: Request) -> Response:
    """The newest signed checkpoint of the ledger, for everybody: note it down, and no entry of before can be changed unseen."""
    found = await run_in_threadpool(ledger.newest, bank_of(request))
    if found is None:
        raise NotFound("nothing has been signed yet; a worker signs every minute")
    return JSONResponse(_checkpoint(found), headers=_NO_STORE)


def _checkpoint(one: Checkpoint) -> dict[str, Any]:
    return {"number": one.number, "digest": digest_of(one), "key": one.key, "at": _moment(one.at)}


def _wanted(bank: Bank, principal: Principal, params: Mapping[str, str]) -> Wanted:
    """The entries that are asked for. Raises Invalid, NotAllowed, and NotFound for a person whom the account does not hold."""
    limit = params.get("limit", str(USUAL))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST):
        raise Invalid("limit is a number from 1 to {most}", most=MOST)
    themes = frozenset(filter(None, params.get("theme", "").split(",")))
    if not themes <= set(Theme):
        raise Invalid("a theme is one of {themes}", themes=", ".join(Theme))
    held = own.chosen(own.people(bank, principal), params.get("person", ""))
    return Wanted(
        held[0].patient if params.get("person") else None,
        frozenset(map(Theme, themes)),
        _micros(params.get("since", "")),
        _micros(params.get("until", "")),
        place_of(params["after"]) if params.get("after") else None,
        int(limit),
    )


def _micros(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("a moment is written as 2026-01-31T14:05:00Z") from None
    if at is None:
        return None
    return int((at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp() * 1_000_000)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).isoformat()


def _csv(bank: Bank, wanted: Wanted, principal: Principal, address: str) -> bytes:
    entries = statement.whole(bank, wanted, principal, address)
    rows = _told(entries, actors.who(bank, principal))
    return csv_lines.as_csv(COLUMNS, ([one[name] for name in COLUMNS] for one in rows))


def _told(entries: Iterable[Entry], who: Who) -> list[dict[str, Any]]:
    return [_entry(entry, who(entry.line)) for entry in entries]


def _entry(entry: Entry, actor: Actor) -> dict[str, Any]:
    line, about = entry.line, entry.about
    return {
        "at": _moment(line.at),
        "entry": f"{line.lane}-{line.position}",
        "theme": str(entry.theme),
        "act": line.act,
        "who": actor.name,
        "who_is": str(actor.sort),
        "organization": actor.organization,
        "address": line.address,
        "study": line.study,
        "study_date": _text(entry.study, "00080020"),
        "description": _text(entry.study, "00081030"),
        "way": line.detail.removesuffix(MORE),
        "purpose": line.purpose,
        "reason": about.reason if about else "",
        "review": about.review if about else "",
        "count": line.count,
        "is_own": entry.is_own,
    }


def _text(study: DataSet, tag: str) -> str:
    values = study.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])


RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    f"{_ROOT}/statement": {"GET": get_statement},
    f"{_ROOT}/checkpoints/latest": {"GET": get_latest_checkpoint},
}
"""What is done at each address, by method."""


def statement_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
