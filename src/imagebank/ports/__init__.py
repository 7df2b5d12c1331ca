"""What the bank needs from outside, as small protocols. The docstring is the promise; a contract suite tests it."""

from collections.abc import Callable
from datetime import datetime

from imagebank.ports.blobs import Blobs, Objects, Record
from imagebank.ports.index import Index
from imagebank.ports.jobs import Job, Jobs
from imagebank.ports.keys import AccountKeys, Keys, KeyService, Signer
from imagebank.ports.transaction import Entered, Transaction

__all__ = [
    "AccountKeys",
    "Blobs",
    "Clock",
    "Entered",
    "Index",
    "Job",
    "Jobs",
    "KeyService",
    "Keys",
    "Objects",
    "Record",
    "Signer",
    "Transaction",
]

Clock = Callable[[], datetime]
"""Tells the time, in UTC. Only `Bank.now` is asked."""
