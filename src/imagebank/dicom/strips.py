"""JPEG pictures, of which large ones are encoded in strips by all threads of a decoder, and joined.

The encoder knows one processor, and an X-ray takes that longer than all else that is done for its picture. So strips are
encoded each by itself, and joined by restart markers into one baseline picture: behind a marker the prediction of DC
values begins anew (ITU-T T.81 B.1.1.3, E.1.4), as it does where a picture begins. The coefficients, and with them the
pixels, are those of a picture encoded at once; it is a few bytes longer for each strip. How a picture is cut follows
from its size alone, and the same picture has the same bytes on every machine.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from imagebank.dicom import team

Cells = NDArray[np.uint8]
"""Rows of a picture: grey (rows, columns) or red, green and blue (rows, columns, 3)."""

_WHOLE_CELLS: Final = 1 << 20
"""A picture with fewer is encoded at once: two threads would wake each other for less than a millisecond."""
_STRIP_CELLS: Final = 1 << 18
"""With what is made of them they stay in a processor's own cache. Hence fewer than 2^16 units in each strip, whose number
is written in 16 bits (T.81 B.2.4.4)."""
_UNIT_ROWS: Final = 16
"""Of a minimum coded unit with halved chroma; others have 8 (T.81 A.2)."""
_MOST_ROWS: Final = 65500
"""The encoder's own bound."""
_FULL_CHROMA: Final = 90
"""The quality from which chroma is not halved."""

_FRAME, _SCAN = 0xC0, 0xDA


def jpeg(shape: tuple[int, ...], part: Callable[[int, int], Cells], quality: int) -> bytes:
    """A picture, of which `part` gives the rows from one up to another, in any thread."""
    rows, columns = shape[:2]
    step = _rows_of_strip(rows, columns)
    if step >= rows:
        return _encoded(part(0, rows), quality)
    starts = range(0, rows, step)

    def strip(number: int) -> bytes:
        return _encoded(part(starts[number], min(starts[number] + step, rows)), quality)

    return _joined(team.shared_out(strip, len(starts)), rows, columns, step)


def _rows_of_strip(rows: int, columns: int) -> int:
    if rows * columns < _WHOLE_CELLS or rows > _MOST_ROWS:
        return rows
    return max(_STRIP_CELLS // columns // _UNIT_ROWS, 1) * _UNIT_ROWS


def _encoded(cells: Cells, quality: int) -> bytes:
    """With tables that are the standard's own (T.81 K.3), or strips could not have the same."""
    options: dict[str, Any] = {}
    if cells.ndim == 3:
        chroma = "444" if quality >= _FULL_CHROMA else "420"
        options = {"colorspace": "RGB", "outcolorspace": "YCBCR", "subsampling": chroma}
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(cells), quality, optimize=False, **options))


def _joined(strips: Sequence[bytes], rows: int, columns: int, step: int) -> bytes:
    """Strips of `step` rows each, the last of as many as are left, as one picture."""
    segments = dict(_segments(strips[0]))
    frame, scan = segments[_FRAME], segments[_SCAN]
    # T.81 B.2.2: behind length and precision the lines; behind the number of components the first one's sampling.
    across, down = strips[0][frame + 11] >> 4, strips[0][frame + 11] & 15
    units = -(-columns // (8 * across)) * (step // (8 * down))
    head = bytearray(strips[0][:scan])
    struct.pack_into(">H", head, frame + 5, rows)
    head += struct.pack(">HHH", 0xFFDD, 4, units)
    # All heads are of one length: they say the same but for the lines.
    begin = scan + 2 + int.from_bytes(strips[0][scan + 2 : scan + 4])
    pieces: list[bytes | memoryview] = [bytes(head), strips[0][scan:begin]]
    for number, strip in enumerate(strips):
        pieces += [memoryview(strip)[begin:-2], bytes((0xFF, 0xD0 + number % 8))]
    pieces[-1] = strips[0][-2:]
    return b"".join(pieces)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The code and the place of each marker up to the scan's (T.81 B.1.1.4)."""
    at = 2
    while data[at + 1] != _SCAN:
        yield data[at + 1], at
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    yield _SCAN, at
