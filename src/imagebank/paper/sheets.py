"""The sheets that a patient takes along: the card, and what opens an account.

Neither holds a PIN: there is no place for one in them.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import segno

from imagebank.paper.language import Part, Sentence, direction, moment, name, plain, said, typed
from imagebank.paper.typeset import PaperSize, set_pdf

_GROUP: Final = 4
_LONG_CODE: Final = 120


@dataclass(frozen=True, slots=True)
class CardSheet:
    """A card as it is printed. `code` is what its QR code holds, such as an address or `shlink:/…`."""

    site: str
    address: str
    """Where a card is redeemed."""
    number: str
    code: str
    opens: tuple[str, ...]
    """What the card opens, in plain words, in the language of the sheet."""
    account_address: str
    """Where its owner signs in."""
    ends_at: datetime | None = None
    may_keep: bool = True
    """Whether who redeems it may keep copies."""
    person: str = ""


@dataclass(frozen=True, slots=True)
class ActivationSheet:
    """What opens an account, as the desk of a site hands it out once it has seen who somebody is."""

    site: str
    address: str
    """Where an account is opened."""
    account: str
    secret: str
    code: str
    ends_at: datetime
    person: str = ""
    contact: str = ""
    """How the desk is reached, such as a telephone number."""


def card_pdf(sheet: CardSheet, language: str, paper: PaperSize = PaperSize.A4) -> bytes:
    """A page for the patient and the doctor, with a card to be cut out."""
    return set_pdf("card", card_values(sheet, language, paper))


def activation_pdf(sheet: ActivationSheet, language: str, paper: PaperSize = PaperSize.A4) -> bytes:
    """A page that opens an account."""
    return set_pdf("activation", activation_values(sheet, language, paper))


def card_values(sheet: CardSheet, language: str, paper: PaperSize) -> dict[str, Any]:
    """What the template of a card is given."""
    opened = said(language, "Open %(address)s in a web browser, or scan the square code.", address=typed(sheet.address))
    number = said(language, "Type the number of the card, and the PIN that the patient tells you.")
    who = said(language, "Say who you are, where you work, and why you want to see the images.")
    if sheet.may_keep:
        then = said(language, "You see the images. You can download them, and send them to your own archive.")
    else:
        then = said(language, "You see the images. This card does not let you keep a copy.")
    return {
        **_common(language, paper, sheet.site, sheet.address, sheet.code),
        "title": plain(said(language, "Card for medical images")),
        "person": _of(said(language, "Card of %(person)s", person=name(sheet.person))) if sheet.person else [],
        "number_head": plain(said(language, "Card number")),
        "number": grouped(sheet.number),
        "ends_head": plain(said(language, "Can be used until")),
        "ends": moment(language, sheet.ends_at) if sheet.ends_at else plain(said(language, "you take it back")),
        "opens_head": plain(said(language, "What this card opens")),
        "opens": [_of((name(one),)) for one in sheet.opens],
        "doctor_head": plain(said(language, "For the doctor who is given this card")),
        "steps": [_of(one) for one in (opened, number, who, then)],
        "doctor_note": plain(said(language, "You need no account, and nothing has to be installed.")),
        "owner_head": plain(said(language, "For the owner of this card")),
        "owner": [_of(one) for one in _to_owner(language, sheet.account_address)],
        "cut": plain(said(language, "Cut along the lines and fold in the middle.")),
        "wallet_steps": [_of(one) for one in (opened, number, who)],
        "wallet_note": plain(said(language, "The PIN is not on this card.")),
    }


def _to_owner(language: str, address: str) -> list[Sentence]:
    return [
        said(language, "The PIN is not on this sheet. Do not write it here. Tell it only to the doctor."),
        said(language, "Without the PIN nobody can open anything with this sheet."),
        said(
            language,
            "To stop the card, sign in at %(address)s, choose the card and take it back. Nobody can open anything with "
            "it from then on.",
            address=typed(address),
        ),
        said(language, "A copy that somebody has made before stays with them."),
        said(language, "Your statement tells you who used the card, when, and why."),
    ]


def activation_values(sheet: ActivationSheet, language: str, paper: PaperSize) -> dict[str, Any]:
    """What the template of an activation is given."""
    steps = [
        said(language, "Open %(address)s in a web browser, or scan the square code.", address=typed(sheet.address)),
        said(language, "Type the account number and the one-time secret."),
        said(language, "Choose how you sign in from now on."),
        said(language, "Then destroy this sheet. The secret works only once."),
    ]
    warning = said(
        language, "Whoever has this sheet can open your account. Show it to nobody, and do not take a picture of it."
    )
    why = said(
        language,
        "In your account you see your medical images and reports. You let a doctor see them by a card, and you are told "
        "who has looked at them.",
    )
    return {
        **_common(language, paper, sheet.site, sheet.address, sheet.code),
        "title": plain(said(language, "Open your account")),
        "person": _of(said(language, "For %(person)s", person=name(sheet.person))) if sheet.person else [],
        "number_head": plain(said(language, "Account number")),
        "number": grouped(sheet.account),
        "secret_head": plain(said(language, "One-time secret")),
        "secret": grouped(sheet.secret),
        "ends_head": plain(said(language, "Use this sheet before")),
        "ends": moment(language, sheet.ends_at),
        "warning": plain(warning),
        "steps_head": plain(said(language, "What to do")),
        "steps": [_of(one) for one in steps],
        "lost_head": plain(said(language, "If you lose this sheet")),
        "lost": [_of(one) for one in _when_lost(language, name(sheet.site), sheet.contact)],
        "why_head": plain(said(language, "What the account is for")),
        "why": plain(why),
    }


def _when_lost(language: str, site: Part, contact: str) -> list[Sentence]:
    told = [
        said(
            language,
            "Tell %(site)s at once. The secret is stopped, and you get a new sheet. Bring something that proves who "
            "you are.",
            site=site,
        ),
        said(
            language, "If you are told that this sheet was used, and it was not you: tell %(site)s at once.", site=site
        ),
    ]
    if contact:
        told.append(said(language, "You reach %(site)s here: %(contact)s", site=site, contact=name(contact)))
    return told


def grouped(number: str) -> list[str]:
    """A number in groups of four symbols, whichever way it was written; what has its own groups keeps them."""
    bare = re.sub(r"[\s-]", "", number)
    if bare != number:
        return re.split(r"[\s-]+", number.strip())
    return [bare[start : start + _GROUP] for start in range(0, len(bare), _GROUP)]


def _common(language: str, paper: PaperSize, site: str, address: str, code: str) -> Mapping[str, Any]:
    drawn = io.BytesIO()
    # Long content in few and large squares: a phone reads those better than many small ones with more repair.
    segno.make_qr(code, error="m" if len(code) < _LONG_CODE else "l").save(
        drawn, kind="svg", border=4, dark="#000", light="#fff"
    )
    return {
        "language": language,
        "direction": direction(language),
        "paper": paper,
        "site": _of((name(site),)),
        "address": _of((typed(address),)),
        "code": drawn.getvalue().decode(),
        "code_words": plain(said(language, "Square code (QR)")),
    }


def _of(sentence: Sentence) -> list[dict[str, str]]:
    return [{"text": part.text, "kind": part.kind} for part in sentence]
