"""FHIR R4 over the bank: whose studies, what they are, where their images are, and what was reported of them."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import fhirkit
import httpx
import pytest
from pydicom.uid import EncapsulatedPDFStorage, generate_uid

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import hearing, outlining, persons, reporting, reports
from imagebank.bank import Bank
from imagebank.fhir.capabilities import RESOURCES
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.outline import Held
from imagebank.model.person import PatientId
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file, read
from make_pdf import a_pdf

ADMIN: Final = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
PDF: Final = a_pdf()
_NO_PIXELS: Final[dict[str, Any]] = dict.fromkeys(
    [
        *("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
        *("PixelRepresentation", "PhotometricInterpretation", "SamplesPerPixel"),
    ]
)
REQUIRED: Final = {
    ("ImagingStudy", "status"): {"registered", "available", "cancelled", "entered-in-error", "unknown"},
    ("Endpoint", "status"): {"active", "suspended", "error", "off", "entered-in-error", "test"},
    ("DiagnosticReport", "status"): {"registered", "partial", "preliminary", "final", "amended", "corrected"},
    ("DocumentReference", "status"): {"current", "superseded", "entered-in-error"},
    ("Patient", "gender"): {"male", "female", "other", "unknown"},
}
"""Codes of required bindings; a validator that knows structures alone does not look at them."""


@dataclass
class Site:
    bank: Bank
    url: str
    http: httpx.Client
    doctor: str
    head: str
    knee: str
    stranger: str
    pdf: str

    def get(self, path: str, token: str = "", params: Any = None, **headers: str) -> httpx.Response:
        return self.http.get(f"/fhir/{path}", params=params, headers=bearer(token or self.doctor) | headers)

    def found(self, kind: str, params: Any = None, token: str = "") -> list[dict[str, Any]]:
        answer = self.get(kind, token, params)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert [str(issue) for issue in fhirkit.validate(bundle)] == []
        resources = [one["resource"] for one in bundle.get("entry", [])]
        for one in resources:
            for (of, name), codes in REQUIRED.items():
                assert one["resourceType"] != of or one.get(name) is None or one[name] in codes
        return resources

    def ada(self, **params: str) -> dict[str, str]:
        return {"patient.identifier": "urn:imagebank:issuer:north|ADA", **params}

    def ids(self, kind: str, params: Any) -> list[str]:
        return [one["id"] for one in self.found(kind, params) if one["resourceType"] == kind]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Ada's CT and her document in north, her knee in north under another number, and a study of south."""
    with (
        open_test_bank(tmp_path_factory.mktemp("fhir"), organization="north") as bank,
        serving(bank) as url,
        httpx.Client(base_url=url) as http,
    ):
        north, south = replace(SOURCE, organization="north"), replace(SOURCE, organization="south")
        about: dict[str, Any] = {
            "PatientID": "ADA",
            "PatientName": "Lovelace^Ada^^Dr",
            "StudyInstanceUID": generate_uid(),
        }
        head = [a_file(**about, AccessionNumber="A7", BodyPartExamined="HEAD", Laterality="L") for _ in range(2)]
        document = a_dataset(
            **about,
            SOPClassUID=EncapsulatedPDFStorage,
            Modality="DOC",
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocument=PDF,
            **_NO_PIXELS,
        )
        knee = a_file(
            PatientID="ADA2", PatientName="Lovelace^Ada", Modality="MR", StudyDate="20250607", AccessionNumber="A8",
            TimezoneOffsetFromUTC="+0200",
        )  # fmt: skip
        other = a_file(PatientID="EVE", PatientName="Secret^Eve")
        keep(bank, *head, as_file(document), knee, source=north)
        keep(bank, other, source=south)
        uids = [str(read(one).StudyInstanceUID) for one in (head[0], knee, other)]
        for uid in uids:
            hearing.hear_job(bank, {"study": uid})
        ada, two = PatientId("north", "ADA"), PatientId("north", "ADA2")
        persons.link(bank, ADMIN, two, ada, why="the same woman")
        first = Report("north", ada, bank.now(), "P", "R1", study=Uid(uids[0]))
        words = Body("CT head", "Dr Varga", (Part("text/plain", b"No bleed"), Part("application/pdf", PDF, "As PDF")))
        reports.keep(bank, first, replace(words, parts=words.parts[:1]), "RIS")
        reports.keep(bank, replace(first, status="F"), words, "RIS")
        eve = Report("south", PatientId("south", "EVE"), bank.now(), "F", "R9", study=Uid(uids[2]))
        reports.keep(bank, eve, words, "RIS")
        doctor = a_token(bank, Role.CLINICIAN, name="Dr Varga", organization="north")
        head_uid, knee_uid, other_uid = uids
        yield Site(bank, url, http, doctor, head_uid, knee_uid, other_uid, str(document.SOPInstanceUID))


def test_a_study_is_told_with_series_instances_and_where_its_images_are(site: Site) -> None:
    study, endpoint = site.found("ImagingStudy", site.ada(_id=site.head, _include="ImagingStudy:endpoint"))
    by_modality = {one["modality"]["code"]: one for one in study["series"]}

    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{site.head}"}
    assert study["identifier"][1]["value"] == "A7"
    assert (study["status"], study["started"], study["description"]) == ("available", "2026-01-02", "CT head")
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (3, 3)
    assert by_modality["CT"]["bodySite"] == {"display": "HEAD"}
    assert by_modality["CT"]["laterality"]["code"] == "7771000"
    assert by_modality["DOC"]["instance"][0]["uid"] == site.pdf
    assert study["subject"]["identifier"]["value"] == "ADA"
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert endpoint["extension"][0]["valueBoolean"] is True
    assert endpoint["address"] == f"{site.url}/dicom-web"


def test_the_same_token_gets_the_images_at_the_endpoint(site: Site) -> None:
    endpoint = site.get("Endpoint/dicom-web").json()
    accept = "multipart/related; type=application/dicom; transfer-syntax=*"
    answer = site.http.get(
        f"{endpoint['address']}/studies/{site.head}", headers=bearer(site.doctor) | {"Accept": accept}
    )

    assert answer.status_code == 200
    assert answer.content.count(b"DICM") == 3


def test_a_patient_has_the_studies_of_all_linked_records(site: Site) -> None:
    (ada,) = site.found("Patient", {"identifier": "urn:imagebank:issuer:north|ADA"})
    (other,) = [one["other"]["reference"] for one in ada["link"]]

    assert site.ids("ImagingStudy", {"patient": ada["id"]}) == [site.head, site.knee]
    assert site.ids("ImagingStudy", {"patient": other}) == [site.head, site.knee]
    assert site.ids("ImagingStudy", site.ada()) == [site.head, site.knee]
    assert ada["name"] == [{"family": "Lovelace", "given": ["Ada"], "prefix": ["Dr"]}]
    assert (ada["gender"], ada["birthDate"]) == ("female", "1970-01-01")
    assert site.get(f"Patient/{ada['id']}").json() == ada
    assert "ADA" not in ada["id"]


def test_studies_are_found_by_each_parameter(site: Site) -> None:
    (knee,) = site.found("ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{site.knee}"})

    assert knee["started"] == "2025-06-07T10:15:00+02:00"
    for params, expected in [
        ({"identifier": "A8"}, [site.knee]),
        ({"identifier": f"urn:oid:{site.knee}"}, [site.knee]),
        ({"modality": "MR"}, [site.knee]),
        ({"modality": "http://dicom.nema.org/resources/ontology/DCM|CT,MR"}, [site.head, site.knee]),
        ({"started": "2025"}, [site.knee]),
        ({"started": "gt2025-06-07"}, [site.head]),
        ([("started", "ge2025-06-07"), ("started", "le2025-06-07")], [site.knee]),
        ({"_lastUpdated": "gt2020-01-01"}, [site.head, site.knee]),
        ({"_lastUpdated": "lt2020-01-01"}, []),
        ({"status": "available"}, [site.head, site.knee]),
        ({"status": "cancelled"}, []),
        ({"unknown": "x"}, [site.head, site.knee]),
        ({"patient": "nobody"}, []),
        ({"identifier": f"urn:oid:{site.stranger}"}, []),
    ]:
        assert site.ids("ImagingStudy", params) == expected, params


def test_a_search_by_form_and_its_pages(site: Site) -> None:
    address = "/fhir/ImagingStudy/_search"
    pages = [site.http.post(address, data={"_count": "1"}, headers=bearer(site.doctor)).json()]
    while following := [link["url"] for link in pages[-1]["link"] if link["relation"] == "next"]:
        pages.append(site.http.get(following[0], headers=bearer(site.doctor)).json())

    assert [[one["resource"]["id"] for one in page["entry"]] for page in pages] == [[site.head], [site.knee]]


def test_a_report_is_told_once_in_its_newest_version(site: Site) -> None:
    (report,) = site.found("DiagnosticReport", site.ada())
    text, pdf = report["presentedForm"]

    assert (report["status"], report["meta"]["versionId"]) == ("final", "2")
    assert report["imagingStudy"] == [{"reference": f"ImagingStudy/{site.head}"}]
    assert report["resultsInterpreter"] == [{"display": "Dr Varga"}]
    assert b64decode(text["data"]) == b"No bleed"
    assert site.http.get(pdf["url"], headers=bearer(site.doctor)).content == PDF
    binary = site.http.get(pdf["url"], headers=bearer(site.doctor) | {"Accept": "application/fhir+json"}).json()
    assert (binary["contentType"], b64decode(binary["data"])) == ("application/pdf", PDF)
    assert site.get(f"DiagnosticReport/{report['id']}").json() == report
    assert site.ids("DiagnosticReport", site.ada(status="preliminary")) == []
    assert site.ids("DiagnosticReport", site.ada(identifier="R1", issued="ge2026", _id=report["id"])) == [report["id"]]
    assert site.ids("DiagnosticReport", site.ada(issued="lt2026")) == []
    assert site.get(f"Binary/{report['id']}.2").status_code == 404


def test_documents_of_reports_and_objects_that_are_documents(site: Site) -> None:
    of_report, of_object = site.found("DocumentReference", site.ada())
    shown = of_object["content"][0]["attachment"]

    assert of_report["content"][0]["attachment"]["title"] == "As PDF"
    assert of_object["id"] == site.pdf
    assert site.http.get(shown["url"], headers=bearer(site.doctor)).content == PDF
    for one in (of_report, of_object):
        assert site.get(f"DocumentReference/{one['id']}").json() == one
    assert len(site.ids("DocumentReference", site.ada(related=f"ImagingStudy/{site.head}", status="current"))) == 2
    assert site.ids("DocumentReference", site.ada(related=f"ImagingStudy/{site.knee}")) == []
    assert site.ids("DocumentReference", site.ada(contenttype="application/dicom")) == [site.pdf]


def test_what_the_caller_may_not_see_is_answered_as_what_is_not_there(site: Site) -> None:
    admin = a_token(site.bank, Role.ADMIN, name="root")
    (eve,) = site.found("Patient", {"identifier": "south|EVE"}, admin)
    about = {"patient": eve["id"]}
    hidden = [site.found(kind, about, admin)[0] for kind in ("DiagnosticReport", "DocumentReference")]
    names = [f"{one['resourceType']}/{one['id']}" for one in hidden]
    names += [f"Patient/{eve['id']}", f"ImagingStudy/{site.stranger}", f"Binary/{hidden[1]['id']}"]

    for name in names:
        kind, _, place = name.partition("/")
        nothing = "a" * 51 + "q" + place[52:] if kind not in ("Patient", "ImagingStudy") else "1.2.3"
        theirs, none = site.get(name), site.get(f"{kind}/{nothing}")
        assert (theirs.status_code, theirs.text) == (404, none.text), name
    for kind in ("Patient", "ImagingStudy", "DiagnosticReport", "DocumentReference"):
        for params in (about, {"patient.identifier": "south|EVE"}, {"_id": eve["id"], **about}):
            assert not site.get(kind, params=params).json().get("entry") or kind == "Patient", kind
    assert "EVE" not in site.get("Patient").text
    assert len(site.found("Patient")) == 2


def test_who_may_not_find_finds_nothing(site: Site) -> None:
    officer = a_token(site.bank, Role.PRIVACY_OFFICER, name="officer")
    for path in ("Patient", "ImagingStudy", "DiagnosticReport?patient=x", "DocumentReference?patient=x"):
        answer = site.get(path, officer)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden"), path
    assert site.http.get("/fhir/ImagingStudy").status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("ImagingStudy?started=yesterday", 400, "one of FHIR's"),
        ("ImagingStudy?modality=", 400, "is empty"),
        ("ImagingStudy?modality=CT&modality=MR", 400, "given twice"),
        ("ImagingStudy?_format=xml", 400, "as JSON"),
        ("ImagingStudy?_count=x", 400, "whole number"),
        ("ImagingStudy?patient=Group/1", 400, "names a Patient"),
        ("ImagingStudy?patient.identifier=ADA", 400, "SYSTEM|VALUE"),
        ("ImagingStudy?identifier=A7,urn:oid:1.2", 400, "or for accession"),
        ("ImagingStudy/x", 400, "UID"),
        ("DiagnosticReport", 400, "say whose"),
        ("DocumentReference", 400, "say whose"),
        ("DiagnosticReport/1.2", 404, "no such report"),
        ("DocumentReference/" + "a" * 52 + ".0", 404, "no such"),
        ("Binary/x.y", 404, "no such document"),
        ("Endpoint/x", 404, "no such endpoint"),
    ],
)
def test_what_is_not_understood_is_refused_with_an_outcome(site: Site, path: str, status: int, words: str) -> None:
    answer = site.get(path)

    assert answer.status_code == status
    assert words in answer.json()["issue"][0]["diagnostics"]
    assert fhirkit.validate(answer.json()) == []


def test_unknown_parameters_are_refused_where_the_caller_wants_that(site: Site) -> None:
    answer = site.get("ImagingStudy", params={"bogus": "1"}, Prefer="handling=strict")

    assert answer.status_code == 400
    assert "does not know bogus" in answer.text


def test_what_is_not_offered_is_said_in_the_words_of_fhir(site: Site) -> None:
    for method, path, status in (("GET", "Basic/1", 404), ("POST", "ImagingStudy", 405), ("DELETE", "Patient/x", 405)):
        answer = site.http.request(method, f"/fhir/{path}")
        assert answer.status_code == status, path
        assert fhirkit.validate(answer.json()) == []


def test_the_endpoint_is_found_by_what_it_is(site: Site) -> None:
    assert site.ids("Endpoint", {"connection-type": "dicom-wado-rs", "status": "active"}) == ["dicom-web"]
    assert site.ids("Endpoint", {"status": "off"}) == []


def test_the_statement_tells_what_is_served_and_nothing_else(site: Site) -> None:
    answer = site.http.get("/fhir/metadata")
    statement = answer.json()
    told = {
        one["type"]: {param["name"] for param in one.get("searchParam", ())} for one in statement["rest"][0]["resource"]
    }
    configuration = site.http.get("/fhir/.well-known/smart-configuration").json()

    assert fhirkit.validate(statement) == []
    assert set(told) == set(RESOURCES)
    assert told["ImagingStudy"] >= {"patient", "identifier", "started", "modality", "_lastUpdated"}
    assert "smart-imaging-access" in configuration["capabilities"]


def test_what_went_while_it_was_looked_up_is_left_out(site: Site) -> None:
    gone = Held(Uid("1.2.3"), "north", PatientId("north", "ADA"), "", site.bank.now())

    assert list(outlining._outlined(site.bank, ADMIN, [gone], 1)) == []
    assert list(reporting._documents(site.bank, ADMIN, {}, "SOPInstanceUID", (Uid(site.pdf),))) == []


def test_an_image_is_no_document(site: Site) -> None:
    study = site.get(f"ImagingStudy/{site.knee}").json()
    image = study["series"][0]["instance"][0]["uid"]

    assert site.get(f"DocumentReference/{image}").status_code == 404


def test_the_page_for_integrators_names_every_resource_and_parameter() -> None:
    page = (Path(__file__).parents[3] / "docs" / "conformance" / "fhir.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}

    for kind, (_, parameters, includes) in RESOURCES.items():
        known = [] if kind == "AuditEvent" else [*parameters, *includes]
        assert [name for name in known if f"`{name}`" not in rows[kind]] == [], kind


def test_every_look_is_in_the_ledger(site: Site) -> None:
    reader = a_token(site.bank, Role.CLINICIAN, name="Dr Ledger", organization="north")
    site.found("ImagingStudy", site.ada(), reader)
    site.get(f"ImagingStudy/{site.head}", reader)
    site.found("DiagnosticReport", site.ada(), reader)
    events = [one for one in site.bank.index.events(Scope(None), 50) if one.principal == "Dr Ledger"]
    seen = {(one.act, one.detail, one.study) for one in events}

    assert (Act.SEARCHED, "FHIR: ImagingStudy by patient.identifier", None) in seen
    assert (Act.VIEWED, "FHIR ImagingStudy", site.head) in seen
    assert (Act.VIEWED, "FHIR DiagnosticReport", site.head) in seen
    assert not [one for one in events if "ADA" in one.detail]
