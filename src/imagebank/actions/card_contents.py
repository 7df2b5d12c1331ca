"""What whoever gives cards has to choose from, and what is in a card that was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.actions import own, search, timeline
from imagebank.actions.own import Held
from imagebank.actions.trail import uid_of
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.card import Opens
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import ACTING
from imagebank.model.timeline import Entry, Part
from imagebank.model.uid import Uid

# Whose a card is was settled before its page says their name.
_ALL: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Content:
    """A study that a card names: what lists say of it, and what its series show."""

    uid: str
    study: DataSet
    parts: tuple[Part, ...]


def givers(bank: Bank, principal: Principal) -> list[Held]:
    """The people for whom an account may give cards, its owner first."""
    return [one for one in own.people(bank, principal) if any(each.terms in ACTING for each in one.holdings)]


def whose(bank: Bank, held: Sequence[Held], study: Uid) -> Held:
    """Of which of these people a study is. Raises NotFound where it is of none."""
    patient = bank.index.histories.patient_of(study, _ALL)
    for one in held:
        if patient in one.records:
            return one
    raise NotFound("one of these studies is not here, or not this person's")


def studies_of(bank: Bank, principal: Principal, patient: PatientId, way: str, address: str = "") -> Sequence[Entry]:
    """A patient's studies as far as staff see them, the newest first; none for staff who may not search."""
    if Right.FIND not in principal.rights:
        return ()
    return timeline.of_records(bank, principal, [patient], way, address).entries


def named(bank: Bank, principal: Principal, opens: Opens) -> list[Content]:
    """The studies that a card names, as far as they are there and the caller's to see, the newest first."""
    asked = [Uid(one) for one in opens.studies]
    found = {uid_of(one.attributes): one.attributes for one in search.of_studies(bank, asked, principal.scope)}
    parts = own.parts_by_study(bank, principal, [Uid(uid) for uid in found])
    return [Content(uid, study, parts.get(uid, ())) for uid, study in found.items()]


def name_of(bank: Bank, patient: PatientId) -> PersonName:
    """What a patient is called, for whoever may give cards of theirs; without parts where nobody has said it."""
    known = bank.index.persons.identity(patient, _ALL)
    return known.identity.name if known is not None else PersonName()
