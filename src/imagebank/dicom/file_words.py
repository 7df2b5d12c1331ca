"""What cameras and programs wrote into a file beside its pixels, read where untrusted bytes belong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagebank.dicom.kind import Kind
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, Unsupported

_TASK: Final = "imagebank.dicom.open_words:words"
_FILMS: Final = frozenset({Kind.MP4, Kind.QUICKTIME})
_HAVE_WORDS: Final = _FILMS | {Kind.JPEG, Kind.JPEG2000, Kind.PNG, Kind.TIFF, Kind.WEBP, Kind.PDF}
_JPEG_HEAD: Final = 4 << 20
"""All that a JPEG file says stands before its pixels."""
_MOST_BOXES: Final = 10_000
_LONGEST_BOX: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class FileWords:
    """What a file says of itself, by name: `taken_at`, `offset`, `changed_at`, `make`, `model`, `serial`, `artist`, `owner`,
    `title`, `description`, `subject`, `keywords`, `comment`; of a film also `made_at`. Where it was taken never is.
    """

    exif: Mapping[str, str] = field(default_factory=dict)
    film: Mapping[str, str] = field(default_factory=dict)
    xmp: Mapping[str, str] = field(default_factory=dict)


def words_of(sandbox: Sandbox, data: bytes, kind: Kind) -> FileWords:
    """What is written in a file beside its pixels; nothing where that cannot be read. Raises Unavailable."""
    if kind not in _HAVE_WORDS:
        return FileWords()
    pieces = [data[:_JPEG_HEAD]] if kind is Kind.JPEG else list(_heads(data)) if kind in _FILMS else [data]
    try:
        answer, _ = sandbox.call(_TASK, {"kind": kind.value}, *pieces)
    except (Invalid, Unsupported):
        return FileWords()
    return FileWords(answer["exif"], answer["film"], answer["xmp"])


def _heads(film: bytes) -> Iterator[bytes]:
    """The boxes of a film that say something of it, without those that hold it (ISO 14496-12 4.2)."""
    at = 0
    for _ in range(_MOST_BOXES):
        size, kind = int.from_bytes(film[at : at + 4], "big"), film[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(film[at + 8 : at + 16], "big")
        size = size or len(film) - at
        if len(kind) < 4 or size < 8:
            return
        if kind in (b"moov", b"uuid") and size <= _LONGEST_BOX:
            yield film[at : at + size]
        at += size
