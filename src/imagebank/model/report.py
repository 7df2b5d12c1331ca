"""Reports about studies, in the versions in which they came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from imagebank.model.imaging import Digest, Location
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

STATUSES: Final = {
    "P": "preliminary",
    "R": "not verified",
    "F": "final",
    "C": "corrected",
    "A": "partial",
    "X": "cancelled",
}
"""What a report may be (HL7 table 0123), in words."""
CANCELLED: Final = "X"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a report: text, or a document of another kind as its bytes."""

    kind: Literal["text/plain", "application/pdf"]
    content: bytes
    title: str = ""

    @property
    def text(self) -> str:
        """The words of a text; empty for another kind."""
        return self.content.decode("utf-8", "replace") if self.kind == "text/plain" else ""


@dataclass(frozen=True, slots=True)
class Body:
    """What a report says. It is kept sealed among the objects, never in the index."""

    title: str = ""
    author: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Which:
    """A report of an organization's about a patient: by its number, or by the digest of one without; or a series of documents."""

    organization: str
    patient: PatientId
    number: str = ""
    digest: Digest | None = None
    series: Uid | None = None

    @property
    def name(self) -> str:
        """By what it is known beside its study."""
        return str(self.series or self.number or self.digest)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report of a study that its person cannot read yet: which one, from when on it can be read, and why.

    Of what it says it tells nothing, not even how it is called.
    """

    study: Uid
    which: Which
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """One version of a report: to which study it belongs, and where it lies. It says nothing of what is in it.

    It belongs to a study of its patient by the Study Instance UID, or by the accession number where it names no UID.
    `number` is by what its versions belong together; `digest` is of its body, so that a repeat is known again. `types` are
    codes and words for the kind of report (`model.delay`).
    """

    organization: str
    patient: PatientId
    event_at: datetime
    status: str
    number: str
    accession: str = ""
    study: Uid | None = None
    digest: Digest | None = None
    received_at: datetime | None = None
    location: Location | None = None
    id: int = 0
    types: tuple[str, ...] = ()

    @property
    def which(self) -> Which:
        """How all versions of it are named together."""
        return Which(self.organization, self.patient, self.number, None if self.number else self.digest)
