"""Orders for imaging, and visits: taking in what other systems say of them, and giving out what is to be done."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import foreseen, repeat_orders
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.access import Principal, Right
from imagebank.model.encounter import Encounter
from imagebank.model.event import Act, Event
from imagebank.model.order import Order, Patient
from imagebank.model.person import PatientId
from imagebank.ports.orders import Wanted

_AHEAD: Final = timedelta(days=1)
"""How far a sender's clock may be ahead of ours: what claims to be later would win over all that follows."""


def hear(bank: Bank, orders: Sequence[Order], principal: str, address: str = "", *, is_rebuilt: bool = False) -> int:
    """Take in what one message says of orders, all of it or nothing; how many changed.

    What is older than what is held fills gaps and changes nothing else, so that a repeated or late message is
    harmless. Of what `is_rebuilt` from kept messages nobody is told again. Raises Invalid for an order without a number or a patient.
    """
    for order in orders:
        if not order.number:
            raise Invalid("an order has a placer or a filler order number")
        if not order.patient.id.identifier:
            raise Invalid("an order has a patient identifier")
    now = bank.now()
    with bank.index.begin() as tx:
        changed = 0
        for order in orders:
            timely = replace(order, event_at=min(order.event_at, now + _AHEAD))
            if tx.orders.put_order(timely):
                changed += 1
                tx.record([_event(bank, order, principal, address)])
                if not is_rebuilt:
                    repeat_orders.look_later(bank, tx, order)
                    foreseen.order_heard(tx, timely, now)
    return changed


def _event(bank: Bank, order: Order, principal: str, address: str) -> Event:
    words = f"order {order.state}" if order.state else "order changed"
    return Event(
        bank.now(),
        Act.CHANGED,
        principal,
        order.organization,
        address,
        study=order.study,
        detail=words,
        patient=order.patient.id,
    )


def worklist(bank: Bank, wanted: Wanted, principal: Principal, sought: str, address: str = "") -> list[Order]:
    """Steps that are to be done, of those that the caller may see; `sought` says by which attributes.

    The search is in the ledger before the answer. Raises NotAllowed without the right to find.
    """
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    return bank.index.orders.orders(wanted, principal.scope)


def rename(bank: Bank, organization: str, patient: Patient, at: datetime) -> int:
    """Let an organization's open orders that are older than this say who their patient is now; how many there were."""
    with bank.index.begin() as tx:
        return tx.orders.name_patient(organization, patient, at)


def is_news(bank: Bank, organization: str, patient: PatientId, at: datetime) -> bool:
    """Whether an organization has said nothing newer of a patient than what happened then; from now on that is known."""
    with bank.index.begin() as tx:
        return tx.orders.note_word(organization, patient, min(at, bank.now() + _AHEAD))


def move(bank: Bank, organization: str, old: PatientId, new: PatientId) -> int:
    """Give an organization's open orders of an identifier to the one that took its place; how many there were."""
    with bank.index.begin() as tx:
        return tx.orders.move_orders(organization, old, new)


def visit(bank: Bank, encounter: Encounter, principal: str, address: str = "") -> bool:
    """Take in what is said of a visit; False when something newer is held. Raises Invalid."""
    if not (encounter.number and encounter.patient.identifier):
        raise Invalid("a visit has a number and a patient")
    now = bank.now()
    timely = replace(encounter, event_at=min(encounter.event_at, now + _AHEAD))
    with bank.index.begin() as tx:
        is_new = tx.orders.put_encounter(timely)
        words = f"visit {encounter.stay}"
        event = Event(
            now, Act.CHANGED, principal, encounter.organization, address, detail=words, patient=encounter.patient
        )
        tx.record([event] if is_new else [])
        if is_new:
            foreseen.admitted(tx, timely, now)
    return is_new
