"""Priors made ready before somebody reads: their metadata and first pictures, and they themselves on the reading station.

Archives that may hold more are asked meanwhile, and what comes from there is made ready when it has come (`prefetch_away`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import exams, first_looks, ordered, prefetch_away, priors, retrieve, rights, search
from imagebank.actions.devices import DEVICE_RIGHTS
from imagebank.actions.other_archives import listed
from imagebank.actions.prefetch_limits import midnight, opening, permitted
from imagebank.actions.transfer import Send
from imagebank.bank import Bank
from imagebank.errors import BankError, NotFound, Unavailable
from imagebank.exams.prefetching import Prefetching, Push, prefetching
from imagebank.model.access import Device, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.exam import Asked, Group
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
    """An exam that will be read: whose it is, what it is, by which modalities, and where.

    Of a patient who comes nothing is `asked` yet: `modalities` are then none, and those of each earlier exam count.
    """

    asked: Asked | None
    patient: PatientId
    organization: str
    modalities: frozenset[str]
    departments: frozenset[str]


def prefetch_job(bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `prefetch` does; repeating it pushes nothing twice. What went meanwhile needs nothing."""
    table = prefetching(bank.settings.prefetch_file)
    if not table.priors or not (table.warm or table.push or table.fetch):
        return
    for need in _needs(bank, table, payload):
        reader = _ready(bank, table, need)
        about = (need.patient, need.asked, need.modalities, need.departments)
        prefetch_away.have_brought(bank, table, prefetch_away.Need(*about), reader, payload)


def _needs(bank: Bank, table: Prefetching, payload: dict[str, Any]) -> Iterator[_Need]:
    if "study" in payload:
        yield from _of_study(bank, table, Uid(payload["study"]))
        return
    own = Scope.of(payload["organization"])
    if "patient" in payload:
        patient = PatientId(payload["issuer"], payload["patient"])
        wanted = Wanted(identifier=patient.identifier, issuer=patient.issuer)
        found = [one for one in bank.index.orders.orders(wanted, own) if one.patient.id == patient]
        if not any(map(_is_open, found)) and table.admitted:
            departments = frozenset(filter(None, (payload.get("place", ""),)))
            yield _Need(None, patient, payload["organization"], frozenset(), departments)
    else:
        number = payload["filler"] or payload["placer"]
        found = bank.index.orders.orders(Wanted(number=number, is_open=False), own)
    yield from (_of_order(bank, one) for one in found if _is_open(one))


def _is_open(order: Order) -> bool:
    return order.state is None or not order.state.is_over


def _of_order(bank: Bank, order: Order) -> _Need:
    modalities, departments = (frozenset(filter(None, (one,))) for one in (order.modality, order.ordered.place))
    asked = ordered.asked(bank, order)
    return _Need(asked, order.patient.id, asked.organization, modalities, departments)


def _of_study(bank: Bank, table: Prefetching, study: Uid) -> Iterator[_Need]:
    patient = bank.index.histories.patient_of(study, _HERE)
    if patient is None or not patient.identifier or _is_alone(bank, patient):
        return
    current = next((one for one in exams.history(bank, [patient], _HERE) if one.id == study), None)
    today = bank.now().astimezone(bank.settings.zone).date()
    if current is None or (current.day is not None and (today - current.day).days > table.fresh_days):
        return
    series = [one.attributes for one in search.of_studies(bank, [study], _HERE, Level.SERIES)]
    asked = Asked(current.exam, current.day or today, organization=current.organization, id=study)
    yield _Need(asked, patient, asked.organization, _all(series, "00080060"), _all(series, "00081040"))


def _is_alone(bank: Bank, patient: PatientId) -> bool:
    """Whether there is one study of a patient and nowhere else to look; then nobody need find out which exam it is."""
    if listed(bank):
        return False
    return len(bank.index.histories.exams(ordered.records(bank, [patient], "", _HERE), _HERE)) < 2


def _all(series: Sequence[DataSet], key: str) -> frozenset[str]:
    return frozenset(str(one) for each in series for one in each.get(key, {}).get("Value", ()) if one)


def _ready(bank: Bank, table: Prefetching, need: _Need) -> Principal:
    """Have what is here made ready; the reader for whom it was."""
    # As a device of whoever reads: what consent keeps from them is neither looked at nor sent.
    reader = rights.principal(bank, _WHO, Role.DEVICE, need.organization, rights=DEVICE_RIGHTS, is_proven=False)
    if table.warm:
        for study in _best(bank, table, need, reader):
            warm(bank, table, study)
    for rule in table.push:
        device = bank.index.device(rule.device)
        if device is not None and rule.is_for(need.modalities or rule.modalities, need.departments):
            for study, modalities in _best(bank, table, need, _receiver(bank, device)).items():
                if rule.is_for(need.modalities or modalities, need.departments):
                    _intend(bank, table, rule, study)
    return reader


def _best(bank: Bank, table: Prefetching, need: _Need, principal: Principal) -> dict[Uid, frozenset[str]]:
    """The studies that are worth it for somebody, the best first, and the modalities of each."""
    patients = ordered.records(bank, [need.patient], need.organization, principal.scope)
    if need.asked is None:
        return _newest(bank, table, patients, principal.scope)
    found = priors.among(bank, principal, need.asked, patients, table.priors)
    return {Uid(prior.past.id): _all([shown], "00080061") for prior, shown in found.priors}


def _newest(bank: Bank, table: Prefetching, patients: Collection[PatientId], scope: Scope) -> dict[Uid, frozenset[str]]:
    """The newest exam of each kind and part of the body: what is asked for once it is known why somebody came."""
    since = bank.now().astimezone(bank.settings.zone).date() - timedelta(days=table.admitted_days)
    chosen: dict[tuple[Group, tuple[str, ...]], Uid] = {}
    for past in exams.history(bank, patients, scope):
        if past.day is not None and past.day >= since and past.exam.group is not Group.OTHER:
            chosen.setdefault((past.exam.group, past.exam.regions), Uid(past.id))
    studies = list(chosen.values())[: table.admitted]
    shown = {one.attributes["0020000D"]["Value"][0]: one.attributes for one in search.of_studies(bank, studies, scope)}
    return {study: _all([shown[study]], "00080061") for study in studies if study in shown}


def _receiver(bank: Bank, device: Device) -> Principal:
    return rights.principal(bank, device.aet, Role.DEVICE, device.organization, rights=device.rights)


def warm(bank: Bank, table: Prefetching, study: Uid) -> None:
    """Have the metadata of its series made, and its first pictures. Raises Unavailable to be tried again."""
    now = bank.now()
    known = bank.index.prefetches.one(HERE, study)
    if known is not None and known.state is State.DONE and now - known.at < timedelta(days=1):
        return
    if bank.index.prefetches.done_since(HERE, midnight(bank, now))[0] >= table.warm_a_day:
        _note(bank, Prefetch(HERE, study, State.LIMITED, now))
        return
    held: list[Instance] = []
    try:
        for _, series, _ in retrieve.versions(bank, Selection(study=study), _HERE):
            retrieve.series_metadata(bank, series, _HERE)
            held += retrieve.select(bank, Selection(series=series), _HERE)
    except NotFound:
        return  # it went meanwhile
    _note(bank, Prefetch(HERE, study, State.DONE, now, *first_looks.make(bank, held, table.pictures)))


def _note(bank: Bank, one: Prefetch) -> None:
    with bank.index.begin() as tx:
        tx.prefetches.put(one)


def _intend(bank: Bank, table: Prefetching, rule: Push, study: Uid) -> None:
    """Have a study pushed, unless it is on its way or went there not long ago."""
    now = bank.now()
    known = bank.index.prefetches.one(rule.device, study)
    if known is not None and now - known.at < timedelta(days=table.again_days):
        return
    with bank.index.begin() as tx:
        tx.prefetches.put(Prefetch(rule.device, study, State.WAITING, now))
        payload = {"device": rule.device, "study": study}
        tx.defer(PUSH, payload, opening(bank, rule, now), key=f"{rule.device} {study}")


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
    opens = permitted(bank, rule.device, rule, octets, now)
    if opens > now:
        with bank.index.begin() as tx:
            tx.prefetches.put(replace(known, state=State.LIMITED))
            tx.defer(PUSH, payload, opens, key=f"{rule.device} {study}")
        return
    try:
        _send(bank, send, replace(receiver, name=_WHO, role=Role.SYSTEM), rule.device, held)
    except BankError:
        _note(bank, replace(known, state=State.FAILED))
        raise
    _note(bank, Prefetch(rule.device, study, State.DONE, now, len(held), octets))


def _send(bank: Bank, send: Send, sender: Principal, device: str, held: Sequence[Instance]) -> None:
    refused = send(bank, sender, Destination(device, device=device), held, "", lambda _: None)
    if refused:
        raise Unavailable("device {aet} did not take {count} objects", aet=device, count=len(refused))


def sweep(bank: Bank) -> None:
    """Forget what was made ready long ago."""
    with bank.index.begin() as tx:
        tx.prefetches.forget(bank.now() - _KEPT)
