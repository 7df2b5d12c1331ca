"""A patient denies, a clinician breaks the glass, the officer reviews, and the ledger shows all of it."""

import json
from pathlib import Path

import httpx

from consents import a_consent, an_actor
from make import a_file
from running import Running

STUDY = "1.2.826.0.1.99"
REASON = "unconscious after a fall, bleeding suspected"


def sees(doctor: httpx.Client) -> bool:
    found = doctor.get("/dicom-web/studies", params={"PatientID": "NAY"})
    assert found.status_code in (200, 204)
    return found.status_code == 200


def test_a_denial_is_broken_in_an_emergency_and_nothing_of_it_is_lost(bank: Running, tmp_path: Path) -> None:
    (tmp_path / "ct.dcm").write_bytes(a_file(PatientID="NAY", PatientName="Nay^Nora", StudyInstanceUID=STUDY))
    assert bank.import_paths([tmp_path / "ct.dcm"]).status == 0
    doctor = bank.http(bank.token("clinician", name="Dr Varga"))
    officer = bank.http(bank.token("privacy_officer", name="officer"))
    denial = a_consent(type="deny", actor=[an_actor("Organization", "organization", "local")])
    denial["patient"]["identifier"] = {"system": "local", "value": "NAY"}
    with doctor, officer:
        at_first = sees(doctor)
        assert officer.post("/api/v1/consents", json=denial).status_code == 201
        denied = sees(doctor)
        explained = bank.run("access", "explain", STUDY, "--role", "clinician")
        opening = {"patient": {"issuer": "local", "identifier": "NAY"}, "reason": REASON}
        opened = doctor.post("/api/v1/emergencies", json=opening)
        in_emergency = sees(doctor)
        assert doctor.get(f"/dicom-web/studies/{STUDY}/metadata").status_code == 200
        (waiting,) = [
            one for one in officer.get("/api/v1/emergencies").json()["emergencies"] if one["by"] == "Dr Varga"
        ]
        review = {"words": "the patient was unconscious; it was right"}
        reviewed = officer.post(f"/api/v1/emergencies/{waiting['id']}/review", json=review)
        not_hers = doctor.get("/api/v1/emergencies")
    exported = bank.run("audit", "export", tmp_path / "ledger.jsonl")
    verified = bank.run("audit", "verify", tmp_path / "ledger.jsonl")
    text = (tmp_path / "ledger.jsonl").read_text()
    lines = [found["line"] for found in map(json.loads, text.splitlines()) if "line" in found]
    noted = {(line["principal"], line["act"]) for line in lines}

    assert (at_first, denied, in_emergency) == (True, False, True)
    assert explained.status == 1
    assert "deny by consent" in explained.out
    assert (opened.status_code, reviewed.status_code, not_hers.status_code) == (201, 204, 403)
    assert waiting["reason"] == REASON
    assert {
        ("officer", "decided"),
        ("Dr Varga", "searched"),
        ("Dr Varga", "opened in an emergency"),
        ("Dr Varga", "viewed"),
        ("officer", "reviewed"),
    } <= noted
    assert (exported.status, verified.status) == (0, 0)
    assert "Nora" not in text
    assert "NAY" not in text
