"""What is told of studies to programs that know persons and not images: whose each is, and when it last changed."""

from dataclasses import dataclass
from datetime import datetime

from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which studies are asked for; what is empty, or None, does not narrow.

    Days are YYYYMMDD, `until` exclusive as `updated_before` is. No patient at all, `()`, is nobody's study.
    """

    patients: tuple[PatientId, ...] | None = None
    studies: tuple[Uid, ...] = ()
    accessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    updated_since: datetime | None = None
    updated_before: datetime | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """A study: whose it is, who deposited it, and when the newest of its objects came.

    `record` names the patient's record where the bank has heard of it, and is empty where it has not.
    """

    study: Uid
    organization: str
    patient: PatientId
    record: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Outline:
    """A study with its series, and with its instances where they are few enough to be told. All in DICOM JSON."""

    held: Held
    study: DataSet
    series: tuple[DataSet, ...]
    instances: tuple[DataSet, ...] = ()
