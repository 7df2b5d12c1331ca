"""`imagebank client`: systems that ask for tokens themselves."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, content, say, tell, typed
from imagebank.model.access import Role
from imagebank.model.certificate import SHORT

app = App(
    name="client", help="Systems that get short-lived tokens by a key or a certificate of their own: add, list, remove."
)


@app.command
def add(
    *,
    common: Common = HERE,
    name: str,
    jwk: Path | None = None,
    certificate: Path | None = None,
    role: Role = Role.SYSTEM,
    organization: str = "",
) -> int:
    """Let a system ask for tokens at /api/v1/token with a JWT that it signs (RFC 7523), a TLS certificate (RFC 8705), or both.

    Who is given with both has to show both. With a certificate, its tokens are good together with that one only; a
    proxy that `trusted_proxies` names has to hand it on, as deploy/nginx.conf does.

    Example: imagebank client add --data /srv/imagebank --name ris --organization north --jwk ris.public.jwk

    Parameters
    ----------
    name
        What it calls itself in `iss` and `sub`, or in `client_id`, and how it stands in the ledger.
    jwk
        A file with its public key, as a JSON Web Key: P-256, P-384, Ed25519, or RSA of 2048 bits.
    certificate
        A file with its certificate, in PEM, without the private key.
    role
        What it may do.
    organization
        Whose studies it sees and deposits for; the bank's own without it.
    """
    from imagebank.actions import clients

    if jwk is None and certificate is None:
        raise WrongUsage("give its public key by --jwk, its certificate by --certificate, or both")
    with bank_of(common, may_create=True) as bank, typed():
        clients.add(bank, name, role, organization, content(jwk), content(certificate))
    tell(common, f"{name} is added", client=name, outcome="added")
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Systems that may ask for tokens; of a certificate, how its SHA-256 begins.

    Example: imagebank client list --data /srv/imagebank
    """
    with bank_of(common) as bank:
        found = bank.index.people.clients()
    columns = ("name", "role", "organization", "certificate", "created_at")
    rows = [{column: getattr(client, column) for column in columns} for client in found]
    say(common, [row | {"certificate": row["certificate"][:SHORT]} for row in rows], columns)
    return ALL_WELL


@app.command
def remove(name: str, *, common: Common = HERE) -> int:
    """Let a system ask for tokens no more, and end those that it has.

    Example: imagebank client remove --data /srv/imagebank ris

    Parameters
    ----------
    name
        The name, as `client list` shows it.
    """
    from imagebank.actions import clients

    with bank_of(common) as bank:
        clients.remove(bank, name)
    tell(common, f"{name} is removed", client=name, outcome="removed")
    return ALL_WELL
