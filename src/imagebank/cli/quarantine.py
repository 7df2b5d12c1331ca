"""`imagebank quarantine`: what was laid aside."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, bank_of, new_file, operator, say, tell

app = App(name="quarantine", help="Objects laid aside: list, get, submit, delete.")


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """What lies in quarantine, with the reasons.

    Example: imagebank quarantine list --data /srv/imagebank
    """
    from imagebank.actions import quarantine

    with bank_of(common) as bank:
        found = quarantine.listed(bank, operator(bank))
    rows = [
        {"number": one.id, "received_at": one.received_at, "from": one.source.principal, "file": one.name,
         "bytes": one.location.size, "reason": one.reason}
        for one in found
    ]  # fmt: skip
    say(common, rows, ("number", "received_at", "from", "file", "reason"))
    return ALL_WELL


@app.command
def get(number: int, to: Path, *, common: Common = HERE) -> int:
    """Write an object from quarantine to a file, byte for byte as it came: what hides in it is not taken out.

    Example: imagebank quarantine get --data /srv/imagebank 17 copy.dcm

    Parameters
    ----------
    number
        Its number, as `quarantine list` shows it.
    to
        The file to write; one that is there already is left alone.
    """
    from imagebank.actions import quarantine

    # First the file: what could not be written out was not looked at, and does not stand in the ledger.
    with bank_of(common) as bank, new_file(to) as stream:
        stream.writelines(quarantine.content(bank, number, operator(bank), is_original=True))
    tell(common, f"{number} is written to {to}", number=number, outcome="written", file=str(to))
    return ALL_WELL


@app.command
def submit(number: int, *, common: Common = HERE) -> int:
    """Send an object in again; it leaves quarantine when it is kept.

    Example: imagebank quarantine submit --data /srv/imagebank 17

    Parameters
    ----------
    number
        Its number, as `quarantine list` shows it.
    """
    from imagebank.actions import quarantine

    with bank_of(common) as bank:
        receipt = quarantine.submit_again(bank, number, operator(bank))
    reason = str(receipt.error or "")
    tell(
        common,
        f"{number}: {receipt.outcome}{reason and f', {reason}'}",
        number=number,
        outcome=receipt.outcome,
        reason=reason,
    )
    return ALL_WELL if receipt.is_kept else NOT_WELL


@app.command
def delete(number: int, *, common: Common = HERE) -> int:
    """Delete an object from quarantine for good.

    Example: imagebank quarantine delete --data /srv/imagebank 17

    Parameters
    ----------
    number
        Its number, as `quarantine list` shows it.
    """
    from imagebank.actions import quarantine

    with bank_of(common) as bank:
        quarantine.let_go(bank, number, operator(bank))
    tell(common, f"{number} is deleted", number=number, outcome="deleted")
    return ALL_WELL
