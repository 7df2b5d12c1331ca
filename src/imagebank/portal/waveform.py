"""Waveforms as curves: an ECG on its paper, and whatever else was sampled (PS3.3 C.10.9)."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagebank.errors import Invalid, Unsupported
from imagebank.model.imaging import DataSet
from imagebank.portal import wording

ReadBulk = Callable[[str], bytes]
"""Reads the value that a BulkDataURI names."""

_TYPES = {"SB": "i1", "UB": "u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4"}
_MILLIVOLTS = {"mV": 1.0, "uV": 0.001, "V": 1000.0}
MM_PER_SECOND = 25
MM_PER_MILLIVOLT = 10
LEAD_HEIGHT_MM = 25
_POINTS_PER_MM = 4
_LONGEST_S = 60
_MOST_CHANNELS = 64
# Far beyond anything that is recorded, and far from where arithmetic overflows.
_SLOWEST_HZ, _FASTEST_HZ = 1e-6, 1e9
_LARGEST = 1e15


@dataclass(frozen=True, slots=True)
class Curve:
    """One channel, drawn: its name, its unit, and the points of an SVG polyline in mm, the base line at 0."""

    name: str
    unit: str
    points: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Channels that were sampled together. `is_electric` says that the scale is that of ECG paper."""

    seconds: float
    shown_seconds: float
    curves: tuple[Curve, ...]
    is_electric: bool

    @property
    def width_mm(self) -> int:
        return round(self.shown_seconds * MM_PER_SECOND)


def strips(attributes: DataSet, read_bulk: ReadBulk) -> list[Strip]:
    """The waveforms of an object, in its order. Raises Unsupported for an encoding that is not drawn, Invalid."""
    return [_strip(group, read_bulk) for group in wording.items(attributes, "54000100")]


def _strip(group: DataSet, read_bulk: ReadBulk) -> Strip:
    rate = wording.decimal(group, "003A001A") or 0.0
    if rate <= 0:
        raise Invalid("the waveform does not say how fast it was sampled")
    if not _SLOWEST_HZ <= rate <= _FASTEST_HZ:
        raise Invalid("the waveform's sampling frequency cannot be right")
    samples = _samples(group, read_bulk)
    shown = samples[: int(_LONGEST_S * rate)]
    channels = wording.items(group, "003A0200")
    curves = []
    is_electric = True
    for column in range(shown.shape[1]):
        channel = channels[column] if column < len(channels) else {}
        unit, measured = _scaled(channel, shown[:, column])
        is_electric = is_electric and unit in _MILLIVOLTS
        curves.append(Curve(_name(channel, column), unit, _points(_in_mm(unit, measured), rate)))
    return Strip(len(samples) / rate, len(shown) / rate, tuple(curves), is_electric)


def _samples(group: DataSet, read_bulk: ReadBulk) -> NDArray[np.float64]:
    """Rows of samples, a column for each channel. What is declared is checked against what is there."""
    kind = wording.text(group, "54001006")
    if kind not in _TYPES:
        raise Unsupported(
            "waveforms coded as {kind} are not drawn; the original can be downloaded", kind=kind or "nothing"
        )
    channels, count = wording.number(group, "003A0005") or 0, wording.number(group, "003A0010") or 0
    if not 1 <= channels <= _MOST_CHANNELS or count < 1:
        raise Invalid("the waveform's number of channels or samples cannot be right")
    raw = _bytes(group.get("54001010", {}), read_bulk)
    dtype = np.dtype(_TYPES[kind])
    rows = min(count, len(raw) // (dtype.itemsize * channels))
    whole = np.frombuffer(raw, dtype, rows * channels)
    return whole.reshape(rows, channels).astype(np.float64)


def _bytes(element: dict[str, Any], read_bulk: ReadBulk) -> bytes:
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    return read_bulk(element["BulkDataURI"]) if "BulkDataURI" in element else b""


def _scaled(channel: DataSet, samples: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
    """A channel in the unit that it names."""
    factor = (wording.decimal(channel, "003A0210") or 1.0) * (wording.decimal(channel, "003A0212") or 1.0)
    base = wording.decimal(channel, "003A0213") or 0.0
    units = wording.items(channel, "003A0211")
    unit = wording.text(units[0], "00080100") if units else ""
    with np.errstate(over="ignore", invalid="ignore"):
        measured = samples * factor + base
        if not (np.abs(measured) <= _LARGEST).all():
            raise Invalid("the waveform's values are too large to be drawn")
    return unit, measured


def _in_mm(unit: str, measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights on the paper: 10 mm a millivolt, or filling the lead's space for any other unit."""
    if not len(measured):
        return measured
    if unit in _MILLIVOLTS:
        return measured * _MILLIVOLTS[unit] * MM_PER_MILLIVOLT
    low, high = float(measured.min()), float(measured.max())
    return (measured - (low + high) / 2) * (LEAD_HEIGHT_MM * 0.8 / ((high - low) or 1.0))


def _points(heights: NDArray[np.float64], rate: float) -> str:
    """An SVG polyline, thinned so that no peak is lost: the extremes of each quarter millimetre."""
    step = max(1, int(rate / MM_PER_SECOND / _POINTS_PER_MM * 2))
    return " ".join(f"{x / rate * MM_PER_SECOND:.2f},{-y:.2f}" for x, y in _extremes(heights, step))


def _extremes(heights: NDArray[np.float64], step: int) -> Iterator[tuple[int, float]]:
    for start in range(0, len(heights), step):
        piece = heights[start : start + step]
        for offset in sorted({int(piece.argmin()), int(piece.argmax())}):
            yield start + offset, float(piece[offset])


def _name(channel: DataSet, column: int) -> str:
    for source in wording.items(channel, "003A0208"):
        meaning = wording.text(source, "00080104")
        if meaning:
            return meaning.removeprefix("Lead ").partition(" (")[0]
    return wording.text(channel, "003A0203") or f"Channel {column + 1}"
