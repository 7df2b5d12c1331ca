"""What six departments and a disc from elsewhere have of one patient comes in by REST, upload, command and C-STORE.

It is found by one search, stands in one timeline, and is had back as it came: no image is left behind.
"""

import base64
import io
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from PIL import Image

from make import a_file, read
from running import HOST, Running, running_bank
from samples import sample_data

PATIENT = {"patient_id": "4711", "patient_name": "Kovács^Anna", "birth_date": "1961-04-12", "sex": "F"}
_WAIT_S = 60.0


def sample(path: str) -> bytes:
    return (sample_data() / "non-dicom" / path).read_bytes()


def ophthalmologist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A pair of JPEGs from the fundus camera, by REST."""
    right, left = sample("jpeg/fundus-retina.jpg"), _mirrored(sample("jpeg/fundus-retina.jpg"))
    for side, photo in (("R", right), ("L", left)):
        said = PATIENT | {"department": "ophthalmology", "body_part": "RETINA", "laterality": side}
        answer = http.post("/api/v1/deposits", data=said, files={"file": (f"fundus-{side}.jpg", photo)})
        assert answer.status_code == 200, answer.text
    return {"fundus-R.jpg": right, "fundus-L.jpg": left}


def _mirrored(photo: bytes) -> bytes:
    with Image.open(io.BytesIO(photo)) as image, io.BytesIO() as stream:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(stream, "JPEG")
        return stream.getvalue()


def dentist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A panoramic picture with 16 bits, from the command line."""
    panoramic = folder / "panoramic.png"
    panoramic.write_bytes(sample("png/dental-panoramic-16bit.png"))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in PATIENT.items()]
    said = bank.run("import", *options, "--department", "dental", "--description", "Panoramic", panoramic)
    assert said.status == 0, said.err
    return {"panoramic.png": panoramic.read_bytes()}


def cardiologist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A film of the heart, by an upload that breaks off and goes on."""
    film = sample("mp4/echo-cardiac.mp4")
    said = PATIENT | {"department": "cardiology", "body_part": "HEART", "filename": "echo.mp4"}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
    begun = http.post("/api/v1/uploads", headers={"Upload-Length": str(len(film)), "Upload-Metadata": metadata})
    address = begun.headers["location"]
    for start, end in ((0, 100_000), (100_000, len(film))):
        sent = {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        assert http.patch(address, content=film[start:end], headers=sent).status_code == 204
    assert http.post(f"{address}/deposit").status_code == 200
    return {"echo.mp4": film}


def dermatologist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A photograph from a phone that was held on its side, in a folder that is brought in."""
    photo = folder / "phone" / "IMG_0001.jpg"
    photo.parent.mkdir()
    photo.write_bytes(sample("jpeg/chest-photo-exif-rotated-gps.jpg"))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in PATIENT.items()]
    said = bank.run("import", *options, "--department", "dermatology", "--body-part", "skin", photo.parent)
    assert said.status == 0, said.err
    return {"IMG_0001.jpg": photo.read_bytes()}


def pathologist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A report as PDF, by REST."""
    report = sample("pdf/ecg-12-lead-report.pdf")
    said = PATIENT | {"department": "pathology", "description": "Histology"}
    answer = http.post("/api/v1/deposits", data=said, files={"file": ("report.pdf", report)})
    assert answer.status_code == 200, answer.text
    return {"report.pdf": report}


def radiologist(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A CT slice as it is, by C-STORE."""
    ct = folder / "ct.dcm"
    ct.write_bytes(a_file(PatientID="4711", PatientName="Kovács^Anna", Modality="CT", StudyDescription="Head"))
    command = ["storescu", "-aec", "IMAGEBANK", HOST, str(bank.dimse_port), str(ct)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    return {}


def elsewhere(bank: Running, http: httpx.Client, folder: Path) -> dict[str, bytes]:
    """A disc of another hospital, with its own identifiers; somebody says in the queue whose it is."""
    disc, candidate = folder / "disc", {"issuer": "local", "identifier": "4711"}
    disc.mkdir()
    mr = a_file(PatientID="E99", PatientName="Kovács^Anna", PatientBirthDate="19610412", Modality="MR", StudyID="1")
    (disc / "IM1").write_bytes(mr)
    command = ["dcmmkdir", "+id", str(disc), "+D", str(disc / "DICOMDIR"), "-Pfl", "-W", "IM1"]
    subprocess.run(command, cwd=disc, capture_output=True, timeout=60, check=True)
    said = bank.run("import", "--hospital", "St. Elsewhere", disc)
    assert said.status == 0, said.err
    (task,) = http.get("/api/v1/queue", params={"kind": "media"}).json()["tasks"]
    assert _until(lambda: candidate in _candidates(http, task["id"])), (
        "the bank knows the patient by name and birth date"
    )
    answer = http.post(f"/api/v1/queue/{task['id']}/identify", json={"patient": candidate})
    assert answer.status_code == 200, answer.text
    versions = f"/api/v1/instances/{read(mr).SOPInstanceUID}/versions"
    (first, _) = http.get(versions).json()["versions"]
    back = http.get(f"{versions}/{first['number']}")
    assert back.content == mr
    return {}


def _candidates(http: httpx.Client, task: str) -> list[dict[str, str]]:
    found = http.get(f"/api/v1/queue/{task}").json()["candidates"]
    return [{name: one[name] for name in ("issuer", "identifier")} for one in found]


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _WAIT_S
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


DEPARTMENTS: list[Callable[[Running, httpx.Client, Path], dict[str, bytes]]] = [
    ophthalmologist,
    dentist,
    cardiologist,
    dermatologist,
    pathologist,
    radiologist,
    elsewhere,
]


def found(http: httpx.Client, words: str, count: int) -> list[dict[str, object]]:
    """What one search finds, once the worker has seen all of it."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        hits: list[dict[str, object]] = http.get("/api/v1/search", params={"q": words}).json()["studies"]
        if len(hits) >= count:
            return hits
        time.sleep(0.5)
    raise AssertionError(f"{len(hits)} of {count} studies are found")


def test_what_departments_and_a_disc_have_is_found_by_one_search_and_had_back_as_it_came(tmp_path: Path) -> None:
    with running_bank(tmp_path) as bank, bank.http() as http:
        files: dict[str, bytes] = {}
        for department in DEPARTMENTS:
            files |= department(bank, http, tmp_path)
        hits = found(http, "kovacs anna", len(DEPARTMENTS))
        instances = http.get("/dicom-web/instances", params={"PatientID": "4711", "includefield": "all"}).json()
        timeline = http.get(f"/api/v1/studies/{instances[0]['0020000D']['Value'][0]}/timeline").json()
        back = {}
        for one in instances:
            study, series, uid = (one[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
            answer = http.get(f"/studies/{study}/series/{series}/instances/{uid}/file")
            if answer.status_code == 200:
                back[answer.headers["content-disposition"].partition("''")[2]] = answer.content
        said = bank.said()

    assert len(hits) == len(DEPARTMENTS)
    assert len(instances) == len(DEPARTMENTS) + 1
    assert {one["study"] for one in timeline["studies"]} == {one["study"] for one in hits}
    assert back == files
    assert "4711" not in said
    assert "Anna" not in said
