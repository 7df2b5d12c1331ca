"""The accounting of disclosures (45 CFR 164.528): who was given what of a patient, when and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import trail
from imagebank.bank import Bank
from imagebank.dicom.moments import day
from imagebank.errors import Invalid
from imagebank.model.access import Principal, Purpose
from imagebank.model.audited import MORE, Recipient, moment_of, recipient_of
from imagebank.model.event import Act
from imagebank.model.imaging import DataSet
from imagebank.model.ledger import Line, Sought
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

PERIOD: Final = timedelta(days=6 * 365 + 2)
"""How far back a patient may ask: six years."""
EXEMPT: Final = frozenset(
    {Purpose.TREATMENT, Purpose.EMERGENCY, Purpose.PAYMENT, Purpose.OPERATIONS, Purpose.PATIENT_REQUEST}
)
"""164.528(a)(1)(i) and (ii): what was for treatment, payment or operations, or to the patient, need not be accounted for."""
_GIVING: Final = frozenset({Act.VIEWED, Act.SENT})
_DATE, _MODALITIES, _DESCRIPTION = "00080020", "00080061", "00081030"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one recipient was given of one study on one day (UTC), in one way and for one purpose.

    `at` is the first time that day, `number` how many objects and frames. `description` is of what the study was,
    as far as it is still held. What somebody had sent to a device went to the device; `way` says who asked for it.
    """

    at: datetime
    recipient: str
    organization: str
    address: str
    study: str
    description: str
    number: int
    way: str
    purpose: Purpose | None
    is_exempt: bool


@dataclass(frozen=True, slots=True)
class Accounting:
    """The disclosures of a patient's images in a period, oldest first; the period ends before `until`."""

    patient: PatientId
    since: datetime
    until: datetime
    made_at: datetime
    disclosures: tuple[Disclosure, ...]


def accounting(
    bank: Bank,
    patient: PatientId,
    principal: Principal,
    address: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Accounting:
    """What was disclosed of a patient's images, by default in the last six years.

    Raises NotAllowed without the right to read the ledger, Invalid without an identifier or for a period of no length.
    """
    until = until or bank.now()
    since = since or until - PERIOD
    if not patient.identifier:
        raise Invalid("name the patient by an identifier and its issuer")
    if since >= until:
        raise Invalid("the period ends before it begins")
    scope = trail.reading(bank, principal, address, "read the ledger: disclosures", patient)
    wanted = Sought(since=_micros(since), until=_micros(until), acts=_GIVING, patient=patient)
    lines = [line for line in bank.index.lines(wanted, scope) if line.study]
    studies = trail.studies_by_uid(bank, {Uid(line.study) for line in lines})
    return Accounting(patient, since, until, bank.now(), tuple(_disclosures(sorted(lines, key=trail.place), studies)))


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _disclosures(lines: Iterable[Line], studies: Mapping[str, DataSet]) -> list[Disclosure]:
    found: dict[tuple[object, ...], Disclosure] = {}
    for line in lines:
        at, way, recipient = moment_of(line), *_given_to(line)
        key = (at.date(), recipient, line.study, way, line.purpose)
        if key in found:
            found[key] = replace(found[key], number=found[key].number + line.count)
            continue
        purpose = Purpose(line.purpose) if line.purpose else None
        found[key] = Disclosure(
            at,
            recipient.name,
            recipient.organization,
            recipient.address,
            line.study,
            _described(studies.get(line.study, {})),
            line.count,
            way,
            purpose,
            purpose in EXEMPT,
        )
    return list(found.values())


def _given_to(line: Line) -> tuple[str, Recipient]:
    """In which way something was given, and to whom."""
    recipient = recipient_of(line)
    if recipient is None:
        return line.detail.removesuffix(MORE), Recipient(line.principal, line.address, line.organization)
    asked = "" if line.principal == recipient.name else f", asked for by {line.principal}"
    return f"C-MOVE{asked}", recipient


def _described(study: DataSet) -> str:
    date, *texts = (_text(study, tag) for tag in (_DATE, _MODALITIES, _DESCRIPTION))
    return ", ".join(filter(None, (day(date), *texts)))


def _text(study: DataSet, tag: str) -> str:
    return " ".join(str(value) for value in study.get(tag, {}).get("Value", ()) if value)
