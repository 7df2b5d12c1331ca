"""What owners of accounts add to a person's record themselves: whose it is, how it is called, and how it is told apart.

Each account has a record of its own for each person, named by the holding by which it acts. Its issuer says in every
object what this is; no file of a depositor's names it.
"""

import hashlib
from typing import Final

from imagebank.errors import noted
from imagebank.model.person import PatientId
from imagebank.model.provision import Provision
from imagebank.model.uid import Uid

LABEL: Final = "added by patient"
"""The label of their studies, and how their issuer begins: the bank alone puts it on, and nobody takes it off."""
WORDS: Final = noted("Added by the patient")
"""The same for people to read."""

_BEGINNING: Final = f"{LABEL} "
_DIGITS: Final = 16


def record_of(holding: Provision) -> PatientId:
    """The record of what is added by an account for the person whose records it holds by this.

    A holding's identifier is random, and what is made of it here tells nothing of it.
    """
    return _record(hashlib.sha256(f"contributed {holding.id}".encode()).hexdigest()[:_DIGITS])


def record_in(organization: str) -> PatientId:
    """The record of what comes from this depositor: each is an organization of its own, which nobody else is of."""
    return _record(organization.removeprefix(_BEGINNING))


def _record(name: str) -> PatientId:
    return PatientId(_BEGINNING + name, name)


def is_contributed(issuer: str) -> bool:
    """Whether this issuer of a patient's identifier, or organization, stands for what the patient added."""
    return issuer.startswith(_BEGINNING)


def uid_of(record: PatientId, uid: str) -> Uid:
    """By which UID an object, series or study of a depositor's file is known here: never by one that others have."""
    return Uid.derived("contributed", record.identifier, uid)
