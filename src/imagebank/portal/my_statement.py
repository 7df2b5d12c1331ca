"""The statement of an account as a page: entries by day, the seal, and the files that it can be saved as."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from imagebank.actions import actors, ledger, own, statement, statement_proof
from imagebank.actions.own import Held
from imagebank.actions.statement import Entry, Theme, Wanted
from imagebank.actions.statement_proof import Proven
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of
from imagebank.http.statement import cursor, place_of
from imagebank.model.access import Principal
from imagebank.model.uid import Uid
from imagebank.model.zone import beginning
from imagebank.portal import exams, here, plain_words, statement_files
from imagebank.portal.language import day, gettext, noted
from imagebank.portal.layout import HEADERS, for_the_signed_in, page, read_own_form
from imagebank.portal.my import OF_ONE, key_in, people_of, switcher, whose
from imagebank.portal.rows import row_of
from imagebank.portal.shell import is_there
from imagebank.portal.statement_words import Told, seal_of, tell

_PAGE: Final = 50
# What the page is narrowed by: a word in the address, its themes, and its name.
_ABOUT: Final[Mapping[str, tuple[frozenset[Theme], str]]] = {
    "": (frozenset(), noted("All")),
    "look": (frozenset({Theme.LOOK, Theme.WITHDRAWAL}), noted("Who looked")),
    "share": (frozenset({Theme.SHARE}), noted("Shared")),
    "deposit": (frozenset({Theme.DEPOSIT}), noted("New images")),
    "refusal": (frozenset({Theme.REFUSAL}), noted("Refused")),
    "emergency": (frozenset({Theme.EMERGENCY}), noted("Emergency")),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: one person or all, what about, and of which days; `after` is where the page before ended."""

    key: str = ""
    about: str = ""
    since: date | None = None
    until: date | None = None
    after: str = ""

    def query(self, **other: str) -> str:
        """The same as the query of an address, with something else; a page of it is left out."""
        given = {"about": self.about, "from": _iso(self.since), "to": _iso(self.until), **other}
        told = "&".join(f"{name}={value}" for name, value in given.items() if value)
        return f"?{told}" if told else ""


def _iso(on: date | None) -> str:
    return on.isoformat() if on else ""


def read_asked(params: Mapping[str, str], key: str) -> Asked:
    """What is asked for; a day that is none narrows nothing."""
    about = params.get("about", "")
    return Asked(
        key,
        about if about in _ABOUT else "",
        _day(params.get("from", "")),
        _day(params.get("to", "")),
        params.get("after", ""),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _place(text: str) -> tuple[int, str, int] | None:
    """Where a page ended; what is no such place begins with the newest."""
    try:
        return place_of(text) if text else None
    except Invalid:
        return None


def wanted_of(asked: Asked, some: Sequence[Held]) -> Wanted:
    """The entries that are asked for."""
    until = asked.until + timedelta(days=1) if asked.until else None
    return Wanted(
        some[0].patient if asked.key else None,
        _ABOUT[asked.about][0],
        _micros(asked.since),
        _micros(until),
        _place(asked.after),
        _PAGE,
    )


def _micros(on: date | None) -> int | None:
    return None if on is None else int(beginning(on, here.zone()).timestamp()) * 1_000_000


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    return await _show(request, principal)


@for_the_signed_in
async def check(request: Request, principal: Principal) -> Response:
    """Look through all entries against the signed checkpoints now, and say what came of it."""
    await read_own_form(request)
    proven = await run_in_threadpool(_checked, bank_of(request), principal, address_of(request))
    return await _show(request, principal, proven)


def _checked(bank: Bank, principal: Principal, address: str) -> Proven:
    parts = statement_proof.proof(bank, Wanted(), principal, address)
    return statement_proof.verify(parts, bank.signer.public().hex())


async def _show(request: Request, principal: Principal, proven: Proven | None = None) -> Response:
    asked = read_asked(request.query_params, key_in(request))
    shown = await run_in_threadpool(_statement, request, principal, asked)
    here = f"/my/{asked.key}/statement" if asked.key else "/my/statement"
    tabs = [
        (here + asked.query(about=about), gettext(name), None, about == asked.about)
        for about, (_, name) in _ABOUT.items()
    ]
    return page(
        request,
        "my-statement.html",
        HTTPStatus.OK,
        principal,
        asked=asked,
        here=here,
        tabs=tabs,
        proven=proven,
        files="/my/statement/file/%s" + asked.query(person=asked.key),
        has_page=lambda address: address.startswith("/studies/") or is_there(request, address),
        **shown,
    )


def _statement(request: Request, principal: Principal, asked: Asked) -> dict[str, Any]:
    bank = bank_of(request)
    held, some = people_of(bank, principal, asked.key)
    found = statement.statement(bank, wanted_of(asked, some), principal, address_of(request))
    told = folded(in_words(bank, principal, held, found.entries))
    today = here.local(bank.now()).date()
    days = groupby(told, key=lambda one: one.at.date())
    return {
        "people": switcher(held, asked.key),
        "days": [(plain_words.heading(on, today), list(some)) for on, some in days],
        "looked": len(own.looks(bank, principal, some)),
        "next": cursor(found.next) if found.next else "",
        "seal": seal_of(ledger.newest(bank)),
    }


def in_words(bank: Bank, principal: Principal, held: Sequence[Held], entries: Sequence[Entry]) -> list[Told]:
    """Entries in words, with what each exam is, and whose."""
    who, exam = actors.who(bank, principal), _exams(bank, principal, held, entries)
    return [tell(entry, who(entry.line), exam(entry)) for entry in entries]


def _exams(bank: Bank, principal: Principal, held: Sequence[Held], entries: Sequence[Entry]) -> Callable[[Entry], str]:
    studies = sorted({Uid(entry.line.study) for entry in entries if entry.line.study})
    parts, name = own.parts_by_study(bank, principal, studies), whose(bank, principal, held)

    def called(entry: Entry) -> str:
        if not entry.study:
            return ""
        study = row_of(entry.study)
        what = exams.exam(parts.get(study.uid, ()), study.modalities, study.description)
        return plain_words.joined([f"{what}, {day(study.date)}" if study.date else what, name(study)])

    return called


def folded(told: Sequence[Told]) -> list[Told]:
    """The same with what one did again and again on a day said once: reading one's own statement would hide the rest."""
    found: list[Told] = []
    for one in told:
        last = found[-1] if found else None
        if last is not None and (last.what, last.more, last.at.date()) == (one.what, one.more, one.at.date()):
            found[-1] = replace(last, times=last.times + 1)
        else:
            found.append(one)
    return found


@for_the_signed_in
async def save(request: Request, principal: Principal) -> Response:
    """The whole statement, or what it is narrowed to, as a file."""
    kind = request.path_params["kind"]
    asked = read_asked(request.query_params, request.query_params.get("person", ""))
    if kind not in {"csv", "pdf", "proof"}:
        raise NotFound("the statement can be saved as a table, as a document, and as a file that can be verified")
    bank = bank_of(request)
    held, some = await run_in_threadpool(people_of, bank, principal, asked.key)
    wanted = wanted_of(replace(asked, after=""), some)
    address = address_of(request)
    if kind == "proof":
        parts = await run_in_threadpool(statement_proof.proof, bank, wanted, principal, address)
        return StreamingResponse(parts, headers=_named("statement.jsonl"), media_type="application/jsonl")
    told = await run_in_threadpool(lambda: list(_all(bank, principal, held, wanted, address)))
    if kind == "csv":
        return Response(
            statement_files.as_csv(told), headers=_named("statement.csv"), media_type="text/csv; charset=utf-8"
        )
    body = await run_in_threadpool(statement_files.as_pdf, told, seal_of(ledger.newest(bank)), bank.now())
    return Response(body, headers=_named("statement.pdf"), media_type="application/pdf")


def _all(bank: Bank, principal: Principal, held: Sequence[Held], wanted: Wanted, address: str) -> Iterator[Told]:
    entries = list(statement.whole(bank, wanted, principal, address))
    for start in range(0, len(entries), 500):
        yield from in_words(bank, principal, held, entries[start : start + 500])


def _named(name: str) -> Mapping[str, str]:
    return {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}


ROUTES: list[BaseRoute] = [
    Route("/my/statement", show, methods=["GET"]),
    Route("/my/statement/check", check, methods=["POST"]),
    Route("/my/statement/file/{kind}", save, methods=["GET"]),
    Route(f"/my/{OF_ONE}/statement", show, methods=["GET"]),
]
