"""What lies in archives: ZIP, TAR, and single files that are compressed. Entries are read one by one; nothing is written.

What a hostile archive could make us do is bounded before anything is expanded.
"""

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, Final

from imagebank.actions.ingest import Arrival
from imagebank.errors import BankError, Invalid, Unavailable
from imagebank.model.imaging import Outcome, Receipt

ARCHIVED: Final = "!/"
"""What stands between the name of an archive and that of an entry."""
_MAX_ENTRIES = 1_000_000
_MAX_ENTRY_BYTES: Final = 512 << 20
_MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 1 << 20
# Long names and the like; a header that goes on for longer is none.
_MAX_HEADER_BYTES: Final = 4 << 20
_MAX_DICTIONARY_BYTES: Final = 256 << 20
_BLOCK: Final = 1 << 20

# What the standard library raises for a damaged archive. RuntimeError is how zipfile says that an entry is encrypted,
# ValueError that a name is not in the coding it names or that an entry lies before the start.
_BROKEN: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, ValueError, struct.error),
    *(zlib.error, lzma.LZMAError, EOFError, OSError),
)
_DAMAGE: Final = frozenset({None, errno.EINVAL})
"""Numbers of an OSError that speaks of damaged content, and not of a disk or a right to read."""
_UNOPENED: Final = frozenset({".7z", ".iso", ".lz4", ".lzma", ".rar", ".z", ".zst"})
_COMPRESSED: Final = frozenset({".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz"})
# How tarfile says that nothing more comes. The names are not in its documentation.
_END: Final = (tarfile.EmptyHeaderError, tarfile.EOFHeaderError)  # type: ignore[attr-defined]
# Files of a kind that comes compressed, and is kept as it comes.
_WHOLE: Final = (".nii.gz",)
# PKWARE 4.4.4: flags of an entry.
_LOCKED: Final = 1
_UTF8: Final = 1 << 11
# Kana, signs that stand with them, and ideographs.
_JAPANESE: Final = re.compile("[\u3005-\u3007\u3041-\u30fe\u4e00-\u9fff\uff01-\uff5e]")
_DICOM_MARK: Final = slice(128, 132)
_TAR_MARK: Final = slice(257, 262)

Contents = Iterator[Arrival | Receipt]
"""The objects of an archive; a receipt stands for what is refused unseen."""
Opener = Callable[[BinaryIO], gzip.GzipFile | bz2.BZ2File | io.BufferedReader | IO[bytes]]


def name_of(path: Path) -> str:
    """A path for receipts and notes. On disk it is bytes, in whatever coding; what is not UTF-8 is marked."""
    return os.fsencode(path).decode("utf-8", "replace")


def refused(name: str, error: BankError) -> Receipt:
    return Receipt(Outcome.REFUSED, name, error=error)


def may_be_one(name: str) -> bool:
    """Whether a file of this name may be an archive, so that it is worth to look."""
    return Path(name).suffix.lower() in {".zip", ".tar", *_COMPRESSED, *_UNOPENED}


def contents_of(path: Path) -> Contents | None:
    """What lies in an archive; None for a file that is none, whatever its name. Raises OSError."""
    suffix = path.suffix.lower()
    if suffix == ".zip" and zipfile.is_zipfile(path):
        return _zip(path)
    if path.name.lower().endswith(_WHOLE):
        return None
    if suffix == ".tar" or suffix in _COMPRESSED or suffix in _UNOPENED:
        with path.open("rb") as stream:
            start = stream.read(512)
        if start[_DICOM_MARK] == b"DICM":
            return None
        if suffix in _UNOPENED:
            why = Invalid("an archive of this kind is not opened: unpack it, or make a ZIP or TAR of it")
            return iter([refused(name_of(path), why)])
        opens = _opener(start)
        if opens is not None or start[_TAR_MARK] == b"ustar":
            return _expanded(path, opens or _as_it_is)
    return None


def _opener(start: bytes) -> Opener | None:
    """How a file is expanded that begins so; None when it is not compressed."""
    if start.startswith(b"\x1f\x8b"):
        return lambda packed: gzip.GzipFile(fileobj=packed)
    if start.startswith(b"BZh"):
        return bz2.BZ2File
    if start.startswith(b"\xfd7zXZ\0"):
        return lambda packed: io.BufferedReader(_XZ(packed))
    return None


def _as_it_is(packed: BinaryIO) -> IO[bytes]:
    return packed


def _zip(path: Path) -> Contents:
    """The entries of a ZIP. An entry that expands beyond reason is refused by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Not `is_dir`, which fails on an entry without a name.
            entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            if any(entry.flag_bits & _LOCKED for entry in entries):
                # Whoever has the password may open it yet.
                yield Arrival(path.open("rb"), path.stat().st_size, name_of(path))
                return
            for entry in entries[:_MAX_ENTRIES]:
                name = f"{name_of(path)}{ARCHIVED}{_readable(entry)}"
                try:
                    yield _zip_entry(archive, entry, name)
                except (Invalid, *_BROKEN) as error:
                    yield refused(name, broken("the entry", error))
            if len(entries) > _MAX_ENTRIES:
                yield refused(name_of(path), _too_many())
    except _BROKEN as error:
        yield refused(name_of(path), broken("the archive", error))


def _readable(entry: zipfile.ZipInfo) -> str:
    """The name of an entry. One that does not say how its letters are coded is read as UTF-8 or Shift JIS where it is
    nothing else, else as the specification says (PKWARE appendix D).
    """
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        raw = entry.filename.encode("cp437")
    except UnicodeEncodeError:
        return entry.filename  # the archive names it in UTF-8 elsewhere
    for coding, is_meant in (("utf-8", str.isprintable), ("cp932", _is_japanese)):
        with suppress(UnicodeDecodeError):
            name = raw.decode(coding)
            if is_meant(name):
                return name
    return entry.filename


def _is_japanese(name: str) -> bool:
    """Whether every letter beyond ASCII is one that Japanese is written with, and more than one is."""
    letters = [letter for letter in name if not letter.isascii()]
    return len(letters) > 1 and all(_JAPANESE.fullmatch(letter) for letter in letters)


def _zip_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Arrival:
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _no_file()
    if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > _MAX_RATIO * max(entry.compress_size, 1):
        raise _bomb()
    if entry.file_size > _MAX_ENTRY_BYTES:
        raise _too_large()
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size)
    return Arrival(io.BytesIO(data), len(data), name)


def _expanded(path: Path, opens: Opener) -> Contents:
    """The entries of a TAR, or the one file that was compressed."""
    try:
        with path.open("rb") as packed, opens(packed) as expanded:
            stream = _Bounded(expanded, path.stat().st_size)
            stream.allow(_MAX_HEADER_BYTES)
            start = stream.read(512)
            stream.unread(start)
            if start[_TAR_MARK] == b"ustar" or ".tar" in path.suffixes or path.suffix.lower().startswith(".t"):
                yield from _tar(path, stream)
            else:
                stream.allow(_MAX_ENTRY_BYTES + 1)
                data = b"".join(iter(lambda: stream.read(_BLOCK), b""))
                yield Arrival(io.BytesIO(data), len(data), f"{name_of(path)}{ARCHIVED}{path.stem}")
    except (Invalid, *_BROKEN) as error:
        yield refused(name_of(path), broken("the archive", error))


def _tar(path: Path, stream: "_Bounded") -> Contents:
    """The entries of a TAR, from its start to its end. What comes behind damage cannot be found and is refused as a whole."""
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
        number = 0
        while (entry := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # it would keep them all
            number += 1
            if number > _MAX_ENTRIES:
                yield refused(name_of(path), _too_many())
                return
            # What is left of this entry, and the header of the next.
            stream.allow(archive.offset - archive.fileobj.tell() + _MAX_HEADER_BYTES)
            if not entry.isdir():
                yield _tar_entry(archive, entry, f"{name_of(path)}{ARCHIVED}{entry.name}")


def _tar_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo, name: str) -> Arrival | Receipt:
    if not entry.isreg() or entry.issparse():
        return refused(name, _no_file())
    content = archive.extractfile(entry)
    assert content is not None, "a regular file has content"
    with content:
        if entry.size > _MAX_ENTRY_BYTES:
            for _ in iter(lambda: content.read(_BLOCK), b""):
                pass
            return refused(name, _too_large())
        data = content.read()
    return Arrival(io.BytesIO(data), len(data), name)


class _Header(tarfile.TarInfo):
    """A header that is read or refused; tarfile takes a damaged one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            return super().frombuf(buf, encoding, errors)
        except _END:
            raise
        except tarfile.HeaderError as error:
            raise Invalid("a header is damaged ({error}); what comes behind it was not read", error=error) from error


class _Bounded(io.RawIOBase):
    """A stream that gives no more than it is allowed to, and not more than a file of its size holds within reason."""

    def __init__(self, stream: gzip.GzipFile | bz2.BZ2File | io.BufferedReader | IO[bytes], packed_bytes: int) -> None:
        self._stream = stream
        self._left = max(_RATIO_FROM_BYTES, _MAX_RATIO * packed_bytes)
        self._allowed = 0
        self._waiting = b""

    def allow(self, size: int) -> None:
        """From here on, `size` bytes may be read; whoever needs more is led astray."""
        self._allowed = size

    def unread(self, data: bytes) -> None:
        """Have the next bytes again."""
        self._waiting, self._left, self._allowed = data, self._left + len(data), self._allowed + len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._waiting[:size] or self._stream.read(size)
        self._waiting = self._waiting[size:]
        self._left -= len(data)
        self._allowed -= len(data)
        if self._left < 0:
            raise _bomb()
        if self._allowed < 0:
            raise _too_large()
        return data


class _XZ(io.RawIOBase):
    """An xz file, expanded. Unlike `lzma.open`, it takes no more memory for a dictionary than is usual."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._machine = self._new_machine()

    @staticmethod
    def _new_machine() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_DICTIONARY_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override] # what BufferedReader gives
        while True:
            data = b""
            if self._machine.eof:
                data = self._machine.unused_data.lstrip(b"\0") or self._packed.read(_BLOCK).lstrip(b"\0")
                if not data:
                    return 0
                self._machine = self._new_machine()  # several streams may follow one another
            elif self._machine.needs_input:
                data = self._packed.read(_BLOCK)
                if not data:
                    raise EOFError
            piece = self._machine.decompress(data, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)


def broken(what: str, error: Exception) -> BankError:
    """Why something in an archive cannot be read: for good, or this time."""
    if isinstance(error, OSError) and error.errno not in _DAMAGE:
        return Unavailable("{what} cannot be read: {why}", what=what, why=error.strerror)
    return Invalid(
        "{what} cannot be read: {why}", what=what, why=str(error) or "it ends too early"
    )  # an EOFError says nothing


def _no_file() -> Invalid:
    return Invalid("the entry is no plain file, such as a link")


def _bomb() -> Invalid:
    return Invalid("it would expand more than {most} times", most=_MAX_RATIO)


def _too_large() -> Invalid:
    return Invalid("it is too large inside an archive; unpack it first")


def _too_many() -> Invalid:
    return Invalid("only the first {most} entries of an archive are read", most=_MAX_ENTRIES)
