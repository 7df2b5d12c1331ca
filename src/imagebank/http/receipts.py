"""Receipts as JSON: what became of a deposited object, in the same form by every way of `/api/v1`."""

from typing import Any

from imagebank.model.imaging import Receipt


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
    if receipt.error is not None:
        found["error"] = {"kind": type(receipt.error).__name__, "message": str(receipt.error)}
    return found
