"""From decoded cells to a picture: modality, VOI and presentation in that order (PS3.3 C.11), then crop, scale, encode.

Runs in a sandbox child.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import imagecodecs
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.pixels.processing import apply_color_lut

from imagebank.dicom import shade, strips, team
from imagebank.dicom.codec import Frame, decode, to_rgb
from imagebank.dicom.codec import warm as warm_codecs
from imagebank.dicom.layout import EXPLICIT, Layout
from imagebank.dicom.render import Rendering, Viewport
from imagebank.errors import Invalid

Grey = NDArray[np.uint8]

_DEFAULT_FRAME_MS = 100
_RLE, _UP = 3, 32  # of zlib and of libpng
_MAX_ASPECT = 8.0
_SHORT_BYTES = 4096
"""What an image says of how it is shown is kept for the next ones where it is no longer: without tables and overlays."""


def paint(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: one picture of the frames that follow the data set in the payload."""
    rendering = msgspec.convert(header["rendering"], Rendering)
    layout = msgspec.convert(header["layout"], Layout)
    at = header["header"]
    said = _said(bytes(payload[:at]), header["is_explicit"])
    frames = []
    for size, number in zip(header["sizes"], header["numbers"], strict=True):
        frames.append((decode(payload[at : at + size], layout), number))
        at += size
    shown = _display(frames, said, layout, rendering)
    if _is_plain(rendering):
        return {}, [_jpeg(next(shown), rendering.quality)]
    pictures = [
        _framed(_whole(cells), said.dataset, rendering, number)
        for cells, (_, number) in zip(shown, frames, strict=True)
    ]
    frame_ms = 0.0
    if rendering.media_type == "image/gif":
        frame_ms = _frame_ms(said.dataset) * (max(1, header["total"] // len(frames)) if not rendering.frames else 1)
    return {}, [_encoded(pictures, rendering, frame_ms)]


def _said(data: bytes, is_explicit: bool) -> shade.Said:
    return _kept(data, is_explicit) if len(data) <= _SHORT_BYTES else _read(data, is_explicit)


def _read(data: bytes, is_explicit: bool) -> shade.Said:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shade.Said(read_dataset(BytesIO(data), not is_explicit, is_little_endian=True))


# To read it, and what is made of it, takes a third of the time of a picture of a slice.
_kept = lru_cache(4)(_read)


def _display(
    frames: Sequence[tuple[Frame, int]], said: shade.Said, layout: Layout, rendering: Rendering
) -> Iterator[Grey | shade.Shades]:
    """Each frame for the eye: in grey, or eight-bit cells in colour (rows, columns, 3)."""
    if layout.samples == 3:
        yield from (_colour(frame, layout) for frame, _ in frames)
    elif layout.photometric == "PALETTE COLOR":
        yield from (_palette(frame, said.dataset) for frame, _ in frames)
    else:
        yield from shade.greys(frames, said, layout, rendering.window)


def _is_plain(rendering: Rendering) -> bool:
    """Whether a JPEG of the cells as they are is asked for."""
    is_changed = rendering.viewport is not None or rendering.overlays or rendering.annotation
    return rendering.media_type == "image/jpeg" and not is_changed


def _whole(cells: Grey | shade.Shades) -> Grey:
    return cells.whole() if isinstance(cells, shade.Shades) else cells


def _jpeg(cells: Grey | shade.Shades, quality: int) -> bytes:
    """What is in grey becomes so strip by strip, as it is encoded."""
    if isinstance(cells, shade.Shades):
        return strips.jpeg(cells.cells.shape, cells.part, quality)
    return strips.jpeg(cells.shape, lambda start, stop: cells[start:stop], quality)


def _colour(frame: Frame, layout: Layout) -> Grey:
    cells = frame.cells
    if layout.value != "int":
        raise Invalid("colour in floating point cannot be shown")
    if layout.bits_stored > 8:
        cells = cells >> (layout.bits_stored - 8)
    return to_rgb(cells.astype(np.uint8, copy=False), frame.photometric)


def _palette(frame: Frame, dataset: Dataset) -> Grey:
    if dataset.original_encoding[0]:
        # Implicit VR does not say whether the tables' descriptors are US or SS.
        dataset = correct_ambiguous_vr(dataset, is_little_endian=True)
    cells = apply_color_lut(frame.cells[..., 0], dataset)
    # Some tables of 16 bits hold values of 8.
    if cells.dtype.itemsize > 1 and cells.max(initial=0) > 255:
        cells = cells >> 8
    return np.ascontiguousarray(cells[..., :3].astype(np.uint8))


def _framed(cells: Grey, dataset: Dataset, rendering: Rendering, number: int) -> Image.Image:
    """The cells as a picture of the size that was asked for, with whatever is written over it."""
    if rendering.overlays:
        cells = _overlaid(cells, dataset, number)
    picture = Image.fromarray(cells)
    if rendering.viewport is not None:
        picture = _fitted(picture, rendering.viewport, shade.pixel_aspect(dataset, number))
    if rendering.annotation and not rendering.is_thumbnail:
        _write(picture, rendering.annotation)
    return picture


def _overlaid(cells: Grey, dataset: Dataset, number: int) -> Grey:
    """Overlay planes of group 60xx in the brightest shade (PS3.3 C.9.2)."""
    cells = cells.copy()
    for group in range(0x6000, 0x6020, 2):
        plane, top, left = _overlay(dataset, group, number)
        plane = plane[max(-top, 0) :, max(-left, 0) :]
        shown = cells[max(top, 0) :, max(left, 0) :][: plane.shape[0], : plane.shape[1]]
        shown[plane[: shown.shape[0], : shown.shape[1]] > 0] = 255
    return cells


def _overlay(dataset: Dataset, group: int, number: int) -> tuple[Grey, int, int]:
    """One plane as bits, and where its top and left are in the image, from 0. Empty when there is none for the frame."""
    data, rows, columns, first, count = (
        dataset[group, element].value if (group, element) in dataset else None
        for element in (0x3000, 0x0010, 0x0011, 0x0051, 0x0015)
    )
    frame = number - int(first or 1) if count else 0
    if not isinstance(data, bytes) or not rows or not columns or not 0 <= frame < int(count or 1):
        return np.zeros((0, 0), np.uint8), 0, 0
    size = rows * columns
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[frame * size : (frame + 1) * size]
    if len(bits) < size:
        return np.zeros((0, 0), np.uint8), 0, 0
    origin = dataset[group, 0x0050].value if (group, 0x0050) in dataset else [1, 1]
    return bits.reshape(rows, columns), int(origin[0]) - 1, int(origin[1]) - 1


def _fitted(picture: Image.Image, viewport: Viewport, aspect: float) -> Image.Image:
    """The wanted region, as large as fits the viewport with its proportions kept (PS3.18 8.3.5.1.3)."""
    width, height = viewport.width or picture.width - viewport.left, viewport.height or picture.height - viewport.top
    right, bottom = min(viewport.left + abs(width), picture.width), min(viewport.top + abs(height), picture.height)
    if right <= viewport.left or bottom <= viewport.top:
        raise Invalid("the viewport's region lies outside the image")
    box = (viewport.left, viewport.top, right, bottom)
    aspect = min(max(aspect, 1 / _MAX_ASPECT), _MAX_ASPECT)
    scale = min(viewport.columns / (right - viewport.left), viewport.rows / ((bottom - viewport.top) * aspect))
    size = (
        max(1, min(viewport.columns, round((right - viewport.left) * scale))),
        max(1, min(viewport.rows, round((bottom - viewport.top) * aspect * scale))),
    )
    resampling = Image.Resampling.BILINEAR if scale >= 1 else Image.Resampling.BOX
    if size != picture.size or box != (0, 0, *picture.size):
        picture = picture.resize(size, resampling, box=box, reducing_gap=2.0 if scale < 1 else None)
    if width < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return picture


def _write(picture: Image.Image, lines: Sequence[str]) -> None:
    """Text at the upper left, white with a dark edge so that it is read on any ground."""
    size = max(10, picture.height // 36)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    white, black = (255, 0) if picture.mode == "L" else ((255,) * 3, (0,) * 3)
    for n, line in enumerate(lines[:12]):
        draw.text((size // 2, size // 2 + n * size * 1.25), line[:120], white, font, stroke_width=1, stroke_fill=black)


def _frame_ms(dataset: Dataset) -> float:
    """How long a frame is shown, in milliseconds (PS3.3 C.7.6.5)."""
    times = [shade.first(dataset, "FrameTime")]
    if vector := dataset.get("FrameTimeVector"):
        # The first entry of the vector is zero.
        values = [float(v) for v in (vector if isinstance(vector, Sequence) else [vector])][1:]
        times.append(sum(values) / len(values) if values else 0.0)
    for rate in ("CineRate", "RecommendedDisplayFrameRate"):
        value = shade.first(dataset, rate)
        times.append(1000 / value if value else 0.0)
    return next((t for t in times if t and 0 < t < 60_000), _DEFAULT_FRAME_MS)


def _encoded(pictures: Sequence[Image.Image], rendering: Rendering, frame_ms: float) -> bytes:
    out = BytesIO()
    if rendering.media_type == "image/png":
        # Runs of one value and Huffman codes of the differences to the row above: of grey noise, as most images are,
        # that is a quarter of the time of other ways at the same size.
        return bytes(imagecodecs.png_encode(np.asarray(pictures[0]), level=1, strategy=_RLE, filter=_UP))
    if rendering.media_type == "image/jpeg":
        return _jpeg(np.asarray(pictures[0]), rendering.quality)
    if len(pictures) == 1:
        _indexed(pictures[0]).save(out, "GIF")
    else:
        first, *others = (_indexed(p) for p in pictures)
        # Browsers take less than 20 ms for a mistake and slow down.
        duration = min(max(round(frame_ms), 20), 10_000)
        first.save(out, "GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=False)
    return out.getvalue()


def _indexed(picture: Image.Image) -> Image.Image:
    if picture.mode == "L":
        return picture
    return picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


@dataclass(frozen=True, slots=True)
class _Warm:
    """Kinds of picture that are made once, so that every plug-in is loaded before the sandbox closes itself."""

    modes: tuple[str, ...] = ("L", "RGB")
    media_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/gif")


begin = team.begin


def warm() -> None:
    """Load all that painting needs."""
    warm_codecs()
    Image.init()
    for mode in _Warm().modes:
        for media_type in _Warm().media_types:
            picture = Image.new(mode, (16, 16))
            _write(picture, ["A"])
            _encoded([picture, picture], Rendering(media_type), 40)
    shade.warm(Layout(EXPLICIT, 2, 2))
