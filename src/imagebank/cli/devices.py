"""`imagebank device`: the DIMSE peers that the bank knows."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, say, tell, typed
from imagebank.model.access import Device, Right

app = App(name="device", help="DIMSE devices: add, list, remove, echo.")


@app.command
def add(
    *,
    common: Common = HERE,
    aet: str,
    host: str,
    port: int,
    tls: bool = False,
    rights: str = "store,find,move,get",
    organization: str = "",
) -> int:
    """Register a DIMSE device, also as a C-MOVE destination; in force at its next association.

    Example: imagebank device add --data /srv/imagebank --aet CT1 --host 10.1.2.3 --port 104 --rights store

    Parameters
    ----------
    aet
        Its application entity title.
    host
        Its address or name; calls from elsewhere are refused.
    port
        Where it listens.
    tls
        Whether it speaks TLS: results go to it by TLS, and it may not call without.
    rights
        Any of store, find, move, get, with commas.
    organization
        Assigning authority of its patient identifiers; whose studies it sees.
    """
    from imagebank.actions import devices

    try:
        granted = frozenset(Right(part.strip()) for part in rights.split(",") if part.strip())
    except ValueError:
        raise WrongUsage("rights are any of store, find, move, get, with commas between them") from None
    with bank_of(common, may_create=True) as bank, typed():
        device = Device(aet, host, port, tls, granted, organization or bank.settings.organization)
        outcome = "replaced" if devices.add(bank, device) else "added"
    tell(common, f"{aet} is {outcome}", device=aet, outcome=outcome)
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Registered devices.

    Example: imagebank device list --data /srv/imagebank
    """
    with bank_of(common) as bank:
        found = bank.index.devices()
    rows = [
        {
            "aet": one.aet,
            "host": one.host,
            "port": one.port,
            "tls": one.tls,
            "rights": ",".join(sorted(one.rights)),
            "organization": one.organization,
        }
        for one in found
    ]
    say(common, rows, ("aet", "host", "port", "tls", "rights", "organization"))
    return ALL_WELL


@app.command(name="remove")
def take_off(aet: str, *, common: Common = HERE) -> int:
    """Take a device off the register.

    Example: imagebank device remove --data /srv/imagebank CT1

    Parameters
    ----------
    aet
        Its application entity title.
    """
    from imagebank.actions import devices

    with bank_of(common) as bank:
        devices.remove(bank, aet)
    tell(common, f"{aet} is removed", device=aet, outcome="removed")
    return ALL_WELL


@app.command
def echo(aet: str, *, common: Common = HERE) -> int:
    """Call a registered device by C-ECHO.

    Example: imagebank device echo --data /srv/imagebank CT1

    Parameters
    ----------
    aet
        Its application entity title.
    """
    from imagebank import app as composition
    from imagebank.actions import devices

    with bank_of(common) as bank:
        composition.echo(bank, devices.destination(bank, aet))
    tell(common, f"{aet} answers", device=aet, outcome="answers")
    return ALL_WELL
