"""`imagebank import`, `verify` and `reindex`: objects, and whether they are whole."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from cyclopts import Parameter

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    WrongUsage,
    bank_of,
    err,
    out,
    progress_bar,
    say,
    typed,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Said:
    """What is known of files that are not DICOM; those that are tell it themselves."""

    patient_id: str = ""
    """Their patient's identifier. Without it they are kept as unidentified."""
    patient_issuer: str = ""
    """Who gave the identifier; the organization without it."""
    patient_name: str = ""
    """Family^Given."""
    birth_date: str = ""
    """Such as 1980-02-03."""
    sex: str = ""
    """F, M or O."""
    department: str = ""
    """cardiology, dental, dermatology, endoscopy, ophthalmology, pathology, radiology or surgery."""
    taken_at: str = ""
    """Such as 2026-11-05T08:30; else what the camera says, else now."""
    description: str = ""
    """What is shown."""
    body_part: str = ""
    """Such as SKIN or KNEE."""
    laterality: str = ""
    """L, R or B for both."""
    accession_number: str = ""
    """Of the order."""
    operator: str = ""
    """Who took them."""
    order: str = ""
    """The number of an order that is known here: patient, accession number and procedure follow from it."""
    encounter: str = ""
    """The number of a visit that is known here: the patient follows from it."""
    hospital: str = ""
    """Another hospital whose images these are, such as of a disc that a patient brings: it gave the identifiers, also
    those in DICOM objects that name nobody. Whose they are here is asked in the queue."""
    technique: str = ""
    """x-ray, "intra-oral x-ray" or "panoramic x-ray", where that does not show in a picture."""


NOTHING = Said()


def import_(
    *paths: Path,
    common: Common = HERE,
    organization: str | None = None,
    again: bool = False,
    watch: bool = False,
    said: Said = NOTHING,
) -> int:
    """Bring in files, folders, ZIP and TAR archives; whatever is in already is not read again.

    DICOM comes in as it is. Photographs (JPEG, PNG, TIFF, GIF, BMP, WebP, AVIF, JPEG 2000, HEIC), films (MP4,
    QuickTime), PDF, CDA, STL, OBJ, electrocardiograms (SCP, aECG) and volumes (NIfTI) become DICOM objects, and the
    files themselves are kept beside them.

    Example: imagebank import --data /srv/imagebank /media/cdrom ~/archive.zip
    Example: imagebank import --patient-id 4711 --department dermatology --body-part skin photo.jpg
    Example: imagebank import --order 20260301-17 --department ophthalmology fundus.jpg
    Example: imagebank import --patient-id 4711 --department dental --technique "panoramic x-ray" jaw.png

    Parameters
    ----------
    paths
        Files, folders, ZIP and TAR archives.
    organization
        Assigning authority of patient identifiers that name none; the bank's own without it.
    again
        Read everything, also what an earlier import has settled.
    watch
        Stay, and bring in what comes later.
    """
    from imagebank import importing
    from imagebank.actions import collect
    from imagebank.cli.tally import report
    from imagebank.model.upload import read_about

    if not paths:
        raise WrongUsage("name at least one file or folder; see `imagebank import --help`")
    with typed():
        # Before a bank is made for what is not there.
        collect.check(paths)
        about = read_about(asdict(said))
    with bank_of(common, may_create=True) as bank:
        wish = importing.Wish(paths, organization or bank.settings.organization, again=again, watch=watch, about=about)
        tally = importing.run(bank, wish, err)
    report(tally, common)
    return ALL_WELL if tally.is_complete and not (tally.refused or tally.missing) else NOT_WELL


def verify(*, common: Common = HERE, sweep: bool = False) -> int:
    """Read every object, compare its digest with what arrived, and look for losses.

    Example: imagebank verify --data /srv/imagebank

    Parameters
    ----------
    sweep
        Delete records that nothing refers to, such as an interrupted deposit leaves.
    """
    from imagebank.actions import scrub

    with bank_of(common) as bank, progress_bar("reading") as progress:
        findings = scrub.verify(bank, sweep=sweep, progress=progress)
    rows = [
        {"finding": kind, "object": text}
        for kind, texts in (("lost", findings.lost), ("damaged", findings.damaged), ("orphan", findings.orphans))
        for text in texts
    ]
    if not findings.is_indexed:
        err.print("the index is not complete: it was lost, or is being rebuilt; `imagebank reindex` rebuilds it")
    if common.json:
        answer = {
            "checked": findings.checked,
            "bytes": findings.bytes,
            "is_indexed": findings.is_indexed,
            "is_clean": findings.is_clean,
            "findings": rows,
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        if rows:
            say(common, rows, ("finding", "object"))
        out.print(
            f"{findings.checked} objects ({findings.bytes:,} bytes) read; "
            f"{len(findings.lost)} lost, {len(findings.damaged)} damaged, {len(findings.orphans)} orphans"
        )
    return ALL_WELL if findings.is_clean else NOT_WELL


def reindex(*, common: Common = HERE) -> int:
    """Rebuild the index from the objects alone. Stop the server first.

    Example: imagebank reindex --data /srv/imagebank
    """
    from imagebank.actions import reindex as reindexing
    from imagebank.hl7 import service
    from imagebank.http import whereabouts

    if whereabouts.answers(common.settings().data):
        err.print("a server runs on this bank: until the rebuild is done, its callers find only part of what is kept")
    with bank_of(common) as bank, progress_bar("entering") as progress:
        rebuilt = reindexing.reindex(bank, progress)
        # Orders and visits stand in messages alone, which only this edge can read.
        messages = service.catch_up(bank, rebuilt.messages)
    say(common, [{"objects": rebuilt.objects}], ("objects",))
    if rebuilt.messages:
        err.print(f"{messages} of {len(rebuilt.messages)} messages were done anew; see `imagebank hl7 list`")
    for text in rebuilt.unreadable:
        err.print(f"cannot be read: {text}", markup=False)
    return ALL_WELL if not rebuilt.unreadable else NOT_WELL
