"""Volumes of research (NIfTI-1 and -2) to plain slices, and what they say of themselves. Runs in a sandbox child.

The slices are those that were taken, turned so that they lie as radiologists look at them where the file says how the
head lay. Values that do not fit into sixteen bits without a sign are moved or scaled, which is said.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imagebank.errors import Invalid, Unsupported

Cells = NDArray[Any]

MAX_BYTES: Final = 256 << 20
"""Of an unpacked volume: its values are held some times over."""
MAX_SLICES: Final = 20_000
_TYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_RGB: Final = 128
_MILLIMETRES: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]+")
_GZIP: Final = b"\x1f\x8b"
# By the axis along which slices follow one another, those along which columns and rows go. Axes grow to the right, the
# front and the head (NIfTI); as they are looked at, columns and rows go the other way (PS3.3 C.7.6.1.1.1).
_LOOKED_AT: Final = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
_LETTERS: Final = "LPF"


@dataclass(frozen=True, slots=True)
class _Header:
    """What a header tells. `shape` begins with columns; `affine` has millimetres to the right, to the front, and up."""

    shape: tuple[int, ...]
    kind: int
    order: str
    at: int
    spacing: tuple[float, ...]
    slope: float
    intercept: float
    affine: NDArray[np.float64] | None
    words: str


def volume(_header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[memoryview]]:
    """Sandbox task: the slices of a volume, and `attributes` of the object that only the volume knows.

    The answer is otherwise that of `open_media.picture`. Raises Invalid for a file that is broken, Unsupported for
    values that no picture has.
    """
    data = _unpacked(bytes(payload))
    header = _read(data)
    cells, attributes = _laid(_values(header, data), header)
    frames, derivation, shown = _stored(cells, header)
    answer = {
        "rows": frames.shape[1],
        "columns": frames.shape[2],
        "samples": frames.shape[3] if frames.ndim == 4 else 1,
        "bits": 8 * frames.dtype.itemsize,
        "frames": frames.shape[0],
        "frame_ms": 0,
        "said": {"derivation": derivation, "comment": header.words},
        "attributes": attributes | shown,
    }
    return answer, [np.ascontiguousarray(frames).data.cast("B")]


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
            unpacked = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged() from error
    if len(unpacked) > MAX_BYTES:
        raise Unsupported("unpacked it has more than {most_mib} MiB; cut it into parts", most_mib=MAX_BYTES >> 20)
    return unpacked


def _damaged() -> Invalid:
    return Invalid("it ends too early or is damaged; nothing of it can be shown, send it anew")


def _read(data: bytes) -> _Header:
    order = next((o for o in "<>" if len(data) >= 352 and struct.unpack_from(f"{o}i", data)[0] in (348, 540)), "")
    if not order:
        raise _damaged()
    is_first = struct.unpack_from(f"{order}i", data)[0] == 348
    if is_first and data[344:348] == b"ni1\0":
        raise Unsupported("its header and its picture are two files; save them as one (.nii)")
    return (_first if is_first else _second)(data, order)


def _first(data: bytes, order: str) -> _Header:
    """NIfTI-1.1: a header of 348 bytes."""

    def get(layout: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + layout, data, at)

    qform, sform = get("2h", 252)
    return _header(
        get("8h", 40), get("h", 70)[0], order, int(get("f", 108)[0]), get("8f", 76), get("2f", 112),
        _affine(qform, sform, get("6f", 256), get("8f", 76), get("12f", 280)),
        get("B", 123)[0], (data[148:228], data[228:252], data[328:344]),
    )  # fmt: skip


def _second(data: bytes, order: str) -> _Header:
    """NIfTI-2: the same in 540 bytes, with longer numbers."""
    if len(data) < 540:
        raise _damaged()

    def get(layout: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + layout, data, at)

    qform, sform = get("2i", 344)
    return _header(
        get("8q", 16), get("h", 12)[0], order, get("q", 168)[0], get("8d", 104), get("2d", 176),
        _affine(qform, sform, get("6d", 352), get("8d", 104), get("12d", 400)),
        get("i", 500)[0], (data[240:320], data[320:344], data[508:524]),
    )  # fmt: skip


def _header(
    dim: Sequence[int],
    kind: int,
    order: str,
    at: int,
    pixdim: Sequence[float],
    scale: Sequence[float],
    affine: NDArray[np.float64] | None,
    units: int,
    texts: Sequence[bytes],
) -> _Header:
    shape = tuple(dim[1 : 1 + dim[0]]) if 1 <= dim[0] <= 7 else ()
    if not shape or min(shape) < 1:
        raise _damaged()
    spacing = tuple(abs(one) * _MILLIMETRES.get(units & 7, 1.0) for one in pixdim[1:4])
    slope, intercept = scale if np.isfinite(scale).all() and scale[0] else (1.0, 0.0)
    found = [_UNPRINTABLE.sub(" ", text.decode("utf-8", "replace")).strip() for text in texts]
    return _Header((*shape, 1, 1)[: max(3, len(shape))], kind, order, at, spacing, slope, intercept, affine,
                   "; ".join(filter(None, found)))  # fmt: skip


def _affine(
    qform: int, sform: int, turn: Sequence[float], pixdim: Sequence[float], rows: Sequence[float]
) -> NDArray[np.float64] | None:
    """From places in the volume to the patient; None where the file does not say how he lay."""
    if sform > 0:
        found = np.array(rows, np.float64).reshape(3, 4)[:, :3]
    elif qform > 0:
        b, c, d = turn[:3]
        a = max(0.0, 1 - b * b - c * c - d * d) ** 0.5
        found = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        found = found * np.abs(pixdim[1:4])
        found[:, 2] *= -1 if pixdim[0] < 0 else 1
    else:
        return None
    return found if np.isfinite(found).all() and abs(np.linalg.det(found)) > 1e-9 else None


def _values(header: _Header, data: bytes) -> Cells:
    """The values, by slice, row and column; of colour, by sample last."""
    slices = int(np.prod(header.shape[2:], dtype=object))
    samples = 3 if header.kind == _RGB else 1
    dtype = np.dtype("u1" if header.kind == _RGB else header.order + _TYPES.get(header.kind, "u1"))
    if header.kind != _RGB and header.kind not in _TYPES:
        raise Unsupported("its values are complex, single bits or of some other kind that no picture has")
    if slices > MAX_SLICES:
        raise Unsupported("it has {slices} slices, more than are taken in one file; cut it into parts", slices=slices)
    count = slices * header.shape[0] * header.shape[1] * samples
    if header.at < 0 or header.at + count * dtype.itemsize > len(data):
        raise _damaged()
    cells = np.frombuffer(data, dtype, count, header.at)
    return cells.reshape(slices, header.shape[1], header.shape[0], *((3,) if samples == 3 else ()))


def _laid(cells: Cells, header: _Header) -> tuple[Cells, dict[str, Any]]:
    """The slices as they are looked at, how far apart their cells are, and which way rows and columns go."""
    across, down = header.spacing[:2]
    attributes: dict[str, Any] = {}
    axes = _axes(header.affine)
    if axes is not None:
        (first, _, through), grows = axes
        wanted = _LOOKED_AT[through]
        if first != wanted[0]:
            cells, across, down = cells.swapaxes(1, 2), down, across
        if grows[wanted[0]]:
            cells = cells[:, :, ::-1]
        if grows[wanted[1]]:
            cells = cells[:, ::-1]
        attributes["PatientOrientation"] = [_LETTERS[axis] for axis in wanted]
    if np.isfinite((across, down)).all() and min(across, down) > 0:
        attributes["PixelSpacing"] = [f"{down:.10g}", f"{across:.10g}"]
    return cells, attributes


def _axes(affine: NDArray[np.float64] | None) -> tuple[tuple[int, int, int], Mapping[int, bool]] | None:
    """Along which axes columns, rows and slices go, and which of them grow with them; None where nobody knows."""
    if affine is None:
        return None
    first, second, third = (int(np.abs(affine[:, place]).argmax()) for place in range(3))
    if {first, second, third} != {0, 1, 2}:
        return None
    axes = first, second, third
    return axes, {axis: bool(affine[axis, place] > 0) for place, axis in enumerate(axes)}


def _stored(cells: Cells, header: _Header) -> tuple[Cells, str, dict[str, Any]]:
    """The values as a picture has them, in words what was done to them, and how bright they are shown."""
    if header.kind == _RGB:
        return cells, "made of a NIfTI volume", {}
    low, high = _ends(cells)
    if cells.dtype.kind in "iu" and high - low <= 0xFFFF:
        base, step = (min(low, 0) if high - min(low, 0) <= 0xFFFF else low), 1.0
    else:
        base, step = low, (high - low) / 0xFFFF or 1.0
    stored = np.empty(cells.shape, np.uint8 if step == 1.0 and high - base <= 0xFF else np.uint16)
    for number, one in enumerate(cells):
        whole = one.astype(np.int64) if one.dtype.kind in "iu" else np.nan_to_num(one.astype(np.float64), nan=low)
        stored[number] = np.rint((np.clip(whole, low, high) - base) / step)
    slope, intercept = header.slope * step, header.slope * base + header.intercept
    derivation = "made of a NIfTI volume"
    if (slope, intercept) != (1.0, 0.0):
        derivation += f"; its value is {slope:.9g} times what is stored, and {intercept:.9g}"
    width = max((high - low) / step, 1)
    centre = (low - base) / step + width / 2
    return stored, derivation, {"WindowCenter": f"{centre:.10g}", "WindowWidth": f"{width:.10g}"}


def _ends(cells: Cells) -> tuple[float, float]:
    """The smallest and the largest value; of fractions, of those that are numbers."""
    if cells.dtype.kind != "f":
        return int(cells.min()), int(cells.max())
    finite = cells[np.isfinite(cells)]
    if not finite.size:
        raise Invalid("none of its values is a number")
    low, high = float(finite.min()), float(finite.max())
    if not np.isfinite(high - low):
        raise Unsupported("its values are too far apart to be shown")
    return low, high


def warm() -> None:
    """Nothing is loaded late here but what one volume loads."""
    header = struct.pack("<i36x8h14xh2x2x8f", 348, 3, 2, 2, 1, 1, 1, 1, 1, 2, *(1.0,) * 8)
    head = bytearray(352)
    head[: len(header)] = header
    head[108:112] = struct.pack("<f", 352)
    head[344:348] = b"n+1\0"
    volume({}, memoryview(gzip.compress(bytes(head) + bytes(4))))
