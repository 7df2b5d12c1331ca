"""What an entry of a statement says, in plain words for the person: what, who, why, from where, and what they can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagebank.actions import forgotten
from imagebank.actions.actors import Actor, Sort
from imagebank.actions.statement import Entry, Theme
from imagebank.model.audited import recipient_of
from imagebank.model.event import Act
from imagebank.model.ledger import Checkpoint, Line, digest_of
from imagebank.model.provision import FOR_EVER, Provision, Relation
from imagebank.portal import plain_words, wording
from imagebank.portal.language import counted, gettext, moment, noted

Said = tuple[str, str]
"""A sentence about the reader, and the same about somebody else."""

_SAID: Final[Mapping[str, Said]] = {
    Act.DEPOSITED: (noted("You added images."), noted("Images came in.")),
    Act.VIEWED: (noted("You looked at images."), noted("%(who)s looked at images.")),
    Act.SENT: (noted("You took a copy of images."), noted("%(who)s took a copy of images, or sent one.")),
    Act.REDEEMED: (noted("You opened images with a card."), noted("%(who)s opened images with a card of yours.")),
    Act.NOT_REDEEMED: (noted("A card was refused."), noted("A card of yours was refused to somebody.")),
    Act.REFUSED: (noted("Something was refused to you."), noted("Something was refused to %(who)s.")),
    Act.DECIDED: (noted("You made a decision."), noted("%(who)s wrote down a decision about your images.")),
    Act.EMERGENCY: (
        noted("You opened this record in an emergency."),
        noted("%(who)s opened your record in an emergency."),
    ),
    Act.EMERGENCY_ENDED: (
        noted("You ended access in an emergency."),
        noted("%(who)s closed your record after an emergency."),
    ),
    Act.REVIEWED: (noted("You reviewed an emergency."), noted("%(who)s reviewed an emergency.")),
    Act.REMOVED: (noted("You removed images."), noted("%(who)s removed images.")),
    Act.CORRECTED: (noted("You corrected data of images."), noted("%(who)s corrected data of images.")),
    Act.CHANGED: (
        noted("You changed something."),
        noted("An appointment or an order of yours came in, or was changed."),
    ),
    Act.NOTIFIED: (noted("You were told of something."), noted("Somebody was told of something about your images.")),
    Act.UNBOUNDED: (noted("You looked at entries about you."), noted("%(who)s looked at entries about you.")),
}
_OTHERWISE: Final[Said] = (noted("You did something."), noted("%(who)s did something that is about your images."))
_CARDS: Final[Mapping[str, Said]] = {
    "made": (noted("You made a card."), noted("%(who)s made a card for your images.")),
    "frozen": (noted("You froze a card."), noted("%(who)s froze a card of yours.")),
    "thawed": (noted("You let a card work again."), noted("%(who)s let a card of yours work again.")),
    "taken back": (noted("You took a card back."), noted("%(who)s took a card of yours back.")),
    "health link made": (noted("You made a link of a card."), noted("%(who)s made a link of a card of yours.")),
}
_ASKED: Final[Mapping[str, Said]] = {
    "seen": (noted("You worked on a request."), noted("Somebody works on your request for images.")),
    "answered": (noted("You answered a request."), noted("Your request for images was answered.")),
    "refused": (noted("You refused a request."), noted("Your request for images was refused.")),
    "withdrawn": (noted("You withdrew a request."), noted("%(who)s withdrew a request for images.")),
}
_SENT_REQUEST: Final[Said] = (noted("You asked for images."), noted("%(who)s asked for images of yours."))
_CARD_CHANGED: Final[Said] = (noted("You changed a card."), noted("%(who)s changed a card of yours."))
_HOLDS: Final[Mapping[str, Said]] = {
    Relation.OWNER: (noted("You opened an account."), noted("An account for these images was opened.")),
    Relation.PARENT: (noted("You let a parent in."), noted("A parent was let in.")),
    Relation.CARER: (noted("You let a carer in."), noted("A carer was let in.")),
    Relation.REPRESENTATIVE: (noted("You let a representative in."), noted("A legal representative was let in.")),
    "closed by its owner": (noted("You closed your account."), noted("An account for these images was closed.")),
    "ended": (noted("You ended an access."), noted("An access to these images ended.")),
}
_TRANSFERS: Final[Mapping[str, Said]] = {
    "to": (
        noted("You had images sent to another place."),
        noted("%(who)s had images of yours sent to another place."),
    ),
    "done": (noted("The images that you sent are there."), noted("The images that %(who)s sent are there.")),
    "stopped": (noted("The sending of images stopped."), noted("The sending of images by %(who)s stopped.")),
}
"""By the first word of what the ledger says of a transfer."""
_SIGN_IN: Final[Mapping[str, Said]] = {
    forgotten.ASKED: (
        noted("Somebody asked for a new password for your account."),
        noted("Somebody asked for a new password for the account of %(who)s."),
    ),
    forgotten.SET: (
        noted("A new password was set for your account by a link in a mail."),
        noted("A new password was set for the account of %(who)s by a link in a mail."),
    ),
    forgotten.STOPPED: (
        noted("A link for a new password of your account was stopped."),
        noted("A link for a new password for the account of %(who)s was stopped."),
    ),
}
_STEPS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys((Act.CARD, Act.REDEEMED, Act.NOT_REDEEMED), (noted("See your cards"), "/my/cards")),
    Act.ENROLLED: (noted("See who has access"), "/my/people"),
    Act.REQUESTED: (noted("See your requests"), "/my/requests"),
}
"""What the reader of an entry can do, and the page for it."""
_HEARD: Final[Said] = (noted("You changed personal data."), noted("Your name, birth date or address came in."))
_NEW_SHEET: Final[Said] = (noted("A new sheet was printed."), noted("A new sheet for an account was printed."))
_BY_DETAIL: Final[Mapping[str, tuple[Mapping[str, Said], Said]]] = {
    Act.CARD: (_CARDS, _CARD_CHANGED),
    Act.ENROLLED: (_HOLDS, _NEW_SHEET),
    Act.REQUESTED: (_ASKED, _SENT_REQUEST),
}
"""Acts that the ledger tells apart by their detail, each with what is said of all others."""
_RELEASED: Final[Said] = (
    noted("You let a report be read at once."),
    noted("%(who)s let you read a report at once, without the wait."),
)
_REPEAT_CHECK: Final = "repeat check"
_CHECKED: Final[Said] = (
    noted("You checked whether an exam that was ordered had been made already."),
    noted("%(who)s checked whether an exam that was ordered had been made already."),
)
_TOLD_OF: Final[Said] = (
    noted("You were told of this exam while another one was ordered."),
    noted("%(who)s was told of this exam while another one was ordered."),
)
_ANSWERED: Final[Said] = (
    noted("You decided about an order, knowing of this exam."),
    noted("%(who)s decided about an order, knowing of this exam."),
)
_JOINED: Final[Said] = (noted("You joined records."), noted("Records were joined as yours, or parted from yours."))
_DECIDED: Final[Mapping[str, Said]] = {"persons": _JOINED, "report": _RELEASED}


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in words. `step` is what its reader can do, and `way` the page for it, where there is one."""

    at: datetime
    number: str
    theme: Theme
    what: str
    more: str
    who: str
    where: str
    exam: str
    step: str = ""
    way: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Seal:
    """The newest checkpoint as people compare it: its number, the beginning of its digest, and when it was signed."""

    number: int
    digest: str
    at: datetime


def seal_of(newest: Checkpoint | None) -> Seal | None:
    return None if newest is None else Seal(newest.number, digest_of(newest)[:16], plain_words.at(newest.at))


def tell(entry: Entry, actor: Actor, exam: str) -> Told:
    """An entry in words. `exam` is what its study is, of which day and whose."""
    line = entry.line
    mine, theirs = _sentence(entry)
    who = plain_words.named(actor)
    what = gettext(mine) if actor.sort is Sort.SELF else gettext(theirs) % {"who": who}
    step, way = _step(entry, actor)
    return Told(
        plain_words.at(line.at),
        f"{line.lane}-{line.position}",
        entry.theme,
        what,
        plain_words.joined([exam, *_more(entry, actor)]),
        who,
        _where(entry, actor),
        exam,
        step,
        way,
    )


def _sentence(entry: Entry) -> Said:
    line = entry.line
    what = line.detail.partition(": ")[2]
    if line.act in _BY_DETAIL:
        said, otherwise = _BY_DETAIL[line.act]
        return said.get(what, otherwise)
    if line.act == Act.DECIDED and line.detail.startswith("transfer "):
        return _TRANSFERS.get(what.replace(",", " ").partition(" ")[0], _OTHERWISE)
    if line.act == Act.DECIDED:
        return _DECIDED.get(line.detail.partition(": ")[0], _SAID[line.act])
    if line.act == Act.CHANGED and line.detail in _SIGN_IN:
        return _SIGN_IN[line.detail]
    if line.act == Act.CHANGED and line.detail.startswith("patient record"):
        return _HEARD
    return _of_check(line, what) or _SAID.get(line.act, _OTHERWISE)


def _of_check(line: Line, what: str) -> Said | None:
    """What is said of the check of an order, and of what was done about it; None of anything else."""
    if line.act == Act.SEARCHED and what.startswith(_REPEAT_CHECK):
        return _CHECKED if what == _REPEAT_CHECK else _TOLD_OF
    return _ANSWERED if line.act == Act.CHANGED and line.detail.startswith(_REPEAT_CHECK) else None


def _more(entry: Entry, actor: Actor) -> list[str]:
    """How many, to whom, why, and what came of it."""
    line, about = entry.line, entry.about
    found = []
    if line.act in {Act.VIEWED, Act.SENT, Act.DEPOSITED} and line.count > 1:
        found.append(counted(line.count, "%(num)s image", "%(num)s images"))
    if recipient := recipient_of(line):
        found.append(gettext("To: %(name)s") % {"name": recipient.organization or recipient.name})
    if line.act == Act.EMERGENCY and about is not None:
        return [*found, *_emergency(about)]
    if line.act == Act.DECIDED and line.detail.startswith("transfer "):
        found += _transfer(line.detail.partition(": ")[2])
    if line.act == Act.ENROLLED and about is not None and about.ends_at != FOR_EVER:
        found.append(gettext("until %(at)s") % {"at": moment(about.ends_at)})
    if line.purpose and actor.sort is not Sort.SELF:
        found.append(gettext("Reason: %(why)s") % {"why": wording.purpose(line.purpose)})
    return found


def _transfer(what: str) -> list[str]:
    """Where to; or how many are there, and the digest over the receipt, by which both banks' statements are compared."""
    if what.startswith("to "):
        return [gettext("To: %(name)s") % {"name": what.removeprefix("to ")}]
    _, *told = what.split(", ")
    if len(told) != 2:
        return []
    sent, _, total = told[0].partition(" of ")
    counts = {"sent": sent, "total": total}
    return [gettext("%(sent)s of %(total)s images") % counts, gettext("Receipt: %(digest)s") % {"digest": told[1]}]


def _emergency(about: Provision) -> list[str]:
    end = min(about.ends_at, about.revoked_at or about.ends_at)
    found = [
        gettext("They gave as reason: “%(words)s”") % {"words": about.reason},
        gettext("Open until %(at)s") % {"at": moment(end)},
    ]
    if about.review:
        words = {"name": about.reviewed_by, "words": about.review}
        return [*found, gettext("%(name)s reviewed it: “%(words)s”") % words]
    return [*found, gettext("Nobody has reviewed it yet; somebody will.")]


def _where(entry: Entry, actor: Actor) -> str:
    """By whom, where the sentence does not say so; the organization; of a card or a refusal the network address, too."""
    is_named = (
        actor.sort in {Sort.SELF, Sort.BANK} or "%(who)s" in _sentence(entry)[1] or entry.line.act == Act.NOT_REDEEMED
    )
    by = "" if is_named else plain_words.named(actor)
    is_outside = actor.sort is Sort.CARD or entry.theme is Theme.REFUSAL
    address = entry.line.address if is_outside else ""
    return plain_words.joined(
        [by, actor.organization, gettext("from %(address)s") % {"address": address} if address else ""]
    )


def _step(entry: Entry, actor: Actor) -> tuple[str, str]:
    """What its reader can do, and where."""
    line = entry.line
    step, page = _STEPS.get(Act.CARD if actor.card else line.act, ("", ""))
    if line.detail in _SIGN_IN and actor.sort is Sort.SELF:
        step, page = noted("See how you sign in"), "/account"
    if page:
        return gettext(step), page
    if entry.theme is Theme.EMERGENCY and actor.sort is not Sort.SELF:
        words = {"organization": actor.organization}
        return gettext("Do you have a question? Ask the privacy office of %(organization)s.") % words, ""
    if entry.study:
        return gettext("See these images"), f"/studies/{line.study}"
    return "", ""
