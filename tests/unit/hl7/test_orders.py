"""Orders with several exams: each is an order or a step of its own, and each is looked at."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from hl7 import msh, omi, pid, segments
from imagebank.actions import orders, reconciling, rights
from imagebank.bank import Bank
from imagebank.hl7.messages import read
from imagebank.hl7.orders import orders as orders_of
from imagebank.model.access import Role
from imagebank.model.order import Order
from imagebank.model.task import Kind, Wanted
from imagebank.worker import step
from make import a_file

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEAD, CHEST, KNEE = "CTH^CT head^L", "CTC^CT chest^L", "MRK^MR knee left^L"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        for study, what in (("1.2.1", "CT head"), ("1.2.2", "CT chest")):
            ids = {"PatientID": "P1", "IssuerOfPatientID": "north", "StudyInstanceUID": study}
            about = {"StudyDate": "20260228", "StudyDescription": what, "BodyPartExamined": ""}
            keep(opened, a_file(**ids, **about), source=replace(SOURCE, organization="north"))
        yield replace(opened, now=lambda: NOW)


def obr(what: str, number: str = "", step: str = "", modality: str = "CT") -> str:
    return f"OBR|1|PL{number}|{number}|{what}||||||||||||||A{number}|RP1|{step}||||{modality}" if number else (
        f"OBR|1|||{what}||||||||||||||A1|RP1|{step}||||{modality}"
    )  # fmt: skip


def orc(number: str = "F1") -> str:
    return f"ORC|NW|PL{number}|{number}||SC||^^^20260303^^R||20260301120000|||REQ^Cuddy^Lisa"


def an_orm(*lines: str) -> bytes:
    return segments(msh("ORM^O01", version="2.3.1"), pid(), "PV1|1|O", *lines)


def read_orders(message: bytes) -> list[Order]:
    return orders_of(read(message), "north", NOW)


def repeated(bank: Bank, message: bytes) -> set[str]:
    """The studies of which tasks are asked once a message was heard."""
    orders.hear(bank, read_orders(message), "ris")
    while step(bank):
        pass
    tess = rights.principal(bank, "tess", Role.TECHNOLOGIST, "north")
    tasks = reconciling.page(bank, Wanted(kind=Kind.REPEAT), tess).tasks
    assert len(tasks) == len({one.id for one in tasks})
    return {str(study) for one in tasks for study in one.studies}


STEPS = [f"IPC|AF1|RPF1|1.2.3.1|S{number}|{modality}|P^{what}^L|R1|R1|CT1" for number, modality, what in (
    (1, "MR", "MR knee left"), (2, "CT", "CT chest"))]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "studies"),
    [
        (
            an_orm(
                *(orc(), obr(KNEE, step="S1", modality="MR"), orc(), obr(CHEST, step="S2")),
                *(orc("F2"), obr(HEAD), orc("F3"), obr(KNEE, modality="MR")),
            ),
            {"1.2.1", "1.2.2"},
        ),
        (
            an_orm(orc(), obr(KNEE, step="S1", modality="MR"), obr(HEAD, step="S2"), obr(CHEST, "F2")),
            {"1.2.1", "1.2.2"},
        ),
        (
            omi(ipc=STEPS, patient=pid())
            .replace(b"CTH^CT head^LOCAL", b"X^imaging^LOCAL")
            .replace(b"||S\r", b"||R\r")
            .replace(b"stroke?", b"pain"),
            {"1.2.2"},
        ),
    ],
    ids=["several ORC", "several OBR of one ORC", "several IPC"],
)
def test_each_exam_of_a_message_is_looked_at(bank: Bank, message: bytes, studies: set[str]) -> None:
    assert repeated(bank, message) == studies


def test_an_obr_that_names_nothing_of_its_own_is_no_further_order() -> None:
    assert len(read_orders(an_orm(orc(), obr(HEAD), obr(CHEST)))) == 1
    first, second = read_orders(an_orm(orc(), obr(HEAD, "F1"), obr(CHEST, "F2"), "ZDS|1.2.9^^Application^DICOM"))
    assert [(one.placer, one.filler, one.accession) for one in (first, second)] == [
        ("PLF1", "F1", "AF1"),
        ("PLF2", "F2", "AF2"),
    ]
