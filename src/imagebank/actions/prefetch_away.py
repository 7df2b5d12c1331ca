"""Priors that other archives hold, before somebody reads: asked for, and fetched by standing rule within its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import asking, elsewhere, foreseen, ordered, priors, recalling, rights
from imagebank.actions.devices import DEVICE_RIGHTS
from imagebank.actions.other_archives import Ways, listed
from imagebank.actions.prefetch_limits import opening, permitted
from imagebank.bank import Bank
from imagebank.exams.prefetching import Fetch, Prefetching, prefetching
from imagebank.model.access import Principal, Role
from imagebank.model.elsewhere import Elsewhere
from imagebank.model.exam import Asked
from imagebank.model.person import PatientId
from imagebank.model.prefetch import Prefetch, State, source
from imagebank.model.uid import Uid

JOB: Final = "prefetch-fetch"
_EVER: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Need:
    """An exam that will be read: whose it is, what it is, by which modalities, and where.

    Of a patient who comes nothing is `asked` yet: archives are asked then, and nothing is fetched.
    """

    patient: PatientId
    asked: Asked | None
    modalities: frozenset[str]
    departments: frozenset[str]


def have_brought(bank: Bank, table: Prefetching, need: Need, reader: Principal, payload: Mapping[str, Any]) -> None:
    """Have archives asked that have not said lately what they hold, and what they are known to hold fetched by rule.

    `payload` is of the job that makes priors ready: it is done again once an archive has answered.
    """
    archives = listed(bank)
    if not archives:
        return
    named = {one.archive: one for one in table.fetch if one.archive in archives}
    rules = {name: one for name, one in named.items() if one.is_for(need.modalities, need.departments)}
    patients = ordered.records(bank, [need.patient], reader.organization, reader.scope)
    then = (foreseen.JOB, payload) if rules and need.asked is not None else None
    asking.have_asked(bank, patients, reader.name, reader.organization, then)
    if then is not None and need.asked is not None:
        away = elsewhere.held(bank, reader, patients)
        found = priors.among(bank, reader, need.asked, patients, table.priors, away).away
        for one in (one for one in found.values() if one.archive in rules):
            _intend(bank, table, rules[one.archive], one, reader, payload)


def _intend(
    bank: Bank, table: Prefetching, rule: Fetch, one: Elsewhere, reader: Principal, need: Mapping[str, Any]
) -> None:
    """Have a study fetched, unless it is on its way or was not long ago."""
    now, link = bank.now(), source(rule.archive)
    known = bank.index.prefetches.one(link, one.study)
    if known is not None and now - known.at < timedelta(days=table.again_days):
        return
    who = {"by": reader.name, "organization": reader.organization}
    payload = {"archive": rule.archive, "study": one.study, **who, "need": need}
    with bank.index.begin() as tx:
        tx.prefetches.put(Prefetch(link, one.study, State.WAITING, now))
        tx.defer(JOB, payload, opening(bank, rule, now), key=_key(rule, one.study))


def _key(rule: Fetch, study: Uid) -> str:
    return f"{rule.archive}\n{study}"


def fetch_job(ways: Ways, bank: Bank, payload: Mapping[str, Any]) -> None:
    """What the job does: fetch one study, if it still may be, or put it off to when limits permit.

    Raises Unavailable to be tried again.
    """
    rule = prefetching(bank.settings.prefetch_file).of(payload["archive"])
    study, now = Uid(payload["study"]), bank.now()
    link = source(payload["archive"])
    known = bank.index.prefetches.one(link, study)
    if known is None or known.state is State.DONE:
        return
    reader = _reader(bank, payload)
    found = elsewhere.one(bank, reader, payload["archive"], study)
    if rule is None or found is None:
        # Nobody wants it any more, or it may not be known of, or it went.
        with bank.index.begin() as tx:
            tx.prefetches.forget(now + _EVER, link, study)
        return
    opens = permitted(bank, link, rule, 0, now)
    if opens > now:
        with bank.index.begin() as tx:
            tx.prefetches.put(replace(known, state=State.LIMITED))
            tx.defer(JOB, dict(payload), opens, key=_key(rule, study))
        return
    recalling.wanted(bank, reader, found, by_rule=True, at_once=True)
    recalling.work(ways, bank, {"archive": found.archive, "study": study})
    with bank.index.begin() as tx:
        # What has come is made ready like what was here before.
        tx.defer(foreseen.JOB, payload["need"], bank.now(), key=f"asked\n{payload['need']}")


def _reader(bank: Bank, payload: Mapping[str, Any]) -> Principal:
    by, organization = payload["by"], payload["organization"]
    return rights.principal(bank, by, Role.DEVICE, organization, rights=DEVICE_RIGHTS, is_proven=False)
