"""Breaking the glass: a record is opened beyond the rights, for a stated reason and a while, and somebody looks at it later."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Final

from imagebank.actions import charge, notes, notify
from imagebank.actions.audit import event, looking, unbounded
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.notice import Kind as Told
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid

LEAST_WORDS: Final = 3
_LONGEST: Final = 500


def break_glass(
    bank: Bank, patient: PatientId | Uid, reason: str, principal: Principal, address: str = ""
) -> Provision:
    """Open a patient's record, named by identifier or by one of the studies, to this caller for a while.

    The answer is the same whether there is such a record or not: that is seen by looking. Raises NotAllowed without
    the right to do so, Invalid without a reason that somebody can review.
    """
    principal.require(Right.EMERGENCY)
    reason = " ".join(reason.split())[:_LONGEST]
    if len(reason.split()) < LEAST_WORDS:
        raise Invalid("say why, in {least} words or more: somebody will read it", least=LEAST_WORDS)
    now, owner = bank.now(), _owner(bank, patient)
    one = Provision(
        secrets.token_hex(16),
        Kind.EMERGENCY,
        permits=True,
        patient=owner,
        starts_at=now,
        ends_at=now + timedelta(minutes=bank.settings.emergency_minutes),
        # Of somebody without an identifier there is nothing but this study.
        study=patient if isinstance(patient, Uid) and not owner.identifier else None,
        organization=principal.organization,
        principal=principal.name,
        role=principal.role,
        by=principal.name,
        reason=reason,
        of_person=True,
    )
    with bank.index.begin() as tx:
        tx.put_provision(one)
        notes.defer(bank, tx, provisions=(one,))
        noted = event(bank, Act.EMERGENCY, principal, address, f"emergency {one.id}")
        tx.record([replace(noted, study=one.study, patient=one.patient)])
        notify.told_of(bank, tx, owner, Told.EMERGENCY, "/my/statement")
    return one


def _owner(bank: Bank, patient: PatientId | Uid) -> PatientId:
    if isinstance(patient, PatientId):
        return patient
    scope = unbounded(bank, Scope.everything("whose a study is that is opened in an emergency"))
    instances = bank.index.instances(Selection(study=patient), scope)
    return instances[0].patient if instances else PatientId("", "")


def open_to(bank: Bank, principal: Principal) -> list[Provision]:
    """Emergencies of this caller's that are open now, the first that ends first."""
    # What one has opened oneself is no secret, and each page asks: no event.
    own = bank.index.provisions(Scope(organizations=None), kind=Kind.EMERGENCY, principal=principal.name)
    now = bank.now()
    opened = [
        one
        for one in own
        if (one.organization, one.role) == (principal.organization, principal.role)
        and one.revoked_at is None
        and one.starts_at <= now < one.ends_at
    ]
    return sorted(opened, key=lambda one: one.ends_at)


def end(bank: Bank, identifier: str, principal: Principal, address: str = "") -> None:
    """Close what this caller has opened, before its time. Raises NotFound for what is not open to the caller."""
    found = [one for one in open_to(bank, principal) if one.id == identifier]
    now = bank.now()
    with bank.index.begin() as tx:
        ended = [replace(one, revoked_at=now) for one in found if tx.revoke_provision(one.id, now)]
        for one in ended:
            notes.defer(bank, tx, provisions=(one,))
            noted = event(bank, Act.EMERGENCY_ENDED, principal, address, f"emergency {one.id}")
            tx.record([replace(noted, study=one.study, patient=one.patient)])
    if not ended:
        raise NotFound("this emergency has ended already")


def unreviewed(bank: Bank, principal: Principal, address: str = "") -> list[Provision]:
    """Emergencies that nobody has looked at yet, oldest first; this look stands in the ledger."""
    principal.require(Right.AUDIT)
    scope = looking(bank, principal, address, "emergencies that wait for a review")
    waiting = [one for one in bank.index.provisions(scope, kind=Kind.EMERGENCY) if not one.reviewed_by]
    return [one for one in waiting if charge.has(bank, principal, one)]


def review(bank: Bank, identifier: str, words: str, principal: Principal, address: str = "") -> None:
    """Note what came of looking at an emergency. Raises NotFound for one that is not there or was reviewed before."""
    principal.require(Right.AUDIT)
    words = " ".join(words.split())[:_LONGEST]
    if not words:
        raise Invalid("say what came of it")
    # Nobody looks here: that it was reviewed, and by whom, stands in the ledger.
    scope = Scope(organizations=None)
    found = bank.index.provisions(scope, kind=Kind.EMERGENCY, identifier=identifier)
    is_theirs = all(charge.has(bank, principal, one) for one in found)
    with bank.index.begin() as tx:
        is_first = is_theirs and tx.review_emergency(identifier, principal.name, words)
        if is_first:
            reviewed = [replace(one, reviewed_by=principal.name, review=words) for one in found]
            notes.defer(bank, tx, provisions=tuple(reviewed))
            noted = event(bank, Act.REVIEWED, principal, address, f"emergency {identifier}")
            tx.record([replace(noted, study=one.study, patient=one.patient) for one in found])
    if not is_first:
        raise NotFound("there is no emergency {identifier} that waits for a review", identifier=identifier)
