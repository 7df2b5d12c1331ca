"""People: added, let in by a link, locked out, and masters of how they sign in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import access, account, signing_in, totp
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import Role
from imagebank.model.event import Act
from unit.actions.people_here import ANOTHER, PASSWORD, a_person, after, events, session

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def codes(bank: Bank, cookie: str) -> bytes:
    """Set up an app; its secret."""
    found = session(bank, cookie)
    account.show_app(bank, found)
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    account.confirm_app(bank, found, totp.code(secret, totp.step_at(bank.now())))
    return secret


def test_somebody_who_was_added_chooses_a_password_by_their_link_once(bank: Bank) -> None:
    code = account.add(bank, "ADA", Role.CLINICIAN, " Ada  Varga ", "north")
    _, invited = account.invited(bank, code)
    who = access.session(bank, account.activate(bank, code, PASSWORD, address="192.0.2.7"))

    assert invited is not None
    assert (invited.name, invited.display_name) == ("ada", "Ada Varga")
    assert who is not None
    assert (who.name, who.role, who.organization) == ("ada", Role.CLINICIAN, "north")
    with pytest.raises(NotFound, match="ask for a new one"):
        account.activate(bank, code, PASSWORD)
    with pytest.raises(NotFound):
        account.invited(bank, "guessed")
    assert events(bank, Act.CHANGED) == [
        ("ada", "account made for role clinician", ""),
        ("ada", "activated", "192.0.2.7"),
    ]
    assert events(bank, Act.SIGNED_IN) == [("ada", "activation link", "192.0.2.7")]


@pytest.mark.parametrize("name", ["", "ada varga", "a" * 65, "ada/..", "ada\n"])
def test_a_name_to_sign_in_with_is_one_word(bank: Bank, name: str) -> None:
    if name.strip() == "ada":
        account.add(bank, name, Role.ADMIN)
        return
    with pytest.raises(Invalid, match="name for signing in"):
        account.add(bank, name, Role.ADMIN)


def test_two_people_have_two_names(bank: Bank) -> None:
    account.add(bank, "ada", Role.ADMIN)

    with pytest.raises(Conflict, match="ada"):
        account.add(bank, "Ada", Role.CLINICIAN)


def test_a_weak_password_leaves_the_link_good(bank: Bank) -> None:
    code = account.add(bank, "ada", Role.CLINICIAN, "Ada Varga")
    for weak in ("short", "varga and friends"):
        with pytest.raises(Invalid):
            account.activate(bank, code, weak)

    assert account.activate(bank, code, PASSWORD)


def test_a_link_ends_with_its_time_with_a_newer_one_and_while_somebody_is_locked_out(bank: Bank) -> None:
    first = account.add(bank, "ada", Role.CLINICIAN)
    second = account.invite(bank, "Ada")
    with pytest.raises(NotFound):
        account.invited(bank, first)
    account.lock(bank, "ada")
    with pytest.raises(NotFound):
        account.invited(bank, second)
    account.unlock(bank, "ada")

    assert account.invited(after(bank, hours=71), second)
    with pytest.raises(NotFound):
        account.invited(after(bank, hours=73), second)


def test_nobody_is_invited_locked_or_unlocked_who_is_not_there(bank: Bank) -> None:
    for act in (account.invite, account.lock, account.unlock):
        with pytest.raises(NotFound, match="nobody is called eve"):
            act(bank, "eve")


def test_another_link_ends_every_means_and_session_of_before(bank: Bank) -> None:
    cookie = a_person(bank)
    codes(bank, cookie)
    account.activate(bank, account.invite(bank, "ada"), ANOTHER)

    assert access.session(bank, cookie) is None
    with pytest.raises(NotFound):
        signing_in.by_password(bank, "ada", PASSWORD)
    assert signing_in.by_password(bank, "ada", ANOTHER)


def test_who_is_locked_out_is_out_at_once_and_comes_back_by_what_they_had(bank: Bank) -> None:
    cookie = a_person(bank)
    account.lock(bank, "ada")
    with pytest.raises(NotFound):
        signing_in.by_password(bank, "ada", PASSWORD)
    locked = access.session(bank, cookie)
    account.unlock(bank, "ada")

    assert locked is None
    assert signing_in.by_password(bank, "ada", PASSWORD)


def test_the_first_admin_makes_an_account_by_a_link_that_is_good_until_there_is_one(bank: Bank) -> None:
    first, second = account.invite_first_admin(bank), account.invite_first_admin(bank)
    assert first
    assert second
    with pytest.raises(NotFound):
        account.invited(bank, first)
    a_person(bank, "bob", Role.CLINICIAN)
    for name, error in (("bob", Conflict), ("", Invalid)):
        with pytest.raises(error):
            account.activate(bank, second, PASSWORD, name)
    who = access.session(bank, account.activate(bank, second, PASSWORD, "Eve", "Eve Adams"))

    assert who is not None
    assert (who.name, who.role) == ("eve", Role.ADMIN)
    assert account.invite_first_admin(bank) is None


def test_the_first_admin_s_link_ends_when_an_admin_came_in_another_way(bank: Bank) -> None:
    code = account.invite_first_admin(bank)
    assert code
    account.add(bank, "ada", Role.ADMIN)
    before = account.invited(bank, code)
    a_person(bank, "bob", Role.ADMIN)

    assert before[1] is None
    with pytest.raises(NotFound):
        account.invited(bank, code)
    account.lock(bank, "bob")
    assert account.invite_first_admin(bank) is not None


def test_of_two_who_follow_one_link_at_once_one_comes_in(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    code = account.add(bank, "ada", Role.CLINICIAN)
    invited = account.invited(bank, code)
    account.activate(bank, code, PASSWORD)
    monkeypatch.setattr(account, "invited", lambda *_: invited)

    with pytest.raises(NotFound):
        account.activate(bank, code, ANOTHER)
    assert signing_in.by_password(bank, "ada", PASSWORD)


def test_a_new_password_ends_the_other_sessions(bank: Bank) -> None:
    first = a_person(bank)
    second = signing_in.by_password(bank, "ada", PASSWORD)
    account.change_password(bank, session(bank, second), ANOTHER)

    assert [access.session(bank, cookie) is not None for cookie in (first, second)] == [False, True]
    with pytest.raises(NotFound):
        signing_in.by_password(bank, "ada", PASSWORD)
    assert signing_in.by_password(bank, "ada", ANOTHER)


def test_means_are_changed_only_with_a_fresh_proof(bank: Bank) -> None:
    later, cookie = after(bank, minutes=11), a_person(bank)
    found = session(later, cookie)
    with pytest.raises(NotAllowed, match="/account/prove"):
        account.change_password(later, found, ANOTHER)
    signing_in.prove_by_password(later, found, PASSWORD)

    account.change_password(later, session(later, cookie), ANOTHER)


def test_who_signed_in_by_a_link_has_no_account_to_change(bank: Bank) -> None:
    found = session(bank, access.sign_in(bank, access.sign_in_link(bank, Role.ADMIN, "operator")))

    with pytest.raises(NotFound, match="by a token or a link"):
        account.sessions(bank, found)
    with pytest.raises(NotAllowed, match="sign in anew"):
        signing_in.prove_by_password(bank, found, PASSWORD)


def test_an_app_counts_from_its_first_code_on(bank: Bank) -> None:
    cookie = a_person(bank)
    found = session(bank, cookie)
    with pytest.raises(Invalid, match="not the code"):
        account.confirm_app(bank, found, "123456")
    account.show_app(bank, found)
    with pytest.raises(Invalid, match="not the code"):
        account.confirm_app(bank, found, "no code")
    assert signing_in.by_password(bank, "ada", PASSWORD)
    secret = codes(bank, cookie)

    assert account.waiting_secret(bank, found) is None
    kept = bank.index.people.account("ada")
    assert kept is not None
    assert secret not in kept.totp
    later = after(bank, seconds=90)
    with pytest.raises(NotFound):
        signing_in.by_password(later, "ada", PASSWORD)
    assert signing_in.by_password(later, "ada", PASSWORD, totp.code(secret, totp.step_at(later.now())))
    account.remove_app(bank, found)
    assert signing_in.by_password(bank, "ada", PASSWORD)


def test_sessions_are_listed_and_ended_by_their_owner_only(bank: Bank) -> None:
    first, second, third = a_person(bank), *(signing_in.by_password(bank, "ada", PASSWORD) for _ in range(2))
    other = session(bank, a_person(bank, "bob"))
    found = session(bank, third)
    listed = [account.session_name(one) for one in account.sessions(bank, found)]

    assert len(listed) == 3
    assert listed[0] == account.session_name(found)
    with pytest.raises(NotFound, match="ended already"):
        account.end_session(bank, found, account.session_name(other))
    account.end_session(bank, found, account.session_name(session(bank, first)))
    assert [access.session(bank, cookie) is not None for cookie in (first, second, third)] == [False, True, True]
    for _ in range(2):
        account.end_other_sessions(bank, found)
    assert [access.session(bank, cookie) is not None for cookie in (second, third)] == [False, True]
    assert [who for who, *_ in events(bank, Act.SIGNED_OUT)] == ["ada", "ada"]
