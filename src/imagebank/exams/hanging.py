"""What a series shows, read from a header of it, and which two of two studies stand best side by side."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from imagebank.model.imaging import DataSet, Instance
from imagebank.model.stack import Places, Plane, Point, Stack

_SCOUT: Final = re.compile(
    r"scout|locali[sz]er|topogram|scanogram|survey|surview|pilot|3[- ]?p(l|lane)?[- ]?loc|\bloc\b"
    r"|exam summary|dose|protocol|screen ?save|repérage|repere|localizador"
)
_SCOUT_TYPES: Final = frozenset(("LOCALIZER", "REF_SURVIEW", "SCREEN SAVE"))
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_WORD: Final = re.compile(r"[^\W_]+")
# Each image of these is a picture of its own, which the viewer hangs by itself (as OHIF does for CR, DX and MG).
_ALONE: Final = frozenset(("CR", "DX", "MG"))
_SAME_MEANS: Final[Mapping[str, str]] = {"CR": "XR", "DX": "XR", "RG": "XR", "RF": "XA"}
_PLANES: Final[Mapping[str, Plane]] = {
    **dict.fromkeys(("ax", "axial", "tra", "trans", "transversal", "tr"), Plane.AXIAL),
    **dict.fromkeys(("cor", "coronal", "kor", "koronar", "frontal"), Plane.CORONAL),
    **dict.fromkeys(("sag", "sagittal", "sagital"), Plane.SAGITTAL),
}
_WEIGHTINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("flair", "tirm", "darkfluid"), "flair"),
    **dict.fromkeys(("dwi", "diff", "diffusion", "dti", "ddw", "mddw", "trace", "tracew"), "diffusion"),
    "adc": "adc",
    **dict.fromkeys(("swi", "swan", "t2star", "hemo", "gre"), "blood"),
    **dict.fromkeys(("tof", "mra", "angio"), "vessels"),
    **dict.fromkeys(("stir", "tir"), "stir"),
    **dict.fromkeys(("pd", "pdw", "proton"), "pd"),
    **dict.fromkeys(("t2", "t2w"), "t2"),
    **dict.fromkeys(("t1", "t1w", "mprage", "bravo", "vibe", "spgr", "tfe"), "t1"),
}
"""By what a description is called, the most telling first: "t2 flair" is no t2."""
# With a contrast agent and without, in words; "without contrast" is without.
_WITH: Final = re.compile(r"\+ ?c\b|\bc\+|\bi?v?km\b|\bgd\b|gado|contrast|kontrast|\bce\b")
_WITHOUT: Final = re.compile(r"\bnati[vf]|plain|\bpre\b|without|\bsans\b|\bsin\b|\bohne\b|\bnon[- ]|unenhanced|[- ]c-")


def stacks_of(members: Sequence[Instance], headers: Sequence[DataSet]) -> Iterator[Stack]:
    """The stacks of one series: one of all its images, or each image where they are looked at by themselves.

    `headers` are of the members where each is a stack, else of one of them that stands for all.
    """
    first = headers[0]
    if is_alone(first) and len(headers) == len(members):
        for member, header in zip(members, headers, strict=True):
            yield _stack([member], header, is_alone=True)
    else:
        yield _stack(members, first, is_alone=False)


def is_alone(header: DataSet) -> bool:
    """Whether each image of a series is looked at by itself."""
    return _text(header, "00080060") in _ALONE


def _stack(members: Sequence[Instance], header: DataSet, *, is_alone: bool) -> Stack:
    one = members[0]
    said = " ".join(_text(header, key) for key in ("0008103E", "00181030")).lower()
    words = frozenset(_WORD.findall(said))
    types = frozenset(_texts(header, "00080008"))
    return Stack(
        study=one.study,
        series=one.series,
        frames=sum(member.pixels.frames for member in members if member.pixels is not None),
        modality=_text(header, "00080060"),
        number=_whole(_text(header, "00200011")),
        instance=one.uid if is_alone else None,
        plane=_plane(header) or next((_PLANES[word] for word in sorted(words) if word in _PLANES), None),
        weighting=next((name for word, name in _WEIGHTINGS.items() if word in words), ""),
        contrast=_contrast(header, said.replace("_", " ")),
        side=(_text(header, "00200062") or _text(header, "00200060"))[:1],
        view=_text(header, "00185101") or _meaning(header, "00540220"),
        thickness_mm=_number(_text(header, "00180050")),
        words=words - _PLANES.keys() - _WEIGHTINGS.keys(),
        is_scout=bool(types & _SCOUT_TYPES or _SCOUT.search(said)) or _is_capture(one, header),
    )


def _is_capture(instance: Instance, header: DataSet) -> bool:
    """A picture of a screen among images of a device; of photographs it is what they are kept as."""
    return instance.sop_class == _SECONDARY_CAPTURE and _text(header, "00080060") in {"CT", "MR", "PT", "NM"}


def _plane(header: DataSet) -> Plane | None:
    normal = _normal(header)
    if normal is None:
        return None
    return (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)[max(range(3), key=lambda axis: abs(normal[axis]))]


def _normal(header: DataSet) -> Point | None:
    cosines = _said(header, "00209116", "00200037", 6)
    if not cosines:
        return None
    a, b, c, d, e, f = cosines
    return b * f - c * e, c * d - a * f, a * e - b * d


def placed(header: DataSet) -> Places | None:
    """Where the frames of an image lie in the patient; None where it does not say (PS3.3 C.7.6.2.1.1, C.7.6.16.2.3)."""
    normal = _normal(header)
    cosines, spacing = _said(header, "00209116", "00200037", 6), _said(header, "00289110", "00280030", 2)
    per_frame = _items(header, "52009230")
    corners = [_numbers(group, "00200032", 3) for item in per_frame for group in _items(item, "00209113")[:1]]
    corners = corners or [_numbers(header, "00200032", 3)]
    if normal is None or not spacing or not all(corners):
        return None
    sizes = [_whole(_text(header, key)) for key in ("00280011", "00280010")]
    # Pixel Spacing is that of rows first, which is how far the middle lies down (PS3.3 10.7.1.3).
    width, height = spacing[1] * (sizes[0] - 1) / 2, spacing[0] * (sizes[1] - 1) / 2
    middles = [
        tuple(corner[axis] + cosines[axis] * width + cosines[3 + axis] * height for axis in range(3))
        for corner in corners
    ]
    return Places(_text(header, "00200052"), normal, tuple((x, y, z) for x, y, z in middles))


def _said(header: DataSet, group: str, key: str, many: int) -> list[float]:
    """Numbers of the image itself, or of the functional groups of all or of its first frame."""
    groups = [one for kind in ("52009229", "52009230") for one in _items(header, kind)[:1]]
    places = [header, *(item for one in groups for item in _items(one, group)[:1])]
    return next((found for place in places if (found := _numbers(place, key, many))), [])


def _contrast(header: DataSet, said: str) -> bool | None:
    if _WITHOUT.search(said):
        return False
    return True if _text(header, "00180010") or _WITH.search(said) else None


def best_pair(current: Iterable[Stack], prior: Iterable[Stack]) -> tuple[Stack, Stack] | None:
    """The two that stand best side by side; None when one study has none."""
    pairs = product(_worth_it(current), _worth_it(prior))
    return max(pairs, key=lambda pair: _likeness(*pair), default=None)


def best_beside(chosen: Stack, others: Iterable[Stack]) -> Stack | None:
    """What stands best beside one that is chosen already."""
    return max(_worth_it(others), key=lambda other: _likeness(chosen, other), default=None)


def _worth_it(stacks: Iterable[Stack]) -> list[Stack]:
    """Scouts only where there is nothing else; what is equal in all is in the order of its number."""
    found = sorted(stacks, key=lambda one: (one.number, one.series))
    return [one for one in found if not one.is_scout] or found


def _likeness(one: Stack, other: Stack) -> float:
    """How well two stacks stand side by side: what both say counts for or against, and then the most images."""
    points = _agreed(_means(one), _means(other), 8) + _agreed(one.plane, other.plane, 6)
    points += _agreed(one.side, other.side, 6) + _agreed(one.view, other.view, 6)
    points += _agreed(one.weighting, other.weighting, 5) + _agreed(one.contrast, other.contrast, 3)
    if one.words and other.words:
        points += 4 * len(one.words & other.words) / len(one.words | other.words)
    if one.thickness_mm and other.thickness_mm:
        points += min(one.thickness_mm, other.thickness_mm) / max(one.thickness_mm, other.thickness_mm)
    return points + math.log2(1 + one.frames) / 4 + math.log2(1 + other.frames) / 4


def _agreed(this: object, that: object, weight: float) -> float:
    if this in ("", None) or that in ("", None):
        return 0
    return weight if this == that else -weight


def _means(stack: Stack) -> str:
    return _SAME_MEANS.get(stack.modality, stack.modality)


def _items(dataset: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    items: Sequence[Mapping[str, Any]] = dataset.get(key, {}).get("Value", ())
    return items


def _meaning(dataset: DataSet, key: str) -> str:
    return next((_text(item, "00080104") for item in _items(dataset, key)), "")


def _texts(dataset: Mapping[str, Any], key: str) -> list[str]:
    return [
        str(value).strip() for value in dataset.get(key, {}).get("Value", ()) if isinstance(value, str | int | float)
    ]


def _text(dataset: Mapping[str, Any], key: str) -> str:
    return next(iter(_texts(dataset, key)), "")


def _numbers(dataset: Mapping[str, Any], key: str, many: int) -> list[float]:
    """So many numbers, or none."""
    found = [number for text in _texts(dataset, key) if (number := _number(text)) is not None]
    return found if len(found) == many else []


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(text: str) -> int:
    return int(number) if (number := _number(text)) is not None else 0
