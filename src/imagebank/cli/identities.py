"""`imagebank identity`: patient records of several organizations, and which of them are one person's."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
from cyclopts import App

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    WrongUsage,
    bank_of,
    operator,
    out,
    say,
    table,
    tell,
    typed,
)
from imagebank.model.identity import Decision, Evidence, Linked
from imagebank.model.person import PatientId

if TYPE_CHECKING:
    from imagebank.actions.matching_measure import Measured

app = App(
    name="identity",
    help="Patient records and persons: list, show, queue, decide, link, unlink, merge, undo, evaluate.",
)
_COLUMNS = ("issuer", "identifier", "person", "name", "birth_date", "sex", "heard_by")
_QUESTION = ("score", "issuer", "identifier", "other_issuer", "other_identifier", "evidence", "why_asked")
_DECISION = ("id", "at", "what", "ground", "by", "score", "reason", "undoes", "records")
_GOALS = (0.999, 0.95)


def _row(linked: Linked) -> dict[str, Any]:
    one = linked.identity
    names = " = ".join(filter(None, one.name.groups()))
    values = (one.patient.issuer, one.patient.identifier, linked.person, names, one.birth_date, one.sex, one.origin)
    return dict(zip(_COLUMNS, values, strict=True))


def _words(evidence: tuple[Evidence, ...]) -> str:
    return ", ".join(f"{each.field} {each.finding} {each.weight:+g}" for each in evidence)


def _decision(one: Decision) -> dict[str, Any]:
    records = ", ".join(f"{each.issuer} {each.identifier}" for each in one.records)
    score = "" if one.score is None else one.score
    values = (one.id, one.at, one.deed, one.ground, one.by, score, one.reason, one.undoes, records)
    return dict(zip(_DECISION, values, strict=True))


def _patient(text: str, of: str) -> PatientId:
    """A record as it is typed: ISSUER/IDENTIFIER, or the identifier alone for the bank's own organization."""
    issuer, slash, identifier = text.partition("/")
    found = PatientId(issuer, identifier) if slash else PatientId(of, text)
    if not (found.issuer and found.identifier):
        raise WrongUsage("a patient record is named as ISSUER/IDENTIFIER")
    return found


@app.command(name="list")
def listed(*, common: Common = HERE, limit: int = 100, after: str = "") -> int:
    """List patient records by issuer and identifier, each with the person that it belongs to.

    Example: imagebank identity list --limit 20 --data /srv/imagebank

    Parameters
    ----------
    limit
        How many at most.
    after
        The record that the list before ended with, as ISSUER/IDENTIFIER.
    """
    with bank_of(common) as bank:
        behind = _patient(after, bank.settings.organization) if after else None
        rows = [_row(one) for one in bank.index.persons.identities(operator(bank).scope, limit, behind)]
    say(common, rows, _COLUMNS)
    return ALL_WELL


@app.command
def show(record: str, *, common: Common = HERE) -> int:
    """Show the person that a record belongs to: all their records, and every decision about it.

    Example: imagebank identity show north/4711 --data /srv/imagebank

    Parameters
    ----------
    record
        The record, as ISSUER/IDENTIFIER; the identifier alone for one of the bank's own organization.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        scope = operator(bank).scope
        found = persons.shown(bank, _patient(record, bank.settings.organization), scope)
        records = [_row(one) for one in bank.index.persons.person(found.person, scope)]
        decisions = [_decision(one) for one in bank.index.persons.decisions(scope, 100, found.identity.patient)]
    if common.json:
        _write({"person": found.person, "records": records, "decisions": decisions})
        return ALL_WELL
    for columns, rows in ((_COLUMNS, records), (_DECISION, decisions)):
        out.print(table(columns, [[row[column] for column in columns] for row in rows]))
    return ALL_WELL


def _write(answer: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(answer, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")


@app.command
def queue(*, common: Common = HERE, limit: int = 100) -> int:
    """List pairs of records that are one person's by all likelihood, with what speaks for it: somebody has to look.

    Example: imagebank identity queue --limit 20 --data /srv/imagebank

    Parameters
    ----------
    limit
        How many at most, the likest first.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        asked = persons.queue(bank, operator(bank), limit)
    rows = []
    for one in asked:
        pair = (one.first.issuer, one.first.identifier, one.second.issuer, one.second.identifier)
        rows.append(dict(zip(_QUESTION, (one.score, *pair, _words(one.evidence), one.bar), strict=True)))
    say(common, rows, _QUESTION)
    return ALL_WELL


def _told(common: Common, decision: Decision) -> int:
    tell(common, f"{decision.id}: {decision.deed}", id=decision.id, outcome=str(decision.deed))
    return ALL_WELL


@app.command
def decide(word: Literal["same", "apart"], first: str, second: str, *, common: Common = HERE, why: str = "") -> int:
    """Answer a question of the queue: the two are one person's, or they are not.

    Example: imagebank identity decide same north/4711 south/0815 --why "asked the patient" --data /srv/imagebank

    Parameters
    ----------
    word
        Same or apart.
    first
        One of the two, as ISSUER/IDENTIFIER.
    second
        The other.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank, typed():
        of = bank.settings.organization
        pair = _patient(first, of), _patient(second, of)
        return _told(common, persons.decide(bank, operator(bank), *pair, is_same=word == "same", why=why))


@app.command
def link(record: str, to: str, *, common: Common = HERE, why: str = "") -> int:
    """Let one record belong to the person of another.

    Example: imagebank identity link north/4711 south/0815 --why "asked the patient" --data /srv/imagebank

    Parameters
    ----------
    record
        The record that moves, as ISSUER/IDENTIFIER.
    to
        A record of the person that it joins.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        of = bank.settings.organization
        return _told(common, persons.link(bank, operator(bank), _patient(record, of), _patient(to, of), why))


@app.command
def merge(gone: str, into: str, *, common: Common = HERE, why: str = "") -> int:
    """Let all records of one person belong to another person.

    Example: imagebank identity merge north/4711 north/4712 --why "registered twice" --data /srv/imagebank

    Parameters
    ----------
    gone
        A record of the person whose records move, as ISSUER/IDENTIFIER.
    into
        A record of the person that they join.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        of = bank.settings.organization
        return _told(common, persons.merge(bank, operator(bank), _patient(gone, of), _patient(into, of), why))


@app.command
def unlink(record: str, *, common: Common = HERE, why: str = "") -> int:
    """Let a record stand alone again. Nothing links it by itself to those that it was linked to.

    Example: imagebank identity unlink north/4711 --why "another Ada Varga" --data /srv/imagebank

    Parameters
    ----------
    record
        The record, as ISSUER/IDENTIFIER.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        return _told(common, persons.unlink(bank, operator(bank), _patient(record, bank.settings.organization), why))


@app.command
def undo(decision: str, *, common: Common = HERE, why: str = "") -> int:
    """Take a decision back: every record belongs to whom it would without it.

    Example: imagebank identity undo 1e344f22317a657fbeb0d3fccad48f65 --data /srv/imagebank

    Parameters
    ----------
    decision
        Its identifier, as `identity show` has it.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import persons

    with bank_of(common) as bank:
        return _told(common, persons.undo(bank, operator(bank), decision, why))


@app.command
def evaluate(
    *,
    common: Common = HERE,
    records: int = 100_000,
    seed: int = 1,
    no_contact: bool = False,
    weights: Path | None = None,
    plot: Path | None = None,
) -> int:
    """Measure the table of weights on people who do not exist: precision of automatic links, recall with the queue.

    It needs no bank, a minute or two and half a gigabyte. The exit status is 1 when precision is below 0.999 or recall
    below 0.95.

    Example: imagebank identity evaluate --records 20000 --plot scores.svg

    Parameters
    ----------
    records
        How many records there are.
    seed
        Another one makes other people.
    no_contact
        Leave address, phone and mother's maiden name out, as most images do.
    weights
        A table of weights to measure, instead of the one that is in force.
    plot
        Where to put a picture (SVG) of the scores.
    """
    from imagebank.actions import matching, matching_measure, matching_report
    from imagebank.cli.console import new_file, progress_bar

    if not 1 <= records <= 1_000_000:
        raise WrongUsage("measure with 1 to 1,000,000 records")
    with typed():
        chosen = matching.weights(weights or common.settings().matching_file)
    without = frozenset({"address", "phone", "mother"}) if no_contact else frozenset()
    with progress_bar("matching") as progress:
        measured = matching_measure.measure(chosen, records, seed, without, progress)
    if plot is not None:
        with new_file(plot) as stream:
            stream.write(matching_report.as_svg(measured).encode())
    if common.json:
        _write(matching_report.as_json(measured))
    else:
        sys.stdout.write(matching_report.as_markdown(measured))
    return ALL_WELL if _is_good(measured) else NOT_WELL


def _is_good(measured: "Measured") -> bool:
    return measured.precision >= _GOALS[0] and measured.recall >= _GOALS[1]
