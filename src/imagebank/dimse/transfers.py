"""Sending for somebody to a registered device, as C-STORE."""

from collections.abc import Callable, Sequence
from typing import Final

from imagebank.bank import Bank
from imagebank.dimse.handlers import Caller
from imagebank.dimse.move import Delivery
from imagebank.dimse.routing import offer
from imagebank.errors import NotFound
from imagebank.model.access import Principal
from imagebank.model.imaging import Instance
from imagebank.model.transfer import Destination

_MEDIUM: Final = 0


def send(
    bank: Bank,
    principal: Principal,
    place: Destination,
    instances: Sequence[Instance],
    address: str,
    taken: Callable[[Instance], None],
) -> list[str]:
    """`actions.transfer.Send` for a device."""
    device = bank.index.device(place.device)
    if device is None:
        raise NotFound("no device is registered as {aet}", aet=place.device)
    refused: list[str] = []
    caller = Caller(principal, bank.settings.ae_title, address)
    with Delivery(bank, caller, device, instances, {"Priority": _MEDIUM}) as delivery:
        for instance in delivery.instances:
            why = offer(delivery, instance)
            if why:
                refused.append(why)
            else:
                taken(instance)
    return refused
