"""`imagebank correct` and `imagebank versions`: putting right what is wrong in objects, and what they were before."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, new_file, operator, say, tell, typed
from imagebank.model.correction import State
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid

if TYPE_CHECKING:
    from imagebank.model.correction import Values
    from imagebank.model.imaging import Element


def correct(
    *,
    common: Common = HERE,
    study: str,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    remove: list[str] | None = None,
    undo: str = "",
    series: str = "",
    instance: str = "",
    reason: str = "",
    dry_run: bool = False,
) -> int:
    """Change attributes of a study in new versions of its objects; the former ones stay and can be had back.

    Example: imagebank correct --study 1.2.840.1 --set "PatientName=Diaz^Ana" --set PatientID=4711 --reason "wrong patient" --data /srv/imagebank

    Parameters
    ----------
    study
        The study, by its Study Instance UID.
    set_
        An attribute and its new value, such as PatientSex=F; may be repeated.
    remove
        An attribute to take out; may be repeated.
    undo
        The identifier of a correction to undo, in place of new values.
    series
        The one series that is wrong, by its UID; the whole study without it.
    instance
        The one object that is wrong, by its SOP Instance UID.
    reason
        Why; it stands in the history.
    dry_run
        Show what would change, and change nothing.
    """
    from imagebank.actions import correct as action

    with typed():
        changes = _changes(set_ or [], remove or [])
        whole = Uid.parse(study)
        selection = Selection(whole, *(Uid.parse(text) if text else None for text in (series, instance)))
    if bool(changes) == bool(undo) or (undo and dry_run):
        raise WrongUsage("say what is to change by --set or --remove, or which correction to undo by --undo")
    with bank_of(common) as bank:
        by = operator(bank)
        if dry_run:
            seen = action.preview(bank, selection, changes, by)
            say(common, _rows(seen.before, seen.after), ("attribute", "before", "after"))
            if not common.json:
                tell(common, f"{seen.count} of {seen.total} objects would change")
            return ALL_WELL
        made = (
            action.undo(bank, whole, undo, by, reason) if undo else action.correct(bank, selection, changes, by, reason)
        )
    rest = "; the worker of the server goes on with it" if made.state is State.UNDER_WAY else ""
    tell(
        common,
        f"correction {made.id}: {made.state}, {made.count} of {made.total} objects{rest}",
        correction=made.id,
        outcome=made.state,
        count=made.count,
        total=made.total,
    )
    return ALL_WELL


def versions(instance: str, *, common: Common = HERE, get: int | None = None, to: Path | None = None) -> int:
    """The versions of an object, oldest first, or one of them as a file.

    Example: imagebank versions 1.2.840.1.1.1 --get 1 --to before.dcm --data /srv/imagebank

    Parameters
    ----------
    instance
        The object, by its SOP Instance UID.
    get
        The number of the version to write to a file.
    to
        The file to write; one that is there already is left alone.
    """
    from imagebank.actions import versions as action

    with typed():
        uid = Uid.parse(instance)
    if (get is None) != (to is None):
        raise WrongUsage("name the version by --get and the file by --to")
    with bank_of(common) as bank:
        if get is not None and to is not None:
            _, pieces = action.content(bank, uid, get, operator(bank))
            with new_file(to) as stream:
                stream.writelines(pieces)
            tell(common, f"version {get} is written to {to}", version=get, outcome="written", file=str(to))
            return ALL_WELL
        found = action.listed(bank, uid, operator(bank))
    rows = [
        {"number": number, "received_at": one.received_at, "bytes": one.location.size,
         "superseded_by": one.superseded_by, "digest": str(one.digest)}
        for number, one in enumerate(found, 1)
    ]  # fmt: skip
    say(common, rows, ("number", "received_at", "bytes", "superseded_by"))
    return ALL_WELL


def _changes(given: Sequence[str], removed: Sequence[str]) -> "dict[str, Element | None]":
    from imagebank.dicom.changes import element_of_text

    changes: dict[str, Element | None] = dict.fromkeys(removed)
    for one in given:
        name, sign, text = one.partition("=")
        if not sign or name in changes:
            raise WrongUsage(f"{name}: write each attribute once, such as PatientSex=F")
        changes[name] = element_of_text(name, text)
    return changes


def _rows(before: "Values", after: "Values") -> list[dict[str, Any]]:
    from imagebank.dicom.changes import keyword_of, text_of_element

    def texts(values: "list[Element | None]") -> str:
        return " or ".join(text_of_element(one) or "—" for one in values)

    return [
        {"attribute": keyword_of(key), "before": texts(values), "after": texts(after[key])}
        for key, values in before.items()
    ]
