"""A study as lists and the heads of pages say it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from imagebank.actions import search
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Scope
from imagebank.model.completeness import Progress, Standing
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid
from imagebank.portal import launch, wording
from imagebank.portal.language import counted, gettext, whole


@dataclass(frozen=True, slots=True)
class StudyRow:
    """What is said of a study, in words; dates are DA values.

    `state` is a kind of `parts/state.html`, empty where nothing is to be said of whether it is whole.
    """

    uid: str
    patient: wording.Name
    patient_id: str
    issuer: str
    born: str
    age: str
    sex: str
    date: str
    time: str
    modalities: tuple[str, ...]
    is_picture: bool
    description: str
    accession: str
    series: int
    instances: int
    state: str = ""
    state_words: str = ""

    @property
    def contributed(self) -> str:
        """That the patient added it, in words; empty for what an organization brought."""
        return wording.contributed(self.issuer)


def rows_of(bank: Bank, studies: Iterable[Uid], scope: Scope) -> dict[str, StudyRow]:
    """What lists say of these studies, by their UIDs, as far as the scope shows them."""
    rows = (row_of(found.attributes) for found in search.of_studies(bank, studies, scope))
    return {row.uid: row for row in rows}


def study_row(bank: Bank, study: Uid, scope: Scope) -> StudyRow:
    """What lists say of a study. Raises NotFound."""
    for row in rows_of(bank, [study], scope).values():
        return row
    raise NotFound("there is no such study here")


def row_of(found: DataSet) -> StudyRow:
    """What lists say of a study."""
    born, on = wording.text(found, "00100030"), wording.text(found, "00080020")
    return StudyRow(
        uid=wording.text(found, "0020000D"),
        patient=wording.name(found, "00100010"),
        patient_id=wording.text(found, "00100020"),
        issuer=wording.text(found, "00100021"),
        born=born,
        age=wording.age(born, on),
        sex=wording.sex(wording.text(found, "00100040")),
        date=on,
        time=wording.text(found, "00080030"),
        modalities=tuple(str(value) for value in wording.values(found, "00080061")),
        is_picture=any(launch.may_have_picture(str(value)) for value in wording.values(found, "00080062")),
        description=wording.text(found, "00081030"),
        accession=wording.text(found, "00080050"),
        series=wording.number(found, "00201206") or 0,
        instances=wording.number(found, "00201208") or 0,
    )


def with_states(bank: Bank, rows: Sequence[StudyRow], scope: Scope) -> list[StudyRow]:
    """The rows, each with whether its study is whole: one question for all of them."""
    standings = bank.index.completeness.standings([Uid(row.uid) for row in rows], scope)
    states = [state_of(standings.get(Uid(row.uid)), row.instances) for row in rows]
    return [replace(row, state=kind, state_words=words) for row, (kind, words) in zip(rows, states, strict=True)]


def state_of(standing: Standing | None, here: int) -> tuple[str, str]:
    """The kind of state and its words; nothing where nobody has said what belongs to a study."""
    if standing is None or standing.progress is Progress.UNKNOWN:
        return "", ""
    if standing.progress is Progress.MISSING:
        if not standing.is_certain:
            return "missing", gettext("Something may be missing")
        if not standing.missing:
            return "missing", gettext("Something is missing")
        return "missing", counted(standing.missing, "%(num)s object is missing", "%(num)s objects are missing")
    if standing.progress is Progress.ARRIVING and standing.expected:
        numbers = {"here": whole(here), "expected": whole(standing.expected)}
        return "arriving", gettext("%(here)s of %(expected)s") % numbers
    return standing.progress.value, ""
