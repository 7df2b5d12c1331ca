"""Studies, series and instances as the bank keeps them, and what becomes of a deposit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from imagebank.errors import BankError
from imagebank.model.access import Scope
from imagebank.model.attribute import Path
from imagebank.model.person import PatientId
from imagebank.model.proposal import Proposal
from imagebank.model.uid import Uid

Element = dict[str, Any]
"""One attribute in the DICOM JSON model (PS3.18 annex F): `{"vr": …, "Value": […]}`."""

DataSet = dict[str, Element]
"""A data set in the DICOM JSON model; keys are eight upper-case hex digits, in ascending order."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash of bytes, with the name of its algorithm. Written `blake3:5f…`."""

    algorithm: str
    value: bytes

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a record lies: in which segment, at which offset, and how long it is with its padding.

    `size` is the length of the content itself, in bytes, before encryption.
    """

    segment: str
    offset: int
    length: int
    size: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where the pixel data of one instance lies, and its shape.

    `offset` and `length` give the value field in the file, in bytes; `length` counts an encapsulated value up to its
    sequence delimiter. `frame_table` is empty for native data, whose frames are found by arithmetic, and otherwise
    packed by `dicom.frames`. `direct` is false where a frame cannot be cut from the stored bytes (deflated or
    big-endian data sets, frames that do not end on a byte): then the data set has to be read as a whole.
    """

    offset: int
    length: int
    encapsulated: bool
    frames: int
    frame_table: bytes = b""
    direct: bool = True
    rows: int = 0
    columns: int = 0
    samples: int = 1
    bits_allocated: int = 0


@dataclass(frozen=True, slots=True)
class Description:
    """What the index keeps of one SOP instance, read from its header alone.

    `levels` holds the attributes of each level in the DICOM JSON model, indexed by `Level`. `declared` holds the
    comparison forms of attributes inside sequences and of those the site declares. `warnings` says, in words for a
    receipt, what was tolerated. `catalogue_version` is of the catalogue by which the header was read. `types` are codes
    and words for the kind of report that a document is (`model.delay`); of another object there are none.
    """

    study: Uid
    series: Uid
    uid: Uid
    sop_class: Uid
    transfer_syntax: Uid
    patient: PatientId
    levels: tuple[DataSet, DataSet, DataSet, DataSet]
    declared: Mapping[Path, tuple[str, ...]]
    dataset_offset: int
    pixels: Pixels | None
    warnings: tuple[str, ...] = ()
    catalogue_version: int = 0
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Who deposits, and by which way.

    `way` is one of dimse, stow, api, upload, import; `principal` names the caller for the ledger, `address` where the
    call came from. `organization` owns what comes; `issuer` gave the patient identifiers where that was somebody else,
    as on a medium of another hospital.
    """

    way: str
    principal: str
    organization: str
    address: str = ""
    issuer: str = ""

    @property
    def authority(self) -> str:
        """The assigning authority of patient identifiers that name none themselves."""
        return self.issuer or self.organization


@dataclass(frozen=True, slots=True)
class Deeds:
    """What the site's rules want done once an object is in: labels of its study, devices to send it to, whom to tell.

    `notices` are a rule's name, what it says, and the addresses to which it is mailed that something came.
    """

    labels: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    notices: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


NO_DEEDS: Final = Deeds()


@dataclass(frozen=True, slots=True)
class Kept:
    """One instance whose bytes are durable and whose rows are to be written.

    `in_place_of` is where the same content is held already and cannot be read any more. `aside` is the reason why it
    is to be laid aside whatever is held by then: its note says so, and a rebuild must come to the same. `sealed_by`
    names the account key that wraps its data key; None for a record that the root key wraps.
    `sees` is what its depositor sees of other organizations' studies, which it may join; None where that was decided
    before. `is_guest` says that it has joined one: such an instance founds no study that its owner still has a part in.
    `deeds` is what rules want done with it once it is in, `rule` the one that decided about it, and `changed` what
    rules changed in it, in words; `arrived` is then the digest of its data set as it came.
    `correction` names the correction that made this version of what is held; it takes its place under any policy.
    """

    description: Description
    location: Location
    digest: Digest
    content_digest: Digest
    source: Source
    received_at: datetime
    name: str = ""
    in_place_of: Location | None = None
    aside: str = ""
    sealed_by: bytes | None = None
    sees: Scope | None = None
    is_guest: bool = False
    deeds: Deeds = NO_DEEDS
    rule: str = ""
    changed: tuple[str, ...] = ()
    arrived: Digest | None = None
    correction: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance as the bank keeps it. The bytes are in the blob store.

    `digest` is of what arrived: the file where one came, the data set where DIMSE brought it without a file.
    `content_digest` is of the data set alone, so that the same instance is known again whichever way it comes.
    """

    uid: Uid
    series: Uid
    study: Uid
    patient: PatientId
    sop_class: Uid
    transfer_syntax: Uid
    number: int | None
    location: Location
    digest: Digest
    content_digest: Digest
    dataset_offset: int
    pixels: Pixels | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """What a caller points at: a study, a series of it, or an instance of that. Empty parts are not narrowed."""

    study: Uid | None = None
    series: Uid | None = None
    instance: Uid | None = None


class Outcome(StrEnum):
    """What became of one deposited object."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    READ = "read"
    """The table of contents of a medium: it is not kept, but what it announces is looked for."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bank's answer for one deposited object. Given only when what it says is durable.

    `error` is set when the object was refused or put into quarantine; `warnings` when it was kept but tolerated.
    `changed` says which rule of the site gave which attribute another value, and `rule` names the one that decided.
    `study`, `series`, `uid` and `sop_class` are there as far as they could be read. `proposals` are of a
    file that said nothing of itself; who may be told which, that is the caller's to know.
    """

    outcome: Outcome
    name: str = ""
    study: Uid | None = None
    series: Uid | None = None
    uid: Uid | None = None
    sop_class: Uid | None = None
    warnings: tuple[str, ...] = ()
    error: BankError | None = None
    quarantine: int | None = None
    rule: str = ""
    changed: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()

    @property
    def is_kept(self) -> bool:
        return self.outcome in (Outcome.STORED, Outcome.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object that is safely kept but not in the archive, with the reason in words."""

    id: int
    reason: str
    name: str
    source: Source
    received_at: datetime
    location: Location
    digest: Digest
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One match of a query: the attributes of its level and of those above, in the DICOM JSON model."""

    attributes: DataSet = field(default_factory=dict)
