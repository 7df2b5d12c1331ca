"""A card as a health link, by REST, and how OpenAPI tells it. What follows a link is under `/shl`."""

from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import health_links
from imagebank.actions.health_links import Wish
from imagebank.http.auth import address_of, bank_of, caller, origin_of
from imagebank.http.bodies import body_of, typed
from imagebank.http.described import closed
from imagebank.http.methods import METHODS, by_method
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.health_link import LONGEST_LABEL, Access, HealthLink, text_of

PATH: Final = "/api/v1/cards/{card}/link"
VIEWER: Final = "/shl#"
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What a link is to be like; without a word it asks for the card's PIN, and is followed again for what is new."""

    passcode: bool = True
    updates: bool = True
    file: bool = False
    access: Access = health_links.ACCESS
    label: str = health_links.LABEL


async def make_link(request: Request) -> Response:
    """Make the health link of a card. It is told this once, and takes the place of the one before."""
    principal = await caller(request)
    given = typed(await body_of(request) or b"{}", Wanted)
    wish = Wish(given.passcode, given.updates, given.file, given.access, given.label)
    made = await run_in_threadpool(
        health_links.make,
        bank_of(request),
        request.path_params["card"],
        wish,
        origin_of(request),
        principal,
        address_of(request),
    )
    return JSONResponse(_told(made, origin_of(request)), 201, _NO_STORE)


def behind_viewer(made: HealthLink, origin: str) -> str:
    """A link behind the page that says what to do with it. What follows the `#` stays in the browser."""
    return f"{origin}{VIEWER}{text_of(made)}"


def _told(made: HealthLink, origin: str) -> dict[str, Any]:
    return {
        "link": text_of(made),
        "viewer": behind_viewer(made, origin),
        "flags": "".join(sorted(made.flags)),
        "ends_at": made.expires_at.isoformat() if made.expires_at else None,
    }


def health_link_api_routes() -> list[BaseRoute]:
    return [Route(PATH, by_method({"POST": make_link}), methods=METHODS)]


_TEXT: Final = {"type": "string"}
_LINK: Final = closed(
    {
        "link": {"type": "string", "pattern": "^shlink:/"},
        "viewer": _TEXT,
        "flags": {"enum": ["", "L", "P", "LP", "U", "LU"]},
        "ends_at": {"type": ["string", "null"]},
    }
)
_WANTED: Final = closed(
    {},
    {
        **{name: {"type": "boolean"} for name in ("passcode", "updates", "file")},
        "access": {"enum": [str(one) for one in Access]},
        "label": {"type": "string", "maxLength": LONGEST_LABEL},
    },
)


def health_link_paths() -> dict[str, Any]:
    """What the OpenAPI document says of this route."""
    refused = {str(code): REFUSED[code] for code in (400, 401, 403, 404, 503)}
    name = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
    return {
        PATH: {
            "parameters": [{"name": "card", "in": "path", "required": True, "schema": name}],
            "post": {
                "operationId": "make_health_link",
                "summary": make_link.__doc__,
                "tags": ["Cards"],
                "requestBody": {"required": False, "content": {"application/json": {"schema": _WANTED}}},
                "responses": {
                    "201": answer(201, "The link, told this once", as_json(_LINK)),
                    "409": answer(409, "The card opens nothing any more"),
                    **refused,
                },
            },
        }
    }
