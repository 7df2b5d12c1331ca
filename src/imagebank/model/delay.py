"""Delays of reports: which kinds of reports patients read how much later than they came, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from imagebank.errors import Invalid

ANY: Final = "*"
"""What stands for reports of every type, also of none that is known."""
UNNAMED: Final = "document"
"""The type of a document that names none."""
SECTION: Final = "section:"
"""Before the code of the section that made a report (OBR-24, HL7 table 0074)."""
MODALITY: Final = "modality:"
"""Before the modality of the order that a report answers (PS3.3 C.7.3.1.1.1)."""
DEPARTMENT: Final = "department:"
"""Before the department of a document."""
LONGEST_HOURS: Final = 8_760
MOST_HOURS: Final = 72
"""What whoever runs the bank is warned about above it: the law argues for no delay at all (45 CFR 171)."""
MOST_TYPES: Final = 20
"""How many types one report is known by."""
_LONGEST_TYPE: Final = 64
_LONGEST_REASON: Final = 200


def _named(sections: str = "", modalities: str = "", departments: str = "", codes: str = "") -> frozenset[str]:
    each = ((SECTION, sections), (MODALITY, modalities), (DEPARTMENT, departments), ("", codes))
    return frozenset(f"{before}{word}" for before, words in each for word in words.split())


NAMED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "pathology": _named(
            "sp pat cp", departments="pathology", codes="11526-1 11529-5 22634-0 22637-3 27898-6 60567-5"
        ),
        "imaging": _named(
            "img rad rus rx ct nmr nms ous vus xrc",
            "cr ct dx mg mr nm pt rf us xa",
            "radiology",
            "11525-3 11528-7 18747-6 18748-4 18755-9 18757-1 18758-7 18760-9",
        ),
        "cardiology": _named("ec cus cth", "ecg", "cardiology", "11522-0 18745-0"),
        "endoscopy": _named("", "es", "endoscopy", "18746-8 18751-8"),
    }
)
"""Names that stand for sections, modalities, departments and codes of LOINC."""


def type_word(text: str) -> str:
    """A type as it is compared: in small letters, without signs that a packed set could not hold."""
    return " ".join(text.replace("\\", " ").split()).casefold()[:_LONGEST_TYPE]


def type_words(texts: Iterable[str]) -> tuple[str, ...]:
    """The types of a report, each once, in the order in which they were said."""
    return tuple(dict.fromkeys(filter(None, map(type_word, texts))))[:MOST_TYPES]


@dataclass(frozen=True, slots=True)
class Delay:
    """Reports of any of these types wait so many hours, for a reason that the patient is told. No types mean any."""

    types: tuple[str, ...]
    hours: float
    reason: str

    def holds_for(self, types: Iterable[str]) -> bool:
        return not self.types or any(each in self.types for each in types)

    def since(self, now: datetime) -> datetime:
        """What came after this waits still."""
        return now - timedelta(hours=self.hours)


def delay_of(types: Iterable[str], hours: float, reason: str) -> Delay:
    """A delay as a site sets it. Raises Invalid where a part is missing or cannot be meant."""
    known = type_words(types)
    named = ", ".join(known)
    if not known:
        raise Invalid("a delay names the types of reports that it is for, such as pathology, or * for all of them")
    if not reason.strip():
        raise Invalid("the delay for {types} has no reason; the patient is told why a report waits", types=named)
    if len(reason.strip()) > _LONGEST_REASON:
        raise Invalid("the reason of the delay for {types} has at most {most} signs", types=named, most=_LONGEST_REASON)
    if not 0 < hours <= LONGEST_HOURS:
        raise Invalid("the delay for {types} lasts some hours, and at most {most}", types=named, most=LONGEST_HOURS)
    codes = {code for each in known for code in (each, *NAMED.get(each, ()))}
    return Delay(() if ANY in known else tuple(sorted(codes)), hours, " ".join(reason.split()))


def until(types: Sequence[str], since: datetime, delays: Iterable[Delay]) -> tuple[datetime, str]:
    """Until when a report of these types waits, and why; at once, and for no reason, where no delay is for it."""
    each = [(since + timedelta(hours=one.hours), one.reason) for one in delays if one.holds_for(types)]
    return max(each, default=(since, ""))
