"""What a study may be that names nobody, field by field, and the changes that a decision about it comes to."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from imagebank.model.candidate import Guess
from imagebank.model.identity import Identity
from imagebank.model.imaging import DataSet, Element
from imagebank.model.proposal import Proposal, ranked
from imagebank.model.region import REGIONS
from imagebank.model.upload import About, Laterality, read_about

FIELDS: Final = ("taken_at", "department", "body_part", "laterality", "description")
"""What is asked beside the patient, by the names of `model.upload`."""
_OF_ONE: Final = frozenset({"taken_at", "laterality"})
"""What may differ between the images of one study."""
_AS_IT_CAME: Final = timedelta(minutes=5)


def guesses(header: DataSet, proposals: Sequence[Sequence[Proposal]], came_at: datetime | None) -> tuple[Guess, ...]:
    """What a study says of itself by its first object, with what is proposed for each of its objects.

    `came_at` is when a file came that says nothing itself: that it was taken then nobody has said. A field of which
    the images say different things is left out: it is none of the study's.
    """
    found = []
    for field in FIELDS:
        each = [tuple(one for one in of_one if one.field == field) for of_one in proposals]
        if field in _OF_ONE and len({tuple(one.value for one in some) for some in each}) > 1:
            continue
        held = _held(header, field)
        is_said = came_at is None or not _is_put_there(field, held, came_at)
        offered = tuple(sorted(ranked(one for some in each for one in some), key=lambda one: -one.confidence))
        found.append(Guess(field, held, offered, is_said))
    return tuple(found)


def _is_put_there(field: str, held: str, came_at: datetime) -> bool:
    """Whether an object that was made of a file has a value for want of a better one (`dicom.wrap`)."""
    if field == "laterality":
        return held == Laterality.BOTH
    try:
        return field == "taken_at" and abs(datetime.fromisoformat(held) - came_at.replace(tzinfo=None)) < _AS_IT_CAME
    except ValueError:
        return False


def _held(header: DataSet, field: str) -> str:
    """What a header says, in the form of `read_about`; a word of its own where it says something else."""
    match field:
        case "taken_at":
            day, time = _text(header, "00080020"), _text(header, "00080030").partition(".")[0]
            return f"{day[:4]}-{day[4:6]}-{day[6:8]}T{time[:2] or '00'}:{time[2:4] or '00'}" if len(day) == 8 else ""
        case "department":
            return _text(header, "00081040")
        case "body_part":
            return _text(header, "00180015")
        case "laterality":
            side = _text(header, "00200062") or _text(header, "00200060")
            return side if side in set(Laterality) else ""
    return _text(header, "00081030")


def _text(header: DataSet, key: str) -> str:
    return str(next(iter((header.get(key) or {}).get("Value") or ()), "") or "").strip()


def changes(
    header: DataSet, who: Identity, accession: str, accepted: Mapping[str, str], count: int
) -> dict[str, Element | None]:
    """What changes in a study of `count` objects that is this patient's, by keyword.

    What is empty in the record or was not accepted stays as it is, and so does what the study says already, also an
    accession number. Raises Invalid for a value that is none.
    """
    wanted: dict[str, Element | None] = {**_of(who)}
    if accession and not _text(header, "00080050"):
        wanted["AccessionNumber"] = _element("SH", accession)
    given = {
        field: value for field, value in accepted.items() if field in FIELDS and value and value != _held(header, field)
    }
    plain = {field: value for field, value in given.items() if field not in ("department", "description")}
    about = read_about(plain)
    if "department" in given:
        wanted["InstitutionalDepartmentName"] = _element("LO", given["department"])
    if "description" in given:
        wanted["StudyDescription"] = _element("LO", given["description"][:64])
    return wanted | _taken(about, count) | _region(about, header)


def _of(who: Identity) -> dict[str, Element]:
    wanted = {
        "PatientID": _element("LO", who.patient.identifier),
        "IssuerOfPatientID": _element("LO", who.patient.issuer),
    }
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), who.name.groups(), strict=True))
    if any(groups.values()):
        wanted["PatientName"] = {"vr": "PN", "Value": [{name: text for name, text in groups.items() if text}]}
    if who.birth_date:
        wanted["PatientBirthDate"] = _element("DA", who.birth_date)
    if who.sex:
        wanted["PatientSex"] = _element("CS", who.sex)
    return wanted


def _element(vr: str, value: str) -> Element:
    return {"vr": vr, "Value": [value]}


def _taken(about: About, count: int) -> dict[str, Element]:
    """When it was taken: of the study, and of the object where there is one."""
    if about.taken_at is None:
        return {}
    levels = ("Study", "Series", "Content") if count == 1 else ("Study",)
    day, time = _element("DA", f"{about.taken_at:%Y%m%d}"), _element("TM", f"{about.taken_at:%H%M%S}")
    return {f"{level}Date": day for level in levels} | {f"{level}Time": time for level in levels}


def _region(about: About, header: DataSet) -> dict[str, Element | None]:
    """Part of the body by term and code, and its side where the object has it (PS3.3 10.5, C.7.3.1)."""
    wanted: dict[str, Element | None] = {}
    if about.region is not None:
        code = about.region.code
        item = {
            "00080100": _element("SH", code.value),
            "00080102": _element("SH", code.scheme),
            "00080104": _element("LO", code.meaning),
        }
        wanted["BodyPartExamined"] = _element("CS", about.region.term)
        wanted["AnatomicRegionSequence"] = {"vr": "SQ", "Value": [item]}
    if about.laterality is not Laterality.UNKNOWN:
        is_of_series = _text(header, "00200060") != "" and "00200062" not in header
        wanted["Laterality" if is_of_series else "ImageLaterality"] = _element("CS", about.laterality.value)
        if "00200060" in header and not is_of_series:
            wanted["Laterality"] = None  # it stood there empty, since no image said its side
    return wanted


def region_words() -> dict[str, str]:
    """Parts of the body that may be chosen, by their terms."""
    return {
        term: region.code.meaning for term, region in sorted(REGIONS.items(), key=lambda pair: pair[1].code.meaning)
    }
