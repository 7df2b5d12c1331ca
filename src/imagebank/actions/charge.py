"""What an officer is in charge of: all of the bank, or the patients, studies and people of the own organization."""

from imagebank.bank import Bank
from imagebank.errors import NotAllowed
from imagebank.model.access import Principal, Scope
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid

# Only whose a study is, is looked up here, and it is told to nobody.
_ALL = Scope(organizations=None)


def has_all(bank: Bank, principal: Principal) -> bool:
    """Whether somebody is in charge of all: an admin, and who is of the organization that keeps the bank."""
    return principal.scope.organizations is None or principal.organization == bank.settings.organization


def has_study(bank: Bank, principal: Principal, study: Uid) -> bool:
    """Whether a study is in somebody's charge: one of the own organization. One that is not here is in nobody's."""
    return has_all(bank, principal) or bank.index.owner_of(study, _ALL) == principal.organization


def has_patient(bank: Bank, principal: Principal, patient: PatientId) -> bool:
    """Whether a patient is: the organization that gave the identifier speaks for who has it."""
    return has_all(bank, principal) or patient.issuer == principal.organization


def has(bank: Bank, principal: Principal, one: Provision) -> bool:
    """Whether a decision is: about such a patient, about such a study alone, or an emergency of the own people's."""
    is_own_emergency = one.kind is Kind.EMERGENCY and one.organization == principal.organization
    is_own_study = one.study is not None and has_study(bank, principal, one.study)
    return is_own_emergency or is_own_study or has_patient(bank, principal, one.patient)


def require(bank: Bank, principal: Principal, one: Provision) -> None:
    """Raises NotAllowed for what is another organization's to write down; whether there is such a study is not told."""
    if not has(bank, principal, one):
        raise NotAllowed("another organization speaks for this patient or study; its privacy officer writes that down")
