"""What a series shows, read from a header of it: its plane, side, view, weighting, and where its images lie."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagebank.exams.headers import grouped, items, number, numbers, text, texts, whole
from imagebank.exams.views import side_of, view_of
from imagebank.model.imaging import DataSet, Instance
from imagebank.model.stack import Places, Plane, Point, Stack

_SCOUT: Final = re.compile(
    r"scout|locali[sz]er|topogram|scanogram|survey|surview|pilot|3[- ]?p(l|lane)?[- ]?loc|\bloc\b"
    r"|exam summary|dose|protocol|screen ?save|repérage|repere|localizador"
)
_SCOUT_TYPES: Final = frozenset(("LOCALIZER", "REF_SURVIEW", "SCREEN SAVE"))
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_WORD: Final = re.compile(r"[^\W_]+")
# Each image of these is a picture of its own: the viewer hangs those of CR, DX and MG by themselves (as OHIF does), and
# a series of ophthalmic photographs is of both eyes.
_ALONE: Final = frozenset(("CR", "DX", "MG", "OP"))
# Frames of these follow each other in time, and the viewer hangs each such object by itself.
_FILMED: Final = frozenset(("US", "IVUS", "XA", "RF", "ES", "GM", "XC"))
_SIDED: Final = _ALONE | {"RG", "OPT", "OPM", "IO", "PX", "XC"}
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
    """The stacks of one series: one of all its images, or each image or film where they are looked at by themselves.

    `headers` are of the members where each image is a stack, else of one of them that stands for all.
    """
    first = headers[0]
    if is_alone(first) and len(headers) == len(members):
        for member, header in zip(members, headers, strict=True):
            yield _stack([member], header, is_alone=True)
        return
    is_filmed = text(first, "00080060") in _FILMED and _normal(first) is None
    films = [one for one in members if is_filmed and one.pixels is not None and one.pixels.frames > 1]
    for film in films:
        yield _stack([film], first, is_alone=True)
    if len(films) < len(members):
        yield _stack([one for one in members if one not in films], first, is_alone=False)


def is_alone(header: DataSet) -> bool:
    """Whether each image of a series is looked at by itself."""
    return text(header, "00080060") in _ALONE


def _stack(members: Sequence[Instance], header: DataSet, *, is_alone: bool) -> Stack:
    one = members[0]
    said = " ".join(text(header, key) for key in ("0008103E", "00181030")).lower()
    words = frozenset(_WORD.findall(said))
    types = frozenset(texts(header, "00080008"))
    modality = text(header, "00080060")
    told = words if modality in _SIDED else ()
    return Stack(
        study=one.study,
        series=one.series,
        frames=sum(member.pixels.frames for member in members if member.pixels is not None),
        modality=modality,
        number=whole(text(header, "00200011")),
        instance=one.uid if is_alone else None,
        plane=_plane(header) or next((_PLANES[word] for word in sorted(words) if word in _PLANES), None),
        weighting=next((name for word, name in _WEIGHTINGS.items() if word in words), ""),
        contrast=_contrast(header, said.replace("_", " ")),
        side=side_of(header, told),
        view=view_of(header, told),
        thickness_mm=number(text(header, "00180050")),
        words=words - _PLANES.keys() - _WEIGHTINGS.keys(),
        is_scout=bool(types & _SCOUT_TYPES or _SCOUT.search(said)) or _is_for_machines(one, header),
    )


def _is_for_machines(instance: Instance, header: DataSet) -> bool:
    """Raw values of a detector (PS3.3 C.8.11.1.1.1), or a picture of a screen; of photographs that is what they are kept as."""
    is_capture = instance.sop_class == _SECONDARY_CAPTURE and text(header, "00080060") in {"CT", "MR", "PT", "NM"}
    return is_capture or text(header, "00080068") == "FOR PROCESSING"


def _plane(header: DataSet) -> Plane | None:
    normal = _normal(header)
    if normal is None:
        return None
    return (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)[max(range(3), key=lambda axis: abs(normal[axis]))]


def _normal(header: DataSet) -> Point | None:
    cosines = grouped(header, "00209116", "00200037", 6)
    if not cosines:
        return None
    a, b, c, d, e, f = cosines
    return b * f - c * e, c * d - a * f, a * e - b * d


def placed(header: DataSet) -> Places | None:
    """Where the frames of an image lie in the patient; None where it does not say (PS3.3 C.7.6.2.1.1, C.7.6.16.2.3)."""
    normal = _normal(header)
    cosines, spacing = grouped(header, "00209116", "00200037", 6), grouped(header, "00289110", "00280030", 2)
    per_frame = items(header, "52009230")
    corners = [numbers(group, "00200032", 3) for item in per_frame for group in items(item, "00209113")[:1]]
    corners = corners or [numbers(header, "00200032", 3)]
    if normal is None or not spacing or not all(corners):
        return None
    sizes = [whole(text(header, key)) for key in ("00280011", "00280010")]
    # Pixel Spacing is that of rows first, which is how far the middle lies down (PS3.3 10.7.1.3).
    width, height = spacing[1] * (sizes[0] - 1) / 2, spacing[0] * (sizes[1] - 1) / 2
    middles = [
        tuple(corner[axis] + cosines[axis] * width + cosines[3 + axis] * height for axis in range(3))
        for corner in corners
    ]
    return Places(text(header, "00200052"), normal, tuple((x, y, z) for x, y, z in middles))


def _contrast(header: DataSet, said: str) -> bool | None:
    if _WITHOUT.search(said):
        return False
    return True if text(header, "00180010") or _WITH.search(said) else None
