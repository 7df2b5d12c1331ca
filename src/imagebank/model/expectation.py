"""What somebody says that has to come for a study."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


class Origin(StrEnum):
    """Who says it: a modality, an order, a medium's DICOMDIR, headers of images, gaps in their numbers.

    The last two take something back: what was deleted here, and what somebody settled as all there is.
    """

    MPPS = "MPPS"
    ORDER = "order"
    MEDIA = "DICOMDIR"
    HEADER = "header"
    NUMBERS = "numbers"
    DELETION = "deletion"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class ExpectedSeries:
    """A series as it is announced: the SOP Instance UIDs that are named in it, or how many instances; 0 is unsaid."""

    uid: str
    instances: tuple[str, ...] = ()
    count: int = 0

    @property
    def size(self) -> int:
        """How many instances are announced."""
        return max(len(self.instances), self.count)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One word about a study. A later one of the same study, organization, origin and key takes its place.

    It counts for studies of its `organization` alone. `by` names who said it: a device, a medium, a person.
    `instances` is how many the study has as a whole, and `series_count` how many series; 0 is unsaid. Until
    `is_final` more may be announced. `is_certain` is false for an exam that was planned and of which nothing else is
    known. A word that is `is_withdrawn` only takes the one before away.
    """

    study: Uid
    organization: str
    patient: PatientId
    origin: Origin
    key: str
    said_at: datetime
    by: str = ""
    series: tuple[ExpectedSeries, ...] = ()
    instances: int = 0
    series_count: int = 0
    is_final: bool = True
    is_certain: bool = True
    is_withdrawn: bool = False
    modality: str = ""
    accession: str = ""
    reason: str = ""

    @property
    def size(self) -> int:
        """How many instances are announced; 0 where that is not said."""
        return max(self.instances, sum(one.size for one in self.series))
