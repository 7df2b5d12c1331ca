"""Cards of CDS Hooks 2.0: what was done already, in words for whoever orders, with what they may do about it."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from imagebank.actions.repeat_check import Checked, Seen
from imagebank.exams.overriding import Overrides
from imagebank.exams.telling import reasons
from imagebank.fhir.values import text_of, texts_of
from imagebank.model.alert import Alert, Change
from imagebank.model.exam import Exam

Card = dict[str, Any]
LONGEST: Final = 139
"""Characters of a summary: fewer than 140 (CDS Hooks 2.0, Card attributes)."""
_LONGEST_CELL: Final = 120
_DESCRIPTION, _MODALITIES, _IMAGES = "00081030", "00080061", "00201208"
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&:/@$-])")
INDICATORS: Final[Mapping[str, str]] = {"warn": "warning", "tell": "info"}


def suggestion(alert: str, change: Change) -> str:
    """The identifier of what a card suggests: it follows from the card, so that feedback tells what was taken."""
    return str(uuid5(_namespace(alert), change))


def _namespace(alert: str) -> UUID:
    try:
        return UUID(alert)
    except ValueError:
        return NAMESPACE_URL


def change_of(alert: str, suggestions: list[str]) -> str:
    """What was taken of a card's suggestions; empty where it is none of them."""
    return next((each for each in Change if suggestion(alert, each) in suggestions), "")


def card(one: Checked, draft: Mapping[str, Any], origin: str, site: str, overrides: Overrides) -> Card:
    """The card of an alert about a draft order."""
    alert = one.alert
    assert alert is not None
    return {
        "uuid": alert.id,
        "summary": summary(one),
        "detail": detail(one, origin),
        "indicator": INDICATORS[alert.severity],
        "source": {"label": site, "url": origin},
        "suggestions": list(_suggestions(one, draft)),
        "selectionBehavior": "at-most-one",
        "overrideReasons": [
            {"code": each.code, "system": overrides.system, "display": each.display} for each in overrides.reason
        ],
        "links": [
            {"label": "Open the images", "url": address_of(origin, alert), "type": "absolute"},
            {"label": "Open them in the viewer", "url": viewer_of(origin, alert), "type": "absolute"},
        ],
    }


def address_of(origin: str, alert: Alert) -> str:
    """Where a study's page is: whoever opens it signs in, and sees what they may see."""
    return f"{origin}/studies/{alert.study}"


def viewer_of(origin: str, alert: Alert) -> str:
    return f"{origin}/viewer/viewer?StudyInstanceUIDs={alert.study}"


def summary(one: Checked) -> str:
    """What was done, when and where, in fewer than 140 characters."""
    assert one.alert is not None
    assert one.repeat is not None
    what = exam_words(one.repeat.past.exam)
    where = one.repeat.past.organization
    end = f" was done {ago(one.alert.days)}: the images are here"
    at = f" at {where}" if where else ""
    text = f"{what} was done {ago(one.alert.days)}{at}: the images are here"
    return _plain(text if len(text) <= LONGEST else f"{what[: LONGEST - len(end)]}{end}")


def ago(days: int) -> str:
    return "today" if not days else "yesterday" if days == 1 else f"{days} days ago"


def exam_words(exam: Exam) -> str:
    """An exam in a few words, such as `CT abdomen, pelvis`, from what it was understood to be."""
    side = {"R": " right", "L": " left", "B": " both sides"}.get(exam.side.value, "")
    regions = ", ".join(one.lower() for one in exam.regions)
    return " ".join(f"{exam.group.value} {regions}{side}".split())


def detail(one: Checked, origin: str) -> str:
    """Why, and the earlier exams as a table, in GitHub Flavored Markdown."""
    assert one.repeat is not None
    why = ", ".join(str(each) for each in reasons(one.repeat.factors))
    rows = [_row(each, origin) for each in one.seen]
    table = ["| Exam | Date | Where | Images |", "|---|---|---|---|", *rows]
    return "\n".join(
        [f"It answers what is ordered: {_cell(why)}. Rule: {_cell(one.repeat.rule)}.", "", *(table if rows else ())]
    )


def _row(one: Seen, origin: str) -> str:
    modalities = " ".join(texts_of(one.study, _MODALITIES))
    what = text_of(one.study, _DESCRIPTION) or modalities or "Exam"
    day = one.past.day.isoformat() if one.past.day else ""
    count = text_of(one.study, _IMAGES)
    return (
        f"| [{_cell(what)}]({origin}/studies/{one.past.id}) | {day} | {_cell(one.past.organization)} | {_cell(count)} |"
    )


def _cell(text: str) -> str:
    """A text that others wrote, as Markdown that means nothing but its letters."""
    return _MARKS.sub(r"\\\1", _plain(text)[:_LONGEST_CELL])


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _suggestions(one: Checked, draft: Mapping[str, Any]) -> Any:
    assert one.alert is not None
    yield {
        "label": "Cancel this order",
        "uuid": suggestion(one.alert.id, Change.CANCELLED),
        "isRecommended": one.alert.severity == "warn",
        "actions": [
            {
                "type": "delete",
                "description": "Take the order back: the earlier exam answers it",
                "resourceId": f"ServiceRequest/{draft.get('id', '')}",
            }
        ],
    }
    yield {
        "label": "Keep the order and name the earlier exam for comparison",
        "uuid": suggestion(one.alert.id, Change.CHANGED),
        "actions": [
            {
                "type": "update",
                "description": "Name the earlier exam in the order",
                "resource": {**draft, "supportingInfo": [*_supporting(draft), _named(one)]},
            }
        ],
    }


def _supporting(draft: Mapping[str, Any]) -> list[Any]:
    held = draft.get("supportingInfo", [])
    return list(held) if isinstance(held, list) else []


def _named(one: Checked) -> dict[str, Any]:
    assert one.alert is not None
    assert one.repeat is not None
    identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{one.alert.study}"}
    day = one.repeat.past.day
    words = exam_words(one.repeat.past.exam) + (f", {day.isoformat()}" if day else "")
    return {"type": "ImagingStudy", "identifier": identifier, "display": words}
