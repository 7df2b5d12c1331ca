"""Did everything arrive? What was announced of a study is held against what is here, by a job, once it is quiet."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import zstandard

from imagebank.actions import audit, expecting, retrieve, together
from imagebank.actions.expecting import JOB
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.completeness import Completeness
from imagebank.model.completeness_judging import Received, ReceivedSeries, judged
from imagebank.model.event import Act
from imagebank.model.expectation import Expectation, Origin
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports import Transaction
from imagebank.ports.completeness import Asked

_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is found stays in the bank."""
_BATCH: Final = 1_000
_LOOK_BACK: Final = timedelta(days=90)
"""Orders that are older are not looked for any more."""
_MOST_OVERDUE: Final = 10_000
_LONGEST_REASON: Final = 500
_LOOKED_AT: Final = ("00080008", "00080020", "00080050", "00080060", "00200011", "00201206", "00201208", "00201209")


def judge(bank: Bank, study: Uid) -> Completeness | None:
    """Find out whether a study is whole, write that down, and have it looked at again when that may change.

    None when nothing is to be said of it, or when it changed meanwhile: what changed it has it judged again.
    """
    return together.alone(bank, judging(bank, study))


def judging(bank: Bank, study: Uid) -> Steps[Completeness | None]:
    """The same in steps."""
    found = None
    # Gone while it is read? What takes it away has it judged anew.
    with suppress(NotFound):
        here, versions = _received(bank, study)
        found = yield lambda tx: _judged(bank, tx, here, versions)
    # In a transaction of its own: whoever deposits locks the study before this is written, and not after.
    yield lambda tx: tx.words.stand(study)
    return found


def _judged(bank: Bank, tx: Transaction, here: Received, versions: Mapping[Uid, int]) -> Completeness | None:
    """Judge a study of which this is here, and write down what is found."""
    study, now, quiet = here.study, bank.now(), timedelta(minutes=bank.settings.arrival_quiet_minutes)
    if (tx.expectations.owner_of(study) or "") != here.organization:
        return None
    words = tx.expectations.about(study)
    speakers = {one.organization: one.patient for one in reversed(words)}
    if here.series:
        speakers[here.organization] = here.patient
    findings = {}
    for organization, patient in speakers.items():
        said = [one for one in words if one.organization == organization]
        is_own = bool(here.series) and organization == here.organization
        of_it = here if is_own else Received(study, organization, patient)
        named = [uid for one in said for each in one.series for uid in each.instances]
        held = tx.expectations.held(list(dict.fromkeys(named)), organization)
        findings[organization] = judged(replace(of_it, held=held), _due(bank, said, now), now, quiet)
    kept = [one.said for one in findings.values() if one.said is not None]
    tx.completeness.drop(study, [one.organization for one in kept])
    if not all(tx.completeness.put(one, versions if one.is_here else {}, now) for one in kept):
        return None
    # What waits may wait for too long: a job that is deferred again keeps the later of its times.
    tx.forget(JOB, study)
    if times := [one.again_at for one in findings.values() if one.again_at is not None]:
        tx.defer(JOB, {"study": study}, min(times), key=study)
    return next(iter(kept), None)


def _due(bank: Bank, words: list[Expectation], now: datetime) -> list[Expectation]:
    """The words, those of orders only from the moment on when their study should have come."""
    grace = timedelta(hours=bank.settings.arrival_expected_hours)
    late = f"{now - grace:%Y%m%d%H%M}"
    return [
        one
        for one in words
        if one.origin is not Origin.ORDER
        or (one.said_at <= now - grace if one.is_certain else bool(one.reason) and one.reason <= late)
    ]


def _received(bank: Bank, study: Uid) -> tuple[Received, dict[Uid, int]]:
    """What is here of a study, and the versions of its series. Raises NotFound when a series goes meanwhile."""
    versions = {one: version for _, one, version in bank.index.series_of(Selection(study=study), _HERE)}
    instances = bank.index.instances(Selection(study=study), _HERE) if versions else []
    if not instances:
        return Received(study, "", PatientId("", "")), {}
    by_series: dict[Uid, list[Instance]] = {}
    for one in instances:
        by_series.setdefault(one.series, []).append(one)
    headers = {uid: _headers(bank, uid) for uid in by_series}
    every = [header for some in headers.values() for header in some]
    received = Received(
        study,
        bank.index.owner_of(study, _HERE) or "",
        instances[0].patient,
        tuple(_one_series(str(uid), members, headers[uid]) for uid, members in by_series.items()),
        max(_numbers(every, "00201208"), default=0),
        max(_numbers(every, "00201206"), default=0),
        date=_text(every, "00080020"),
        accession=_text(every, "00080050"),
        last_at=max(one.received_at for one in instances),
    )
    return received, versions


def _headers(bank: Bank, series: Uid) -> list[DataSet]:
    """What is looked at of the headers of a series; a thousand of them whole would be megabytes."""
    whole = orjson.loads(zstandard.decompress(retrieve.series_metadata(bank, series, _HERE)))
    return [{key: one[key] for key in _LOOKED_AT if key in one} for one in whole]


def _one_series(uid: str, members: list[Instance], datasets: list[DataSet]) -> ReceivedSeries:
    return ReceivedSeries(
        uid,
        _text(datasets, "00200011"),
        _text(datasets, "00080060"),
        frozenset(str(one.uid) for one in members),
        tuple(one.number for one in members if one.number is not None) if _is_stack(members, datasets) else (),
        max(_numbers(datasets, "00201209"), default=0),
    )


def _is_stack(members: list[Instance], datasets: list[DataSet]) -> bool:
    """Whether instance numbers count slices: not of scouts, of images with several frames, of what has no pixels."""
    if any(one.pixels is None or one.pixels.frames > 1 or one.number is None for one in members):
        return False
    kinds = [_values(one, "00080008") for one in datasets]
    return not all("LOCALIZER" in kind for kind in kinds)


def _values(dataset: DataSet, key: str) -> list[Any]:
    return [value for value in (dataset.get(key) or {}).get("Value") or () if value is not None]


def _text(datasets: list[DataSet], key: str) -> str:
    return next((str(value).strip() for one in datasets for value in _values(one, key)), "")


def _numbers(datasets: list[DataSet], key: str) -> list[int]:
    return [value for one in datasets for value in _values(one, key) if isinstance(value, int)]


@InSteps
def judge_job(bank: Bank, payload: dict[str, Any]) -> Steps[object]:
    """What the job `completeness` does; repeating it changes nothing."""
    return judging(bank, Uid(payload["study"]))


def catch_up(bank: Bank) -> int:
    """Have every study judged that never was; how many there were. After a rebuild, and after an upgrade."""
    number, last = 0, ""
    while missing := bank.index.completeness.unjudged(_BATCH, _HERE, last):
        last = missing[-1]
        with bank.index.begin() as tx:
            for study in missing:
                expecting.judge_soon(bank, tx, str(study))
        number += len(missing)
    return number


def look_for_overdue(bank: Bank) -> int:
    """Have studies judged that were ordered and did not come in time, as far as that is known; how many there were."""
    now = bank.now()
    with bank.index.begin() as tx:
        before = now - timedelta(hours=bank.settings.arrival_expected_hours)
        late = tx.expectations.overdue(before, now - _LOOK_BACK, _MOST_OVERDUE)
        for study in late:
            expecting.judge_soon(bank, tx, str(study))
    return len(late)


def of_study(bank: Bank, study: Uid, principal: Principal, address: str = "") -> Completeness:
    """Whether a study is whole, as far as that is known. Raises NotAllowed without the right to find, NotFound."""
    principal.require(Right.FIND)
    bank.reads.search(principal, "completeness of a study", address)
    found = bank.index.completeness.of_study(study, principal.scope)
    if found is None:
        raise NotFound("there is no such study here")
    return found


def listed(bank: Bank, asked: Asked, principal: Principal, address: str = "") -> tuple[int, list[Completeness]]:
    """How many studies there are as they are asked for, and a page of them. Raises NotAllowed without the right to find."""
    principal.require(Right.FIND)
    bank.reads.search(principal, "completeness of studies", address)
    reader = bank.index.completeness
    return reader.count(asked, principal.scope), reader.listed(asked, principal.scope)


def settle(bank: Bank, study: Uid, reason: str, principal: Principal, address: str = "") -> Completeness:
    """Say that there is no more of a study than what is here; what is announced later counts again.

    Raises NotAllowed without the right to reconcile, Invalid without a reason, NotFound.
    """
    words = " ".join(reason.split())
    if not words:
        raise Invalid("say why there is no more to come, such as “the patient left before the end”")
    if len(words) > _LONGEST_REASON:
        raise Invalid("the reason is longer than {longest} characters", longest=_LONGEST_REASON)
    return _decide(bank, study, words, principal, address)


def reopen(bank: Bank, study: Uid, principal: Principal, address: str = "") -> Completeness:
    """Take back that there is no more of a study. Raises as `settle` does, and NotFound where nobody has said so."""
    return _decide(bank, study, "", principal, address)


def _decide(bank: Bank, study: Uid, reason: str, principal: Principal, address: str) -> Completeness:
    principal.require(Right.RECONCILE)
    found = bank.index.completeness.of_study(study, principal.scope)
    if found is None:
        raise NotFound("there is no such study here")
    if not reason and found.settled is None:
        raise NotFound("nobody has said that there is no more")
    now = bank.now()
    word = Expectation(study, found.organization, found.patient, Origin.PERSON, "", now, principal.name, reason=reason)
    if not reason:
        word = replace(word, is_withdrawn=True)
    detail = "completeness: all there is" if reason else "completeness: all there is, taken back"
    with bank.index.begin() as tx:
        expecting.expect(bank, tx, word)
        about = audit.event(bank, Act.DECIDED, principal, address, detail)
        tx.record([replace(about, study=study, patient=found.patient)])
    judge(bank, study)
    return bank.index.completeness.of_study(study, principal.scope) or found
