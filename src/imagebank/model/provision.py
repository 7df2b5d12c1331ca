"""What somebody decided about somebody's images: consents, care relationships, grants, emergencies."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from imagebank.model.access import Purpose, Role
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of what has none."""

LABEL: Final = re.compile(r"[a-z][a-z0-9 -]{0,63}")
"""What a label of a study may be."""


DOCUMENTS: Final = ("SR", "DOC")
"""Modalities of structured reports and of encapsulated documents (PS3.3 C.7.3.1.1.1)."""
BESIDE_IMAGES: Final = (*DOCUMENTS, "KO", "PR")
"""The same, and those of notes about images and ways to show them: series that come with what they are about."""


class Kind(StrEnum):
    """What a provision is.

    A consent is the patient's word, a grant somebody's in charge, a care relationship a fact that rules refer to, and
    an emergency a clinician's own, for a stated reason and to be reviewed. A holding is an account's of a person's
    records, and a card what its owner lets whoever redeems it see.
    """

    CONSENT = "consent"
    GRANT = "grant"
    CARE = "care"
    EMERGENCY = "emergency"
    HOLDING = "holding"
    CARD = "card"


OF_OWNERS: Final = frozenset({Kind.HOLDING, Kind.CARD})
"""What comes with an account, and is not decided by officers."""


class Relation(StrEnum):
    """What somebody who holds records is to the person: the `terms` of a holding."""

    OWNER = "owner"
    PARENT = "parent"
    CARER = "carer"
    REPRESENTATIVE = "representative"


ACTING: Final = frozenset({Relation.OWNER, Relation.PARENT, Relation.REPRESENTATIVE})
"""Who acts for a person: gives cards, lets carers in, and ends what others hold. A carer looks, and gives nothing away."""


class Term(StrEnum):
    """What a card allows beside looking at images: the `terms` of a card, with spaces between them."""

    REPORTS = "reports"
    TAKING = "taking"


@dataclass(frozen=True, slots=True)
class Provision:
    """Permits or denies somebody something for a time. Every part that is empty means any.

    Whose: `patient`, and of theirs `study`, or studies of `modality` and `body_part` (a term of Body Part Examined)
    between the dates `since` and `until` (YYYYMMDD, both inclusive). To whom: `organization`, `principal`, `role`; what permits a device by name says that role, too,
    since AE titles and names of people are different names. For what: `purpose`. It holds from `starts_at` until
    before `ends_at`, unless it was revoked. `by` wrote it down, `reason` says why.

    `terms` are words of its kind (`Relation`, `Term`).

    It holds for records of the same issuer, too, that are linked to the patient's as one person's; for those of every
    issuer where it is `of_person`, which only who is in charge of them all may say.
    """

    id: str
    kind: Kind
    permits: bool
    patient: PatientId
    starts_at: datetime
    ends_at: datetime = FOR_EVER
    study: Uid | None = None
    modality: str = ""
    since: str = ""
    until: str = ""
    organization: str = ""
    principal: str = ""
    role: Role | None = None
    purpose: Purpose | None = None
    by: str = ""
    reason: str = ""
    revoked_at: datetime | None = None
    reviewed_by: str = ""
    review: str = ""
    of_person: bool = False
    body_part: str = ""
    terms: str = ""
