"""Sending what the site's rules want sent, as C-STORE to registered devices."""

from typing import Any, Final

from imagebank.actions import deeds
from imagebank.bank import Bank
from imagebank.dimse.handlers import Caller
from imagebank.dimse.move import Delivery
from imagebank.dimse.status import SUCCESS, is_warning
from imagebank.errors import BankError, Unavailable
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid

_MEDIUM: Final = 0


def deliver_routes(bank: Bank, payload: dict[str, Any]) -> None:
    """Send what waits of one study for one device. What the device took is not sent again.

    Raises NotFound when the device is not registered any more, Unavailable to be tried again.
    """
    device, sender, instances = deeds.due(bank, payload)
    sent: list[Uid] = []
    refused: list[str] = []
    caller = Caller(sender, bank.settings.ae_title, "")
    try:
        with Delivery(bank, caller, device, instances, {"Priority": _MEDIUM}) as delivery:
            for instance in delivery.instances:
                why = offer(delivery, instance)
                refused += [why] if why else []
                sent += [] if why else [instance.uid]
    finally:
        if sent:
            deeds.done(bank, device, Uid(payload["study"]), sent)
    if refused:
        raise Unavailable(f"device {device.aet} did not take {len(refused)} objects: {refused[0]}")


def offer(delivery: Delivery, instance: Instance) -> str:
    """Send one object; why it was not taken, empty when it was. Raises Unavailable when the device does not answer."""
    try:
        code = delivery.send(instance)
    except Unavailable:
        raise
    except BankError as error:
        return str(error)
    return "" if code == SUCCESS or is_warning(code) else f"status {code:#06x}"
