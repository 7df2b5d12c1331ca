"""Receipts as JSON: what became of a deposited object, in the same form by every way of `/api/v1`."""

from typing import Any, Final

from imagebank.model.imaging import Receipt
from imagebank.model.proposal import ProposalSource
from imagebank.model.upload import FIELDS

PROPOSALS: Final[dict[str, Any]] = {
    "description": "What may be so of a file that said nothing of itself, the most confident first of each field",
    "type": "array",
    "items": {
        "type": "object",
        "required": ["field", "value", "source", "evidence", "confidence", "bars", "sure"],
        "properties": {
            "field": {"enum": list(FIELDS)},
            "value": {"type": "string"},
            "source": {"enum": [source.value for source in ProposalSource]},
            "evidence": {"type": "string"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "bars": {"type": "integer", "minimum": 0, "maximum": 5, "description": "The confidence for a person"},
            "sure": {"type": "boolean", "description": "Filled in, unless something else was said"},
        },
        "additionalProperties": False,
    },
}
"""The form of a receipt's proposals, as OpenAPI has it."""


def as_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt, without what it does not say."""
    found: dict[str, Any] = {"file": receipt.name, "outcome": receipt.outcome}
    for name in ("study", "series", "uid", "sop_class", "quarantine"):
        if (value := getattr(receipt, name)) is not None:
            found[name] = value
    if receipt.rule:
        found["rule"] = receipt.rule
    if receipt.changed:
        found["changed"] = list(receipt.changed)
    if receipt.warnings:
        found["warnings"] = list(receipt.warnings)
    if receipt.proposals:
        found["proposals"] = [
            {"field": one.field, "value": one.value, "source": one.source, "evidence": one.evidence}
            | {"confidence": round(one.confidence, 2), "bars": one.bars, "sure": one.is_sure}
            for one in receipt.proposals
        ]
    if receipt.error is not None:
        found["error"] = {"kind": type(receipt.error).__name__, "message": str(receipt.error)}
    return found
