"""Priors made ready before somebody reads: their metadata made, and they themselves on the reading station.

Seam for other archives: a port that brings in what a federated archive holds would be asked in `_ready`, before the
priors are ranked. There is none yet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from imagebank.actions import exams, ordered, priors, retrieve, rights, search
from imagebank.actions.devices import DEVICE_RIGHTS
from imagebank.actions.transfer import Send
from imagebank.bank import Bank
from imagebank.errors import NotFound, Unavailable
from imagebank.exams.prefetching import Prefetching, Push, prefetching
from imagebank.model.access import Device, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.exam import Asked
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.prefetch import HERE, Prefetch, State
from imagebank.model.transfer import Destination
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted

PUSH: Final = "prefetch-push"
_HERE: Final = Scope(organizations=None)
_KEPT: Final = timedelta(days=400)
_WHO: Final = "prefetch"
"""Under which name what is pushed stands in the ledger."""


@dataclass(frozen=True, slots=True)
class _Need:
    """An exam that will be read: whose it is, what it is, by which modalities, and where."""

    asked: Asked
    patient: PatientId
    modalities: frozenset[str]
    departments: frozenset[str]


def prefetch_job(bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `prefetch` does; repeating it pushes nothing twice. What went meanwhile needs nothing."""
    table = prefetching(bank.settings.prefetch_file)
    if not table.priors or not (table.warm or table.push):
        return
    for need in _needs(bank, table, payload):
        _ready(bank, table, need)


def _needs(bank: Bank, table: Prefetching, payload: dict[str, Any]) -> Iterator[_Need]:
    if "study" in payload:
        yield from _of_study(bank, table, Uid(payload["study"]))
        return
    own = Scope.of(payload["organization"])
    if "patient" in payload:
        patient = PatientId(payload["issuer"], payload["patient"])
        wanted = Wanted(identifier=patient.identifier)
        found = [one for one in bank.index.orders.orders(wanted, own) if one.patient.id == patient]
    else:
        number = payload["filler"] or payload["placer"]
        found = bank.index.orders.orders(Wanted(number=number, is_open=False), own)
    yield from (_of_order(bank, one) for one in found if one.state is None or not one.state.is_over)


def _of_order(bank: Bank, order: Order) -> _Need:
    departments = frozenset(filter(None, (order.ordered.place,)))
    return _Need(ordered.asked(bank, order), order.patient.id, frozenset(filter(None, (order.modality,))), departments)


def _of_study(bank: Bank, table: Prefetching, study: Uid) -> Iterator[_Need]:
    patient = bank.index.histories.patient_of(study, _HERE)
    if patient is None or not patient.identifier:
        return
    current = next((one for one in exams.history(bank, [patient], _HERE) if one.id == study), None)
    today = bank.now().astimezone(bank.settings.zone).date()
    if current is None or (current.day is not None and (today - current.day).days > table.fresh_days):
        return
    series = [one.attributes for one in search.of_studies(bank, [study], _HERE, Level.SERIES)]
    asked = Asked(current.exam, current.day or today, organization=current.organization, id=study)
    yield _Need(asked, patient, _all(series, "00080060"), _all(series, "00081040"))


def _all(series: Sequence[DataSet], key: str) -> frozenset[str]:
    return frozenset(str(one) for each in series for one in each.get(key, {}).get("Value", ()) if one)


def _ready(bank: Bank, table: Prefetching, need: _Need) -> None:
    # As a device of whoever reads: what consent keeps from them is neither looked at nor sent.
    reader = rights.principal(bank, _WHO, Role.DEVICE, need.asked.organization, rights=DEVICE_RIGHTS, is_proven=False)
    if table.warm:
        for study in _best(bank, table, need, reader):
            warm(bank, table, study)
    for rule in table.push:
        device = bank.index.device(rule.device)
        if device is not None and rule.is_for(need.modalities, need.departments):
            for study in _best(bank, table, need, _receiver(bank, device)):
                _intend(bank, table, rule, study)


def _best(bank: Bank, table: Prefetching, need: _Need, principal: Principal) -> list[Uid]:
    patients = ordered.records(bank, [need.patient], need.asked.organization, principal.scope)
    found = priors.among(bank, principal, need.asked, patients, table.priors)
    return [Uid(prior.past.id) for prior, _ in found.priors]


def _receiver(bank: Bank, device: Device) -> Principal:
    return rights.principal(bank, device.aet, Role.DEVICE, device.organization, rights=device.rights)


def warm(bank: Bank, table: Prefetching, study: Uid) -> None:
    """Have the metadata of its series made, and the first image of each read, which puts it near."""
    now = bank.now()
    known = bank.index.prefetches.one(HERE, study)
    if known is not None and now - known.at < timedelta(days=1):
        return
    if bank.index.prefetches.done_since(HERE, _midnight(bank, now))[0] >= table.warm_a_day:
        return
    objects = octets = 0
    try:
        for _, series, _ in retrieve.versions(bank, Selection(study=study), _HERE):
            retrieve.series_metadata(bank, series, _HERE)
            first = retrieve.select(bank, Selection(series=series), _HERE)[0]
            objects, octets = objects + 1, octets + sum(map(len, retrieve.stored(bank, first)))
    except NotFound:
        return  # it went meanwhile
    with bank.index.begin() as tx:
        tx.prefetches.put(Prefetch(HERE, study, State.DONE, now, objects, octets))


def _intend(bank: Bank, table: Prefetching, rule: Push, study: Uid) -> None:
    """Have a study pushed, unless it is on its way or went there not long ago."""
    now = bank.now()
    known = bank.index.prefetches.one(rule.device, study)
    if known is not None and now - known.at < timedelta(days=table.again_days):
        return
    with bank.index.begin() as tx:
        tx.prefetches.put(Prefetch(rule.device, study, State.WAITING, now))
        payload = {"device": rule.device, "study": study}
        tx.defer(PUSH, payload, _opening(bank, rule, now), key=f"{rule.device} {study}")


def push_job(send: Send, bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `prefetch-push` does: send one study, if it still may, or put it off to when limits permit.

    Raises Unavailable to be tried again.
    """
    rule = prefetching(bank.settings.prefetch_file).to(payload["device"])
    study, now = Uid(payload["study"]), bank.now()
    device = bank.index.device(payload["device"])
    known = bank.index.prefetches.one(payload["device"], study)
    if known is None or known.state is State.DONE:
        return
    receiver = None if rule is None or device is None else _receiver(bank, device)
    held = [] if receiver is None else bank.index.instances(Selection(study=study), receiver.scope)
    if rule is None or receiver is None or not held:
        # Nobody wants it there any more, or it may not go there, or it is gone.
        with bank.index.begin() as tx:
            tx.prefetches.forget(now + _KEPT, payload["device"], study)
        return
    octets = sum(one.location.size for one in held)
    opens = _permitted(bank, rule, octets, now)
    if opens > now:
        with bank.index.begin() as tx:
            tx.defer(PUSH, payload, opens, key=f"{rule.device} {study}")
        return
    _send(bank, send, replace(receiver, name=_WHO, role=Role.SYSTEM), rule.device, held)
    with bank.index.begin() as tx:
        tx.prefetches.put(Prefetch(rule.device, study, State.DONE, now, len(held), octets))


def _send(bank: Bank, send: Send, sender: Principal, device: str, held: Sequence[Instance]) -> None:
    refused = send(bank, sender, Destination(device, device=device), held, "", lambda _: None)
    if refused:
        raise Unavailable("device {aet} did not take {count} objects", aet=device, count=len(refused))


def _permitted(bank: Bank, rule: Push, octets: int, now: datetime) -> datetime:
    """When a study may go: now, when the hours begin, or the next day once the day's studies or bytes are used up."""
    studies, sent = bank.index.prefetches.done_since(rule.device, _midnight(bank, now))
    # One study that is larger than a whole day's bytes goes on a day of its own.
    if studies >= rule.studies_a_day or (studies and sent + octets > rule.bytes_a_day):
        return _opening(bank, rule, _midnight(bank, now) + timedelta(days=1))
    return _opening(bank, rule, now)


def _opening(bank: Bank, rule: Push, at: datetime) -> datetime:
    return rule.opens(at.astimezone(bank.settings.zone)).astimezone(UTC)


def _midnight(bank: Bank, now: datetime) -> datetime:
    local = now.astimezone(bank.settings.zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def sweep(bank: Bank) -> None:
    """Forget what was made ready long ago."""
    with bank.index.begin() as tx:
        tx.prefetches.forget(bank.now() - _KEPT)
