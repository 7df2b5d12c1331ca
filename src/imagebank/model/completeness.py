"""Whether everything of a study has come: what was announced, against what is here."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from imagebank.model.expectation import Origin
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

Unit = Literal["image", "series", "study"]


class Progress(StrEnum):
    """How far a study has come. UNKNOWN: it is quiet, and nobody has said what belongs to it."""

    ARRIVING = "arriving"
    COMPLETE = "complete"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a list says of a study. `missing` counts images; `is_certain` is false where no lack is certain."""

    progress: Progress
    expected: int = 0
    missing: int = 0
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that has not come, and by whose word it should have.

    Without a `series` it is of the study as a whole. `instances` are the first hundred that are known by name;
    `numbers` is how their gap reads, as `7 to 9`. `series_number` is as the header has it, empty where nothing came.
    It is not certain where only numbers tell it, or an exam that was planned.
    """

    origin: Origin
    by: str
    missing: int
    expected: int
    series: str = ""
    series_number: str = ""
    unit: Unit = "image"
    numbers: str = ""
    instances: tuple[str, ...] = ()
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """Who has said what belongs to a study, and how many images that is; 0 where it was not said."""

    origin: Origin
    by: str
    said_at: datetime
    expected: int = 0
    is_final: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Completeness:
    """All that is known of whether a study is whole.

    `is_here` is false for a study that was announced and of which nothing has come. `date` is YYYYMMDD, of the study or
    of when it was announced. `settled` is who said that there is no more.
    """

    study: Uid
    organization: str
    patient: PatientId
    standing: Standing
    received: int = 0
    is_here: bool = True
    lacks: tuple[Lack, ...] = ()
    words: tuple[Word, ...] = ()
    settled: Word | None = None
    modalities: tuple[str, ...] = ()
    date: str = ""
    accession: str = ""
    last_at: datetime | None = None

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Who says that something is missing, or has announced anything where nothing is."""
        told = self.lacks or self.words
        return tuple(dict.fromkeys(one.origin for one in told))
