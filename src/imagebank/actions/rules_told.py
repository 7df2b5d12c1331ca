"""Rules, their versions and what came of a try, as plain values for machines."""

from typing import Any

from imagebank.actions.rules_try import Report, Sample
from imagebank.model.rules import Change, Fault, Version
from imagebank.rules.words import Told


def fault_told(fault: Fault) -> dict[str, Any]:
    return {"line": fault.line, "words": fault.words}


def rule_told(one: Told) -> dict[str, Any]:
    return {"name": one.name, "line": one.line, "in_words": one.sentence}


def version_told(version: Version, *, with_text: bool = False) -> dict[str, Any]:
    found = {
        "number": version.number,
        "at": version.at.isoformat(),
        "by": version.by,
        "way": version.way,
        "sha256": version.digest,
    }
    return found | {"text": version.text.rules, "tables": dict(version.text.tables)} if with_text else found


def report_told(report: Report) -> dict[str, Any]:
    """What came of a try, with the samples."""
    return {
        "since": report.since.isoformat(),
        "looked_at": report.looked_at,
        "is_partial": report.is_partial,
        "is_clean": report.is_clean,
        "applied": report.applied,
        "changed": report.changed,
        "held": report.held,
        "refused": report.refused,
        "let_in": report.let_in,
        "conflicts": report.conflicts,
        "unread": report.unread,
        "unjudged": list(report.unjudged),
        "days": {f"{day[:4]}-{day[4:6]}-{day[6:]}": number for day, number in sorted(report.days.items())},
        "rules": [
            {
                "name": name,
                "applied": one.applied,
                "changed": one.changed,
                "held": one.held,
                "refused": one.refused,
            }
            for name, one in report.rules.items()
        ],
        "samples": [_sample(one) for one in report.samples],
    }


def _sample(one: Sample) -> dict[str, Any]:
    return {
        "at": one.at.isoformat(),
        "file": one.name,
        "from": one.source.principal,
        "way": one.source.way,
        "uid": one.uid,
        "was": one.was,
        "would": one.would,
        "reason": one.reason,
        "changes": [_change(each) for each in one.changes],
        "conflicts": list(one.conflicts),
    }


def _change(one: Change) -> dict[str, Any]:
    after = None if one.element is None else one.after
    return {"rule": one.rule, "attribute": one.attribute, "before": one.before, "after": after}
