"""A forgotten password: who gets a link, what it opens and when, and everything by which it opens nothing."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

import owners
from bank import open_test_bank
from imagebank import worker
from imagebank.actions import (
    access,
    account,
    actors,
    forgotten,
    mailboxes,
    notices,
    passkey,
    signing_in,
    statement,
    totp,
)
from imagebank.actions.enrol import Wanted
from imagebank.app import mail_work
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound, TooOften, Unsupported
from imagebank.model.access import Role
from imagebank.model.account import Account
from imagebank.model.event import Act
from imagebank.model.notice import Kind, Mailbox, folded_address
from imagebank.portal import statement_words
from mail_server import Office, forget_everybody, mail_server, settings_of, text_of
from owners import ADA
from unit.actions.authenticator import HERE, Authenticator
from unit.actions.people_here import ANOTHER, PASSWORD, a_person, after, events, session

WORK = {**worker.WORK, **mail_work()}
MAIL = "Ada@example.org"
THIRD = "four grey geese glide"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, office: Office) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("forgotten")
    with mail_server(office) as server, open_test_bank(folder, **settings_of(server, **owners.SETTINGS)) as opened:
        owners.name(opened)
        yield opened


@pytest.fixture
def bank(shared: Bank, office: Office) -> Bank:
    office.begin()
    return forget_everybody(shared)


def mailbox(bank: Bank, name: str, address: str = MAIL) -> Account:
    """Somebody, from now on with a verified mail address."""
    found = bank.index.people.account(name)
    assert found is not None
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(found.id, address, bank.now()))
    return found


def ada(bank: Bank) -> Account:
    """A person with a password and a mail address, and nothing else."""
    a_person(bank, "ada", Role.PATIENT)
    return mailbox(bank, "ada")


def with_app(bank: Bank) -> tuple[Account, bytes]:
    """The same with an app for codes, and its secret."""
    found = session(bank, a_person(bank, "ada", Role.PATIENT))
    account.show_app(bank, found)
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    account.confirm_app(bank, found, totp.code(secret, totp.step_at(bank.now()) - 1))
    return mailbox(bank, "ada"), secret


def now_code(bank: Bank, secret: bytes, steps: int = 0) -> str:
    return totp.code(secret, totp.step_at(bank.now()) + steps)


def work(bank: Bank) -> None:
    while worker.step(bank, WORK):
        pass


def mailed(bank: Bank, office: Office, typed: str = MAIL) -> str:
    """The code of the link that is mailed to whoever asks."""
    forgotten.ask(bank, typed, place="192.0.2.7")
    work(bank)
    return code_of(office)


def code_of(office: Office) -> str:
    found = re.search(r"https://bank.example/forgotten/(\S+)", text_of(office.received[-1]))
    assert found
    return found[1]


def refused(bank: Bank, code: str, typed: str = ANOTHER, app: str = "") -> str:
    with pytest.raises(BankError) as error:
        forgotten.set_password(bank, code, typed, app)
    return str(error.value)


def test_beside_the_mail_the_code_of_the_app_sets_a_password_at_once_and_ends_every_session(
    bank: Bank, office: Office
) -> None:
    _, secret = with_app(bank)
    old = signing_in.by_password(bank, MAIL, PASSWORD, now_code(bank, secret))
    there = after(bank, minutes=2)
    code = mailed(there, office)
    way = forgotten.looked(there, code)
    said = text_of(office.received[-1])
    weak = refused(there, code, "short", now_code(there, secret))
    wrong = refused(there, code, ANOTHER, now_code(there, secret, 5))
    cookie = forgotten.set_password(there, code, ANOTHER, now_code(there, secret), "192.0.2.7")
    later = after(there, minutes=2)

    assert (way.has_app, way.waits(there.now()), way.ends_at - there.now()) == (True, False, timedelta(hours=1))
    assert office.received[0]["Subject"] == "North Bank: a new password"
    assert "You need a code from your app, too." in said
    assert "12 characters or more" in weak
    assert "look at the clock of the phone" in wrong
    assert session(there, cookie).name == "ada"
    assert access.opened(there, old) is None
    assert signing_in.by_password(later, "ada", ANOTHER, now_code(later, secret))
    with pytest.raises(NotFound):
        signing_in.by_password(later, "ada", PASSWORD, now_code(later, secret, 1))
    assert [detail for _, detail, _ in events(bank, Act.CHANGED)][-2:] == [forgotten.ASKED, forgotten.SET]


def test_without_a_second_means_the_owner_has_two_days_to_stop_it(bank: Bank, office: Office) -> None:
    owner = ada(bank)
    code = mailed(bank, office)
    told = [one.kind for one in notices.listed(bank, owner.id, 9)]
    early, late = after(bank, hours=47.9), after(bank, hours=48.1)

    assert Kind.FORGOTTEN in told
    assert "So you have to wait" in text_of(office.received[0])
    assert len(office.received) == 1, "the mail with the link tells enough"
    assert "this link opens later" in refused(early, code)
    waiting = forgotten.waiting(early, owner)
    assert waiting is not None
    assert waiting == forgotten.looked(early, code)
    assert session(late, forgotten.set_password(late, code, ANOTHER)).name == "ada"
    work(late)
    assert office.received[-1]["Subject"] == "North Bank: How you sign in was changed"
    assert forgotten.waiting(late, owner) is None


def test_the_wait_is_the_sites(bank: Bank, office: Office) -> None:
    ada(bank)
    hasty = replace(bank, settings=replace(bank.settings, forgotten_wait_hours=0))

    assert forgotten.set_password(hasty, mailed(hasty, office), ANOTHER)


def test_a_passkey_opens_the_account_and_the_mail_alone_does_not(bank: Bank, office: Office) -> None:
    cookie, device = a_person(bank, "ada", Role.PATIENT), Authenticator(HERE)
    passkey.keep(bank, session(bank, cookie), HERE, device.create(passkey.offer_new(bank, session(bank, cookie), HERE)))
    mailbox(bank, "ada")
    code = mailed(bank, office)

    assert forgotten.looked(bank, code).has_passkey
    assert "You need your passkey, too." in text_of(office.received[-1])
    assert "this account has a passkey; sign in with it" in refused(bank, code)


def test_the_answer_is_the_same_for_everybody_and_nobody_else_gets_mail(bank: Bank, office: Office) -> None:
    ada(bank)
    a_person(bank, "anna", Role.TECHNOLOGIST)
    mailbox(bank, "anna", "anna@example.org")
    for name in ("cy", "dan"):
        a_person(bank, name, Role.PATIENT)
        mailbox(bank, name, "two@example.org")
    a_person(bank, "eve", Role.PATIENT)
    mailbox(bank, "eve", "locked@example.org")
    account.lock(bank, "eve")
    account.add(bank, "fay", Role.PATIENT)
    mailbox(bank, "fay", "fay@example.org")
    a_person(bank, "0123456789" + "40", Role.PATIENT)
    for address in (
        "nobody@example.org",
        "anna@example.org",
        "Two@EXAMPLE.org",
        "locked@example.org",
        "fay@example.org",
    ):
        forgotten.ask(bank, address)
    with pytest.raises(Invalid, match="digit of the account number"):
        forgotten.ask(bank, "1234 5678 9012")
    with pytest.raises(Invalid, match="one looks like"):
        forgotten.ask(bank, "ada@example")
    work(bank)

    assert office.received == []
    mailed(bank, office, " ADA@Example.ORG ")
    assert office.recipients == [MAIL], "as its owner wrote it, not as it was typed"


def test_a_number_does_as_well_as_an_address(bank: Bank, office: Office) -> None:
    who = owners.who(bank, owners.opened(bank, Wanted(ADA)))
    mailbox(bank, who.name)

    assert (
        forgotten.looked(bank, mailed(bank, office, f"{who.name[:4]} {who.name[4:8]}-{who.name[8:]}")).name == who.name
    )


def test_a_link_that_was_used_is_too_old_or_unknown_says_so(bank: Bank, office: Office) -> None:
    _, secret = with_app(bank)
    there = after(bank, minutes=2)
    code = mailed(there, office)
    late = refused(after(there, minutes=61), code)
    forgotten.set_password(there, code, ANOTHER, now_code(there, secret))

    assert "this link is too old; ask for another" in late
    assert "this link was used already" in refused(there, code)
    assert "none of ours, or was cut short" in refused(there, code[:-1])
    forgotten.sweep(after(there, days=32))
    assert "none of ours" in refused(there, code)


def test_of_two_at_once_one_sets_the_password(bank: Bank, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = with_app(bank)
    there = after(bank, minutes=2)
    code = mailed(there, office)
    step, typed = forgotten._step, now_code(there, secret)

    def meanwhile(bank: Bank, owner: Account, given: str) -> int:
        monkeypatch.setattr(forgotten, "_step", step)
        forgotten.set_password(bank, code, THIRD, typed)
        return step(bank, owner, given)

    monkeypatch.setattr(forgotten, "_step", meanwhile)
    said = refused(there, code, ANOTHER, typed)

    assert "used already" in said
    later = after(there, minutes=2)
    assert signing_in.by_password(later, "ada", THIRD, now_code(later, secret))


def test_a_second_link_ends_the_first_and_makes_nobody_wait_anew(bank: Bank, office: Office) -> None:
    ada(bank)
    first = mailed(bank, office)
    there = after(bank, hours=25)
    second = mailed(there, office)

    assert "a newer link was mailed after this one" in refused(there, first)
    assert forgotten.looked(there, second).opens_at - bank.now() < timedelta(hours=49)
    assert forgotten.set_password(after(bank, hours=49), second, ANOTHER)


def test_whoever_owns_the_account_stops_it_by_the_link_or_signed_in(bank: Bank, office: Office) -> None:
    ada(bank)
    code = mailed(bank, office)
    forgotten.stop(bank, code, "192.0.2.7")
    with pytest.raises(NotFound, match="was stopped"):
        forgotten.stop(bank, code)
    found = session(bank, signing_in.by_password(bank, "ada", PASSWORD))
    with pytest.raises(NotFound, match="no link"):
        forgotten.stop_own(bank, found)
    code = mailed(bank, office)
    forgotten.stop_own(bank, found)
    with pytest.raises(NotFound, match="no link"):
        forgotten.stop_own(bank, replace(found, account=""))

    assert "was stopped" in refused(after(bank, hours=50), code)
    assert [detail for _, detail, _ in events(bank, Act.CHANGED)].count(forgotten.STOPPED) == 2


@pytest.mark.parametrize("change", ["password", "address", "no address", "locked", "app", "sheet"])
def test_a_link_is_overtaken_by_any_change_of_how_its_owner_signs_in(bank: Bank, office: Office, change: str) -> None:
    owner = ada(bank)
    found = session(bank, signing_in.by_password(bank, "ada", PASSWORD))
    code = mailed(bank, office)
    match change:
        case "password":
            account.change_password(bank, found, ANOTHER)
        case "address":
            mailbox(bank, "ada", "new@example.org")
        case "no address":
            mailboxes.remove(bank, owner.id)
        case "locked":
            account.lock(bank, "ada")
        case "app":
            account.show_app(bank, found)
            secret = account.waiting_secret(bank, found)
            assert secret is not None
            account.confirm_app(bank, found, now_code(bank, secret))
        case _:
            account.activate(bank, account.invite(bank, "ada"), ANOTHER)

    assert "was changed after this link was mailed" in refused(after(bank, hours=50), code)


def test_a_passkey_that_was_made_meanwhile_counts(bank: Bank, office: Office) -> None:
    ada(bank)
    found, device = session(bank, signing_in.by_password(bank, "ada", PASSWORD)), Authenticator(HERE)
    code = mailed(bank, office)
    passkey.keep(bank, found, HERE, device.create(passkey.offer_new(bank, found, HERE)))

    assert "this account has a passkey" in refused(after(bank, hours=50), code)


def test_clocks_may_differ(bank: Bank, office: Office) -> None:
    """The machine that made the link is three minutes ahead of the one that opens it, and the phone half a minute."""
    _, secret = with_app(bank)
    code = mailed(after(bank, minutes=5), office)
    behind = after(bank, minutes=2)

    assert not forgotten.looked(behind, code).waits(behind.now())
    assert "look at the clock of the phone" in refused(behind, code, ANOTHER, now_code(behind, secret, 3))
    assert forgotten.set_password(behind, code, ANOTHER, now_code(behind, secret, 1))


def test_nobody_is_flooded_and_codes_are_not_guessed(bank: Bank, office: Office) -> None:
    _, secret = with_app(bank)
    there = after(bank, minutes=2)
    for number in range(5):
        forgotten.ask(there, MAIL, place=f"192.0.2.{number}")
    with pytest.raises(TooOften, match="many links"):
        forgotten.ask(there, "ADA@example.org")
    for number in range(20):
        forgotten.ask(there, f"{number}@example.org", place="192.0.2.99")
    with pytest.raises(TooOften, match="many links"):
        forgotten.ask(there, "x@example.org", place="192.0.2.99")
    work(there)
    for hours in (1.1, 2.2, 3.3):
        mailed(after(there, hours=hours), office)
    code, there = code_of(office), after(there, hours=2.3)

    assert len(office.received) == 3, "three in a day for one account, who asks ever so often"
    for _ in range(forgotten.CODES):
        assert "not the code" in refused(there, code, ANOTHER, now_code(there, secret, 7))
    assert "too many wrong codes" in refused(there, code, ANOTHER, now_code(there, secret))


def test_the_whole_bank_is_asked_so_often_and_no_more(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "_ASKED_IN_ALL", 3)
    monkeypatch.setattr(forgotten, "_ASKED_FROM", 1)
    forgotten.ask(bank, "0@example.org", place="192.0.2.1")
    for _ in range(3):
        with pytest.raises(TooOften):
            forgotten.ask(bank, "0@example.org", place="192.0.2.1")
    for number in range(1, 3):
        forgotten.ask(bank, f"{number}@example.org", place=f"192.0.2.{number + 1}")
    with pytest.raises(TooOften):
        forgotten.ask(bank, "3@example.org", place="192.0.2.9")


def test_a_link_that_was_stopped_meanwhile_is_not_mailed_and_one_that_waits_is_sealed(
    bank: Bank, office: Office
) -> None:
    ada(bank)
    forgotten.ask(bank, MAIL)
    asked = bank.jobs.claim([forgotten.JOB], bank.now(), 600)
    assert asked is not None
    assert "ada" not in str(asked.payload).lower()
    forgotten.ask_job(bank, asked.payload)
    found = session(bank, signing_in.by_password(bank, "ada", PASSWORD))
    forgotten.stop_own(bank, found)
    work(bank)

    assert office.received == []


def test_it_stands_on_the_statement_in_words(bank: Bank, office: Office) -> None:
    cookie = owners.opened(bank, Wanted(ADA))
    who = owners.who(bank, cookie)
    mailbox(bank, who.name)
    forgotten.stop(bank, mailed(bank, office, who.name))
    hasty = replace(bank, settings=replace(bank.settings, forgotten_wait_hours=0))
    forgotten.set_password(hasty, mailed(hasty, office, who.name), ANOTHER)
    entries = statement.statement(bank, statement.Wanted(), who).entries
    told = [statement_words.tell(one, actors.who(bank, who)(one.line), "") for one in entries]

    assert [(one.what, one.way) for one in told if "password" in one.what and "your" in one.what] == [
        ("A new password was set for your account by a link in a mail.", "/account"),
        ("Somebody asked for a new password for your account.", "/account"),
        ("A link for a new password of your account was stopped.", "/account"),
        ("Somebody asked for a new password for your account.", "/account"),
    ]


def test_a_bank_that_sends_no_mail_sends_people_to_the_desk(bank: Bank) -> None:
    mute = replace(bank, settings=replace(bank.settings, smtp=""))
    with pytest.raises(Unsupported, match="prints a new sheet"):
        forgotten.ask(mute, MAIL)


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("\u212aim@example.org", "\u212aim@example.org"),
        ("ÄDA@example.org", "Äda@example.org"),
        ("ada", ""),
        ("", ""),
    ],
)
def test_letters_that_only_look_alike_are_another_address(typed: str, folded: str) -> None:
    assert folded_address(typed) == folded
