"""FHIR R4 Consent of scope `patient-privacy`, as IHE PCF shapes it, to provisions and back.

What cannot be enforced is refused, naming the element: a consent is followed wholly or not at all. What changes nothing
for those who ask (policy, performer, source, text and so on) may stand there and is not kept.
"""

import re
from calendar import monthrange
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final

from imagebank.errors import Invalid
from imagebank.model.access import Purpose, Role
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid

Parts = dict[str, Any]
"""Parts of a provision by their names."""

TYPE: Final = "application/fhir+json"
MOST: Final = 100
"""Provisions that one consent may take."""

SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
PURPOSE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ROLE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
MODALITY: Final = "http://dicom.nema.org/resources/ontology/DCM"
UIDS: Final = "urn:dicom:uid"
OURS: Final = "urn:imagebank:"
"""Before `organization`, `principal` and `role`: whose names the identifiers of actors are."""
IDLE: Final = frozenset(
    [
        *("id", "meta", "language", "text", "identifier", "dateTime", "performer", "organization"),
        *("sourceAttachment", "sourceReference", "policy", "policyRule", "category"),
    ]
)
"""Elements that may stand in a consent and bear on nobody."""
ELEMENTS: Final = IDLE | {"resourceType", "status", "scope", "patient", "provision"}
PROVISION: Final = frozenset(["id", "type", "period", "actor", "purpose", "class", "data", "dataPeriod"])

_LONGEST: Final = 256
_ACTORS: Final[Mapping[str, str]] = {
    "Organization": "organization",
    "Practitioner": "principal",
    "Person": "principal",
    "Device": "principal",
    "PractitionerRole": "role",
}
_WRITTEN: Final[Mapping[str, str]] = {
    "organization": "Organization",
    "principal": "Practitioner",
    "role": "PractitionerRole",
}
_DAY: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CODE: Final = re.compile(r"[A-Z0-9_]{1,16}", re.ASCII)
_SECOND: Final = timedelta(seconds=1)


def read(resource: object, now: datetime) -> list[Provision]:
    """What a consent permits or denies, from now on at the earliest. Raises Invalid, naming the element."""
    consent = _object(resource, "Consent", ELEMENTS)
    _require(consent.get("resourceType") == "Consent", "resourceType", "send a Consent")
    _require(consent.get("status") == "active", "status", "only an active consent can be followed")
    _coded(consent.get("scope"), SCOPE, {"patient-privacy"}, "scope")
    patient = _patient(consent.get("patient"))
    provision = _object(consent.get("provision"), "provision", PROVISION)
    word = provision.get("type")
    _require(word in ("permit", "deny"), "provision.type", "say permit or deny")
    starts_at, ends_at = _period(provision.get("period", {}), now)
    since, until = _dates(provision.get("dataPeriod", {}))
    parts = list(product(*(list(each) or [{}] for each in _dimensions(provision))))
    _require(len(parts) <= MOST, "provision", f"names more than {MOST} combinations")
    common: Parts = {"starts_at": starts_at, "ends_at": ends_at, "since": since, "until": until}
    return [
        Provision(
            "", Kind.CONSENT, word == "permit", patient, **common, **{k: v for each in found for k, v in each.items()}
        )
        for found in parts
    ]


def _dimensions(provision: Mapping[str, Any]) -> Iterator[Iterator[Parts]]:
    """What any one of has to hold: actors, purposes, modalities, studies."""
    where = "provision.actor"
    yield (part for each in _list(provision.get("actor", []), where) for part in _actor(each, where))
    for name, one_of in (("purpose", _purpose), ("class", _modality), ("data", _study)):
        where = f"provision.{name}"
        yield (one_of(each, where) for each in _list(provision.get(name, []), where))


def _patient(value: object) -> PatientId:
    reference = _object(value, "patient", {"identifier", "type", "display"})
    given = _object(reference.get("identifier"), "patient.identifier", {"system", "value", "use", "type"})
    issuer = _text(given.get("system"), "patient.identifier.system")
    return PatientId(issuer, _text(given.get("value"), "patient.identifier.value"))


def _actor(value: object, where: str) -> list[Parts]:
    """Whom it is for. FHIR's Device is a program that has a token or key, or a device with an AE title."""
    actor = _object(value, where, {"role", "reference"})
    _coded(actor.get("role"), ROLE, {"IRCP"}, f"{where}.role")
    where = f"{where}.reference"
    reference = _object(actor.get("reference"), where, {"reference", "type", "identifier", "display"})
    kind, name = reference.get("type"), ""
    if "reference" in reference:
        _require("identifier" not in reference, where, "give a reference or an identifier")
        before, _, name = _text(reference["reference"], where).partition("/")
        _require(kind in (None, before), f"{where}.type", "is not what the reference is of")
        kind = before
    _require(isinstance(kind, str) and kind in _ACTORS, f"{where}.type", f"is one of {', '.join(_ACTORS)}")
    part = _ACTORS[str(kind)]
    if "identifier" in reference:
        given = _object(reference["identifier"], f"{where}.identifier", {"system", "value"})
        _require(given.get("system") == OURS + part, f"{where}.identifier.system", f"has to be {OURS}{part}")
        name = given.get("value", "")
    name = _text(name, where)
    if kind == "Device":
        return [{part: name}, {part: name, "role": Role.DEVICE}]
    return [{part: _role(name, where) if part == "role" else name}]


def _role(name: str, where: str) -> Role:
    _require(name in set(Role), where, f"there is no role {name!r}; there are {', '.join(Role)}")
    return Role(name)


def _purpose(value: object, where: str) -> Parts:
    return {"purpose": Purpose(_coding(value, PURPOSE, set(Purpose), where))}


def _modality(value: object, where: str) -> Parts:
    code = _coding(value, MODALITY, None, where)
    _require(_CODE.fullmatch(code) is not None, where, "has to be a modality such as CT")
    return {"modality": code}


def _study(value: object, where: str) -> Parts:
    data = _object(value, where, {"meaning", "reference"})
    _require(
        data.get("meaning") == "instance", f"{where}.meaning", "only `instance`, the study itself, can be followed"
    )
    where = f"{where}.reference"
    reference = _object(data.get("reference"), where, {"reference", "type", "identifier", "display"})
    if "reference" in reference:
        _require("identifier" not in reference, where, "give a reference or an identifier")
        kind, _, uid = _text(reference["reference"], where).partition("/")
    else:
        given = _object(reference.get("identifier"), f"{where}.identifier", {"system", "value", "use"})
        _require(given.get("system") == UIDS, f"{where}.identifier.system", f"has to be {UIDS}")
        kind, uid = "ImagingStudy", _text(given.get("value"), where).removeprefix("urn:oid:")
    _require(kind == "ImagingStudy" == reference.get("type", kind), where, "has to be an ImagingStudy")
    return {"study": Uid.parse(uid)}


def _period(value: object, now: datetime) -> tuple[datetime, datetime]:
    """From when until before when; a day, a month or a year that is named is in it wholly (FHIR R4 2.24.0.11)."""
    period = _object(value, "provision.period", {"start", "end"})
    starts_at = _moments(period["start"], "provision.period.start")[0] if "start" in period else now
    ends_at = _moments(period["end"], "provision.period.end")[1] if "end" in period else FOR_EVER
    _require(ends_at > max(starts_at, now), "provision.period", "has ended, or ends before it begins")
    return max(starts_at, now), ends_at


def _moments(value: object, where: str) -> tuple[datetime, datetime]:
    """When a dateTime begins, and when it is over."""
    text = _text(value, where)
    try:
        if _MOMENT.fullmatch(text):
            at = datetime.fromisoformat(text).astimezone(UTC)
            return at, at + _SECOND
        first, last = _days(text, _DAY)
        day = datetime.strptime(last, "%Y%m%d").replace(tzinfo=UTC)
        return datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC), day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Invalid(f"{where}: {text!r} is no date, and no time with its zone") from None


def _days(text: str, form: re.Pattern[str]) -> tuple[str, str]:
    """The first and the last day of a date that may lack its day and month. Raises ValueError."""
    match = form.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day = match.groups()
    end = int(month or 12)
    last = day or f"{monthrange(int(year), end)[1]:02}" if 1 <= end <= 12 else "99"
    found = f"{year}{month or '01'}{day or '01'}", f"{year}{end:02}{last}"
    for each in found:
        datetime.strptime(each, "%Y%m%d").replace(tzinfo=UTC)
    return found


def _dates(value: object) -> tuple[str, str]:
    """The dates of studies, YYYYMMDD; empty where there is no bound."""
    period = _object(value, "provision.dataPeriod", {"start", "end"})
    bounds = []
    for name, place in (("start", 0), ("end", 1)):
        where = f"provision.dataPeriod.{name}"
        text = _text(period[name], where) if name in period else ""
        try:
            bounds.append(_days(text, _DAY)[place] if text else "")
        except ValueError:
            raise Invalid(f"{where}: {text!r} is no date; studies are known by their days") from None
    return bounds[0], bounds[1]


def _coded(value: object, system: str, codes: set[str], where: str) -> None:
    concept = _object(value, where, {"coding", "text"})
    for each in _list(concept.get("coding"), f"{where}.coding"):
        _coding(each, system, codes, f"{where}.coding")
    _require(bool(concept["coding"]), f"{where}.coding", "is empty")


def _coding(value: object, system: str, codes: set[str] | None, where: str) -> str:
    coding = _object(value, where, {"system", "code", "display", "version"})
    _require(coding.get("system") == system, f"{where}.system", f"has to be {system}")
    code = _text(coding.get("code"), f"{where}.code")
    if codes is not None and code not in codes:
        raise Invalid(f"{where}.code: {code!r} cannot be followed; {', '.join(sorted(codes))} can")
    return code


def _object(value: object, where: str, known: frozenset[str] | set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{where}: is missing, or no object")
    for name in value:
        if name not in known:
            raise Invalid(f"{where}.{_shown(name)} says more than this bank can follow; leave it out, nothing was kept")
    return value


def _list(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise Invalid(f"{where}: is missing, or no list")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST or not value.isprintable():
        raise Invalid(f"{where}: is missing, or no text of one line")
    return value


def _require(holds: bool, where: str, words: str) -> None:
    if not holds:
        raise Invalid(f"{where}: {words}")


def _shown(name: object) -> str:
    text = str(name)[:64]
    return text if text.isprintable() else repr(text)


def write(name: str, given: Sequence[Provision]) -> dict[str, Any]:
    """The Consent of provisions that were decided together, as it is kept. `name` is its id."""
    one = given[0]
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "inactive" if one.revoked_at else "active",
        "scope": _concept(SCOPE, "patient-privacy"),
        "category": [_concept("http://loinc.org", "59284-0")],
        "patient": {"identifier": {"system": one.patient.issuer, "value": one.patient.identifier}},
        "dateTime": _instant(one.starts_at),
        "policy": [{"uri": f"{OURS}rights"}],
        "provision": _provision(given),
    }


def _provision(given: Sequence[Provision]) -> dict[str, Any]:
    one = given[0]
    period = {"start": _instant(one.starts_at)}
    if one.ends_at != FOR_EVER:
        period["end"] = _instant(one.ends_at - _SECOND)
    bounds = {"start": _dashed(one.since), "end": _dashed(one.until)}
    devices = {each.principal for each in given if each.role is Role.DEVICE}
    found: dict[str, Any] = {
        "type": "permit" if one.permits else "deny",
        "period": period,
        "actor": _distinct(_actor_of(each, devices) for each in given),
        "purpose": _distinct(
            {"system": PURPOSE, "code": str(each.purpose)} if each.purpose else None for each in given
        ),
        "class": _distinct({"system": MODALITY, "code": each.modality} if each.modality else None for each in given),
        "dataPeriod": {name: date for name, date in bounds.items() if date},
        "data": _distinct(_data_of(each) for each in given),
    }
    return {name: value for name, value in found.items() if value}


def _actor_of(one: Provision, devices: Collection[str]) -> dict[str, Any] | None:
    for part, usual in _WRITTEN.items():
        if value := getattr(one, part):
            kind = "Device" if part == "principal" and value in devices else usual
            named = {"type": kind, "identifier": {"system": OURS + part, "value": str(value)}}
            return {"role": _concept(ROLE, "IRCP"), "reference": named}
    return None


def _data_of(one: Provision) -> dict[str, Any] | None:
    if one.study is None:
        return None
    named = {"type": "ImagingStudy", "identifier": {"system": UIDS, "value": f"urn:oid:{one.study}"}}
    return {"meaning": "instance", "reference": named}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _distinct(values: Iterator[dict[str, Any] | None]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for value in values:
        if value and value not in found:
            found.append(value)
    return found


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dashed(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else ""
