"""Discs and sticks of other hospitals: what their tables of contents announce, and whose images they bring.

A DICOMDIR is not kept: the objects that it names are. What it names and does not bring is said by name, and the studies
wait for it (`completeness`). Patients of another hospital keep its identifiers until somebody says in the queue who they
are here.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imagebank.actions import expecting, filing
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.dicom import dicomdir
from imagebank.dicom.dicomdir import Named
from imagebank.dicom.digest import digest_of
from imagebank.errors import Invalid, noted
from imagebank.model.contributed import is_contributed
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.imaging import Outcome, Receipt, Source
from imagebank.model.person import PatientId
from imagebank.model.task import Kind, Task, filed
from imagebank.model.uid import Uid

NOTE: Final = noted("its patient identifier is another hospital's")
_WEB_CONTENT: Final = "ihe_pdi"
ABSENT: Final = noted("the DICOMDIR names it, and it did not come; look for it on the medium, or ask for another copy")


@dataclass(slots=True)
class Inventory:
    """What is met while a medium is brought in: the names of all files, and what each DICOMDIR among them names."""

    names: set[tuple[str, ...]] = field(default_factory=set)
    directories: list[tuple[str, tuple[Named, ...]]] = field(default_factory=list)

    def saw(self, name: str) -> None:
        self.names.add(_parts(name))

    def look_into(self, path: Path, name: str) -> None:
        """See again what a table of contents names that was read before."""
        with suppress(OSError, Invalid):
            if name.casefold().endswith("dicomdir") and path.stat().st_size <= dicomdir.MAX_BYTES:
                self.directories.append((name, tuple(dicomdir.read(path.read_bytes()))))

    def missing(self, inside: str = "") -> Iterator[Receipt]:
        """A refusal for each file that is named and was not met, of those whose names begin so; each is told once."""
        told = [(directory, named) for directory, named in self.directories if directory.startswith(inside)]
        self.directories = [one for one in self.directories if one not in told]
        for directory, named in told:
            folder = directory[: -len(directory.replace("\\", "/").rpartition("/")[2])]
            for one in named:
                name = folder + "/".join(one.file)
                if _parts(name) not in self.names:
                    yield Receipt(Outcome.REFUSED, name, error=Invalid(ABSENT))


def is_for_browsers(name: str) -> bool:
    """Whether a file is of those that a medium has for web browsers: its objects' pictures once more (IHE PDI)."""
    return _WEB_CONTENT in _parts(name)


def _parts(name: str) -> tuple[str, ...]:
    """A path as media are compared: without case, versions and trailing dots (ISO 9660 7.5, 7.6)."""
    parts = name.replace("\\", "/").split("/")
    return tuple(part.casefold().partition(";")[0].rstrip(".") for part in parts if part not in ("", "."))


def take(bank: Bank, arrival: Arrival, source: Source, inventory: Inventory | None = None) -> Receipt:
    """Read a DICOMDIR: what it announces is waited for. One that is broken is refused; its files come all the same."""
    if arrival.size > dicomdir.MAX_BYTES:
        return _refused(
            arrival,
            Invalid("the table of contents of this medium is too long; the files themselves are read all the same"),
        )
    data = arrival.content.read(arrival.size)
    try:
        named = dicomdir.read(data)
    except Invalid as error:
        return _refused(
            arrival,
            Invalid(
                "the table of contents of this medium cannot be read: {why}; the files themselves are read all the same",
                why=error,
            ),
        )
    if inventory is not None:
        inventory.directories.append((arrival.name, tuple(named)))
    announced = tuple(_announced(bank, named, str(digest_of(data)), source))
    # Of what an owner of an account adds nothing is waited for: the studies that a table names may be others'.
    if announced and not is_contributed(source.organization):
        with bank.index.begin() as tx:
            expecting.expect(bank, tx, *announced)
    return Receipt(Outcome.READ, arrival.name)


def _refused(arrival: Arrival, error: Invalid) -> Receipt:
    return Receipt(Outcome.REFUSED, arrival.name, error=error)


def _announced(bank: Bank, named: Sequence[Named], key: str, source: Source) -> Iterator[Expectation]:
    """What it announces of each study; nothing of files whose records do not say to which they belong."""
    told: dict[str, dict[str, list[str]]] = {}
    patients: dict[str, PatientId] = {}
    for one in named:
        if one.study and one.series and one.uid:
            told.setdefault(one.study, {}).setdefault(one.series, []).append(one.uid)
            patients[one.study] = PatientId(one.issuer or source.authority, one.patient)
    for study, series in told.items():
        try:
            uid = Uid.parse(study)
        except Invalid:
            continue
        announced = tuple(ExpectedSeries(each, tuple(dict.fromkeys(uids))) for each, uids in series.items())
        yield Expectation(
            uid, source.organization, patients[study], Origin.MEDIA, key, bank.now(), source.authority, announced
        )


def ask_whose(bank: Bank, receipts: Iterable[Receipt], source: Source) -> None:
    """File what came of another hospital's patients, so that somebody says who they are here."""
    if source.authority == source.organization:
        return
    studies = dict.fromkeys(one.study for one in receipts if one.outcome is Outcome.STORED and one.study is not None)
    now = bank.now()
    tasks = [
        Task(filed(Kind.MEDIA, study), Kind.MEDIA, source.organization, (study,), now, note=NOTE) for study in studies
    ]
    with bank.index.begin() as tx:
        for task in tasks:
            filing.file(bank, tx, task)
