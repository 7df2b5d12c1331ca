"""How much radiation somebody's exams used, in plain words: beside what nature gives, by year, and exam by exam."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import dose, own
from imagebank.actions.own import Held
from imagebank.bank import Bank
from imagebank.exams.doses import DoseTable
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.dose import Cumulative, Exposure
from imagebank.model.uid import Uid
from imagebank.portal import doses, exams, plain_words
from imagebank.portal.language import gettext
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.my import OF_ONE, WAY, key_in, people_of, switcher

_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Year:
    """A bar of the picture, and a row of the table beside it."""

    name: str
    msv: float
    label: str
    amount: str
    nature: str


@dataclass(frozen=True, slots=True)
class Used:
    """One exam that used radiation. `is_typical`: nothing was measured; `is_tiny`: the amount is told as less than something."""

    study: str
    name: str
    when: str
    amount: str
    nature: str
    is_typical: bool
    is_tiny: bool


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """One person's radiation. Of several people the first is shown: no sum is of two."""
    shown = await run_in_threadpool(_shown, request, principal, key_in(request))
    return page(request, "my-dose.html", HTTPStatus.OK, principal, **shown)


def _shown(request: Request, principal: Principal, key: str) -> dict[str, Any]:
    bank = bank_of(request)
    held, some = people_of(bank, principal, key)
    if not some:
        return {"people": [], "found": None}
    one = some[0]
    found = dose.of_records(bank, principal, one.records, WAY, address_of(request))
    return {"people": _people(held, one.key), **_told(bank, principal, found)}


def _people(held: list[Held], key: str) -> list[Any]:
    return [choice for choice in switcher(held, key) if choice.key]


def _told(bank: Bank, principal: Principal, found: Cumulative) -> dict[str, Any]:
    table = dose.table_of(bank)
    used = doses.with_radiation(found.exposures)
    return {
        "found": found,
        "amount": doses.amount(found.total.msv),
        "nature": doses.nature(found.total.msv, table),
        "yearly": table.table.background,
        "yearly_amount": doses.amount(table.table.background),
        "yearly_source": table.source(table.table.background_source),
        "years": [
            Year(
                one.name or gettext("no date"),
                one.msv,
                doses.brief(one.msv),
                doses.amount(one.msv),
                doses.nature(one.msv, table),
            )
            for one in found.by_year
        ],
        "used": _used(bank, principal, used[:_SHOWN], table),
        "without": sum(one.dose.method == "none" for one in found.exposures),
        "typical": doses.share(found.total.estimated_share) if found.total.estimated else "",
        "sources": doses.sources_of(found),
    }


def _used(bank: Bank, principal: Principal, some: list[Exposure], table: DoseTable) -> list[Used]:
    parts = own.parts_by_study(bank, principal, [Uid(one.study) for one in some])
    return [
        Used(
            one.study,
            exams.exam(parts.get(one.study, ()), [part.modality for part in parts.get(one.study, ())]),
            plain_words.exam_day(f"{one.day:%Y%m%d}" if one.day else ""),
            doses.amount(one.dose.msv or 0.0),
            doses.nature(one.dose.msv or 0.0, table),
            not one.dose.is_measured,
            doses.is_tiny(one.dose.msv or 0.0),
        )
        for one in some
    ]


ROUTES: list[BaseRoute] = [
    Route("/my/dose", show, methods=["GET"]),
    Route(f"/my/{OF_ONE}/dose", show, methods=["GET"]),
]
