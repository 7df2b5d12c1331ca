"""Cards: what the owner of records hands to somebody who has no account, and what was done by them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.person import PatientId
from imagebank.model.provision import Provision, Term

TRIES: Final = 5
"""Wrong PINs that a card takes in all its life."""

NO_END: Final = -1
"""What is left of uses that nobody counts."""


class State(StrEnum):
    """What becomes of a card that is shown now. All but the first open nothing."""

    WORKS = "works"
    FROZEN = "frozen"
    USED_UP = "used up"
    ENDED = "ended"
    TAKEN_BACK = "taken back"
    SWALLOWED = "swallowed"


@dataclass(frozen=True, slots=True)
class Card:
    """One card. What it opens, and for how long, stands in its provisions (`Kind.CARD`).

    `number` is a keyed hash, and `pin` an Argon2id hash: neither number nor PIN is kept. `patient` is the record that it
    was made for, `holder` the name of the account that gave it, empty where staff gave it for the patient.
    `tries_left` goes down with each wrong PIN and never up; `uses_left` is NO_END where uses do not count; `uses` is how
    often it was redeemed. `email` is where a code is sent that must be shown, too. `label` and `recipient` are the owner's
    own words for what it is and whom it is for, `purpose` why they gave it.
    """

    id: str
    number: bytes
    pin: str
    patient: PatientId
    organization: str
    by: str
    made_at: datetime
    ends_at: datetime
    holder: str = ""
    label: str = ""
    recipient: str = ""
    email: str = ""
    purpose: str = ""
    tries_left: int = TRIES
    uses_left: int = NO_END
    uses: int = 0
    frozen_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> State:
        """The gravest of what holds: what was taken back is not called frozen."""
        found = (
            (self.revoked_at is not None, State.TAKEN_BACK),
            (self.tries_left <= 0, State.SWALLOWED),
            (self.ends_at <= now, State.ENDED),
            (self.uses_left == 0, State.USED_UP),
            (self.frozen_at is not None, State.FROZEN),
        )
        return next((state for holds, state in found if holds), State.WORKS)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One use of a card: the `number`-th, by whom in their own words, why, from where, and until when it may last."""

    card: str
    number: int
    at: datetime
    ends_at: datetime
    name: str
    institution: str
    purpose: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Opens:
    """What a card opens, as its provisions say: some studies, or whatever fits, also what comes later."""

    studies: tuple[str, ...] = ()
    modality: str = ""
    body_part: str = ""
    since: str = ""
    until: str = ""
    future: bool = False
    reports: bool = False
    taking: bool = False


def opens(provisions: "list[Provision]") -> Opens:
    """What the provisions of one card say together: all of them have the same terms and bounds."""
    if not provisions:
        return Opens()
    one, terms = provisions[0], provisions[0].terms.split()
    studies = tuple(str(each.study) for each in provisions if each.study is not None)
    return Opens(
        studies,
        one.modality,
        one.body_part,
        one.since,
        one.until,
        future=not studies,
        reports=Term.REPORTS in terms,
        taking=Term.TAKING in terms,
    )
