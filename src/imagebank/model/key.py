"""Whose key seals an object."""

from dataclasses import dataclass, field
from typing import Final

from imagebank.model.contributed import is_contributed
from imagebank.model.person import PatientId

BANK: Final = PatientId("", "")
"""The account of what is nobody's, such as which objects were deleted."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A key that wraps the data keys of one account's objects. `name` (16 bytes) stands in every key that it wraps."""

    name: bytes
    secret: bytes = field(repr=False)


def owner_of(patient: PatientId, organization: str) -> PatientId:
    """The account of an object: its patient, and while nobody knows who that is, the organization that brought it.

    What an organization brings of what a patient added, as it got it from a card, is that organization's copy: it stays
    when the patient takes back the own.
    """
    is_copy = is_contributed(patient.issuer) and patient.issuer != organization
    return patient if patient.identifier and not is_copy else PatientId(organization, "")
