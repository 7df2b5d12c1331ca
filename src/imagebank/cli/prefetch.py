"""`imagebank prefetch`: priors that were made ready before somebody reads."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, say

app = App(name="prefetch", help="Priors that are made ready before somebody reads: list.")
_COLUMNS = ("at", "device", "study", "state", "objects", "bytes")


@app.command(name="list")
def listed(*, common: Common = HERE, limit: int = 50) -> int:
    """List studies that were made ready or wait to be sent, the newest first; without a device, in the bank itself.

    Example: imagebank prefetch list --limit 20 --data /srv/imagebank

    Parameters
    ----------
    limit
        How many at most.
    """
    if not 1 <= limit <= 10_000:
        raise WrongUsage("list 1 to 10,000 studies")
    with bank_of(common) as bank:
        found = bank.index.prefetches.newest(limit)
    rows = [(one.at, one.device, one.study, one.state, one.objects, one.octets) for one in found]
    say(common, [dict(zip(_COLUMNS, row, strict=True)) for row in rows], _COLUMNS)
    return ALL_WELL
