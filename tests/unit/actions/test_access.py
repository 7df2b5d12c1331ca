"""Tokens, links and sessions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Role, Scope
from imagebank.model.event import Act


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def after(bank: Bank, **time: float) -> Bank:
    moment = bank.now() + timedelta(**time)
    return replace(bank, now=lambda: moment)


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.RECIPIENT])
def test_a_token_gives_its_role_and_only_an_administrator_sees_every_organization(bank: Bank, role: Role) -> None:
    holder = access.bearer(bank, access.issue_token(bank, role, "north", "Dr Varga"))

    assert holder is not None
    assert (holder.name, holder.role, holder.organization, holder.rights) == ("Dr Varga", role, "north", RIGHTS[role])
    assert (holder.scope.organizations is None) is (role is Role.ADMIN)
    assert holder.scope.asker is None or holder.scope.asker.organization == "north"


def test_a_token_opens_nothing_once_its_days_are_over_or_somebody_revoked_it(bank: Bank) -> None:
    token = access.issue_token(bank, Role.CLINICIAN, name="Dr Varga", days=1)
    other = access.issue_token(bank, Role.CLINICIAN, name="Dr Weiss", days=1)

    assert access.bearer(after(bank, hours=23), token) is not None
    assert access.bearer(after(bank, hours=25), token) is None
    access.revoke_token(bank, "Dr Varga")
    assert access.bearer(bank, token) is None
    assert access.bearer(bank, other) is not None
    with pytest.raises(NotFound, match="Dr Varga"):
        access.revoke_token(bank, "Dr Varga")


@pytest.mark.parametrize("days", [0, -1, access.MAX_DAYS + 1, float("nan"), float("inf")])
def test_a_token_lives_for_some_days(bank: Bank, days: float) -> None:
    with pytest.raises(Invalid, match="days"):
        access.issue_token(bank, Role.ADMIN, days=days)

    assert bank.index.tokens() == []


def test_a_link_signs_in_once_and_within_a_quarter_of_an_hour(bank: Bank) -> None:
    link, late = (access.sign_in_link(bank, Role.CLINICIAN, "Dr Varga", "north") for _ in range(2))
    cookie = access.sign_in(bank, link, "192.0.2.7")
    for code, here in ((link, bank), (late, after(bank, minutes=16)), ("guessed", bank)):
        with pytest.raises(NotFound, match="ask for a new one"):
            access.sign_in(here, code)
    found = access.session(bank, cookie)

    assert found is not None
    assert (found.name, found.organization) == ("Dr Varga", "north")
    assert access.session(after(bank, hours=13), cookie) is None
    (event,) = (event for event in bank.index.events(Scope.of("north")) if event.act is Act.SIGNED_IN)
    assert (event.principal, event.address) == ("Dr Varga", "192.0.2.7")


def test_what_has_expired_is_swept_and_tokens_a_month_later(bank: Bank) -> None:
    token = access.issue_token(bank, Role.CLINICIAN, name="Dr Varga", days=1)
    cookie = access.sign_in_by_token(bank, token)
    kept = []
    for days in (0, 2, 60):
        access.sweep(after(bank, days=days))
        signed_in = access.session(bank, cookie) is not None
        kept.append((signed_in, [one.name for one in bank.index.tokens()]))

    assert kept == [(True, ["Dr Varga"]), (False, ["Dr Varga"]), (False, [])]


def test_a_token_that_nobody_holds_opens_no_session(bank: Bank) -> None:
    with pytest.raises(NotFound):
        access.sign_in_by_token(bank, "ib_wrong")


def test_a_session_by_a_token_ends_with_it(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, session_idle_minutes=600) as bank:
        ends_with_its_token(bank)


def ends_with_its_token(bank: Bank) -> None:
    short, long = (access.issue_token(bank, Role.ADMIN, days=days) for days in (0.25, 30))
    cookies = [access.sign_in_by_token(bank, f" {token} ") for token in (short, long)]

    assert [access.session(after(bank, hours=7), cookie) is not None for cookie in cookies] == [False, True]


def test_a_session_that_was_signed_out_opens_nothing_and_may_be_signed_out_again(bank: Bank) -> None:
    cookie = access.sign_in(bank, access.sign_in_link(bank, Role.ADMIN, "Dr Varga"))
    for _ in range(2):
        access.sign_out(bank, cookie)

    assert access.session(bank, cookie) is None
    assert [one.act for one in bank.index.events(Scope(None)) if one.act is Act.SIGNED_OUT] == [Act.SIGNED_OUT]


def test_a_session_that_nobody_uses_ends_and_use_begins_the_time_anew(bank: Bank) -> None:
    cookie = access.sign_in(bank, access.sign_in_link(bank, Role.ADMIN, "Dr Varga"))
    later = after(bank, minutes=29)
    found = access.opened(later, cookie)
    assert found is not None
    is_due = access.is_to_be_noted(bank, found), access.is_to_be_noted(later, found)
    access.use(later, found)

    assert is_due == (False, True)
    assert access.session(after(bank, minutes=58), cookie) is not None
    assert access.session(after(bank, minutes=60), cookie) is None


def test_what_is_dangerous_needs_a_proof_of_the_last_minutes(bank: Bank) -> None:
    cookie = access.sign_in(bank, access.sign_in_link(bank, Role.ADMIN, "Dr Varga"))
    found = access.opened(bank, cookie)
    assert found is not None
    access.require_proof(after(bank, minutes=9), found)

    with pytest.raises(NotAllowed, match="/account/prove"):
        access.require_proof(after(bank, minutes=11), found)
