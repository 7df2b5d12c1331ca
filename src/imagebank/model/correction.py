"""What is corrected in objects that are kept: by whom, when, why, and what stood there before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.imaging import Digest, Element, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

Changes = Mapping[str, Element | None]
"""New values by keyword or by eight hex digits of the tag, in the DICOM JSON model; None takes the attribute out."""

Values = dict[str, list[Element | None]]
"""By tag, the different values that an attribute has in some instances; None where it is not there."""

MOST_VALUES: Final = 5
"""Of so many different values of one attribute a history tells; the versions themselves have all."""


NOBODY: Final = PatientId("", "")


class Reason(StrEnum):
    """Why attributes were modified (PS3.3 C.12.1.1.9): to fit into an archive, or because they were wrong."""

    COERCE = "COERCE"
    CORRECT = "CORRECT"


@dataclass(frozen=True, slots=True)
class Modification:
    """What an item of Original Attributes Sequence says beside the former values (PS3.3 table C.12-1).

    `system` names who modified them, `source` who had given the former values; 64 characters each at the most.
    """

    at: datetime
    system: str
    reason: Reason = Reason.CORRECT
    source: str = ""


class State(StrEnum):
    """How far a correction is. Nothing of it is seen before it is done, and nothing of one that failed."""

    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Correction:
    """One decision to change attributes of a study, or of a series or an instance of it.

    `changes` is what was asked for; empty where it `undoes` another correction. `before` and `after` say what became of
    it, `count` in how many instances. `patient` is whose the study is since. `fault` says why a correction failed.
    """

    id: str
    at: datetime
    study: Uid
    principal: str
    organization: str
    reason: str
    changes: dict[str, Element | None] = field(default_factory=dict)
    undoes: str = ""
    series: str = ""
    instance: str = ""
    address: str = ""
    state: State = State.UNDER_WAY
    count: int = 0
    total: int = 0
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    patient: PatientId = NOBODY
    fault: str = ""

    @property
    def selection(self) -> Selection:
        series = Uid(self.series) if self.series else None
        return Selection(self.study, series, Uid(self.instance) if self.instance else None)


@dataclass(frozen=True, slots=True)
class Step:
    """A new version of one instance that is written and not yet seen; `former` is the version that it was made of."""

    uid: Uid
    former: Location
    location: Location
    before: dict[str, Element | None]
    after: dict[str, Element | None]
    sealed_by: bytes = b""


@dataclass(frozen=True, slots=True)
class Version:
    """A former version of an instance. `superseded_by` names the correction that took its place; empty for a deposit."""

    uid: Uid
    location: Location
    digest: Digest
    content_digest: Digest
    received_at: datetime
    superseded_by: str = ""


def merged(each: list[dict[str, Element | None]]) -> Values:
    """The different values of several instances by attribute, as many as a history tells of."""
    found: Values = {}
    for values in each:
        for key, element in sorted(values.items()):
            known = found.setdefault(key, [])
            if element not in known and len(known) < MOST_VALUES:
                known.append(element)
    return found
