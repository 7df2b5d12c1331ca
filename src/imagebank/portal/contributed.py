"""The page on which owners of accounts add to their images themselves, and take back what they added."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import card_contents, contributing
from imagebank.actions.uploads import Became
from imagebank.errors import BankError, Conflict, NotFound, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Session
from imagebank.model.uid import Uid
from imagebank.model.upload import PERSON, read_about
from imagebank.portal import plain_words, upload
from imagebank.portal.export import megabytes
from imagebank.portal.layout import ASKING, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.proving import of_the_proven
from imagebank.portal.upload_words import words_for_owners

_TYPED: Final = ("description", "taken_at")


@for_the_signed_in
async def ask(request: Request, principal: Principal) -> Response:
    """The form, with the limits."""
    return await _form(request, principal, dict(request.query_params))


async def _form(request: Request, principal: Principal, typed: Mapping[str, str], fault: str = "") -> Response:
    people = await run_in_threadpool(_people, request, principal)
    settings = bank_of(request).settings
    answer = page(
        request,
        "my-deposit.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        principal,
        people=people,
        typed={name: typed.get(name, "") for name in (PERSON, *_TYPED)},
        notice=fault,
        files=settings.patient_files_a_day,
        size=megabytes(settings.patient_bytes_a_day),
        words=words_for_owners(),
    )
    answer.headers.update(ASKING)
    return answer


def _people(request: Request, principal: Principal) -> Sequence[tuple[str, str]]:
    """For whom the account acts. Raises NotAllowed for who acts for nobody."""
    bank = bank_of(request)
    contributing.depositor(bank, principal, "", upload.WAY)
    return [(one.key, plain_words.called(one.name)) for one in card_contents.givers(bank, principal)]


def _said(fields: Mapping[str, str]) -> dict[str, str]:
    said = {name: fields.get(name, "").strip() for name in (PERSON, *_TYPED)}
    read_about(said)
    return {name: value for name, value in said.items() if value}


@for_the_signed_in
async def take(request: Request, principal: Principal) -> Response:
    """Take in what a browser without script sends, file by file as it comes, and say what became of each."""
    await run_in_threadpool(_people, request, principal)
    fields, became, fault = await upload.taken(request, principal, _said)
    return _review(request, principal, became, fault) if became else await _form(request, principal, fields, fault)


def _review(request: Request, principal: Principal, became: list[Became], fault: str) -> Response:
    said = words_for_owners()
    groups = [(one, said.get(f"{one.kind}_next", "")) for one in upload.grouped(became)]
    return page(request, "my-deposited.html", principal=principal, groups=groups, total=len(became), notice=fault)


@of_the_proven
async def ask_back(request: Request, principal: Principal, _: Session) -> Response:
    """What taking back means, before it is done."""
    return await _back(request, principal)


async def _back(request: Request, principal: Principal, error: BankError | None = None) -> Response:
    study = Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(contributing.added, bank_of(request), principal, study)
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK
    return page(request, "my-take-back.html", status, principal, study=study, number=len(found), notice=error or "")


@of_the_proven
async def take_back(request: Request, principal: Principal, _: Session) -> Response:
    """Take it back. Whoever sends the form twice reads the same."""
    form = await read_own_form(request)
    if form.get("sure") != "yes":
        return await _back(request, principal, Conflict("tick that you want this, and press the button again"))
    study = Uid.parse(request.path_params["study"])
    with suppress(NotFound):  # it went with the first of two, or is not theirs: both read the list, where it is not
        await run_in_threadpool(contributing.take_back, bank_of(request), principal, study, address_of(request))
    return see_other("/my/images")


ROUTES: list[BaseRoute] = [
    Route("/my/deposit", ask, methods=["GET"]),
    Route("/my/deposit", take, methods=["POST"]),
    Route("/my/deposit/{study}", ask_back, methods=["GET"]),
    Route("/my/deposit/{study}", take_back, methods=["POST"]),
]
