"""The bytes of an export, from wherever they are, piece by piece."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from imagebank.actions import export_spool, retrieve
from imagebank.bank import Bank
from imagebank.model.export import Piece
from imagebank.model.imaging import Instance
from imagebank.packing.cipher import enciphered

STEP = 1 << 20


class Reader:
    """Reads pieces. `instance_of` finds an object by its place, and raises where it may not be had any more."""

    def __init__(self, bank: Bank, place: Path, instance_of: Callable[[int], Instance]) -> None:
        self._bank = bank
        self._place = place
        self._instance_of = instance_of

    def plain(self, piece: Piece, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes of a piece from `start` up to `end`, not enciphered, in steps of at most 1 MiB."""
        end = piece.size if end is None else end
        instance = self._instance_of(piece.object) if piece.object >= 0 else None
        if piece.data:
            yield piece.data[start:end]
        elif piece.block >= 0:
            yield export_spool.block(self._bank, self._place, piece.block)[start:end]
        elif instance is not None:
            yield from retrieve.stored(self._bank, instance, piece.start + start, piece.start + end)
        else:
            yield from (bytes(min(STEP, end - at)) for at in range(start, end, STEP))

    def given(self, piece: Piece, start: int, end: int) -> Iterator[bytes]:
        """The same as it leaves."""
        at = piece.at + start
        for data in self.plain(piece, start, end):
            yield enciphered(piece.key, data, at) if piece.key else data
            at += len(data)

    def span(self, pieces: Sequence[Piece], start: int, end: int) -> Iterator[bytes]:
        """Bytes of pieces that follow one another, from `start` up to `end`, in blocks of 1 to 2 MiB."""
        waiting: list[bytes] = []
        size = 0
        for data in self._span(pieces, start, end):
            waiting.append(data)
            size += len(data)
            if size >= STEP:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)

    def _span(self, pieces: Sequence[Piece], start: int, end: int) -> Iterator[bytes]:
        ends = list(accumulate(piece.size for piece in pieces))
        number = bisect_right(ends, start)
        while start < end:
            piece = pieces[number]
            before = ends[number] - piece.size
            yield from self.given(piece, start - before, min(end, ends[number]) - before)
            start, number = ends[number], number + 1
