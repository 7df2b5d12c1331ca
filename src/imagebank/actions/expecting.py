"""Taking in what was announced of studies, so that it is known what has to come."""

from collections.abc import Sequence
from datetime import datetime

from imagebank.actions import notes
from imagebank.bank import Bank
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB = "completeness"


def expect(bank: Bank, tx: Transaction, *words: Expectation) -> None:
    """Take words in, keep them among the objects, and have their studies judged as soon as the transaction is in."""
    if not words:
        return
    for word in words:
        tx.expectations.put(word)
    notes.defer(bank, tx, expectations=words)
    for study in dict.fromkeys(word.study for word in words):
        judge_soon(bank, tx, str(study))


def judge_soon(bank: Bank, tx: Transaction, study: str) -> None:
    """Have a study judged anew by the next worker."""
    # A key of its own: the job that waits for the quiet after an arrival is not to be put off, nor to put this one off.
    tx.defer(JOB, {"study": study}, bank.now(), key=f"{study} now")


def deleted(study: Uid, organization: str, removed: Sequence[Instance], at: datetime) -> Expectation:
    """What was deleted here of a study, so that it is not said to be missing."""
    series: dict[str, list[str]] = {}
    for one in removed:
        series.setdefault(str(one.series), []).append(str(one.uid))
    told = tuple(ExpectedSeries(uid, tuple(dict.fromkeys(uids))) for uid, uids in series.items())
    key = f"{at:%Y%m%d%H%M%S%f} {removed[0].uid}"
    return Expectation(study, organization, removed[0].patient, Origin.DELETION, key, at, series=told)
