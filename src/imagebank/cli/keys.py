"""`imagebank keys`: the keys that seal what is kept."""

from typing import Annotated

from cyclopts import App, Parameter

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, operator, tell

app = App(name="keys", help="The keys of accounts: shred.")


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
