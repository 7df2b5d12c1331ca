"""Cards in plain words: what one opens, what became of it, and who has used it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.actions.card_contents import Content
from imagebank.actions.cards import Told
from imagebank.model.card import NO_END, Opens, State
from imagebank.model.timeline import Part
from imagebank.portal import exams, plain_words
from imagebank.portal.language import counted, day, day_at, gettext, moment, noted
from imagebank.portal.rows import row_of

_STATES: Final = {
    State.WORKS: noted("Works"),
    State.FROZEN: noted("Frozen"),
    State.USED_UP: noted("Used up"),
    State.ENDED: noted("Ended"),
    State.TAKEN_BACK: noted("Taken back"),
    State.SWALLOWED: noted("Locked"),
}
GLYPHS: Final = {
    State.WORKS: "check-circle",
    State.FROZEN: "snowflake",
    State.USED_UP: "check",
    State.ENDED: "clock",
    State.TAKEN_BACK: "prohibit",
    State.SWALLOWED: "lock-simple",
}
_NOW: Final = {
    State.WORKS: noted("This card works. Whoever has its number and its PIN sees what it opens."),
    State.FROZEN: noted("This card is frozen. It opens nothing until you let it work again."),
    State.USED_UP: noted("This card was used as often as you allowed. It opens nothing new."),
    State.ENDED: noted("This card has ended. It opens nothing any more."),
    State.TAKEN_BACK: noted(
        "This card was taken back. It opens nothing any more. A copy that somebody kept stays theirs."
    ),
    State.SWALLOWED: noted(
        "Somebody typed too many wrong PINs, so this card locked itself for good. Nothing was shown to them. "
        "If a doctor still needs the images, make another card."
    ),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as pages draw it. `number` is empty on every page but the one that follows its making."""

    id: str
    title: str
    state: State
    state_words: str
    glyph: str
    recipient: str
    until: str
    shows: str
    number: str = ""


def shown(told: Told, number: str = "") -> Shown:
    """The card itself: who it is for, until when, what it shows, and what became of it."""
    card = told.card
    return Shown(
        card.id,
        card.label or card.recipient or gettext("Card of %(day)s") % {"day": day_at(card.made_at)},
        told.state,
        gettext(_STATES[told.state]),
        GLYPHS[told.state],
        card.recipient or gettext("anybody"),
        day_at(card.ends_at),
        shows(told.opens),
        number,
    )


def shows(opens: Opens) -> str:
    """What a card opens, in two or three words."""
    if opens.studies:
        return counted(len(opens.studies), "%(num)s exam", "%(num)s exams")
    if opens.modality or opens.body_part:
        return exams.exam([Part(opens.body_part, "", opens.modality)], [opens.modality], gettext("Some exams"))
    return gettext("Some exams") if opens.since or opens.until else gettext("Everything")


def now(state: State) -> str:
    """What becomes of whoever shows the card now."""
    return gettext(_NOW[state])


def content(one: Content) -> str:
    """A study of a card: `CT of the head, Tue, 24 Nov 2026`."""
    study = row_of(one.study)
    name = exams.exam(one.parts, study.modalities, study.description)
    return f"{name}, {plain_words.exam_day(study.date)}"


def opened(opens: Opens, contents: Sequence[Content] = ()) -> list[str]:
    """What a card opens, a sentence each; the studies that it names by name."""
    return [*_what(opens, contents), *terms(opens)]


def _what(opens: Opens, contents: Sequence[Content]) -> Iterator[str]:
    if opens.studies:
        yield from map(content, contents)
        lost = len(opens.studies) - len(contents)
        if lost:
            yield counted(lost, "%(num)s exam that is not here any more", "%(num)s exams that are not here any more")
        return
    if not (opens.modality or opens.body_part or opens.since or opens.until):
        yield gettext("Everything")
    if opens.modality:
        yield gettext("Only this kind: %(kind)s") % {"kind": kind(opens.modality)}
    if opens.body_part:
        yield gettext("Only of %(part)s") % {"part": exams.part_of_body(opens.body_part)}
    if opens.since:
        yield gettext("Only from %(day)s on") % {"day": day(opens.since)}
    if opens.until:
        yield gettext("Only until %(day)s") % {"day": day(opens.until)}
    yield gettext("Also what comes later")


def terms(opens: Opens) -> list[str]:
    """Whether reports are shown, and copies may be kept."""
    return [
        gettext("With the reports of the doctors") if opens.reports else gettext("Without the reports of the doctors"),
        gettext("They may keep a copy") if opens.taking else gettext("Look only: nothing can be saved"),
    ]


def kind(modality: str) -> str:
    """A kind of images: `CT scan`."""
    return exams.exam((), [modality], modality)


def uses(told: Told) -> str:
    """How often a card was used, and how often it still can be."""
    card = told.card
    used = counted(card.uses, "used once", "used %(num)s times") if card.uses else gettext("not used yet")
    if card.uses_left == NO_END or told.state is not State.WORKS:
        return used
    left = counted(card.uses_left, "can be used %(num)s more time", "can be used %(num)s more times")
    return gettext("%(used)s, %(left)s") % {"used": used, "left": left}


def tries(told: Told, most: int) -> str:
    """That somebody typed wrong PINs; empty where nobody did, or no more can be tried."""
    wrong = most - told.card.tries_left
    if not wrong or told.state is State.SWALLOWED:
        return ""
    number = counted(wrong, "A wrong PIN was typed once.", "A wrong PIN was typed %(num)s times.")
    left = counted(
        told.card.tries_left,
        "After %(num)s more the card locks itself for good.",
        "After %(num)s more the card locks itself for good.",
    )
    return f"{number} {left}"


def until(told: Told) -> str:
    return moment(told.card.ends_at)
