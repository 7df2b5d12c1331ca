"""Pictures of stored images, as PS3.18 8.3.5 asks for them. Decoding and painting happen in the sandbox."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.dicom.layout import DECODABLE, frame_count, frames_of, layout_of, pixel_element
from imagebank.dicom.read import normalise
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.scan import Header, scan
from imagebank.errors import Invalid, Unsupported

MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/gif")
"""What a picture can be given as; the first is the default."""

THUMBNAIL_PIXELS: Final = 128
"""Longer side of a thumbnail when nobody asks for another size."""

_MAX_SIDE: Final = 8192
_MAX_GIF_FRAMES: Final = 200
_MAX_GIF_CELLS: Final = 48 << 20
_FUNCTIONS: Final = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_PIXEL_TAGS: Final = tuple(struct.pack("<HH", 0x7FE0, n) for n in (0x0010, 0x0008, 0x0009))
_PAINT: Final = "imagebank.dicom.paint:paint"

# What painting looks at beside the pixels: the group of images, functional groups, overlays, and these.
_GROUPS: Final = frozenset((0x0028, 0x5200, *range(0x6000, 0x6020, 2)))
_TAGS: Final = frozenset(
    (
        *(0x00080016, 0x00089205),  # SOP Class UID, Pixel Presentation
        *(0x00082144, 0x00180040, 0x00181063, 0x00181065),  # how long a frame is shown
        0x00181164,  # Imager Pixel Spacing
        0x0062000E,  # Maximum Fractional Value
        0x20500020,  # Presentation LUT Shape
    )
)


@dataclass(frozen=True, slots=True)
class Window:
    """A window in modality units; `function` is in the words of VOI LUT Function (0028,1056)."""

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True, slots=True)
class Viewport:
    """The space to fill, in output pixels, and the region of the source image to show in it, in source pixels.

    Zero `width` or `height` of the region means up to the edge; a negative one mirrors.
    """

    columns: int
    rows: int
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a picture is wanted.

    `frames` count from 1; without any, a GIF shows all, other types the first, a thumbnail the middle one.
    `annotation` is text to be written over the picture, a line each; `overlays` burns overlay planes in.
    """

    media_type: str = "image/jpeg"
    frames: tuple[int, ...] = ()
    viewport: Viewport | None = None
    window: Window | None = None
    quality: int = 90
    annotation: tuple[str, ...] = ()
    overlays: bool = False
    is_thumbnail: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """A stored image of which only the header and some frames were read.

    `header` holds the file's bytes before the pixel data's value, `frames` the stored bytes of the frames with those
    `numbers`. Not for deflated and big-endian files.
    """

    header: bytes
    frames: Sequence[bytes | memoryview]
    numbers: tuple[int, ...] = (1,)


def thumbnail(
    viewport: Viewport | None = None, frames: tuple[int, ...] = (), media_type: str = "image/jpeg"
) -> Rendering:
    """A small picture without any text in it."""
    size = viewport or Viewport(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    return Rendering(media_type, frames, size, quality=80, is_thumbnail=True)


def render(sandbox: Sandbox, source: bytes | Parts, rendering: Rendering) -> bytes:
    """The picture as a file of its media type.

    Raises Unsupported for objects without pixels and for video, NotFound for a frame that is not there, Invalid and
    Mismatch when the pixels cannot be decoded, Unavailable when no decoder is free.
    """
    if rendering.media_type not in MEDIA_TYPES:
        raise Unsupported("pictures are given as {known}", known=", ".join(MEDIA_TYPES))
    if isinstance(source, Parts):
        parts, header, tag = source, *_leading(source.header)
        layout = layout_of(parts.header, header, tag)
    else:
        data, header = normalise(source)
        layout = layout_of(data, header)
        _refuse_video(layout.transfer_syntax)
        numbers = frames_to_paint(rendering, frame_count(data, header), layout.pixels * layout.samples)
        found = pixel_element(header)
        assert found is not None
        parts = Parts(data[: found[1].offset], frames_of(data, header, layout, numbers), numbers)
    _refuse_video(layout.transfer_syntax)
    described = _described(parts.header, header)
    asked = {
        "layout": layout,
        "rendering": rendering,
        "numbers": parts.numbers,
        "total": frame_count(parts.header, header),
        "is_explicit": header.is_explicit,
        "header": len(described),
        "sizes": [len(f) for f in parts.frames],
    }
    _, picture = sandbox.call(_PAINT, asked, described, *parts.frames)
    return bytes(picture)


def _described(data: bytes, header: Header) -> bytes:
    """The elements that painting looks at, as they stand in a little-endian file: a tenth of the header of a CT slice."""
    before, pieces = header.dataset_offset, []
    for tag, raw in sorted(header.elements.items(), key=lambda element: element[1].offset):
        after = raw.offset + raw.length
        if tag >> 16 in _GROUPS or tag in _TAGS:
            pieces.append(data[before:after])
        before = after
    return b"".join(pieces)


def _refuse_video(syntax: str) -> None:
    if syntax not in DECODABLE:
        raise Unsupported("this object is in a transfer syntax of which no picture can be made here, such as video")


def _leading(header: bytes) -> tuple[Header, int]:
    """The scanned leading part of a file, and the tag of the pixel data that follows it."""
    for before in (12, 8):
        mark = header[-before : 4 - before]
        if mark in _PIXEL_TAGS:
            group, element = struct.unpack("<HH", mark)
            return scan(header[:-before]), group << 16 | element
    raise Invalid("the header does not end where its pixel data begins")


def frames_to_paint(rendering: Rendering, count: int, cells: int) -> tuple[int, ...]:
    """The frames to paint. A long or large loop is thinned evenly; the child slows it down by as much."""
    if rendering.frames:
        return rendering.frames if rendering.media_type == "image/gif" else rendering.frames[:1]
    if rendering.is_thumbnail:
        return ((count + 1) // 2,)
    if rendering.media_type != "image/gif":
        return (1,)
    most = max(1, min(_MAX_GIF_FRAMES, _MAX_GIF_CELLS // max(cells, 1)))
    return tuple(range(1, count + 1, math.ceil(count / most)))


def parse_viewport(text: str, *, for_thumbnail: bool = False) -> Viewport:
    """The `viewport` parameter, `vw,vh[,sx,sy,sw,sh]` (PS3.18 8.3.5.1.3). Raises Invalid."""
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= (2 if for_thumbnail else 6) or not parts[0] or not parts[1]:
        form = "viewport=vw,vh" if for_thumbnail else "viewport=vw,vh or vw,vh,sx,sy,sw,sh"
        raise Invalid("the viewport is written as {form}", form=form)
    numbers = [_number(part, "viewport") if part else 0.0 for part in parts]
    columns, rows, left, top, width, height = numbers + [0.0] * (6 - len(numbers))
    if not all(side.is_integer() and 1 <= side <= _MAX_SIDE for side in (columns, rows)):
        raise Invalid("the viewport's width and height are whole numbers from 1 to {most}", most=_MAX_SIDE)
    if left < 0 or top < 0:
        raise Invalid("the viewport's region begins at 0 or more")
    if any(part and not number for part, number in zip(parts[4:], numbers[4:], strict=True)):
        raise Invalid("the viewport's region cannot be empty")
    return Viewport(int(columns), int(rows), left, top, width, height)


def parse_window(text: str) -> Window:
    """The `window` parameter, `center,width,function` (PS3.18 8.3.5.1.4). Raises Invalid."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or parts[2].lower() not in _FUNCTIONS:
        raise Invalid("the window is written as center,width,function; the function is linear, linear-exact or sigmoid")
    return window_of(_number(parts[0], "window"), _number(parts[1], "window"), _FUNCTIONS[parts[2].lower()])


def window_of(center: float, width: float, function: str = "LINEAR") -> Window:
    """A window whose width is possible (PS3.3 C.11.2.1.2). Raises Invalid."""
    if width < 1 and function == "LINEAR":
        raise Invalid("the width of a linear window is 1 or more")
    if width <= 0:
        raise Invalid("the width of a window is more than 0")
    return Window(center, width, function)


def parse_quality(text: str) -> int:
    """The `quality` parameter, 1 to 100 (PS3.18 8.3.5.1.2). Raises Invalid."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100):
        raise Invalid("the quality is a whole number from 1 to 100")
    return int(text)


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e12:
        raise Invalid("the {name} holds something that is no number", name=name)
    return number
