"""Performed procedure steps: a modality says that it has begun an exam, and how that ended."""

from dataclasses import replace

from imagebank.bank import Bank
from imagebank.errors import Conflict, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act, Event
from imagebank.model.order import Performed, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


def begin(bank: Bank, step: Performed, principal: Principal, address: str = "") -> None:
    """Note that a step has begun; the orders that it answers are in progress from now on.

    Raises NotAllowed without the right to store, Conflict for a step of that UID that is known.
    """
    principal.require(Right.STORE)
    begun = replace(
        step, organization=principal.organization, by=principal.name, state=State.STARTED, changed_at=bank.now()
    )
    with bank.index.begin() as tx:
        if not tx.orders.add_performed(begun):
            raise Conflict("a performed procedure step of this UID is known")
        tx.orders.advance(begun)
        tx.record([_event(bank, begun.patient, principal, address, State.STARTED)])


def end(bank: Bank, uid: Uid, state: State, principal: Principal, address: str = "") -> None:
    """Note how a step has ended, and with it the orders that it answers. What has ended is not changed any more.

    Raises NotAllowed without the right to store, NotFound for a step that the caller's organization has not begun,
    Conflict for one that has ended.
    """
    principal.require(Right.STORE)
    with bank.index.begin() as tx:
        step = tx.orders.performed(uid, principal.organization)
        if step is None:
            raise NotFound("there is no such performed procedure step")
        if step.state.is_over:
            raise Conflict("the step has ended and may no longer be changed")
        ended = replace(step, state=state, changed_at=bank.now())
        tx.orders.change_performed(ended)
        tx.orders.advance(ended)
        tx.record([_event(bank, step.patient, principal, address, state)])


def _event(bank: Bank, patient: PatientId, principal: Principal, address: str, state: State) -> Event:
    return Event(
        bank.now(),
        Act.CHANGED,
        principal.name,
        principal.organization,
        address,
        detail=f"order {state}, says the modality",
        patient=patient,
    )
