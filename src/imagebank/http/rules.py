"""`/api/v1/rules`: the site's rules for what arrives: read, tried on the past, switched on, and their versions."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller, proven_caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.access import Principal
from imagebank.model.rules import Text

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """A text of rules, and the tables that it names; those that are left out are taken as they are here."""

    text: str
    tables: dict[str, str] = {}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be tried on which past: the rules in force where no text is given."""

    text: str | None = None
    tables: dict[str, str] = {}
    since: str = "7d"
    source: str = ""


async def read_rules(request: Request) -> Response:
    """The rules in force, as text and in words; version 0 where there are none."""
    return await _done(request, _read)


async def write_rules(request: Request) -> Response:
    """Switch rules on, after a try on the last seven days. They are in force everywhere within seconds."""
    await proven_caller(request)
    return await _done(request, _write, typed(await body_of(request), Rules))


async def try_rules(request: Request) -> Response:
    """Say what is wrong with rules, or what they would make of what was deposited before. Nothing is changed."""
    await caller(request)
    return await _done(request, _try, typed(await body_of(request), Wish))


async def list_versions(request: Request) -> Response:
    """Every version of the rules, the newest first."""
    return await _done(request, _versions)


async def read_version(request: Request) -> Response:
    """One version with its text."""
    return await _done(request, _version, number_of(request))


def number_of(request: Request) -> int:
    """The number in the address; 0, which no version has, for what is none."""
    text = request.path_params["number"]
    return int(text[:12]) if text.isascii() and text.isdigit() else 0


async def _done(request: Request, action: Callable[..., dict[str, Any]], *given: Any) -> Response:
    principal = await caller(request)
    bank, address = bank_of(request), address_of(request)
    return JSONResponse(await run_in_threadpool(action, bank, principal, address, *given), 200, _NO_STORE)


def _read(bank: Bank, principal: Principal, _: str) -> dict[str, Any]:
    from imagebank.actions import rules
    from imagebank.actions.rules_told import rule_told, version_told

    version, told = rules.listed(bank, principal)
    if version is None:
        return {"number": 0, "text": "", "tables": {}, "rules": []}
    return version_told(version, with_text=True) | {"rules": [rule_told(one) for one in told]}


def _write(bank: Bank, principal: Principal, address: str, given: Rules) -> dict[str, Any]:
    from imagebank.actions import rules
    from imagebank.actions.rules_told import version_told

    made = rules.switch_on(bank, _text(bank, given.text, given.tables), principal, address, way="api")
    return version_told(made)


def _text(bank: Bank, text: str, tables: Mapping[str, str]) -> Text:
    from imagebank.actions import rules

    held = dict(rules.with_tables(bank, text).tables)
    return Text(text, tuple(sorted({**held, **tables}.items())))


def _try(bank: Bank, principal: Principal, address: str, wish: Wish) -> dict[str, Any]:
    from imagebank.actions import rules, rules_try
    from imagebank.actions.rules_told import fault_told, report_told

    span = rules_try.Span(rules_try.back_of(wish.since), wish.source)
    version = rules.in_force(bank, principal)
    if wish.text is None and version is None:
        raise Invalid("there are no rules in force; give a text to try")
    text = version.text if wish.text is None and version else _text(bank, wish.text or "", wish.tables)
    reading = rules.check(bank, text)
    if reading.rules is None:
        return {"faults": [fault_told(fault) for fault in reading.faults], "report": None}
    return {"faults": [], "report": report_told(rules_try.try_out(bank, reading.rules, principal, address, span))}


def _versions(bank: Bank, principal: Principal, _: str) -> dict[str, Any]:
    from imagebank.actions import rules
    from imagebank.actions.rules_told import version_told

    return {"versions": [version_told(one) for one in rules.versions(bank, principal)]}


def _version(bank: Bank, principal: Principal, _: str, number: int) -> dict[str, Any]:
    from imagebank.actions import rules
    from imagebank.actions.rules_told import version_told

    return version_told(rules.version(bank, principal, number), with_text=True)


_ROOT: Final = "/api/v1/rules"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": read_rules, "PUT": write_rules},
    f"{_ROOT}/try": {"POST": try_rules},
    f"{_ROOT}/versions": {"GET": list_versions},
    f"{_ROOT}/versions/{{number}}": {"GET": read_version},
}
"""What is done at each address, by method."""


def rule_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
