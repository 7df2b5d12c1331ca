"""People: added by an operator, let in by a one-time link, and masters of how they sign in."""

import secrets
from datetime import timedelta
from typing import Final

from imagebank.actions import access, notify, password, totp
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, noted
from imagebank.model.access import Role, Session
from imagebank.model.account import Account, Invitation, Passkey, folded, name_of
from imagebank.model.event import Act, Event

LINK_HOURS: Final = 72
_LONGEST_NAME: Final = 100
_SPENT: Final = noted("this link has been used or is too old; ask for a new one")


def add(bank: Bank, name: str, role: Role, display_name: str = "", organization: str = "") -> str:
    """Add somebody; the code of the link by which they choose how they sign in.

    Raises Conflict when the name is taken, Invalid when it is none.
    """
    account = _new(bank, name, role, display_name, organization or bank.settings.organization)
    code = secrets.token_urlsafe(32)
    with bank.index.begin() as tx:
        if not tx.people.put_account(account):
            raise Conflict("somebody is called {name} already; take another name", name=account.name)
        tx.people.put_invitation(access.digest_of(code), _invitation(bank, account))
        tx.record([_changed(bank, account, f"account made for role {role}")])
    return code


def _new(bank: Bank, name: str, role: Role, display_name: str, organization: str) -> Account:
    name = name_of(name)
    shown = " ".join(display_name.split())[:_LONGEST_NAME] or name
    return Account(secrets.token_hex(8), name, shown, organization, role, bank.now())


def _invitation(bank: Bank, account: Account) -> Invitation:
    return Invitation(account.id, account.role, account.organization, bank.now() + timedelta(hours=LINK_HOURS))


def invite(bank: Bank, name: str) -> str:
    """Another link for somebody who lost theirs, or all means to sign in. Raises NotFound.

    Until it is used nothing changes; then the means of before are gone.
    """
    account = _named(bank, name)
    code = secrets.token_urlsafe(32)
    with bank.index.begin() as tx:
        tx.people.put_invitation(access.digest_of(code), _invitation(bank, account))
        tx.record([_changed(bank, account, "activation link made")])
    return code


def invite_first_admin(bank: Bank) -> str | None:
    """The code of a link that makes the first admin's account; None when an admin can sign in already."""
    if _has_admin(bank):
        return None
    code = secrets.token_urlsafe(32)
    organization = bank.settings.organization
    first = Invitation("", Role.ADMIN, organization, bank.now() + timedelta(hours=LINK_HOURS))
    with bank.index.begin() as tx:
        tx.people.put_invitation(access.digest_of(code), first)
        tx.record([Event(bank.now(), Act.CHANGED, "operator", organization, detail="link made for the first admin")])
    return code


def _has_admin(bank: Bank) -> bool:
    """Whether there is an admin who can sign in."""
    admins = (one for one in bank.index.people.accounts() if one.role is Role.ADMIN and not one.is_locked)
    return any(one.password or bank.index.people.passkeys(one.id) for one in admins)


def invited(bank: Bank, code: str) -> tuple[Invitation, Account | None]:
    """What a link allows, and to whom, while it is good. Raises NotFound, the same for unknown, spent and late."""
    invitation = bank.index.people.invitation(access.digest_of(code), bank.now())
    if invitation is None or (not invitation.account and _has_admin(bank)):
        raise NotFound(_SPENT)
    account = bank.index.people.account_of(invitation.account)
    if account is not None and account.is_locked:
        raise NotFound(_SPENT)
    return invitation, account


def activate(bank: Bank, code: str, typed: str, name: str = "", display_name: str = "", address: str = "") -> str:
    """Spend a link: set a password, or none where a passkey is to follow, and open a session; the cookie's value.

    `name` and `display_name` are for the first admin, who has no account yet. All means and sessions of before end.
    Raises NotFound, and with the link unspent Invalid for a password that is too weak, Conflict for a name that is taken.
    """
    invitation, account = invited(bank, code)
    is_new = account is None
    account = account or _new(bank, name, invitation.role, display_name, invitation.organization)
    kept = password.hashed(typed, account.name, *account.display_name.split()) if typed else ""
    had_means = notify.has_means(bank, account)
    with bank.index.begin() as tx:
        if tx.people.use_invitation(access.digest_of(code), bank.now()) is None:
            raise NotFound(_SPENT)
        if is_new and not tx.people.put_account(account):
            raise Conflict("somebody is called {name} already; take another name", name=account.name)
        tx.people.change_account(account.id, password=kept, totp=b"", totp_waiting=b"")
        tx.people.remove_passkeys(account.id)
        tx.people.end_sessions(account.id)
        tx.record([_changed(bank, account, "activated", address)])
        notify.means_changed(bank, tx, account, had_means=had_means)
    return access.open_for(bank, account, address, "activation link")


def lock(bank: Bank, name: str) -> None:
    """Let somebody in no more, and end their sessions. Raises NotFound."""
    account = _named(bank, name)
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, is_locked=True)
        tx.people.end_sessions(account.id)
        tx.record([_changed(bank, account, "locked out")])


def unlock(bank: Bank, name: str) -> None:
    """Let somebody in again, by what they had. Raises NotFound."""
    account = _named(bank, name)
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, is_locked=False)
        tx.record([_changed(bank, account, "let in again")])


def _named(bank: Bank, name: str) -> Account:
    account = bank.index.people.account(folded(name))
    if account is None:
        raise NotFound("nobody is called {name}; `imagebank person list` shows everybody", name=name)
    return account


def owner(bank: Bank, found: Session) -> Account:
    """Whose a session is. Raises NotFound when it was opened by a token or a sign-in link."""
    account = bank.index.people.account_of(found.account)
    if account is None:
        raise NotFound("you did not sign in to an account of your own, but by a token or a link")
    return account


def proven_owner(bank: Bank, found: Session) -> Account:
    """The same for what is dangerous. Raises NotAllowed without a fresh proof."""
    account = owner(bank, found)
    access.require_proof(bank, found)
    return account


def change_password(bank: Bank, found: Session, typed: str, address: str = "") -> None:
    """Set a new password, and end the account's other sessions. Raises NotAllowed, Invalid."""
    account = proven_owner(bank, found)
    kept = password.hashed(typed, account.name, *account.display_name.split())
    had_means = notify.has_means(bank, account)
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, password=kept)
        tx.people.end_sessions(account.id, but=found.digest)
        tx.record([_changed(bank, account, "password changed", address)])
        notify.means_changed(bank, tx, account, had_means=had_means)


def show_app(bank: Bank, found: Session) -> None:
    """Make the secret of an authenticator app. It counts when a code of it was typed: see `confirm_app`."""
    account = proven_owner(bank, found)
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, totp_waiting=bank.seal.seal(totp.new_secret()))


def waiting_secret(bank: Bank, found: Session) -> bytes | None:
    """The secret that waits for its first code, if one does."""
    waiting = proven_owner(bank, found).totp_waiting
    return bank.seal.unseal(waiting) if waiting else None


def confirm_app(bank: Bank, found: Session, code: str, address: str = "") -> None:
    """From now on a code of the app is asked for with the password. Raises Invalid for a wrong one."""
    account = proven_owner(bank, found)
    secret = waiting_secret(bank, found)
    step = None if secret is None else totp.step_of(secret, code, bank.now(), 0)
    if step is None:
        raise Invalid(
            "this is not the code that the app shows now; look at the clock of the phone and try the next one"
        )
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, totp=account.totp_waiting, totp_waiting=b"")
        tx.people.spend_step(account.id, step)
        tx.people.end_sessions(account.id, but=found.digest)
        tx.record([_changed(bank, account, "authenticator app set up", address)])
        notify.means_changed(bank, tx, account)


def remove_app(bank: Bank, found: Session, address: str = "") -> None:
    """Ask for no code any more."""
    account = proven_owner(bank, found)
    with bank.index.begin() as tx:
        tx.people.change_account(account.id, totp=b"", totp_waiting=b"")
        tx.record([_changed(bank, account, "authenticator app removed", address)])
        notify.means_changed(bank, tx, account)


def passkeys(bank: Bank, found: Session) -> list[Passkey]:
    return bank.index.people.passkeys(owner(bank, found).id)


def remove_passkey(bank: Bank, found: Session, identifier: str, address: str = "") -> None:
    """Take a passkey away, named in hexadecimal. Raises NotFound, Conflict when nothing else lets its owner in."""
    account = proven_owner(bank, found)
    held = {one.id.hex(): one for one in bank.index.people.passkeys(account.id)}
    if identifier in held and len(held) == 1 and not account.password:
        raise Conflict("this passkey is your only way to sign in; set a password first")
    with bank.index.begin() as tx:
        is_gone = identifier in held and tx.people.remove_passkey(account.id, held[identifier].id)
        if is_gone:
            tx.record([_changed(bank, account, "passkey removed", address)])
            notify.means_changed(bank, tx, account)
    if not is_gone:
        raise NotFound("you have no such passkey")


def sessions(bank: Bank, found: Session) -> list[Session]:
    """Where the owner of a session is signed in, newest first."""
    now = bank.now()
    return bank.index.people.sessions(owner(bank, found).id, now, now - access.idle_limit(bank))


def end_session(bank: Bank, found: Session, identifier: str, address: str = "") -> None:
    """End one of one's own sessions, named as `session_name` does. Raises NotFound."""
    account = owner(bank, found)
    ended = [one for one in sessions(bank, found) if session_name(one) == identifier]
    with bank.index.begin() as tx:
        count = sum(tx.people.end_sessions(account.id, one.digest) for one in ended)
        if count:
            tx.record([Event(bank.now(), Act.SIGNED_OUT, account.name, account.organization, address, count=count)])
    if not count:
        raise NotFound("this session has ended already")


def end_other_sessions(bank: Bank, found: Session, address: str = "") -> None:
    """Sign out everywhere else."""
    account = owner(bank, found)
    with bank.index.begin() as tx:
        count = tx.people.end_sessions(account.id, but=found.digest)
        if count:
            tx.record([Event(bank.now(), Act.SIGNED_OUT, account.name, account.organization, address, count=count)])


def session_name(one: Session) -> str:
    """How a session is called on a page; of no use to open it."""
    return one.digest.hex()[:16]


def _changed(bank: Bank, account: Account, detail: str, address: str = "") -> Event:
    return Event(bank.now(), Act.CHANGED, account.name, account.organization, address, detail=detail)
