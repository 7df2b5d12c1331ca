"""What an object says of the order and the visit that it belongs to (PS3.3 C.7.2.1, C.7.2.2, C.7.3.1, 10.6)."""

from typing import Final

from pydicom.dataset import Dataset

from imagebank.model.order import Code, Order
from imagebank.model.upload import About

_SHORT: Final = 16
_LONG: Final = 64


def put_order(ds: Dataset, about: About) -> None:
    """Add what is known of the order and the visit; nothing where there is none. Accession and study UID stand elsewhere."""
    admission = about.encounter or (about.asked.ordered.admission if about.asked else "")
    if admission and len(admission) <= _LONG:
        ds.AdmissionID = admission
        known = about.visit or about.asked
        if known is not None:
            ds.IssuerOfAdmissionIDSequence = [_issuer(known.organization)]
    if about.asked is not None:
        _put(ds, about.asked)


def _put(ds: Dataset, order: Order) -> None:
    ordered = order.ordered
    ds.ReferringPhysicianName = ordered.referring
    if order.accession_issuer and ds.AccessionNumber:
        ds.IssuerOfAccessionNumberSequence = [_issuer(order.accession_issuer)]
    if ordered.performing:
        ds.PerformingPhysicianName = ordered.performing
    if ordered.reason:
        ds.ReasonForVisit = ordered.reason[:_LONG]
    ds.ProcedureCodeSequence = _coded(ordered.procedure)
    if not ds.ProcedureCodeSequence:
        del ds.ProcedureCodeSequence
    if order.procedure_id or order.step_id or ordered.procedure != Code():
        ds.RequestAttributesSequence = [_request(order)]


def _request(order: Order) -> Dataset:
    """An item of the Request Attributes Sequence (PS3.3 table 10-9): by which procedure and step it was asked for."""
    item = Dataset()
    # PS3.3 table 10-9: both identifiers are there where the procedure was scheduled; whoever orders may have but one.
    for keyword, value in (("RequestedProcedureID", order.procedure_id), ("ScheduledProcedureStepID", order.step_id)):
        if 0 < len(value or order.number) <= _SHORT:
            setattr(item, keyword, value or order.number)
    if order.accession and len(order.accession) <= _SHORT:
        item.AccessionNumber = order.accession
    procedure, protocol = order.ordered.procedure, order.ordered.protocol
    if procedure.meaning:
        item.RequestedProcedureDescription = procedure.meaning[:_LONG]
    if codes := _coded(procedure):
        item.RequestedProcedureCodeSequence = codes
    if protocol.meaning:
        item.ScheduledProcedureStepDescription = protocol.meaning[:_LONG]
    if codes := _coded(protocol):
        item.ScheduledProtocolCodeSequence = codes
    if order.study is not None:
        item.StudyInstanceUID = order.study
    return item


def _issuer(name: str) -> Dataset:
    """Who gave a number (PS3.3 10.14)."""
    item = Dataset()
    item.LocalNamespaceEntityID = name
    return item


def _coded(code: Code) -> list[Dataset]:
    """A code sequence (PS3.3 8.8); empty for what is not wholly coded, or longer than a code may be."""
    # HL7 calls a site's own codes L; DICOM wants such schemes to begin with 99 (PS3.3 8.2).
    scheme = "99LOCAL" if code.system in ("L", "") else code.system
    if not (code.value and code.meaning and len(code.value) <= _SHORT and len(scheme) <= _SHORT):
        return []
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, scheme, code.meaning[:_LONG]
    return [item]
