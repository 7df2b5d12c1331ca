"""The one place where what is heard of patients is handed to the records of persons."""

from contextlib import suppress

from imagebank.actions import orders, persons
from imagebank.bank import Bank
from imagebank.errors import Conflict, NotAllowed
from imagebank.hl7.patients import Told
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.identity import Deed, Identity, Origin
from imagebank.model.message import Letter
from imagebank.model.person import PatientId, PersonName


def hear(bank: Bank, told: Told, letter: Letter) -> None:
    """Take in what is said of a patient, unless something newer was said before.

    Raises NotAllowed for a record of another organization that is known here.
    """
    patient = told.patient
    if patient.id.issuer != letter.organization and patient.id.issuer in _organizations(bank):
        raise NotAllowed("the patient record is of another organization")
    if not orders.is_news(bank, letter.organization, patient.id, told.at):
        return
    identity = Identity(
        patient.id,
        PersonName.parse(patient.name),
        patient.birth_date,
        patient.sex,
        told.address,
        told.phone,
        told.mother,
        told.others,
        Origin.HL7,
        min(told.at, bank.now()),
    )
    persons.hear(bank, identity)
    orders.rename(bank, letter.organization, patient, told.at)


def merge(bank: Bank, old: PatientId, told: Told, letter: Letter, *, decides: bool) -> None:
    """Let an identifier give way to another. Raises NotAllowed where they are not of the sender's organization.

    Without `decides`, only the open orders of the one go to the other: the rest was decided before.
    """
    hear(bank, told, letter)
    if decides:
        _obey(bank, letter, Deed.MERGE, old, told.patient.id)
    orders.move(bank, letter.organization, old, told.patient.id)


def link(bank: Bank, first: Told, second: Told, letter: Letter) -> None:
    """Let two records be of one person. Raises as `merge` does."""
    for told in (first, second):
        hear(bank, told, letter)
    _obey(bank, letter, Deed.LINK, first.patient.id, second.patient.id)


def unlink(bank: Bank, first: Told, second: Told, letter: Letter) -> None:
    """Let two records be of two persons again. Raises as `merge` does."""
    _obey(bank, letter, Deed.UNLINK, first.patient.id, second.patient.id)


def _organizations(bank: Bank) -> set[str]:
    """Who sends here, by HL7 or by DIMSE: each speaks of its own records."""
    peers = {one.organization for one in bank.index.orders.peers()}
    return peers | {one.organization for one in bank.index.devices()} | {bank.settings.organization}


def _obey(bank: Bank, letter: Letter, deed: Deed, first: PatientId, second: PatientId) -> None:
    sender = Principal(letter.sender, Role.SYSTEM, letter.organization, frozenset(), Scope.of(letter.organization))
    # What is so already is done: a repeated message is harmless.
    with suppress(Conflict):
        persons.obey(bank, sender, deed, first, second, f"HL7 message {letter.id}")
