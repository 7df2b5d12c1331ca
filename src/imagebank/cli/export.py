"""`imagebank export`: studies as a ZIP file, a disc image or plain pictures."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    WrongUsage,
    bank_of,
    err,
    new_file,
    operator,
    progress_bar,
    tell,
    typed,
)

if TYPE_CHECKING:
    from imagebank.bank import Bank

_SLICE_S = 1.0


def export(
    *,
    study: Annotated[tuple[str, ...], Parameter(negative_iterable="")] = (),
    patient: str = "",
    issuer: str = "",
    out: Path,
    format: str = "",  # noqa: A002 - as it is typed
    password_file: Path | None = None,
    without_reports: bool = False,
    language: str = "en",
    common: Common = HERE,
) -> int:
    """Write studies into one file: to import elsewhere, to burn on a disc, or to look at.

    Example: imagebank export --data /srv/imagebank --study 1.2.3 --study 1.2.4 --out images.zip
    Example: imagebank export --data /srv/imagebank --patient 4711 --format iso --out images.iso

    Parameters
    ----------
    study
        Study Instance UID; may be repeated.
    patient
        All studies of the patient with this identifier.
    issuer
        Who gave the identifier; the organization without it.
    out
        The file to be written; it must not be there yet.
    format
        zip, iso or pictures. Without it as the name of the file says, else zip.
    password_file
        A file whose first line is the password for a ZIP file.
    without_reports
        Leave reports and documents out.
    language
        Of the pages that go along, such as de.
    """
    from imagebank.actions import exporting
    from imagebank.model.export import Wish
    from imagebank.portal.export import translate

    with bank_of(common) as bank:
        studies = [*study, *(_of_patient(bank, patient, issuer) if patient else ())]
        if not studies:
            raise WrongUsage("name at least one study by --study, or a patient who has any by --patient")
        with typed():
            suffix = "iso" if out.suffix.lower() == ".iso" else ""
            wish = Wish.parse(studies, format or suffix, reports=not without_reports, password=_password(password_file))
        spoken, words = translate(language)
        wish = replace(wish, language=spoken, words=words)
        who = operator(bank)
        with new_file(out) as file, progress_bar("making") as progress:
            made = exporting.begin(bank, wish, who)
            try:
                while not made.is_ready:
                    made = exporting.go_on(bank, made.name, who, _SLICE_S)
                    progress(made.done, made.of)
                found = exporting.opened(bank, made.name, who)
                for data in found.read(0, found.size):
                    file.write(data)
            finally:
                exporting.end(bank, made.name, who)
    for trouble in made.troubles:
        err.print(trouble, markup=False)
    tell(common, f"{out}: {found.size:,} bytes", file=str(out), bytes=found.size, troubles=list(made.troubles))
    return NOT_WELL if made.troubles else ALL_WELL


def _password(file: Path | None) -> str:
    if file is None:
        return ""
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise WrongUsage(f"{file} has no password in its first line")
    return lines[0]


def _of_patient(bank: "Bank", patient: str, issuer: str) -> list[str]:
    """The studies of the record with this identifier; numbers are given anew elsewhere, so who gave it counts."""
    from imagebank.model.attribute import Level
    from imagebank.model.imaging import Selection
    from imagebank.model.person import PatientId
    from imagebank.model.query import Condition, OneOf, Query
    from imagebank.model.uid import Uid

    scope, wanted = operator(bank).scope, PatientId(issuer or bank.settings.organization, patient)
    query = Query(Level.STUDY, (Condition(bank.catalogue.by_keyword["PatientID"], OneOf((patient,))),))
    studies = [Uid(str(found.attributes["0020000D"]["Value"][0])) for found in bank.index.find(query, scope)]
    return [study for study in studies if bank.index.instances(Selection(study), scope)[0].patient == wanted]
