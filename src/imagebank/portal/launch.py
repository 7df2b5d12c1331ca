"""Which page shows an object: the viewer, or one of our own."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from urllib.parse import urlencode

from imagebank.model.imaging import Instance, Pixels
from imagebank.model.stack import Stack
from imagebank.model.uid import Uid

_STORAGE = "1.2.840.10008.5.1.4.1.1."


class Kind(StrEnum):
    """How our own page shows an object. Every object has one: no page is ever blank."""

    PICTURE = "picture"
    VIDEO = "video"
    TEXT = "text"
    DOCUMENT = "document"
    WAVEFORM = "waveform"
    DETAILS = "details"


def _uids(endings: str) -> frozenset[str]:
    return frozenset(_STORAGE + ending for ending in endings.split())


# What OHIF 3.13 draws, by SOP class (PS3.4 annex B). Retired and unknown image classes are not among them.
_STACKS = _uids(
    "1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3.1 4 4.1 4.3 4.4 6.1 6.2 7 7.1 7.2 7.3 7.4 "
    "12.1 12.1.1 12.2 12.2.1 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 14.1 14.2 20 "
    "77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1 77.1.5.2 77.1.5.4 82.1 "
    "128 128.1 130 481.1 481.2"
)
_VIDEO_CLASSES = _uids("77.1.1.1 77.1.2.1 77.1.4.1 7 7.4")
_OVERLAYS = _uids("66.4 66.7 481.3")
_ECGS = _uids("9.1.1 9.1.2 9.1.3 9.2.1 9.3.1")
# Reports, waveforms, presentation states, documents, raw data, maps, fiducials, meshes, and all of RT but images and dose.
_WITHOUT_PICTURE = re.compile(
    re.escape(_STORAGE)
    + r"(9|11|66|67|68|78|79|80|88|90|91|104|131|200|201|501)(\.|$)|"
    + re.escape(_STORAGE)
    + r"481\.(?![12]$)"
)
_PDF = _STORAGE + "104.1"
_REPORTS = _STORAGE + "88."
_WAVEFORMS = _STORAGE + "9."

_SYNTAX = "1.2.840.10008.1.2.4."
_PLAYABLE = frozenset(f"{_SYNTAX}{n}" for n in range(102, 109)) | frozenset(f"{_SYNTAX}{n}.1" for n in range(102, 107))
_VIDEO = _PLAYABLE | frozenset(f"{_SYNTAX}{n}" for n in (100, 101)) | {f"{_SYNTAX}100.1", f"{_SYNTAX}101.1"}
_NOT_DECODED = frozenset(f"{_SYNTAX}{n}" for n in (94, 95, 110, 111, 112, 204, 205))  # JPIP, JPEG XL

_LONGEST_LIST = 60
"""Series that fit into an address that every proxy lets through."""
_SIDE_BY_SIDE = "imagebank.compare"
"""The hanging protocol of viewer/app-config.js."""


def kind_of(instance: Instance) -> Kind:
    """How our own page shows the object."""
    if is_video(instance):
        return Kind.VIDEO
    if instance.sop_class == _PDF:
        return Kind.DOCUMENT
    if instance.sop_class.startswith(_REPORTS):
        return Kind.TEXT
    if instance.sop_class.startswith(_WAVEFORMS):
        return Kind.WAVEFORM
    if instance.pixels is not None and instance.sop_class not in _OVERLAYS:
        return Kind.PICTURE
    return Kind.DETAILS


def may_have_picture(sop_class: str) -> bool:
    """Whether a picture can come of objects of a class; only their pixels say whether one does."""
    return sop_class not in _OVERLAYS and not _WITHOUT_PICTURE.match(sop_class)


def is_video(instance: Instance) -> bool:
    return instance.transfer_syntax in _VIDEO


def is_playable(instance: Instance) -> bool:
    """Whether browsers have a decoder for the video; MPEG-2 is in none of them."""
    return instance.transfer_syntax in _PLAYABLE


def is_drawn_alone(instance: Instance) -> bool:
    """Whether the viewer shows the object without any other."""
    if is_video(instance):
        return is_playable(instance) and instance.sop_class in _VIDEO_CLASSES
    if instance.sop_class in _STACKS:
        pixels = instance.pixels
        return pixels is not None and instance.transfer_syntax not in _NOT_DECODED and _has_every_sample(pixels)
    return instance.sop_class in _ECGS or instance.sop_class == _PDF


def _has_every_sample(pixels: Pixels) -> bool:
    """False for native frames with fewer samples than pixels (YBR_FULL_422, PS3.3 C.7.6.3.1.2), left black by OHIF."""
    bits = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated * pixels.frames
    return pixels.encapsulated or pixels.length * 8 >= bits


def series_for_viewer(instances: Iterable[Instance]) -> list[Uid]:
    """The series of one study that may go to the viewer, in their order.

    Structured reports never do: one that the viewer cannot read leaves the whole page black. Segmentations and
    contours go along only where there are images to draw them on.
    """
    by_series: dict[Uid, list[Instance]] = {}
    for instance in instances:
        by_series.setdefault(instance.series, []).append(instance)
    alone = [uid for uid, members in by_series.items() if any(map(is_drawn_alone, members)) and _is_safe(members)]
    if not any(member.sop_class in _STACKS for uid in alone for member in by_series[uid]):
        return alone
    return [uid for uid, members in by_series.items() if uid in set(alone) or _is_overlay(members)]


def _is_safe(members: Sequence[Instance]) -> bool:
    return not any(member.sop_class.startswith(_REPORTS) for member in members)


def _is_overlay(members: Sequence[Instance]) -> bool:
    return all(member.sop_class in _OVERLAYS for member in members)


def viewer_address(study: Uid, instances: Sequence[Instance], first: Uid | None = None) -> str | None:
    """Where the viewer opens a study, `first` being the series to show; None when it has nothing to show.

    `instances` are all those of the study that the caller may see. The series that the viewer may have are named
    whenever there are others, so that it never meets what it cannot bear.
    """
    shown = series_for_viewer(instances)
    if not shown:
        return None
    parts = {"StudyInstanceUIDs": str(study)}
    if named := series_to_name({study: instances}, [first]):
        parts["SeriesInstanceUIDs"] = ",".join(named)
    if first in shown:
        parts["initialSeriesInstanceUID"] = str(first)
    return _address(parts)


def compare_address(studies: Mapping[Uid, Sequence[Instance]], hung: Sequence[Stack] = ()) -> str | None:
    """Where the viewer opens studies side by side, the first being the left one; None when one has nothing to show.

    `hung` is what of each is shown first, in the order of the studies; without it the viewer chooses by itself.
    """
    if not all(map(series_for_viewer, studies.values())):
        return None
    parts = {"StudyInstanceUIDs": ",".join(studies), "hangingProtocolId": _SIDE_BY_SIDE}
    if some := series_to_name(studies, [stack.series for stack in hung]):
        parts["SeriesInstanceUIDs"] = ",".join(some)
    named = {
        # An image that is hung by itself, so that of its series no other is.
        "initialSeriesInstanceUID": [stack.series for stack in hung if stack.instance is None],
        "initialSOPInstanceUID": [stack.instance for stack in hung if stack.instance is not None],
    }
    return _address(parts | {name: ",".join(uids) for name, uids in named.items() if uids})


def series_to_name(studies: Mapping[Uid, Sequence[Instance]], first: Collection[Uid | None] = ()) -> list[Uid]:
    """The series that an address has to name, those of `first` before others; none where the viewer may have them all."""
    shown = {study: series_for_viewer(instances) for study, instances in studies.items()}
    if not any(_has_others(shown[study], instances) for study, instances in studies.items()):
        return []
    share = _LONGEST_LIST // len(shown)
    return [uid for series in shown.values() for uid in sorted(series, key=lambda uid: uid not in first)[:share]]


def pictures_for_viewer(instances: Sequence[Instance]) -> list[Instance]:
    """The images of a study that can be hung in the viewer."""
    shown = set(series_for_viewer(instances))
    return [one for one in instances if one.series in shown and kind_of(one) is Kind.PICTURE]


def _has_others(shown: Sequence[Uid], instances: Sequence[Instance]) -> bool:
    return len(shown) < len({instance.series for instance in instances})


def _address(parts: Mapping[str, str]) -> str:
    return "/viewer/viewer?" + urlencode(parts, safe=",")
