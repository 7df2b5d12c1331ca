"""Corrections as other programs meet them: by REST, and in what C-GET and WADO-RS give afterwards."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
)

from bank import a_token, bearer, keep
from imagebank.model.access import Role
from make import a_file, a_series, read
from protocol.dimse_peers import HOST
from protocol.whole_site import Site, a_site

ATTRIBUTES = {"PatientName": "Díaz^Ana=田中^花子", "PatientID": {"vr": "LO", "Value": ["4711"]}, "StudyID": None}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("corrections")) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    token = a_token(site.bank, Role.TECHNOLOGIST, name="tech")
    with httpx.Client(base_url=site.url, headers=bearer(token), timeout=60) as http:
        yield http


def path_of(file: bytes) -> str:
    return f"/api/v1/studies/{read(file).StudyInstanceUID}/corrections"


def posted(client: httpx.Client, path: str, status: int = 201, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_correction_is_tried_made_listed_and_undone(site: Site, client: httpx.Client) -> None:
    first, second = a_series(2)
    keep(site.bank, first, second)
    seen = posted(client, path_of(first), 200, attributes=ATTRIBUTES, dry_run=True)
    made = posted(client, path_of(first), attributes=ATTRIBUTES, reason="of somebody else")
    undone = posted(client, f"{path_of(first)}/{made['id']}/undo", reason="it was not")
    listed = client.get(path_of(first)).json()["corrections"]

    assert (seen["count"], seen["total"], seen["attributes"]) == (2, 2, made["attributes"])
    assert [one["keyword"] for one in made["attributes"]] == ["PatientName", "PatientID", "StudyID"]
    assert made["attributes"][2]["after"] == [None]
    assert (made["state"], made["by"], made["reason"]) == ("done", "tech", "of somebody else")
    assert [one["id"] for one in listed] == [undone["id"], made["id"]]
    assert undone["undoes"] == made["id"]


def test_former_versions_are_had_back(site: Site, client: httpx.Client) -> None:
    file = a_file()
    keep(site.bank, file)
    made = posted(client, path_of(file), attributes=ATTRIBUTES, reason="of somebody else")
    path = f"/api/v1/instances/{read(file).SOPInstanceUID}/versions"
    first, second = client.get(path).json()["versions"]
    answer = client.get(f"{path}/1")

    assert (first["superseded_by"], second["superseded_by"]) == (made["id"], "")
    assert answer.content == file
    assert answer.headers["content-type"] == "application/dicom"
    assert [client.get(f"{path}/{number}").status_code for number in ("0", "3", "x", "9" * 10)] == [404] * 4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"attributes": {}, "reason": "none"}, 400),
        ({"attributes": {"Rows": None}, "reason": "none"}, 400),
        ({"attributes": {"PatientName": 7}, "reason": "none"}, 400),
        ({"attributes": {"PatientSex": "female and very long"}, "reason": "none"}, 400),
        ({"attributes": {"NoSuch": "x"}, "reason": "none"}, 400),
        ({"attributes": {"PatientName": "A"}, "reason": ""}, 400),
        ({"attributes": {"PatientName": "A"}, "reason": "r", "series": "1.2.3"}, 404),
    ],
)
def test_what_is_no_correction_is_refused(site: Site, client: httpx.Client, body: dict[str, Any], status: int) -> None:
    file = a_file()
    keep(site.bank, file)

    assert client.post(path_of(file), json=body).status_code == status
    assert client.get(path_of(file)).json() == {"corrections": []}


def got(site: Site, study: str) -> list[Dataset]:
    """What a device gets of a study by C-GET."""
    objects: list[Dataset] = []
    ae = AE("TESTER")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    ae.add_requested_context(CTImageStorage)

    def store(event: evt.Event) -> int:
        objects.append(event.dataset)
        return 0

    role = build_role(CTImageStorage, scp_role=True)
    handlers: list[Any] = [(evt.EVT_C_STORE, store)]
    association = ae.associate(HOST, site.dimse.port, ext_neg=[role], evt_handlers=handlers, ae_title="IMAGEBANK")
    assert association.is_established
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study
    statuses = [
        status.Status for status, _ in association.send_c_get(identifier, StudyRootQueryRetrieveInformationModelGet)
    ]
    association.release()
    assert statuses[-1] == 0
    return objects


def test_c_get_and_wado_give_the_corrected_object_with_what_it_was(site: Site, client: httpx.Client) -> None:
    file = a_file()
    before = read(file)
    keep(site.bank, file)
    posted(client, path_of(file), attributes=ATTRIBUTES, reason="of somebody else")
    (by_dimse,) = got(site, before.StudyInstanceUID)
    instance = f"/dicom-web/studies/{before.StudyInstanceUID}/series/{before.SeriesInstanceUID}/instances/{before.SOPInstanceUID}"
    (metadata,) = client.get(f"{instance}/metadata", headers={"Accept": "application/dicom+json"}).json()
    frame = client.get(f"{instance}/frames/1", headers={"Accept": "multipart/related; type=application/octet-stream"})
    (found,) = client.get(
        "/dicom-web/studies", params={"PatientID": "4711", "StudyInstanceUID": before.StudyInstanceUID}
    ).json()
    former = by_dimse.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]

    assert (str(by_dimse.PatientName), by_dimse.PatientID) == ("Díaz^Ana=田中^花子", "4711")
    assert (former.PatientName, former.PatientID, former.StudyID) == ("Doe^Jane", "P1", "S1")
    assert by_dimse.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "CORRECT"
    assert by_dimse.PixelData == before.PixelData
    assert metadata["00100020"]["Value"] == ["4711"]
    assert metadata["04000561"]["Value"][0]["04000550"]["Value"][0]["00100020"]["Value"] == ["P1"]
    assert before.PixelData in frame.content
    assert found["00100010"]["Value"] == [{"Alphabetic": "Díaz^Ana", "Ideographic": "田中^花子"}]
