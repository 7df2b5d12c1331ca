"""What an MP4 file says of its video, read from its boxes without decoding anything (ISO 14496-12, 14496-15)."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from imagebank.dicom.frames import MAX_FRAMES
from imagebank.errors import Invalid, Unsupported
from imagebank.model.uid import Uid

Reader = Callable[[int, int], bytes]
"""Bytes of the file from an offset, as many as are wanted, or fewer at its end."""

# A film has some twenty boxes on its way to the codec; a recorder may write thousands of media boxes before.
_MAX_BOXES: Final = 10_000
_MAX_TRACKS: Final = 64
# A description holds the codec's parameter sets, of a few hundred bytes.
_MAX_DESCRIPTION: Final = 1 << 16
# ISO 14496-12 12.1.3: where the boxes in a visual sample entry begin, and its width and height.
_ENTRY_BOXES: Final = 86
_ENTRY_SHAPE: Final = 32
_CODECS: Final = {b"avc1": b"avcC", b"avc3": b"avcC", b"hvc1": b"hvcC", b"hev1": b"hvcC"}
_PROFILES: Final = {
    ("H.264", 66): "Baseline",
    ("H.264", 77): "Main",
    ("H.264", 88): "Extended",
    ("H.264", 100): "High",
    ("H.264", 110): "High 10",
    ("H.264", 118): "Multiview High",
    ("H.264", 122): "High 4:2:2",
    ("H.264", 128): "Stereo High",
    ("H.264", 244): "High 4:4:4 Predictive",
    ("HEVC", 1): "Main",
    ("HEVC", 2): "Main 10",
    ("HEVC", 3): "Main Still Picture",
}
_BLU_RAY: Final = frozenset({(1080, 1920), (720, 1280)})
_4: Final = "1.2.840.10008.1.2.4."


@dataclass(frozen=True, slots=True)
class Movie:
    """The video of an MP4 file. `codec` is H.264 or HEVC, `level` ten times its number, `bits` those of a sample.

    `frame_ms` is how long a frame is shown in the mean; 0 where the file does not say. `is_turned` is whether players are
    told to turn it, as phones do: DICOM has no word for that.
    """

    codec: str
    profile: int
    level: int
    bits: int
    rows: int
    columns: int
    frames: int
    frame_ms: float = 0
    is_turned: bool = False

    def __str__(self) -> str:
        name = _PROFILES.get((self.codec, self.profile))
        kind = f"{name} Profile" if name else f"profile {self.profile}"
        return f"{self.codec} {kind} at level {self.level // 10}.{self.level % 10} with {self.bits} bits"


def syntaxes(movie: Movie) -> tuple[Uid, ...]:
    """The transfer syntaxes that allow it, the usual one first (PS3.5 8.2.7 to 8.2.11). Raises Unsupported.

    Whether a stream keeps to everything that Blu-ray asks, or shows two views, the boxes do not tell: those
    transfer syntaxes are for senders who name them.
    """
    match movie.codec, movie.profile:
        case "H.264", 100 if movie.level <= 41:
            numbers = [102, *([103] if (movie.rows, movie.columns) in _BLU_RAY else []), 104, 105]
        case "H.264", 100 if movie.level <= 42:
            numbers = [104, 105]
        case "H.264", 128 if movie.level <= 42:
            numbers = [106]
        case "HEVC", 1 if movie.level <= 51 and movie.bits == 8:
            numbers = [107]
        case "HEVC", 2 if movie.level <= 51 and movie.bits <= 10:
            numbers = [108]
        case _:
            raise Unsupported(
                "the video is {movie}; DICOM has transfer syntaxes for H.264 High Profile up to level 4.2, Stereo High up "
                "to 4.2, and HEVC Main and Main 10 up to 5.1: encode it as one of these",
                movie=movie,
            )
    return tuple(Uid(f"{_4}{number}") for number in numbers)


def read_movie(read: Reader, size: int) -> Movie:
    """The one video in a file of `size` bytes.

    Raises Invalid for what is no whole MP4 file, Unsupported for a film that is cut into fragments, or in another codec.
    """
    start = read(0, 189)
    if start[:1] == start[188:189] == b"G":
        raise Unsupported("the video is an MPEG transport stream; send it as MP4")
    if start[4:8] not in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"):
        raise Invalid("the part is no MP4 file")
    moov = _moov(read, size)
    inside = list(_boxes(read, moov.body, moov.end))
    tracks = [box for box in inside if box.kind == b"trak"]
    if len(tracks) > _MAX_TRACKS:
        raise Invalid("the MP4 file has {tracks} tracks", tracks=len(tracks))
    videos = [(track, media) for track in tracks if (media := _media(read, track)) is not None]
    if len(videos) != 1:
        found = f"{len(videos)} video tracks" if videos else "no video track"
        raise Invalid("the MP4 file has {found}; it needs one", found=found)
    track, media = videos[0]
    table = _descend(read, media, b"minf", b"stbl")
    codec, profile, level, bits, shape = _described(read, _child(read, table, b"stsd"))
    if any(box.kind == b"mvex" for box in inside):
        raise _fragmented()
    frames = _count(read, _child(read, table, b"stsz"))
    duration_ms = _duration_ms(read, media)
    return Movie(codec, profile, level, bits, *shape, frames, duration_ms / frames, _is_turned(read, track))


class _Box(NamedTuple):
    kind: bytes
    body: int
    end: int


def _boxes(read: Reader, start: int, end: int) -> Iterator[_Box]:
    """The boxes from `start` to `end` (ISO 14496-12 4.2). Raises Invalid where one breaks off."""
    at = start
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        head = read(at, 16)
        size, body = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), at + 16
        elif size == 0:
            size = end - at
        if at + size < body or at + size > end:
            raise Invalid("the MP4 file breaks off in the box at byte {at}", at=at)
        yield _Box(head[4:8], body, at + size)
        at += size
    raise Invalid("the MP4 file has more boxes than {most}", most=_MAX_BOXES)


def _moov(read: Reader, size: int) -> _Box:
    for box in _boxes(read, 0, size):
        if box.kind == b"moov":
            return box
        if box.kind == b"moof":
            raise _fragmented()
    raise Invalid("the MP4 file has no moov box, which says what is in it")


def _fragmented() -> Unsupported:
    return Unsupported("the MP4 file is written in fragments; send it with one moov box for the whole")


def _first(read: Reader, parent: _Box, kind: bytes) -> _Box | None:
    return next((box for box in _boxes(read, parent.body, parent.end) if box.kind == kind), None)


def _child(read: Reader, parent: _Box, kind: bytes) -> _Box:
    found = _first(read, parent, kind)
    if found is not None:
        return found
    raise Invalid(
        "the MP4 file has no {kind} box in its {parent}", kind=kind.decode(), parent=parent.kind.decode("latin-1")
    )


def _descend(read: Reader, box: _Box, *kinds: bytes) -> _Box:
    for kind in kinds:
        box = _child(read, box, kind)
    return box


def _media(read: Reader, track: _Box) -> _Box | None:
    """The media box of a track of pictures; None of any other."""
    media = _child(read, track, b"mdia")
    handler = _child(read, media, b"hdlr")
    return media if read(handler.body + 8, 4) == b"vide" else None


def _is_turned(read: Reader, track: _Box) -> bool:
    """Whether the track's matrix does anything but scale and move (ISO 14496-12 8.3.2)."""
    header = _first(read, track, b"tkhd")
    if header is None:
        return False
    at = header.body + (52 if read(header.body, 1) == b"\1" else 40)
    a, b, _, c, d = struct.unpack(">5i", read(at, 20).ljust(20, b"\0"))
    return bool(b or c) or a < 0 or d < 0


def _duration_ms(read: Reader, media: _Box) -> float:
    """How long the track is (ISO 14496-12 8.4.2); 0 where it does not say."""
    header = _first(read, media, b"mdhd")
    if header is None:
        return 0
    layout = ">20xIQ" if read(header.body, 1) == b"\1" else ">12xII"
    size = struct.calcsize(layout)
    scale, duration = struct.unpack(layout, read(header.body, size).ljust(size, b"\0"))
    # All bits set stand for a duration that was not known.
    return 1000 * duration / scale if scale and duration not in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else 0


def _described(read: Reader, box: _Box) -> tuple[str, int, int, int, tuple[int, int]]:
    """Codec, profile, level, bits, and rows and columns, from the sample description (ISO 14496-12 8.5.2)."""
    count = int.from_bytes(read(box.body + 4, 4), "big")
    if count != 1:
        raise Invalid("the video of the MP4 file has {count} descriptions; it needs one", count=count)
    if box.end - box.body > _MAX_DESCRIPTION:
        raise Invalid("the description of the video has more than {most} bytes", most=_MAX_DESCRIPTION)
    entry = next(_boxes(read, box.body + 8, box.end), None)
    if entry is None or entry.kind not in _CODECS:
        kind = entry.kind.decode("ascii", "backslashreplace") if entry else ""
        raise Unsupported("the codec of the video is {kind!r}; H.264 and HEVC are taken", kind=kind)
    columns, rows = struct.unpack(">HH", read(entry.body - 8 + _ENTRY_SHAPE, 4).rjust(4, b"\0"))
    if not rows or not columns:
        raise Invalid("the MP4 file tells neither rows nor columns of its video")
    inner = _Box(entry.kind, entry.body - 8 + _ENTRY_BOXES, entry.end)
    found = _child(read, inner, _CODECS[entry.kind])
    config = read(found.body, min(found.end - found.body, 32))
    return (*(_avc if found.kind == b"avcC" else _hevc)(config), (rows, columns))


def _avc(config: bytes) -> tuple[str, int, int, int]:
    """ISO 14496-15 5.3.3.1. Of the profiles that are taken, all have samples of eight bits."""
    if len(config) < 7:
        raise Invalid("the avcC box of the video breaks off")
    return "H.264", config[1], config[3], 8


def _hevc(config: bytes) -> tuple[str, int, int, int]:
    """ISO 14496-15 8.3.3.1; the level is written as thirty times its number."""
    if len(config) < 23:
        raise Invalid("the hvcC box of the video breaks off")
    return "HEVC", config[1] & 0x1F, config[12] // 3, 8 + max(config[17] & 7, config[18] & 7)


def _count(read: Reader, box: _Box) -> int:
    """The number of frames: one sample holds one (ISO 14496-12 8.7.3, ISO 14496-15 5.2)."""
    each, count = struct.unpack(">II", read(box.body + 4, 8).rjust(8, b"\0"))
    if not 1 <= count <= MAX_FRAMES or (not each and box.end - box.body < 12 + 4 * count):
        raise Invalid("the MP4 file does not tell how many frames its video has")
    return int(count)
