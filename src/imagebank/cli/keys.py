"""`imagebank keys`: the keys that seal what is kept."""

from typing import Annotated

from cyclopts import App, Parameter

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, WrongUsage, bank_of, operator, say, tell

app = App(name="keys", help="The keys that seal what is kept: shred, rotate, status.")


@app.command
def shred(
    *,
    issuer: str,
    patient: Annotated[str, Parameter(name="--patient")] = "",
    yes: bool = False,
    common: Common = HERE,
) -> int:
    """Destroy an account's key: everything that is kept of that patient is unreadable for good, backups of objects too.

    Example: imagebank keys shred --issuer HOSPITAL --patient 4711 --yes

    Parameters
    ----------
    issuer
        The assigning authority of the patient identifier; the organization that deposited where none is named.
    patient
        The patient identifier; without it, what that organization brought of patients without an identifier.
    yes
        Do it; nothing is done without.
    """
    from imagebank.actions import shred as action
    from imagebank.model.person import PatientId

    if not yes:
        raise WrongUsage("this cannot be undone: repeat it with --yes")
    with bank_of(common) as bank:
        number = action.shred(bank, PatientId(issuer, patient), operator(bank))
    tell(
        common,
        "the account's key is destroyed: nothing that it sealed can be read any more",
        outcome="destroyed",
        keys=number,
    )
    return ALL_WELL


@app.command
def rotate(*, common: Common = HERE) -> int:
    """Have a worker wrap the keys of all accounts by the newest root key, while everything runs.

    Append the new root key first, on every machine; `keys status` tells when the old one can be taken away.

    Example: imagebank keys rotate --data /srv/imagebank
    """
    from imagebank.actions import rotate as action

    with bank_of(common) as bank:
        action.rotate(bank, operator(bank))
    tell(common, "a worker does it now; `imagebank keys status` tells how far it is", outcome="deferred")
    return ALL_WELL


@app.command
def status(*, objects: bool = False, common: Common = HERE) -> int:
    """How many keys of accounts each root key wraps. The status is 1 while another than the current one is needed.

    Example: imagebank keys status --objects --data /srv/imagebank

    Parameters
    ----------
    objects
        Look through all records, too, for such as a root key wraps itself: they are from before accounts had keys.
        Nothing else tells whether a root key can be taken away.
    """
    from imagebank.actions import rotate as action

    with bank_of(common) as bank:
        found = action.status(bank, objects=objects)
    rows = [
        {"root key": name, "is current": name == found.current, "keys": found.keys.get(name, 0),
         "objects": found.objects[name] if objects else "not looked at"}
        for name in sorted({found.current, *found.keys, *found.objects})
    ]  # fmt: skip
    say(common, rows, ("root key", "is current", "keys", "objects"))
    return ALL_WELL if found.is_done else NOT_WELL
