"""Whether a film is as long as its container says, told without anything being decoded."""

import struct

from imagebank.dicom.kind import Kind

_BOXED = frozenset({Kind.MP4, Kind.QUICKTIME})
_MAX_BOXES = 10_000
_SEGMENT = b"\x18\x53\x80\x67"


def is_whole(kind: Kind, data: bytes) -> bool:
    """Whether nothing is cut off at the end; true also for containers that do not say how long they are."""
    if kind in _BOXED:
        return _has_its_media(data)
    if kind is Kind.AVI:
        # A writer that was stopped has left the length at 0; one byte may be missing that only fills up.
        return 8 + int.from_bytes(data[4:8], "little") <= len(data) + 1
    return kind is not Kind.WEBM or _segment_end(data) <= len(data)


def _has_its_media(data: bytes) -> bool:
    """ISO 14496-12 8.1.1: the boxes of media lie on the top level."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 16 > len(data):
            break
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if kind == b"mdat" and at + size > len(data):
            return False
        if size < 8:
            break
        at += size
    return True


def _segment_end(data: bytes) -> int:
    """Where the one segment of a Matroska file ends (RFC 8794 4, RFC 9559 4.5); 0 where that is not said."""
    at = 4 + sum(_number(data, 4))
    if data[at : at + 4] != _SEGMENT:
        return 0
    width, size = _number(data, at + 4)
    return 0 if size == (1 << 7 * width) - 1 else at + 4 + width + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """How many bytes a number of EBML takes, and the number."""
    width = 9 - (data[at] if at < len(data) else 0).bit_length()
    value = int.from_bytes(data[at : at + width], "big") & (1 << 7 * width) - 1
    return width, value
