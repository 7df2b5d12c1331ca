"""`imagebank token` and `imagebank sign-in-link`: how somebody gets in."""

import sys

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, say, tell, typed
from imagebank.model.access import Role

app = App(name="token", help="Bearer tokens: create, list, revoke.")


def sign_in_link(
    *, common: Common = HERE, role: Role = Role.ADMIN, name: str = "operator", organization: str = ""
) -> int:
    """Print a link that signs a browser in, once.

    Example: imagebank sign-in-link --data /srv/imagebank --role clinician --name ada

    Parameters
    ----------
    role
        What the browser may do.
    name
        Under which name it stands in the ledger.
    organization
        Whose studies it sees; the bank's own without it.
    """
    from imagebank.actions import access
    from imagebank.http.whereabouts import web_url

    with bank_of(common) as bank:
        code = access.sign_in_link(bank, role, name, organization)
        web = web_url(bank.settings)
    sys.stdout.write(f"{web}/sign-in/{code}\n")
    return ALL_WELL


@app.command
def create(*, common: Common = HERE, role: Role, organization: str = "", name: str = "", days: float = 365) -> int:
    """Print a new bearer token, alone; it is shown this once.

    Example: imagebank token create --data /srv/imagebank --role clinician --name ward-3 --days 30

    Parameters
    ----------
    role
        What its holder may do.
    organization
        Whose studies its holder sees and deposits for; an admin sees all. The bank's own without it.
    name
        Under which name it stands in lists and in the ledger; one is made up without it.
    days
        How many days it lives.
    """
    from imagebank.actions import access

    with bank_of(common, may_create=True) as bank, typed():
        sys.stdout.write(access.issue_token(bank, role, organization, name, days) + "\n")
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Tokens by name; the tokens themselves are not kept.

    Example: imagebank token list --data /srv/imagebank
    """
    with bank_of(common) as bank:
        tokens = bank.index.tokens()
    columns = ("name", "role", "organization", "created_at", "expires_at")
    say(common, [{column: getattr(token, column) for column in columns} for token in tokens], columns)
    return ALL_WELL


@app.command
def revoke(name: str, *, common: Common = HERE) -> int:
    """End every token of a name, from the next request on.

    Example: imagebank token revoke --data /srv/imagebank ward-3

    Parameters
    ----------
    name
        The name, as `token list` shows it.
    """
    from imagebank.actions import access

    with bank_of(common) as bank:
        access.revoke_token(bank, name)
    tell(common, f"{name} is revoked", token=name, outcome="revoked")
    return ALL_WELL
