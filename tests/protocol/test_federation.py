"""What a third party's archive holds of a person is told among the priors, and is fetched from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bank import a_token, bearer, free_port, keep, open_test_bank
from imagebank.actions import devices
from imagebank.app import asking_work, recalling_work, web_application
from imagebank.bank import Bank
from imagebank.dimse.server import start
from imagebank.model.access import Device, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.worker import step
from make import a_file
from protocol.orthanc_peer import TITLE, Orthanc, an_orthanc
from unit.portal.browsing import Browser

ALL = Scope(None)
ADA, ADA_THERE = PatientId("local", "ADA"), PatientId("harbour", "H7")
ABOUT = {"PatientName": "Lovelace^Ada", "StudyDescription": "CT HEAD", "BodyPartExamined": "", "Modality": "CT"}
ARCHIVE = "[[archive]]\nname = 'Harbour'\norganization = 'local'\nissuer = 'harbour'\n"


def files(study: str, patient: str, count: int = 3, date: str = "20260101") -> list[bytes]:
    uids = [{"SeriesInstanceUID": f"{study}.{n % 2}", "SOPInstanceUID": f"{study}.{n % 2}.{n}"} for n in range(count)]
    return [a_file(PatientID=patient, StudyInstanceUID=study, StudyDate=date, **ABOUT, **one) for one in uids]


@dataclass
class Site:
    bank: Bank
    orthanc: Orthanc
    token: str

    def priors(self) -> list[dict[str, Any]]:
        found = Browser(web_application(self.bank)).get("/api/v1/studies/1.1/priors", bearer(self.token))
        assert found.status_code == 200, found.text
        return list(found.json()["priors"])

    def work(self) -> None:
        while step(self.bank, {**asking_work(), **recalling_work()}):
            pass


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, int]]:
    """Orthanc with two studies of Ada, whom it knows by another identifier, and one of somebody else."""
    ours, theirs = free_port(), free_port()
    folder = tmp_path_factory.mktemp("federation") / "orthanc"
    known = {"bank_title": "IMAGEBANK", "bank_port": ours, "bank_url": "http://127.0.0.1:1", "token": "t"}
    with an_orthanc(folder, port=theirs, **known) as orthanc:  # type: ignore[arg-type] # by their names
        for study, patient in (("2.1", "H7"), ("2.2", "H7"), ("2.3", "H8")):
            for file in files(study, patient):
                orthanc.put(file)
        yield orthanc, ours


def a_site(orthanc: Orthanc, bank: Bank, role: Role = Role.CLINICIAN) -> Site:
    keep(bank, a_file(PatientID="ADA", StudyInstanceUID="1.1", StudyDate="20260115", **ABOUT))
    with bank.index.begin() as tx:
        for one in (ADA, ADA_THERE):
            tx.persons.put_identity(Identity(one, own=one.identifier), [])
            tx.persons.move(one, "ada")
    return Site(bank, orthanc, a_token(bank, role))


@pytest.fixture
def by_web(peer: tuple[Orthanc, int], tmp_path: Path) -> Iterator[Site]:
    orthanc, _ = peer
    file = tmp_path / "archives.toml"
    file.write_text(f"{ARCHIVE}url = '{orthanc.http.base_url}/dicom-web'\n", "utf-8")
    with open_test_bank(tmp_path, archives_file=file) as bank:
        yield a_site(orthanc, bank)


def fetched(site: Site) -> None:
    assert site.priors() == []
    site.work()
    found = {one["study"]: one for one in site.priors()}
    assert set(found) == {"2.1", "2.2"}
    assert (found["2.1"]["archive"], found["2.1"]["modalities"]) == ("Harbour", ["CT"])
    assert "same region" in found["2.1"]["reasons"]

    browser, wanted = Browser(web_application(site.bank)), {"archive": "Harbour", "study": "2.1"}
    asked = browser.ask("POST", "/api/v1/archives/fetches", bearer(site.token), json=wanted)
    site.work()
    done = browser.get("/api/v1/archives/Harbour/studies/2.1/fetch", bearer(site.token)).json()
    assert asked.status_code == 202
    assert (done["state"], done["kept"], done["total"], done["reason"]) == ("done", 3, 3, "")
    held = site.bank.index.instances(Selection(), ALL)
    assert {(one.study, one.patient) for one in held} == {("1.1", ADA), ("2.1", ADA_THERE)}
    assert {one["study"]: one["archive"] for one in site.priors()} == {"2.1": "", "2.2": "Harbour"}
    told = [(one.act, one.detail) for one in site.bank.index.events(ALL, 100)]
    assert (Act.SEARCHED, "archive Harbour: asked what it holds") in told
    assert (Act.DECIDED, "archive Harbour: fetch done, 3 of 3") in told


def test_priors_of_another_archive_are_told_and_fetched_by_dicomweb(by_web: Site) -> None:
    fetched(by_web)


@pytest.fixture
def by_dimse(peer: tuple[Orthanc, int], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    orthanc, ours = peer
    # By C-MOVE objects come as the device's own organization's.
    text, owner, role = ARCHIVE, "local", Role.CLINICIAN
    if request.param == "move":
        text, owner, role = ARCHIVE.replace("'local'", "'harbour'"), "harbour", Role.ADMIN
    file = tmp_path / "archives.toml"
    file.write_text(f"{text}device = '{TITLE}'\nretrieve = '{request.param}'\n", "utf-8")
    with open_test_bank(tmp_path, archives_file=file) as bank:
        rights = frozenset({Right.STORE}) if request.param == "move" else frozenset({Right.FIND})
        devices.add(bank, Device(TITLE, "127.0.0.1", orthanc.dicom_port, tls=False, rights=rights, organization=owner))
        server = start(bank, "127.0.0.1", ours)
        try:
            yield a_site(orthanc, bank, role)
        finally:
            server.stop(5)


@pytest.mark.parametrize("by_dimse", ["get", "move"], indirect=True)
def test_priors_of_another_archive_are_told_and_fetched_by_dimse(by_dimse: Site) -> None:
    fetched(by_dimse)
