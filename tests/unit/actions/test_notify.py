"""Telling people: what stands in the account, what is mailed and when, and what is done when mail does not go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank import worker
from imagebank.actions import account, notices, notify
from imagebank.app import mail_work
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.notice import Kind, Mailbox, State
from mail_server import Office, mail_server, settings_of, text_of

WORK = {**worker.WORK, **mail_work()}
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "south", RIGHTS[Role.CLINICIAN], Scope.nothing())


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def many() -> Office:
    """One that many tests share."""
    return Office()


@pytest.fixture(scope="module")
def server(many: Office) -> Iterator[str]:
    with mail_server(many) as running:
        yield running


@pytest.fixture
def bank(tmp_path: Path, server: str, many: Office) -> Iterator[Bank]:
    many.__init__()  # type: ignore[misc]
    with open_test_bank(tmp_path, **settings_of(server)) as opened:
        yield opened


def an_owner(bank: Bank, name: str = "ada", address: str = "ada@example.org", language: str = "en") -> str:
    """Somebody with an account and a mail address; the account's identifier."""
    account.add(bank, name, Role.PATIENT)
    found = bank.index.people.account(name)
    assert found is not None
    if address:
        with bank.index.begin() as tx:
            tx.notices.put_mailbox(Mailbox(found.id, address, bank.now(), language))
    return found.id


def tell(bank: Bank, owner: str, kind: Kind, link: str = "") -> None:
    with bank.index.begin() as tx:
        notify.tell(bank, tx, owner, kind, link)


def work(bank: Bank) -> None:
    """Do what is due."""
    while worker.step(bank, WORK):
        pass


def state(bank: Bank, owner: str) -> list[tuple[Kind, State]]:
    return [(one.kind, one.state) for one in notices.listed(bank, owner, 10)]


def test_what_happened_is_listed_and_mailed_at_once_with_a_link_only(bank: Bank, many: Office) -> None:
    owner = an_owner(bank)
    tell(bank, owner, Kind.SHARED, "/studies/1.2.3")
    work(bank)
    work(bank)

    (mailed,), (noted,) = many.received, notices.listed(bank, owner, 10)
    link = f"https://bank.example/notices/{noted.id}"
    assert many.recipients == ["ada@example.org"]
    assert (mailed["Subject"], mailed["From"], mailed["To"], mailed["Message-ID"]) == (
        "North Bank: A card of yours was used",
        "North Bank <bank@bank.example>",
        "ada@example.org",
        f"<{noted.mail}@bank.example>",
    )
    assert mailed["Auto-Submitted"] == "auto-generated"
    assert link in text_of(mailed)
    assert "1.2.3" not in mailed.as_string()
    assert (noted.state, noted.seen_at) == (State.SENT, None)
    assert notices.unseen(bank, owner) == 1
