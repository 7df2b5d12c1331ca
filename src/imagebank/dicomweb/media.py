"""Objects that are no pictures and can be shown as they are: documents, videos, reports."""

from collections.abc import Iterator
from typing import Final

from imagebank.actions import retrieve, showing
from imagebank.actions.retrieve import Bulk
from imagebank.bank import Bank
from imagebank.dicom.frames import spans
from imagebank.dicom.sop_class import DOCUMENT_TYPES, PDF
from imagebank.dicomweb.edge import SANDBOXED
from imagebank.dicomweb.tables import TYPE_OF_SYNTAX, VIDEO
from imagebank.errors import NotFound
from imagebank.model.imaging import Instance, Pixels

DOCUMENT: Final = "00420011"


TEXT_TYPES: Final = ("text/html", "text/plain")
"""What reports are shown as; the first is the default."""

# Structured reports with key object selections, and presentation states (PS3.6 annex A).
_TEXTS: Final = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11.")


def is_text(instance: Instance) -> bool:
    """Whether it says something in words."""
    return instance.sop_class.startswith(_TEXTS)


def media_type_of(instance: Instance) -> str:
    """What a document or a video is given as; empty for anything else."""
    if instance.sop_class in DOCUMENT_TYPES:
        return DOCUMENT_TYPES[instance.sop_class]
    if instance.transfer_syntax in VIDEO:
        # Browsers know MPEG-2 by its registered name, and HEVC by its container.
        return {"video/mpeg2": "video/mpeg", "video/h265": "video/mp4"}.get(
            TYPE_OF_SYNTAX[instance.transfer_syntax], "video/mp4"
        )
    return ""


# What browsers show by programs of their own, which a sandbox would keep from working.
_PLAYED: Final = (PDF, "video/")


def kept_apart(kind: str) -> dict[str, str]:
    """Header fields for bytes of this media type that came in an object, so that they are never a page of ours.

    A viewer of ours may embed documents, pictures and videos, and nobody else's page; anything else is saved as a file.
    """
    is_shown = kind.startswith((*_PLAYED, "image/"))
    return {
        "Content-Disposition": "inline" if is_shown else "attachment",
        "Content-Security-Policy": "frame-ancestors 'self'" if kind.startswith(_PLAYED) else SANDBOXED,
        "X-Frame-Options": "SAMEORIGIN",
    }


def media(bank: Bank, instance: Instance) -> Bulk:
    """The document, in which no script acts, or the video stream itself. Raises NotFound, and as `showing.harmless` does."""
    if instance.sop_class in DOCUMENT_TYPES:
        document = retrieve.bulk(bank, instance, DOCUMENT)
        return showing.harmless(bank, document) if DOCUMENT_TYPES[instance.sop_class] == PDF else document
    if instance.pixels is None:
        raise NotFound("the object has no video")
    return first_frame(bank, instance, instance.pixels)


def first_frame(bank: Bank, instance: Instance, pixels: Pixels) -> Bulk:
    """The first frame as it is stored, of a video all of it. Raises NotFound where it cannot be cut from the file."""
    pieces = spans(pixels, 0)

    def read(start: int, end: int) -> Iterator[bytes]:
        before = 0
        for offset, length in pieces:
            first, last = max(start - before, 0), min(end - before, length)
            if first < last:
                yield from retrieve.stored(bank, instance, offset + first, offset + last)
            before += length

    return Bulk(sum(length for _, length in pieces), read)
