"""`imagebank card`: cards that let somebody without an account see a patient's images."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, operator, say, tell, typed

if TYPE_CHECKING:
    from imagebank.actions.cards import Told
    from imagebank.bank import Bank

app = App(name="card", help="Cards by which others see a patient's images: issue, list, freeze, thaw, revoke.")
_COLUMNS = ("id", "state", "patient", "scope", "expires", "uses", "tries_left", "recipient", "label")


@app.command
def issue(
    *,
    patient: str = "",
    issuer: str = "",
    study: tuple[str, ...] = (),
    modality: str = "",
    body_part: str = "",
    since: str = "",
    until: str = "",
    future: bool = False,
    without_reports: bool = False,
    look_only: bool = False,
    expires: date | None = None,
    days: float | None = None,
    uses: int | None = None,
    pin: str = "",
    recipient: str = "",
    email: str = "",
    purpose: str = "",
    label: str = "",
    common: Common = HERE,
) -> int:
    """Give a card for a patient who has asked for it, and print its number and PIN, this once.

    Example: imagebank card issue --data /srv/imagebank --patient 4711 --recipient "Dr Okafor" --days 14

    Example: imagebank card issue --study 1.2.3 --study 1.2.4 --uses 1 --look-only

    Example: imagebank card issue --patient 4711 --modality MR --future --expires 2027-06-30

    Parameters
    ----------
    patient
        The patient's identifier; without it, whose the studies are.
    issuer
        The organization that gave it; the bank's own without it.
    study
        A Study Instance UID; may be repeated. Without any, all that fits the rest.
    modality
        Only studies of this modality, such as CT.
    body_part
        Only studies of this part of the body, such as CHEST.
    since
        Only studies of this day or later, YYYYMMDD.
    until
        Only studies of this day or before, YYYYMMDD.
    future
        Also what comes later: a standing order.
    without_reports
        The images, and no reports.
    look_only
        To look at, and not to take along.
    expires
        The last day on which it works, in the site's time zone.
    days
        For how many days it works; a month without either.
    uses
        How often it can be redeemed; any number of times without it.
    pin
        The patient's own PIN, 4 to 12 digits; six are drawn without it.
    recipient
        Whom it is for.
    email
        Where a code is mailed that must be typed in, too.
    purpose
        Why the patient gives it.
    label
        What the patient calls it.
    """
    from imagebank.actions import cards
    from imagebank.actions.card_reach import Reach
    from imagebank.model import card_number
    from imagebank.model.person import PatientId
    from imagebank.model.uid import Uid

    if expires is not None and days is not None:
        raise WrongUsage("say on which day the card expires, or for how many days it works")
    with bank_of(common) as bank, typed():
        reach = Reach(
            PatientId(issuer or bank.settings.organization, patient) if patient else None,
            tuple(Uid.parse(one) for one in study),
            modality.upper(),
            body_part.upper(),
            since,
            until,
            future=future,
            reports=not without_reports,
            taking=not look_only,
        )
        wanted = cards.Wanted(reach, _end(bank, expires, days), uses, pin, label, recipient, purpose, email)
        made = cards.issue(bank, wanted, operator(bank))
    number = card_number.shown(made.number)
    words = (
        f"card {made.card.id}\nnumber  {number}\nPIN     {made.pin}\nuntil   {made.card.ends_at.isoformat()}\n"
        "Give the PIN apart from the number. Neither is shown again."
    )
    ends = made.card.ends_at.isoformat()
    tell(common, words, id=made.card.id, number=number, pin=made.pin, expires=ends, studies=list(made.opens.studies))
    return ALL_WELL


def _end(bank: "Bank", expires: date | None, days: float | None) -> datetime | None:
    from imagebank.model.zone import ending

    if days is not None:
        return bank.now() + timedelta(days=days)
    return None if expires is None else ending(expires, bank.settings.zone)


@app.command(name="list")
def list_(*, patient: str = "", issuer: str = "", common: Common = HERE) -> int:
    """List cards, newest first, and what has become of each; never a number or a PIN.

    Example: imagebank card list --data /srv/imagebank --patient 4711

    Parameters
    ----------
    patient
        Only those of this patient, by identifier.
    issuer
        The organization that gave it; the bank's own without it.
    """
    from imagebank.actions import cards
    from imagebank.model.person import PatientId

    with bank_of(common) as bank:
        whose = PatientId(issuer or bank.settings.organization, patient) if patient else None
        found = cards.listed(bank, operator(bank), whose)
    say(common, [_row(one) for one in found], _COLUMNS)
    return ALL_WELL


def _row(told: "Told") -> dict[str, Any]:
    from imagebank.http.cards import in_words
    from imagebank.model.card import NO_END

    card = told.card
    used = f"{card.uses}" if card.uses_left == NO_END else f"{card.uses} of {card.uses + card.uses_left}"
    whose = f"{card.patient.issuer} {card.patient.identifier}"
    values = (card.id, str(told.state), whose, in_words(told.opens), card.ends_at, used, card.tries_left)
    return dict(zip(_COLUMNS, (*values, card.recipient, card.label), strict=True))


@app.command
def freeze(card: str, *, common: Common = HERE) -> int:
    """Let a card open nothing until it is thawed, from the next request on.

    Example: imagebank card freeze 5f3a9c0d12e47b86 --data /srv/imagebank

    Parameters
    ----------
    card
        The card's id, as `imagebank card list` tells it.
    """
    from imagebank.actions import cards

    return _switch(common, card, cards.freeze)


@app.command
def thaw(card: str, *, common: Common = HERE) -> int:
    """Let a frozen card work again.

    Example: imagebank card thaw 5f3a9c0d12e47b86 --data /srv/imagebank

    Parameters
    ----------
    card
        The card's id.
    """
    from imagebank.actions import cards

    return _switch(common, card, cards.thaw)


@app.command
def revoke(card: str, *, common: Common = HERE) -> int:
    """Take a card back for good, from the next request on.

    Example: imagebank card revoke 5f3a9c0d12e47b86 --data /srv/imagebank

    Parameters
    ----------
    card
        The card's id.
    """
    from imagebank.actions import cards

    return _switch(common, card, cards.revoke)


def _switch(common: Common, card: str, act: Callable[..., "Told"]) -> int:
    with bank_of(common) as bank:
        told = act(bank, card, operator(bank))
    tell(common, f"card {card}: {told.state}", id=card, state=str(told.state))
    return ALL_WELL
