"""The attributes that the bank indexes, by level: one table for ingest, index, QIDO-RS, C-FIND and the statements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import chain
from types import MappingProxyType

Path = tuple[int, ...]
"""A tag, or the tags from a sequence down to one of its items' attributes."""


class Level(IntEnum):
    """The query/retrieve levels (PS3.4 C.6), from the top."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that can be matched and returned.

    `required` marks the matching and return keys that PS3.18 10.6.3.3 and PS3.4 C.6 ask of every server; those `when_known`
    are returned by default, too, and left out where there is no value. `computed` values come from counting, not from a header. `folded` text is compared without case and accents.
    `creator` names the private creator of the private tags in the path. `is_partial` says that not all objects that
    were deposited before it was declared have been read for it.
    """

    keyword: str
    path: Path
    vr: str
    level: Level
    required: bool = False
    when_known: bool = False
    computed: bool = False
    folded: bool = False
    creator: str = ""
    is_partial: bool = False
    key: str = field(init=False, repr=False, compare=False)
    """The path in DICOM JSON's way: `00400275.00401001`."""

    def __post_init__(self) -> None:
        # Once and for all: dozens are asked for with every instance.
        object.__setattr__(self, "key", ".".join(f"{tag:08X}" for tag in self.path))

    @property
    def tag(self) -> int:
        return self.path[-1]


def _rows(level: Level, text: str) -> tuple[Attribute, ...]:
    """Read a table of `tag VR keyword flags`; R required, K required when known, C computed, F folded."""
    rows = []
    for line in text.strip().splitlines():
        tag, vr, keyword, *flags = line.split()
        path = tuple(int(part, 16) for part in tag.split("."))
        marks = "".join(flags)
        is_folded = "F" in marks or vr == "PN"
        rows.append(Attribute(keyword, path, vr, level, "R" in marks, "K" in marks, "C" in marks, is_folded))
    return tuple(rows)


PATIENT = _rows(
    Level.PATIENT,
    """
    00100010 PN PatientName R
    00100020 LO PatientID R
    00100021 LO IssuerOfPatientID
    00100030 DA PatientBirthDate R
    00100040 CS PatientSex R
    """,
)
STUDY = _rows(
    Level.STUDY,
    """
    00080020 DA StudyDate R
    00080030 TM StudyTime R
    00080050 SH AccessionNumber R
    00080061 CS ModalitiesInStudy RC
    00080062 UI SOPClassesInStudy C
    00080090 PN ReferringPhysicianName R
    00080201 SH TimezoneOffsetFromUTC K
    00081030 LO StudyDescription F
    00081060 PN NameOfPhysiciansReadingStudy
    0020000D UI StudyInstanceUID R
    00200010 SH StudyID R
    00201206 IS NumberOfStudyRelatedSeries RC
    00201208 IS NumberOfStudyRelatedInstances RC
    00081032.00080100 SH ProcedureCodeSequence.CodeValue
    00081032.00080102 SH ProcedureCodeSequence.CodingSchemeDesignator
    """,
)
SERIES = _rows(
    Level.SERIES,
    """
    00080021 DA SeriesDate
    00080031 TM SeriesTime
    00080060 CS Modality R
    00080070 LO Manufacturer F
    00080080 LO InstitutionName F
    00081010 SH StationName
    0008103E LO SeriesDescription RF
    00081040 LO InstitutionalDepartmentName F
    00081050 PN PerformingPhysicianName
    00081070 PN OperatorsName
    00081090 LO ManufacturerModelName F
    00180015 CS BodyPartExamined
    00181030 LO ProtocolName F
    0020000E UI SeriesInstanceUID R
    00200011 IS SeriesNumber R
    00200060 CS Laterality
    00201209 IS NumberOfSeriesRelatedInstances RC
    00400244 DA PerformedProcedureStepStartDate R
    00400245 TM PerformedProcedureStepStartTime R
    00400275.00400009 SH RequestAttributesSequence.ScheduledProcedureStepID R
    00400275.00401001 SH RequestAttributesSequence.RequestedProcedureID R
    """,
)
INSTANCE = _rows(
    Level.INSTANCE,
    """
    00080016 UI SOPClassUID R
    00080018 UI SOPInstanceUID R
    00080022 DA AcquisitionDate
    00080023 DA ContentDate
    00080032 TM AcquisitionTime
    00080033 TM ContentTime
    00083002 UI AvailableTransferSyntaxUID C
    00200013 IS InstanceNumber R
    00280008 IS NumberOfFrames K
    00280010 US Rows K
    00280011 US Columns K
    00280100 US BitsAllocated K
    """,
)
MAIN: tuple[Attribute, ...] = PATIENT + STUDY + SERIES + INSTANCE


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The main attributes and those that the site declares, found by path or by keyword.

    `version` goes up with each change of what is declared.
    """

    attributes: tuple[Attribute, ...]
    by_path: Mapping[Path, Attribute]
    by_keyword: Mapping[str, Attribute]
    version: int = 0
    declared: tuple[Attribute, ...] = field(init=False, repr=False, compare=False)
    """Attributes kept in the attribute table: those inside sequences, and the site's own."""
    held: tuple[Attribute, ...] = field(init=False, repr=False, compare=False)
    """Those that an object's own header holds, in the order of their keys."""

    def __post_init__(self) -> None:
        main = {attribute.path for attribute in MAIN if len(attribute.path) == 1}
        object.__setattr__(self, "declared", tuple(a for a in self.attributes if a.path not in main))
        held = sorted((a for a in self.attributes if not a.computed), key=lambda a: a.key)
        object.__setattr__(self, "held", tuple(held))

    def find(self, path: Path, creators: Mapping[int, str]) -> Attribute | None:
        """The attribute that a question names by tags; a private one by the creators that it gives for its blocks.

        `creators` are the values of the elements (gggg,0010) to (gggg,00FF), by tag (PS3.5 7.8.1).
        """
        private = next(filter(is_private, path), None)
        if private is None:
            return self.by_path.get(path)
        creator = creators.get(block_of(private), "")
        same = (a for a in self.attributes if a.creator == creator and a.creator and _is_same(a.path, path))
        return next(same, None)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are the same but for the blocks of private tags."""
    masks = (0xFFFF00FF if is_private(tag) else 0xFFFFFFFF for tag in other)
    return len(one) == len(other) and all((a ^ b) & mask == 0 for a, b, mask in zip(one, other, masks, strict=True))


def is_private(tag: int) -> bool:
    return tag >> 16 & 1 == 1


def block_of(tag: int) -> int:
    """The element that names the creator of a private tag's block."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def catalogue(declared: Iterable[Attribute] = (), placed: Iterable[Attribute] = (), version: int = 0) -> Catalogue:
    """The main attributes, those that have their place already, and those that are declared, in their order."""
    known = {attribute.path: attribute for attribute in MAIN}
    for attribute in placed:
        known.setdefault(attribute.path, attribute)
    for attribute in declared:
        own = place(attribute, known.values())
        known.setdefault(own.path, own)
    return Catalogue(
        tuple(known.values()),
        MappingProxyType(known),
        MappingProxyType({attribute.keyword: attribute for attribute in known.values()}),
        version,
    )


def place(attribute: Attribute, known: Iterable[Attribute]) -> Attribute:
    """A private attribute in blocks that no other creator of their groups has; objects may have it in others."""
    blocks = {(tag >> 16, tag >> 8 & 0xFF): a.creator for a in known for tag in a.path if is_private(tag)}
    path = tuple(_in_block(tag, attribute.creator, blocks) if is_private(tag) else tag for tag in attribute.path)
    return replace(attribute, path=path)


def _in_block(tag: int, creator: str, blocks: dict[tuple[int, int], str]) -> int:
    group = tag >> 16
    own = (block for (other, block), name in sorted(blocks.items()) if other == group and name == creator)
    free = (block for block in range(0x10, 0x100) if (group, block) not in blocks)
    block = next(chain(own, free))
    blocks[group, block] = creator
    return tag & 0xFFFF00FF | block << 8
