"""Volumes of research in NIfTI files, as small as they can be."""

import struct
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_KINDS = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
RIGHT_FRONT_UP = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0))


def a_nifti(
    cells: NDArray[Any],
    *,
    order: Literal["<", ">"] = "<",
    version: int = 1,
    scale: tuple[float, float] = (0, 0),
    sform: Any = None,
    qform: tuple[float, ...] | None = None,
    words: bytes = b"",
) -> bytes:
    """`cells` by volume, slice, row and column; of colour, by sample last. `qform` begins with the sign of the slices."""
    is_colour = cells.ndim == 4 and cells.shape[-1] == 3 and cells.dtype == np.uint8
    kind = 128 if is_colour else _KINDS[f"{cells.dtype.kind}{cells.dtype.itemsize}"]
    shape = (cells.shape[:3] if is_colour else cells.shape)[::-1]
    dim = [len(shape), *shape, *(1,) * (7 - len(shape))]
    sign, *turn = qform or (1.0, 0, 0, 0)
    pixdim = [sign, 0.5, 0.75, 2.0, 1, 0, 0, 0]
    rows = [float(one) for row in (sform or np.zeros((3, 4))) for one in row]
    head = bytearray(352 if version == 1 else 544)

    def put(layout: str, at: int, *values: Any) -> None:
        struct.pack_into(order + layout, head, at, *values)

    put("i", 0, 348 if version == 1 else 540)
    bits = 8 * cells.dtype.itemsize * (3 if is_colour else 1)
    forms = int(qform is not None), int(sform is not None)
    if version == 1:
        put("8h", 40, *dim)
        put("2h", 70, kind, bits)
        put("8f", 76, *pixdim)
        put("f", 108, len(head))
        put("2f", 112, *scale)
        put("B", 123, 2)
        put("80s", 148, words)
        put("2h", 252, *forms)
        put("3f", 256, *turn)
        put("12f", 280, *rows)
        put("4s", 344, b"n+1")
    else:
        put("8s", 4, b"n+2\0\r\n\x1a\n")
        put("2h", 12, kind, bits)
        put("8q", 16, *dim)
        put("8d", 104, *pixdim)
        put("q", 168, len(head))
        put("2d", 176, *scale)
        put("80s", 240, words)
        put("2i", 344, *forms)
        put("3d", 352, *turn)
        put("12d", 400, *rows)
        put("i", 500, 2)
    return bytes(head) + cells.astype(cells.dtype.newbyteorder(order)).tobytes()
