"""What a file is, told by its first bytes and never by its name."""

import gzip
import re
import zlib
from enum import StrEnum
from io import BytesIO
from pathlib import PurePath
from typing import Final

HEAD: Final = 4096
"""As many bytes of the beginning as are looked at."""


class Kind(StrEnum):
    """Kinds of files that departments have, by media type; without one that is registered, as others call it."""

    DICOM = "application/dicom"
    DICOMDIR = "application/dicom+directory"
    JPEG = "image/jpeg"
    JPEG2000 = "image/jp2"
    PNG = "image/png"
    GIF = "image/gif"
    TIFF = "image/tiff"
    BMP = "image/bmp"
    WEBP = "image/webp"
    HEIC = "image/heic"
    AVIF = "image/avif"
    MP4 = "video/mp4"
    QUICKTIME = "video/quicktime"
    AVI = "video/x-msvideo"
    WEBM = "video/webm"
    MPEG = "video/mpeg"
    TRANSPORT = "video/mp2t"
    PDF = "application/pdf"
    CDA = "text/xml"
    STL = "model/stl"
    OBJ = "model/obj"
    NIFTI = "application/x-nifti"
    SCP_ECG = "application/x-scp-ecg"
    ECG_XML = "application/x-ecg+xml"
    ZIP = "application/zip"
    UNKNOWN = "application/octet-stream"


# The longest ones first where one begins like another. PS3.10 7.1 wins over all: its preamble may look like a TIFF.
_AT_START: Final = (
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JPEG2000),
    (b"\xff\x4f\xff\x51", Kind.JPEG2000),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),
    (b"MM\0+", Kind.TIFF),
    (b"\x1aE\xdf\xa3", Kind.WEBM),
    (b"\0\0\x01\xba", Kind.MPEG),
    (b"PK\x03\x04", Kind.ZIP),
    (b"\0\0\x01\xb3", Kind.MPEG),
)
_BRANDS: Final = {
    b"heic": Kind.HEIC,
    b"heix": Kind.HEIC,
    b"mif1": Kind.HEIC,
    b"msf1": Kind.HEIC,
    b"avif": Kind.AVIF,
    b"avis": Kind.AVIF,
    b"qt  ": Kind.QUICKTIME,
}
_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
# ISO 32000 tells readers to find the header within the first kilobyte.
_PDF_WITHIN: Final = 1024
_OBJ_LINE: Final = re.compile(rb"(?:v|vn|vt) -?[0-9.]+ -?[0-9.]+|f [0-9/]+ [0-9/]+|(?:mtllib|usemtl|o|g) \S+")
_ENDINGS: Final = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jp2",
        ".png",
        ".gif",
        ".tif",
        ".tiff",
        ".bmp",
        ".webp",
        ".avif",
        ".heic",
        ".heif",
        ".mp4",
        ".m4v",
        ".mov",
        ".avi",
        ".webm",
        ".mkv",
        ".mpg",
        ".mpeg",
        ".pdf",
        ".stl",
        ".obj",
        ".nii",
        ".scp",
        ".zip",
    ]
)
_GZIP: Final = b"\x1f\x8b"
_ELEMENT: Final = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)[\s/>]")
_DOCUMENTS: Final = {
    b"ClinicalDocument": Kind.CDA,
    # HL7's annotated ECG, and those of GE and Philips.
    b"AnnotatedECG": Kind.ECG_XML,
    b"RestingECG": Kind.ECG_XML,
    b"restingecgdata": Kind.ECG_XML,
}


def kind_of(head: bytes) -> Kind:
    """The kind of a file that begins with `head`, of `HEAD` bytes or the whole file."""
    if head[128:132] == b"DICM":
        return Kind.DICOM
    for magic, kind in _AT_START:
        if head.startswith(magic):
            return kind
    return _container(head) or _document(head) or Kind.UNKNOWN


def _container(head: bytes) -> Kind | None:
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Kind.MP4)
    if head[4:8] in _BOXES:
        return Kind.QUICKTIME
    if head[:4] == b"RIFF":
        return {b"WEBP": Kind.WEBP, b"AVI ": Kind.AVI}.get(head[8:12])
    # ISO 13818-1 2.4.3.2: every packet of a transport stream has 188 bytes and begins with G.
    if head[:1] == head[188:189] == head[376:377] == b"G":
        return Kind.TRANSPORT
    # A bitmap's header says how long it is; two letters alone begin many a text.
    if head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) > 18 and head[14] in (12, 40, 52, 56, 108, 124):
        return Kind.BMP
    return None


def _document(head: bytes) -> Kind | None:
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return Kind.PDF
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        return _xml(head)
    # NIfTI-1 and -2: the size of the header, and a magic at its end.
    bare = _unpacked(head)
    if bare[344:348] in (b"n+1\0", b"ni1\0") or bare[4:12] == b"n+2\0\r\n\x1a\n":
        return Kind.NIFTI
    # EN 1064: a checksum, a length, and section 0 that names itself.
    if head[16:22] == b"SCPECG":
        return Kind.SCP_ECG
    return _model(head)


def _xml(head: bytes) -> Kind | None:
    """Told by the name of the first element, whatever stands before it."""
    found = _ELEMENT.search(head)
    return _DOCUMENTS.get(found[1]) if found else None


def _model(head: bytes) -> Kind | None:
    if head.startswith(b"solid") and b"facet" in head:
        return Kind.STL
    lines = [line for line in head.splitlines()[:50] if line.strip() and not line.startswith(b"#")]
    if len(lines) > 2 and all(_OBJ_LINE.match(line) for line in lines[:-1]):
        return Kind.OBJ
    return None


def claims(name: str) -> str:
    """The ending of a file's name where it stands for a kind that is taken here; empty for any other name.

    That of DICOM is given to files of all sorts by programs, and is worth nothing.
    """
    ending = PurePath(name.lower()).suffix
    return ending if ending in _ENDINGS else ""


def is_binary_stl(head: bytes, size: int) -> bool:
    """A binary STL has no magic: 80 bytes of anything, a count, and fifty bytes for each triangle."""
    return size >= 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little")


def _unpacked(head: bytes) -> bytes:
    if not head.startswith(_GZIP):
        return head
    try:
        with gzip.GzipFile(fileobj=BytesIO(head)) as stream:
            return stream.read(352)
    except (OSError, EOFError, zlib.error):
        return b""
