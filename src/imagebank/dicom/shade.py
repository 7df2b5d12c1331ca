"""Grey values for display: modality LUT, VOI LUT, presentation LUT (PS3.3 C.11.1, C.11.2, C.11.6).

Runs in a sandbox child.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from imagebank.dicom import team
from imagebank.dicom.codec import Frame, stored_values
from imagebank.dicom.layout import Layout
from imagebank.dicom.render import Window

Values = NDArray[np.float64]
Curve = Callable[[Values], Values]
"""From stored or modality values to other ones, cell by cell."""
Change = Callable[[NDArray[Any]], NDArray[np.uint8]]
"""From stored cells to grey."""

# PS3.3 C.8.7.1.1.2: there the modality LUT leads to intensities for arithmetic, not for display.
_NOT_FOR_DISPLAY = {"1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2", "1.2.840.10008.5.1.4.1.1.12.3"}
_BLOCK_CELLS = 1 << 17
_SHARE_CELLS = 1 << 19
_MOST_TABLES = 8
_AROUND = 64


@dataclass(frozen=True, slots=True)
class Shades:
    """A frame in grey: its cells (rows, columns), and what makes eight bits of some of them, in any thread."""

    cells: NDArray[Any]
    change: Change

    def part(self, start: int, stop: int) -> NDArray[np.uint8]:
        """The rows from one up to another."""
        cells = self.cells[start:stop]
        out = np.empty(cells.shape, np.uint8)
        _fill(out, cells, self.change)
        return out

    def whole(self) -> NDArray[np.uint8]:
        """All rows, by all threads where they are many."""
        out = np.empty(self.cells.shape, np.uint8)
        step = max(1, _SHARE_CELLS // self.cells.shape[1])

        def fill(number: int) -> None:
            rows = slice(number * step, (number + 1) * step)
            _fill(out[rows], self.cells[rows], self.change)

        team.shared_out(fill, -(-len(out) // step))
        return out


@dataclass(slots=True, eq=False)
class Table:
    """How stored cells become grey, and the greys of those from `low` to `high` at their own bits, if they are few."""

    change: Change
    greys: NDArray[np.uint8]
    low: int = 0
    high: int = -1


@dataclass(frozen=True, slots=True)
class Said:
    """What an image says of how it is shown, and the tables that came of it: slices of a series say the same."""

    dataset: Dataset
    tables: dict[tuple[Layout, Window | None, int], Table] = field(default_factory=dict)


def greys(frames: Sequence[tuple[Frame, int]], said: Said, layout: Layout, window: Window | None) -> Iterator[Shades]:
    """Each frame in grey.

    Frames that are given together share their range where neither the caller nor the data set has a window.
    """
    tables = [said.tables.get((layout, window, number)) for _, number in frames]
    for (frame, _), table in zip(
        frames, _tables(frames, said, layout, window) if None in tables else tables, strict=True
    ):
        assert table is not None
        yield _through(frame.cells[..., 0], table)


def _tables(frames: Sequence[tuple[Frame, int]], said: Said, layout: Layout, window: Window | None) -> Iterator[Table]:
    dataset = said.dataset
    modality = [_modality(dataset, number) for _, number in frames]
    windows = [window or _own_window(dataset, number) for _, number in frames]
    table = None if window else _own_table(dataset)
    span = None
    if table is None and None in windows:
        stored = [stored_values(frame.cells[..., 0], layout) for frame, _ in frames]
        span = _span(stored, modality, dataset, layout)
    inverted = _is_inverted(dataset, layout)
    for (_, number), values, own in zip(frames, modality, windows, strict=True):
        voi = _window_curve(own) if own else table or _span_curve(*(span or (0.0, 1.0)))
        made = _table_of(layout, _one_after_other(values, voi), inverted=inverted)
        if span is None and len(said.tables) < _MOST_TABLES:
            said.tables[layout, window, number] = made
        yield made


def _one_after_other(first_curve: Curve, second: Curve) -> Curve:
    return lambda values: second(first_curve(values))


def _table_of(layout: Layout, curve: Curve, *, inverted: bool) -> Table:
    """Nothing is in it yet."""

    def change(cells: NDArray[Any]) -> NDArray[np.uint8]:
        return _eight_bits(curve(stored_values(cells, layout).astype(np.float64)), inverted=inverted)

    is_small = layout.value == "int" and layout.dtype.itemsize <= 2
    return Table(change, np.zeros(1 << (8 * layout.dtype.itemsize) if is_small else 0, np.uint8))


def _through(cells: NDArray[Any], table: Table) -> Shades:
    """Cells in grey: by a table over the cells that occur where they are few enough."""
    if not len(table.greys):
        return Shades(cells, table.change)
    low, high = int(cells.min()), int(cells.max())
    if low < table.low or table.high < high:
        _reach(table, cells.dtype, low, high)
    return Shades(cells.view(f"u{cells.dtype.itemsize}"), lambda block: np.take(table.greys, block))


def _reach(table: Table, kind: np.dtype[Any], low: int, high: int) -> None:
    """Have the table hold these cells, too, and some around them: the next slice has its own lowest and highest."""
    if table.low <= table.high:
        low, high = min(low, table.low), max(high, table.high)
    bounds = np.iinfo(kind)
    low, high = max(low - _AROUND, bounds.min), min(high + _AROUND, bounds.max)
    occur = np.arange(low, high + 1)
    # A negative value stands at its two's complement, so that the cells' own bits are the index.
    table.greys[occur % len(table.greys)] = table.change(occur.astype(kind))
    table.low, table.high = low, high


def _fill(out: NDArray[np.uint8], cells: NDArray[Any], change: Change) -> None:
    """By groups of rows: what is wide on the way (indices, floating point) stays small and in the cache."""
    step = max(1, _BLOCK_CELLS // cells.shape[1])
    for row in range(0, len(cells), step):
        out[row : row + step] = change(cells[row : row + step])


def _eight_bits(values: Values, *, inverted: bool) -> NDArray[np.uint8]:
    eight = np.rint(np.clip(np.nan_to_num(values), 0.0, 1.0) * 255).astype(np.uint8)
    return 255 - eight if inverted else eight


def _is_inverted(dataset: Dataset, layout: Layout) -> bool:
    return layout.photometric == "MONOCHROME1" or str(dataset.get("PresentationLUTShape", "")).upper() == "INVERSE"


def _group(dataset: Dataset, number: int, sequence: str) -> Dataset | None:
    """The first item of a functional group: of the frame, else the shared one (PS3.3 C.7.6.16)."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for place in (*per_frame[number - 1 : number], *shared[:1]):
        if items := place.get(sequence):
            item: Dataset = items[0]
            return item
    return None


def first(dataset: Dataset, keyword: str) -> float | None:
    """The first number of an element, or None when there is none that can be read."""
    value = dataset.get(keyword)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _word(dataset: Dataset, keyword: str) -> float | None:
    """A number of which Implicit VR does not say whether it is US or SS."""
    value = dataset.get(keyword)
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "little", signed=bool(dataset.get("PixelRepresentation"))) if value else None
    return first(dataset, keyword)


def _modality(dataset: Dataset, number: int) -> Curve:
    place = _group(dataset, number, "PixelValueTransformationSequence") or dataset
    if table := _table(dataset, place, "ModalityLUTSequence"):
        if _is_for_arithmetic(dataset):
            return lambda stored: stored
        values, start, _ = table
        return lambda stored: _looked_up(stored, values, start)
    slope, intercept = first(place, "RescaleSlope"), first(place, "RescaleIntercept") or 0.0
    if slope in (None, 0.0) or (slope == 1.0 and not intercept):
        return lambda stored: stored + intercept if intercept else stored
    return lambda stored: stored * slope + intercept


def _is_for_arithmetic(dataset: Dataset) -> bool:
    relation = str(dataset.get("PixelIntensityRelationship", "")).upper()
    return str(dataset.get("SOPClassUID", "")) in _NOT_FOR_DISPLAY and relation in ("LOG", "DISP")


def _table(dataset: Dataset, place: Dataset, sequence: str) -> tuple[Values, float, float] | None:
    """A look-up table: its values, the first input value, and the largest possible output."""
    items = place.get(sequence)
    descriptor = items[0].get("LUTDescriptor") if items else None
    data = items[0].get("LUTData") if items else None
    if isinstance(descriptor, bytes) and len(descriptor) == 6:
        # Implicit VR does not say whether it is US or SS.
        descriptor = np.frombuffer(descriptor, "<i2" if dataset.get("PixelRepresentation") else "<u2").tolist()
    if descriptor is None or len(descriptor) != 3 or data is None:
        return None
    count, start, bits = int(descriptor[0]) & 0xFFFF, int(descriptor[1]), int(descriptor[2])
    count = count or 65536  # PS3.3 C.11.1.1: a count of zero means 2^16
    if isinstance(data, bytes):
        values = np.frombuffer(data, np.uint8 if len(data) < 2 * count else "<u2", min(count, len(data)))
    else:
        values = np.atleast_1d(np.array(data, np.int64)) & 0xFFFF
    values = values[:count].astype(np.float64)
    if not len(values):
        return None
    most = float((1 << bits) - 1) if 1 <= bits <= 16 else 65535.0
    return values, float(start), max(most, values.max())


def _looked_up(inputs: Values, values: Values, start: float) -> Values:
    index = np.clip(np.rint(inputs) - start, 0, len(values) - 1)
    return values[index.astype(np.intp)]


def _own_table(dataset: Dataset) -> Curve | None:
    table = _table(dataset, dataset, "VOILUTSequence")
    if table is None or first(dataset, "WindowWidth"):
        return None
    values, start, most = table
    return lambda inputs: _looked_up(inputs, values, start) / most


def _own_window(dataset: Dataset, number: int) -> Window | None:
    """The first window that the data set offers for a frame, if it is a possible one."""
    place = _group(dataset, number, "FrameVOILUTSequence") or dataset
    center, width = first(place, "WindowCenter"), first(place, "WindowWidth")
    function = str(place.get("VOILUTFunction") or "LINEAR").upper()
    if center is None or width is None or width <= 0 or (width < 1 and function == "LINEAR"):
        return None
    return Window(center, width, function)


def _window_curve(window: Window) -> Curve:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, with an output of 0 to 1."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        return lambda x: 1 / (1 + np.exp(np.clip(-4 * (x - center) / width, -700, 700)))
    if window.function == "LINEAR_EXACT":
        return lambda x: (x - center) / width + 0.5
    if width == 1:
        return lambda x: (x > center - 0.5).astype(np.float64)
    return lambda x: (x - (center - 0.5)) / (width - 1) + 0.5


def _span_curve(low: float, high: float) -> Curve:
    if high <= low:
        return lambda x: (x > low).astype(np.float64)
    return lambda x: (x - low) / (high - low)


def _span(
    stored: Sequence[NDArray[Any]], modality: Sequence[Curve], dataset: Dataset, layout: Layout
) -> tuple[float, float]:
    """The range of modality values to show where nobody says: that of the cells, padding apart."""
    if layout.bits_allocated == 1:
        return 0.0, 1.0
    if most := first(dataset, "MaximumFractionalValue"):
        return 0.0, most
    if layout.value == "int" and layout.bits_stored <= 8 and not layout.is_signed:
        # Eight-bit captures are made for display as they are.
        ends = np.array([0.0, (1 << layout.bits_stored) - 1])
        return _ends(np.concatenate([curve(ends) for curve in modality]))
    found = []
    for cells, curve in zip(stored, modality, strict=True):
        kept = _without_padding(cells, dataset)
        if kept.size:
            ends = np.array([kept.min(), kept.max()], np.float64)
            steps = np.linspace(ends[0], ends[1], 257)
            found.append(curve(steps))
    return _ends(np.concatenate(found)) if found else (0.0, 1.0)


def _ends(values: Values) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _without_padding(cells: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """The cells that show something (PS3.3 C.7.5.1.1.2)."""
    if cells.dtype.kind == "f":
        finite: NDArray[Any] = cells[np.isfinite(cells)]
        return finite
    padding, limit = (_word(dataset, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if padding is None:
        return cells
    low, high = sorted((padding, padding if limit is None else limit))
    kept: NDArray[Any] = cells[(cells < low) | (cells > high)]
    return kept


def pixel_aspect(dataset: Dataset, number: int) -> float:
    """Height of a pixel by its width; 1 when the data set says nothing that makes sense."""
    measures = _group(dataset, number, "PixelMeasuresSequence") or dataset
    places = [(measures, "PixelSpacing"), (dataset, "ImagerPixelSpacing"), (dataset, "PixelAspectRatio")]
    for place, keyword in places:
        value = place.get(keyword)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2:
            try:
                height, width = float(value[0]), float(value[1])
            except (TypeError, ValueError):
                continue
            if height > 0 and width > 0:
                # Rounding of the spacing must not resize a square pixel.
                return 1.0 if abs(height / width - 1) < 0.01 else height / width
    return 1.0


@contextmanager
def apart() -> Iterator[None]:
    """Read values leniently while the block runs, as a decoder does always."""
    before, config.settings.reading_validation_mode = config.settings.reading_validation_mode, config.IGNORE
    try:
        yield
    finally:
        config.settings.reading_validation_mode = before


def warm(layout: Layout) -> None:
    """Load what is imported late: the code pages of every character set."""
    config.settings.reading_validation_mode = config.IGNORE
    for encoding in set(python_encoding.values()):
        "a".encode(encoding)
    cells = np.zeros((2, 2, 1), np.uint16)
    list(greys([(Frame(cells, "MONOCHROME2"), 1)], Said(Dataset()), layout, None))
