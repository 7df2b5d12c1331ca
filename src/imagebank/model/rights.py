"""A site's rules: who may do what, and see whose studies. Deny wins over permit; what no rule permits does not exist."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from imagebank.model.access import HOLDERS, RIGHTS, Asker, Clause, Purpose, Right, Role, Scope

OWN: Final = "own"
"""Among a rule's organizations: the asker's own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Permits or denies some askers some studies.

    Whom it speaks of: any of `roles`, `purposes` and organizations `of`; an empty one means any. What it speaks of is
    as in `Clause`, with `own` among `organizations` for the asker's own; no organizations mean any.
    """

    name: str
    permits: bool
    roles: frozenset[Role] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    of: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    in_care: bool | None = None
    since: str = ""
    until: str = ""

    def speaks_of(self, asker: Asker) -> bool:
        return (
            (not self.roles or asker.role in self.roles)
            and (not self.purposes or asker.purpose in self.purposes)
            and (not self.of or asker.organization in self.of)
        )

    def clause(self, asker: Asker) -> Clause:
        """What it permits or denies this asker."""
        own = {asker.organization} if OWN in self.organizations else set()
        return Clause(
            frozenset(self.organizations - {OWN} | own) if self.organizations else None,
            self.departments or None,
            self.modalities or None,
            self.labels or None,
            self.in_care,
            self.since,
            self.until,
        )


_NOBODY_TO_SHARE_WITH: Final = HOLDERS | {Role.PRIVACY_OFFICER, Role.QUALITY_MANAGER}

SENSITIVE: Final = "sensitive"
"""The label of studies that are kept from everybody who does not care for the patient."""

_STAFF: Final = frozenset({Role.CLINICIAN, Role.TECHNOLOGIST, Role.DEVICE, Role.SYSTEM})

DEFAULT_RULES: Final = (
    Rule("staff see their own organization's", permits=True, roles=_STAFF, organizations=frozenset({OWN})),
    Rule("a referrer sees those of patients in care", permits=True, roles=frozenset({Role.REFERRER}), in_care=True),
    Rule(
        "sensitive ones are for those who care for the patient",
        permits=False,
        # A device or a program is no safer place: nobody knows who sits behind it.
        roles=_STAFF | {Role.REFERRER, Role.RESEARCHER},
        labels=frozenset({SENSITIVE}),
        in_care=False,
    ),
)

SHARING_RULE: Final = Rule("staff see other organizations', unless the patient objects", permits=True, roles=_STAFF)
"""In force where a site has its patients opt out of sharing, rather than in."""

PURPOSES: Final[Mapping[Role, Purpose]] = MappingProxyType(
    {
        Role.ADMIN: Purpose.OPERATIONS,
        Role.PRIVACY_OFFICER: Purpose.OPERATIONS,
        Role.QUALITY_MANAGER: Purpose.OPERATIONS,
        Role.RESEARCHER: Purpose.RESEARCH,
        Role.PATIENT: Purpose.PATIENT_REQUEST,
        Role.PROXY: Purpose.PATIENT_REQUEST,
    }
)
"""What somebody asks for who does not say; treatment where the role is not among these."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The rules of a site, and what each role may do."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    by_role: Mapping[Role, frozenset[Right]] = field(default_factory=lambda: RIGHTS)


def purpose_of(role: Role) -> Purpose:
    return PURPOSES.get(role, Purpose.TREATMENT)


def scope_for(rights: Rights, asker: Asker) -> Scope:
    """What somebody may see. An admin may see everything: who keeps the bank can, and each look is in the ledger.

    What patients permit is meant for those who care for them or do their work, never for other patients.
    """
    if asker.role is Role.ADMIN:
        return Scope(organizations=None)
    speaking = [rule for rule in rights.rules if rule.speaks_of(asker)]
    # A rule that names no role is for staff of every kind, and widens no card.
    permitting = [rule for rule in speaking if rule.permits and asker.role not in HOLDERS]
    return Scope(
        organizations=frozenset(),
        permits=tuple(rule.clause(asker) for rule in permitting),
        denies=tuple(rule.clause(asker) for rule in speaking if not rule.permits),
        asker=asker,
        heeds=frozenset() if asker.role in _NOBODY_TO_SHARE_WITH else None,
    )
