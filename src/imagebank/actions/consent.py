"""What patients decide about their images, who cares for whom, and studies that are kept apart."""

import re
import secrets
from dataclasses import replace
from typing import Final

from imagebank.actions import notes
from imagebank.actions.audit import event, unbounded
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid

_DATE: Final = re.compile(r"(\d{8})?")
_CODE: Final = re.compile(r"[A-Z0-9_]{0,16}")
_LABEL: Final = re.compile(r"[a-z][a-z0-9 -]{0,63}")


def decide(bank: Bank, wanted: Provision, principal: Principal, address: str = "") -> Provision:
    """Write down a consent, a grant or a care relationship; in force with the next read.

    Its identifier, who wrote it and, unless it begins later, its beginning are set here. Raises NotAllowed without the
    right to write consents, Invalid for one that nobody could follow.
    """
    principal.require(Right.CONSENT)
    _check(wanted)
    now = bank.now()
    one = replace(wanted, id=secrets.token_hex(16), by=principal.name, starts_at=max(wanted.starts_at, now))
    word = "permit" if one.permits else "deny"
    noted = event(bank, Act.DECIDED, principal, address, f"{one.kind} {one.id}: {word}")
    with bank.index.begin() as tx:
        tx.put_provision(one)
        tx.record([replace(noted, study=one.study, patient=one.patient)])
        notes.defer(bank, tx, provisions=(one,))
    return one


def _check(wanted: Provision) -> None:
    if wanted.kind is Kind.EMERGENCY:
        raise Invalid("an emergency is opened by who needs it")
    if not (wanted.patient.identifier or wanted.study):
        raise Invalid("name the patient by an identifier, or a study")
    if wanted.kind is Kind.CARE and not wanted.permits:
        raise Invalid("a care relationship is or is not; revoke it when it ends")
    if not _DATE.fullmatch(wanted.since) or not _DATE.fullmatch(wanted.until):
        raise Invalid("the dates of studies are of the form 20261231")
    if not _CODE.fullmatch(wanted.modality):
        raise Invalid("a modality is a code such as CT")
    if wanted.ends_at <= wanted.starts_at:
        raise Invalid("it would end before it begins")


def revoke(bank: Bank, identifier: str, principal: Principal, address: str = "") -> None:
    """End a provision, from the next read on. Raises NotFound for one that is not there or has ended."""
    principal.require(Right.CONSENT)
    found = bank.index.provisions(_everything(bank, principal), identifier=identifier)
    now = bank.now()
    with bank.index.begin() as tx:
        ended = [replace(one, revoked_at=now) for one in found if tx.revoke_provision(one.id, now)]
        for one in ended:
            noted = event(bank, Act.DECIDED, principal, address, f"{one.kind} {one.id}: revoked")
            tx.record([replace(noted, study=one.study, patient=one.patient)])
            notes.defer(bank, tx, provisions=(one,))
    if not ended:
        raise NotFound(f"there is no consent {identifier} in force")


def listed(bank: Bank, patient: PatientId | None, principal: Principal) -> list[Provision]:
    """What was decided about a patient's images, or about anybody's; revoked and past ones, too."""
    principal.require(Right.CONSENT)
    return bank.index.provisions(_everything(bank, principal), patient)


def _everything(bank: Bank, principal: Principal) -> Scope:
    # Consents are about studies that who writes them need not see.
    if principal.scope.organizations is None:
        return principal.scope
    return unbounded(bank, Scope.everything(f"consents, for {principal.name}"))


def put_label(bank: Bank, study: Uid, label: str, principal: Principal, address: str = "") -> None:
    """Put a label such as `sensitive` on a study; rules say what follows from it. Raises Invalid."""
    principal.require(Right.CONSENT)
    if not _LABEL.fullmatch(label):
        raise Invalid("a label is a word or two in small letters")
    with bank.index.begin() as tx:
        tx.put_label(study, label)
        notes.defer(bank, tx, labels=((str(study), label, True),))
        tx.record([replace(event(bank, Act.DECIDED, principal, address, f"label {label}: put"), study=study)])


def remove_label(bank: Bank, study: Uid, label: str, principal: Principal, address: str = "") -> None:
    """Take a label off a study. Raises NotFound when it has none of that name."""
    principal.require(Right.CONSENT)
    with bank.index.begin() as tx:
        had = tx.remove_label(study, label)
        if had:
            notes.defer(bank, tx, labels=((str(study), label, False),))
            tx.record([replace(event(bank, Act.DECIDED, principal, address, f"label {label}: taken off"), study=study)])
    if not had:
        raise NotFound("the study has no such label")
