"""A hospital's day: an exam is ordered, planned, done, reported and read, each by the system that does it there."""

import re
import subprocess
from pathlib import Path

from bank import free_port
from hl7 import HOST, adt, calling, code, omi, oru, pid
from make import a_file
from running import Running, running_bank

PATIENT = pid("4711", "Kovács^Anna", "19610412")
STUDY = "1.2.826.0.1.4711"
ORDERED = f"IPC|ACC4711|RP1|{STUDY}|SPS1|CT|HEAD^Head native^LOCAL|CT ROOM|R1^Room 1|CT1"


def findscu(bank: Running, *keys: str) -> str:
    given = [part for key in keys for part in ("-k", key)]
    command = ["findscu", "-W", "-aet", "CT1", "-aec", "IMAGEBANK", HOST, str(bank.dimse_port), *given]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return answer.stdout + answer.stderr


def storescu(bank: Running, path: Path) -> None:
    command = ["storescu", "-aet", "CT1", "-aec", "IMAGEBANK", HOST, str(bank.dimse_port), str(path)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)


def test_an_exam_is_ordered_planned_done_reported_and_read(tmp_path: Path) -> None:
    port = free_port()
    with running_bank(tmp_path, mllp=f"{HOST}:{port}") as bank:
        with calling(port) as hospital:
            admitted = code(hospital.send(adt("A01", "PV1|1|I|ICU^1^2", patient=PATIENT, sender="HIS|NORTH")))
            ordered = code(hospital.send(omi(patient=PATIENT, ipc=[ORDERED])))
            planned = findscu(bank, "PatientName", "AccessionNumber", "StudyInstanceUID", "(0040,0100)[0].Modality=CT")
            picture = tmp_path / "picture.dcm"
            picture.write_bytes(
                a_file(PatientID="4711", PatientName="Kovács^Anna", StudyInstanceUID=STUDY, AccessionNumber="ACC4711")
            )
            storescu(bank, picture)
            done = code(hospital.send(omi("CM", patient=PATIENT, ipc=[ORDERED], at="20260301150000")))
            left = findscu(bank, "PatientName", "AccessionNumber")
            reported = code(hospital.send(oru(accession="ACC4711", patient=PATIENT)))
        with bank.http() as reader:
            (report,) = reader.get(f"/api/v1/studies/{STUDY}/reports").json()["reports"]
        said = bank.said()

    assert [admitted, ordered, done, reported] == ["AA"] * 4
    assert re.search(r"SH \[ACC4711\s*\]", planned)
    assert f"[{STUDY}" in planned
    assert "ACC4711" not in left
    assert report["parts"][0]["text"] == "No bleeding."
    assert "4711" not in said.replace(f":{port}", "")
    assert "Anna" not in said
