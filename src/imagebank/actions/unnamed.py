"""Files without a name, which no crash leaves behind."""

import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from imagebank.errors import OutOfSpace

if TYPE_CHECKING:
    from imagebank.dicom.walk import Buffer  # which loads pydicom, and the command for tokens goes without

_IN_MEMORY: Final = 64 << 20


def unnamed_file(folder: Path | None = None) -> BinaryIO:
    """A file in a folder, made when it is not there, that is gone when it is closed or the program ends.

    Unbuffered: whoever maps it sees all of it, and a full disk shows at the write that meets it, not later where
    nobody expects it.
    """
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=folder, buffering=0))


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write everything: an unbuffered file may take less at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def spooled(folder: Path, pieces: Iterable[bytes | memoryview], purpose: str) -> BinaryIO:
    """A file of these pieces, positioned at its start; to be closed. Raises OutOfSpace, which says for what there is none."""
    copy = unnamed_file(folder)
    try:
        for piece in pieces:
            write_all(copy, piece)
    except BaseException as error:
        copy.close()
        if isinstance(error, OSError):
            raise OutOfSpace("there is no room on the disk {purpose}", purpose=purpose) from error
        raise
    copy.seek(0)
    return copy


def gathered(folder: Path, pieces: Sequence["Buffer"], purpose: str) -> IO[bytes]:
    """The same in memory where it is small."""
    if sum(map(len, pieces)) <= _IN_MEMORY:
        return io.BytesIO(b"".join(pieces))
    return spooled(folder, map(memoryview, pieces), purpose)
