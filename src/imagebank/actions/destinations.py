"""Where studies may be sent: places that an admin offers, each a registered device or another archive's DICOMweb."""

from dataclasses import replace
from typing import Final

from imagebank.actions.outbound import check_address
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Role
from imagebank.model.event import Act, Event
from imagebank.model.transfer import Destination

_LONGEST: Final = 100


def offer(bank: Bank, place: Destination, token: str = "") -> None:
    """Offer a place, or change it; in force at once. `token` is the bearer token that another archive asks for.

    Raises Invalid for a place that cannot be reached as it is described, NotFound for a device that is not registered.
    """
    name = " ".join(place.name.split())
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise Invalid("a destination has a name of one line by which people choose it")
    if bool(place.device) is bool(place.url):
        raise Invalid("a destination is a registered device, or the address of another archive's DICOMweb")
    if place.device and bank.index.device(place.device) is None:
        raise NotFound("no device is registered as {aet}", aet=place.device)
    if place.url:
        check_address(place.url, "https://archive.example/dicom-web")
    secret = bank.seal.seal(token.strip().encode()) if token.strip() else b""
    with bank.index.begin() as tx:
        tx.transfers.put_destination(replace(place, name=name, url=place.url.rstrip("/"), secret=secret))
        tx.record([_changed(bank, name, f"device destination offered: {name}")])


def withdraw(bank: Bank, name: str) -> None:
    """Offer a place no longer; what waits for it stops. Raises NotFound."""
    with bank.index.begin() as tx:
        is_gone = tx.transfers.remove_destination(name)
        if is_gone:
            tx.record([_changed(bank, name, f"device destination withdrawn: {name}")])
    if not is_gone:
        raise NotFound("there is no destination {name}", name=name)


def offered(bank: Bank) -> list[Destination]:
    """Every place, by name."""
    return bank.index.transfers.destinations()


def offered_to(bank: Bank, principal: Principal) -> list[Destination]:
    """The places to which the caller may send, by name. Others do not exist for them."""
    return [one for one in offered(bank) if _is_for(one, principal)]


def place(bank: Bank, name: str, principal: Principal) -> Destination | None:
    """One of these."""
    found = bank.index.transfers.destination(name)
    return found if found is not None and _is_for(found, principal) else None


def _is_for(one: Destination, principal: Principal) -> bool:
    # Whoever came by a card is a stranger to the site, whose own places they have no need to know.
    return one.for_recipients or principal.role is not Role.RECIPIENT


def _changed(bank: Bank, name: str, detail: str) -> Event:
    return Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail=detail)
