"""Values of DICOM as FHIR's data types: names, dates, times, codings, identifiers."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from imagebank.fhir.resources import DCM, Resource, system_of
from imagebank.model.contributed import WORDS, is_contributed
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId, PersonName

UIDS: Final = "urn:dicom:uid"
_REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_PROVENANCE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_WRITINGS: Final = ("ABC", "IDE", "SYL")
_DAY: Final = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_TIME: Final = re.compile(r"(\d\d)(\d\d)?(\d\d)?", re.ASCII)
_ZONE: Final = re.compile(r"([+-]\d\d)(\d\d)", re.ASCII)


def meta_of(updated_at: datetime, patient: PatientId) -> Resource:
    """When a resource changed last; and where it is so, that it is the patient who says this."""
    asserted = {"system": _PROVENANCE, "code": "PATAST", "display": WORDS}
    return filled(lastUpdated=instant_of(updated_at), tag=[asserted] if is_contributed(patient.issuer) else [])


def text_of(attributes: DataSet, key: str) -> str:
    """The first value of an attribute without spaces around it; empty for none."""
    return next(iter(texts_of(attributes, key)), "")


def texts_of(attributes: DataSet, key: str) -> list[str]:
    """The values of an attribute that say something; of names the first writing that is there."""
    found = (_plain(value) for value in (attributes.get(key) or {}).get("Value") or ())
    return [text for text in found if text]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        value = next((text for text in value.values() if text), "")
        return " ".join(str(value).replace("^", " ").split())
    return "" if value is None else str(value).strip()


def number_of(attributes: DataSet, key: str) -> int | None:
    """The first value as a whole number; None where it is none that FHIR can say."""
    text = text_of(attributes, key)
    return int(text) if text.isascii() and text.isdigit() and int(text) < 1 << 31 else None


def filled(**parts: Any) -> Resource:
    """Those parts that say something: FHIR has no empty values. A final underscore of a name falls away."""
    return {name.rstrip("_"): part for name, part in parts.items() if part not in (None, "", [], {})}


def day_of(text: str) -> str:
    """A DICOM date as FHIR has it; empty where there is no such day."""
    match = _DAY.fullmatch(text)
    try:
        return "" if match is None else f"{datetime(int(match[1]), int(match[2]), int(match[3])):%Y-%m-%d}"  # noqa: DTZ001 - a day has no zone
    except ValueError:
        return ""


def moment_of(day: str, time: str, zone: str) -> str:
    """A DICOM date with its time, where its zone is known; FHIR has no time without a zone. Else the date alone."""
    date, clock, offset = day_of(day), _TIME.match(time), _ZONE.fullmatch(zone)
    if not date or clock is None or offset is None:
        return date
    hour, minute, second = (int(part or 0) for part in clock.groups())
    try:
        moment = datetime.fromisoformat(f"{date}T{hour:02}:{minute:02}:{second:02}{offset[1]}:{offset[2]}")
    except ValueError:
        return date
    return moment.isoformat()


def instant_of(moment: datetime) -> str:
    """A moment of ours."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def names_of(name: PersonName) -> list[Resource]:
    """Each writing of a name as a HumanName (PS3.5 6.2.1.2)."""
    return [one for writing, text in zip(_WRITINGS, name.groups(), strict=True) for one in _name(writing, text)]


def _name(writing: str, text: str) -> Iterator[Resource]:
    family, given, middle, prefix, suffix = ([*text.split("^"), *[""] * 5])[:5]
    parts = filled(
        family=family.strip(),
        given=[one.strip() for one in (given, middle) if one.strip()],
        prefix=[prefix.strip()] if prefix.strip() else [],
        suffix=[suffix.strip()] if suffix.strip() else [],
    )
    if parts:
        extension = {"extension": [{"url": _REPRESENTATION, "valueCode": writing}]} if writing != "ABC" else {}
        yield {**extension, **parts}


def modality(code: str) -> Resource:
    """A coding of DICOM's own."""
    return {"system": DCM, "code": code}


def identifier_of(patient: PatientId) -> Resource:
    """A patient identifier with its assigning authority."""
    return filled(system=system_of(patient.issuer) if patient.issuer else "", value=patient.identifier)


def subject_of(patient: PatientId, record: str) -> Resource:
    """Whose something is: the record's own resource; its identifier alone where none was heard of; nobody we know."""
    known = {"reference": f"Patient/{record}"} if record else {}
    told = {"identifier": identifier_of(patient)} if patient.identifier else {}
    return {**known, **told} or {"display": "not identified"}
