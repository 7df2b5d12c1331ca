"""Passkeys (WebAuthn): made for an account, and signed in with. Each challenge is kept here and taken once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from imagebank.actions import access, notify
from imagebank.actions.account import owner, proven_owner
from imagebank.actions.signing_in import PER_ADDRESS, count_answer, count_try, give_back_answer, note_refusal
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, noted
from imagebank.model.access import Session
from imagebank.model.account import Account, Passkey
from imagebank.model.event import Act, Event

ANSWER_WITHIN: Final = timedelta(minutes=5)
_LONGEST_NAME: Final = 60
_MEANS: Final = "passkey"
_REFUSED: Final = noted("this passkey does not open anything here; sign in in another way and make a new one")
# What the library raises for an answer of another form, beside its own: base64, JSON and CBOR that are none, or no end
# of them.
_ODD: Final = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Site:
    """Where browsers find us: the origin of our pages, and the host that passkeys are bound to."""

    origin: str
    host: str


def offer_new(bank: Bank, found: Session, site: Site) -> str:
    """What a browser needs to make a passkey, as JSON. Raises NotAllowed without a fresh proof."""
    account = proven_owner(bank, found)
    held = bank.index.people.passkeys(account.id)
    return options_to_json(
        generate_registration_options(
            rp_id=site.host,
            rp_name="Imagebank",
            user_id=account.id.encode(),
            user_name=account.name,
            user_display_name=account.display_name,
            challenge=_challenge(bank, account.id),
            # It stands for name and password together: so it is found without a name, and asks for a finger or a PIN.
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.id) for one in held],
        )
    )


def keep(bank: Bank, found: Session, site: Site, answer: str, name: str = "", address: str = "") -> None:
    """Keep the passkey that a browser has made. Raises Invalid for another answer, Conflict for a known passkey."""
    account = proven_owner(bank, found)
    try:
        credential = parse_registration_credential_json(answer)
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
        _spend(bank, challenge, account.id)
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (*_ODD, NotFound) as error:
        raise Invalid("the browser made no passkey for this page, and nothing was kept; try again") from error
    shown = " ".join(name.split())[:_LONGEST_NAME] or "Passkey"
    new = Passkey(made.credential_id, account.id, made.credential_public_key, made.sign_count, shown, bank.now())
    had_means = notify.has_means(bank, account)
    with bank.index.begin() as tx:
        is_new = tx.people.put_passkey(new)
        if is_new:
            tx.record([_event(bank, Act.CHANGED, account, address, "passkey made")])
            notify.means_changed(bank, tx, account, had_means=had_means)
    if not is_new:
        raise Conflict("this passkey is known already")


def offer(bank: Bank, site: Site, address: str) -> str:
    """What a browser needs to sign somebody in, as JSON. Raises TooOften."""
    count_try(bank, (f"passkey {address}", PER_ADDRESS))
    return _request(bank, site, "")


def offer_proof(bank: Bank, found: Session, site: Site) -> str:
    """The same to prove again who uses a session. Raises NotFound for a session without an account."""
    return _request(bank, site, owner(bank, found).id)


def sign_in(bank: Bank, site: Site, answer: str, address: str = "") -> str:
    """Open a session; the cookie's value. Raises NotFound for whatever is not right, TooOften after much of that."""
    return access.open_for(bank, _proven(bank, site, answer, "", address), address, _MEANS)


def prove(bank: Bank, found: Session, site: Site, answer: str, address: str = "") -> None:
    """Prove again who uses a session. Raises NotFound for whatever is not right, TooOften after much of that."""
    account = _proven(bank, site, answer, owner(bank, found).id, address)
    with bank.index.begin() as tx:
        tx.people.prove_session(found.digest, bank.now())
        tx.record([_event(bank, Act.SIGNED_IN, account, address, "proven again")])


def _request(bank: Bank, site: Site, account: str) -> str:
    return options_to_json(
        generate_authentication_options(
            rp_id=site.host,
            challenge=_challenge(bank, account),
            user_verification=UserVerificationRequirement.REQUIRED,
            allow_credentials=[
                PublicKeyCredentialDescriptor(id=one.id) for one in bank.index.people.passkeys(account) if account
            ],
        )
    )


def _proven(bank: Bank, site: Site, answer: str, expected: str, address: str) -> Account:
    """Whose passkey has answered a challenge that was given out for `expected`; empty for whoever comes."""
    account = None
    count_answer(bank, _MEANS, address)
    try:
        credential = parse_authentication_credential_json(answer)
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
        _spend(bank, challenge, expected)
        passkey = _known(bank, base64url_to_bytes(credential.id))
        account = _owner_of(bank, passkey, expected)
        seen = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.count,
            require_user_verification=True,
        )
        _count(bank, passkey, seen.new_sign_count)
    except (*_ODD, NotFound) as error:
        note_refusal(bank, account, _MEANS, address)
        raise NotFound(_REFUSED) from error
    give_back_answer(bank, _MEANS, address)
    return account


def _count(bank: Bank, passkey: Passkey, count: int) -> None:
    with bank.index.begin() as tx:
        if not tx.people.count_passkey(passkey.id, passkey.count, count):
            raise NotFound(_REFUSED)


def _known(bank: Bank, identifier: bytes) -> Passkey:
    passkey = bank.index.people.passkey(identifier)
    if passkey is None:
        raise NotFound(_REFUSED)
    return passkey


def _owner_of(bank: Bank, passkey: Passkey, expected: str) -> Account:
    account = bank.index.people.account_of(passkey.account)
    if account is None or account.is_locked or (expected and account.id != expected):
        raise NotFound(_REFUSED)
    return account


def _challenge(bank: Bank, account: str) -> bytes:
    """A new challenge, for an account or for whoever signs in."""
    challenge = secrets.token_bytes(32)
    with bank.index.begin() as tx:
        tx.people.put_challenge(hashlib.sha256(challenge).digest(), account, bank.now() + ANSWER_WITHIN)
    return challenge


def _spend(bank: Bank, challenge: bytes, account: str) -> None:
    with bank.index.begin() as tx:
        is_ours = tx.people.use_challenge(hashlib.sha256(challenge).digest(), account, bank.now())
    if not is_ours:
        raise NotFound(_REFUSED)


def _event(bank: Bank, act: Act, account: Account, address: str, detail: str) -> Event:
    return Event(bank.now(), act, account.name, account.organization, address, detail=detail)
