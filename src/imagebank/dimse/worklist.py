"""The modality worklist (PS3.4 annex K): what is to be done, made from orders."""

from collections.abc import Iterator, Mapping
from typing import Final

from imagebank.actions import orders
from imagebank.bank import Bank
from imagebank.dicom.keys import CHARSET, Rules, asked_of, is_within, match, plain, returned, text_element
from imagebank.dimse import status
from imagebank.dimse.handlers import Answer, Caller, refused
from imagebank.errors import BankError
from imagebank.model.imaging import DataSet, Element
from imagebank.model.order import Code, Order, State
from imagebank.model.person import PersonName
from imagebank.ports.orders import Wanted

STEPS: Final = "00400100"
_DATE, _TIME = "00400002", "00400003"
_AET, _MODALITY = "00400001", "00080060"
_ACCESSION, _PATIENT_ID = "00080050", "00100020"
UNKNOWN: Final = "UNKNOWN"
"""For what has to have a value (type 1) and of which an order says nothing."""
_ANY_MODALITY: Final = "OT"
_RULES: Final = Rules(apart=frozenset({_DATE, _TIME}), of_any=frozenset({_AET}))
_STATUS: Final = {State.SCHEDULED: "SCHEDULED", State.STARTED: "STARTED"}

KEYS: Final[Mapping[str, tuple[str, str, str]]] = {
    _PATIENT_ID: ("PatientID", "LO", "single value, wildcard"),
    "00100021": ("IssuerOfPatientID", "LO", "single value, wildcard"),
    "00100010": ("PatientName", "PN", "single value, wildcard; without case and accents"),
    "00100030": ("PatientBirthDate", "DA", "single value, range"),
    "00100040": ("PatientSex", "CS", "single value"),
    _ACCESSION: ("AccessionNumber", "SH", "single value, wildcard"),
    "00080051": ("IssuerOfAccessionNumberSequence", "SQ", "by its items"),
    "00400031": ("LocalNamespaceEntityID (in it)", "UT", "single value, wildcard"),
    "0020000D": ("StudyInstanceUID", "UI", "list of UID"),
    "00401001": ("RequestedProcedureID", "SH", "single value, wildcard"),
    "00321060": ("RequestedProcedureDescription", "LO", "single value, wildcard"),
    "00321064": ("RequestedProcedureCodeSequence", "SQ", "by its items"),
    "00401002": ("ReasonForTheRequestedProcedure", "LO", "single value, wildcard"),
    "00401003": ("RequestedProcedurePriority", "SH", "single value"),
    "00321032": ("RequestingPhysician", "PN", "single value, wildcard; without case and accents"),
    "00080090": ("ReferringPhysicianName", "PN", "single value, wildcard; without case and accents"),
    "00402016": ("PlacerOrderNumberImagingServiceRequest", "LO", "single value, wildcard"),
    "00402017": ("FillerOrderNumberImagingServiceRequest", "LO", "single value, wildcard"),
    "00380010": ("AdmissionID", "LO", "single value, wildcard"),
    STEPS: ("ScheduledProcedureStepSequence", "SQ", "by its items"),
    _AET: ("ScheduledStationAETitle (in it)", "AE", "single value; a step that names no station is any station's"),
    _DATE: ("ScheduledProcedureStepStartDate (in it)", "DA", "single value, range, together with the time"),
    _TIME: ("ScheduledProcedureStepStartTime (in it)", "TM", "single value, range"),
    _MODALITY: ("Modality (in it)", "CS", "single value, list"),
    "00400006": ("ScheduledPerformingPhysicianName (in it)", "PN", "single value, wildcard; without case and accents"),
    "00400007": ("ScheduledProcedureStepDescription (in it)", "LO", "single value, wildcard"),
    "00400008": ("ScheduledProtocolCodeSequence (in it)", "SQ", "by its items"),
    "00400009": ("ScheduledProcedureStepID (in it)", "SH", "single value, wildcard"),
    "00400010": ("ScheduledStationName (in it)", "SH", "single value, wildcard"),
    "00400011": ("ScheduledProcedureStepLocation (in it)", "SH", "single value, wildcard"),
    "00400020": ("ScheduledProcedureStepStatus (in it)", "CS", "single value"),
    "00080100": ("CodeValue (in code sequences)", "SH", "single value, wildcard"),
    "00080102": ("CodingSchemeDesignator (in code sequences)", "SH", "single value, wildcard"),
    "00080104": ("CodeMeaning (in code sequences)", "LO", "single value, wildcard"),
}
"""What is known of an order: keyword, VR, matching."""

_EMPTY: Final = frozenset(
    {"00081110", "00081120", "00101030", "001021C0", "00102000", "00102110", "00380050", "00380300", "00380500",
     "00400012", "00401004", "00403001", "00321070"}
)  # fmt: skip
"""Keys of annex K of which an order says nothing: they come back empty, and that is no warning."""


def find(bank: Bank, caller: Caller, identifier: DataSet) -> Iterator[Answer]:
    """Answer a worklist query: one pending answer for each step, then the final one."""
    try:
        wanted = _wanted(identifier)
        sought = "C-FIND worklist by " + ", ".join(sorted(_names(identifier)))
        found = orders.worklist(bank, wanted, caller.principal, sought, caller.address)
        pending = status.PENDING if _is_known(identifier) else status.PENDING_UNSUPPORTED_KEYS
        for order in found:
            held = described(order)
            if _spans(identifier, held) and match(identifier, held, _RULES):
                yield Answer(pending, identifier=_answer(identifier, held))
    except BankError as error:
        yield refused(error, status.FIND)
        return
    yield Answer(status.SUCCESS)


def _step(identifier: DataSet) -> DataSet:
    """The item of the scheduled procedure steps that is asked for."""
    items = identifier.get(STEPS, {}).get("Value") or []
    return items[0] if items and isinstance(items[0], dict) else {}


def _names(identifier: DataSet) -> set[str]:
    """The keywords that narrow; for the ledger, without their values."""
    given = [key for keys in (identifier, _step(identifier)) for key in keys if asked_of(keys, key)]
    return {KEYS[key][0].partition(" ")[0] for key in given if key in KEYS} or {"nothing"}


def _wanted(identifier: DataSet) -> Wanted:
    """What the database can narrow; the rest is looked at one by one."""
    step = _step(identifier)
    first, dash, last = asked_of(step, _DATE).partition("-")
    exact = [plain(asked_of(identifier, key)) for key in (_ACCESSION, _PATIENT_ID)]
    modality = asked_of(step, _MODALITY)
    is_listed = bool(modality) and not set("*?") & set(modality)
    return Wanted(
        since=first if first.isdigit() else "",
        until=(last if dash else first) if (last if dash else first).isdigit() else "",
        modalities=tuple(modality.split("\\")) if is_listed and _ANY_MODALITY not in modality else (),
        station_aet=plain(asked_of(step, _AET)),
        accession=exact[0],
        identifier=exact[1],
    )


def _is_known(keys: DataSet) -> bool:
    """Whether every key is one that annex K has and we know."""
    for key, element in keys.items():
        items = element.get("Value") or []
        inner = items[0] if element["vr"] == "SQ" and items and isinstance(items[0], dict) else {}
        if key not in KEYS and key not in _EMPTY and key != CHARSET:
            return False
        if not _is_known(inner):
            return False
    return True


def described(order: Order) -> DataSet:
    """A step as an item of the worklist."""
    asked, patient = order.ordered, order.patient
    number = order.number
    return {
        _ACCESSION: text_element("SH", order.accession),
        "00080051": _items({"00400031": text_element("UT", order.accession_issuer)} if order.accession_issuer else {}),
        "00080090": _name(asked.referring),
        "00100010": _name(patient.name or UNKNOWN),
        _PATIENT_ID: text_element("LO", patient.id.identifier),
        "00100021": text_element("LO", patient.id.issuer),
        "00100030": text_element("DA", patient.birth_date),
        "00100040": text_element("CS", patient.sex),
        "0020000D": text_element("UI", str(order.study or "")),
        "00321032": _name(asked.requesting),
        "00321060": text_element("LO", asked.procedure.meaning or asked.procedure.value),
        "00321064": _items(_coded(asked.procedure)),
        "00380010": text_element("LO", asked.admission),
        "00401001": text_element("SH", order.procedure_id or number),
        "00401002": text_element("LO", asked.reason),
        "00401003": text_element("SH", asked.priority),
        "00402016": text_element("LO", order.placer),
        "00402017": text_element("LO", order.filler),
        STEPS: _items(_described_step(order)),
    }


def _described_step(order: Order) -> DataSet:
    asked = order.ordered
    protocol = asked.protocol if asked.protocol != Code() else asked.procedure
    at = order.scheduled_at or f"{order.event_at:%Y%m%d%H%M%S}"
    return {
        _MODALITY: text_element("CS", order.modality or _ANY_MODALITY),
        _AET: text_element("AE", order.station_aet),
        _DATE: text_element("DA", at[:8]),
        _TIME: text_element("TM", at[8:] or "000000"),
        "00400006": _name(asked.performing),
        "00400007": text_element("LO", protocol.meaning or protocol.value),
        "00400008": _items(_coded(asked.protocol)),
        "00400009": text_element("SH", order.step_id or order.number),
        "00400010": text_element("SH", asked.station_name),
        "00400011": text_element("SH", asked.place),
        "00400020": text_element("CS", _STATUS.get(order.state or State.SCHEDULED, "SCHEDULED")),
    }


def _coded(code: Code) -> DataSet:
    """A code; none without a value and a system (PS3.3 8.1, 8.2)."""
    if not (code.value and code.system):
        return {}
    return {
        "00080100": text_element("SH", code.value),
        "00080102": text_element("SH", code.system),
        "00080104": text_element("LO", code.meaning or code.value),
    }


def _items(item: DataSet) -> Element:
    return {"vr": "SQ", "Value": [item]} if item else {"vr": "SQ"}


def _name(text: str) -> Element:
    name = PersonName.parse(text)
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    given = {group: value for group, value in groups.items() if value}
    return {"vr": "PN", "Value": [given]} if given else {"vr": "PN"}


def _spans(identifier: DataSet, held: DataSet) -> bool:
    """Whether a step begins within a range of dates and times, which are one range together (PS3.4 K.2.2.1)."""
    step, own = _step(identifier), _step(held)
    dates, times = asked_of(step, _DATE), asked_of(step, _TIME)
    if "-" not in dates or "-" not in times:
        return is_within(dates, asked_of(own, _DATE)) and is_within(times, asked_of(own, _TIME))
    at = asked_of(own, _DATE) + asked_of(own, _TIME).ljust(6, "0")
    (first, _, last), (begin, _, end) = dates.partition("-"), times.partition("-")
    return (not first or at >= first + begin) and (not last or at <= last + (end or "").ljust(6, "9"))


def _answer(identifier: DataSet, held: DataSet) -> DataSet:
    """One step: the keys that were asked for, empty where nothing is known."""
    answer = {key: returned(element, held.get(key)) for key, element in identifier.items() if key != CHARSET}
    if CHARSET in identifier:
        answer[CHARSET] = {"vr": "CS"}
    # Type 1, and of a step that is any station's nobody has said it: it is that of whoever asks.
    for item in answer.get(STEPS, {}).get("Value") or []:
        if _AET in item and not asked_of(item, _AET):
            item[_AET] = text_element("AE", plain(asked_of(_step(identifier), _AET)) or UNKNOWN)
    return answer
