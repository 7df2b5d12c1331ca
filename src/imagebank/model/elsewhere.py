"""Other archives that a site asks: what they have said they hold of a person, how they answer, and what is fetched."""

from dataclasses import dataclass
from datetime import datetime

from imagebank.model.access import Role
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.transfer import State
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A study that another archive has said it holds of a patient, as of when it was asked. Nothing of it is here.

    `organization` is whose it is by the site's word, by which is judged who may know of it. `date` is as DICOM has it.
    """

    archive: str
    patient: PatientId
    study: Uid
    organization: str
    asked_at: datetime
    date: str = ""
    time: str = ""
    description: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ()
    objects: int = 0

    @property
    def attributes(self) -> DataSet:
        """As a list of studies has it (PS3.18 10.6.3)."""
        texts = (
            ("00080020", "DA", self.date),
            ("00080030", "TM", self.time),
            ("00080050", "SH", self.accession),
            ("00081030", "LO", self.description),
            ("0020000D", "UI", self.study),
        )
        said: DataSet = {key: {"vr": vr, "Value": [text]} if text else {"vr": vr} for key, vr, text in texts}
        said["00080061"] = {"vr": "CS", "Value": list(self.modalities)} if self.modalities else {"vr": "CS"}
        said["00201208"] = {"vr": "IS", "Value": [self.objects]}
        return said


@dataclass(frozen=True, slots=True)
class Line:
    """How an archive answers: how often it failed one after the other, since when, and why it did the last time.

    Until `rests_until` nobody asks it.
    """

    archive: str
    failures: int = 0
    since: datetime | None = None
    rests_until: datetime | None = None
    reason: str = ""
    answered_at: datetime | None = None

    @property
    def is_away(self) -> bool:
        """Whether it did not answer the last time."""
        return self.failures > 0


@dataclass(frozen=True, slots=True)
class Recall:
    """A study that is fetched from another archive: who wants it, and how far it is.

    `total` is how many objects the archive names, `kept` how many of them are here. `reason` says why it stopped, or
    what the last try came to. `by_rule` is whether a standing rule wants it, and not a person.
    """

    archive: str
    study: Uid
    patient: PatientId
    by: str
    role: Role
    organization: str
    made_at: datetime
    address: str = ""
    by_rule: bool = False
    total: int = 0
    kept: int = 0
    state: State = State.WAITING
    reason: str = ""
    ended_at: datetime | None = None
