"""Signing in by password and code: one answer for every refusal, and no more tries than are allowed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import access, account, password, signing_in, totp
from imagebank.bank import Bank
from imagebank.errors import BankError, NotFound, TooOften
from imagebank.model.access import Scope
from imagebank.model.event import Act
from unit.actions.people_here import PASSWORD, a_person, after, events, session

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def refusal(bank: Bank, *given: str) -> str:
    with pytest.raises(BankError) as refused:
        signing_in.by_password(bank, *given)
    return f"{type(refused.value).__name__}: {refused.value}"


def test_a_password_opens_a_session_however_the_name_is_typed(bank: Bank) -> None:
    a_person(bank)
    who = access.session(bank, signing_in.by_password(bank, " ADA ", PASSWORD, address="192.0.2.7"))

    assert who is not None
    assert who.name == "ada"
    assert events(bank, Act.SIGNED_IN)[-1] == ("ada", "password", "192.0.2.7")


def test_every_refusal_is_answered_alike_and_costs_a_hash(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ada", "locked", "apped"):
        cookie = a_person(bank, name)
    account.lock(bank, "locked")
    account.add(bank, "waiting", session(bank, cookie).role)
    found = session(bank, cookie)
    account.show_app(bank, found)
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    account.confirm_app(bank, found, totp.code(secret, totp.step_at(bank.now())))
    nobodys, hashes = password._nobodys(), []

    def counted() -> str:
        hashes.append(nobodys)
        return nobodys

    monkeypatch.setattr(password, "_nobodys", counted)

    said = {
        refusal(bank, name, typed)
        for name, typed in [
            ("nobody", PASSWORD),
            ("ada", "wrong password"),
            ("locked", PASSWORD),
            ("waiting", ""),
            ("apped", PASSWORD),
        ]
    }
    assert said == {"NotFound: nobody signs in with these"}
    assert len(hashes) == 3, "nobody, locked and waiting; the others are compared with their own"
    assert [who for who, *_ in events(bank, Act.NOT_SIGNED_IN)] == ["unknown", "ada", "locked", "waiting", "apped"]


def test_each_code_works_once(bank: Bank) -> None:
    found = session(bank, a_person(bank))
    account.show_app(bank, found)
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    account.confirm_app(bank, found, totp.code(secret, totp.step_at(bank.now())))
    later = after(bank, seconds=90)
    code = totp.code(secret, totp.step_at(later.now()))
    signing_in.by_password(later, "ada", PASSWORD, code)

    assert refusal(later, "ada", PASSWORD, code) == "NotFound: nobody signs in with these"
    assert events(bank, Act.SIGNED_IN)[-1][1] == "password and code"


def test_after_ten_wrong_passwords_the_right_one_waits_too(bank: Bank) -> None:
    a_person(bank)
    a_person(bank, "bob")
    said = [refusal(bank, name, "wrong") for name in ("ada", "nobody") for _ in range(11)]

    assert [one.partition(":")[0] for one in said] == (["NotFound"] * 10 + ["TooOften"]) * 2
    assert refusal(bank, "ada", PASSWORD).startswith("TooOften")
    assert signing_in.by_password(bank, "bob", PASSWORD)
    assert signing_in.by_password(after(bank, minutes=16), "ada", PASSWORD)


def test_a_right_password_forgets_the_wrong_ones_before_it(bank: Bank) -> None:
    a_person(bank)
    for _ in range(3):
        for _ in range(8):
            refusal(bank, "ada", "wrong")
        signing_in.by_password(bank, "ada", PASSWORD)


def test_an_address_may_fail_so_often_and_no_more(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "PER_ADDRESS", 3)
    a_person(bank)
    for _ in range(5):
        signing_in.by_password(bank, "ada", PASSWORD, address="192.0.2.7")
    for number in range(3):
        assert refusal(bank, f"name{number}", "wrong", "", "192.0.2.7").startswith("NotFound")

    assert refusal(bank, "ada", PASSWORD, "", "192.0.2.7").startswith("TooOften")
    assert signing_in.by_password(bank, "ada", PASSWORD, address="192.0.2.8")


def test_tries_at_once_cannot_outrun_the_count(bank: Bank) -> None:
    def attempt(_: int) -> str:
        try:
            signing_in.by_password(bank, "ada", "wrong")
        except (NotFound, TooOften) as error:
            return type(error).__name__
        return "in"

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(attempt, range(30)))
    assert (said.count("NotFound"), said.count("TooOften")) == (10, 20)


def test_a_flood_of_wrong_passwords_from_many_addresses_makes_few_lines_and_loses_no_count(bank: Bank) -> None:
    for number in range(300):
        with pytest.raises(NotFound):
            signing_in.by_password(bank, f"nobody{number}", "wrong", address=f"2001:db8::{number:x}")
    bank.reads.flush(is_last=True)
    refused = [one for one in bank.index.events(Scope(None), 1000) if one.act is Act.NOT_SIGNED_IN]

    assert len(refused) <= 202
    assert sum(one.count for one in refused) == 300
