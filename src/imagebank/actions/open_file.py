"""A kept file opened with little memory, whatever its length."""

import mmap
from typing import IO, TYPE_CHECKING

from imagebank.actions import unnamed
from imagebank.bank import Bank
from imagebank.model.imaging import Location

if TYPE_CHECKING:
    from imagebank.dicom.scan import Buffer

_IN_MEMORY = 16 << 20


def spooled(bank: Bank, location: Location) -> IO[bytes]:
    """A copy in an unnamed file, positioned at its start; to be closed. Raises OutOfSpace."""
    return unnamed.spooled(bank.settings.data, bank.blobs.stream(location), "to open this large object")


def opened(bank: Bank, location: Location) -> "Buffer":
    """The bytes of a file: in memory when it is small, else mapped, so that only what is looked at takes memory."""
    if location.size <= _IN_MEMORY:
        return bank.blobs.read(location)
    with spooled(bank, location) as copy:
        return mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)
