"""`imagebank queue`: what waits for somebody to say whose it is, and the answer."""

import sys
from typing import Any

import orjson
from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, operator, out, say, table, tell, typed
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import Kind, State, Task, Wanted

app = App(name="queue", help="What waits for somebody to decide: list, show, identify.")
_COLUMNS = ("id", "kind", "opened_at", "organization", "department", "taken_by", "state", "studies")
_CANDIDATE = ("identifier", "name", "birth_date", "sex", "score", "is_likely", "that_day", "accession", "evidence")
_FIELD = ("field", "held", "proposed", "confidence", "evidence")


def _row(task: Task, now: Any) -> dict[str, Any]:
    pair = () if task.likeness is None else (task.likeness.first, task.likeness.second)
    about = [str(study) for study in task.studies] or [f"{one.issuer}/{one.identifier}" for one in pair]
    taken = task.mark.taken_by if task.mark.is_taken(now) else ""
    values = (task.id, task.kind, task.opened_at, task.organization, task.department, taken, task.state(now))
    return dict(zip(_COLUMNS, (*values, ", ".join(about)), strict=True))


@app.command(name="list")
def listed(
    *, common: Common = HERE, state: State = State.OPEN, kind: Kind | None = None, department: str = "", limit: int = 50
) -> int:
    """List what waits, what has waited longest first.

    Example: imagebank queue list --kind unidentified --limit 20 --data /srv/imagebank

    Parameters
    ----------
    state
        Open, postponed, aside or settled.
    kind
        Unidentified, same-person, same-pixels, media or contributed; all where none is named.
    department
        Of this department only.
    limit
        How many at most.
    """
    from imagebank.actions import reconciling

    if not 1 <= limit <= 10_000:
        raise WrongUsage("list 1 to 10,000 tasks")
    with bank_of(common) as bank:
        found = reconciling.page(bank, Wanted(state, kind, department, limit), operator(bank))
        rows = [_row(one, bank.now()) for one in found.tasks]
    say(common, rows, _COLUMNS)
    return ALL_WELL


@app.command
def show(task: str, *, common: Common = HERE, search: str = "") -> int:
    """Show one task: what it may be, field by field, and who it may be of, with what speaks for it.

    Example: imagebank queue show unidentified-1.2.826.0.1.7 --data /srv/imagebank

    Parameters
    ----------
    task
        Its identifier, as `queue list` has it.
    search
        Compare patients of this identifier or name instead.
    """
    from imagebank.actions import reconciling

    with bank_of(common) as bank:
        shown = reconciling.shown(bank, task, operator(bank), sought=search)
        row = _row(shown.task, bank.now())
    fields = [
        dict(zip(_FIELD, (one.field, one.held, each.value, each.confidence, each.evidence), strict=True))
        for one in shown.guesses
        for each in one.proposals
    ]
    people = []
    for one in shown.candidates:
        who, evidence = one.identity, ", ".join(f"{each.field} {each.finding}" for each in one.evidence)
        about = (who.patient.identifier, " = ".join(filter(None, who.name.groups())), who.birth_date, who.sex)
        that_day = ", ".join(filter(None, one.that_day or ())) or ("yes" if one.that_day else "")
        said = (one.score, one.is_likely, that_day, one.accession, evidence)
        people.append(dict(zip(_CANDIDATE, (*about, *said), strict=True)))
    if common.json:
        answer = {"task": row, "fields": fields, "candidates": people}
        sys.stdout.write(orjson.dumps(answer, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
        return ALL_WELL
    for columns, rows in ((_COLUMNS, [row]), (_FIELD, fields), (_CANDIDATE, people)):
        out.print(table(columns, [[each[column] for column in columns] for each in rows]))
    return ALL_WELL


@app.command
def identify(
    task: str,
    patient: str,
    *,
    common: Common = HERE,
    name: str = "",
    birth_date: str = "",
    sex: str = "",
    accept: tuple[str, ...] = (),
) -> int:
    """Say whose the study is; its objects say so from then on, and keep what they said before.

    Example: imagebank queue identify unidentified-1.2.826.0.1.7 4711 --accept laterality=L --data /srv/imagebank

    Parameters
    ----------
    task
        Its identifier, as `queue list` has it.
    patient
        The patient ID that the study's organization gave.
    name
        For somebody whom nobody has heard of yet: the name, as FAMILY^GIVEN.
    birth_date
        For the same: YYYYMMDD.
    sex
        For the same: F, M or O.
    accept
        A field and its value, such as body_part=EYE; may be repeated.
    """
    from imagebank.actions import reconciling
    from imagebank.actions.guesses import FIELDS

    accepted = {field: value for field, _, value in (one.partition("=") for one in accept)}
    if unknown := sorted(set(accepted) - set(FIELDS)):
        raise WrongUsage(f"there is no field {unknown[0]}; there are {', '.join(FIELDS)}")
    with bank_of(common) as bank, typed():
        organization = reconciling.shown(bank, task, operator(bank)).task.organization
        who = PatientId(organization, patient)
        new = Identity(who, PersonName.parse(name), birth_date, sex) if name or birth_date or sex else None
        done = reconciling.identify(bank, task, operator(bank), who, accepted, new=new)
    tell(common, f"{task}: {done.mark.how}", task=task, outcome=done.mark.how)
    return ALL_WELL
