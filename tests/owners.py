"""People with accounts of their own images, of a test's bank: Ada with her son Leo, and somebody else."""

from dataclasses import replace

from bank import SOURCE, keep
from imagebank.actions import access, account, enrol, persons, retrieve
from imagebank.actions.enrol import Wanted
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.uid import Uid
from make import a_file

DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.of("north"))
ADA, LEO, EVE = PatientId("north", "ADA"), PatientId("north", "LEO"), PatientId("north", "EVE")
HEAD, HAND, OTHER = "1.2.826.0.1.3680043.10.7.11", "1.2.826.0.1.3680043.10.7.12", "1.2.826.0.1.3680043.10.7.13"
PASSWORD = "seven green herons wade"
SETTINGS = {"organization": "north", "age_of_majority": 40}


def furnish(bank: Bank) -> None:
    """Ada's MRI of the head, her son's X-ray of a hand, and somebody else's CT."""
    for uid, patient, about in (
        (HEAD, ADA, {"Modality": "MR", "BodyPartExamined": "BRAIN", "StudyDate": "20261011"}),
        (HAND, LEO, {"Modality": "DX", "BodyPartExamined": "HAND", "Laterality": "L", "StudyDate": "20250302"}),
        (OTHER, EVE, {"Modality": "CT"}),
    ):
        file = a_file(StudyInstanceUID=uid, PatientID=patient.identifier, InstitutionName="St. Brigid", **about)
        keep(bank, file, source=replace(SOURCE, organization="north"))
    name(bank)


def name(bank: Bank) -> None:
    """Ada and her son, of whom there are no images yet."""
    persons.hear(bank, Identity(ADA, PersonName("Haddad^Amina"), "19840512"))
    persons.hear(bank, Identity(LEO, PersonName("Haddad^Leo"), "20150302"))


def look(bank: Bank, study: str) -> None:
    """A doctor looks at a study."""
    found = retrieve.select(bank, Selection(Uid(study)), DOCTOR.scope)
    retrieve.reading(bank, DOCTOR, found, "WADO-RS", "10.0.0.7")


def opened(bank: Bank, *wanted: Wanted, name: str = "Amina Haddad") -> str:
    """The cookie of the owner of a new account, who is signed in."""
    sheet = enrol.enrol(bank, replace(wanted[0], display_name=name), DESK)
    for one in wanted[1:]:
        enrol.enrol(bank, replace(one, account=sheet.account), DESK)
    return account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), PASSWORD)


def mother(bank: Bank) -> str:
    """Of Ada, who holds her own images and her son's."""
    return opened(bank, Wanted(ADA), Wanted(LEO, Relation.PARENT))


def who(bank: Bank, cookie: str) -> Principal:
    found = access.session(bank, cookie)
    assert found is not None
    return found
