"""Where studies may be sent: places that an admin offers, each a registered device or another archive's DICOMweb."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
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
        _check(place.url)
    secret = bank.seal.seal(token.strip().encode()) if token.strip() else b""
    with bank.index.begin() as tx:
        tx.transfers.put_destination(replace(place, name=name, url=place.url.rstrip("/"), secret=secret))
        tx.record([_changed(bank, name, f"device destination offered: {name}")])


def _check(url: str) -> None:
    """Raises Invalid for an address to which no images should go: without encryption only on this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise Invalid("the address is like https://archive.example/dicom-web, without a name, question or fragment")
    if parts.scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        raise Invalid("images leave this machine by https only")


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


def _changed(bank: Bank, name: str, detail: str) -> Event:
    return Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail=detail)
