"""`imagebank person`: who may sign in to an account of their own."""

import sys

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, say, tell, typed
from imagebank.model.access import Role

app = App(name="person", help="People's accounts: add, list, link, lock, unlock.")


def _show(common: Common, web: str, code: str) -> None:
    from imagebank.actions.account import LINK_HOURS

    if common.json:
        tell(common, "", link=f"{web}/activate/{code}", hours=LINK_HOURS)
    else:
        sys.stdout.write(f"{web}/activate/{code}\n")


@app.command
def add(*, common: Common = HERE, name: str, role: Role, display_name: str = "", organization: str = "") -> int:
    """Add somebody, and print the one-time link by which they choose how they sign in. It is good for three days.

    Example: imagebank person add --data /srv/imagebank --name ada --role clinician --display-name "Ada Varga"

    Parameters
    ----------
    name
        What they type to sign in, and how they stand in the ledger.
    role
        What they may do.
    display_name
        What pages call them.
    organization
        Whose studies they see and deposit for; the bank's own without it.
    """
    from imagebank.actions import account
    from imagebank.http.whereabouts import web_url

    with bank_of(common, may_create=True) as bank, typed():
        code = account.add(bank, name, role, display_name, organization)
        _show(common, web_url(bank.settings), code)
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Everybody, and by what they sign in.

    Example: imagebank person list --data /srv/imagebank
    """
    columns = ("name", "display_name", "role", "organization", "password", "app", "passkeys", "locked", "created_at")
    with bank_of(common) as bank:
        rows = [
            {
                "name": one.name,
                "display_name": one.display_name,
                "role": one.role,
                "organization": one.organization,
                "password": bool(one.password),
                "app": bool(one.totp),
                "passkeys": len(bank.index.people.passkeys(one.id)),
                "locked": one.is_locked,
                "created_at": one.created_at,
            }
            for one in bank.index.people.accounts()
        ]
    say(common, rows, columns)
    return ALL_WELL


@app.command
def link(name: str, *, common: Common = HERE) -> int:
    """Print another link, for somebody who lost theirs or all means to sign in. Using it ends the means of before.

    Example: imagebank person link --data /srv/imagebank ada

    Parameters
    ----------
    name
        The name, as `person list` shows it.
    """
    from imagebank.actions import account
    from imagebank.http.whereabouts import web_url

    with bank_of(common) as bank:
        _show(common, web_url(bank.settings), account.invite(bank, name))
    return ALL_WELL


@app.command
def lock(name: str, *, common: Common = HERE) -> int:
    """Let somebody in no more, from the next request on.

    Example: imagebank person lock --data /srv/imagebank ada

    Parameters
    ----------
    name
        The name, as `person list` shows it.
    """
    from imagebank.actions import account

    with bank_of(common) as bank:
        account.lock(bank, name)
    tell(common, f"{name} is locked out", person=name, outcome="locked")
    return ALL_WELL


@app.command
def unlock(name: str, *, common: Common = HERE) -> int:
    """Let somebody in again, by the means they had.

    Example: imagebank person unlock --data /srv/imagebank ada

    Parameters
    ----------
    name
        The name, as `person list` shows it.
    """
    from imagebank.actions import account

    with bank_of(common) as bank:
        account.unlock(bank, name)
    tell(common, f"{name} is let in again", person=name, outcome="unlocked")
    return ALL_WELL
