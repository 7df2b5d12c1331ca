"""What a one-time activation link, or the sheet of an account, leads to: choosing how one signs in."""

from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import account
from imagebank.errors import BankError, Conflict, Invalid
from imagebank.http.auth import address_of, bank_of, cookie_name, cookie_of, is_from_our_pages, is_https
from imagebank.http.deliberate import deliberately
from imagebank.portal.language import noted
from imagebank.portal.layout import page, read_form, refused, see_other
from imagebank.portal.signin import opened

_PATH: Final = "/activate"
_COOKIE: Final = "imagebank-sheet"
_LASTS_S: Final = 900


async def show(request: Request) -> Response:
    """The page of a link. Looking at it spends nothing."""
    try:
        return await _form(request, HTTPStatus.OK)
    except BankError as error:
        return refused(request, error)


async def choose(request: Request) -> Response:
    """Spend the link; with a passkey it goes on to where one is made."""
    form: dict[str, str] = {}
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            return await _form(request, HTTPStatus.FORBIDDEN, noted("Please fill in the form on this page."))
        is_passkey = form.get("means") == "passkey"
        # An empty password is one that is too short.
        typed = "" if is_passkey else form.get("password", "") or " "
        given = (form.get("name", ""), form.get("display_name", ""), address_of(request))
        cookie = await deliberately(request, account.activate, bank_of(request), _code(request), typed, *given)
    except (Invalid, Conflict) as error:
        return await _form(request, HTTPStatus.BAD_REQUEST, error, form)
    except BankError as error:
        return refused(request, error)
    return opened(request, cookie, "/account")


async def _form(
    request: Request, status: int, notice: str | BankError = "", form: dict[str, str] | None = None
) -> Response:
    """The form, with what was typed but for the password. Raises NotFound for a link that is not good."""
    _, found = await run_in_threadpool(account.invited, bank_of(request), _code(request))
    return page(
        request,
        "activate.html",
        status,
        account=found,
        address=request.url.path,
        notice=notice,
        name=(form or {}).get("name", ""),
        display_name=(form or {}).get("display_name", ""),
    )


def by_sheet(request: Request, code: str) -> Response:
    """On to the same page for who has typed number and secret of a sheet. What was typed stands in no address."""
    answer = see_other(_PATH)
    name, is_safe = cookie_name(request, _COOKIE), is_https(request)
    answer.set_cookie(name, code, max_age=_LASTS_S, path="/", httponly=True, secure=is_safe, samesite="strict")
    return answer


def _code(request: Request) -> str:
    return str(request.path_params.get("code") or cookie_of(request, _COOKIE))


ROUTES: list[BaseRoute] = [
    Route("/activate", show, methods=["GET"]),
    Route("/activate", choose, methods=["POST"]),
    Route("/activate/{code}", show, methods=["GET"]),
    Route("/activate/{code}", choose, methods=["POST"]),
]
