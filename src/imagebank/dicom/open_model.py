"""Whether a model of surfaces (STL, OBJ) is whole. Runs in a sandbox child.

It is kept as it comes, and nothing of it is made larger here; who shows it has to bear as many triangles as it has.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from imagebank.dicom.kind import Kind
from imagebank.errors import Invalid, noted

MOST_LOOKED_AT: Final = 64 << 20
"""Of a longer file of text, only the beginning is looked at."""
_FACE: Final = re.compile(rb"^f[ \t]+(.+)$", re.MULTILINE)
_POINT: Final = re.compile(rb"^v[ \t]", re.MULTILINE)
_CORNER: Final = re.compile(rb"(?<!\S)-?(\d{1,10})")
_DAMAGED: Final = noted("the model ends too early or is damaged; send it anew from the program that made it")


def check(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: nothing for a model that is whole as far as that shows. Raises Invalid for any other."""
    if Kind(header["kind"]) is Kind.OBJ:
        _surfaces(bytes(payload[:MOST_LOOKED_AT]), is_all=len(payload) <= MOST_LOOKED_AT)
    elif bytes(payload[:5]) == b"solid" and b"endsolid" not in bytes(payload[-1024:]):
        # One of numbers is known by its length, and so is whole.
        raise Invalid(_DAMAGED)
    return {}, ()


def _surfaces(data: bytes, *, is_all: bool) -> None:
    """Every corner of a face is a point that is there."""
    points = len(_POINT.findall(data))
    corners = (int(corner) for face in _FACE.finditer(data) for corner in _CORNER.findall(face[1]))
    if not points or (is_all and max(corners, default=0) > points):
        raise Invalid(_DAMAGED)
