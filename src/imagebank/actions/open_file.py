"""A kept file opened with little memory, whatever its length."""

import mmap
from typing import IO, TYPE_CHECKING

from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.bank import Bank
from imagebank.errors import OutOfSpace
from imagebank.model.imaging import Location

if TYPE_CHECKING:
    from imagebank.dicom.scan import Buffer

_IN_MEMORY = 16 << 20


def spooled(bank: Bank, location: Location) -> IO[bytes]:
    """A copy in an unnamed file, positioned at its start; to be closed. Raises OutOfSpace."""
    copy = unnamed_file(bank.settings.data)
    try:
        for piece in bank.blobs.stream(location):
            write_all(copy, piece)
    except OSError as error:
        copy.close()
        raise OutOfSpace("there is no room on the disk to open this large object") from error
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def opened(bank: Bank, location: Location) -> "Buffer":
    """The bytes of a file: in memory when it is small, else mapped, so that only what is looked at takes memory."""
    if location.size <= _IN_MEMORY:
        return bank.blobs.read(location)
    with spooled(bank, location) as copy:
        return mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)
