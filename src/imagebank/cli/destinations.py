"""`imagebank destination`: places that studies may be sent to."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, say, tell, typed
from imagebank.model.transfer import Destination

app = App(name="destination", help="Places that studies may be sent to: offer, list, withdraw.")
_COLUMNS = ("name", "device", "url", "has_token", "organization", "for_recipients")


@app.command
def offer(
    name: str,
    *,
    device: str = "",
    url: str = "",
    token_file: Path | None = None,
    organization: str = "",
    for_recipients: bool = False,
    common: Common = HERE,
) -> int:
    """Offer a place to people of the bank who may take studies along, or change it.

    Example: imagebank destination offer "Quay Street PACS" --device QUAY_PACS --for-recipients

    Example: imagebank destination offer "Harbour Imagebank" --url https://harbour.example/dicom-web --token-file token.txt

    Parameters
    ----------
    name
        How people choose it.
    device
        The AE title of a registered device (`imagebank device add`).
    url
        The root of another archive's DICOMweb, to which is stored by STOW-RS.
    token_file
        A file with the bearer token that the other archive asks for; it is kept sealed.
    organization
        Whose place it is.
    for_recipients
        Offer it to whoever has redeemed a card, too: people without an account here, who read its name then.
    """
    from imagebank.actions import destinations

    token = token_file.read_text() if token_file else ""
    with bank_of(common) as bank, typed():
        destinations.offer(
            bank, Destination(name, device, url, organization=organization, for_recipients=for_recipients), token
        )
    tell(common, f"{name} is offered", name=name, outcome="offered")
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """Every place that is offered.

    Example: imagebank destination list --data /srv/imagebank
    """
    from imagebank.actions import destinations

    with bank_of(common) as bank:
        found = destinations.offered(bank)
    rows = [(one.name, one.device, one.url, bool(one.secret), one.organization, one.for_recipients) for one in found]
    say(common, [dict(zip(_COLUMNS, row, strict=True)) for row in rows], _COLUMNS)
    return ALL_WELL


@app.command
def withdraw(name: str, *, common: Common = HERE) -> int:
    """Offer a place no longer; what waits for it stops.

    Example: imagebank destination withdraw "Quay Street PACS"

    Parameters
    ----------
    name
        Which one.
    """
    from imagebank.actions import destinations

    with bank_of(common) as bank, typed():
        destinations.withdraw(bank, name)
    tell(common, f"{name} is not offered any more", name=name, outcome="withdrawn")
    return ALL_WELL
