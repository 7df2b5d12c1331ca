"""`imagebank archive`: other archives that are asked what they hold of a person."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, say

app = App(name="archive", help="Other archives that are asked what they hold of a person: list, fetches.")
_COLUMNS = ("archive", "organization", "issuer", "way", "failures", "away_since", "rests_until", "reason")
_FETCHED = ("made_at", "archive", "study", "by", "state", "kept", "total", "reason")


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """List every archive of `archives_file`, and how it answers.

    Example: imagebank archive list --data /srv/imagebank
    """
    from imagebank.actions import elsewhere, other_archives

    with bank_of(common) as bank:
        known, lines = other_archives.listed(bank), elsewhere.lines(bank)
    rows = []
    for one, line in zip(known.values(), lines, strict=True):
        away = (line.failures, line.since, line.rests_until, line.reason)
        rows.append((one.name, one.organization, one.issuer, one.url or one.device, *away))
    say(common, [dict(zip(_COLUMNS, row, strict=True)) for row in rows], _COLUMNS)
    return ALL_WELL


@app.command
def fetches(*, common: Common = HERE, limit: int = 50) -> int:
    """List studies that are fetched from other archives, or were, the newest first.

    Example: imagebank archive fetches --limit 20 --data /srv/imagebank

    Parameters
    ----------
    limit
        How many at most.
    """
    if not 1 <= limit <= 10_000:
        raise WrongUsage("list 1 to 10,000 studies")
    with bank_of(common) as bank:
        found = bank.index.elsewhere.recalls("", limit)
    rows = [(one.made_at, one.archive, one.study, one.by, one.state, one.kept, one.total, one.reason) for one in found]
    say(common, [dict(zip(_FETCHED, row, strict=True)) for row in rows], _FETCHED)
    return ALL_WELL
