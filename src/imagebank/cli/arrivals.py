"""`imagebank completeness`: studies of which something is missing, or that are arriving; and settling them."""

from typing import Any

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, bank_of, operator, say, tell, typed
from imagebank.model.completeness import Completeness, Lack, Progress
from imagebank.model.expectation import Origin
from imagebank.model.uid import Uid

app = App(name="completeness")
_COLUMNS = ("study", "date", "modalities", "state", "received", "expected", "missing", "what", "said_by")


@app.default
def listed(
    *, common: Common = HERE, state: Progress | None = None, modality: str = "", limit: int = 100, study: str = ""
) -> int:
    """Did everything arrive? List studies of which something is missing, and those still arriving, newest first.

    The exit status is 1 when something is missing of any that is listed.

    Example: imagebank completeness --state missing --data /srv/imagebank

    Parameters
    ----------
    state
        Only studies of this state: arriving, complete, missing or unknown.
    modality
        Only studies with this modality.
    limit
        How many at most.
    study
        This study alone, by its Study Instance UID, whatever its state.
    """
    from imagebank.actions import completeness
    from imagebank.ports.completeness import Asked

    with bank_of(common) as bank, typed():
        if study:
            found = [completeness.of_study(bank, Uid.parse(study), operator(bank))]
        else:
            states = Asked().progress if state is None else (state,)
            _, found = completeness.listed(bank, Asked(states, modality, limit=limit), operator(bank))
    say(common, [_row(one) for one in found], _COLUMNS)
    return NOT_WELL if any(one.standing.progress is Progress.MISSING for one in found) else ALL_WELL


def _row(one: Completeness) -> dict[str, Any]:
    standing = one.standing
    counted = (one.received, standing.expected or "", standing.missing)
    said_by = dict.fromkeys(f"{lack.origin} {lack.by}".strip() for lack in one.lacks or one.words)
    named = (str(one.study), one.date, " ".join(one.modalities), str(standing.progress))
    return dict(zip(_COLUMNS, (*named, *counted, "; ".join(map(_words, one.lacks)), ", ".join(said_by)), strict=True))


def _words(lack: Lack) -> str:
    """What is missing, in a few words."""
    of = f" of series {lack.series_number or lack.series}" if lack.series else ""
    if lack.unit == "study":
        return "the study has not come"
    if lack.origin is Origin.NUMBERS:
        return f"numbers {lack.numbers}{of} may be missing"
    many = f"{lack.missing} of {lack.expected} {'images' if lack.unit == 'image' else 'series'}"
    return f"{many}{of} have not come" if lack.missing > 1 else f"{many}{of} has not come"


@app.command
def settle(study: str, *, common: Common = HERE, why: str) -> int:
    """Say that there is no more of a study than what is here. What is announced later counts again.

    Example: imagebank completeness settle 1.2.3 --why "the patient left before the end" --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import completeness

    with bank_of(common) as bank, typed():
        found = completeness.settle(bank, Uid.parse(study), why, operator(bank))
    tell(common, f"{study}: {found.standing.progress}", study=study, state=str(found.standing.progress))
    return ALL_WELL


@app.command
def reopen(study: str, *, common: Common = HERE) -> int:
    """Take back that there is no more of a study.

    Example: imagebank completeness reopen 1.2.3 --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    """
    from imagebank.actions import completeness

    with bank_of(common) as bank, typed():
        found = completeness.reopen(bank, Uid.parse(study), operator(bank))
    tell(common, f"{study}: {found.standing.progress}", study=study, state=str(found.standing.progress))
    return ALL_WELL
