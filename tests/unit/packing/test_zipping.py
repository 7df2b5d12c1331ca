"""Archives of more than 4 GiB: what they say of each file is read by others."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime

from imagebank.model.export import Member, Piece
from imagebank.packing import zipping

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


class Sparse(io.RawIOBase):
    """The bytes of pieces, of which only what is written as data is held; zeros elsewhere."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.held: list[tuple[int, bytes]] = []
        self.size = self.at = 0
        for piece in pieces:
            if piece.data:
                self.held.append((self.size, piece.data))
            self.size += piece.size

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self.at + size)
        found = bytearray(end - self.at)
        for start, data in self.held:
            first, last = max(start, self.at), min(start + len(data), end)
            if first < last:
                found[first - self.at : last - self.at] = data[first - start : last - start]
        self.at = end
        return bytes(found)


def test_sizes_and_places_beyond_four_gibibytes_are_told() -> None:
    large = Member("LARGE", (Piece(5 << 30),))
    behind = Member("ä", (Piece(3, b"abc"),), 0x352441C2)
    with zipfile.ZipFile(Sparse(zipping.layout([large, behind], AT))) as archive:
        infos = archive.infolist()
        content = archive.read("ä")

    assert [(one.filename, one.file_size, one.date_time) for one in infos] == [
        ("LARGE", 5 << 30, (2026, 1, 2, 3, 4, 6)),
        ("ä", 3, (2026, 1, 2, 3, 4, 6)),
    ]
    assert infos[1].header_offset > 5 << 30
    assert content == b"abc"
