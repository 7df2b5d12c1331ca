"""The part of the OpenAPI document about consents, care relationships, labels and emergencies."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import decisions, fhir_consent
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.access import Purpose, Role

# What a line of text is, no pattern says: 400 for one that is none.
_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_ANY: Final[Mapping[str, Any]] = {}
_NAMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "consent": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "emergency": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "study": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 128},
    "label": {"type": "string", "pattern": "^[a-z][a-z0-9 -]{0,63}$"},
}


def _several(schema: Mapping[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": least, "maxItems": 3}


def _coding(system: str, code: Mapping[str, Any]) -> dict[str, Any]:
    return closed({"system": {"const": system}, "code": code}, {"display": _ANY, "version": _ANY})


def _concept(system: str, code: str) -> dict[str, Any]:
    return closed({"coding": _several(_coding(system, {"const": code}), 1)}, {"text": _ANY})


def _actor(kind: str, part: str, name: Mapping[str, Any]) -> dict[str, Any]:
    identifier = closed({"system": {"const": fhir_consent.OURS + part}, "value": name})
    reference = closed({"type": {"const": kind}, "identifier": identifier}, {"display": _ANY})
    return closed({"role": _concept(fhir_consent.ROLE, "IRCP"), "reference": reference})


def _period(form: str) -> dict[str, Any]:
    return closed({}, {"start": {"type": "string", "pattern": form}, "end": {"type": "string", "pattern": form}})


_DATE: Final = r"^(19|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|1\d|2[0-8]))?)?$"
_STUDY: Final = closed(
    {
        "meaning": {"const": "instance"},
        "reference": closed({"identifier": closed({"system": {"const": fhir_consent.UIDS}, "value": _NAMES["study"]})}),
    }
)
_PROVISION: Final = closed(
    {"type": {"enum": ["permit", "deny"]}},
    {
        "period": _period(_DATE),
        "dataPeriod": _period(_DATE),
        "actor": _several(
            {
                "oneOf": [
                    _actor("Organization", "organization", _LINE),
                    _actor("Practitioner", "principal", _LINE),
                    _actor("PractitionerRole", "role", {"enum": [str(role) for role in Role]}),
                ]
            }
        ),
        "purpose": _several(_coding(fhir_consent.PURPOSE, {"enum": [str(purpose) for purpose in Purpose]})),
        "class": _several(_coding(fhir_consent.MODALITY, {"type": "string", "pattern": "^[A-Z]{2,4}$"})),
        "data": _several(_STUDY),
    },
)
_TAKEN: Final = closed(
    {
        "resourceType": {"const": "Consent"},
        "status": {"const": "active"},
        "scope": _concept(fhir_consent.SCOPE, "patient-privacy"),
        "patient": closed({"identifier": closed({"system": _LINE, "value": _LINE})}),
        "provision": _PROVISION,
    },
    dict.fromkeys(sorted(fhir_consent.IDLE), _ANY),
)
_PATIENT: Final = closed({"issuer": _LINE, "identifier": _LINE})
_MOMENT: Final = {"type": ["string", "null"]}
_TEXT: Final = {"type": "string"}
_REASON: Final = {"type": "string", "minLength": 1}
_NAME: Final = {"type": "string", "maxLength": 256}
_CARE: Final = closed(
    {"patient": _PATIENT}, {"principal": _NAME, "organization": _NAME, "until": _MOMENT, "reason": _TEXT}
)
_OPENING: Final = {
    "oneOf": [
        closed({"reason": _REASON, "patient": _PATIENT}),
        closed({"reason": _REASON, "study": _NAMES["study"]}),
    ]
}
_CONSENT: Final = {"type": "object", "required": ["resourceType", "id", "status", "patient", "provision"]}
_BUNDLE: Final = {"type": "object", "required": ["resourceType", "type", "total", "entry"]}
_WAITING: Final = closed(
    {**dict.fromkeys(("id", "by", "organization", "study", "reason", "from", "until"), _TEXT), "patient": _ANY}
)

_BODIES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "write_consent": (fhir_consent.TYPE, _TAKEN),
    "write_care": ("application/json", _CARE),
    "open_emergency": ("application/json", _OPENING),
    "review_emergency": ("application/json", closed({"words": _REASON})),
}


def _fhir(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {fhir_consent.TYPE: {"schema": schema}}


_CARED: Final = closed({"id": _TEXT, "from": _TEXT, "until": {"type": ["string", "null"]}})
_NEXT: Final = {
    name: {"operationId": name, "parameters": {"consent": "$response.body#/id"}}
    for name in ("get_read_consent", "post_revoke_consent")
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_consents": {200: answer(200, "A Bundle of Consents, oldest first", _fhir(_BUNDLE))},
    "write_consent": {201: answer(201, "It is in force", _fhir(_CONSENT)) | {"links": _NEXT}},
    "read_consent": {200: answer(200, "The Consent as it is kept", _fhir(_CONSENT)), 404: REFUSED[404]},
    "revoke_consent": {204: answer(204, "It has ended"), 404: REFUSED[404]},
    "write_care": {201: answer(201, "It is in force", as_json(_CARED))},
    "put_label": {204: answer(204, "The study has the label")},
    "remove_label": {204: answer(204, "The study has it no longer"), 404: REFUSED[404]},
    "list_emergencies": {
        200: answer(
            200, "Those that wait for a review", as_json(closed({"emergencies": {"type": "array", "items": _WAITING}}))
        )
    },
    "open_emergency": {
        201: answer(
            201, "What there is of the patient is open until then", as_json(closed({"id": _TEXT, "until": _TEXT}))
        )
    },
    "end_emergency": {204: answer(204, "It has ended"), 404: REFUSED[404]},
    "review_emergency": {204: answer(204, "The review is noted"), 404: REFUSED[404]},
}
_PATIENT_ASKED: Final = {
    "name": "patient.identifier",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[A-Za-z0-9.-]{1,16}\|[A-Za-z0-9.-]{1,16}$"},
}


_GROUP: Final = Group("Decisions", _ANSWERS, _BODIES, _NAMES, {"list_consents": [_PATIENT_ASKED]})


def decision_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(decisions.RESOURCES, _GROUP)
