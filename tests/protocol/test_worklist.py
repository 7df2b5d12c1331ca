"""The modality worklist with findscu and pynetdicom, from orders that came by HL7."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import build_context

from hl7 import calling, omi, orm, pid
from imagebank.actions import devices
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE, WORKLIST
from imagebank.hl7.listener import start
from imagebank.model.access import Right, Scope
from protocol.dimse_peers import HOST, Site, a_site, associate, dcmtk, register


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("worklist")) as found:
        listener = start(found.bank, HOST, 0)
        with calling(listener.port) as ris:
            ris.send(omi(patient=pid("P1", "Müller^Änne~山田^花子^^^^^^I", "19700101")))
            ris.send(orm(filler="F2", patient=pid("P2", "Roe^Rob", "19800101", "M")))
            ris.send(orm(filler="F3", patient=pid("P3", "", "", ""), study="").replace(b"|CT2|||CT", b"||||"))
            ris.send(orm(filler="F4", patient=pid("P4")))
            ris.send(orm("CA", filler="F4", patient=pid("P4"), at="20260301130000"))
        listener.stop(5)
        yield found


def a_query(step: dict[str, Any] | None = None, **keys: Any) -> Dataset:
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    item = Dataset()
    for keyword, value in (
        {"ScheduledStationAETitle": "", "ScheduledProcedureStepStartDate": "", "ScheduledProcedureStepStartTime": "",
         "Modality": "", "ScheduledProcedureStepID": "", "ScheduledProtocolCodeSequence": [],
         "ScheduledProcedureStepDescription": "", "ScheduledProcedureStepStatus": ""} | (step or {})
    ).items():  # fmt: skip
        setattr(item, keyword, value)
    query.ScheduledProcedureStepSequence = [item]
    for keyword, value in (
        {"PatientName": "", "PatientID": "", "AccessionNumber": "", "StudyInstanceUID": "", "RequestedProcedureID": "",
         "RequestedProcedureDescription": "", "PatientWeight": None} | keys
    ).items():  # fmt: skip
        setattr(query, keyword, value)
    return query


def ask(site: Site, query: Dataset, syntax: str = EXPLICIT_LE, aet: str = "CT1") -> tuple[list[Dataset], list[int]]:
    association = associate(site, build_context(WORKLIST, syntax), aet=aet)
    answers = list(association.send_c_find(query, WORKLIST))
    association.release()
    return [found for _, found in answers if found is not None], [int(status.Status) for status, _ in answers]


def found(site: Site, step: dict[str, Any] | None = None, **keys: Any) -> list[str]:
    return [one.AccessionNumber for one in ask(site, a_query(step, **keys))[0]]


@pytest.mark.parametrize("syntax", ["-xe", "-xi"])
def test_findscu_gets_what_is_to_be_done(site: Site, syntax: str) -> None:
    answer = dcmtk(
        "findscu", site, syntax, "-W", "-k", "PatientName=ROE*", "-k", "PatientID", "-k", "AccessionNumber",
        "-k", "(0040,0100)[0].Modality=CT", "-k", "(0040,0100)[0].ScheduledStationAETitle",
    )  # fmt: skip

    said = answer.stdout + answer.stderr
    assert answer.returncode == 0
    assert re.search(r"\(0010,0020\) LO \[P2\s*\]", said)
    assert re.search(r"\(0008,0050\) SH \[AF2\s*\]", said)
    assert re.search(r"\(0040,0001\) AE \[CT2\s*\]", said)
    assert "[P1" not in said


def test_an_item_has_all_that_is_required(site: Site) -> None:
    (item,), statuses = ask(site, a_query(AccessionNumber="AF1"), IMPLICIT_LE)

    (step,) = item.ScheduledProcedureStepSequence
    assert statuses == [0xFF00, 0x0000]
    assert str(item.PatientName) == "Müller^Änne=山田^花子"
    assert (item.PatientID, item.StudyInstanceUID, item.RequestedProcedureID) == ("P1", "1.2.3.1", "RPF1")
    assert (item.RequestedProcedureDescription, item["PatientWeight"].is_empty) == ("CT head", True)
    assert (step.ScheduledStationAETitle, step.Modality, step.ScheduledProcedureStepID) == ("CT1", "CT", "SF1")
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260302", "1030")
    assert (step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepStatus) == ("Head native", "SCHEDULED")
    (protocol,) = step.ScheduledProtocolCodeSequence
    assert (protocol.CodeValue, protocol.CodingSchemeDesignator, protocol.CodeMeaning) == ("PROT", "L", "Head native")


def test_what_has_to_have_a_value_has_one_whatever_the_order_says(site: Site) -> None:
    (item,), _ = ask(site, a_query({"ScheduledStationAETitle": "US9"}, PatientID="P3"))

    (step,) = item.ScheduledProcedureStepSequence
    assert (str(item.PatientName), step.Modality, step.ScheduledStationAETitle) == ("UNKNOWN", "OT", "US9")
    assert item.StudyInstanceUID.startswith("2.25.")


@pytest.mark.parametrize(
    ("step", "keys", "accessions"),
    [
        ({}, {}, ["AF1", "AF2", "AF3"]),
        ({"ScheduledStationAETitle": "CT1"}, {}, ["AF1", "AF3"]),
        ({"ScheduledStationAETitle": "CT?"}, {}, ["AF1", "AF2", "AF3"]),
        ({"Modality": "CT"}, {}, ["AF1", "AF2"]),
        ({"Modality": ["CT", "MR"]}, {}, ["AF1", "AF2"]),
        ({"Modality": "MR"}, {}, []),
        ({"ScheduledProcedureStepStartDate": "20260302"}, {}, ["AF1", "AF2", "AF3"]),
        ({"ScheduledProcedureStepStartDate": "20260301-20260302"}, {}, ["AF1", "AF2", "AF3"]),
        ({"ScheduledProcedureStepStartDate": "20260303-"}, {}, []),
        ({"ScheduledProcedureStepStartDate": "-20260301"}, {}, []),
        ({"ScheduledProcedureStepStartDate": "20260302-20260302", "ScheduledProcedureStepStartTime": "1000-1100"}, {},
         ["AF1", "AF2", "AF3"]),
        ({"ScheduledProcedureStepStartDate": "20260302-20260303", "ScheduledProcedureStepStartTime": "1100-0900"}, {}, []),
        ({"ScheduledProcedureStepStartTime": "1030"}, {}, ["AF1", "AF2", "AF3"]),
        ({"ScheduledProcedureStepStartTime": "1100-"}, {}, []),
        ({"ScheduledProcedureStepID": "SF2"}, {}, ["AF2"]),
        ({}, {"PatientName": "muller*"}, ["AF1"]),
        ({}, {"PatientName": "山田*"}, ["AF1"]),
        ({}, {"PatientName": "Roe^Rob^"}, ["AF2"]),
        ({}, {"PatientID": "P?"}, ["AF1", "AF2", "AF3"]),
        ({}, {"PatientID": "P[1]"}, []),
        ({}, {"StudyInstanceUID": ["1.2.3.1", "1.2.3.9"]}, ["AF1"]),
        ({}, {"RequestedProcedureID": "RPF*"}, ["AF1", "AF2", "AF3"]),
        ({}, {"PatientBirthDate": "19700101-19791231"}, ["AF1"]),
        ({}, {"AccessionNumber": "AF4"}, []),
    ],
)  # fmt: skip
def test_keys_match(site: Site, step: dict[str, Any], keys: dict[str, Any], accessions: list[str]) -> None:
    assert found(site, step, **keys) == accessions


def test_a_sequence_key_without_an_item_asks_for_all_of_it(site: Site) -> None:
    query = a_query(AccessionNumber="AF2")
    query.ScheduledProcedureStepSequence = []
    (item,), _ = ask(site, query)

    assert item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "CT2"


def test_a_key_that_annex_k_does_not_have_is_warned_of(site: Site) -> None:
    (item,), statuses = ask(site, a_query(AccessionNumber="AF2", StudyDescription=""))

    assert statuses == [0xFF01, 0x0000]
    assert item["StudyDescription"].is_empty


def test_a_device_sees_the_steps_of_its_own_organization_and_needs_the_right_to_find(site: Site) -> None:
    register(site, "ELSEWHERE")
    device = site.bank.index.device("ELSEWHERE")
    assert device is not None
    devices.add(site.bank, replace(device, organization="south"))
    register(site, "MAYNOT", rights=frozenset({Right.STORE}))

    assert ask(site, a_query(), aet="ELSEWHERE") == ([], [0x0000])
    assert ask(site, a_query(), aet="MAYNOT") == ([], [0x0124])


def test_a_search_of_the_worklist_is_in_the_ledger_without_what_was_sought(site: Site) -> None:
    ask(site, a_query(PatientName="Secret*"))
    site.bank.reads.flush()

    details = [one.detail for one in site.bank.index.events(Scope(None))]
    assert "C-FIND worklist by PatientName" in details
    assert not any("Secret" in detail for detail in details)
