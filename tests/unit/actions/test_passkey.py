"""Passkeys: made, signed in with, refused."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest
from webauthn.helpers import bytes_to_base64url

from bank import open_test_bank
from imagebank.actions import access, account, passkey, signing_in
from imagebank.actions.passkey import Site
from imagebank.actions.signing_in import PER_ADDRESS
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, TooOften
from imagebank.model.access import Role, Scope, Session
from imagebank.model.event import Act
from unit.actions.authenticator import HERE, Authenticator
from unit.actions.people_here import PASSWORD, a_person, after, events, session

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def registered(bank: Bank, found: Session, name: str = "Phone") -> Authenticator:
    device = Authenticator()
    passkey.keep(bank, found, HERE, device.create(passkey.offer_new(bank, found, HERE)), name)
    return device


def test_a_passkey_signs_its_owner_in_without_a_name(bank: Bank) -> None:
    found = session(bank, a_person(bank, password=""))
    device = registered(bank, found)
    who = None
    for _ in range(2):
        who = access.session(bank, passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")), "192.0.2.7"))

    assert who is not None
    assert who.name == "ada"
    assert [one.name for one in account.passkeys(bank, found)] == ["Phone"]
    assert events(bank, Act.SIGNED_IN)[-1] == ("ada", "passkey", "192.0.2.7")
    assert json.loads(passkey.offer_new(bank, found, HERE))["excludeCredentials"], "it is not made twice"


def test_an_answer_is_taken_once_and_for_a_while(bank: Bank) -> None:
    device = registered(bank, session(bank, a_person(bank)))
    answer = device.get(passkey.offer(bank, HERE, ""))
    late = device.get(passkey.offer(bank, HERE, ""))
    passkey.sign_in(bank, HERE, answer)

    for here, given in ((bank, answer), (after(bank, minutes=6), late)):
        with pytest.raises(NotFound):
            passkey.sign_in(here, HERE, given)


def credential(said: str, **given: Any) -> str:
    """A credential of the right form, whose client data are some words."""
    data = base64.urlsafe_b64encode(said.encode()).decode()
    response = {"clientDataJSON": data, "authenticatorData": "AA", "signature": "AA", "attestationObject": "AA"}
    return json.dumps({"id": "x", "rawId": "eA", "type": "public-key", "response": {**response, **given}})


@pytest.mark.parametrize(
    "answer",
    [
        *("", "{}", "[]", "null", '{"id": 5}', "[" * 50_000),
        credential("{}", clientDataJSON="W1tb"),
        credential("{}", userHandle="x"),
        credential("[" * 50_000),
        credential('{"type": 5, "challenge": 5, "origin": []}'),
        credential('{"type": "webauthn.get", "challenge": "x", "origin": ""}'),
        credential('{"type": "webauthn.get", "challenge": "ü", "origin": ""}'),
    ],
)
def test_what_is_no_answer_opens_and_keeps_nothing(bank: Bank, answer: str) -> None:
    found = session(bank, a_person(bank))

    with pytest.raises(NotFound):
        passkey.sign_in(bank, HERE, answer)
    with pytest.raises(Invalid):
        passkey.keep(bank, found, HERE, answer)
    assert events(bank, Act.NOT_SIGNED_IN) == [("unknown", "passkey", "")]


@pytest.mark.parametrize("attested", [5, [], {}, {"fmt": 7}, {"fmt": "none", "attStmt": {}, "authData": b"short"}])
def test_a_passkey_that_is_described_in_another_form_is_not_kept(bank: Bank, attested: object) -> None:
    found = session(bank, a_person(bank))
    answer = json.loads(Authenticator().create(passkey.offer_new(bank, found, HERE)))
    answer["response"]["attestationObject"] = bytes_to_base64url(cbor2.dumps(attested))

    with pytest.raises(Invalid, match="nothing was kept"):
        passkey.keep(bank, found, HERE, json.dumps(answer))


def test_a_passkey_of_another_site_or_of_nobody_or_of_who_is_locked_out_opens_nothing(bank: Bank) -> None:
    found = session(bank, a_person(bank))
    device = registered(bank, found)
    elsewhere, stranger = Authenticator(Site("https://evil.example", "evil.example")), Authenticator()
    elsewhere.id = device.id
    for other in (elsewhere, stranger):
        with pytest.raises(NotFound):
            passkey.sign_in(bank, HERE, other.get(passkey.offer(bank, HERE, "")))
    account.lock(bank, "ada")
    with pytest.raises(NotFound):
        passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")))

    assert {who for who, *_ in events(bank, Act.NOT_SIGNED_IN)} == {"ada", "unknown"}


def test_a_flood_of_answers_from_an_address_is_refused_unheard_and_makes_few_lines(bank: Bank) -> None:
    found = session(bank, a_person(bank))
    device = registered(bank, found)
    for _ in range(PER_ADDRESS):
        with pytest.raises(NotFound):
            passkey.sign_in(bank, HERE, "{}", "192.0.2.7")
    for _ in range(PER_ADDRESS):
        with pytest.raises(TooOften):
            passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")), "192.0.2.7")
    bank.reads.flush(is_last=True)
    refused = [one for one in bank.index.events(Scope(None), 1000) if one.act is Act.NOT_SIGNED_IN]

    assert len(refused) <= 2
    assert sum(one.count for one in refused) == 2 * PER_ADDRESS
    assert passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "192.0.2.8")), "192.0.2.8")


def test_answers_that_are_right_are_not_counted(bank: Bank) -> None:
    found = session(bank, a_person(bank))
    device = registered(bank, found)
    for number in range(PER_ADDRESS + 1):
        assert passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, str(number))), "192.0.2.7")


def test_a_passkey_that_asked_for_no_finger_and_no_pin_is_not_kept(bank: Bank) -> None:
    found = session(bank, a_person(bank))
    options = passkey.offer_new(bank, found, HERE)

    with pytest.raises(Invalid, match="nothing was kept"):
        passkey.keep(bank, found, HERE, Authenticator(verifies=False).create(options))


def test_a_passkey_belongs_to_one_account(bank: Bank) -> None:
    ada, bob = (session(bank, a_person(bank, name)) for name in ("ada", "bob"))
    device = registered(bank, ada)

    with pytest.raises(Conflict):
        passkey.keep(bank, bob, HERE, device.create(passkey.offer_new(bank, bob, HERE)))
    with pytest.raises(Invalid):
        passkey.keep(bank, bob, HERE, Authenticator().create(passkey.offer_new(bank, ada, HERE)))


def test_a_copy_of_a_passkey_is_noticed_by_its_count(bank: Bank) -> None:
    device = registered(bank, session(bank, a_person(bank)))
    passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")))
    device.count = 0

    with pytest.raises(NotFound):
        passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")))


def test_of_two_answers_at_once_with_one_count_one_is_taken(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    device = registered(bank, session(bank, a_person(bank)))
    before = bank.index.people.passkey(device.id)
    passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")))
    monkeypatch.setattr(passkey, "_known", lambda *_: before)

    with pytest.raises(NotFound):
        passkey.sign_in(bank, HERE, device.get(passkey.offer(bank, HERE, "")))


def test_a_passkey_proves_again_who_uses_a_session_and_nobody_else_s_does(bank: Bank) -> None:
    cookies = [a_person(bank, name) for name in ("ada", "bob")]
    ada, bob = (registered(bank, session(bank, cookie)) for cookie in cookies)
    later = after(bank, minutes=20)
    found = session(later, cookies[0])
    with pytest.raises(NotFound):
        passkey.prove(later, found, HERE, bob.get(passkey.offer_proof(later, found, HERE)))
    passkey.prove(later, found, HERE, ada.get(passkey.offer_proof(later, found, HERE)))

    access.require_proof(later, session(later, cookies[0]))


def test_the_only_way_to_sign_in_is_not_taken_away(bank: Bank) -> None:
    found = session(bank, a_person(bank, password=""))
    first, second = (registered(bank, found).id.hex() for _ in range(2))
    account.remove_passkey(bank, found, first)
    with pytest.raises(Conflict, match="only way"):
        account.remove_passkey(bank, found, second)
    account.change_password(bank, found, PASSWORD)
    account.remove_passkey(bank, found, second)

    with pytest.raises(NotFound, match="no such passkey"):
        account.remove_passkey(bank, found, second)
    assert signing_in.by_password(bank, "ada", PASSWORD)


def test_who_has_only_a_passkey_is_an_admin_who_can_sign_in(bank: Bank) -> None:
    found = session(bank, a_person(bank, role=Role.ADMIN, password=""))
    before = account.invite_first_admin(bank)
    registered(bank, found)

    assert before is not None
    assert account.invite_first_admin(bank) is None


def test_an_address_is_asked_for_passkeys_so_often_and_no_more(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkey, "PER_ADDRESS", 2)
    for _ in range(2):
        passkey.offer(bank, HERE, "192.0.2.7")

    with pytest.raises(TooOften):
        passkey.offer(bank, HERE, "192.0.2.7")
