"""Whose key seals an object."""

from dataclasses import dataclass, field
from typing import Final

from imagebank.model.person import PatientId

BANK: Final = PatientId("", "")
"""The account of what is nobody's, such as which objects were deleted."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A key that wraps the data keys of one account's objects. `name` (16 bytes) stands in every key that it wraps."""

    name: bytes
    secret: bytes = field(repr=False)


def owner_of(patient: PatientId, organization: str) -> PatientId:
    """The account of an object: its patient, and while nobody knows who that is, the organization that brought it."""
    return patient if patient.identifier else PatientId(organization, "")
