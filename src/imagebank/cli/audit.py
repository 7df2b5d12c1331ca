"""`imagebank audit`: whether the ledger is what was written, the ledger for outside, and what was disclosed."""

import sys
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cyclopts import App

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    bank_of,
    err,
    new_file,
    operator,
    out,
    say,
    tell,
    typed,
)

if TYPE_CHECKING:
    from imagebank.actions import ledger

app = App(name="audit", help="The ledger: verify, export, resume, disclosures, statement.")


@app.command
def verify(file: Path | None = None, *, key: str = "", common: Common = HERE) -> int:
    """Look through the ledger for lines that were altered, inserted, moved or taken away.

    Example: imagebank audit verify --data /srv/imagebank

    Example: imagebank audit verify ledger.jsonl --key 3b6a27bc…

    Parameters
    ----------
    file
        An export, verified without the bank, or the saved statement of an account; the ledger of the bank without it.
    key
        The public key that has to have signed, as an earlier run showed it; by default the one that the export names.
    """
    from imagebank.actions import ledger, statement_proof

    if file is None:
        with bank_of(common) as bank:
            proof = ledger.verify(bank)
            # What this command has written is not to be missed by the next.
            ledger.checkpoint(bank, keeps=True)
    else:
        with file.open("rb") as source:
            if statement_proof.is_statement(source.readline()):
                return statement(file, key=key, common=common)
            source.seek(0)
            proof = ledger.verify_export(source, key)
    _report(proof, as_json=common.json)
    return ALL_WELL if proof.is_whole else NOT_WELL


@app.command
def statement(file: Path, *, key: str = "", common: Common = HERE) -> int:
    """Look through the statement of an account that its owner had, without the bank: whether each line stands in the ledger.

    Example: imagebank audit statement statement.jsonl --key 3b6a27bc…

    Parameters
    ----------
    file
        The statement, saved as a file that can be verified.
    key
        The public key that has to have signed, as the bank publishes it; by default the one that the file names.
    """
    from imagebank.actions import statement_proof

    with file.open("rb") as source, typed():
        proven = statement_proof.verify(source, key)
    for words in proven.faults:
        err.print(words, markup=False)
    said = f"{proven.lines} lines, {proven.sealed} of them sealed, {len(proven.faults)} faults; signed by {proven.key}"
    tell(common, said, **asdict(proven), is_whole=proven.is_whole)
    return ALL_WELL if proven.is_whole else NOT_WELL


@app.command
def export(to: Path, *, common: Common = HERE) -> int:
    """Write the whole ledger to a file that can be verified anywhere: lines of JSON.

    Example: imagebank audit export --data /srv/imagebank ledger.jsonl

    Parameters
    ----------
    to
        The file to write; one that is there already is left alone.
    """
    from imagebank.actions import ledger

    with bank_of(common) as bank, new_file(to) as stream:
        number = ledger.export(bank, stream)
    out.print(f"{number} lines; `imagebank audit verify` takes the file")
    return ALL_WELL


@app.command
def resume(*, reason: str, common: Common = HERE) -> int:
    """Go on after an older copy of the database was put back, or it was lost, and sign that the ledger's end is lost.

    Until then nothing is signed: an older copy may also have been put there to hide what happened since. Look first
    what `imagebank audit verify` says is missing.

    Example: imagebank audit resume --reason "disk failed, copy of 1 March put back" --data /srv/imagebank

    Parameters
    ----------
    reason
        Which copy was put back, when and why. It stands in the ledger.
    """
    from imagebank.actions import ledger

    with bank_of(common) as bank, typed():
        made = ledger.resume(bank, reason, operator(bank))
    tell(common, f"the ledger goes on with checkpoint {made.number}", checkpoint=made.number, outcome="resumed")
    return ALL_WELL


@app.command
def disclosures(
    *,
    patient: str,
    issuer: str = "",
    since: date | None = None,
    until: date | None = None,
    csv: Path | None = None,
    pdf: Path | None = None,
    common: Common = HERE,
) -> int:
    """Show who was given what of a patient's images, when and why (45 CFR 164.528).

    Example: imagebank audit disclosures --patient 4711 --since 2026-01-01 --pdf disclosures.pdf

    Parameters
    ----------
    patient
        The patient's identifier.
    issuer
        Who gave the identifier; the bank's own organization without it.
    since
        The first day, in UTC; six years ago without it.
    until
        The last day, in UTC; today without it.
    csv
        A file to write, for spreadsheets; one that is there already is left alone.
    pdf
        A file to write, to hand out; one that is there already is left alone.
    """
    from imagebank.actions.disclosure import accounting
    from imagebank.model.person import PatientId
    from imagebank.portal.accounting import COLUMNS, as_csv, as_pdf, rows

    with bank_of(common) as bank, typed():
        who = PatientId(issuer or bank.settings.organization, patient)
        begins = None if since is None else _midnight(since)
        ends = None if until is None else _midnight(until + timedelta(days=1))
        made = accounting(bank, who, operator(bank), since=begins, until=ends)
    for path, write in ((csv, as_csv), (pdf, as_pdf)):
        if path is not None:
            with typed():
                content = write(made)
            with new_file(path) as stream:
                stream.write(content)
            err.print(f"{path} is written", markup=False)
    if csv is None and pdf is None:
        say(common, list(rows(made)), COLUMNS)
    return ALL_WELL


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _report(proof: "ledger.Proof", *, as_json: bool) -> None:
    from imagebank.storage.rows import moment

    if as_json:
        answer: dict[str, Any] = {
            "is_whole": proof.is_whole,
            "lines": proof.lines,
            "checkpoints": proof.checkpoints,
            "faults": list(proof.faults),
            "notices": list(proof.notices),
            "key": proof.key,
            "checkpoint": proof.checkpoint,
            "checked_to": moment(proof.checked_to).isoformat() if proof.checkpoints else None,
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for words in (*proof.notices, *proof.faults):
        out.print(words, markup=False)
    if any(fault.startswith("the database is older") for fault in proof.faults):
        out.print("if you have put back a copy of the database, say so by `imagebank audit resume`", markup=False)
    out.print(f"{proof.lines} lines, {proof.checkpoints} checkpoints, {len(proof.faults)} faults")
    if proof.checkpoints:
        out.print(f"the last checkpoint is of {moment(proof.checked_to):%Y-%m-%d %H:%M:%S} UTC: {proof.checkpoint}")
        out.print(f"signed by {proof.key}; compare both with what you noted elsewhere")
