"""One-time codes by mail, and the addresses that they prove."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank import worker
from imagebank.actions import account, codes, mailboxes, notify
from imagebank.app import mail_work
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, TooOften, Unsupported
from imagebank.model.access import Role
from imagebank.model.event import Act
from imagebank.model.notice import Kind, Mailbox
from mail_server import Office, forget_everybody, mail_server, settings_of, text_of
from unit.actions.people_here import after, events

ADA = "ada@example.org"


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def server(office: Office) -> Iterator[str]:
    with mail_server(office) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("mail"), **settings_of(server)) as opened:
        yield opened


@pytest.fixture
def bank(shared: Bank, office: Office) -> Bank:
    office.begin()
    return forget_everybody(shared)


def mailed(bank: Bank, office: Office) -> str:
    """The code of the newest mail, once all are sent."""
    while worker.step(bank, mail_work()):
        pass
    found = re.search(r"\b\d{6}\b", text_of(office.received[-1]))
    assert found
    return found[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_a_code_proves_an_address_once_and_for_what_it_was_sent(bank: Bank, office: Office) -> None:
    codes.send(bank, "redeem 1", " Ada@EXAMPLE.org ")
    code = mailed(bank, office)

    assert office.received[0]["Subject"] == "North Bank: your code"
    for key, typed in (("redeem 2", code), ("redeem 1", wrong(code)), ("redeem 1", ""), ("redeem 1", "é" + code)):
        with pytest.raises(NotFound, match="not the code"):
            codes.check(bank, key, typed)
    assert codes.check(bank, "redeem 1", f" {code[:3]} {code[3:]} ") == "Ada@example.org"
    with pytest.raises(NotFound, match="not the code"):
        codes.check(bank, "redeem 1", code)


def test_five_wrong_tries_spend_a_code_and_so_do_ten_minutes(bank: Bank, office: Office) -> None:
    codes.send(bank, "k", ADA)
    code = mailed(bank, office)
    for _ in range(codes.TRIES):
        with pytest.raises(NotFound):
            codes.check(bank, "k", wrong(code))
    with pytest.raises(NotFound):
        codes.check(bank, "k", code)
    codes.send(bank, "k", ADA)
    code = mailed(bank, office)
    with pytest.raises(NotFound):
        codes.check(after(bank, minutes=10.1), "k", code)

    assert codes.check(after(bank, minutes=9.9), "k", code) == ADA


def test_a_new_code_ends_the_one_before(bank: Bank, office: Office) -> None:
    codes.send(bank, "k", ADA)
    first = mailed(bank, office)
    codes.send(bank, "k", ADA)
    second = mailed(bank, office)
    if first != second:
        with pytest.raises(NotFound):
            codes.check(bank, "k", first)

    assert codes.check(bank, "k", second) == ADA


def test_nobody_is_flooded_with_codes(bank: Bank) -> None:
    for number in range(5):
        codes.send(bank, "k", f"{number}@example.org")
        codes.send(bank, f"j{number}", ADA)
    for key, address in (("k", "9@example.org"), ("j", ADA), ("j", "ADA@example.org")):
        with pytest.raises(TooOften):
            codes.send(bank, key, address)
    for number in range(30):
        codes.send(bank, f"i{number}", f"i{number}@example.org", place="192.0.2.1")
    with pytest.raises(TooOften):
        codes.send(bank, "i", "i@example.org", place="192.0.2.1")
    codes.send(after(bank, minutes=61), "k", ADA, place="192.0.2.1")


def test_what_is_kept_of_a_code_does_not_show_it(bank: Bank, office: Office) -> None:
    codes.send(bank, "k", ADA)
    job = bank.jobs.claim([codes.JOB], bank.now(), 0)
    kept = bank.index.notices.code("k")
    assert job is not None
    assert kept is not None
    code = codes.opened(bank, job.payload["code"])

    assert code.encode() not in kept.kept
    assert code not in str(job.payload)
    assert re.fullmatch(r"\d{6}", code)


def test_a_code_that_has_ended_is_not_mailed(bank: Bank, office: Office) -> None:
    codes.send(bank, "k", ADA)
    codes.send(bank, "j", ADA)
    with bank.index.begin() as tx:
        kept = tx.notices.try_code("j", bank.now(), 1)
        assert kept is not None
        tx.notices.spend_code("j", kept.kept)
    while worker.step(after(bank, minutes=11), mail_work()):
        pass

    assert office.received == []


def test_a_bank_without_a_mail_server_sends_no_code(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as mute:
        with pytest.raises(Unsupported, match="sends no mail"):
            codes.send(mute, "k", ADA)
        with pytest.raises(Invalid, match="no mail address"):
            codes.send(mute, "k", "ada")


def test_the_address_of_somebody_else_gets_one_code_that_says_what_to_do_and_nothing_more(
    bank: Bank, office: Office
) -> None:
    account.add(bank, "ada", Role.PATIENT)
    owner = bank.index.people.account("ada")
    assert owner is not None
    mailboxes.offer(bank, owner.id, "stranger@example.org")
    code = mailed(bank, office)
    with bank.index.begin() as tx:
        notify.tell(bank, tx, owner.id, Kind.SHARED)
    mailboxes.offer(bank, owner.id, ADA)
    mailed(bank, office)

    assert office.recipients == ["stranger@example.org", ADA]
    assert "If you did not ask North Bank for a code, do nothing, and tell nobody the code." in " ".join(
        text_of(office.received[0]).split()
    )
    with pytest.raises(NotFound, match="not the code that we mailed"):
        mailboxes.confirm(bank, owner.id, code)
    assert mailboxes.address_of(bank, owner.id) is None


def test_an_account_takes_the_address_whose_code_its_owner_typed(bank: Bank, office: Office) -> None:
    account.add(bank, "ada", Role.PATIENT)
    owner = bank.index.people.account("ada")
    assert owner is not None
    assert (mailboxes.address_of(bank, owner.id), mailboxes.offered(bank, owner.id)) == (None, "")
    mailboxes.offer(bank, owner.id, ADA, "de", "192.0.2.1")
    assert mailboxes.offered(bank, owner.id) == ADA
    assert mailboxes.offered(after(bank, minutes=11), owner.id) == ""
    code = mailed(bank, office)
    with pytest.raises(NotFound, match="not the code"):
        mailboxes.confirm(bank, owner.id, wrong(code))
    here = replace(bank, now=lambda: owner.created_at)
    made = mailboxes.confirm(here, owner.id, code, "de", "192.0.2.1")

    assert made == mailboxes.address_of(bank, owner.id) == Mailbox(owner.id, ADA, owner.created_at, "de")
    mailboxes.remove(bank, owner.id)
    with pytest.raises(NotFound, match="no mail address"):
        mailboxes.remove(bank, owner.id)
    changes = [detail for _, detail, _ in events(bank, Act.CHANGED)]
    assert changes[-2:] == ["mail address verified", "mail address removed"]
    mailboxes.offer(bank, "login.example/u7", "u7@example.org")
    assert mailboxes.confirm(bank, "login.example/u7", mailed(bank, office)).account == "login.example/u7"
    for act in (mailboxes.remove, lambda bank, one: mailboxes.offer(bank, one, ADA)):
        with pytest.raises(NotFound, match="no such account"):
            act(bank, "gone")
