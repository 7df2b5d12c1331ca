"""Random sequences of grant, consent, care, label, revoke, expire and emergency against a small model of who may see.

The model knows three patients, two studies each, and says for every caller which studies are to be seen. After every
step, searches, counts, instances and metadata of every caller show that and nothing else.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, emergency, persons, rights
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from make import a_file

OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
ADMIN = Principal("keeper", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(organizations=None))
NAMED_DEVICE: dict[str, Any] = {"principal": "ann", "role": Role.DEVICE}
HOUR = timedelta(hours=1)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Study:
    uid: str
    owner: str
    patient: str
    modality: str
    date: str


STUDIES = tuple(
    Study(f"1.2.{number}", owner, patient, modality, date)
    for number, (owner, patient, modality, date) in enumerate(
        [
            ("north", "ADA", "CT", "20250101"),
            ("north", "ADA", "MR", "20260101"),
            ("south", "BOB", "CT", "20250601"),
            ("south", "BOB", "US", ""),
            ("north", "EVE", "CT", "20240101"),
        ],
        1,
    )
)
CALLERS = tuple(
    (name, role, organization)
    for organization in ("north", "south")
    for name, role in (
        ("ann", Role.CLINICIAN),
        ("ben", Role.CLINICIAN),
        ("ref", Role.REFERRER),
        ("res", Role.RESEARCHER),
        ("ct1", Role.DEVICE),
        ("ann", Role.DEVICE),  # a device may be called as a person is
        ("off", Role.PRIVACY_OFFICER),
        ("pat", Role.PATIENT),
        ("adm", Role.ADMIN),
    )
)


@dataclass
class Decision:
    """The model's own idea of a provision."""

    kind: str
    permits: bool
    patient: str
    study: str
    modality: str
    since: str
    organization: str
    name: str
    role: str
    starts: datetime
    ends: datetime
    is_revoked: bool = False

    def is_for(self, who: tuple[str, Role, str], now: datetime) -> bool:
        name, role, organization = who
        return (
            not self.is_revoked
            and self.starts <= now < self.ends
            and self.organization in ("", organization)
            and self.name in ("", name)
            and (not self.name or role is not Role.DEVICE or self.role == role.value)
            and self.role in ("", role.value)
        )

    def speaks_of(self, study: Study, persons: set[frozenset[str]]) -> bool:
        is_theirs = self.patient == study.patient or any({self.patient, study.patient} <= each for each in persons)
        if not is_theirs or self.study not in ("", study.uid):
            return False
        if self.modality not in ("", study.modality):
            return False
        if not self.since:
            return True
        return study.date >= self.since if study.date else not self.permits


@dataclass
class Model:
    now: datetime = BEGINNING
    decisions: list[Decision] = field(default_factory=list)
    sensitive: set[str] = field(default_factory=set)
    persons: set[frozenset[str]] = field(default_factory=set)

    def may_see(self, who: tuple[str, Role, str], study: Study) -> bool:
        _, role, organization = who
        if role is Role.ADMIN:
            return True
        if role in (Role.PATIENT, Role.PRIVACY_OFFICER):
            return False  # what is permitted is not for them
        heard = [one for one in self.decisions if one.is_for(who, self.now) and one.speaks_of(study, self.persons)]
        in_care = any(one.kind == "care" for one in heard)
        if any(one.kind == "emergency" for one in heard):
            return True
        is_denied = any(one.kind in ("consent", "grant") and not one.permits for one in heard)
        held_to_care = role in (Role.CLINICIAN, Role.DEVICE, Role.REFERRER, Role.RESEARCHER)
        if is_denied or (study.uid in self.sensitive and held_to_care and not in_care):
            return False
        is_permitted = any(one.kind in ("consent", "grant") for one in heard)
        is_own = role in (Role.CLINICIAN, Role.DEVICE) and study.owner == organization
        return is_permitted or is_own or (role is Role.REFERRER and in_care)


@contextlib.contextmanager
def small_bank() -> Iterator[Bank]:
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder), organization="north") as bank:
        for one in STUDIES:
            file = a_file(
                StudyInstanceUID=one.uid, PatientID=one.patient, Modality=one.modality, StudyDate=one.date, rows=4
            )
            keep(bank, file, source=replace(SOURCE, organization=one.owner))
        for number, name in enumerate(["ADA", "BOB", "EVE"]):
            # Unlike each other, so that nobody is linked unasked.
            unlike = Identity(issuer_of(name), PersonName(f"{name * 3}^{name}"), f"19{number}0010{number + 1}")
            persons.hear(bank, unlike)
        yield bank


def issuer_of(patient: str) -> PatientId:
    return PatientId(next(one.owner for one in STUDIES if one.patient == patient), patient)


class Visibility(RuleBasedStateMachine):
    """Somebody decides, time passes, and nobody ever sees more, or less, than the model says."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        opened = self._stack.enter_context(small_bank())
        self.model = Model()
        self.bank = replace(opened, now=lambda: self.model.now)
        self.ids: list[str] = []

    def teardown(self) -> None:
        self._stack.close()

    @rule(
        kind=st.sampled_from([Kind.CONSENT, Kind.GRANT, Kind.CARE]),
        permits=st.booleans(),
        patient=st.sampled_from(["ADA", "BOB", "EVE"]),
        of=st.sampled_from(["", "first", "modality", "since"]),
        to=st.sampled_from([{}, {"organization": "south"}, {"principal": "ann"}, {"role": Role.DEVICE}, NAMED_DEVICE]),
        hours=st.sampled_from([None, 1, 5]),
        later=st.sampled_from([0, 2]),
    )
    def decide(
        self, kind: Kind, permits: bool, patient: str, of: str, to: dict[str, Any], hours: int | None, later: int
    ) -> None:
        permits = permits or kind is Kind.CARE
        first = next(one for one in STUDIES if one.patient == patient)
        starts = self.model.now + later * HOUR
        ends = FOR_EVER if hours is None else starts + hours * HOUR
        study, modality, since = first.uid if of == "first" else "", "CT" if of == "modality" else "", ""
        since = "20250301" if of == "since" else ""
        wanted = Provision(
            "", kind, permits, issuer_of(patient), starts, ends, Uid(study) if study else None, modality, since, **to
        )
        self.ids.append(consent.decide(self.bank, wanted, OFFICER).id)
        role = to["role"].value if "role" in to else ""
        self.model.decisions.append(
            Decision(
                kind.value,
                permits,
                patient,
                study,
                modality,
                since,
                to.get("organization", ""),
                to.get("principal", ""),
                role,
                starts,
                ends,
            )
        )

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.ids) - 1))
        decision = self.model.decisions[number]
        if decision.is_revoked:
            with contextlib.suppress(NotFound):
                consent.revoke(self.bank, self.ids[number], OFFICER)
            return
        consent.revoke(self.bank, self.ids[number], OFFICER)
        decision.is_revoked = True

    @rule(name=st.sampled_from(["ann", "ben"]), study=st.sampled_from(STUDIES), by_study=st.booleans())
    def break_glass(self, name: str, study: Study, by_study: bool) -> None:
        who = rights.principal(self.bank, name, Role.CLINICIAN, "north")
        named = Uid(study.uid) if by_study else issuer_of(study.patient)
        self.ids.append(emergency.break_glass(self.bank, named, "unconscious after a fall", who).id)
        self.model.decisions.append(
            Decision(
                "emergency",
                True,
                study.patient,
                "",
                "",
                "",
                "north",
                name,
                Role.CLINICIAN.value,
                self.model.now,
                self.model.now + HOUR,
            )
        )

    @rule(study=st.sampled_from(STUDIES))
    def label(self, study: Study) -> None:
        if study.uid in self.model.sensitive:
            consent.remove_label(self.bank, Uid(study.uid), "sensitive", OFFICER)
        else:
            consent.put_label(self.bank, Uid(study.uid), "sensitive", OFFICER)
        self.model.sensitive ^= {study.uid}

    @rule(patients=st.sampled_from([("ADA", "BOB"), ("ADA", "EVE"), ("BOB", "EVE")]))
    def link_or_part(self, patients: tuple[str, str]) -> None:
        """Records are one person's from now on, or apart again; a third one is in nobody's way."""
        if frozenset(patients) in self.model.persons:
            persons.unlink(self.bank, ADMIN, issuer_of(patients[1]))
            self.model.persons = set()
        elif not self.model.persons:
            persons.link(self.bank, ADMIN, issuer_of(patients[0]), issuer_of(patients[1]))
            self.model.persons = {frozenset(patients)}

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        self.model.now += hours * HOUR

    @invariant()
    def everybody_sees_what_the_model_says(self) -> None:
        for who in CALLERS:
            name, role, organization = who
            scope = rights.principal(self.bank, name, role, organization).scope
            expected = sorted(one.uid for one in STUDIES if self.model.may_see(who, one))
            index = self.bank.index

            assert sorted(str(one.study) for one in index.instances(Selection(), scope)) == expected, who
            if who[:2] == ("ann", Role.CLINICIAN):  # these take the other way to SQL, which is dear
                assert index.count(Query(Level.INSTANCE), scope) == len(expected)
                assert sorted(str(study) for study, _, _ in index.series_of(Selection(), scope)) == expected


def run_machine(examples: int, steps: int) -> None:
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Visibility, settings=given)


def test_nobody_ever_sees_more_or_less_than_the_model_says() -> None:
    run_machine(examples=10, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nor_in_very_many_sequences() -> None:
    run_machine(examples=300, steps=30)
