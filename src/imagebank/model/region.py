"""Parts of the body by name: the SNOMED CT code (PS3.16 CID 4), the term of Body Part Examined (PS3.16 annex L), sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from imagebank.errors import Invalid


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: its value, the scheme that it is of, and its meaning in words (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the body: its code, the term of Body Part Examined (0018,0015), and whether there is one on each side."""

    code: Code
    term: str
    is_paired: bool = False


def _region(value: str, meaning: str, term: str, *, is_paired: bool = False) -> Region:
    return Region(Code(value, "SCT", meaning), term, is_paired)


REGIONS: Final[Mapping[str, Region]] = MappingProxyType(
    {
        region.term: region
        for region in (
            _region("818981001", "Abdomen", "ABDOMEN"),
            _region("818982008", "Abdomen and Pelvis", "ABDOMENPELVIS"),
            _region("70258002", "Ankle joint", "ANKLE", is_paired=True),
            _region("12738006", "Brain", "BRAIN"),
            _region("76752008", "Breast", "BREAST", is_paired=True),
            _region("816094009", "Chest", "CHEST"),
            _region("122494005", "Cervical spine", "CSPINE"),
            _region("16953009", "Elbow joint", "ELBOW", is_paired=True),
            _region("81745001", "Eye", "EYE", is_paired=True),
            _region("89545001", "Face", "FACE"),
            _region("56459004", "Foot", "FOOT", is_paired=True),
            _region("14975008", "Forearm", "FOREARM", is_paired=True),
            _region("85562004", "Hand", "HAND", is_paired=True),
            _region("69536005", "Head", "HEAD"),
            _region("80891009", "Heart", "HEART"),
            _region("29836001", "Hip", "HIP", is_paired=True),
            _region("661005", "Jaw region", "JAW"),
            _region("72696002", "Knee", "KNEE", is_paired=True),
            _region("122496007", "Lumbar spine", "LSPINE"),
            _region("45048000", "Neck", "NECK"),
            _region("816092008", "Pelvis", "PELVIS"),
            _region("5665001", "Retina", "RETINA", is_paired=True),
            _region("16982005", "Shoulder", "SHOULDER", is_paired=True),
            _region("39937001", "Skin", "SKIN"),
            _region("421060004", "Spine", "SPINE"),
            _region("38199008", "Tooth", "TOOTH"),
            _region("122495006", "Thoracic spine", "TSPINE"),
            _region("38266002", "Entire body", "WHOLEBODY"),
        )
    }
)
WHOLE_BODY: Final = REGIONS["WHOLEBODY"]
RETINA: Final = REGIONS["RETINA"]


def region_named(text: str) -> Region | None:
    """The region of a term, such as KNEE; None for an empty one. Raises Invalid for one that nobody knows."""
    if not text:
        return None
    found = REGIONS.get(text.strip().upper())
    if found is None:
        raise Invalid("the body part is one of {regions}", regions=", ".join(REGIONS))
    return found
