"""What the forms say by which a card is made: which images, for whom, and for how long."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from imagebank.actions.card_reach import Reach
from imagebank.actions.cards import Wanted
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.card import Card
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.model.zone import ending
from imagebank.portal import here

Form = Mapping[str, str]
STUDY: Final = "study-"
"""How the fields begin that choose a study; its UID follows."""
DAYS: Final = (1, 7, 30)
_USUAL_DAYS: Final = 7
_WHOSE: Final = ("of", "patient_id", "issuer")
_KIND: Final = ("modality", "body_part", "since", "until")
_WHAT: Final = (*_WHOSE, *_KIND, "everything", "later", "kind_later", "reports")
_WHOM: Final = ("recipient", "purpose", "label", "days", "last_day", "uses", "taking", "pin", "email")
BYTES: Final = 128 << 10
FIELDS: Final = 600
"""Of a form that names as many studies as a card can open."""


def begun(study: str = "", **given: str) -> dict[str, str]:
    """The form as it is shown first: with a study that was chosen on another page, and with reports."""
    chosen = {f"{STUDY}{study}": "yes"} if study else {}
    return {"reports": "yes", "days": str(_USUAL_DAYS), "taking": "yes", **chosen, **given}


def typed(form: Form) -> dict[str, str]:
    """The form with an empty text for whatever was not typed, for the page."""
    return {**dict.fromkeys((*_WHOSE, *_KIND, *_WHOM), ""), **form}


def of_what(form: Form) -> dict[str, str]:
    """What was said of the images, to be kept while the rest is asked."""
    return {name: text for name, text in form.items() if name in _WHAT or name.startswith(STUDY)}


def of_whom(form: Form) -> dict[str, str]:
    """What was said of the receiver. The PIN is asked again."""
    return {name: text for name, text in form.items() if name in _WHOM and name != "pin"}


def studies(form: Form) -> tuple[Uid, ...]:
    """The studies that were chosen. Raises Invalid."""
    return tuple(Uid.parse(name.removeprefix(STUDY)) for name in form if name.startswith(STUDY))


def patient_of(form: Form) -> PatientId | None:
    """The patient whom staff have named; None where they named none."""
    identifier, issuer = form.get("patient_id", "").strip(), form.get("issuer", "").strip()
    return PatientId(issuer, identifier) if identifier and issuer else None


def reach(form: Form, patient: PatientId | None) -> Reach:
    """What the card is to open: everything, images of a kind, or single studies. Raises Invalid in words for the owner."""
    some, is_all = studies(form), "later" in form or "everything" in form
    modality, body_part, since, until = (form.get(name, "").strip() for name in _KIND)
    is_kind = bool(modality or body_part or since or until)
    if is_all and is_kind:
        raise Invalid("choose everything, or images of one kind; not both")
    if is_kind and some:
        raise Invalid("choose single exams, or images of one kind; not both")
    if not (is_all or is_kind or some):
        raise Invalid("choose at least one exam, or everything")
    return Reach(
        patient,
        () if is_all else some,
        modality,
        body_part,
        _day(since) if since else "",
        _day(until) if until else "",
        future="later" in form or (is_kind and "kind_later" in form),
        reports="reports" in form,
        taking=form.get("taking") == "yes",
    )


def _day(text: str) -> str:
    return f"{_date(text):%Y%m%d}"


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Invalid("a day is written as 2026-01-31") from None


def wanted(bank: Bank, form: Form, patient: PatientId | None) -> Wanted:
    """The card that the whole form asks for. Raises Invalid."""
    return Wanted(
        reach(form, patient),
        ends_at=last_moment(bank, form),
        uses=_number(form.get("uses", "")),
        pin="".join(form.get("pin", "").split()),
        label=form.get("label", "").strip(),
        recipient=form.get("recipient", "").strip(),
        purpose=form.get("purpose", "").strip(),
        email=form.get("email", "").strip(),
    )


def last_moment(bank: Bank, form: Form) -> datetime:
    """The end of the day until which a card is to work. Raises Invalid."""
    if form.get("days", "") == "other":
        if not form.get("last_day"):
            raise Invalid("say until which day the card works")
        return ending(_date(form["last_day"]), here.zone())
    return ending(after(bank, _number(form.get("days", "")) or _USUAL_DAYS), here.zone())


def after(bank: Bank, days: int) -> date:
    """The day that is so many days from now, where the site is."""
    return here.local(bank.now() + timedelta(days=min(days, 10_000))).date()


def of_day(text: str) -> datetime | None:
    """The end of a day that was typed; None where none was. Raises Invalid."""
    return ending(_date(text), here.zone()) if text else None


def _number(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) < 5):
        raise Invalid("this has to be a whole number, such as 3")
    return int(text) if text else None


def changed_uses(form: Form, card: Card) -> int | None:
    """How many uses are left from now on, where that was changed."""
    number = _number(form.get("uses", ""))
    return None if number == card.uses_left else number
