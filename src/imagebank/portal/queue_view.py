"""What the page of the reconciliation queue shows: the list, the picture, what it may be and who."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagebank.actions import repeat_orders
from imagebank.actions.guesses import region_words
from imagebank.actions.reconciling import Shown
from imagebank.bank import Bank
from imagebank.dicom.moments import clock
from imagebank.exams import naming
from imagebank.model.access import Principal
from imagebank.model.candidate import Candidate, Guess, agreement
from imagebank.model.identity import Evidence, Identity
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.picture import Answer
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.task import FILED, Kind, Task
from imagebank.model.upload import Department, Laterality
from imagebank.portal import language, launch, pairs, wording
from imagebank.portal.language import gettext, listed, noted
from imagebank.portal.pairs import FINDINGS, called, line
from imagebank.portal.rows import study_row

PAGE_SIZE = 25
KINDS: Mapping[Kind, str] = {
    Kind.UNIDENTIFIED: noted("Whose is it?"),
    Kind.SAME_PERSON: noted("Two records, one person?"),
    Kind.SAME_PIXELS: noted("The same picture twice"),
    Kind.MEDIA: noted("From another hospital"),
    Kind.CONTRIBUTED: noted("Added by the patient, and names somebody else"),
    Kind.REPEAT: noted("Ordered, and made already?"),
}
ANSWERS: Mapping[Kind, Mapping[str, str]] = {
    Kind.SAME_PERSON: {"same": noted("One person"), "apart": noted("Two persons")},
    Kind.SAME_PIXELS: {Answer.RIGHT: noted("It is right so"), Answer.DIFFERENT: noted("Not the same picture")},
    Kind.MEDIA: {"apart": noted("Nobody of ours")},
    Kind.CONTRIBUTED: {"apart": noted("I have looked at it")},
}
FIELDS: Mapping[str, str] = {
    "taken_at": noted("Taken"),
    "department": noted("Department"),
    "body_part": noted("Body part"),
    "laterality": noted("Side"),
    "description": noted("Description"),
}
SIDES: Mapping[str, str] = {
    Laterality.LEFT: noted("left"),
    Laterality.RIGHT: noted("right"),
    Laterality.BOTH: noted("both"),
}
_SOURCES: Mapping[ProposalSource, str] = {
    ProposalSource.SAID: noted("said with the file"),
    ProposalSource.EXIF: noted("camera"),
    ProposalSource.XMP: noted("camera"),
    ProposalSource.NAME: noted("file name"),
    ProposalSource.FOLDER: noted("folder"),
    ProposalSource.DOCUMENT: noted("text of the document"),
    ProposalSource.BURNED_IN: noted("letters in the picture"),
    ProposalSource.ORDER: noted("order"),
    ProposalSource.ENCOUNTER: noted("visit"),
    ProposalSource.DEPARTMENT: noted("as a rule there"),
    ProposalSource.EARLIER: noted("as with those before"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One task of the list."""

    id: str
    title: str
    below: str
    age: str
    picture: str
    is_current: bool
    taken_by: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """An order that repeats an exam: what was ordered, why the exam answers it, and the reasons for which it may stay."""

    order: str
    ordered: str
    by: str
    days: int
    reasons: tuple[str, ...]
    overrides: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The object in the well: how it is drawn, where its page is, and which of how many it is."""

    name: str
    address: str
    kind: launch.Kind
    is_playable: bool
    place: int
    of: int
    size: int
    shape: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the proposal. `options` are value and words; empty where it is typed."""

    name: str
    label: str
    value: str
    bars: int
    why: str
    options: tuple[tuple[str, str], ...]
    is_low: bool
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Person:
    """A candidate as a choice."""

    identifier: str
    words: str
    is_chosen: bool


def age(opened: datetime, now: datetime) -> str:
    """How long something waits: `2 min`, `1 h`, `3 d`."""
    minutes = max(0, int((now - opened).total_seconds() // 60))
    if minutes < 60:
        return gettext("%(num)s min") % {"num": minutes}
    if minutes < 48 * 60:
        return gettext("%(num)s h") % {"num": minutes // 60}
    return gettext("%(num)s d") % {"num": language.whole(minutes // (24 * 60))}


def rows(bank: Bank, tasks: Sequence[Task], current: str, principal: Principal) -> list[Row]:
    """The tasks of a page as a list."""
    now = bank.now()
    return [_row(bank, task, principal, now, is_current=task.id == current) for task in tasks]


def _row(bank: Bank, task: Task, principal: Principal, now: datetime, *, is_current: bool) -> Row:
    below = task.department or task.organization
    picture = ""
    if task.likeness is not None:
        pair = (task.likeness.first, task.likeness.second)
        title = " / ".join(_name_of(bank, one, principal) for one in pair)
        below = " / ".join(f"{one.identifier} · {one.issuer}" for one in pair)
    else:
        study = task.studies[0]
        instances = bank.index.instances(Selection(study), principal.scope)
        title, picture = _title(bank, instances, principal), f"/dicom-web/studies/{study}/thumbnail?viewport=128,128"
        if not any(launch.kind_of(one) is launch.Kind.PICTURE for one in instances):
            picture = ""
    if task.kind in FILED:
        below = gettext(KINDS[task.kind])
    taken = task.mark.taken_by if task.mark.is_taken(now) and task.mark.taken_by != principal.name else ""
    return Row(task.id, title, below, age(task.opened_at, now), picture, is_current, taken)


def _name_of(bank: Bank, patient: PatientId, principal: Principal) -> str:
    """How a patient record is called."""
    found = bank.index.persons.identity(patient, principal.scope)
    return called(found.identity) if found else patient.identifier


def _title(bank: Bank, instances: Sequence[Instance], principal: Principal) -> str:
    """How a study is called that names nobody: by the name of its file, else by what it is."""
    if not instances:
        return gettext("Study without a description")
    original = bank.index.original(instances[0].uid, principal.scope)
    if original is not None and original.name:
        more = len(instances) - 1
        words = original.name.rpartition("/")[2]
        return (
            words if not more else gettext("%(name)s and %(num)s more") % {"name": words, "num": language.whole(more)}
        )
    row = study_row(bank, instances[0].study, principal.scope)
    return row.description or gettext("Study without a description")


def picture(bank: Bank, shown: Shown, number: int, principal: Principal) -> Picture | None:
    """The object of a task that is looked at, by its place among them."""
    if not shown.instances:
        return None
    place = min(max(number, 1), len(shown.instances))
    one = shown.instances[place - 1]
    original = bank.index.original(one.uid, principal.scope)
    pixels = one.pixels
    return Picture(
        original.name.rpartition("/")[2] if original else "",
        f"/studies/{one.study}/series/{one.series}/instances/{one.uid}",
        launch.kind_of(one),
        launch.is_playable(one),
        place,
        len(shown.instances),
        original.location.size if original else one.location.size,
        f"{pixels.columns} \u00d7 {pixels.rows}" if pixels else "",
    )


def fields(shown: Shown, typed: Mapping[str, str]) -> list[Field]:
    """What it may be, field by field; what somebody typed already goes before what is proposed."""
    return [_field(one, typed.get(one.field)) for one in shown.guesses]


def _field(guess: Guess, typed: str | None) -> Field:
    value = guess.value if typed is None else typed
    best = guess.proposals[0] if guess.proposals else None
    if guess.held and guess.is_said:
        same = next((one for one in guess.proposals if one.value == guess.held), None)
        why = said_by(same) if same else gettext("in the object")
    elif best is not None:
        why = said_by(best)
    else:
        why = gettext("when the file came; nobody said when it was taken") if guess.held else ""
    kind = {"taken_at": "datetime-local"}.get(guess.field, "text")
    return Field(
        guess.field,
        gettext(FIELDS[guess.field]),
        value,
        guess.bars,
        why,
        tuple(_options(guess)),
        guess.is_low and typed is None,
        kind,
    )


def said_by(proposal: Proposal) -> str:
    """What a proposal was read from, as it says itself; else where it comes from."""
    return proposal.evidence or gettext(_SOURCES[proposal.source])


def _options(guess: Guess) -> list[tuple[str, str]]:
    """What can be chosen: what is proposed first, then all there is; nothing where it is typed freely."""
    known: Mapping[str, str] = {}
    if guess.field == "department":
        known = {one.value: one.value for one in Department if one}
    elif guess.field == "body_part":
        known = region_words()
    elif guess.field == "laterality":
        known = {side: gettext(words) for side, words in SIDES.items()}
    elif not guess.is_low:
        return []
    proposed = [one.value for one in guess.proposals] + ([guess.held] if guess.held else [])
    words = {value: known.get(value) or _shown(guess.field, value) for value in [*proposed, *known]}
    return list(words.items())


def _shown(field: str, value: str) -> str:
    if field != "taken_at":
        return value
    return f"{language.day(value[:10].replace('-', ''))}, {value[11:16]}"


def people(candidates: Sequence[Candidate], chosen: str | None) -> list[Person]:
    """Who may be chosen. Nobody is chosen beforehand but who is likely."""
    return [
        Person(
            one.identity.patient.identifier,
            called(one.identity),
            one.identity.patient.identifier == chosen if chosen is not None else one.is_likely,
        )
        for one in candidates
    ]


def compared(shown: Shown) -> list[dict[str, object]]:
    """The rows of the comparison."""
    assert shown.known is not None
    given, some = shown.known.identity, shown.candidates
    table: list[dict[str, object]] = [
        line(
            gettext("Name"), _given_name(given), [_cell(one, ("family", "given"), called(one.identity)) for one in some]
        ),
        line(
            gettext("Born"),
            language.day(given.birth_date),
            [_cell(one, ("birth_date",), language.day(one.identity.birth_date)) for one in some],
        ),
        line(
            gettext("Sex"),
            wording.sex(given.sex),
            [_cell(one, ("sex",), wording.sex(one.identity.sex)) for one in some],
        ),
    ]
    if given.patient.identifier:
        table.append(
            line(
                gettext("Patient ID"),
                given.patient.identifier,
                [_cell(one, ("identifier",), one.identity.patient.identifier) for one in some],
            )
        )
    if any(one.that_day is not None for one in some):
        table.append(line(gettext("That day"), language.day(shown.known.day), [_that_day(one) for one in some]))
    if any(one.accession for one in some):
        table.append(
            line(
                gettext("Open order"),
                shown.known.accession,
                [("same" if one.accession else "", one.accession) for one in some],
            )
        )
    table.append(
        line(gettext("Score"), " ", [("", f"{one.score:.1f}" if one.score is not None else "\u2013") for one in some])
    )
    return table


def _given_name(identity: Identity) -> str:
    return called(identity) if any(identity.name.groups()) else ""


def _cell(one: Candidate, names: tuple[str, ...], value: str) -> tuple[str, str]:
    """How a candidate agrees in some fields: in words where it does not differ, else what the record has instead."""
    found = one.finding(*names)
    if found is None:
        return "", value or gettext("not given")
    worst = next((each for each in one.evidence if each.field in names and _is(each, found)), None)
    words = gettext(FINDINGS.get(worst.finding, "")) if worst else ""
    # The names stand above: how they agree is enough.
    is_told = found == "alike" and "family" not in names
    return str(found), value if found == "differs" else f"{words}: {value}" if is_told else words


def _is(evidence: Evidence, found: str) -> bool:
    return agreement(evidence.finding) == found


def pair(shown: Shown) -> tuple[list[str], list[pairs.Line]]:
    """The two records of which a task asks, side by side."""
    assert shown.task.likeness is not None
    one, other = (each.identity for each in shown.records)
    return pairs.pair(one, other, shown.task.likeness)


def _that_day(one: Candidate) -> tuple[str, str]:
    if one.that_day is None:
        return "", ""
    if not one.that_day:
        return "differs", gettext("no visit")
    times = [clock(each) for each in one.that_day if each]
    return "same", gettext("here at %(time)s") % {"time": listed(times)} if times else gettext("here")


def repeat(found: repeat_orders.Shown | None) -> Repeat | None:
    """What is shown of an order; None where its alert is not there any more."""
    if found is None:
        return None
    alert = found.alert
    why = tuple(map(language.say, found.reasons))
    codes = tuple((one.code, language.say(one.said_in(language.spoken()))) for one in found.overrides)
    return Repeat(
        alert.order,
        language.say(naming.exam(alert.exam)),
        " ".join(alert.user.replace("^", " ").split()),
        alert.days,
        why,
        codes,
    )
