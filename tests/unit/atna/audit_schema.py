"""The rules of the audit message schema (PS3.15 A.5.1), written down anew: elements in order, attributes, their values."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

_BOOLEAN = "true|false|0|1"
_NUMBER = r"-?\d+"
_ANY = r"(?s:.*)"


@dataclass(frozen=True)
class Rule:
    """`children` is a regular expression over the names of the children, a space after each."""

    children: str = ""
    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    text: str = r"\s*"


_CODE: Final = Rule(
    required={"csd-code": r"\S+", "codeSystemName": r"\S.*", "originalText": r"\S.*"}, optional={"displayName": r".+"}
)
RULES: Final[Mapping[str, Rule]] = {
    "AuditMessage": Rule(
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification )*"
    ),
    "EventIdentification": Rule(
        "EventID (EventTypeCode )*(EventOutcomeDescription )?",
        {"EventDateTime": _ANY, "EventOutcomeIndicator": "0|4|8|12"},
        {"EventActionCode": "[CRUDE]"},
    ),
    "EventOutcomeDescription": Rule(text=_ANY),
    "ActiveParticipant": Rule(
        "(RoleIDCode )*(MediaIdentifier )?",
        {"UserID": ".+", "UserIsRequestor": _BOOLEAN},
        {
            "AlternativeUserID": ".+",
            "UserName": ".+",
            "NetworkAccessPointID": r"\S+",
            "NetworkAccessPointTypeCode": "[1-5]",
        },
    ),
    "AuditSourceIdentification": Rule(
        "(AuditSourceTypeCode )*", {"AuditSourceID": r"\S.*"}, {"AuditEnterpriseSiteID": r"\S.*"}
    ),
    "AuditSourceTypeCode": Rule(required={"csd-code": "[1-9]"}),
    "ParticipantObjectIdentification": Rule(
        "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
        "(ParticipantObjectDetail )*(ParticipantObjectDescription )*",
        {"ParticipantObjectID": r"\S.*"},
        {
            "ParticipantObjectTypeCode": "[1-4]",
            "ParticipantObjectTypeCodeRole": r"[1-9]|1\d|2[0-6]",
            "ParticipantObjectDataLifeCycle": r"[1-9]|1[0-5]",
            "ParticipantObjectSensitivity": ".+",
        },
    ),
    "ParticipantObjectName": Rule(text=_ANY),
    "ParticipantObjectQuery": Rule(text=r"[A-Za-z0-9+/=]+"),
    "ParticipantObjectDetail": Rule(required={"type": r"\S.*", "value": r"[A-Za-z0-9+/=]*"}),
    "ParticipantObjectDescription": Rule(
        "(MPPS )*(Accession )*(SOPClass )*(ParticipantObjectContainsStudy )?(Encrypted )?(Anonymized )?"
    ),
    "Accession": Rule(required={"Number": ".+"}),
    "SOPClass": Rule("(Instance )*", {"NumberOfInstances": _NUMBER}, {"UID": r"[0-2](\.(0|[1-9]\d*))*"}),
    **dict.fromkeys(("EventID", "EventTypeCode", "RoleIDCode", "ParticipantObjectIDTypeCode"), _CODE),
}


def faults(message: bytes) -> list[str]:
    """What in a message is against the schema."""
    root = ET.fromstring(message)
    if root.tag != "AuditMessage":
        return [f"the root is {root.tag}"]
    return [fault for element in root.iter() for fault in _faults(element)]


def _faults(element: ET.Element) -> Iterator[str]:
    rule = RULES.get(element.tag)
    if rule is None:
        yield f"there is no element {element.tag}"
        return
    children = "".join(f"{child.tag} " for child in element)
    if not re.fullmatch(rule.children, children):
        yield f"{element.tag} has the children {children}"
    if not re.fullmatch(rule.text, element.text or ""):
        yield f"{element.tag} has the text {element.text!r}"
    yield from (f"{element.tag} lacks {name}" for name in rule.required if name not in element.attrib)
    allowed = {**rule.required, **rule.optional}
    for name, value in element.attrib.items():
        if not re.fullmatch(allowed.get(name, "(?!)"), value):
            yield f"{element.tag} has {name}={value!r}"
    if element.tag == "EventIdentification":
        assert datetime.fromisoformat(element.attrib["EventDateTime"]).tzinfo is not None


def details(message: bytes) -> dict[str, str]:
    """The details of a message's objects, as text."""
    found = ET.fromstring(message).iter("ParticipantObjectDetail")
    return {each.attrib["type"]: base64.b64decode(each.attrib["value"]).decode() for each in found}
