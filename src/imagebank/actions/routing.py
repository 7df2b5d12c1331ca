"""What rules want sent to devices: noted with the rows of the objects, and done by a job once the study is quiet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Device, Principal, Right, Role, Scope
from imagebank.model.imaging import Instance, Kept, Selection
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB: Final = "route"
QUIET: Final = timedelta(seconds=5)
"""How long nothing has to come for a device, so that a study goes over one association."""
RULES: Final = "rules"
"""Under which name what rules do stands in the ledger."""


def note(tx: Transaction, kept: Sequence[Kept], now: datetime) -> None:
    """Note where instances are to be sent, in the transaction in which they come in."""
    wanted: dict[tuple[str, Uid, str], list[Uid]] = {}
    for one in kept:
        for device in one.deeds.routes:
            key = (device, one.description.study, one.source.organization)
            wanted.setdefault(key, []).append(one.description.uid)
    for (device, study, organization), uids in wanted.items():
        tx.rules.route(device, study, uids)
        payload = {"device": device, "study": study, "organization": organization}
        tx.defer(JOB, payload, now + QUIET, key=f"{device} {study}")


def due(bank: Bank, payload: dict[str, Any]) -> tuple[Device, Principal, list[Instance]]:
    """To which device what is to be sent, and for whom. What was deleted meanwhile is forgotten.

    Raises NotFound where the device is not registered any more.
    """
    device = bank.index.device(payload["device"])
    if device is None:
        raise NotFound(f"no device is registered as {payload['device']}, so nothing can be sent there")
    study, organization = Uid(payload["study"]), payload["organization"]
    scope = Scope.of(organization)
    wanted = bank.index.rules.routed(device.aet, study)
    held = {one.uid: one for one in bank.index.instances(Selection(study=study), scope)}
    gone = [uid for uid in wanted if uid not in held]
    if gone:
        done(bank, device, study, gone)
    sender = Principal(RULES, Role.SYSTEM, organization, frozenset({Right.MOVE}), scope)
    return device, sender, [held[uid] for uid in wanted if uid in held]


def done(bank: Bank, device: Device, study: Uid, uids: Sequence[Uid]) -> None:
    """Forget what was sent."""
    with bank.index.begin() as tx:
        tx.rules.routed(device.aet, study, uids)
