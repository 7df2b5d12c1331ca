"""What the site's rules want done once objects are in: labels at once, notices and sending once the study is quiet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from imagebank.actions import notify
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Device, Principal, Right, Role, Scope
from imagebank.model.contributed import LABEL
from imagebank.model.event import Act, Event
from imagebank.model.imaging import NO_DEEDS, Instance, Kept, Selection
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

ROUTE: Final = "route"
NOTICE: Final = "notice"
QUIET: Final = timedelta(seconds=5)
"""How long nothing has to come, so that a study goes over one association, and is told of once."""
RULES: Final = "rules"
"""Under which name what rules do stands in the ledger."""
# Nobody reads here: what is sent stands in the ledger, with where it went.
_ALL: Final = Scope(organizations=None)


def do(tx: Transaction, stored: Sequence[Kept], now: datetime) -> tuple[tuple[str, str, bool], ...]:
    """Do it in the transaction in which objects come in. The labels that studies have now and had not, to be kept."""
    wanting = [one for one in stored if one.deeds != NO_DEEDS]
    routed: dict[tuple[str, Uid], list[Kept]] = {}
    labels: dict[tuple[Uid, str], Kept] = {}
    for one in wanting:
        study = one.description.study
        labels |= {(study, label): one for label in one.deeds.labels}
        for device in one.deeds.routes:
            routed.setdefault((device, study), []).append(one)
        for rule, words, to in one.deeds.notices:
            told = {"study": study, "rule": rule, "words": words, "organization": one.source.organization}
            tx.defer(NOTICE, {**told, "to": list(to)}, now + QUIET, key=f"{study} {rule} {words}")
    for (device, study), kept in routed.items():
        tx.rules.route(device, study, [one.description.uid for one in kept])
        payload = {"device": device, "study": study, "organization": kept[0].source.organization}
        tx.defer(ROUTE, payload, now + QUIET, key=f"{device} {study}")
    new = [(study, label) for study, label in labels if tx.put_label(study, label)]
    # That a patient added it, the deposit says itself.
    tx.record(_labelled(labels[study, label], label, now) for study, label in new if label != LABEL)
    return tuple((str(study), label, True) for study, label in new)


def _labelled(one: Kept, label: str, now: datetime) -> Event:
    about = one.description
    detail, by = f"label {label}: put", one.source.organization
    return Event(now, Act.DECIDED, RULES, by, study=about.study, detail=detail, patient=about.patient)


def notice_job(bank: Bank, payload: dict[str, Any]) -> None:
    """Write into the ledger that something came which somebody wants to know of, one line for a study, and mail them."""
    study = Uid(payload["study"])
    there = bank.index.instances(Selection(study=study), _ALL)
    if not there:
        return  # it was deleted since
    detail = f"rule “{payload['rule']}”: {payload['words']}"
    told = Event(
        bank.now(),
        Act.NOTIFIED,
        RULES,
        payload["organization"],
        study=study,
        count=len(there),
        detail=detail,
        patient=there[0].patient,
    )
    with bank.index.begin() as tx:
        tx.record([told])
        # A job that an earlier program has left names nobody.
        notify.tell_site(bank, tx, payload.get("to", ()), f"/studies/{study}")


def due(bank: Bank, payload: dict[str, Any]) -> tuple[Device, Principal, list[Instance]]:
    """To which device what is to be sent, and for whom. What was deleted meanwhile is forgotten.

    Raises NotFound where the device is not registered any more.
    """
    device = bank.index.device(payload["device"])
    if device is None:
        raise NotFound("no device is registered as {device}, so nothing can be sent there", device=payload["device"])
    study = Uid(payload["study"])
    wanted = bank.index.rules.routed(device.aet, study)
    held = {one.uid: one for one in bank.index.instances(Selection(study=study), _ALL)}
    gone = [uid for uid in wanted if uid not in held]
    if gone:
        done(bank, device, study, gone)
    sender = Principal(RULES, Role.SYSTEM, payload["organization"], frozenset({Right.MOVE}), _ALL)
    return device, sender, [held[uid] for uid in wanted if uid in held]


def done(bank: Bank, device: Device, study: Uid, uids: Sequence[Uid]) -> None:
    """Forget what was sent."""
    with bank.index.begin() as tx:
        tx.rules.routed(device.aet, study, uids)
