"""What exams are called in a few words: names of groups, parts of the body, sides and kinds, for every language."""

from collections.abc import Mapping, Sequence
from typing import Final

from imagebank.errors import noted
from imagebank.model.exam import Exam, Group, Side
from imagebank.model.phrase import Phrase, listed

GROUPS: Final[Mapping[str, str]] = {
    Group.CT: noted("CT"),
    Group.MR: noted("MR"),
    Group.XR: noted("XR"),
    Group.US: noted("US"),
    Group.MG: noted("MG"),
    Group.NM: noted("NM"),
    Group.PT: noted("PET"),
    Group.XA: noted("XA"),
    Group.RF: noted("RF"),
    Group.OPH: noted("eye imaging"),
    Group.DENTAL: noted("dental X-ray"),
    Group.ECG: noted("ECG"),
    Group.ES: noted("endoscopy"),
    Group.PHOTO: noted("photograph"),
    Group.OTHER: noted("exam"),
}
REGIONS: Final[Mapping[str, str]] = {
    "WHOLEBODY": noted("whole body"),
    "HEAD": noted("head"),
    "BRAIN": noted("brain"),
    "SKULL": noted("skull"),
    "FACE": noted("face"),
    "ORBIT": noted("orbit"),
    "EYE": noted("eye"),
    "EAR": noted("ear"),
    "SINUS": noted("sinuses"),
    "JAW": noted("jaw"),
    "TOOTH": noted("teeth"),
    "NECK": noted("neck"),
    "THYROID": noted("thyroid"),
    "CAROTID": noted("carotid arteries"),
    "SPINE": noted("spine"),
    "CSPINE": noted("cervical spine"),
    "TSPINE": noted("thoracic spine"),
    "LSPINE": noted("lumbar spine"),
    "SACRUM": noted("sacrum"),
    "CHEST": noted("chest"),
    "LUNG": noted("lung"),
    "RIB": noted("ribs"),
    "STERNUM": noted("sternum"),
    "HEART": noted("heart"),
    "CORONARYARTERY": noted("coronary arteries"),
    "AORTA": noted("aorta"),
    "BREAST": noted("breast"),
    "ARM": noted("arm"),
    "SHOULDER": noted("shoulder"),
    "CLAVICLE": noted("clavicle"),
    "HUMERUS": noted("humerus"),
    "ELBOW": noted("elbow"),
    "FOREARM": noted("forearm"),
    "WRIST": noted("wrist"),
    "HAND": noted("hand"),
    "FINGER": noted("finger"),
    "ABDOMEN": noted("abdomen"),
    "LIVER": noted("liver"),
    "GALLBLADDER": noted("gallbladder"),
    "PANCREAS": noted("pancreas"),
    "SPLEEN": noted("spleen"),
    "KIDNEY": noted("kidneys"),
    "URETER": noted("ureters"),
    "BLADDER": noted("bladder"),
    "COLON": noted("colon"),
    "PELVIS": noted("pelvis"),
    "PROSTATE": noted("prostate"),
    "UTERUS": noted("uterus"),
    "OVARY": noted("ovaries"),
    "TESTIS": noted("testes"),
    "HIP": noted("hip"),
    "LEG": noted("leg"),
    "FEMUR": noted("femur"),
    "KNEE": noted("knee"),
    "TIBIA": noted("lower leg"),
    "ANKLE": noted("ankle"),
    "FOOT": noted("foot"),
    "TOE": noted("toe"),
    "SKIN": noted("skin"),
}
KINDS: Final = (
    *(noted("angiography"), noted("arthrography"), noted("calcium score"), noted("densitometry"), noted("duplex")),
    *(noted("elastography"), noted("functional"), noted("incomplete"), noted("intervention"), noted("obstetric")),
    *(noted("perfusion"), noted("planning"), noted("portable"), noted("receptor"), noted("screening")),
    *(noted("spectroscopy"), noted("spot"), noted("stress"), noted("transoesophageal"), noted("venography")),
    *(noted("arteries"), noted("veins")),
)
"""Kinds of the built-in tables. A site's own are said as the site writes them."""

OVERRIDES: Final = (
    noted("The patient's condition has changed"),
    noted("The earlier exam is not of diagnostic quality"),
    noted("Another protocol, view or contrast is needed"),
    noted("There is no time to look"),
    noted("The earlier images cannot be opened"),
    noted("Another reason"),
)
"""Reasons to override of the built-in table. A site's own are said as the site writes them."""


def exam(one: Exam, most: int | None = None) -> Phrase:
    """An exam as it was understood, such as `CT abdomen, pelvis` or `XR knee left`; of more than `most` regions those."""
    name = group(one.group)
    if one.regions:
        name = Phrase("%(group)s %(regions)s", {"group": name, "regions": regions(one.regions, most)})
    match one.side:
        case Side.RIGHT:
            return Phrase("%(exam)s right", {"exam": name})
        case Side.LEFT:
            return Phrase("%(exam)s left", {"exam": name})
        case Side.BOTH:
            return Phrase("%(exam)s both sides", {"exam": name})
        case _:
            return name


def group(one: str) -> Phrase:
    """A modality group by name."""
    return Phrase(GROUPS.get(one, one))


def regions(terms: Sequence[str], most: int | None = None) -> str | Phrase:
    """Parts of the body by name; one that a site has added by its term in small letters. Behind `most` stands an ellipsis."""
    names: list[str | Phrase] = [Phrase(REGIONS.get(one, one.lower())) for one in terms[:most]]
    return listed([*names, "…"] if len(names) < len(terms) else names)


def kind(one: str) -> Phrase:
    """A kind of exam by name."""
    return Phrase(one)
