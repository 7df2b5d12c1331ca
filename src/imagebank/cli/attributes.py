"""`imagebank attribute`: what the site makes searchable beside the usual."""

from datetime import datetime

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, operator, say, tell, typed
from imagebank.model.declared import Declared, State

app = App(name="attribute", help="Attributes that the site makes searchable: add, list, remove.")


@app.command
def add(path: str, *, common: Common = HERE, name: str = "", vr: str = "") -> int:
    """Make an attribute searchable by QIDO-RS and C-FIND, at once and in every process.

    What had been deposited before is read by the worker in the background, headers alone; until it is through, answers
    say that matches may be missing.

    Example: imagebank attribute add --data /srv/imagebank series:ContrastBolusAgent

    Example: imagebank attribute add --data /srv/imagebank "series:0019xx10@ACME 1.1" --name DoseNote --vr LO

    Parameters
    ----------
    path
        The level, and a keyword or tag, with dots into sequences. Of a private tag xx stands for the block, and its
        creator behind an @.
    name
        What it is called in searches beside its tags.
    vr
        What kind of value a private one has; LO if not given.
    """
    from imagebank.actions import attributes
    from imagebank.model.note import Wanted

    with bank_of(common, may_create=True) as bank, typed():
        is_new = attributes.add(bank, operator(bank), Wanted(path.strip(), name, vr))
    outcome = "added" if is_new else "there already"
    tell(common, f"{path} is {outcome}", path=path, outcome=outcome)
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """What the site has made searchable, and how far what had come before has been read for it.

    Example: imagebank attribute list --data /srv/imagebank
    """
    from imagebank.actions import attributes

    with bank_of(common) as bank:
        held, now = attributes.listed(bank, operator(bank)), bank.now()
    rows = [
        {
            "path": one.written,
            "name": one.attribute.keyword,
            "vr": one.attribute.vr,
            "state": one.state.value,
            "read": f"{one.done} of {one.total}",
            "since": one.added_at.isoformat(timespec="seconds"),
            "remaining": _remaining(one, now),
        }
        for one in held
    ]
    say(common, rows, ("path", "name", "vr", "state", "read", "since", "remaining"))
    return ALL_WELL


def _remaining(one: Declared, now: datetime) -> str:
    left = one.remaining(now)
    if left is None:
        return "" if one.state is State.WHOLE else "not known yet"
    return f"about {max(1, round(left.total_seconds() / 60))} min"


@app.command
def remove(path: str, *, common: Common = HERE) -> int:
    """Let an attribute be searchable no more; its values are forgotten in the background.

    Example: imagebank attribute remove --data /srv/imagebank series:ContrastBolusAgent

    Parameters
    ----------
    path
        As it was added, or its name.
    """
    from imagebank.actions import attributes

    with bank_of(common) as bank:
        attributes.remove(bank, operator(bank), path.strip())
    tell(common, f"{path} is removed", path=path, outcome="removed")
    return ALL_WELL
