"""Builders: FHIR Consents of scope patient-privacy."""

from typing import Any

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
PART = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def a_consent(**provision: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {"system": "north", "value": "ADA"}},
        "dateTime": "2026-02-01",
        "performer": [{"display": "the patient"}],
        "policy": [{"uri": "https://clinic.example/policy"}],
        "provision": {"type": "permit", **provision},
    }


def an_actor(kind: str, part: str, value: str) -> dict[str, Any]:
    reference = {"type": kind, "identifier": {"system": f"urn:imagebank:{part}", "value": value}}
    return {"role": {"coding": [{"system": PART, "code": "IRCP"}]}, "reference": reference}
