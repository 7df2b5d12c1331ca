"""What the pixels of an image are known again by, whatever codes them. Runs in a sandbox child."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from imagebank.dicom import likeness
from imagebank.dicom.codec import Cells, Frame, decode, stored_values, to_rgb
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.dicom.layout import Layout

TASK = "imagebank.dicom.fingerprint:fingerprint"
_BLOCK_CELLS = 1 << 15
"""So few that they stay in the processor's cache between being made and being digested."""


def fingerprint(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task, for each of the `images`: a digest of each frame of the given `sizes`; of the one at `look`, how it looks,
    and it small, those one behind the other.
    """
    answers, pieces, at = list[dict[str, Any]](), list[bytes](), 0
    for image in header["images"]:
        size = sum(image["sizes"])
        answer, piece = _known_by(image, payload[at : at + size])
        at += size
        answers.append(answer | {"small": len(piece)})
        pieces.append(piece)
    return {"images": answers}, pieces


def _known_by(image: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], bytes]:
    layout = msgspec.convert(image["layout"], Layout)
    digests, answer, piece, at = [], dict[str, Any](), b"", 0
    for place, size in enumerate(image["sizes"]):
        cells = plain(decode(payload[at : at + size], layout), layout)
        at += size
        digests.append(digest_of_stream(canonical(cells, layout)).value.hex())
        if place == image["look"]:
            picture = likeness.small(cells, is_inverse=layout.photometric == "MONOCHROME1")
            answer = {"look": likeness.look(picture), "is_telling": likeness.is_telling(picture)}
            piece = likeness.packed(picture)
    return answer | {"digests": digests}, piece


def plain(frame: Frame, layout: Layout) -> Cells:
    """Stored values, colours as red, green and blue."""
    cells = stored_values(frame.cells, layout)
    if layout.samples == 3 and cells.dtype == np.uint8:
        return to_rgb(cells, frame.photometric)
    # Whole numbers of 32 bits have the sign that they get in `canonical`.
    return cells.view("<i4") if layout.value == "int" and cells.dtype == np.uint32 else cells


def canonical(cells: Cells, layout: Layout) -> Iterator[memoryview]:
    """Plain cells as every transfer syntax gives them: whole numbers of 32 bits. Some rows at a time: they are large.

    What was given holds until the next one is taken.
    """
    rows = max(1, _BLOCK_CELLS // max(1, cells[0].size))
    room = np.empty((rows, *cells.shape[1:]), "<i4" if layout.value == "int" else cells.dtype)
    for first in range(0, len(cells), rows):
        block = cells[first : first + rows]
        made = room[: len(block)]
        np.copyto(made, block, casting="unsafe")
        yield made.data.cast("B")


def warm() -> None:
    """Touch what is imported when it is first used."""
    picture = likeness.small(np.arange(256).reshape(16, 16, 1), is_inverse=False)
    likeness.look(picture)
    likeness.is_telling(picture)
    digest_of(likeness.packed(picture))
