"""A disc image: ISO 9660 level 1 with Joliet and UDF names for the same files (ECMA-119, ECMA-167).

Its directories are made by a library that writes a whole image. It is given files of the right lengths that are empty
of content, and what it writes of them is noted by place only: so the image is known, and nothing of it was copied.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, cast

from pycdlib import PyCdlib

from imagebank.model.export import Member, Piece

# What is written at a time: of a disc of 100 GB some hundred thousand.
_STEP: Final = 1 << 20
_ZEROS: Final = bytes(_STEP)
_UDF: Final = "2.60"


class _Content(bytes):
    """Bytes that stand for those of a file."""

    member: int


class _Placed(io.RawIOBase):
    """A file of a length, and where in it the next byte is read or written."""

    def __init__(self, end: int) -> None:
        self._at, self.end = 0, end

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.end}[whence]
        return self._at


class _Hollow(_Placed):
    """A file of which every read gives `_Content`."""

    def __init__(self, member: int, size: int) -> None:
        super().__init__(size)
        self._member = member

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self.end - self._at
        content = _Content(_ZEROS[: left if size < 0 else min(size, left)])
        content.member = self._member
        self._at += len(content)
        return content


class _Image(_Placed):
    """Takes an image as it is written: what is in it beside files, and where each file begins."""

    def __init__(self) -> None:
        super().__init__(0)
        self.written: dict[int, bytes] = {}
        self.begins: dict[int, int] = {}

    def writable(self) -> bool:
        return True

    def truncate(self, size: int | None = None) -> int:
        self.end = self._at if size is None else size
        return self.end

    def write(self, data: Any) -> int:
        if isinstance(data, _Content):
            self.begins.setdefault(data.member, self._at)
        elif any(data):
            self.written[self._at] = bytes(data)
        self._at += len(data)
        self.end = max(self.end, self._at)
        return len(data)


def layout(members: Sequence[Member], label: str) -> list[Piece]:
    """The pieces of an image of these files. Their names are of ISO 9660 level 1, with `/` between folders."""
    image, disc = _Image(), PyCdlib()
    disc.new(interchange_level=1, joliet=3, udf=_UDF, vol_ident=label, app_ident_str="IMAGEBANK")
    _fill(disc, members)
    disc.write_fp(cast(BinaryIO, image), blocksize=_STEP)
    disc.close()
    return list(_pieces(image, members))


def _fill(disc: PyCdlib, members: Sequence[Member]) -> None:
    made: set[str] = set()
    for number, member in enumerate(members):
        folders = member.name.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            path = "/" + "/".join(folders[:depth])
            if path not in made:
                made.add(path)
                disc.add_directory(path, joliet_path=path, udf_path=path)
        path = "/" + member.name
        # ISO 9660 7.5: a file's name has a dot, and a version behind it.
        plain = (path if "." in member.name.rpartition("/")[2] else path + ".") + ";1"
        hollow = cast(BinaryIO, _Hollow(number, member.size))
        disc.add_fp(hollow, member.size, plain, joliet_path=path, udf_path=path)


def _pieces(image: _Image, members: Sequence[Member]) -> Iterator[Piece]:
    """What was written, files and the zeros between, by place."""
    placed: dict[int, tuple[Piece, ...]] = {at: (Piece(len(data), data),) for at, data in image.written.items()}
    placed |= {at: members[number].pieces for number, at in image.begins.items()}
    at = 0
    for place, pieces in sorted(placed.items()):
        for piece in (Piece(place - at), *pieces):
            if piece.size:
                yield piece
                at += piece.size
    if at < image.end:
        yield Piece(image.end - at)
