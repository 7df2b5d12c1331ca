"""What will be read soon: exams that are ordered, patients who are admitted, and studies that arrive."""

from datetime import datetime, timedelta
from typing import Final

from imagebank.model.encounter import Encounter, Stay
from imagebank.model.order import Order
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB: Final = "prefetch"
SOON: Final = timedelta(seconds=3)
"""How long nothing has to be heard, so that an order that is told of several times is looked at once."""


def order_heard(tx: Transaction, order: Order, now: datetime) -> None:
    """Have the priors of an order made ready, unless it is over."""
    if order.state is None or not order.state.is_over:
        told = {"organization": order.organization, "placer": order.placer, "filler": order.filler}
        tx.defer(JOB, told, now + SOON, key="\n".join(("order", *told.values())))


def admitted(tx: Transaction, visit: Encounter, now: datetime) -> None:
    """Have the priors of what is ordered for a patient made ready who has come; without an order, the newest exams."""
    if visit.stay is Stay.OPEN:
        told = {"organization": visit.organization, "issuer": visit.patient.issuer, "patient": visit.patient.identifier}
        key = "\n".join(("visit", *told.values()))
        tx.defer(JOB, told | {"place": visit.place}, now + SOON, key=key)


def study_began(tx: Transaction, study: Uid, now: datetime) -> None:
    """Have the priors of a study made ready of which the first object has come."""
    tx.defer(JOB, {"study": study}, now + SOON, key=f"study\n{study}")
