"""FHIR Consents that are taken, given back, and refused."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consents import ACT, DCM, PART, a_consent, an_actor
from imagebank.errors import Invalid
from imagebank.http import fhir_consent
from imagebank.model.access import Purpose, Role
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def by_reference(text: str, **more: str) -> dict[str, Any]:
    return {**an_actor("", "", ""), "reference": {"reference": text, **more}}


def test_a_bare_consent_permits_everybody_everything_of_the_patient_from_now_on() -> None:
    (one,) = fhir_consent.read(a_consent(), NOW)

    assert (one.patient, one.permits, one.starts_at, one.ends_at) == (PatientId("north", "ADA"), True, NOW, FOR_EVER)
    assert (one.organization, one.principal, one.role, one.purpose, one.study) == ("", "", None, None, None)


def test_every_part_of_a_consent_narrows_it() -> None:
    consent = a_consent(
        type="deny",
        period={"start": "2026-04-01", "end": "2026-04-30"},
        actor=[an_actor("Organization", "organization", "south")],
        purpose=[{"system": ACT, "code": "HRESCH"}],
        dataPeriod={"start": "2024", "end": "2024-02"},
        data=[
            {"meaning": "instance", "reference": {"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}}}
        ],
        **{"class": [{"system": DCM, "code": "MR"}]},
    )
    (one,) = fhir_consent.read(consent, NOW)

    assert not one.permits
    assert (one.starts_at, one.ends_at) == (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    assert (one.organization, one.purpose, one.modality, one.study) == ("south", Purpose.RESEARCH, "MR", "1.2.3")
    assert (one.since, one.until) == ("20240101", "20240229")


def test_several_actors_and_purposes_are_a_provision_for_each_pair_and_one_consent_again() -> None:
    consent = a_consent(
        actor=[
            an_actor("Practitioner", "principal", "Dr Varga"),
            an_actor("PractitionerRole", "role", "clinician"),
            by_reference("Organization/south", type="Organization"),
        ],
        purpose=[{"system": ACT, "code": "TREAT"}, {"system": ACT, "code": "HPAYMT"}],
        data=[{"meaning": "instance", "reference": {"reference": "ImagingStudy/1.2.3"}}],
        dataPeriod={"end": "2026-01-31"},
        **{"class": [{"system": DCM, "code": "CT"}]},
    )
    found = fhir_consent.read(consent, NOW)
    written = fhir_consent.write("abc", found)
    again = fhir_consent.read(written, NOW)

    assert [(one.principal, one.role, one.organization) for one in found[::2]] == [
        ("Dr Varga", None, ""),
        ("", Role.CLINICIAN, ""),
        ("", None, "south"),
    ]
    assert len(found) == 6
    assert again == found
    assert written["id"] == "abc"
    assert len(written["provision"]["actor"]) == 3


def test_a_device_by_name_is_a_program_or_one_that_calls_by_its_title_and_one_actor_again() -> None:
    consent = a_consent(actor=[an_actor("Device", "principal", "CT1"), an_actor("Person", "principal", "Dr Varga")])
    found = fhir_consent.read(consent, NOW)
    written = fhir_consent.write("abc", found)

    assert [(one.principal, one.role) for one in found] == [("CT1", None), ("CT1", Role.DEVICE), ("Dr Varga", None)]
    assert [one["reference"]["type"] for one in written["provision"]["actor"]] == ["Device", "Practitioner"]
    assert fhir_consent.read(written, NOW) == found


def test_what_is_written_has_the_end_that_was_read() -> None:
    (one,) = fhir_consent.read(a_consent(period={"end": "2026-06-01T10:00:00+02:00"}), NOW)
    written = fhir_consent.write("abc", [one])

    assert one.ends_at == datetime(2026, 6, 1, 8, tzinfo=UTC) + timedelta(seconds=1)
    assert written["provision"]["period"] == {"start": "2026-03-01T12:00:00.000Z", "end": "2026-06-01T08:00:00.000Z"}
    assert fhir_consent.read(written, NOW) == [one]


PATIENT = {"identifier": {"system": "north", "value": "ADA"}}


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ({"status": "draft"}, "status"),
        ({"scope": {"coding": []}}, "scope.coding"),
        ({"scope": {"coding": [{"system": "x", "code": "patient-privacy"}]}}, "scope.coding.system"),
        ({"scope": None}, "scope"),
        ({"patient": {"reference": "Patient/1"}}, "patient.reference"),
        ({"patient": {"identifier": {"value": "ADA"}}}, "patient.identifier.system"),
        ({"patient": {"identifier": {"system": "north", "value": "A\nB"}}}, "patient.identifier.value"),
        ({"verification": [{"verified": False}]}, "Consent.verification"),
        ({"modifierExtension": []}, "Consent.modifierExtension"),
        ({"\n": 1}, r"Consent.'\n'"),
        ({"provision": None}, "provision"),
    ],
    ids=str,
)
def test_a_consent_that_says_more_or_less_than_can_be_followed_is_refused_by_the_element(
    changes: dict[str, Any], element: str
) -> None:
    with pytest.raises(Invalid) as refused:
        fhir_consent.read(a_consent() | changes, NOW)

    assert str(refused.value).startswith(element)


STUDY = {"meaning": "instance", "reference": {"reference": "ImagingStudy/1.2"}}


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"type": "maybe"}, "provision.type"),
        ({"provision": [{"type": "deny"}]}, "provision.provision"),
        ({"securityLabel": []}, "provision.securityLabel"),
        ({"action": []}, "provision.action"),
        ({"code": []}, "provision.code"),
        ({"actor": {}}, "provision.actor"),
        ({"actor": [by_reference("Group/1")]}, "provision.actor.reference.type"),
        ({"actor": [by_reference("Organization/")]}, "provision.actor.reference"),
        ({"actor": [by_reference("Organization/a", type="Person")]}, "provision.actor.reference.type"),
        ({"actor": [an_actor("PractitionerRole", "role", "wizard")]}, "provision.actor.reference"),
        ({"actor": [an_actor("Organization", "role", "south")]}, "provision.actor.reference.identifier.system"),
        (
            {"actor": [{**by_reference("Organization/a"), "role": {"coding": [{"system": PART, "code": "CST"}]}}]},
            "provision.actor.role",
        ),
        ({"purpose": [{"system": ACT, "code": "BTG"}]}, "provision.purpose.code"),
        ({"class": [{"system": DCM, "code": "c t"}]}, "provision.class"),
        ({"class": [{"system": "urn:x", "code": "CT"}]}, "provision.class.system"),
        ({"data": [{**STUDY, "meaning": "related"}]}, "provision.data.meaning"),
        ({"data": [{**STUDY, "reference": {"reference": "Patient/1.2"}}]}, "provision.data.reference"),
        (
            {"data": [{**STUDY, "reference": {"identifier": {"system": "x", "value": "1"}}}]},
            "provision.data.reference.identifier.system",
        ),
        ({"period": {"start": "soon"}}, "provision.period.start"),
        ({"period": {"start": "2026-01-01T10:00:00"}}, "provision.period.start"),
        ({"period": {"end": "9999"}}, "provision.period.end"),
        ({"period": {"end": "2026-13"}}, "provision.period.end"),
        ({"period": {"end": "2026-02-30"}}, "provision.period.end"),
        ({"period": {"end": "2025"}}, "provision.period"),
        ({"period": {"start": "2027", "end": "2026-12"}}, "provision.period"),
        ({"dataPeriod": {"end": "2026-01-01T10:00:00Z"}}, "provision.dataPeriod.end"),
        ({"purpose": [{"system": ACT, "code": "TREAT"}] * 101}, "provision"),
    ],
    ids=str,
)
def test_a_provision_that_cannot_be_followed_is_refused_by_the_element(changes: dict[str, Any], element: str) -> None:
    consent = deepcopy(a_consent())
    consent["provision"] |= changes
    with pytest.raises(Invalid) as refused:
        fhir_consent.read(consent, NOW)

    assert str(refused.value).startswith(element)


@pytest.mark.parametrize("resource", [None, [], "Consent", 1])
def test_what_is_no_resource_is_refused(resource: object) -> None:
    with pytest.raises(Invalid, match="Consent"):
        fhir_consent.read(resource, NOW)


def test_one_name_by_reference_and_by_identifier_is_one_too_many() -> None:
    both = {**an_actor("Organization", "organization", "south")["reference"], "reference": "Organization/south"}
    study = {**STUDY["reference"], "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2"}}  # type: ignore[dict-item]
    for provision in (
        {"actor": [{**an_actor("", "", ""), "reference": both}]},
        {"data": [{"meaning": "instance", "reference": study}]},
    ):
        with pytest.raises(Invalid, match="reference or an identifier"):
            fhir_consent.read(a_consent(**provision), NOW)
