"""The pages of a forgotten password: asking for a link, and what the link leads to."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import forgotten
from imagebank.errors import BankError, Conflict, Invalid, NotFound, TooOften, status_for
from imagebank.http.auth import address_of, bank_of, is_from_our_pages
from imagebank.http.deliberate import deliberately
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Session
from imagebank.portal import language
from imagebank.portal.account import Form, changing
from imagebank.portal.language import noted
from imagebank.portal.layout import page, read_form, refused, speak_to, too_often
from imagebank.portal.proving import of_a_session
from imagebank.portal.signin import opened

_PAGE = "/forgotten"
_ELSEWHERE = noted("Please fill in the form on this page.")


async def ask(request: Request) -> Response:
    """Where a link is asked for."""
    return _ask(request)


def _ask(request: Request, error: BankError | str = "", name: str = "", *, is_sent: bool = False) -> Response:
    can_mail = bool(bank_of(request).settings.smtp)
    answer = page(
        request, "forgotten.html", _status(error), notice=error, name=name, is_sent=is_sent, can_mail=can_mail
    )
    return too_often(answer) if isinstance(error, TooOften) else answer


def _status(error: BankError | str) -> int:
    if isinstance(error, BankError):
        return status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    return HTTPStatus.FORBIDDEN if error else HTTPStatus.OK


async def send(request: Request) -> Response:
    """Ask for a link. The answer is the same whether there is such an account or not."""
    speak_to(request)
    name = ""
    try:
        form = await read_form(request)
        name = form.get("name", "")[:254]
        if not is_from_our_pages(request):
            return _ask(request, _ELSEWHERE)
        given = (bank_of(request), name, language.spoken(), address_of(request))
        await run_in_threadpool(forgotten.ask, *given)
    except BankError as error:
        return _ask(request, error, name)
    return _ask(request, is_sent=True)


async def show(request: Request) -> Response:
    """What a link opens. Programs that check mail look at every link: looking spends nothing."""
    return await _link(request)


async def _link(request: Request, error: BankError | str = "", *, is_stopped: bool = False) -> Response:
    way = None
    if not is_stopped:
        try:
            way = await run_in_threadpool(forgotten.looked, bank_of(request), _code(request))
        except NotFound as refusal:
            error = refusal
    waits = way is not None and way.waits(bank_of(request).now())
    answer = page(
        request,
        "forgotten-link.html",
        _status(error),
        way=way,
        waits=waits,
        notice=error,
        is_stopped=is_stopped,
        address=f"{_PAGE}/{_code(request)}",
    )
    # Nobody to whom the page leads on is to know by which link it was opened.
    answer.headers["Referrer-Policy"] = "no-referrer"
    return too_often(answer) if isinstance(error, TooOften) else answer


async def choose(request: Request) -> Response:
    """Set the new password, and sign in with it."""
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            return await _link(request, _ELSEWHERE)
        given = (_code(request), form.get("password", ""), form.get("code", ""), address_of(request))
        cookie = await deliberately(request, forgotten.set_password, bank_of(request), *given)
    except (Invalid, Conflict, NotFound, TooOften) as error:
        return await _link(request, error)
    except BankError as error:
        return refused(request, error)
    return opened(request, cookie, "/account")


async def stop(request: Request) -> Response:
    """Let a link open nothing any more."""
    try:
        await read_form(request)
        if not is_from_our_pages(request):
            return await _link(request, _ELSEWHERE)
        await run_in_threadpool(forgotten.stop, bank_of(request), _code(request), address_of(request))
    except (Invalid, NotFound) as error:
        return await _link(request, error)
    except BankError as error:
        return refused(request, error)
    return await _link(request, is_stopped=True)


def stop_own(request: Request, found: Session, _: Form) -> None:
    forgotten.stop_own(bank_of(request), found, address_of(request))


def _code(request: Request) -> str:
    return str(request.path_params["code"])


ROUTES: list[BaseRoute] = [
    Route(_PAGE, ask, methods=["GET"]),
    Route(_PAGE, send, methods=["POST"]),
    Route(f"{_PAGE}/{{code}}", show, methods=["GET"]),
    Route(f"{_PAGE}/{{code}}", choose, methods=["POST"]),
    Route(f"{_PAGE}/{{code}}/stop", stop, methods=["POST"]),
    Route("/account/forgotten/stop", of_a_session(changing(stop_own)), methods=["POST"]),
]
