"""Cards of a test's bank: who gives them, to whom, and hashes that take no time."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import cards, password, redeem, rights
from imagebank.actions.card_reach import Reach
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision, Relation
from make import a_file

ADA, ADA_TOO, BOB = PatientId("north", "ADA"), PatientId("south", "4711"), PatientId("north", "BOB")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.nothing())
KEEPER = Principal("keeper", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(organizations=None))
OTHERS = Principal("other", Role.PRIVACY_OFFICER, "south", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())


def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id as ever, with less memory: these tests ask what is compared, and not how slowly."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(password, "_hasher", hasher)
    # Not by `kept`: it waits for its turn, and whoever asks for nobody's has that already.
    monkeypatch.setattr(password, "_nobodys", lambda: hasher.hash("the password of nobody"))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bank with Ada's CT of the head and MR of the knee, Bob's CT, and elsewhere a CT of Ada, too."""
    folder = tmp_path_factory.mktemp("cards")
    with open_test_bank(folder, organization="north") as opened:
        fill(opened)
    return folder / "bank"


@pytest.fixture
def bank(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """A bank of a test's own with these studies."""
    quick_hashes(monkeypatch)
    shutil.copytree(filled, tmp_path / "bank")
    with open_test_bank(tmp_path, organization="north") as opened:
        yield opened


def fill(opened: Bank) -> None:
    head = {"Modality": "CT", "BodyPartExamined": "HEAD", "StudyDate": "20260110"}
    ada = {"PatientID": "ADA", "PatientBirthDate": "19701130"}
    keep(opened, a_file(StudyInstanceUID="1.1", **ada, **head), source=of("north"))
    knee = {"Modality": "MR", "BodyPartExamined": "KNEE", "StudyDate": "20250110"}
    keep(opened, a_file(StudyInstanceUID="1.2", **ada, **knee), source=of("north"))
    keep(opened, a_file(StudyInstanceUID="1.3", PatientID="BOB", **head), source=of("north"))
    keep(opened, a_file(StudyInstanceUID="1.4", PatientID="4711", **head), source=of("south"))


def of(organization: str) -> Any:
    return replace(SOURCE, organization=organization)


def holds(bank: Bank, patient: PatientId, relation: Relation = Relation.OWNER, name: str = "ada", **given: Any) -> None:
    """Let an account hold a person's records, as the desk does."""
    one = Provision(
        f"{name}-{patient.identifier}",
        Kind.HOLDING,
        permits=True,
        patient=patient,
        starts_at=LONG_AGO,
        principal=name,
        role=Role.PATIENT,
        terms=relation,
    )
    with bank.index.begin() as tx:
        tx.put_provision(replace(one, **given))


def holder(bank: Bank, name: str = "ada") -> Principal:
    return rights.principal(bank, name, Role.PATIENT, "north")


def a_card(bank: Bank, by: Principal = KEEPER, *, patient: PatientId | None = ADA, **given: Any) -> cards.Issued:
    """A card for all of Ada's, or as is said; parts of its reach by their names."""
    reach = {name: given.pop(name) for name in list(given) if name in Reach.__dataclass_fields__}
    wanted = cards.Wanted(Reach(patient=patient, **reach), **given)
    return cards.issue(bank, wanted, by)


def a_claim(issued: cards.Issued, **given: str) -> redeem.Claim:
    claim = redeem.Claim(issued.number, issued.pin, "Dr Chidi Okafor", "Quay Street Clinic", "Treatment")
    return replace(claim, **given)


def wrong(pin: str) -> str:
    """Another PIN."""
    return f"{(int(pin) + 1) % 10 ** len(pin):0{len(pin)}d}"


def seen(bank: Bank, who: Principal) -> list[str]:
    return sorted({str(one.study) for one in bank.index.instances(Selection(), who.scope)})
