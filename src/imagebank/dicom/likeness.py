"""How pictures look: small, without what another coding or a window changes. Plain numbers in, plain numbers out."""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Greys = NDArray[np.float32]

SIDE: Final = 64
"""Rows and columns of the small picture by which two are compared."""
SAME: Final = 0.98
"""Correlation of two small pictures from which on they count as one; measured in docs/pixels.md."""
LEAST_BITS: Final = 1.6
"""Entropy of a small picture below which many look like it."""
_HALF: Final = SIDE // 2
_LEVELS: Final = 64
_ENDS: Final = (2.0, 98.0)
_LARGEST: Final = 1e9
_WHITE: Final = np.array([0.299, 0.587, 0.114], np.float32)


def _cosines() -> Greys:
    steps = np.arange(_HALF)
    waves: Greys = np.cos(np.pi * (2 * steps[None, :] + 1) * steps[:, None] / SIDE).astype(np.float32)
    return waves


_COSINES: Final = _cosines()


def small(cells: NDArray[Any], *, is_inverse: bool) -> Greys:
    """Cells of a frame (rows, columns, samples) as grey from 0 to 1, of SIDE rows and columns, without its extremes.

    `is_inverse` where the lowest value is white (MONOCHROME1).
    """
    grey = cells.astype(np.float32)
    grey = grey @ _WHITE if cells.shape[2] == len(_WHITE) else grey[..., 0]
    if cells.dtype.kind == "f" or (cells.dtype.itemsize > 2 and max(-int(cells.min()), int(cells.max())) > _LARGEST):
        # In place: a mammogram is large enough once.
        np.clip(np.nan_to_num(grey, copy=False), -_LARGEST, _LARGEST, out=grey)
    mean = _mean(grey, cells)
    low, high = np.percentile(mean, _ENDS)
    if high <= low:
        low, high = mean.min(), mean.max()
    shown = np.clip((mean - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)
    turned: Greys = np.float32(1) - shown if is_inverse else shown
    return turned


def _mean(grey: Greys, cells: NDArray[Any]) -> Greys:
    """The mean of each of SIDE by SIDE fields of a grey picture of these cells."""
    rows, columns = grey.shape
    if _is_exact(cells, rows, columns):
        # Every sum on the way is a whole number that has room: the same bits as below, at a fifth of the price.
        strips = grey.reshape(SIDE, rows // SIDE, columns).sum(axis=1)
        share = np.full(columns // SIDE, SIDE * SIDE / (rows * columns), np.float32)
        fields: Greys = (strips.reshape(SIDE * SIDE, columns // SIDE) @ share).reshape(SIDE, SIDE)
        return fields
    return ((_shares(rows) @ grey) @ _shares(columns).T).astype(np.float32, copy=False)


def _is_exact(cells: NDArray[Any], rows: int, columns: int) -> bool:
    """Whether a sum of all cells of a field has room in 24 bits, and fields are powers of two."""
    down, across = rows // SIDE, columns // SIDE
    if cells.shape[2] != 1 or cells.dtype.kind not in "iu" or (down * SIDE, across * SIDE) != (rows, columns):
        return False
    is_power = down & (down - 1) == 0 and across & (across - 1) == 0
    return is_power and down * across << (8 * cells.dtype.itemsize) <= 1 << 24


@lru_cache(maxsize=16)
def _shares(size: int) -> Greys:
    """Which share each of `size` pixels has in each of SIDE fields, so that a field is the mean of its area."""
    begins = np.arange(SIDE, dtype=np.float32)[:, None] * size / SIDE
    pixels = np.arange(size, dtype=np.float32)[None, :]
    ends = begins + size / SIDE
    overlap = np.minimum(pixels + 1, ends) - np.maximum(pixels, begins)
    shares: Greys = (np.clip(overlap, 0, None) * SIDE / size).astype(np.float32)
    shares.flags.writeable = False
    return shares


def look(picture: Greys) -> int:
    """A perceptual hash: which of the 64 coarsest waves of a small picture are above their median (DCT)."""
    halved = picture.reshape(_HALF, 2, _HALF, 2).mean(axis=(1, 3))
    waves = (_COSINES @ halved @ _COSINES.T)[:8, :8].ravel().copy()
    # The mean of all says how bright it is, which a window changes: the next wave stands in its place.
    waves[0] = (_COSINES[8] @ halved) @ _COSINES[8]
    median = np.median(waves)
    return int("".join("1" if wave > median else "0" for wave in waves), 2)


def is_telling(picture: Greys) -> bool:
    """Whether there is enough in a small picture to know it again."""
    counts = np.bincount((picture * (_LEVELS - 1)).astype(np.int64).ravel(), minlength=_LEVELS)
    shares = counts[counts > 0] / picture.size
    return float(-(shares * np.log2(shares)).sum()) >= LEAST_BITS


def packed(picture: Greys) -> bytes:
    return np.round(picture * 255).astype(np.uint8).tobytes()


def correlation(one: bytes, other: bytes) -> float:
    """How much two packed pictures are one, from -1 to 1."""
    first, second = (np.frombuffer(each, np.uint8).astype(np.float32) for each in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0
