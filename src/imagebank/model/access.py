"""Who asks, and what they may see."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol, Self

from imagebank.errors import NotAllowed
from imagebank.model.delay import Delay
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Right(StrEnum):
    """One thing that a caller may do. STORE, FIND, MOVE and GET are those of a DIMSE device, too.

    EMERGENCY is to open a record beyond one's rights for a stated reason; CONSENT to write down what a patient has
    decided, and who cares for whom; AUDIT to read the ledger and to review emergencies; QUALITY to read what the repeat check
    brought, which is counts and names nobody; RECONCILE to say which patient
    records are one person's, and whose studies are that name nobody; CORRECT to change attributes of objects that are
    kept, and to see what they were; ENROL to open a person's account once their identity was proofed at the desk; RELEASE
    to let patients read reports at once that a delay of the site's holds back.
    """

    ADMINISTER = "administer"
    DELETE = "delete"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    EMERGENCY = "emergency"
    CONSENT = "consent"
    AUDIT = "audit"
    QUALITY = "quality"
    RECONCILE = "reconcile"
    CORRECT = "correct"
    ENROL = "enrol"
    RELEASE = "release"


class Role(StrEnum):
    """What a caller is. What a role may do and see stands in the site's rules (`model.rights`).

    A patient sees what their account holds, a recipient what the card opens that was shown: `HOLDERS`.
    """

    ADMIN = "admin"
    CLINICIAN = "clinician"
    REFERRER = "referrer"
    TECHNOLOGIST = "technologist"
    RESEARCHER = "researcher"
    PRIVACY_OFFICER = "privacy officer"
    QUALITY_MANAGER = "quality manager"
    PATIENT = "patient"
    PROXY = "proxy"
    RECIPIENT = "recipient"
    SYSTEM = "system"
    DEVICE = "device"


HOLDERS: Final = frozenset({Role.PATIENT, Role.PROXY, Role.RECIPIENT})
"""Roles that see what an account holds or a card opens, and nothing else."""


OWNERS: Final = frozenset({Role.PATIENT, Role.PROXY})
"""Those of them who sign in to an account that holds people's records."""


class Purpose(StrEnum):
    """Why somebody asks: codes of HL7 v3 PurposeOfUse."""

    TREATMENT = "TREAT"
    EMERGENCY = "ETREAT"
    OPERATIONS = "HOPERAT"
    PAYMENT = "HPAYMT"
    RESEARCH = "HRESCH"
    PUBLIC_HEALTH = "PUBHLTH"
    PATIENT_REQUEST = "PATRQT"


RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Right) - {Right.EMERGENCY},
        Role.CLINICIAN: frozenset({Right.FIND, Right.GET, Right.STORE, Right.EMERGENCY, Right.RELEASE}),
        Role.REFERRER: frozenset({Right.FIND, Right.GET}),
        Role.TECHNOLOGIST: frozenset(
            {Right.FIND, Right.GET, Right.STORE, Right.RECONCILE, Right.CORRECT, Right.ENROL, Right.RELEASE}
        ),
        Role.RESEARCHER: frozenset({Right.FIND, Right.GET}),
        Role.PRIVACY_OFFICER: frozenset({Right.AUDIT, Right.QUALITY, Right.CONSENT, Right.ENROL}),
        Role.QUALITY_MANAGER: frozenset({Right.QUALITY}),
        Role.PATIENT: frozenset({Right.FIND, Right.GET}),
        Role.PROXY: frozenset({Right.FIND, Right.GET}),
        Role.RECIPIENT: frozenset({Right.FIND, Right.GET}),
        Role.DEVICE: frozenset({Right.STORE, Right.FIND, Right.MOVE, Right.GET}),
        Role.SYSTEM: frozenset({Right.STORE, Right.FIND, Right.GET}),
    }
)
"""What each role may do where the site's rules say nothing else."""


@dataclass(frozen=True, slots=True)
class Clause:
    """Studies for which every part that is given holds; None, or an empty date, narrows nothing.

    `organizations` own the study, `departments` and `modalities` are of its series, `labels` somebody has put on it.
    A clause that permits holds when all series have one of `modalities` and of `departments`, one that denies when
    any has: what is let out is the study as a whole. `in_care` is whether the asker is in a care relationship with the patient. `since`
    and `until` bound the study's date, YYYYMMDD, both inclusive.
    """

    organizations: frozenset[str] | None = None
    departments: frozenset[str] | None = None
    modalities: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    in_care: bool | None = None
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom provisions are looked up: consents, grants, holdings, cards, care relationships, emergencies."""

    principal: str
    role: Role
    organization: str
    purpose: Purpose
    at: datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see, as a value that every read has to be given.

    `organizations` None means that the organization does not narrow. An empty set shows nothing, but for what
    `permits` add, and what provisions permit the `asker`. `denies`, and provisions that deny, win over all of these;
    only an emergency of the asker's wins over them. `studies` and `patients`, when given, narrow everything; of these
    patients is known beforehand that whatever the scope shows is theirs. Without `reports` there are none for the caller,
    nor series of documents; under `delays`, none that wait still at the asker's moment.
    `heeds` names the only provisions that count, to explain what each does; all of them without it.
    What lies outside the scope does not exist for the caller: it is neither found, nor counted, nor refused by name.
    """

    organizations: frozenset[str] | None
    studies: frozenset[Uid] | None = None
    permits: tuple[Clause, ...] = ()
    denies: tuple[Clause, ...] = ()
    asker: Asker | None = None
    heeds: frozenset[str] | None = None
    patients: frozenset[PatientId] | None = None
    reports: bool = True
    delays: tuple[Delay, ...] = ()

    @property
    def binding(self) -> tuple[Delay, ...]:
        """The delays that hold now: they count back from the moment of an asker."""
        return () if self.asker is None else self.delays

    @property
    def orders_of(self) -> frozenset[str] | None:
        """The organizations whose orders are known here, whoever has the studies: the asker's own; None for all."""
        return self.organizations if self.asker is None else frozenset({self.asker.organization})

    @classmethod
    def nothing(cls) -> Self:
        return cls(frozenset())

    @classmethod
    def of(cls, *organizations: str) -> Self:
        return cls(frozenset(organizations))

    @classmethod
    def everything(cls, reason: str) -> "Unbounded":
        """The whole bank, for the bank's own upkeep. `actions.audit.unbounded` turns it into a scope and an event."""
        return Unbounded(reason)


@dataclass(frozen=True, slots=True)
class Unbounded:
    """A wish to see everything, which becomes a `Scope` only together with an event in the ledger."""

    reason: str


class Asked(Protocol):
    """Something that a caller has asked the bank to do, which goes on when they are gone: by whom, as what, and for whom."""

    @property
    def by(self) -> str: ...

    @property
    def role(self) -> Role: ...

    @property
    def organization(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that the bank knows: a token's holder, a device or a signed-in session.

    `organization` is the one that the caller deposits for; `scope` what it may see. Who `only_looks` is shown images and
    takes none along: a card may say so.
    """

    name: str
    role: Role
    organization: str
    rights: frozenset[Right]
    scope: Scope
    only_looks: bool = False

    @property
    def purpose(self) -> Purpose:
        """Why the caller asks. Who is not held to the rules keeps the bank."""
        return Purpose.OPERATIONS if self.scope.asker is None else self.scope.asker.purpose

    @property
    def joins(self) -> Scope:
        """The studies that the caller's deposits may go into, beside new ones: its organization's, and what it sees.

        An admin sees everything to keep the bank, and not to mix what organizations have: nothing is joined by that.
        """
        return Scope.of(self.organization) if self.scope.organizations is None else self.scope

    @property
    def keeps(self) -> bool:
        """Whether the caller runs the bank, and is told of what everybody has asked it to do."""
        return Right.ADMINISTER in self.rights

    def may_know(self, one: Asked) -> bool:
        """Whether the caller is told of what somebody has asked the bank to do: of their own, and who keeps it of all."""
        return self.keeps or (one.by, one.role, one.organization) == (self.name, self.role, self.organization)

    def require(self, right: Right) -> None:
        """Raises NotAllowed when the caller lacks the right."""
        if right not in self.rights:
            raise NotAllowed("this needs the right to {right}; ask whoever runs the bank", right=right)

    def require_taking(self) -> None:
        """Raises NotAllowed when the caller may look, and take nothing along."""
        if self.only_looks:
            raise NotAllowed("this card is for looking; ask its owner for one that lets you take the images along")

    def at(self, now: datetime) -> "Principal":
        """The same caller at another moment: what is permitted for a time begins and ends while a caller stays."""
        asker = self.scope.asker
        return self if asker is None else replace(self, scope=replace(self.scope, asker=replace(asker, at=now)))


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as the bank keeps it: its SHA-256 only, never the token itself.

    `certificate` is the fingerprint of the one that its holder has to show with it (RFC 8705 3); empty for none.
    """

    digest: bytes
    name: str
    role: Role
    organization: str
    created_at: datetime
    expires_at: datetime
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. The cookie holds a random value of which the bank keeps the SHA-256.

    `token` is the digest of the bearer token that it was opened with, if it was; it ends with that. `account` is
    whose it is, empty when it was opened by a token or a sign-in link. `seen_at` is when it was used last, to the
    minute, `proven_at` when its user has last proven who they are; `address` is where it was opened from.
    """

    digest: bytes
    name: str
    role: Role
    organization: str
    created_at: datetime
    expires_at: datetime
    token: bytes | None = None
    account: str = ""
    address: str = ""
    seen_at: datetime = LONG_AGO
    proven_at: datetime = LONG_AGO

    @property
    def owner(self) -> str:
        """Under which identifier its user is told something: the account's, or the name of who signs in elsewhere.

        Such a name has a slash, which no account's has. Empty for whoever came by a token or a link.
        """
        return self.account or (self.name if is_elsewhere(self.name) and self.token is None else "")


def is_elsewhere(name: str) -> bool:
    """Whether it is the name of somebody who signs in at a provider: its host, a slash, and what they are called there."""
    return "/" in name


@dataclass(frozen=True, slots=True)
class Device:
    """A DIMSE peer: who may call us, and where a C-MOVE or a commitment result may go.

    `certificate` is the fingerprint of the one that it has to show when it calls; empty for none.
    """

    aet: str
    host: str
    port: int
    tls: bool
    rights: frozenset[Right]
    organization: str
    certificate: str = ""
