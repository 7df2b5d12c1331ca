"""What bulk pixel data says of itself, in the media types of DICOMweb (PS3.18 table 8.7.3-3 and 10.5.1.1.2)."""

from typing import Final

from imagebank.dicom import described
from imagebank.dicom.described import Coded
from imagebank.dicom.movie import read_movie, syntaxes
from imagebank.dicomweb.tables import FRAME_TYPES, OCTETS, OLD_NAMES
from imagebank.errors import Mismatch, Unsupported
from imagebank.http.spool import Section
from imagebank.model.uid import Uid

_FILMS: Final = frozenset(("video/mp4", "video/h265"))
_READERS: Final = {
    "image/jpeg": described.jpeg,
    "image/jls": described.jpegls,
    "image/jp2": described.jpeg2000,
    "image/jpx": described.jpeg2000,
    "image/jphc": described.htj2k,
    "image/dicom-rle": described.rle,
    "video/mpeg2": described.mpeg2,
}


class BulkNotTaken(Unsupported):
    """Bulk data in a media type or transfer syntax that this bank does not take."""


def inspect(kind: str, syntax: str, content: Section) -> Coded | None:
    """Read what a part of media type `kind` says of itself; None for native pixels. `syntax` is what the part names.

    Raises BulkNotTaken for other media types, Mismatch for a film that is not in the transfer syntax that the part
    names, Invalid when the bytes are not what the type says.
    """
    kind = OLD_NAMES.get(kind, kind)
    if kind in ("", OCTETS):
        return None
    if kind not in FRAME_TYPES or kind in ("image/jxl", "application/x-deflate"):
        raise BulkNotTaken(f"pixel data is not taken as {kind}")
    if kind in _FILMS:
        return _film(syntax, content)
    if syntax and syntax not in FRAME_TYPES[kind]:
        raise BulkNotTaken(f"{kind} does not come in transfer syntax {syntax}")
    try:
        coded = _READERS[kind](next(content.pieces(), b""))
    except Unsupported as error:
        raise BulkNotTaken(str(error)) from error
    samples = coded.description.get("SamplesPerPixel", 1)
    if samples not in (1, 3):
        # PS3.3 C.7.6.3.1.2: CMYK and ARGB are retired.
        raise BulkNotTaken(f"the picture has {samples} samples a pixel, such as CMYK; send it as RGB or as grey values")
    return Coded(Uid(syntax), coded.start, coded.description) if syntax else coded


def _film(syntax: str, content: Section) -> Coded:
    """An MP4 file, which is what both media types hold (PS3.5 8.2.7 to 8.2.11)."""
    try:
        movie = read_movie(content.read, content.size)
        allowed = syntaxes(movie)
    except Unsupported as error:
        raise BulkNotTaken(str(error)) from error
    if syntax and syntax not in allowed:
        raise Mismatch(f"the video is {movie}, which transfer syntax {syntax} does not allow")
    return described.film(movie, Uid(syntax) if syntax else allowed[0])
