"""DIMSE peers: who may call, with which rights, and where results may go."""

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound
from imagebank.model.access import Device, Principal, Right, Role
from imagebank.model.certificate import SHORT, fingerprint, is_shown
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid

DEVICE_RIGHTS = frozenset({Right.STORE, Right.FIND, Right.MOVE, Right.GET})
GIVEN_BY_NAME = frozenset({Right.RECONCILE})
"""What a device may have beside, where somebody says so: the tasks of the reconciliation queue, as workitems."""
# PS3.5 6.2: an AE title has 16 characters at most, no backslash and no control characters.
_AET = re.compile(r"[ -\[\]-~]{1,16}")


def add(bank: Bank, device: Device) -> bool:
    """Register a device or change it; in force at its next association. Whether one was replaced. Raises Invalid."""
    if not _AET.fullmatch(device.aet) or not device.aet.strip():
        raise Invalid("an AE title has 1 to 16 printable characters and no backslash")
    if not 0 < device.port < 65536:
        raise Invalid("a port is a number from 1 to 65535")
    if not device.host.strip():
        raise Invalid("a device has an address or a host name")
    if not device.rights or not device.rights <= DEVICE_RIGHTS | GIVEN_BY_NAME:
        raise Invalid("a device has some of the rights store, find, move, get, reconcile")
    is_known = bank.index.device(device.aet) is not None
    with bank.index.begin() as tx:
        tx.put_device(device)
        tx.record([_changed(bank, device.aet, _registered(device))])
    return is_known


def remove(bank: Bank, aet: str) -> None:
    """Take a device off the register. Raises NotFound."""
    with bank.index.begin() as tx:
        removed = tx.remove_device(aet)
        if removed:
            tx.record([_changed(bank, aet, "device removed")])
    if not removed:
        raise NotFound("no device is registered as {aet}", aet=aet)


Resolve = Callable[[str], frozenset[str]]
"""The addresses of a host name; empty when it has none."""


def caller(
    bank: Bank, aet: str, address: str, resolve: Resolve, *, is_secure: bool = False, certificate: bytes = b""
) -> Principal | None:
    """Who calls by DIMSE; None for one that nobody registered, or that calls from elsewhere than registered.

    One that is registered with TLS may not call without, wherever from; one with a certificate only with that one, of
    which `certificate` is the DER that was shown by TLS. On a bank that accepts strangers, any title that nobody
    registered may call from this machine: a registered one has its own place and rights, also here.
    """
    device = bank.index.device(aet)
    if device is not None:
        is_itself = (
            (is_secure or not device.tls)
            and is_shown(device.certificate, fingerprint(certificate))
            and _is_at(device.host, address, resolve)
        )
        return principal(bank, aet, Role.DEVICE, device.organization, rights=device.rights) if is_itself else None
    if bank.settings.accepts_strangers and _is_here(address):
        own = bank.settings.organization
        return principal(bank, aet, Role.DEVICE, own, rights=DEVICE_RIGHTS, is_proven=False)
    return None


def warm(bank: Bank) -> None:
    """Have written what a process asks its database first for a device: it takes longer than to send a hundred slices."""
    nowhere = Uid("0.0")
    with suppress(BankError):
        scope = principal(bank, "", Role.DEVICE, bank.settings.organization, rights=DEVICE_RIGHTS).scope
        for selection in (Selection(study=nowhere), Selection(series=nowhere), Selection(instance=nowhere)):
            bank.index.instances(selection, scope)


def _is_at(host: str, address: str, resolve: Resolve) -> bool:
    """Whether an address is of a host. This machine has several to itself, which are one place."""
    if host == address:
        return True
    places = resolve(host)
    return address in places or (_is_here(address) and any(map(_is_here, places)))


def _is_here(address: str) -> bool:
    return ip_address(address).is_loopback


def destination(bank: Bank, aet: str) -> Device:
    """Where a C-MOVE goes. Raises NotFound for a title that is not registered."""
    device = bank.index.device(aet)
    if device is None:
        raise NotFound("no device is registered as {aet}; `imagebank device add` registers one", aet=aet)
    return device


def _registered(device: Device) -> str:
    return "device registered" + (f" with certificate {device.certificate[:SHORT]}" if device.certificate else "")


def _changed(bank: Bank, aet: str, what: str) -> Event:
    return Event(bank.now(), Act.CHANGED, aet, bank.settings.organization, detail=what)
