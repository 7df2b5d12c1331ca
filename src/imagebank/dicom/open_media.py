"""Pictures of every kind to plain cells, and what they say of themselves. Runs in a sandbox child.

Cells come as red, green and blue of eight bits, or as grey values of eight or sixteen, upright.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, ExifTags, Image, ImageOps, ImageSequence, features

from imagebank.dicom.kind import Kind
from imagebank.errors import Invalid, Unsupported

Cells = NDArray[Any]

MAX_CELLS: Final = 400_000_000
"""Of all frames together: a file of a few bytes must not ask for all memory there is."""
MAX_FRAMES: Final = 2_000

_FORMATS: Final = {
    Kind.JPEG: "JPEG",
    Kind.JPEG2000: "JPEG2000",
    Kind.PNG: "PNG",
    Kind.GIF: "GIF",
    Kind.TIFF: "TIFF",
    Kind.BMP: "BMP",
    Kind.WEBP: "WEBP",
    Kind.AVIF: "AVIF",
}
_DEEP: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
# Exif 2.32, 4.6.5: what tells of device and time. Where the picture was taken is never read.
_WORDS: Final = {
    "make": ExifTags.Base.Make,
    "model": ExifTags.Base.Model,
    "software": ExifTags.Base.Software,
}
_OF_EXIF: Final = {
    "taken_at": ExifTags.Base.DateTimeOriginal,
    "offset": ExifTags.Base.OffsetTimeOriginal,
    "serial": ExifTags.Base.BodySerialNumber,
}
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\\]+")
_MAX_WORDS: Final = 64


def picture(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: the frames of a picture of `kind`; without `cells`, only that it is whole and what it says.

    The answer has rows, columns, samples, bits, the number of frames, the time of each in milliseconds (0 where there
    is none), whether anything had to be turned upright, and `said`. Raises Invalid for a file that is broken.
    """
    kind = Kind(header["kind"])
    data = bytes(payload)
    with _opened(data, kind) as image:
        frames = list(_frames(image, data, kind))
        # What stands behind the cells is read by now.
        said = _said(image)
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
        duration = int(image.info.get("duration") or 0) if getattr(image, "is_animated", False) else 0
    if len({frame.shape for frame in frames}) != 1:
        raise Unsupported("its pages differ in size; send each page as a file of its own")
    first = frames[0]
    answer = {
        "rows": first.shape[0],
        "columns": first.shape[1],
        "samples": first.shape[2] if first.ndim == 3 else 1,
        "bits": 8 * first.dtype.itemsize,
        "frames": len(frames),
        "frame_ms": duration,
        "is_turned": is_turned,
        "said": said,
    }
    return answer, [frame.tobytes() for frame in frames] if header["cells"] else []


def _opened(data: bytes, kind: Kind) -> Image.Image:
    """The picture, not decoded yet. Raises Invalid when it is none, Unsupported when it asks for too much."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(BytesIO(data), formats=[_FORMATS[kind]])
        except Exception as error:
            raise Invalid(
                "it begins as {kind} and cannot be read as such; send it anew from the device", kind=kind
            ) from error
    count = getattr(image, "n_frames", 1)
    if count > MAX_FRAMES or image.width * image.height * count > MAX_CELLS:
        raise Unsupported(
            "it has {count} pictures of {width} x {height}, more than are taken in one file",
            count=count,
            width=image.width,
            height=image.height,
        )
    return image


def _frames(image: Image.Image, data: bytes, kind: Kind) -> Iterator[Cells]:
    try:
        if kind is Kind.PNG and (image.mode in _DEEP or _is_deep(data)):
            # Pillow gives sixteen bits of colour as eight.
            yield _plain(np.asarray(imagecodecs.png_decode(data)))
            return
        for page in ImageSequence.Iterator(image):
            upright = ImageOps.exif_transpose(page)
            yield _cells(upright if upright is not None else page)
    except (Invalid, Unsupported):
        raise
    except Exception as error:
        raise Invalid("it ends too early or is damaged; nothing of it can be shown, send it anew") from error


def _is_deep(png: bytes) -> bool:
    """Whether a PNG has sixteen bits a sample (ISO 15948 11.2.1)."""
    return png[24:25] == b"\x10"


def _cells(page: Image.Image) -> Cells:
    if page.mode in _DEEP:
        return _plain(np.asarray(page))
    if page.mode in ("1", "L"):
        return np.asarray(page.convert("L"))
    if page.has_transparency_data:
        # Viewers show black around a picture; a picture that is not there is black, too.
        page = page.convert("RGBA")
        page = Image.alpha_composite(Image.new("RGBA", page.size, (0, 0, 0, 255)), page)
    return np.asarray(page.convert("RGB"))


def _plain(cells: Cells) -> Cells:
    """Grey values of at most sixteen bits, or colour of eight; raises Unsupported for what is neither."""
    if cells.ndim == 3 and cells.shape[2] in (2, 4):
        colour, alpha = cells[..., :-1], cells[..., -1:].astype(np.float64) / np.iinfo(cells.dtype).max
        cells = np.rint(colour * alpha).astype(cells.dtype)
    if cells.ndim == 3 and cells.shape[2] == 1:
        cells = cells[..., 0]
    if cells.ndim == 3:
        return (cells >> 8).astype(np.uint8) if cells.dtype == np.uint16 else cells.astype(np.uint8)
    if cells.dtype.kind == "f" or (cells.size and (cells.min() < 0 or cells.max() > np.iinfo(np.uint16).max)):
        raise Unsupported(
            "its values are fractions, negative, or longer than 16 bits, which a picture here cannot have"
        )
    return cells.astype(np.uint16)


def _said(image: Image.Image) -> dict[str, str]:
    return _words_of(image.getexif())


def exif_said(block: bytes) -> dict[str, str]:
    """What a block of Exif that stands apart says of device and time; nothing for one that cannot be read."""
    exif = Image.Exif()
    try:
        exif.load(block)
        return _words_of(exif)
    except Exception:  # noqa: BLE001 - Pillow raises anything; a picture without words is a picture still
        return {}


def _words_of(exif: Image.Exif) -> dict[str, str]:
    """Device and time, as short plain words."""
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    found = {name: exif.get(tag) for name, tag in _WORDS.items()} | {
        name: inner.get(tag) for name, tag in _OF_EXIF.items()
    }
    words = {name: _UNPRINTABLE.sub(" ", str(value)).strip()[:_MAX_WORDS] for name, value in found.items() if value}
    return {name: value for name, value in words.items() if value}


def warm() -> None:
    """Load every format once, so that nothing is imported after the sandbox has closed itself."""
    Image.init()
    # No thread can be started in here.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    for name in (
        "PNG",
        "GIF",
        "TIFF",
        "BMP",
        "WEBP",
        "JPEG",
        "JPEG2000",
        *(["AVIF"] if features.check("avif") else []),
    ):
        with BytesIO() as stream:
            Image.new("RGB", (8, 8)).save(stream, name)
            with Image.open(BytesIO(stream.getvalue())) as image:
                image.getexif()
                image.load()
    imagecodecs.png_decode(imagecodecs.png_encode(np.zeros((8, 8), np.uint16)))
