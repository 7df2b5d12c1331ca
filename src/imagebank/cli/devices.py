"""`imagebank device`: the DIMSE peers that the bank knows."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, content, say, tell, typed
from imagebank.model.access import Device, Right
from imagebank.model.certificate import SHORT

app = App(name="device", help="DIMSE devices: add, list, remove, echo.")


@app.command
def add(
    *,
    common: Common = HERE,
    aet: str,
    host: str,
    port: int,
    tls: bool = False,
    certificate: Path | None = None,
    rights: str = "store,find,move,get",
    organization: str = "",
) -> int:
    """Register a DIMSE device, also as a C-MOVE destination; in force at its next association.

    To add one again replaces all that was said of it, the certificate too.

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
    certificate
        A file with its TLS certificate, in PEM, without the private key: it may call with this very one only. The
        listener asks for certificates when `tls_ca` is set; who issued this one has to be among those.
    rights
        Any of store, find, move, get, with commas; and reconcile, for the tasks of the reconciliation queue.
    organization
        Assigning authority of its patient identifiers; whose studies it sees.
    """
    from imagebank.actions import certificates, devices

    try:
        granted = frozenset(Right(part.strip()) for part in rights.split(",") if part.strip())
    except ValueError:
        raise WrongUsage("rights are any of store, find, move, get, reconcile, with commas between them") from None
    with bank_of(common, may_create=True) as bank, typed():
        wanted = certificates.registered(bank, content(certificate))
        device = Device(aet, host, port, tls, granted, organization or bank.settings.organization, wanted)
        outcome = "replaced" if devices.add(bank, device) else "added"
    tell(common, f"{aet} is {outcome}", device=aet, outcome=outcome)
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Registered devices; of a certificate, how its SHA-256 begins.

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
            "certificate": one.certificate[:SHORT],
        }
        for one in found
    ]
    say(common, rows, ("aet", "host", "port", "tls", "rights", "organization", "certificate"))
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
