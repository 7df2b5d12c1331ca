"""Cards of CDS Hooks 2.0: what was done already, in words for whoever orders, with what they may do about it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from imagebank.actions.repeat_check import Checked, Seen
from imagebank.exams import naming
from imagebank.exams.overriding import Overrides
from imagebank.exams.telling import reasons
from imagebank.fhir.values import text_of, texts_of
from imagebank.http.tongue import IN_ENGLISH, Tongue
from imagebank.model.alert import Alert, Change
from imagebank.model.exam import Past
from imagebank.model.phrase import Phrase, for_number, listed

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


@dataclass(frozen=True, slots=True)
class Desk:
    """What cards of one call have in common: the bank's address and name, the reasons to override, and the language."""

    origin: str
    site: str
    overrides: Overrides
    tongue: Tongue = IN_ENGLISH

    def say(self, phrase: Phrase | str) -> str:
        return self.tongue.say(phrase)


def card(one: Checked, draft: Mapping[str, Any], desk: Desk) -> Card:
    """The card of an alert about a draft order."""
    alert = one.alert
    assert alert is not None
    return {
        "uuid": alert.id,
        "summary": summary(one, desk),
        "detail": detail(one, desk),
        "indicator": INDICATORS[alert.severity],
        "source": {"label": desk.site, "url": desk.origin},
        "suggestions": list(_suggestions(one, draft, desk)),
        "selectionBehavior": "at-most-one",
        "overrideReasons": [
            {
                "code": each.code,
                "system": desk.overrides.system,
                "display": desk.say(each.said_in(desk.tongue.language)),
            }
            for each in desk.overrides.offered
        ],
        "links": [{"label": desk.say(label), "url": url, "type": "absolute"} for label, url in _links(one, desk)],
    }


def _links(one: Checked, desk: Desk) -> list[tuple[Phrase, str]]:
    assert one.alert is not None
    assert one.repeat is not None
    if one.repeat.past.archive:
        return [(Phrase("Fetch the images"), page_of(desk.origin, one.repeat.past))]
    return [
        (Phrase("Open the images"), address_of(desk.origin, one.alert)),
        (Phrase("Open them in the viewer"), viewer_of(desk.origin, one.alert)),
    ]


def page_of(origin: str, past: Past) -> str:
    """The page of a study, or the one that fetches it where another archive holds it."""
    if past.archive:
        return f"{origin}/archives/{quote(past.archive, safe='')}/studies/{past.id}"
    return f"{origin}/studies/{past.id}"


def address_of(origin: str, alert: Alert) -> str:
    """Where a study's page is: whoever opens it signs in, and sees what they may see."""
    return f"{origin}/studies/{alert.study}"


def viewer_of(origin: str, alert: Alert) -> str:
    return f"{origin}/viewer/viewer?StudyInstanceUIDs={alert.study}"


def summary(one: Checked, desk: Desk) -> str:
    """What was done, when and where, in fewer than 140 characters of every language."""
    assert one.alert is not None
    assert one.repeat is not None
    past, when = one.repeat.past, ago(one.age)
    where = _plain(past.archive or past.organization)
    told = desk.say(_done(naming.exam(past.exam), when, where, is_here=not past.archive))
    if len(told) <= LONGEST:
        return _plain(told)
    for most in range(len(past.exam.regions), -1, -1):
        told = desk.say(_done(naming.exam(past.exam, most), when, "", is_here=not past.archive))
        if len(told) <= LONGEST:
            break
    return _plain(told)[:LONGEST]


def _done(exam: Phrase, when: Phrase, where: str, *, is_here: bool) -> Phrase:
    values: dict[str, str | Phrase] = {"exam": exam, "when": when, "where": where}
    if is_here and where:
        return Phrase("%(exam)s was done %(when)s at %(where)s: the images are here", values)
    if is_here:
        return Phrase("%(exam)s was done %(when)s: the images are here", values)
    if where:
        return Phrase("%(exam)s was done %(when)s, the images can be had from %(where)s", values)
    return Phrase("%(exam)s was done %(when)s, the images can be had", values)


def ago(days: int) -> Phrase:
    if days < 2:
        return Phrase("yesterday") if days else Phrase("today")
    return for_number("%(num)s day ago", "%(num)s days ago", days)


def detail(one: Checked, desk: Desk) -> str:
    """Why, and the earlier exams as a table, in GitHub Flavored Markdown."""
    assert one.repeat is not None
    why = desk.say(listed(reasons(one.repeat.factors)))
    told = Phrase(
        "It answers what is ordered: %(why)s. Rule: %(rule)s.", {"why": _cell(why), "rule": _cell(one.repeat.rule)}
    )
    heads = (Phrase("Exam"), Phrase("Date"), Phrase("Where"), Phrase("Images"))
    head = "".join(f"| {_cell(desk.say(each))} " for each in heads) + "|"
    table = [head, "|---|---|---|---|", *(_row(each, desk) for each in one.seen)]
    return "\n".join([desk.say(told), "", *(table if one.seen else ())])


def _row(one: Seen, desk: Desk) -> str:
    modalities = " ".join(texts_of(one.study, _MODALITIES))
    what = text_of(one.study, _DESCRIPTION) or modalities or desk.say(Phrase("Exam"))
    day = one.past.day.isoformat() if one.past.day else ""
    count, address = text_of(one.study, _IMAGES), page_of(desk.origin, one.past)
    return (
        f"| [{_cell(what)}]({address}) | {day} | {_cell(one.past.archive or one.past.organization)} | {_cell(count)} |"
    )


def _cell(text: str) -> str:
    """A text that others wrote, as Markdown that means nothing but its letters."""
    return _MARKS.sub(r"\\\1", _plain(text)[:_LONGEST_CELL])


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _suggestions(one: Checked, draft: Mapping[str, Any], desk: Desk) -> Iterator[dict[str, Any]]:
    """What may be done about the order. Without an `id` of the draft nothing can be done about it by the client itself."""
    assert one.alert is not None
    delete = {
        "type": "delete",
        "description": desk.say(Phrase("Take the order back: the earlier exam answers it")),
        "resourceId": f"ServiceRequest/{draft.get('id')}",
    }
    yield {
        "label": desk.say(Phrase("Cancel this order")),
        "uuid": suggestion(one.alert.id, Change.CANCELLED),
        "isRecommended": one.alert.severity == "warn",
        **_actions(draft, delete),
    }
    update = {
        "type": "update",
        "description": desk.say(Phrase("Name the earlier exam in the order")),
        "resource": {**draft, "supportingInfo": [*_supporting(draft), _named(one, desk)]},
    }
    yield {
        "label": desk.say(Phrase("Keep the order and name the earlier exam for comparison")),
        "uuid": suggestion(one.alert.id, Change.CHANGED),
        **_actions(draft, update),
    }


def _actions(draft: Mapping[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    return {"actions": [action]} if draft.get("id") else {}


def _supporting(draft: Mapping[str, Any]) -> list[Any]:
    held = draft.get("supportingInfo", [])
    return list(held) if isinstance(held, list) else []


def _named(one: Checked, desk: Desk) -> dict[str, Any]:
    assert one.alert is not None
    assert one.repeat is not None
    identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{one.alert.study}"}
    day = one.repeat.past.day
    words = desk.say(listed([naming.exam(one.repeat.past.exam), *([day.isoformat()] if day else [])]))
    return {"type": "ImagingStudy", "identifier": identifier, "display": words}
