"""What the headers of a study say of its dose, in the DICOM JSON model: reports, and attributes of images.

Each irradiation counts once, however many images were made of it: by its event (0008,3010) where it is named, else by
what tells acquisitions apart. Secondary images, and scouts of CT, say nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from imagebank.dicom.dose_report import code, first, is_report, items, nuclide_of, number, text
from imagebank.dicom.dose_report import readings as report_readings
from imagebank.model.dose import Basis, Quantity, Reading
from imagebank.model.imaging import DataSet

_FLUORO: Final = frozenset({"DX", "CR", "XA", "RF", "RG", "MG", "IO", "PX"})
_TRACED: Final = frozenset({"NM", "PT", "ST"})
_BQ_FROM: Final = 1e5
"""MBq are what NM objects say (PS3.3 C.8.4.10), Bq what PET objects do; more MBq than these are Bq all the same."""
_LONGEST_MM: Final = 2_500.0

Key = tuple[str, ...]


@dataclass
class _Scan:
    """One acquisition of CT: the largest CTDIvol (mGy), and from where to where along the table (mm)."""

    where: tuple[str, str]
    ctdi: float = 0.0
    places: list[float] = field(default_factory=list)
    thickness: float = 0.0


@dataclass
class Gathered:
    """What the headers of a study said until now."""

    reports: dict[str, list[Reading]] = field(default_factory=dict)
    scans: dict[Key, _Scan] = field(default_factory=dict)
    images: dict[Key, Reading] = field(default_factory=dict)

    def take(self, datasets: Iterable[DataSet]) -> None:
        """Read the instances of one series."""
        for dataset in datasets:
            modality = text(dataset, "00080060")
            if is_report(dataset):
                self.reports[text(dataset, "00080018")] = report_readings(dataset)
            elif not _is_secondary(dataset):
                if modality == "CT":
                    _scan(dataset, self.scans)
                for key, reading in _images(dataset, modality):
                    self.images.setdefault(key, reading)

    def readings(self) -> tuple[Reading, ...]:
        """All of it, by what is said."""
        told = [one for some in self.reports.values() for one in some]
        return (*told, *_of_scans(self.scans.values()), *_added(self.images.values()))


def _is_secondary(dataset: DataSet) -> bool:
    types = dataset.get("00080008", {}).get("Value") or ()
    return "SECONDARY" in types[1:2] or "LOCALIZER" in types


def _where(dataset: DataSet) -> tuple[str, str]:
    return text(dataset, "0020000E"), text(dataset, "00080018")


def _scan(dataset: DataSet, scans: dict[Key, _Scan]) -> None:
    """CTDIvol (0018,9345) and places, of an image or of the frames of an enhanced one (PS3.3 C.8.15.3.8)."""
    groups = [one for key in ("52009229", "52009230") for one in items(dataset, key)]
    exposures = [dataset, *(item for one in groups for item in items(one, "00189321"))]
    ctdi = max((value for one in exposures if (value := number(first(one, "00189345")))), default=0.0)
    if not ctdi:
        return
    event = text(dataset, "00083010")
    named = (text(dataset, "00200052"), text(dataset, "00200012"), f"{ctdi:.3f}")
    scan = scans.setdefault((event,) if event else named, _Scan(_where(dataset)))
    scan.ctdi = max(scan.ctdi, ctdi)
    planes = [dataset, *(item for one in groups for item in items(one, "00209113"))]
    scan.places += [place for one in planes if (place := _along(one)) is not None]
    widths = [dataset, *(item for one in groups for item in items(one, "00289110"))]
    scan.thickness = max(scan.thickness, *(number(first(one, "00180050")) or 0.0 for one in widths))


def _along(plane: Mapping[str, Any]) -> float | None:
    """Where an image lies along the table: the third value of Image Position (0020,0032)."""
    values: Sequence[Any] = plane.get("00200032", {}).get("Value") or ()
    try:
        return float(values[2])
    except (IndexError, TypeError, ValueError):
        return None


def _of_scans(scans: Iterable[_Scan]) -> Iterator[Reading]:
    """The largest CTDIvol, and CTDIvol times the length that images show: a little less than was scanned."""
    found = list(scans)
    if not found:
        return
    where = found[0].where
    yield Reading(Quantity.CTDI, max(one.ctdi for one in found), Basis.HEADER, *where)
    lengths = [(one.ctdi, max(one.places) - min(one.places) + one.thickness) for one in found if one.places]
    product = sum(ctdi * length / 10 for ctdi, length in lengths if 0 < length <= _LONGEST_MM)
    if product:
        yield Reading(Quantity.DLP, product, Basis.HEADER, *where, is_derived=True)


def _images(dataset: DataSet, modality: str) -> Iterator[tuple[Key, Reading]]:
    """What one image says, and by what it is known again in another image of the same exposure."""
    if modality in _FLUORO:
        own = _exposure(dataset)
        for quantity, value, of in _attributes(dataset, modality):
            yield (quantity, *own), Reading(quantity, value, Basis.HEADER, *_where(dataset), of)
    if modality in _TRACED:
        for item in items(dataset, "00540016"):
            yield from _tracer(dataset, item, modality)


def _exposure(dataset: DataSet) -> Key:
    event, time = text(dataset, "00083010"), text(dataset, "00080032")
    if event:
        return (event,)
    # An image for processing and the one made of it for presentation are of one moment.
    return (text(dataset, "00080022"), time) if time else (text(dataset, "00080018"),)


def _attributes(dataset: DataSet, modality: str) -> Iterator[tuple[Quantity, float, str]]:
    side = (text(dataset, "00200062") or text(dataset, "00200060"))[:1]
    # dGy·cm² (0018,115E); dGy (0040,0316); mGy (0040,8302).
    if area := number(first(dataset, "0018115E")):
        yield Quantity.DAP, area / 10, ""
    if modality == "MG" and (organ := number(first(dataset, "00400316"))):
        yield Quantity.GLANDULAR, organ * 100, side
    if entrance := number(first(dataset, "00408302")):
        yield Quantity.ENTRANCE, entrance, side if modality == "MG" else ""


def _tracer(dataset: DataSet, item: Mapping[str, Any], modality: str) -> Iterator[tuple[Key, Reading]]:
    activity = number(first(item, "00181074"))
    if not activity:
        return
    mbq = activity / 1e6 if modality != "NM" or activity > _BQ_FROM else activity
    agent = text(item, "00180031") or code(item, "00540304")[1]
    nuclide = nuclide_of(code(item, "00540300")[1]) or nuclide_of(agent)
    key = (Quantity.ACTIVITY, agent, nuclide, f"{mbq:.3f}")
    yield key, Reading(Quantity.ACTIVITY, mbq, Basis.HEADER, *_where(dataset), agent, nuclide)


def _added(images: Iterable[Reading]) -> Iterator[Reading]:
    """What adds up, added up by what it is of; of an entrance dose the largest, since places differ."""
    sums: dict[tuple[Quantity, str, str], Reading] = {}
    for one in images:
        key = (one.quantity, one.of, one.nuclide)
        before = sums.get(key)
        value = one.value
        if before is not None:
            value = max(before.value, value) if one.quantity is Quantity.ENTRANCE else before.value + value
        kept = before or one
        sums[key] = Reading(kept.quantity, value, kept.basis, kept.series, kept.instance, kept.of, kept.nuclide)
    yield from sums.values()
