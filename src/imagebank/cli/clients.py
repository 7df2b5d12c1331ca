"""`imagebank client`: systems that ask for tokens themselves."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, say, tell, typed
from imagebank.model.access import Role

app = App(name="client", help="Systems that get short-lived tokens by a key of their own: add, list, remove.")


@app.command
def add(*, common: Common = HERE, name: str, jwk: Path, role: Role = Role.SYSTEM, organization: str = "") -> int:
    """Let a system ask for tokens at /api/v1/token with a JWT that it signs (RFC 7523).

    Example: imagebank client add --data /srv/imagebank --name ris --organization north --jwk ris.public.jwk

    Parameters
    ----------
    name
        What it calls itself in `iss` and `sub`, and how it stands in the ledger.
    jwk
        A file with its public key, as a JSON Web Key: P-256, P-384, Ed25519, or RSA of 2048 bits.
    role
        What it may do.
    organization
        Whose studies it sees and deposits for; the bank's own without it.
    """
    from imagebank.actions import clients

    with bank_of(common, may_create=True) as bank, typed():
        clients.add(bank, name, role, organization, jwk.read_bytes())
    tell(common, f"{name} is added", client=name, outcome="added")
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Systems that may ask for tokens.

    Example: imagebank client list --data /srv/imagebank
    """
    with bank_of(common) as bank:
        found = bank.index.people.clients()
    columns = ("name", "role", "organization", "created_at")
    say(common, [{column: getattr(client, column) for column in columns} for client in found], columns)
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
