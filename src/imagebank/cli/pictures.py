"""`imagebank pixels`: pictures that are held twice under other identities."""

from typing import Any

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, WrongUsage, bank_of, operator, say, tell, typed
from imagebank.model.picture import Answer, Finding, Whose
from imagebank.model.uid import Uid

app = App(name="pixels", help="The same picture under another identity: fill, findings, settle.")
_COLUMNS = ("whose", "ground", "pictures", "patient", "study", "other_patient", "other_study", "found_at", "settled")
_ANSWERS = {"right": Answer.RIGHT, "different": Answer.DIFFERENT}


@app.command
def fill(*, common: Common = HERE) -> int:
    """Look at all pictures that were there before and of which nothing is known yet.

    Workers do the same by themselves, slowly; this uses every decoder. It can be broken off and goes on the next time.

    Example: imagebank pixels fill --data /srv/imagebank
    """
    from imagebank.actions import pixels
    from imagebank.cli.console import progress_bar
    from imagebank.model.access import Scope

    with bank_of(common) as bank, progress_bar("pictures") as progress:
        found = pixels.fill(bank, progress)
        done, total = bank.index.pictures.count(Scope(organizations=None))
    words = f"{done} of {total} pictures are known; {found} pairs of studies with pictures in common are new"
    tell(common, words, known=done, pictures=total, findings=found)
    return ALL_WELL


@app.command
def findings(*, common: Common = HERE, settled: bool = False, limit: int = 100) -> int:
    """List studies that have pictures in common, other patients' first.

    The exit status is 1 when pictures of two patients are the same and nobody has settled that.

    Example: imagebank pixels findings --data /srv/imagebank

    Parameters
    ----------
    settled
        Those that somebody has settled, instead of the open ones.
    limit
        How many at most.
    """
    from imagebank.actions import pixels

    with bank_of(common) as bank:
        found = pixels.findings(bank, operator(bank), limit, is_open=not settled)
    say(common, [_row(one) for one in found], _COLUMNS)
    is_loud = any(one.whose is Whose.OTHER_PATIENT and one.verdict is None for one in found)
    return NOT_WELL if is_loud else ALL_WELL


def _row(one: Finding) -> dict[str, Any]:
    patients = [f"{side.patient.issuer} {side.patient.identifier}".strip() for side in (one.first, one.second)]
    sides = (patients[0], str(one.first.study), patients[1], str(one.second.study))
    said = "" if one.verdict is None else f"{one.verdict.answer}, by {one.verdict.by}"
    return dict(zip(_COLUMNS, (str(one.whose), str(one.ground), one.pictures, *sides, one.found_at, said), strict=True))


@app.command
def settle(word: str, study: str, other: str, *, common: Common = HERE, why: str = "") -> int:
    """Say that the same picture is rightly in two studies, or that they are not the same. Nothing is merged.

    Example: imagebank pixels settle right 1.2.3 1.2.4 --why "a teaching copy" --data /srv/imagebank

    Parameters
    ----------
    word
        `right` or `different`.
    study
        Study Instance UID of one of the two.
    other
        That of the other.
    why
        What you go by; it is kept with the decision.
    """
    from imagebank.actions import pixels

    if word not in _ANSWERS:
        raise WrongUsage("say `right` or `different`")
    with bank_of(common) as bank, typed():
        uids = Uid.parse(study), Uid.parse(other)
        pixels.settle(bank, operator(bank), *uids, _ANSWERS[word], why)
    tell(common, f"{study} and {other}: {_ANSWERS[word]}", studies=[study, other], answer=str(_ANSWERS[word]))
    return ALL_WELL
