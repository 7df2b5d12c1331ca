"""What the DICOMweb edge offers, as tables: the server answers by them, and the conformance statement prints them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from imagebank.dicom.scan import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from imagebank.errors import BankError, Conflict, Invalid, Mismatch, NotAllowed, OutOfSpace, Unavailable, Unsupported
from imagebank.model.uid import Uid

ROOT: Final = "/dicom-web"
"""Where the edge is mounted; `actions.retrieve` writes it into BulkDataURI values."""

DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
OCTETS: Final = "application/octet-stream"
RELATED: Final = "multipart/related"

_4: Final = "1.2.840.10008.1.2.4."


def _syntaxes(*numbers: int) -> tuple[Uid, ...]:
    return tuple(Uid(f"{_4}{number}") for number in numbers)


FRAME_TYPES: Final[Mapping[str, tuple[Uid, ...]]] = MappingProxyType(
    {
        OCTETS: (EXPLICIT_LE,),
        "image/jpeg": _syntaxes(70, 50, 51, 57, 52, 53, 54, 55, 56, 58),
        "image/jls": _syntaxes(80, 81),
        "image/jp2": _syntaxes(90, 91),
        "image/jpx": _syntaxes(92, 93),
        "image/jphc": _syntaxes(201, 202, 203),
        "image/jxl": _syntaxes(110, 111, 112),
        "image/dicom-rle": (Uid("1.2.840.10008.1.2.5"),),
        "application/x-deflate": (Uid("1.2.840.10008.1.2.8.1"),),
        "video/mpeg2": _syntaxes(101, 100),
        "video/mp4": _syntaxes(102, 103, 104, 105, 106),
        "video/h265": _syntaxes(107, 108),
    }
)
"""Media types of pixel data (PS3.18 8.7.3.3); the first transfer syntax is meant when a request names none."""

TYPE_OF_SYNTAX: Final[Mapping[Uid, str]] = MappingProxyType(
    {syntax: name for name, syntaxes in FRAME_TYPES.items() for syntax in syntaxes}
)

OLD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image/x-dicom-rle": "image/dicom-rle",
        "image/x-jls": "image/jls",
        "image/j2k": "image/jp2",
        "video/mpeg": "video/mpeg2",
        "video/h264": "video/mp4",
        "application/json": JSON,
    }
)
"""Names that clients use for the same thing."""

NEVER_SENT: Final = frozenset({IMPLICIT_LE, EXPLICIT_BE})
"""PS3.18 8.7.3: these never leave by the web; they are written again as Explicit VR Little Endian."""

VIDEO: Final = frozenset(syntax for name in ("video/mpeg2", "video/mp4", "video/h265") for syntax in FRAME_TYPES[name])

FAILURE_REASONS: Final[Mapping[type[BankError], int]] = MappingProxyType(
    {
        OutOfSpace: 0xA700,
        Mismatch: 0xA900,
        Invalid: 0xC000,
        Unsupported: 0x0122,
        NotAllowed: 0x0124,
        Conflict: 0x0111,
        Unavailable: 0x0110,
    }
)
"""Failure Reason (0008,1197) by the bank's refusal (PS3.18 table I.2-2, PS3.7 annex C)."""

OTHER_STUDY: Final = 0xA901
SYNTAX_NOT_TAKEN: Final = 0xC122
PROCESSING_FAILURE: Final = 0x0110

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0xA700: "no room to keep it",
        0xA900: "the data set does not match its SOP class or its own header",
        OTHER_STUDY: "the instance belongs to another study than the request names",
        0xC000: "it cannot be understood",
        SYNTAX_NOT_TAKEN: "the media type or transfer syntax of its bulk data is not taken",
        0x0110: "processing failure; try again",
        0x0111: "it contradicts what is held, or cannot be taken as it is; this copy is safe in quarantine",
        0x0122: "the SOP class or transfer syntax is not taken",
        0x0124: "not authorized",
    }
)
"""What each failure reason means here."""

COERCED: Final = 0xB000
"""Warning Reason (0008,1196): kept with attributes that the site's rules gave other values (PS3.18 table I.2-1)."""
ODD_BUT_KEPT: Final = 0xB007
"""Warning Reason (0008,1196): kept as it came, although it departs from the standard."""

PRIVATE_CREATOR: Final = "IMAGEBANK STOW"
"""Names the private block whose element (0009,1001) gives the reason in words: the Store Instances Response Module has
no attribute for it."""

STORE_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: "everything is kept",
        202: "something is kept, and something was refused, or kept with a warning",
        400: "nothing is kept: the request is not well formed",
        408: "the body came too slowly, or fell silent before its end; parts that were whole are kept",
        409: "nothing is kept: every instance was refused",
        413: "longer than this bank takes",
        415: "this Content-Type or Content-Encoding is not taken",
        503: "nothing is kept: a part of the bank did not answer; try again",
        507: "nothing is kept: there is no room",
    }
)
READ_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: "here it is",
        202: "it is done",
        204: "the search found nothing",
        206: "the byte range; or the instances of a selection that can be given in the wanted transfer syntax",
        304: "what the caller holds is still true",
        400: "the request is not well formed",
        401: "sign in",
        403: "the caller may not do this",
        404: "there is no such thing in the caller's sight",
        405: "not with this method; `Allow` lists those that are",
        409: "the state that it is in forbids it; `Warning` says why",
        406: "it cannot be given in any form that the caller accepts",
        416: "the range lies outside",
        501: "the parameter is understood and not offered",
        503: "a part of the bank did not answer; `Retry-After` says when to try again",
    }
)

DEFAULT_LIMIT: Final = 10_000
MAX_LIMIT: Final = 10_000
"""One page of a search. It is large because many clients do not page and would take a short answer for a whole one;
it is bounded because 10,000 matches are some 10 MB."""
