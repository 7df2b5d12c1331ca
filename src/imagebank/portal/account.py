"""One's own account: how one signs in, and where one is signed in."""

import io
from collections.abc import Callable
from http import HTTPStatus

import segno
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import account, forgotten, passkey, totp
from imagebank.errors import BankError, Conflict, Invalid, NotFound, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.deliberate import deliberately
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Session
from imagebank.portal import look
from imagebank.portal.language import noted
from imagebank.portal.layout import HEADERS, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.proving import PageOf, of_a_session, of_the_proven
from imagebank.portal.signin import site_of

Form = dict[str, str]


@of_a_session
async def show(request: Request, principal: Principal, found: Session) -> Response:
    return await _account(request, principal, found)


async def _account(request: Request, principal: Principal, found: Session, error: BankError | None = None) -> Response:
    """The page, with what went wrong."""
    bank = bank_of(request)
    owner = await run_in_threadpool(bank.index.people.account_of, found.account) if found.account else None
    has_owner = owner is not None
    return page(
        request,
        "account.html",
        status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK,
        principal,
        account=owner,
        passkeys=await run_in_threadpool(account.passkeys, bank, found) if has_owner else [],
        sessions=await run_in_threadpool(account.sessions, bank, found) if has_owner else [],
        session_name=account.session_name,
        here=account.session_name(found),
        forgotten=await run_in_threadpool(forgotten.waiting, bank, owner) if owner is not None else None,
        notice=error or "",
        idle=bank.settings.session_idle_minutes,
    )


def changing(change: Callable[[Request, Session, Form], None], then: str = "/account") -> PageOf:
    """Do what a form of ours asks for, and go on; on the account's page it is said what did not work."""

    async def changed(request: Request, principal: Principal, found: Session) -> Response:
        form = await read_own_form(request)
        try:
            await deliberately(request, change, request, found, form)
        except (Invalid, Conflict, NotFound) as error:
            return await _account(request, principal, found, error)
        return see_other(then)

    return changed


def set_password(request: Request, found: Session, form: Form) -> None:
    account.change_password(bank_of(request), found, form.get("password", ""), address_of(request))


def make_app(request: Request, found: Session, _: Form) -> None:
    account.show_app(bank_of(request), found)


def confirm_app(request: Request, found: Session, form: Form) -> None:
    account.confirm_app(bank_of(request), found, form.get("code", ""), address_of(request))


def remove_app(request: Request, found: Session, _: Form) -> None:
    account.remove_app(bank_of(request), found, address_of(request))


def keep_passkey(request: Request, found: Session, form: Form) -> None:
    answer, name = form.get("answer", ""), form.get("name", "")
    passkey.keep(bank_of(request), found, site_of(request), answer, name, address_of(request))


def remove_passkey(request: Request, found: Session, form: Form) -> None:
    account.remove_passkey(bank_of(request), found, form.get("passkey", ""), address_of(request))


def end_session(request: Request, found: Session, form: Form) -> None:
    account.end_session(bank_of(request), found, form.get("session", ""), address_of(request))


def end_others(request: Request, found: Session, _: Form) -> None:
    account.end_other_sessions(bank_of(request), found, address_of(request))


@of_the_proven
async def show_app(request: Request, principal: Principal, found: Session) -> Response:
    """The secret of an authenticator app, to be scanned or typed."""
    secret = await run_in_threadpool(account.waiting_secret, bank_of(request), found)
    if secret is None:
        return see_other("/account")
    return page(request, "app.html", HTTPStatus.OK, principal, secret=totp.written(secret))


@of_the_proven
async def draw_app(request: Request, _: Principal, found: Session) -> Response:
    """The same as a QR code."""
    secret = await run_in_threadpool(account.waiting_secret, bank_of(request), found)
    if secret is None:
        raise NotFound("no app waits for its first code")
    drawn = io.BytesIO()
    segno.make(totp.address(secret, found.name), error="m").save(drawn, kind="svg", scale=4, light="#fff")
    return Response(drawn.getvalue(), HTTPStatus.OK, HEADERS, "image/svg+xml")


@of_the_proven
async def ask_passkey(request: Request, principal: Principal, found: Session) -> Response:
    """The page on which the browser makes a passkey."""
    await read_own_form(request)
    options = await run_in_threadpool(passkey.offer_new, bank_of(request), found, site_of(request))
    given = {"kind": "create", "options": options, "answer_to": "/account/passkeys/keep"}
    return page(
        request,
        "passkey.html",
        HTTPStatus.OK,
        principal,
        heading=noted("Sign in from now on with a passkey"),
        act=noted("Sign in from now on"),
        back="/account",
        **given,
    )


@for_the_signed_in
async def keep_look(request: Request, _: Principal) -> Response:
    """Keep how pages are to look in this browser."""
    form = await read_own_form(request)
    answer = see_other("/my/settings" if form.get("back") == "/my/settings" else "/account")
    look.keep(request, answer, look.read_look(*(form.get(name, "") for name in ("theme", "density", "language"))))
    return answer


ROUTES: list[BaseRoute] = [
    Route("/account", show, methods=["GET"]),
    Route("/account/look", keep_look, methods=["POST"]),
    Route("/account/password", of_the_proven(changing(set_password)), methods=["POST"]),
    Route("/account/app", show_app, methods=["GET"]),
    Route("/account/app.svg", draw_app, methods=["GET"]),
    Route("/account/app", of_the_proven(changing(make_app, "/account/app")), methods=["POST"]),
    Route("/account/app/confirm", of_the_proven(changing(confirm_app)), methods=["POST"]),
    Route("/account/app/remove", of_the_proven(changing(remove_app)), methods=["POST"]),
    Route("/account/passkeys", ask_passkey, methods=["POST"]),
    Route("/account/passkeys/keep", of_the_proven(changing(keep_passkey)), methods=["POST"]),
    Route("/account/passkeys/remove", of_the_proven(changing(remove_passkey)), methods=["POST"]),
    Route("/account/sessions/end", of_a_session(changing(end_session)), methods=["POST"]),
    Route("/account/sessions/end-others", of_a_session(changing(end_others)), methods=["POST"]),
]
