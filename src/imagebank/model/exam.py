"""What an exam is, however a site wrote it: its kind, what it shows, on which side, with contrast or without, and why."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from imagebank.model.region import Code
from imagebank.model.uid import Uid


class Group(StrEnum):
    """Modalities (PS3.3 C.7.3.1.1.1) that answer the same questions, as one."""

    CT = "CT"
    MR = "MR"
    XR = "XR"
    US = "US"
    MG = "MG"
    NM = "NM"
    PT = "PT"
    XA = "XA"
    RF = "RF"
    OPH = "OPH"
    DENTAL = "DX_DENTAL"
    ECG = "ECG"
    ES = "ES"
    PHOTO = "PHOTO"
    OTHER = "OTHER"


class Side(StrEnum):
    """Which of a paired part is shown; written as in Image Laterality (0020,0062)."""

    RIGHT = "R"
    LEFT = "L"
    BOTH = "B"
    UNSAID = ""


class Contrast(StrEnum):
    """Whether a contrast agent was given."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Context(StrEnum):
    """Why an exam is ordered, as far as it says how welcome a warning of a repetition is."""

    ROUTINE = "routine"
    URGENT = "urgent"
    FOLLOWUP = "followup"
    POSTOP = "postop"
    PREOP = "preop"
    SCREENING = "screening"


class Source(StrEnum):
    """By what something of an exam is known, the surest first."""

    CODE = "code"
    ATTRIBUTE = "attribute"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Said:
    """What headers or an order say of an exam, as they say it; what is not said is empty.

    `modalities` are of its series (0008,0060), most telling first. `descriptions` are the words of the study, the
    requested procedure and the order; `series` those of series and protocols. `body_parts` are values of Body Part
    Examined (0018,0015), `codes` of procedures, `regions` of Anatomic Region Sequence. `laterality` is a tag's R, L, B
    or U, `views` are View Positions, `agent` the Contrast/Bolus Agent.
    """

    modalities: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    regions: tuple[Code, ...] = ()
    laterality: str = ""
    views: tuple[str, ...] = ()
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one thing is held to be so: `value` of the `field` of an exam, read from `text` in what `source` says."""

    field: str
    value: str
    source: Source
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam, normalised. `regions` are terms of Body Part Examined (PS3.16 annex L), in alphabetical order.

    `kind` tells exams of one group and region apart that do not stand for each other ("angiography", "intervention",
    "screening"); `purpose` is why it was made where words say so. `confidence` is of the whole, from 0 to 1; `unknown`
    are words that no table has. `is_torn` where one says left and another right, so that `side` is what the surer one says.
    `is_pictureless` where there are only reports, marks and the like of it, and no images.
    """

    group: Group
    regions: tuple[str, ...] = ()
    side: Side = Side.UNSAID
    contrast: Contrast = Contrast.UNKNOWN
    kind: str = ""
    purpose: str = ""
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[str, ...] = ()
    is_torn: bool = False
    is_pictureless: bool = False

    @property
    def sure_side(self) -> Side:
        """The side as far as nothing contradicts it."""
        return Side.UNSAID if self.is_torn else self.side


@dataclass(frozen=True, slots=True)
class Held:
    """A study that the bank holds, with its date as DICOM has it. `said` is None where nobody has looked yet."""

    study: Uid
    date: str
    organization: str
    said: Said | None


@dataclass(frozen=True, slots=True)
class Past:
    """An exam that was made: `id` is its study's UID, or a name of whoever asks; `day` is None where nobody says when.

    `archive` is the other archive that holds it; empty for what is here.
    """

    id: str
    exam: Exam
    day: date | None
    organization: str = ""
    archive: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """An exam that is wanted, or is being looked at: what it is, for which day, why, and by whom."""

    exam: Exam
    day: date
    context: Context = Context.ROUTINE
    organization: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Factor:
    """One reason for a prior's rank: what was compared, by how much it counts (0 to 1), and values for its words."""

    name: str
    weight: float
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier exam worth comparing. `score` is the product of the factors' weights, from 0 to 1."""

    past: Past
    score: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """That an exam need not be made again: what stands for it, how many days ago, and the rule that says so.

    `severity` is "warn" for an exam that answers the question already, "tell" for one that may, and "shadow" for a rule
    on trial, whose word is counted and not shown.
    """

    past: Past
    days: int
    rule: str
    severity: str
    factors: tuple[Factor, ...]


NOTHING_SAID: Final = Said()
