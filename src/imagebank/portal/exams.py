"""What a study is in words for the person whose it is: "X-ray of the left hand". Staff read codes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from imagebank.model.timeline import Part
from imagebank.portal.language import gettext, noted

_X_RAY: Final = (noted("X-ray of %(part)s"), noted("X-ray"))
_PHOTO: Final = (noted("Photo of %(part)s"), noted("Photo"))
_EYE_PHOTO: Final = (noted("Photo of %(part)s"), noted("Photo of the eye"))
_EYE: Final = (noted("Eye scan"), noted("Eye scan"))
_ECG: Final = (noted("Heart tracing (ECG)"), noted("Heart tracing (ECG)"))
_TISSUE: Final = (noted("Pictures of tissue"), noted("Pictures of tissue"))
_HEART_ULTRASOUND: Final = noted("Heart ultrasound")
# By modality (PS3.3 C.7.3.1.1.1): with a part of the body, and without.
_MEANS: Final[Mapping[str, tuple[str, str]]] = {
    "CT": (noted("CT of %(part)s"), noted("CT scan")),
    "MR": (noted("MRI of %(part)s"), noted("MRI scan")),
    "PT": (noted("PET scan of %(part)s"), noted("PET scan")),
    "NM": (noted("Nuclear scan of %(part)s"), noted("Nuclear scan")),
    "US": (noted("Ultrasound of %(part)s"), noted("Ultrasound")),
    "IVUS": (noted("Ultrasound of %(part)s"), noted("Ultrasound")),
    "MG": (noted("Mammogram"), noted("Mammogram")),
    "XA": (noted("Images of the vessels of %(part)s"), noted("Images of vessels")),
    "RF": (noted("Moving X-ray of %(part)s"), noted("Moving X-ray")),
    "BMD": (noted("Bone density of %(part)s"), noted("Bone density")),
    "ES": (noted("Endoscopy of %(part)s"), noted("Endoscopy")),
    "PX": (noted("X-ray of all teeth"), noted("X-ray of all teeth")),
    "IO": (noted("X-ray of teeth"), noted("X-ray of teeth")),
    "DMS": (noted("Skin images"), noted("Skin images")),
    **dict.fromkeys(("CR", "DX", "RG"), _X_RAY),
    **dict.fromkeys(("XC", "GM"), _PHOTO),
    "OP": _EYE_PHOTO,
    **dict.fromkeys(("OPT", "OCT", "OPM", "OPV", "OPTBSV", "OPTENF", "SRF", "AR", "KER", "LEN", "VA", "IOL"), _EYE),
    **dict.fromkeys(("ECG", "HD", "EPS"), _ECG),
    **dict.fromkeys(("SM", "CFM"), _TISSUE),
}
_BESIDE: Final = frozenset(
    ["SR", "DOC", "KO", "PR", "SEG", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RWV", "AU", "PLAN", "FID"]
)
"""What comes with images and is none."""
_PET_CT: Final = (noted("PET and CT of %(part)s"), noted("PET and CT scan"))

# Terms of Body Part Examined (PS3.16 annex L). Translators decline each as it stands in "X-ray of %(part)s".
_PARTS: Final[Mapping[str, str]] = {
    "HEAD": noted("the head"),
    "BRAIN": noted("the head"),
    "SKULL": noted("the skull"),
    "FACE": noted("the face"),
    "NOSE": noted("the nose"),
    "SINUS": noted("the sinuses"),
    "PARANASALSINUS": noted("the sinuses"),
    "JAW": noted("the jaw"),
    "MANDIBLE": noted("the jaw"),
    "MAXILLA": noted("the jaw"),
    "TMJ": noted("the jaw"),
    "TOOTH": noted("the teeth"),
    "MOUTH": noted("the mouth"),
    "NECK": noted("the neck"),
    "HEADNECK": noted("head and neck"),
    "THYROID": noted("the thyroid"),
    "SPINE": noted("the spine"),
    "CSPINE": noted("the neck spine"),
    "TSPINE": noted("the chest spine"),
    "LSPINE": noted("the lower back"),
    "LSSPINE": noted("the lower back"),
    "SSPINE": noted("the lower back"),
    "CHEST": noted("the chest"),
    "THORAX": noted("the chest"),
    "LUNG": noted("the lungs"),
    "HEART": noted("the heart"),
    "CORONARYARTERY": noted("the heart"),
    "RIB": noted("the ribs"),
    "STERNUM": noted("the breastbone"),
    "ABDOMEN": noted("the belly"),
    "ABDOMENPELVIS": noted("belly and pelvis"),
    "PELVIS": noted("the pelvis"),
    "LIVER": noted("the liver"),
    "GALLBLADDER": noted("the gallbladder"),
    "BLADDER": noted("the bladder"),
    "PROSTATE": noted("the prostate"),
    "UTERUS": noted("the womb"),
    "COLON": noted("the bowel"),
    "STOMACH": noted("the stomach"),
    "SKIN": noted("the skin"),
    "WHOLEBODY": noted("the whole body"),
}
# Each alone, the right one, the left one, and both.
_PAIRS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "EYE": (noted("the eye"), noted("the right eye"), noted("the left eye"), noted("both eyes")),
    "EAR": (noted("the ear"), noted("the right ear"), noted("the left ear"), noted("both ears")),
    "BREAST": (noted("the breast"), noted("the right breast"), noted("the left breast"), noted("both breasts")),
    "KIDNEY": (noted("the kidneys"), noted("the right kidney"), noted("the left kidney"), noted("both kidneys")),
    "CLAVICLE": (
        noted("the collarbone"),
        noted("the right collarbone"),
        noted("the left collarbone"),
        noted("both collarbones"),
    ),
    "SHOULDER": (
        noted("the shoulder"),
        noted("the right shoulder"),
        noted("the left shoulder"),
        noted("both shoulders"),
    ),
    "ARM": (noted("the arm"), noted("the right arm"), noted("the left arm"), noted("both arms")),
    "ELBOW": (noted("the elbow"), noted("the right elbow"), noted("the left elbow"), noted("both elbows")),
    "FOREARM": (noted("the forearm"), noted("the right forearm"), noted("the left forearm"), noted("both forearms")),
    "WRIST": (noted("the wrist"), noted("the right wrist"), noted("the left wrist"), noted("both wrists")),
    "HAND": (noted("the hand"), noted("the right hand"), noted("the left hand"), noted("both hands")),
    "FINGER": (
        noted("a finger"),
        noted("a finger of the right hand"),
        noted("a finger of the left hand"),
        noted("fingers"),
    ),
    "HIP": (noted("the hip"), noted("the right hip"), noted("the left hip"), noted("both hips")),
    "LEG": (noted("the leg"), noted("the right leg"), noted("the left leg"), noted("both legs")),
    "THIGH": (noted("the thigh"), noted("the right thigh"), noted("the left thigh"), noted("both thighs")),
    "KNEE": (noted("the knee"), noted("the right knee"), noted("the left knee"), noted("both knees")),
    "CALF": (
        noted("the lower leg"),
        noted("the right lower leg"),
        noted("the left lower leg"),
        noted("both lower legs"),
    ),
    "ANKLE": (noted("the ankle"), noted("the right ankle"), noted("the left ankle"), noted("both ankles")),
    "FOOT": (noted("the foot"), noted("the right foot"), noted("the left foot"), noted("both feet")),
    "TOE": (noted("a toe"), noted("a toe of the right foot"), noted("a toe of the left foot"), noted("toes")),
}
_SAME: Final[Mapping[str, str]] = {
    "HUMERUS": "ARM",
    "RADIUS": "FOREARM",
    "ULNA": "FOREARM",
    "THUMB": "FINGER",
    "FEMUR": "THIGH",
    "PATELLA": "KNEE",
    "TIBIA": "CALF",
    "FIBULA": "CALF",
    "CALCANEUS": "FOOT",
    "RETINA": "EYE",
    "ORBIT": "EYE",
}
_SIDES: Final[Mapping[str, int]] = {"R": 1, "L": 2, "B": 3}


def exam(parts: Iterable[Part], modalities: Sequence[str] = (), description: str = "") -> str:
    """What a study is. `modalities` are those of the study where nothing is said of its series.

    Where nobody knows a word for its modality, it is as who made it called it.
    """
    told = [one for one in parts if one.modality not in _BESIDE]
    means = list(dict.fromkeys([one.modality for one in told] or [one for one in modalities if one not in _BESIDE]))
    known = next((one for one in means if one in _MEANS), "")
    if not known:
        return description or gettext(_OTHERS[0] if modalities and not means else _OTHERS[1])
    with_part, without = _PET_CT if {"PT", "CT"} <= {*means} else _MEANS[known]
    where = list(dict.fromkeys(word for one in told if (word := _part(one, told))))
    if where == [gettext("the heart")] and known == "US":
        return gettext(_HEART_ULTRASOUND)
    if not where:
        return gettext(without)
    return gettext(with_part) % {"part": ", ".join(where[:3])}


def _part(one: Part, beside: Sequence[Part]) -> str:
    term = "".join(sign for sign in one.body_part.upper() if sign.isalpha())
    term = _SAME.get(term, term)
    if term in _PAIRS:
        sides = {other.laterality for other in beside if other.body_part == one.body_part}
        side = 3 if {"L", "R"} <= sides else _SIDES.get(one.laterality, 0)
        return gettext(_PAIRS[term][side])
    return gettext(_PARTS[term]) if term in _PARTS else ""


_OTHERS: Final = (noted("Documents"), noted("Images"))
"""What a study is of which nothing better is known, for translators."""


def part_of_body(term: str) -> str:
    """A term of Body Part Examined in words; as it is written where there are none."""
    return _part(Part(term, "", ""), ()) or term.capitalize()
