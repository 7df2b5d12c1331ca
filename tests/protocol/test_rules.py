"""The site's rules as other software meets them: by C-STORE, by STOW-RS, by REST, and as what is sent on."""

from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest
from pydicom import dcmread

from bank import a_token, bearer, serving
from imagebank.actions import deeds
from imagebank.dimse.routing import deliver_routes
from imagebank.errors import NotFound, Unavailable
from imagebank.model.access import Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file
from protocol.dicomweb_site import DICOM, a_body
from protocol.dimse_peers import Site, a_destination, a_site, associate, register
from rulesets import write_rules

CT = "1.2.840.10008.5.1.4.1.1.2"
OURS = Scope.of("local")
RULES = """
[[rule]]
name = "No phantoms"
when = 'header.PatientID.startsWith("PHANTOM")'
[[rule.do]]
action = "refuse"
reason = "it is a phantom"

[[rule]]
name = "Accession"
[[rule.do]]
action = "require"
tags = ["AccessionNumber"]

[[rule]]
name = "Department of the device"
sources = ["CT-ER-*"]
when = 'source.aet == "CT-ER-1"'
[[rule.do]]
action = "set"
tag = "InstitutionalDepartmentName"
value = "Emergency"
[[rule.do]]
action = "route"
to = "DEST"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("rules")) as found:
        register(found, "CT-ER-1")
        register(found, "DEST")
        write_rules(found.bank, RULES)
        found.bank.rules.current()
        yield found


@pytest.fixture(scope="module")
def http(site: Site) -> Iterator[httpx.Client]:
    with (
        serving(site.bank) as url,
        httpx.Client(base_url=url, headers=bearer(a_token(site.bank)), timeout=60) as client,
    ):
        yield client


def test_c_store_is_answered_in_its_own_words(site: Site) -> None:
    changed, untouched = a_dataset(), a_dataset()
    refused, held = a_dataset(PatientID="PHANTOM1"), a_dataset(AccessionNumber="")
    for ds in (changed, untouched, refused, held):
        as_file(ds)
    emergency, other = associate(site, CT, aet="CT-ER-1"), associate(site, CT, aet="TESTER")
    try:
        first, again = emergency.send_c_store(changed), emergency.send_c_store(changed)
        plain, no, aside = (other.send_c_store(ds) for ds in (untouched, refused, held))
    finally:
        emergency.release()
        other.release()

    # PS3.4 table B.2-1: coercion of data elements is a warning; the object is kept.
    assert (first.Status, again.Status) == (0xB000, 0xB000)
    assert first.ErrorComment.startswith("rule ?Department of the device? set InstitutionalDepart")
    assert plain.Status == 0x0000
    assert (no.Status, no.ErrorComment) == (0x0124, "rule ?No phantoms?: it is a phantom")
    assert aside.Status == 0x0111
    (kept,) = site.bank.index.instances(Selection(instance=Uid(changed.SOPInstanceUID)), OURS)
    assert dcmread(BytesIO(site.bank.blobs.read(kept.location))).InstitutionalDepartmentName == "Emergency"
    assert not site.bank.index.instances(Selection(instance=Uid(refused.SOPInstanceUID)), OURS)


def test_what_a_rule_routes_arrives_at_the_device_once(site: Site) -> None:
    ds, study = a_dataset(), {}
    as_file(ds)
    study = {"device": "DEST", "study": ds.StudyInstanceUID, "organization": "local"}
    association = associate(site, CT, aet="CT-ER-1")
    association.send_c_store(ds)
    association.release()
    with a_destination(statuses=[0xA700]) as received:
        register(site, "DEST", received.port)
        with pytest.raises(Unavailable, match=r"device DEST did not take 1 objects: status 0xa700"):
            deliver_routes(site.bank, study)
        deliver_routes(site.bank, study)
        deliver_routes(site.bank, study)

    assert [uid for uid, _, _ in received.objects].count(ds.SOPInstanceUID) == 2
    assert site.bank.index.rules.routed("DEST", Uid(ds.StudyInstanceUID)) == []


def test_a_device_that_does_not_answer_is_tried_again(site: Site) -> None:
    ds = a_dataset()
    as_file(ds)
    association = associate(site, CT, aet="CT-ER-1")
    association.send_c_store(ds)
    association.release()
    study = {"device": "DEST", "study": ds.StudyInstanceUID, "organization": "local"}
    register(site, "DEST", 1)

    with pytest.raises(Unavailable):
        deliver_routes(site.bank, study)
    with pytest.raises(NotFound):
        deeds.due(site.bank, study | {"device": "GONE"})
    assert site.bank.index.rules.routed("DEST", Uid(ds.StudyInstanceUID)) == [ds.SOPInstanceUID]


def test_stow_tells_of_coercion_refusal_and_quarantine(site: Site, http: httpx.Client) -> None:
    write_rules(site.bank, RULES.replace('sources = ["CT-ER-*"]', "").replace('source.aet == "CT-ER-1"', "true"))
    files = [a_file(), a_file(PatientID="PHANTOM1"), a_file(AccessionNumber="")]

    answer = http.post(
        "/dicom-web/studies",
        content=a_body(*files),
        headers={"Content-Type": f"{DICOM}; boundary=test-boundary", "Accept": "application/dicom+json"},
    )

    assert answer.status_code == 202
    module = answer.json()
    (kept,) = module["00081199"]["Value"]
    assert kept["00081196"]["Value"] == [0xB000]  # PS3.18 table I.2-1
    assert "rule “Department of the device” set InstitutionalDepartmentName" in kept["00091001"]["Value"][0]
    assert [one["00081197"]["Value"][0] for one in module["00081198"]["Value"]] == [0x0124, 0x0111]
    write_rules(site.bank, RULES)


def test_a_deposit_by_rest_says_which_rule_did_what(http: httpx.Client) -> None:
    answer = http.post("/api/v1/deposits", files=[("file", ("a.dcm", a_file(PatientID="PHANTOM2")))])

    (outcome,) = answer.json()["outcomes"]
    assert (outcome["outcome"], outcome["rule"]) == ("refused", "No phantoms")
    assert outcome["error"]["message"] == "rule “No phantoms”: it is a phantom"


def test_rules_are_read_tried_and_switched_on_by_rest(site: Site, http: httpx.Client) -> None:
    there = http.get("/api/v1/rules").json()
    assert there["text"] == RULES
    assert [one["name"] for one in there["rules"]] == ["No phantoms", "Accession", "Department of the device"]

    wrong = http.post("/api/v1/rules/try", json={"text": RULES.replace("refuse", "refuze")}).json()
    assert wrong == {
        "faults": [{"line": 6, "words": "there is no action refuze; did you mean refuse?"}],
        "report": None,
    }
    in_force = http.post("/api/v1/rules/try", json={}).json()["report"]
    assert in_force["looked_at"] > 0
    new = RULES + '\n[[rule]]\nname = "T"\n[[rule.do]]\naction = "map"\ntag = "StationName"\ntable = "t"\n'
    new = '[tables.t]\nfile = "t.csv"\n' + new
    tables = {"t.csv": "A,B\n"}
    assert http.put("/api/v1/rules", json={"text": new}).status_code == 400
    made = http.put("/api/v1/rules", json={"text": new, "tables": tables})
    assert made.status_code == 200
    number = made.json()["number"]
    assert http.get("/api/v1/rules").json()["tables"] == tables
    versions = http.get("/api/v1/rules/versions").json()["versions"]
    assert versions[0]["number"] == number
    assert http.get(f"/api/v1/rules/versions/{number}").json()["text"] == new
    for address in (f"/api/v1/rules/versions/{number + 1}", "/api/v1/rules/versions/x"):
        assert http.get(address).status_code == 404
    assert http.post("/api/v1/rules/try", json={"since": "soon"}).status_code == 400
    assert http.put("/api/v1/rules", json={"text": RULES}).status_code == 200


def test_rules_are_for_admins(site: Site, http: httpx.Client) -> None:
    headers = bearer(a_token(site.bank, Role.CLINICIAN))
    asked = [
        http.get("/api/v1/rules", headers=headers),
        http.put("/api/v1/rules", json={"text": ""}, headers=headers),
        http.post("/api/v1/rules/try", json={}, headers=headers),
        http.get("/api/v1/rules/versions", headers=headers),
        http.get("/api/v1/rules/versions/1", headers=headers),
    ]

    assert [answer.status_code for answer in asked] == [403] * 5
