"""What the site's rules make of an object on its way in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from imagebank.bank import Bank
from imagebank.dicom.coerce import coerced
from imagebank.dicom.named import private_tags
from imagebank.dicom.walk import Buffer
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.correction import Modification, Reason
from imagebank.model.imaging import Element, Source
from imagebank.model.person import PatientId
from imagebank.model.rules import Decision, Verdict

if TYPE_CHECKING:
    from imagebank.rules.facts import Person
    from imagebank.rules.steps import Ruleset

_LONGEST: Final = 64


def verdict_on(
    bank: Bank, rules: "Ruleset", data: Buffer, patient: PatientId, source: Source, file_name: str
) -> Verdict:
    """Judge one object. What cannot be judged is to be quarantined."""
    # Only a bank with rules needs the language.
    from imagebank.rules.facts import facts_of  # noqa: PLC0415 - a bank without rules does without
    from imagebank.rules.judge import judge  # noqa: PLC0415 - the same

    facts = facts_of(rules, data, source, file_name, bank.now(), person_of(bank, patient, source))
    return judge(rules, facts, bank.rules.ask)


def person_of(bank: Bank, patient: PatientId, source: Source) -> "Callable[[], Person]":
    """How to find out what the bank knows of a patient.

    Of its own patients an organization's rules know everything that was heard; of another's, what it may see.
    """
    from imagebank.rules.facts import Person  # noqa: PLC0415 - a bank without rules does without

    def look() -> Person:
        is_own = patient.issuer == source.organization
        scope = Scope(organizations=None) if is_own else Scope.of(source.organization)
        found = bank.index.persons.identity(patient, scope) if patient.identifier else None
        if found is None:
            return Person()
        one = found.identity
        name = "=".join(one.name.groups()).rstrip("=")
        records = len(bank.index.persons.person(found.person, scope))
        return Person(True, records, name, one.birth_date, one.sex)

    return look


def changed(bank: Bank, verdict: Verdict, data: Buffer, source: Source) -> list[Buffer]:
    """The file as the rules want it, in pieces, with what it said before in it; nothing where they change nothing.

    Raises Invalid for what cannot be changed in this object.
    """
    changes: dict[str, Element | None] = {
        key: None if one.element is None else dict(one.element) for key, one in verdict.final.items()
    }
    if verdict.drops is not None:
        changes |= dict.fromkeys(private_tags(data, verdict.drops))
    if not changes:
        return []
    who = "".join(sign for sign in source.principal if sign.isprintable() and sign != "\\")
    system = bank.settings.ae_title or bank.settings.organization
    pieces = coerced(data, changes, Modification(bank.now(), system[:_LONGEST], Reason.COERCE, who[:_LONGEST].strip()))
    return [] if len(pieces) == 1 and pieces[0] is data else pieces


def unfit(verdict: Verdict, error: Invalid) -> Verdict:
    """What becomes of an object that cannot be changed as the rules want: it waits for somebody, as it came."""
    by = next(iter(verdict.final.values())).rule if verdict.final else verdict.drops_by
    return Verdict(Decision.QUARANTINE, by, f"it could not be changed: {error}", unjudged=(str(error),))


def reason_of(verdict: Verdict) -> str:
    """Why an object is refused or laid aside, in words for who sent it."""
    return f"rule “{verdict.by}”: {verdict.reason}"


def words_of(verdict: Verdict) -> tuple[str, ...]:
    """What was changed, in words for a receipt, which never hold a value."""
    words = []
    for change in verdict.final.values():
        what = "took out" if change.element is None else "set" if change.after else "emptied"
        words.append(f"rule “{change.rule}” {what} {change.attribute}")
    if verdict.drops is not None:
        words.append(f"rule “{verdict.drops_by}” took out private attributes")
    return tuple(words)
