"""One person's studies in the order of time, and the lanes that they are told apart by: parts of the body, departments."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagebank.model.completeness import Standing
from imagebank.model.identity import Decision, Linked
from imagebank.model.imaging import DataSet
from imagebank.model.order import Order
from imagebank.model.report import Report, Waiting
from imagebank.model.uid import Uid


class Kind(StrEnum):
    """What a study is by what is in it: images of a device, photographs and films, or documents alone."""

    IMAGES = "images"
    PHOTOS = "photos"
    DOCUMENTS = "documents"


class Lane(StrEnum):
    """A part of the body as lanes tell them apart, from the head down. OTHER: no object says which."""

    HEAD = "head"
    EYE = "eye"
    MOUTH = "mouth, jaw"
    SPINE = "neck, spine"
    CHEST = "chest, heart"
    ABDOMEN = "abdomen, pelvis"
    ARM = "shoulder, arm"
    LEG = "hip, leg"
    SKIN = "skin"
    WHOLE = "whole body"
    OTHER = "not said"


class By(StrEnum):
    """What the lanes of an overview are."""

    REGION = "region"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study stands among others, the newest first. Date and time are as DICOM has them."""

    date: str
    time: str
    study: Uid


@dataclass(frozen=True, slots=True)
class Part:
    """What the objects of a series say it shows, by the terms of DICOM: a part of the body, its side, by which means."""

    body_part: str
    laterality: str
    modality: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One study. `study` has what a list says of it; `reports` are the newest versions, `departments` as the objects say."""

    uid: Uid
    study: DataSet
    date: str
    kind: Kind
    lanes: tuple[Lane, ...]
    departments: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    standing: Standing | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of one person that the caller may see: studies newest first, and orders that are still to be done.

    `person` is the key of the person, empty for a record of which nothing was heard yet. `records` are those that are
    linked, as far as the caller sees a study of each, and `reasons` the decisions that link them, None for one that none
    names. `waiting` are reports that their person cannot read yet. Where studies are told in pages, `has_more` says that
    there are earlier ones; orders, and what waits, stand on the first.
    """

    person: str
    records: tuple[Linked, ...]
    reasons: tuple[Decision | None, ...]
    entries: tuple[Entry, ...]
    orders: tuple[Order, ...]
    has_more: bool = False
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """So many studies at most, and only those that are earlier than one of them, where it is named."""

    most: int
    before: Uid | None = None


# Terms of Body Part Examined (PS3.16 annex L), and modalities that look at one part alone (PS3.3 C.7.3.1.1.1).
_TERMS: Final[Mapping[Lane, str]] = {
    Lane.HEAD: "HEAD BRAIN SKULL FACE EAR NOSE SINUS PARANASALSINUS PITUITARY TEMPORALBONE IAC SELLA HEADNECK CAROTID",
    Lane.EYE: "EYE RETINA ORBIT CORNEA EYELID OPTICCANAL",
    Lane.MOUTH: "TOOTH JAW MANDIBLE MAXILLA MOUTH TMJ TONGUE PALATE PAROTID",
    Lane.SPINE: "NECK SPINE CSPINE TSPINE LSPINE SSPINE TLSPINE LSSPINE CTSPINE COCCYX SACRUM THYROID LARYNX PHARYNX TRACHEA",
    Lane.CHEST: "CHEST HEART LUNG THORAX RIB STERNUM BREAST CORONARYARTERY AORTA THORACICAORTA MEDIASTINUM BRONCHUS ESOPHAGUS",
    Lane.ABDOMEN: (
        "ABDOMEN ABDOMENPELVIS PELVIS LIVER KIDNEY BLADDER PROSTATE UTERUS COLON RECTUM STOMACH GALLBLADDER PANCREAS"
        " SPLEEN DUODENUM JEJUNUM ILEUM URETER URETHRA OVARY TESTIS SCROTUM BILEDUCT SMALLINTESTINE CERVIX ADRENAL"
    ),
    Lane.ARM: "SHOULDER ARM HUMERUS ELBOW FOREARM WRIST HAND FINGER THUMB CLAVICLE SCAPULA RADIUS ULNA ACJOINT",
    Lane.LEG: "HIP LEG FEMUR THIGH KNEE CALF ANKLE FOOT TOE EXTREMITY PATELLA TIBIA FIBULA CALCANEUS SIJOINT",
    Lane.SKIN: "SKIN",
    Lane.WHOLE: "WHOLEBODY",
}
_MODALITIES: Final[Mapping[Lane, str]] = {
    Lane.EYE: "OP OPT OPM OPV OPTBSV OPTENF IOL KER AR LEN SRF VA OAM OCT",
    Lane.MOUTH: "IO PX",
    Lane.CHEST: "MG ECG HD EPS",
    Lane.SKIN: "DMS",
}
_LANE_OF_TERM: Final = {term: lane for lane, terms in _TERMS.items() for term in terms.split()}
_LANE_OF_MODALITY: Final = {term: lane for lane, terms in _MODALITIES.items() for term in terms.split()}
_VISIBLE_LIGHT: Final = "1.2.840.10008.5.1.4.1.1.77.1."
_DOCUMENTS: Final = tuple(f"1.2.840.10008.5.1.4.1.1.{part}." for part in ("88", "104"))


def lane_of(body_part: str, modality: str) -> Lane:
    """The lane of a series; OTHER when neither its body part nor its modality tells it."""
    term = "".join(sign for sign in body_part.upper() if sign.isalpha())
    return _LANE_OF_TERM.get(term) or _LANE_OF_MODALITY.get(modality.upper(), Lane.OTHER)


def lanes_of(series: Iterable[tuple[str, str]]) -> tuple[Lane, ...]:
    """The lanes of a study by body part and modality of its series, from the head down; OTHER only where none is told."""
    found = {lane_of(*one) for one in series}
    told = found - {Lane.OTHER}
    return tuple(lane for lane in Lane if lane in (told or {Lane.OTHER}))


def kind_of(sop_classes: Iterable[str]) -> Kind:
    """What a study is by the SOP classes in it: documents beside images do not make it one."""
    others = [one for one in sop_classes if not one.startswith(_DOCUMENTS)]
    if not others:
        return Kind.DOCUMENTS
    return Kind.PHOTOS if all(one.startswith(_VISIBLE_LIGHT) for one in others) else Kind.IMAGES


def names_of(entry: Entry, by: By) -> tuple[str, ...]:
    """The lanes that a study stands in; the empty name where no department is said."""
    if by is By.REGION:
        return tuple(str(lane) for lane in entry.lanes)
    return entry.departments or ("",)


def lanes(entries: Iterable[Entry], by: By) -> list[tuple[str, list[Entry]]]:
    """The lanes that there is something in: parts of the body from the head down, departments by how much they have."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        for name in names_of(entry, by):
            found.setdefault(name, []).append(entry)
    if by is By.REGION:
        order = [str(lane) for lane in Lane if str(lane) in found]
    else:
        order = sorted(found, key=lambda name: (name == "", -len(found[name]), name))
    return [(name, found[name]) for name in order]


def years(entries: Iterable[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Entries by their year, in their order; the empty year for those without a date."""
    year, some = "", list[Entry]()
    for entry in entries:
        if some and entry.date[:4] != year:
            yield year, some
            some = []
        year = entry.date[:4]
        some.append(entry)
    if some:
        yield year, some
