"""QIDO-RS against a live server."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.uid import generate_uid

from bank import keep, keep_paths
from imagebank.actions import search
from imagebank.dicomweb.conformance import statement
from imagebank.model.access import Role
from imagebank.model.attribute import MAIN
from imagebank.model.imaging import Source
from make import a_dataset, a_file, a_series, as_file
from protocol.dicomweb_site import Site, a_site, store, values
from samples import sample_data

STUDY, SERIES = generate_uid(), generate_uid()
REQUEST = Dataset()
REQUEST.ScheduledProcedureStepID = "SPS7"
REQUEST.RequestedProcedureID = "RP7"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    attributes = (
        "series:PatientPosition",
        "instance:AcquisitionDateTime",
        "instance:0009xx01@AUDIT",
        "series:0009xx02@TWO",
    )
    with a_site(tmp_path_factory.mktemp("qido"), attributes=attributes) as found:
        main = a_series(
            3,
            StudyInstanceUID=STUDY,
            SeriesInstanceUID=SERIES,
            PatientName="Müller^Jürgen",
            PatientID="Q1",
            AccessionNumber="ACC-9",
            StudyDate="20260315",
            StudyTime="120000",
            RequestAttributesSequence=[REQUEST],
            PatientPosition="HFS",
            AcquisitionDateTime="20240101233000.5+0200",
            TimezoneOffsetFromUTC="+0200",
        )
        second = a_file(
            StudyInstanceUID=STUDY, PatientID="Q1", PatientName="Müller^Jürgen", Modality="SR", SeriesNumber=2
        )
        older = [a_file(PatientID=f"OLD{n}", StudyDate=f"201001{n:02}", StudyTime="080000") for n in range(1, 8)]
        keep(found.bank, *main, second, *older, a_file(PatientID="NOMOD", Modality=None))
        yield found


def found(site: Site, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = site.http.get(path, params=parameters or None)
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()) if answer.status_code == 200 else []


def ids(matches: list[dict[str, Any]]) -> list[str]:
    return [values(one, "00100020") for one in matches]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"PatientID": "Q1"}, 1),
        ({"00100020": "Q1"}, 1),
        ({"PatientName": "muller*"}, 1),
        ({"PatientName": "MÜLLER^JÜRGEN"}, 1),
        ({"PatientName": "jur mul", "fuzzymatching": "true"}, 1),
        ({"PatientID": "OLD?"}, 7),
        ({"AccessionNumber": "acc-9"}, 0),
        ({"ModalitiesInStudy": "SR"}, 1),
        ({"ModalitiesInStudy": "SR,MR"}, 1),
        ({"ModalitiesInStudy": ["SR", "CT"]}, 8),
        ({"ModalitiesInStudy": "SR\\CT", "PatientID": "OLD1"}, 1),
        ({"StudyInstanceUID": "*", "StudyDate": "-", "StudyTime": "*", "NumberOfStudyRelatedSeries": "*"}, 9),
        ({"StudyDate": "20100102-20100104"}, 3),
        ({"StudyDate": "-20100103"}, 3),
        ({"StudyDate": "20100105-20100107", "StudyTime": "1000-0700"}, 1),
        ({"StudyInstanceUID": f"{STUDY},1.2.3"}, 1),
        ({"StudyInstanceUID": "1.2.3"}, 0),
        ({"PatientID": ""}, 9),
    ],
)
def test_studies_are_found_as_dicom_matches(site: Site, parameters: dict[str, str], count: int) -> None:
    assert len(found(site, "/studies", **parameters)) == count


@pytest.mark.parametrize(
    ("path", "parameters", "count"),
    [
        (f"/studies/{STUDY}/series", {}, 2),
        (f"/studies/{STUDY}/series", {"Modality": "SR"}, 1),
        (f"/studies/{STUDY}/series", {"RequestAttributesSequence.RequestedProcedureID": "RP7"}, 1),
        (f"/studies/{STUDY}/series", {"00400275.00400009": "SPS*"}, 1),
        (f"/studies/{STUDY}/series", {"PatientPosition": "HFS"}, 1),
        (f"/studies/{STUDY}/series", {"PatientPosition": "FFS"}, 0),
        (f"/studies/{STUDY}/series/{SERIES}/instances", {}, 3),
        (f"/studies/{STUDY}/series/{SERIES}/instances", {"InstanceNumber": "2"}, 1),
        (f"/studies/{STUDY}/instances", {}, 4),
        ("/series", {"PatientID": "Q1"}, 2),
        ("/series", {"StudyInstanceUID": STUDY, "Modality": "CT"}, 1),
        ("/instances", {"PatientID": "Q1"}, 4),
        ("/instances", {"PatientID": "Q1", "Modality": "CT", "InstanceNumber": "3"}, 1),
        ("/studies/1.2.3/series", {}, 0),
    ],
)
def test_series_and_instances_are_found_below_a_study_and_across(
    site: Site, path: str, parameters: dict[str, str], count: int
) -> None:
    assert len(found(site, path, **parameters)) == count


# PS3.18 tables 10.6.3-3 to -5, word by word and not from our own table; those with a question mark when there is a value.
OF_STUDY = """
    StudyDate StudyTime AccessionNumber InstanceAvailability? ModalitiesInStudy ReferringPhysicianName TimezoneOffsetFromUTC?
    RetrieveURL PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID NumberOfStudyRelatedSeries
    NumberOfStudyRelatedInstances
"""
OF_SERIES = """
    Modality TimezoneOffsetFromUTC? SeriesDescription? RetrieveURL SeriesInstanceUID SeriesNumber
    NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate? PerformedProcedureStepStartTime? RequestAttributesSequence?
"""
OF_INSTANCE = """
    SOPClassUID SOPInstanceUID InstanceAvailability? TimezoneOffsetFromUTC? RetrieveURL InstanceNumber Rows? Columns?
    BitsAllocated? NumberOfFrames?
"""
# What the images of the study above do not have.
NOT_THERE = {"NumberOfFrames"}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (f"/studies?StudyInstanceUID={STUDY}", OF_STUDY),
        (f"/studies/{STUDY}/series?Modality=CT", OF_SERIES),
        (f"/studies/{STUDY}/series/{SERIES}/instances", OF_INSTANCE),
        (f"/series?Modality=CT&StudyInstanceUID={STUDY}", OF_STUDY + OF_SERIES),
        (f"/instances?Modality=CT&StudyInstanceUID={STUDY}", OF_STUDY + OF_SERIES + OF_INSTANCE),
    ],
)
def test_required_attributes_are_always_there(site: Site, path: str, names: str) -> None:
    required = {name.rstrip("?") for name in names.split()} - NOT_THERE

    for match in found(site, path):
        assert {name for name in required if f"{tag_for_keyword(name):08X}" not in match} == set()
        assert values(match, "00081190").startswith(f"{site.url}/dicom-web/studies/{STUDY}")
        assert values(match, "00080201") == "+0200"
        assert list(match) == sorted(match)


def test_what_is_returned_when_known_is_left_out_when_it_is_not(site: Site) -> None:
    (study,) = found(site, "/studies", PatientID="OLD1")
    (instance,) = found(site, "/instances", StudyInstanceUID=STUDY, Modality="SR")

    assert "00080201" not in study
    assert "00280008" not in instance


def test_a_date_and_time_is_found_by_ranges_and_in_universal_time(site: Site) -> None:
    path = f"/studies/{STUDY}/instances"

    for text in ("20240101-20240102", "20240101", "20240101213000.5+0000", "202401012200+0000-2024010123"):
        expected = 0 if text.startswith("202401012200") else 3
        assert len(found(site, path, AcquisitionDateTime=text)) == expected, text
    assert values(found(site, path, AcquisitionDateTime="2024")[0], "0008002A") == "20240101233000.5+0200"


def a_file_with_private_elements(**given: Any) -> bytes:
    ds = a_dataset(**given)
    first, second = (ds.private_block(0x0009, creator, create=True) for creator in ("NOBODY'S", "AUDIT"))
    first.add_new(1, "LO", "not this one")
    second.add_new(1, "LO", "Secret")
    ds.private_block(0x0009, "TWO", create=True).add_new(2, "DS", "2.5")
    return as_file(ds)


@pytest.mark.parametrize("block", ["10", "11", "A0"])
def test_a_private_attribute_is_found_and_returned_in_the_block_that_was_asked_for(site: Site, block: str) -> None:
    (receipt,) = keep(site.bank, a_file_with_private_elements(PatientID="PRIVATE"))
    asked = {f"0009{block}01": "secret", f"000900{block}": "AUDIT"}

    (match,) = found(site, "/instances", **asked)
    (everything,) = found(site, "/instances", PatientID="PRIVATE", includefield="all")
    missed = site.http.get("/instances", params=asked | {f"000900{block}": "OTHERS"})
    site.http.delete(f"/studies/{receipt.study}")

    assert values(match, f"0009{block}01") == "Secret"
    assert values(match, f"000900{block}") == "AUDIT"
    assert (values(everything, "00090010"), values(everything, "00091001")) == ("AUDIT", "Secret")
    assert (values(everything, "00090011"), values(everything, "00091102")) == ("TWO", 2.5)
    assert "not supported" in missed.headers["warning"]


def test_a_field_that_is_not_in_the_index_is_named_in_a_warning(site: Site) -> None:
    answer = site.http.get("/studies", params={"PatientID": "Q1", "includefield": "PatientComments,StudyDescription"})

    assert answer.headers["warning"].endswith("includefield: the index does not hold PatientComments")


def test_a_parameter_that_contradicts_its_path_finds_and_counts_nothing(site: Site) -> None:
    answer = site.http.get(f"/studies/{STUDY}/series", params={"StudyInstanceUID": "1.2.3"})

    assert (answer.status_code, answer.headers["x-total-count"]) == (204, "0")
    assert len(found(site, f"/studies/{STUDY}/series", StudyInstanceUID=f"1.2.3,{STUDY}")) == 2


def test_counts_and_modalities_of_a_study_are_true(site: Site) -> None:
    (match,) = found(site, "/studies", StudyInstanceUID=STUDY)

    assert sorted(match["00080061"]["Value"]) == ["CT", "SR"]
    assert (values(match, "00201206"), values(match, "00201208")) == (2, 4)


def test_a_study_without_a_modality_leaves_the_attribute_out(site: Site) -> None:
    (match,) = found(site, "/studies", PatientID="NOMOD")

    assert "00080061" not in match


def test_relational_matches_carry_their_study_and_series(site: Site) -> None:
    match = found(site, "/instances", PatientID="Q1", Modality="CT")[0]

    assert values(match, "00100020") == "Q1"
    assert values(match, "0020000D") == STUDY
    assert values(match, "0020000E") == SERIES
    assert values(match, "00080060") == "CT"


def test_included_fields_and_match_keys_are_returned(site: Site) -> None:
    (match,) = found(site, "/studies", PatientID="Q1", includefield="00081030,IssuerOfPatientID", StudyDescription="")
    (everything,) = found(site, "/studies", PatientID="Q1", includefield="all")

    assert values(match, "00081030") == "CT head"
    assert {tag for tag in match if "Value" in match[tag]} <= set(everything)


def test_an_empty_answer_has_no_body(site: Site) -> None:
    answer = site.http.get("/studies", params={"PatientID": "nobody"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-total-count"] == "0"


def test_pages_cover_everything_once_in_one_order(site: Site) -> None:
    pages: list[str] = []
    for offset in range(0, 9, 2):
        answer = site.http.get("/studies", params={"limit": 2, "offset": offset})
        pages += [values(one, "0020000D") for one in answer.json()]
        remaining = 9 - offset - len(answer.json())
        assert answer.headers["x-total-count"] == "9"
        assert (f"There are {remaining} additional results" in answer.headers.get("warning", "")) == (remaining > 0)

    assert pages == [values(one, "0020000D") for one in found(site, "/studies")]
    assert len(set(pages)) == 9
    assert site.http.get("/studies", params={"limit": 2, "offset": 9}).status_code == 204


def test_a_first_page_does_not_wait_until_all_are_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COUNTED", 5)
    first, deep = (site.http.get("/studies", params={"limit": 2, "offset": offset}) for offset in (0, 4))

    assert "x-total-count" not in first.headers
    assert "There are more than 3 additional results" in first.headers["warning"]
    assert deep.headers["x-total-count"] == "9"
    assert "There are 3 additional results" in deep.headers["warning"]


def test_the_newest_study_comes_first(site: Site) -> None:
    dates = [values(one, "00080020") for one in found(site, "/studies")]

    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=20261399",
        "StudyDate=a-b",
        "PatientID=1&PatientID=2",
        "limit=-1",
        "offset=x",
        "fuzzymatching=2",
        "StudyInstanceUID=x",
        "PatientName=%FF%FE",
        "PatientName=%00",
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(site: Site, query: str) -> None:
    answer = site.http.get(f"/studies?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_key_that_cannot_be_used_is_said_in_a_warning(site: Site) -> None:
    answer = site.http.get("/studies", params={"PatientID": "Q1", "Frobnication": "yes"})

    assert answer.status_code == 200
    assert answer.headers["warning"].startswith(f"299 {site.url}/dicom-web: ")
    assert "Frobnication" in answer.headers["warning"]


@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), ("*/*", 200), ("text/html", 406)])
def test_the_answer_is_dicom_json_or_none(site: Site, accept: str, status: int) -> None:
    answer = site.http.get("/studies", headers={"Accept": accept})

    assert answer.status_code == status
    assert status != 200 or answer.headers["content-type"] == "application/dicom+json"


def test_a_third_party_client_searches(site: Site) -> None:
    (match,) = site.client.search_for_studies(search_filters={"PatientID": "Q1"}, fields=["StudyDescription"])

    assert values(match, "00081030") == "CT head"
    assert len(site.client.search_for_instances(STUDY)) == 4


def test_the_viewers_own_questions_are_answered(site: Site) -> None:
    fields = "00081030,00080060,00080090,00100030"
    one = {"limit": 101, "offset": 0, "fuzzymatching": "false", "includefield": fields}

    assert len(found(site, "/studies", **one, StudyInstanceUID=STUDY)) == 1
    assert ids(found(site, "/studies", **one, **{"00100020": "Q1"})) == ["Q1"]
    assert len(found(site, f"/studies/{STUDY}/series", includefield="00080021,00080031,0008103E,00200011")) == 2


def test_a_bare_identifier_of_two_issuers_finds_nobody(site: Site) -> None:
    for organization in ("north", "south"):
        keep(site.bank, a_file(PatientID="TWICE"), source=Source("import", "tester", organization))

    answer = site.http.get("/studies", params={"PatientID": "TWICE"})

    assert answer.status_code == 204
    assert "IssuerOfPatientID" in answer.headers["warning"]
    with site.as_role(Role.CLINICIAN, "north") as north:
        assert len(north.get("/studies", params={"PatientID": "TWICE"}).json()) == 1


def test_what_else_is_known_of_the_patient_may_settle_who_is_meant(site: Site) -> None:
    for organization, name in (("north", "North^Nora"), ("south", "South^Sam")):
        file = a_file(PatientID="SHARED", PatientName=name)
        keep(site.bank, file, source=Source("import", "tester", organization))

    assert found(site, "/studies", PatientID="SHARED") == []
    assert len(found(site, "/studies", PatientID="SHARED", PatientName="north*")) == 1
    assert len(found(site, "/studies", PatientID="Q1\\NOMOD")) == 2


def test_what_lies_outside_the_scope_is_neither_found_nor_counted(site: Site) -> None:
    with site.as_role(Role.CLINICIAN, "elsewhere") as stranger:
        answers = [stranger.get(path) for path in ("/studies", "/series", "/instances", f"/studies/{STUDY}/series")]

    assert [(one.status_code, one.headers["x-total-count"]) for one in answers] == [(204, "0")] * 4


def test_nobody_searches_without_signing_in(site: Site) -> None:
    assert httpx.get(f"{site.url}/dicom-web/studies").status_code == 401


def test_every_name_is_found_in_its_own_script(tmp_path_factory: pytest.TempPathFactory) -> None:
    files = sorted((sample_data() / "charsets").rglob("*.dcm"))
    with a_site(tmp_path_factory.mktemp("charsets")) as site:
        keep_paths(site.bank, files)
        for file in files:
            ds = dcmread(file)
            # A file without a study is refused; one without a name has none to look for.
            uid, name = ds.get("StudyInstanceUID"), ds.get("PatientName")
            for writing in filter(None, (name.alphabetic, name.ideographic, name.phonetic) if name and uid else ()):
                matches = found(site, "/studies", PatientName=writing)
                assert uid in [values(one, "0020000D") for one in matches], (file.name, writing)


def test_the_statement_names_every_key(site: Site) -> None:
    text = statement()

    assert all(f"`{attribute.key}`" in text for attribute in MAIN)


def test_a_search_after_a_store_sees_what_was_stored(site: Site) -> None:
    ds = a_dataset(PatientID="FRESH")
    store(site.http, as_file(ds))

    (match,) = found(site, "/studies", PatientID="FRESH")
    assert values(match, "0020000D") == ds.StudyInstanceUID
    site.http.delete(f"/studies/{ds.StudyInstanceUID}")
