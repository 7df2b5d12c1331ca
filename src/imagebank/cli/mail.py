"""`imagebank mail`: whether mail goes, and what has not gone."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, say, tell, typed

app = App(name="mail", help="Mail to people: test, list what has not gone, send it again.")
_COLUMNS = ("at", "kind", "state", "reason", "mail")


@app.command(name="test")
def send_test(address: str, *, common: Common = HERE) -> int:
    """Send a mail that says that mail works, and wait for what the mail server says to it.

    Example: imagebank mail test ada@example.org --data /srv/imagebank

    Parameters
    ----------
    address
        Where it goes.
    """
    from imagebank import app as composition
    from imagebank.actions import mail

    with bank_of(common) as bank, typed():
        if not bank.settings.smtp:
            raise WrongUsage("no mail server is named; set smtp and smtp_from")
        mail.send_test(composition.mail_desk(), bank, address)
    tell(common, f"the mail server {bank.settings.smtp} has taken a mail", server=bank.settings.smtp)
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """List what waits to be mailed and what was given up, oldest first, with the reason. Addresses are not shown.

    Example: imagebank mail list --data /srv/imagebank
    """
    from imagebank.actions import mail

    with bank_of(common) as bank:
        rows = [
            {"at": one.at, "kind": one.kind, "state": one.state, "reason": one.reason, "mail": one.mail}
            for one in mail.unsent(bank)
        ]
    say(common, rows, _COLUMNS)
    return ALL_WELL


@app.command
def again(*, common: Common = HERE) -> int:
    """Send again what was given up, once what stood in its way is mended.

    Example: imagebank mail again --data /srv/imagebank
    """
    from imagebank.actions import mail

    with bank_of(common) as bank:
        number = mail.send_again(bank)
    tell(common, f"mails that are tried again: {number}", mails=number)
    return ALL_WELL
