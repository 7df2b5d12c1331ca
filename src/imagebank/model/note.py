"""What is sealed beside an object's bytes, so that the index can be rebuilt from the objects alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagebank.errors import noted
from imagebank.model.alert import Alert
from imagebank.model.correction import Correction
from imagebank.model.expectation import Expectation
from imagebank.model.identity import Decision, Identity
from imagebank.model.imaging import Digest, Location, Source
from imagebank.model.message import Letter, Told
from imagebank.model.picture import Verdict
from imagebank.model.proposal import Proposal
from imagebank.model.provision import Provision
from imagebank.model.report import Report, Which
from imagebank.model.rules import Version
from imagebank.model.task import Mark, Task

OTHER_CONTENT: Final = noted("another object with this SOP Instance UID is held already")
"""Why a copy lies in quarantine on a bank that refuses other content under a known UID."""

OTHER_ORGANIZATION: Final = noted(
    "its Study, Series or SOP Instance UID is held by another organization, and who sent it may not see that study"
)
"""Why a copy lies in quarantine that would have got into, or told of, what its depositor may not see."""

NOT_TAKEN: Final = noted(
    "this bank cannot take it into the archive as it is; it is safe in quarantine and whoever runs the bank looks at it"
)
"""What its depositor is told: the same for each of these."""

REMOVED: Final = "the object was deleted after this copy of it had come; the deposit of this copy had failed"
"""Why a rebuild lays a copy aside that no row had referred to."""


@dataclass(frozen=True, slots=True)
class Note:
    """How an object came. `quarantine` gives the reason where it was laid aside rather than archived.

    `correction` names the correction that made this version of an object; it counts only where an amendment says that
    it was put in its place. `made_into` is the SOP Instance UID of the object that was made of a file without DICOM;
    this record is the file then, of that media type, and `proposals` what may be so of it. `arrived` is the digest of the
    data set as it came, where the site's rules have changed it: the others are of what was made of it then.
    `stands_for` is where the same bytes lay before this compressed record of them took that one's place: what was decided
    about that one is decided about this.
    """

    source: Source
    received_at: datetime
    digest: Digest
    content_digest: Digest
    name: str = ""
    quarantine: str = ""
    made_into: str = ""
    media_type: str = ""
    arrived: Digest | None = None
    correction: str = ""
    proposals: tuple[Proposal, ...] = ()
    stands_for: Location | None = None


@dataclass(frozen=True, slots=True)
class MessageKey:
    """By what a message is known again: its sender, its number there, and the digest of its bytes."""

    sender: str
    control: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attribute that a site wants to search by, as it is written (`dicom.dictionary.declared`)."""

    written: str
    name: str = ""
    vr: str = ""


@dataclass(frozen=True, slots=True)
class Amendment:
    """What was decided about objects after they had been written, so that a rebuilt index comes to the same.

    `removed` are SOP Instance UIDs that were deleted at `at`: what came of them before is not to come back. `aside`
    are records that were laid aside, each with the reason, since what they contradict may go before a rebuild, and
    `joined` those that came into a study of another organization, since nobody can tell later what somebody saw.
    `provisions` are consents and the like as they stood at `at`, and `labels` what studies had or had no more: study,
    label, and whether it has it. `identities` are patient records as they were heard of at `at`, `decisions` which of
    them are one person's. Else whom a patient denied would see everything after a rebuild. `corrections` are what was
    changed in objects, and `versions` the records that took their places by that. `told` is what became of messages
    that were not simply done, `expectations` are words about what belongs to studies, and `rules` versions of the site's
    rules that were switched on. `attributes` were made searchable, or are so no more. `tasks` were filed into the
    reconciliation queue, and `marks` say what was done about what stands in it. `released` are reports that somebody let
    be read at once. `alerts` about repeated exams are as they stood at `at`, with what was done about them.
    """

    at: datetime
    removed: tuple[str, ...] = ()
    aside: tuple[tuple[Location, str], ...] = ()
    joined: tuple[Location, ...] = ()
    provisions: tuple[Provision, ...] = ()
    labels: tuple[tuple[str, str, bool], ...] = ()
    identities: tuple[Identity, ...] = ()
    decisions: tuple[Decision, ...] = ()
    corrections: tuple[Correction, ...] = ()
    versions: tuple[Location, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    pictures: tuple[Verdict, ...] = ()
    told: tuple[tuple[MessageKey, Told], ...] = ()
    rules: tuple[Version, ...] = ()
    attributes: tuple[tuple[Wanted, bool], ...] = ()
    tasks: tuple[Task, ...] = ()
    marks: tuple[Mark, ...] = ()
    released: tuple[Which, ...] = ()
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class Enclosure:
    """What a record holds that is no object: a message as it came, or a version of a report.

    `digest` is of the record's bytes. Where they lie is known by the record, and not said here.
    """

    digest: Digest
    message: Letter | None = None
    report: Report | None = None
