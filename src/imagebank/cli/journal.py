"""`imagebank journal`: what a node keeps that its object store does not have yet."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, WrongUsage, bank_of, tell

app = App(name="journal", help="What this node keeps that the object store does not have yet: status, upload, take.")


@app.command
def status(*, common: Common = HERE) -> int:
    """How much waits for the object store, and since when; the status is 1 when that is much, or long.

    Example: imagebank journal status --data /srv/imagebank
    """
    from imagebank.actions import journal

    with bank_of(common) as bank:
        if bank.journal is None:
            tell(common, "nothing waits: an object is answered for once it is where it stays", bytes=0)
            return ALL_WELL
        found, complaint = bank.journal.unuploaded(), journal.complaint(bank)
    since = "nothing waits" if found.since is None else f"the oldest since {found.since:%Y-%m-%d %H:%M:%S} UTC"
    words = complaint or f"{found.octets:,} bytes wait for the object store, of {found.most:,} that may; {since}"
    tell(common, words, bytes=found.octets, most=found.most, since=found.since and found.since.isoformat())
    return NOT_WELL if complaint else ALL_WELL


@app.command
def upload(*, common: Common = HERE) -> int:
    """Upload now what nobody writes to any more, as a worker does every second; the status is 1 when something is left.

    It may run beside a server, and does so after an import without one.

    Example: imagebank journal upload --data /srv/imagebank
    """
    with bank_of(common) as bank:
        if bank.journal is None:
            raise WrongUsage("there is no journal: s3_durability is not set to journal")
        count = bank.journal.upload()
        left = bank.journal.unuploaded().octets
    words = f"{left:,} bytes wait still, for those who write to them" if left else "nothing waits"
    tell(common, f"{count} segments were uploaded; {words}", uploaded=count, bytes=left)
    return NOT_WELL if left else ALL_WELL


@app.command
def take(*, yes: bool = False, common: Common = HERE) -> int:
    """Let this node keep the journal of the bank from now on: for when the disk of the one that did is lost.

    What that disk had not uploaded is lost with it. Run `imagebank reindex` and `imagebank verify` afterwards: they say
    what is missing. Where the former node still runs, stop it first; it is refused from then on.

    Example: imagebank journal take --yes --data /srv/imagebank

    Parameters
    ----------
    yes
        Do it; nothing is done without.
    """
    from imagebank import app as composition

    settings = common.settings()
    if settings.s3_durability != "journal":
        raise WrongUsage("there is no journal: s3_durability is not set to journal")
    if not yes:
        raise WrongUsage("what the former node has not uploaded cannot be read from then on: repeat it with --yes")
    composition.take_journal(settings)
    tell(common, "this node keeps the journal now; run imagebank reindex, then imagebank verify", outcome="taken")
    return ALL_WELL
