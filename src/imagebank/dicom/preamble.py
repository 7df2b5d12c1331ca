"""The 128 bytes before a DICOM file, in which a file of another kind may hide (PS3.10 7.1 and 7.5).

They are kept as they came. On the way out they are zeros, unless they make the file a TIFF, too.
"""

import struct
from typing import Final

from imagebank.dicom.walk import Buffer

LENGTH: Final = 128
HEAD: Final = 132
"""The preamble and the mark that tells it from a data set."""

_MARK: Final = b"DICM"
_ZEROS: Final = bytes(LENGTH)
# By their first bytes: the loaders of these look nowhere else.
_STARTS: Final = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    *((bytes.fromhex(code), "a macOS program") for code in ("feedface", "feedfacf", "cefaedfe", "cffaedfe")),
    (b"\xca\xfe\xba\xbe", "a macOS or Java program"),
    (b"#!", "a script"),
    (b"\0asm", "a WebAssembly program"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
)
# Anywhere in the preamble, in lower case: browsers and readers look for these further on.
_WITHIN: Final = (
    (b"%pdf-", "a PDF document"),
    (b"pk\3\4", "a ZIP archive"),
    *((tag, "a web page") for tag in (b"<html", b"<!doctype", b"<script", b"<svg", b"<body", b"<iframe", b"<?php")),
)
_PDF: Final = b"%PDF-"
# Readers of PDF look for its mark in the first 1,024 bytes (ISO 32000-1, annex H.3, note 13).
_PDF_REACH: Final = 1024
# APPNOTE 4.3.16: an archive ends with a record of 22 bytes and a comment, whose length the record tells.
_ZIP_END: Final = b"PK\5\6"
_ZIP_END_BYTES: Final = 22
# A comment may be longer; to look through 64 KiB of every object costs half as much as reading its header.
_ZIP_REACH: Final = 4096


def disguise(data: Buffer, dataset_offset: int, *, is_whole: bool = True) -> str:
    """What else than DICOM a file could pass for, in words for a receipt; empty for nothing that we know.

    `data` is the whole file, `dataset_offset` where its data set begins. How a leading part ends says nothing.
    """
    if found := _at_the_start(data, dataset_offset):
        return f"the file also begins as {found} does; it is kept as it came, and given out without that"
    if is_whole and (found := ends_as(data)):
        return f"the file also ends as {found} does; it is kept as it came: open it with DICOM software only"
    return ""


def ends_as(data: Buffer) -> str:
    """As what else than DICOM a file ends; empty for nothing that we know."""
    return _at_the_end(bytes(data[-_ZIP_REACH:]))


def _at_the_start(data: Buffer, dataset_offset: int) -> str:
    head = bytes(data[:HEAD])
    if head[LENGTH:] != _MARK:
        return ""
    if head[:LENGTH] != _ZEROS and (found := _kind(head[:LENGTH])):
        return found
    return "a PDF document" if _PDF in bytes(data[: min(dataset_offset, _PDF_REACH)]) else ""


def _kind(preamble: bytes) -> str:
    lower = preamble.lower()
    started = (name for start, name in _STARTS if preamble.startswith(start))
    return next(started, "") or next((name for mark, name in _WITHIN if mark in lower), "")


def _at_the_end(tail: bytes) -> str:
    # From the front: `find` looks for the rare letter with the speed of memchr, `rfind` does not.
    at = tail.find(_ZIP_END)
    while at >= 0:
        if len(tail) - at >= _ZIP_END_BYTES:
            (comment,) = struct.unpack_from("<H", tail, at + _ZIP_END_BYTES - 2)
            if at + _ZIP_END_BYTES + comment in (len(tail), len(tail) - 1):  # one byte may be a pad
                return "a ZIP archive"
        at = tail.find(_ZIP_END, at + 1)
    return ""


def neutral(head: bytes, size: int) -> bytes:
    """The first bytes of a file of `size` bytes as they go out: its preamble as zeros.

    As they are when no preamble is there, when it holds nothing, or when it makes the file a TIFF and nothing more.
    """
    preamble = head[:LENGTH]
    if preamble == _ZEROS or head[LENGTH:HEAD] != _MARK or _is_tiff(preamble, size):
        return head
    return _ZEROS + head[LENGTH:]


def _is_tiff(preamble: bytes, size: int) -> bool:
    """Whether there is the header of a TIFF (TIFF 6.0, section 2), and nothing else hides behind it.

    Of a header whose directory lies outside the file no reader makes anything; it stays where it is all that there is,
    as software that cut the file left it.
    """
    order = {b"II": "<", b"MM": ">"}.get(preamble[:2])
    if order is None or _kind(preamble):
        return False
    version, directory = struct.unpack_from(f"{order}HI", preamble, 2)
    if version == 42:
        return 8 <= directory <= size - 6 or not any(preamble[8:])
    if version == 43:  # BigTIFF: offsets of 8 bytes, and a 0 after that
        wide, nought, directory = struct.unpack_from(f"{order}HHQ", preamble, 4)
        return (wide, nought) == (8, 0) and (16 <= directory <= size - 20 or not any(preamble[16:]))
    return False
