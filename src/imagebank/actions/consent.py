"""What patients decide about their images, who cares for whom, and studies that are kept apart."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Final

from imagebank.actions import charge, notes
from imagebank.actions.audit import event, looking
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model import contributed
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act, Event
from imagebank.model.person import PatientId
from imagebank.model.provision import LABEL, OF_OWNERS, Kind, Provision
from imagebank.model.uid import Uid

_DATE: Final = re.compile(r"(\d{8})?")
_CODE: Final = re.compile(r"[A-Z0-9_]{0,16}")


def decide(bank: Bank, wanted: Provision, principal: Principal, address: str = "") -> Provision:
    """Write down a consent, a grant or a care relationship; in force with the next read.

    Its identifier, who wrote it, whether it holds for all of the person's records and, unless it begins later, its
    beginning are set here. Raises NotAllowed without the
    right to write consents and for another organization's patients, Invalid for one that nobody could follow.
    """
    return decide_together(bank, [wanted], principal, address)[0]


def decide_together(
    bank: Bank, wanted: Sequence[Provision], principal: Principal, address: str = ""
) -> list[Provision]:
    """The same for what one document says that takes several provisions: all of them, or none.

    They share an identifier, by which they are found and revoked together: `ID.1`, `ID.2` and so on.
    """
    principal.require(Right.CONSENT)
    for one in wanted:
        _check(one)
        charge.require(bank, principal, one)
    now, name = bank.now(), secrets.token_hex(16)
    speaks_for_all = charge.has_all(bank, principal)
    names = [name] if len(wanted) == 1 else [f"{name}.{number}" for number in range(1, len(wanted) + 1)]
    made = [
        replace(one, id=id_, by=principal.name, starts_at=max(one.starts_at, now), of_person=speaks_for_all)
        for id_, one in zip(names, wanted, strict=True)
    ]
    with bank.index.begin() as tx:
        for one in made:
            tx.put_provision(one)
        tx.record([_noted(bank, one, "permit" if one.permits else "deny", principal, address) for one in made])
        notes.defer(bank, tx, provisions=tuple(made))
    return made


def _noted(bank: Bank, one: Provision, what: str, principal: Principal, address: str) -> Event:
    noted = event(bank, Act.DECIDED, principal, address, f"{one.kind} {one.id}: {what}")
    return replace(noted, study=one.study, patient=one.patient)


def _check(wanted: Provision) -> None:
    if wanted.kind is Kind.EMERGENCY:
        raise Invalid("an emergency is opened by who needs it")
    if wanted.kind in OF_OWNERS:
        raise Invalid("what an account holds is opened at the desk, and a card is its owner's to give")
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
    """End a provision, or all that share the identifier, from the next read on.

    Raises NotFound for one that is not there or has ended.
    """
    principal.require(Right.CONSENT)
    # Nobody looks here: what is ended is told of in the ledger, and nothing else is told to the caller.
    found = _of(bank, identifier, principal)
    now = bank.now()
    with bank.index.begin() as tx:
        ended = [replace(one, revoked_at=now) for one in found if tx.revoke_provision(one.id, now)]
        tx.record([_noted(bank, one, "revoked", principal, address) for one in ended])
        if ended:
            notes.defer(bank, tx, provisions=tuple(ended))
    if not ended:
        raise NotFound("there is no consent {identifier} in force", identifier=identifier)


def _of(bank: Bank, identifier: str, principal: Principal) -> list[Provision]:
    """All of an identifier; none where one of them is in another officer's charge."""
    if "." in identifier:
        return []  # a part is nothing by itself
    scope = Scope(organizations=None)
    numbered = (bank.index.provisions(scope, identifier=f"{identifier}.{number}") for number in count(1))
    found = bank.index.provisions(scope, identifier=identifier)
    found = found or [one for each in takewhile(bool, numbered) for one in each]
    if any(one.kind in OF_OWNERS for one in found):
        return []
    return found if all(charge.has(bank, principal, one) for one in found) else []


def kept(bank: Bank, identifier: str, principal: Principal, address: str = "") -> list[Provision]:
    """The provisions of one identifier, revoked ones, too; the look stands in the ledger first. Raises NotFound."""
    principal.require(Right.CONSENT)
    found = _of(bank, identifier, principal)
    if not found:
        raise NotFound("there is no such consent")
    looking(bank, principal, address, f"consent {identifier}", study=found[0].study, patient=found[0].patient)
    return found


def name_of(one: Provision) -> str:
    """The identifier that a provision shares with what was decided together with it."""
    return one.id.partition(".")[0]


def listed(bank: Bank, patient: PatientId | None, principal: Principal, address: str = "") -> list[Provision]:
    """What was decided about a patient's images, or about anybody's; revoked and past ones, too.

    They may be about studies that who writes consents need not see, so the look stands in the ledger first.
    """
    principal.require(Right.CONSENT)
    why = "consents of one patient" if patient else "consents of all patients"
    found = bank.index.provisions(looking(bank, principal, address, why, patient=patient), patient)
    return [one for one in found if one.kind not in OF_OWNERS and charge.has(bank, principal, one)]


def put_label(bank: Bank, study: Uid, label: str, principal: Principal, address: str = "") -> None:
    """Put a label such as `sensitive` on a study; rules say what follows from it.

    Raises Invalid, and NotFound for a study that is not of one's organization, whether it is here or not.
    """
    principal.require(Right.CONSENT)
    if not LABEL.fullmatch(label):
        raise Invalid("a label is a word or two in small letters")
    _refuse_own(label)
    if not charge.has_study(bank, principal, study):
        raise NotFound("your organization has no such study here")
    with bank.index.begin() as tx:
        tx.put_label(study, label)
        notes.defer(bank, tx, labels=((str(study), label, True),))
        tx.record([replace(event(bank, Act.DECIDED, principal, address, f"label {label}: put"), study=study)])


def _refuse_own(label: str) -> None:
    if label == contributed.LABEL:
        raise Invalid("the bank itself puts the label {label} on, and it stays", label=label)


def remove_label(bank: Bank, study: Uid, label: str, principal: Principal, address: str = "") -> None:
    """Take a label off a study. Raises NotFound when it has none of that name, Invalid for one that is the bank's."""
    principal.require(Right.CONSENT)
    _refuse_own(label)
    is_own = charge.has_study(bank, principal, study)
    with bank.index.begin() as tx:
        had = is_own and tx.remove_label(study, label)
        if had:
            notes.defer(bank, tx, labels=((str(study), label, False),))
            tx.record([replace(event(bank, Act.DECIDED, principal, address, f"label {label}: taken off"), study=study)])
    if not had:
        raise NotFound("the study has no such label")
