"""The one place where what is heard of patients is handed to the records of persons."""

from imagebank.bank import Bank
from imagebank.errors import Unsupported
from imagebank.hl7.patients import Told
from imagebank.model.message import Letter
from imagebank.model.person import PatientId


def hear(_bank: Bank, _told: Told, _letter: Letter) -> None:
    """Take in what is said of a patient."""


def merge(_bank: Bank, _old: PatientId, _told: Told, _letter: Letter) -> None:
    """Let an identifier give way to another."""
    raise Unsupported("merging is not done here yet")


def link(_bank: Bank, _first: Told, _second: Told, _letter: Letter) -> None:
    """Let two records be of one person."""
    raise Unsupported("linking is not done here yet")


def unlink(_bank: Bank, _first: Told, _second: Told, _letter: Letter) -> None:
    """Let two records be of two persons again."""
    raise Unsupported("unlinking is not done here yet")
