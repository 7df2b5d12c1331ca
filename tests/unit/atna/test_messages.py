"""Every line of the ledger makes a DICOM audit message (PS3.15 A.5) that says what it says."""

import base64
from dataclasses import replace
from xml.etree import ElementTree as ET

from imagebank.atna.messages import Reporter, message
from imagebank.model.audited import Entry
from imagebank.model.event import Act
from imagebank.model.ledger import Line
from imagebank.model.person import PatientId
from unit.atna.audit_schema import details, faults

US = Reporter("imagebank", "north", "bank.example.org")
LINE = Line("a1b2", 7, 1_767_225_600_000_001, Act.VIEWED, "Dr Varga", "north", "10.0.0.5", "1.2.3", 4, "rendered")
ADA = PatientId("north", "ADA")


def told(patient: PatientId | None = ADA, **given: object) -> bytes:
    fields = {"person": "cafe" if patient or given.pop("is_gone", False) else "", **given}
    line = replace(LINE, **fields)  # type: ignore[arg-type]
    return message(Entry(line, patient, "A1" if line.study else "", ("1.2.840.1",) if line.study else ()), US)


def parts(told: bytes) -> ET.Element:
    assert faults(told) == []
    return ET.fromstring(told)


def code(root: ET.Element, path: str) -> list[str]:
    return [each.attrib["csd-code"] for each in root.iterfind(path)]


def test_the_event_is_told_by_its_codes_and_its_moment() -> None:
    root = parts(told(act=Act.EMERGENCY, detail="emergency 1"))

    assert code(root, "EventIdentification/EventID") == ["110113"]
    assert code(root, "EventIdentification/EventTypeCode") == ["110127"]
    assert root[0].attrib["EventActionCode"] == "E"
    assert root[0].attrib["EventDateTime"] == "2026-01-01T00:00:00.000001+00:00"


def test_every_act_makes_a_message_that_the_schema_allows() -> None:
    found = [
        faults(told(patient, act=act, detail=detail, study=study))
        for act in Act
        for detail in ("", "C-GET", "import: refused", "\x00<&>\ud7ff\n\x85")
        for study in ("", "1.2.3")
        for patient in (None, ADA)
    ]

    assert found == [[]] * len(found)


def test_who_asked_and_where_objects_went_is_told() -> None:
    roles = {}
    for act, detail in ((Act.DEPOSITED, "dimse: stored"), (Act.VIEWED, "C-GET")):
        root = parts(told(act=act, detail=detail))
        roles[act] = {one.attrib["UserID"]: code(one, "RoleIDCode") for one in root.iterfind("ActiveParticipant")}
    asker = parts(told()).find("ActiveParticipant[@UserIsRequestor='true']")

    assert roles[Act.DEPOSITED] == {"Dr Varga": ["110153"], "imagebank": ["110152"]}
    assert roles[Act.VIEWED] == {"Dr Varga": ["110152"], "imagebank": ["110153"]}
    assert asker is not None
    assert asker.attrib["AlternativeUserID"] == "Dr Varga@north"
    assert (asker.attrib["NetworkAccessPointID"], asker.attrib["NetworkAccessPointTypeCode"]) == ("10.0.0.5", "2")


def test_a_device_that_was_sent_something_is_the_destination_and_who_had_it_sent_a_third_party() -> None:
    detail = "C-MOVE to WS1 at ws1.example.org of south"
    root = parts(told(act=Act.SENT, detail=detail))
    roles = {one.attrib["UserID"]: code(one, "RoleIDCode") for one in root.iterfind("ActiveParticipant")}
    device = root.find("ActiveParticipant[@UserID='WS1']")
    itself = parts(told(act=Act.SENT, detail=detail, principal="WS1"))
    own = {one.attrib["UserID"]: code(one, "RoleIDCode") for one in itself.iterfind("ActiveParticipant")}

    assert code(root, "EventIdentification/EventID") == ["110104"]
    assert roles == {"WS1": ["110152"], "Dr Varga": [], "imagebank": ["110153"]}
    assert device is not None
    assert device.attrib["AlternativeUserID"] == "AETITLES=WS1"
    assert device.attrib["UserIsRequestor"] == "false"
    assert (device.attrib["NetworkAccessPointID"], device.attrib["NetworkAccessPointTypeCode"]) == (
        "ws1.example.org",
        "1",
    )
    assert own == {"WS1": ["110152"], "imagebank": ["110153"]}


def test_the_bank_itself_stands_in_a_message_once() -> None:
    root = parts(told(None, act=Act.UNBOUNDED, principal="imagebank", address="", detail="verify the ledger"))

    assert [one.attrib["UserID"] for one in root.iterfind("ActiveParticipant")] == ["imagebank"]


def objects(told: bytes) -> dict[str, str]:
    root = parts(told)
    return {
        code(one, "ParticipantObjectIDTypeCode")[0]: one.attrib["ParticipantObjectID"]
        for one in root.iterfind("ParticipantObjectIdentification")
    }


def test_study_patient_and_place_in_the_ledger_are_told() -> None:
    root = parts(told())
    described = root.find("ParticipantObjectIdentification/ParticipantObjectDescription")

    assert objects(told()) == {"110180": "1.2.3", "2": "ADA^^^north", "line": "a1b2-7"}
    assert described is not None
    assert [each.attrib for each in described] == [{"Number": "A1"}, {"UID": "1.2.840.1", "NumberOfInstances": "4"}]
    assert details(told(purpose="TREAT")) == {"count": "4", "detail": "rendered", "PurposeOfUse": "TREAT"}


def test_a_patient_who_is_gone_is_told_by_the_pseudonym() -> None:
    gone = told(None, is_gone=True)

    assert objects(gone)["2"] == "cafe"
    assert details(gone)["pseudonym"] == "true"
    assert objects(told(PatientId("", "ADA")))["2"] == "ADA"
    assert "2" not in objects(told(None))


def test_what_was_refused_is_told_as_a_failure_with_the_reason() -> None:
    root = parts(told(act=Act.DEPOSITED, detail="stow: refused"))

    assert root[0].attrib["EventOutcomeIndicator"] == "4"
    assert root.findtext("EventIdentification/EventOutcomeDescription") == "stow: refused"


def test_a_search_tells_by_what_was_sought() -> None:
    root = parts(told(None, act=Act.SEARCHED, detail="C-FIND: study by PatientID", study=""))
    text = root.findtext("ParticipantObjectIdentification/ParticipantObjectQuery")

    assert text is not None
    assert base64.b64decode(text) == b"C-FIND: study by PatientID"


def test_a_machine_that_is_called_by_name_is_no_ip_address() -> None:
    asker = parts(told(address="ct.example.org")).find("ActiveParticipant")

    assert asker is not None
    assert asker.attrib["NetworkAccessPointTypeCode"] == "1"
