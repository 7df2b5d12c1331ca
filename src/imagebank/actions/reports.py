"""Reports: keeping every version sealed, and giving them out with their study to whoever may see that."""

import io
from dataclasses import dataclass, replace

import msgspec

from imagebank.actions import notes, releasing
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.delay import MODALITY, type_words
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Selection
from imagebank.model.key import owner_of
from imagebank.model.note import Enclosure
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid

WAY = "report"
"""How a look at reports stands in the ledger."""


@dataclass(frozen=True, slots=True)
class Told:
    """A version of a report with what it says; None where the bytes cannot be read any more."""

    report: Report
    body: Body | None


def keep(
    bank: Bank, report: Report, body: Body, principal: str, address: str = "", answers: Order | None = None
) -> bool:
    """Keep a version of a report, durably; False when this very version is kept already.

    It is sealed as objects of its patient are. `answers` is the order by which it belongs to a study, where it names
    none itself. Raises Invalid for a report of nobody, or of no study; OutOfSpace and Unavailable, and then nothing is
    kept.
    """
    if not report.patient.identifier:
        raise Invalid("a report has a patient identifier")
    named = _answering(report, answers) if answers is not None else report
    if not (named.study or named.accession):
        raise Invalid("a report names its study, by Study Instance UID or accession number")
    packed = msgspec.json.encode(body)
    now = bank.now()
    # Of what it says itself: it is the same version, too, when its order has become another study's.
    kept = replace(named, digest=digest_of(b"\0".join((*_identity(report), packed))), received_at=now)
    key = bank.keys.of(owner_of(report.patient, report.organization))
    note = Enclosure(digest_of(packed), report=kept)
    location = bank.blobs.write(io.BytesIO(packed), len(packed), notes.pack(note), key)
    bank.blobs.sync([location])
    event = Event(
        now,
        Act.DEPOSITED,
        principal,
        report.organization,
        address,
        study=kept.study,
        detail="report: stored",
        patient=report.patient,
    )
    # Who reports need not see the studies; what is said of them stays in the bank.
    studies = bank.index.orders.studies_of(kept, Scope(organizations=None))
    with bank.index.begin() as tx:
        is_new = tx.orders.put_report(replace(kept, location=location), key.name)
        tx.record([event] if is_new else [])
        for study in studies if is_new else ():
            tx.defer("words", {"study": study}, now, key=study)
            releasing.tell_soon(bank, tx, study, kept.which)
    if not is_new:
        bank.blobs.destroy([location])
    return is_new


def _answering(report: Report, order: Order) -> Report:
    """A report with what the order that it answers says of it."""
    modality = [MODALITY + order.modality] if order.modality else []
    return replace(report, accession=order.accession, study=order.study, types=type_words((*report.types, *modality)))


def _identity(report: Report) -> tuple[bytes, ...]:
    """What tells one version from another beside its words."""
    texts = (
        report.organization,
        report.patient.issuer,
        report.patient.identifier,
        report.number,
        report.status,
        report.accession,
        report.study or "",
        report.event_at.isoformat(),
    )
    return tuple(text.encode("utf-8", "surrogatepass") for text in texts)


def hand_over(bank: Bank, study: Uid, patient: PatientId, principal: Principal, address: str = "") -> None:
    """Let the reports that came with a study of another hospital's patient be of `patient`, too, who that is found to be.

    Those that name the study and are of its record of now; they are sealed anew, as `patient`'s. Raises as `keep` does.
    """
    held = bank.index.instances(Selection(study), principal.scope)[:1]
    for one in reversed(bank.index.orders.reports(study, principal.scope)):
        body = body_of(bank, one)
        if body is not None and one.study == study and one.patient == held[0].patient:
            keep(bank, replace(one, patient=patient), body, principal.name, address)


def of_study(bank: Bank, study: Uid, principal: Principal, address: str = "") -> list[Told]:
    """Every version of every report of a study, newest first; the look is in the ledger before the answer.

    Raises NotFound for a study that is not there or not for the caller, NotAllowed without the right to get.
    """
    principal.require(Right.GET)
    instances = bank.index.instances(Selection(study), principal.scope)
    if not instances:
        raise NotFound("there is no such study here")
    found = bank.index.orders.reports(study, principal.scope)
    if found:
        bank.reads.count(principal, instances[:1], WAY, address)
    return [Told(one, body_of(bank, one)) for one in found]


def body_of(bank: Bank, report: Report) -> Body | None:
    """What a version of a report says; None where the bytes cannot be read any more."""
    assert report.location is not None
    try:
        return msgspec.json.decode(bank.blobs.read(report.location), type=Body)
    except (NotFound, Invalid, msgspec.DecodeError):
        return None


def document(bank: Bank, study: Uid, number: int, place: int, principal: Principal, address: str = "") -> Part:
    """One part of a report of a study. Raises NotFound, NotAllowed."""
    for told in of_study(bank, study, principal, address):
        if told.report.id == number and told.body is not None and 0 <= place < len(told.body.parts):
            return told.body.parts[place]
    raise NotFound("there is no such report here")
