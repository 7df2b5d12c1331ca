"""Telling people: what stands in the account, what is mailed and when, and what is done when mail does not go."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import access, account, deeds, emergency, mail, mailboxes, notices, notify, persons
from imagebank.app import mail_desk, mail_work
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope, Session
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.notice import CHOSEN, Kind, Mailbox, Notice, State, Way
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind as Decided
from imagebank.model.provision import Provision
from imagebank.model.uid import Uid
from mail_server import Office, forget_everybody, mail_server, settings_of, text_of
from make import a_file
from unit.actions.people_here import ANOTHER, PASSWORD, a_person, after, events, session

WORK = {**worker.WORK, **mail_work()}
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "south", RIGHTS[Role.CLINICIAN], Scope.nothing())
GREYLISTED = "451 4.7.1 come back later, ada@example.org"


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


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Bank]:
    """A bank that sends no mail."""
    with open_test_bank(tmp_path) as opened:
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


def holds(bank: Bank, name: str, patient: PatientId, **given: object) -> None:
    """Let an account hold the records of a patient."""
    one = Provision(f"{name} {patient.identifier}", Decided.HOLDING, True, patient, bank.now() - timedelta(days=1))
    with bank.index.begin() as tx:
        tx.put_provision(replace(one, principal=name, role=Role.PATIENT, **given))  # type: ignore[arg-type]


def tell(bank: Bank, owner: str, kind: Kind, link: str = "") -> None:
    with bank.index.begin() as tx:
        notify.tell(bank, tx, owner, kind, link)


def work(bank: Bank) -> None:
    """Do what is due."""
    while worker.step(bank, WORK):
        pass


def told(bank: Bank, owner: str) -> list[tuple[Kind, State]]:
    return [(one.kind, one.state) for one in notices.listed(bank, owner, 10)]


def reasons(bank: Bank) -> list[tuple[State, str]]:
    return [(one.state, one.reason) for one in mail.unsent(bank)]


def secret_of(text: str) -> str:
    found = re.search(r"/unsubscribe/(\S+)", text)
    assert found
    return found[1]


def test_what_happened_is_listed_and_mailed_at_once_with_a_link_only(bank: Bank, office: Office) -> None:
    owner = an_owner(bank)
    tell(bank, owner, Kind.SHARED, "/studies/1.2.3")
    work(bank)
    work(bank)

    (mailed,), (noted,) = office.received, notices.listed(bank, owner, 10)
    assert office.recipients == ["ada@example.org"]
    assert (mailed["Subject"], mailed["From"], mailed["To"], mailed["Message-ID"]) == (
        "North Bank: A card of yours was used",
        "North Bank <bank@bank.example>",
        "ada@example.org",
        f"<{noted.mail}@bank.example>",
    )
    assert mailed["Auto-Submitted"] == "auto-generated"
    assert f"https://bank.example/notices/{noted.id}\n" in text_of(mailed)
    page = mailed.get_body(("html",))
    assert page is not None
    assert f'<a href="https://bank.example/notices/{noted.id}">' in page.get_content()
    assert "1.2.3" not in mailed.as_string()
    assert (noted.state, noted.seen_at, notices.unseen(bank, owner)) == (State.SENT, None, 1)
    mail.send_job(mail_desk(), bank, {"mail": noted.mail, "since": noted.at.isoformat()})
    assert len(office.received) == 1


def test_what_mail_programs_read_stands_as_it_is_however_long(bank: Bank, office: Office) -> None:
    long = f"wolfeschlegelsteinhausenbergerdorff.ada@{'a-rather-long-name-of-a-provider.' * 3}example"
    with_long_site = replace(bank, settings=replace(bank.settings, public_url=f"https://{'images.' * 9}example"))
    tell(bank, an_owner(bank, address=long, language="de"), Kind.EMERGENCY)
    work(with_long_site)

    lines = office.raw[0].split(b"\r\n\r\n")[0].split(b"\r\n")
    (leave,) = (line for line in lines if line.startswith(b"List-Unsubscribe: "))
    assert re.fullmatch(rb"List-Unsubscribe: <https://(images\.){9}example/unsubscribe/[\w-]{43}>", leave)
    assert [line for line in lines if line.startswith(b"Message-ID: <")]
    assert office.received[0]["To"] == long
    assert office.recipients == [long]


def test_mail_speaks_the_language_of_its_reader(bank: Bank, office: Office) -> None:
    for language in ("de", "xx"):
        tell(bank, an_owner(bank, f"ada-{language}", language=language), Kind.ANSWERED)
    work(bank)

    pages = [one.get_body(("html",)) for one in office.received]
    assert sorted(page.get_content().split("\n")[1][:15] for page in pages if page) == [
        '<html lang="de"',
        '<html lang="en"',
    ]


def test_who_has_no_address_or_wants_no_mail_has_the_list(bank: Bank, office: Office) -> None:
    without, silent = an_owner(bank, "bob", ""), an_owner(bank)
    notices.choose(bank, silent, {Kind.SHARED: Way.OFF})
    for owner in (without, silent):
        tell(bank, owner, Kind.SHARED)
    work(bank)

    assert [told(bank, owner) for owner in (without, silent)] == [[(Kind.SHARED, State.LISTED)]] * 2
    assert office.received == []


def test_a_bank_without_a_mail_server_lists_only(mute: Bank) -> None:
    owner = an_owner(mute)
    tell(mute, owner, Kind.SHARED)
    with mute.index.begin() as tx:
        notify.tell_site(mute, tx, ["reading@north.example"], "/studies/1.2")

    assert (told(mute, owner), mail.unsent(mute)) == ([(Kind.SHARED, State.LISTED)], [])


def test_what_is_mailed_daily_goes_together_in_the_morning(bank: Bank, office: Office) -> None:
    owner = an_owner(bank)
    notices.choose(bank, owner, {Kind.ANSWERED: Way.DAILY})
    night = replace(bank, now=lambda: datetime(2026, 3, 1, 23, tzinfo=bank.now().tzinfo))
    for kind, link in ((Kind.DEPOSIT, "/a"), (Kind.DEPOSIT, "/b"), (Kind.ANSWERED, "/c")):
        tell(night, owner, kind, link)
    work(after(night, hours=6))
    assert (office.received, {state for _, state in told(bank, owner)}) == ([], {State.HELD})
    work(after(night, hours=7))
    work(after(night, hours=31))

    (mailed,) = office.received
    assert mailed["Subject"] == "North Bank: news in your account"
    lines = [line for line in text_of(mailed).split("\n") if line.startswith("- ")]
    assert sorted(lines) == ["- A request of yours was answered", "- Something new is in your account (2)"]
    assert "https://bank.example/account/notices\n" in text_of(mailed)
    assert {state for _, state in told(bank, owner)} == {State.SENT}


def test_the_daily_mail_goes_at_the_hour_that_the_site_set(bank: Bank) -> None:
    noon = bank.now().replace(hour=12, minute=0, second=0, microsecond=0)
    late = replace(bank, settings=replace(bank.settings, digest_hour=18))

    assert notify.next_digest(bank, noon) == noon + timedelta(hours=18)
    assert notify.next_digest(late, noon) == noon + timedelta(hours=6)


def test_the_same_again_fills_no_mailbox(bank: Bank, office: Office) -> None:
    owner = an_owner(bank)
    for _ in range(20):
        tell(bank, owner, Kind.PIN_REFUSED, "/cards/1")
    tell(bank, owner, Kind.PIN_REFUSED, "/cards/2")
    tell(after(bank, minutes=61), owner, Kind.PIN_REFUSED, "/cards/1")
    work(after(bank, minutes=62))

    assert [one.number for one in notices.listed(bank, owner, 10)] == [1, 1, 20]
    assert len(office.received) == 3


def test_mail_that_is_not_taken_now_goes_later_under_the_same_name(bank: Bank, office: Office) -> None:
    office.begin(GREYLISTED, GREYLISTED)
    tell(bank, an_owner(bank), Kind.SHARED)
    work(bank)
    held = reasons(bank)
    for seconds in (3, 20):
        work(after(bank, seconds=seconds))

    assert held == [(State.WAITING, "the mail server takes it later: 451 4.7.1")]
    assert (len(office.received), reasons(bank)) == (1, [])


def test_mail_is_given_up_after_three_days_and_can_be_sent_again(bank: Bank, office: Office) -> None:
    office.begin(GREYLISTED, for_good=True)
    owner = an_owner(bank)
    tell(bank, owner, Kind.SHARED)
    for hours in (0, 1, 30, 71.9, 72.1, 100):
        work(after(bank, hours=hours))
    given_up = reasons(bank)
    office.begin()

    assert given_up == [(State.ASIDE, "given up after three days: the mail server takes it later: 451 4.7.1")]
    assert [mail.send_again(bank), mail.send_again(bank)] == [1, 0]
    work(bank)
    assert (told(bank, owner), len(office.received)) == ([(Kind.SHARED, State.SENT)], 1)


def test_mail_to_nobody_is_given_up_at_once_and_the_reason_names_no_address(bank: Bank, office: Office) -> None:
    office.begin("550 5.1.1 no such user: ada@example.org")
    tell(bank, an_owner(bank), Kind.SHARED)
    work(bank)

    assert reasons(bank) == [(State.ASIDE, "the mail server knows no such mailbox: 550 5.1.1")]


def test_whoever_left_meanwhile_gets_no_mail(bank: Bank, office: Office) -> None:
    gone, silent = an_owner(bank, "bob", "bob@example.org"), an_owner(bank)
    for owner in (gone, silent):
        tell(bank, owner, Kind.SHARED)
    with bank.index.begin() as tx:
        tx.notices.remove_mailbox(gone)
    notices.choose(bank, silent, {Kind.SHARED: Way.OFF})
    work(bank)

    assert [told(bank, owner) for owner in (gone, silent)] == [[(Kind.SHARED, State.LISTED)]] * 2
    assert (office.received, mail.unsent(bank)) == ([], [])


def test_a_daily_mail_of_nothing_is_none(bank: Bank, office: Office) -> None:
    mail.digest_job(bank, {"account": an_owner(bank)})
    work(bank)

    assert office.received == []


def test_a_link_in_the_mail_ends_mails_like_it_once_and_for_that_account(bank: Bank, office: Office) -> None:
    ada, bob = an_owner(bank), an_owner(bank, "bob", "bob@example.org")
    for owner in (ada, bob):
        tell(bank, owner, Kind.SHARED)
    work(bank)
    mailed = next(one for one in office.received if one["To"] == "ada@example.org")
    secret = secret_of(text_of(mailed))

    assert mailed["List-Unsubscribe"] == f"<https://bank.example/unsubscribe/{secret}>"
    assert mailed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert notices.leave(bank, secret, "10.0.0.7") == [Kind.SHARED]
    for spent in (secret, "", "nothing"):
        with pytest.raises(NotFound, match="has been used"):
            notices.leave(bank, spent)
    assert [notices.ways(bank, owner)[Kind.SHARED] for owner in (ada, bob)] == [Way.OFF, Way.ONCE]
    assert events(bank, Act.CHANGED)[-1] == ("ada", "mail ended by a link in it: share used", "10.0.0.7")


def test_a_link_of_an_account_that_is_gone_still_ends_its_mails(bank: Bank) -> None:
    with bank.index.begin() as tx:
        tx.notices.put(Notice("n1", "gone", Kind.SHARED, bank.now(), mail="m1"))
        tx.notices.put_leave("m1", access.digest_of("secret"))

    assert notices.leave(bank, "secret") == [Kind.SHARED]
    assert events(bank, Act.CHANGED)[-1][0] == "gone"


def test_a_notice_leads_its_owner_on_and_is_seen_then(bank: Bank) -> None:
    ada, bob = an_owner(bank), an_owner(bank, "bob")
    for link in ("/studies/1.2", ""):
        tell(bank, ada, Kind.SHARED, link)
    plain, about = sorted(notices.listed(bank, ada, 10), key=lambda one: one.link)

    for whose, identifier in ((bob, about.id), ("", about.id), (ada, "0" * 32)):
        with pytest.raises(NotFound, match="no such notice"):
            notices.follow(bank, identifier, whose)
    assert notices.unseen(bank, ada) == 2
    assert [notices.follow(bank, one.id, ada) for one in (about, plain)] == ["/studies/1.2", "/account/notices"]
    assert notices.unseen(bank, ada) == 0


def test_looking_is_noted_for_one_notice_or_for_all(bank: Bank) -> None:
    ada, bob = an_owner(bank), an_owner(bank, "bob")
    for link in ("/a", "/b", "/c"):
        tell(bank, ada, Kind.SHARED, link)
    one = notices.listed(bank, ada, 1)[0].id

    for whose, identifier in ((bob, one), (ada, "0" * 32)):
        with pytest.raises(NotFound):
            notices.see(bank, whose, identifier)
    assert [notices.see(bank, ada, one), notices.see(bank, ada, one), notices.see(bank, ada)] == [1, 0, 2]


def test_who_holds_a_patients_records_is_told_once_a_study_is_quiet(bank: Bank) -> None:
    ada, bob, eve, old = (an_owner(bank, name, "") for name in ("ada", "bob", "eve", "old"))
    patient = PatientId("local", "ADA")
    holds(bank, "ada", patient)
    holds(bank, "bob", patient, ends_at=bank.now() + timedelta(days=1))
    holds(bank, "eve", PatientId("local", "EVE"))
    holds(bank, "old", patient, revoked_at=bank.now())
    holds(bank, "nobody", patient)
    receipt = keep(bank, a_file(PatientID="ADA"))[0]
    work(after(bank, seconds=30))
    assert told(bank, ada) == []
    for minutes in (6, 7):
        work(after(bank, minutes=minutes))

    assert [told(bank, one) for one in (ada, bob, eve, old)] == [[(Kind.DEPOSIT, State.LISTED)]] * 2 + [[], []]
    assert notices.listed(bank, ada, 1)[0].link == f"/studies/{receipt.study}"


def test_who_holds_a_linked_record_is_told_as_far_as_the_hold_goes(bank: Bank) -> None:
    all_of_them, one_issuers = (an_owner(bank, name, "") for name in ("ada", "bob"))
    first, second = PatientId("local", "A1"), PatientId("south", "A2")
    keeper = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
    for one in (first, second):
        persons.hear(bank, Identity(one, PersonName("Varga^Ada")))
    persons.link(bank, keeper, first, second, "the same passport")
    holds(bank, "ada", first, of_person=True)
    holds(bank, "bob", first)
    with bank.index.begin() as tx:
        notify.told_of(bank, tx, second, Kind.DEPOSIT)

    assert [len(told(bank, owner)) for owner in (all_of_them, one_issuers)] == [1, 0]


def test_nobody_is_told_of_a_study_that_went_before_it_was_quiet(bank: Bank) -> None:
    ada = an_owner(bank)
    holds(bank, "ada", PatientId("local", "ADA"))
    notify.arrived_job(bank, {"study": "1.2.3"})

    assert told(bank, ada) == []


def test_whose_record_is_opened_in_an_emergency_is_told(bank: Bank) -> None:
    ada = an_owner(bank)
    holds(bank, "ada", PatientId("north", "ADA"))
    emergency.break_glass(bank, PatientId("north", "ADA"), "unconscious after a fall", DOCTOR)
    emergency.break_glass(bank, Uid("1.2.3"), "unconscious after a fall", DOCTOR)

    assert told(bank, ada) == [(Kind.EMERGENCY, State.WAITING)]


def test_who_signs_in_from_a_new_place_is_told_but_not_the_first_time(bank: Bank) -> None:
    ada = an_owner(bank)
    person = bank.index.people.account_of(ada)
    assert person is not None
    for address in ("192.0.2.7", "192.0.2.200", "", "2001:db8:1:2::3", "2001:db8:1:9::4%eth0", "192.0.2.7"):
        access.open_for(bank, person, address, "password")

    (one,) = notices.listed(bank, ada, 10)
    assert (one.kind, one.link) == (Kind.NEW_PLACE, "/account")


@pytest.mark.usefixtures("quick_hashes")
def test_an_owner_always_hears_that_the_sign_in_was_changed_but_not_of_the_first_means(
    bank: Bank, office: Office
) -> None:
    cookie = a_person(bank, role=Role.PATIENT)
    ada = session(bank, cookie).account
    assert told(bank, ada) == []
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(ada, "ada@example.org", bank.now()))
    notices.choose(bank, ada, dict.fromkeys(Kind, Way.OFF))
    account.change_password(bank, session(bank, cookie), ANOTHER)
    account.activate(bank, account.invite(bank, "ada"), PASSWORD)
    work(bank)

    (mailed,), (noted,) = office.received, notices.listed(bank, ada, 9)
    assert (noted.kind, noted.number, noted.link) == (Kind.MEANS, 2, "/account")
    assert (mailed["Subject"], mailed["List-Unsubscribe"]) == ("North Bank: How you sign in was changed", None)


def test_an_address_that_is_left_is_told_so(bank: Bank, office: Office) -> None:
    ada = an_owner(bank, language="de")
    mailboxes.offer(bank, ada, "new@example.org")
    work(bank)
    code = re.search(r"\d{6}", text_of(office.received[0]))
    assert code
    mailboxes.confirm(bank, ada, code[0])
    mailboxes.remove(bank, ada)
    work(bank)

    assert sorted(office.recipients) == ["ada@example.org", "new@example.org", "new@example.org"]
    assert {kind for kind, _ in told(bank, ada)} == {Kind.MEANS}


def test_only_who_signed_in_to_an_account_or_at_a_provider_has_notices(bank: Bank) -> None:
    at = bank.now()
    known = Session(b"", "login.example/u7", Role.PATIENT, "local", at, at)

    assert [notices.owner_of(one) for one in (known, replace(known, account="a1"))] == ["login.example/u7", "a1"]
    for stranger in (replace(known, name="ada"), replace(known, token=b"one")):
        with pytest.raises(NotFound, match="by a token or a link"):
            notices.owner_of(stranger)


def test_what_rules_tell_is_mailed_to_the_site_with_a_link_only(bank: Bank, office: Office) -> None:
    receipt = keep(bank, a_file(PatientName="Varga^Ada", StudyDescription="KNEE"))[0]
    payload = {"study": receipt.study, "rule": "R", "words": "a knee came", "organization": "local"}
    deeds.notice_job(bank, {**payload, "to": ["reading@north.example", "chief@north.example"]})
    deeds.notice_job(bank, payload)
    work(bank)

    assert sorted(office.recipients) == ["chief@north.example", "reading@north.example"]
    mailed = office.received[0]
    assert (mailed["Subject"], mailed["List-Unsubscribe"]) == (
        "North Bank: Something came that you wanted to know of",
        None,
    )
    assert not [word for word in ("knee", "KNEE", "Varga", str(receipt.study)) if word in mailed.as_string()]
    identifier = re.findall(r"/notices/([0-9a-f]+)", text_of(mailed))[0]
    assert notices.follow(bank, identifier, "") == notices.follow(bank, identifier, "a1") == f"/studies/{receipt.study}"


def test_a_test_mail_says_that_mail_works(bank: Bank, office: Office) -> None:
    mail.send_test(mail_desk(), bank, "ada@example.org")
    with pytest.raises(Invalid):
        mail.send_test(mail_desk(), bank, "ada@example.org\nBcc: eve@example.org")

    (mailed,) = office.received
    assert (mailed["Subject"], "arrives here" in text_of(mailed)) == ("North Bank: mail works", True)


def test_what_is_old_is_forgotten(bank: Bank) -> None:
    ada = an_owner(bank)
    tell(bank, ada, Kind.SHARED)
    notify.sweep(after(bank, days=399))
    assert len(notices.listed(bank, ada, 10)) == 1
    notify.sweep(after(bank, days=401))

    assert notices.listed(bank, ada, 10) == []
    assert notices.ways(bank, ada) == dict(CHOSEN)
