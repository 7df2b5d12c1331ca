"""`imagebank audit`: whether the ledger is what was written, and the ledger for outside."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, bank_of, new_file, out

if TYPE_CHECKING:
    from imagebank.actions import ledger

app = App(name="audit", help="The ledger: verify, export.")


@app.command
def verify(file: Path | None = None, *, key: str = "", common: Common = HERE) -> int:
    """Look through the ledger for lines that were altered, inserted, moved or taken away.

    Example: imagebank audit verify --data /srv/imagebank

    Example: imagebank audit verify ledger.jsonl --key 3b6a27bc…

    Parameters
    ----------
    file
        An export, verified without the bank; the ledger of the bank itself without it.
    key
        The public key that has to have signed, as an earlier run showed it; by default the one that the export names.
    """
    from imagebank.actions import ledger

    if file is None:
        with bank_of(common) as bank:
            proof = ledger.verify(bank)
    else:
        with file.open("rb") as source:
            proof = ledger.verify_export(source, key)
    _report(proof, as_json=common.json)
    return ALL_WELL if proof.is_whole else NOT_WELL


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


def _report(proof: "ledger.Proof", *, as_json: bool) -> None:
    from imagebank.storage.rows import moment

    if as_json:
        answer: dict[str, Any] = {
            "is_whole": proof.is_whole,
            "lines": proof.lines,
            "checkpoints": proof.checkpoints,
            "faults": list(proof.faults),
            "key": proof.key,
            "checkpoint": proof.checkpoint,
            "checked_to": moment(proof.checked_to).isoformat() if proof.checkpoints else None,
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for fault in proof.faults:
        out.print(fault, markup=False)
    out.print(f"{proof.lines} lines, {proof.checkpoints} checkpoints, {len(proof.faults)} faults")
    if proof.checkpoints:
        out.print(f"the last checkpoint is of {moment(proof.checked_to):%Y-%m-%d %H:%M:%S} UTC: {proof.checkpoint}")
        out.print(f"signed by {proof.key}; compare both with what you noted elsewhere")
